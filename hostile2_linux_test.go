package roost_test

import (
	"context"
	"testing"
	"time"

	"roost"
)

// holding is a Gate that lets everything pass after f.
func holding(f func()) roost.Gate {
	return gateFunc(func(*roost.Head) roost.Verdict { f(); return roost.Verdict{} })
}

// ended is an Observer that notes that a connection ended.
type ended chan struct{}

func (ended) Request(*roost.RequestRecord)         {}
func (o ended) Connection(*roost.ConnectionRecord) { o <- struct{}{} }
func (ended) Change(*roost.ChangeRecord)           {}

// A client that goes before its content was asked for, while a goroutine looks at its head, leaves nothing.
func TestGoneBeforeContent(t *testing.T) {
	asked, goOn := make(chan struct{}), make(chan struct{})
	told := make(chan *roost.Exchange, 1)
	gone := make(ended, 1)
	s := start(t, roost.Config{MaxConns: 1, Observer: gone, Gate: holding(func() { asked <- struct{}{}; <-goOn })})
	s.add("/a", all, func(e *roost.Exchange) { told <- e })
	c := s.dial()
	c.send("PUT /a HTTP/1.1\r\nHost: a\r\nAccept-Encoding: identity;q=0, gzip\r\nContent-Length: 5\r\n\r\n")
	<-asked
	c.reset()
	<-gone
	goOn <- struct{}{}
	select {
	case e := <-told:
		if e.Status != 400 {
			t.Error("status", e.Status)
		}
	case <-time.After(5 * time.Second):
		t.Error("the request never ends")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error("Shutdown:", err)
	}
}

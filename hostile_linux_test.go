package roost_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"roost"
)

// reset ends a connection so that the other end's next write fails.
func (c *raw) reset() {
	c.Conn.(*net.TCPConn).SetLinger(0)
	c.Close()
}

// never be ended.
func TestPipelinedBehindReset(t *testing.T) {
	told := newRecorder()
	s := start(t, roost.Config{})
	s.add("/long", roost.GET, nil, roost.WithValue(bytes.Repeat([]byte("x"), 64<<10)))
	a := s.add("/a", all, nil)
	s.add("/told", all, told.callback)
	r, err := a.Representation()
	must(err)
	tag := r.ETag()
	const long = "GET /long HTTP/1.1\r\nHost: a\r\n\r\n"
	for _, next := range []string{
		"GET /a HTTP/1.1\r\nHost: a\r\nIf-None-Match: " + tag + "\r\nPrefer: wait=50\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n",
		"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nxxx",
		"PUT /told HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nxxx",
	} {
		for range 50 {
			c := s.dial()
			c.send(long + long + next)
			c.reset()
		}
	}
	eventually(t, func() bool { return roost.Watchers(s.Server) == 0 && roost.Pending(s.Server) == 0 })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error("Shutdown:", err)
	}
}

// Shutdown lets a reader have the whole of the answer that it is taking.
func TestShutdownDuringLongAnswer(t *testing.T) {
	const size = 16 << 20
	for _, tr := range []transport{reference, fast} {
		t.Run(tr.name, func(t *testing.T) {
			s := tr.start(t, roost.Config{})
			s.add("/long", roost.GET, nil, roost.WithValue(bytes.Repeat([]byte("x"), size)))
			resp, err := s.client.Get(s.base + "/long")
			must(err)
			defer resp.Body.Close()
			ended := make(chan error, 1)
			go func() { ended <- s.Shutdown(context.Background()) }()
			time.Sleep(200 * time.Millisecond)
			if n, err := io.Copy(io.Discard, resp.Body); n != size || err != nil {
				t.Errorf("got %d octets, %v", n, err)
			}
			must(<-ended)
		})
	}
}

// A listener can be added while connections of another end.
func TestServeWhileObserved(t *testing.T) {
	s := start(t, roost.Config{Observer: new(observed)})
	s.add("/a", roost.GET, nil)
	stop := make(chan struct{})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if c, err := net.Dial("tcp", s.Addr().String()); err == nil {
					c.Close()
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 100 {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			must(err)
			group.Go(func() { s.Serve(l) })
			if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
				c.Close()
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("it hangs")
	}
	close(stop)
	ended := make(chan error, 1)
	go func() { ended <- s.Close() }()
	select {
	case err := <-ended:
		must(err)
	case <-time.After(20 * time.Second):
		t.Fatal("Close hangs")
	}
	group.Wait()
}

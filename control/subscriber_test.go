package control

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// deliverOne adds an event of one octet.
func deliverOne(s *subscriber) { s.deliver(func(uint64) []byte { return []byte("x") }) }

// Callbacks are held back for a stream that was cut off, for a while.
func TestHoldTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSubscriber(2, 0)
		st, _, _ := s.open(nil, true)
		deliverOne(s)
		deliverOne(s)
		s.cut(st)
		start := time.Now()
		deliverOne(s)
		if waited := time.Since(start); waited != holdTime {
			t.Errorf("held back for %v, want %v", waited, holdTime)
		}
		start = time.Now()
		deliverOne(s)
		if waited := time.Since(start); waited != 0 {
			t.Errorf("held back for %v after that", waited)
		}
		st, after, _ := s.open(nil, true)
		if _, lost, _ := s.take(st, after); lost != 2 {
			t.Errorf("lost %d, want 2", lost)
		}
	})
}

// A stream that comes back in time loses nothing.
func TestBackInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSubscriber(2, 0)
		st, _, _ := s.open(nil, true)
		deliverOne(s)
		deliverOne(s)
		s.cut(st)
		delivered := make(chan struct{})
		go func() { deliverOne(s); close(delivered) }()
		time.Sleep(holdTime - time.Second)
		st, after, _ := s.open(nil, true)
		for want := uint64(1); want <= 3; want++ {
			e, lost, more := s.take(st, after)
			if more != nil { // the third comes when there is room
				<-more
				e, lost, _ = s.take(st, after)
			}
			if lost != 0 || e.number != want {
				t.Errorf("got the event %d, lost %d, want %d", e.number, lost, want)
			}
			after = e.number
		}
		<-delivered
	})
}

// Octets count as much as events.
func TestHeldBytes(t *testing.T) {
	s := newSubscriber(1000, 10)
	for range 5 {
		s.deliver(func(uint64) []byte { return make([]byte, 4) })
	}
	if len(s.held) != 2 || s.bytes != 8 || s.waiting != 8 {
		t.Errorf("%d events of %d octets are held, %d wait", len(s.held), s.bytes, s.waiting)
	}
	s.deliver(func(uint64) []byte { return make([]byte, 100) })
	if len(s.held) != 1 || s.bytes != 100 {
		t.Errorf("%d events of %d octets are held", len(s.held), s.bytes)
	}
}

// A silent stream has a comment line now and then.
func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(NewEngine(EngineConfig{}), Config{})
		s, err := a.engine.subscribers.get("me")
		if err != nil {
			t.Fatal(err)
		}
		st, after, _ := s.open(nil, false)
		ctx, cancel := context.WithCancel(t.Context())
		w := httptest.NewRecorder()
		ended := make(chan struct{})
		go func() { a.send(ctx, w, s, st, after); close(ended) }()
		time.Sleep(4*heartbeat + time.Second)
		deliverOne(s) // and the silence begins anew
		time.Sleep(heartbeat - time.Second)
		cancel()
		<-ended
		if got, want := w.Body.String(), strings.Repeat(":\n\n", 4)+"x"; got != want {
			t.Errorf("sent %q, want %q", got, want)
		}
		if !w.Flushed {
			t.Error("nothing was flushed")
		}
	})
}

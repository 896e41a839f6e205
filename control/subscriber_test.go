package control

import (
	"context"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// deliveries are events on their way, each in a goroutine that may have to wait. It lives
// in a bubble of synctest.
type deliveries struct {
	s    *subscriber
	done atomic.Int32
}

// add delivers an event of n octets.
func (d *deliveries) add(n int) {
	go func() {
		d.s.deliver(func(uint64) []byte { return make([]byte, n) })
		d.done.Add(1)
	}()
	synctest.Wait()
}

// want checks how many deliveries are done.
func (d *deliveries) want(t *testing.T, done int) {
	t.Helper()
	synctest.Wait()
	if got := int(d.done.Load()); got != done {
		t.Errorf("%d deliveries are done, want %d", got, done)
	}
}

// full is a subscriber with a holding stream and as many events as it may have, and one
// delivery that waits.
func full(t *testing.T) (*deliveries, *stream) {
	d := &deliveries{s: newSubscriber(2, 0)}
	st, _, _ := d.s.open(nil, true)
	for range 3 {
		d.add(1)
	}
	d.want(t, 2)
	return d, st
}

// taken takes the next events of a stream.
func taken(t *testing.T, s *subscriber, st *stream, after uint64, numbers ...uint64) {
	t.Helper()
	for _, want := range numbers {
		e, lost, _ := s.take(st, after)
		if lost != 0 || e.number != want {
			t.Fatalf("got the event %d, lost %d, want the event %d", e.number, lost, want)
		}
		after = e.number
		synctest.Wait()
	}
}

// What ends the waiting of a callback that is held back.
func TestHeldBack(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, d *deliveries, st *stream){
		"room": func(t *testing.T, d *deliveries, st *stream) {
			taken(t, d.s, st, 0, 1)
			d.want(t, 3)
			taken(t, d.s, st, 1, 2, 3)
		},
		"release": func(t *testing.T, d *deliveries, st *stream) {
			d.s.release(true)
			d.want(t, 3)
			for range 5 {
				d.add(1)
			}
			d.want(t, 8) // without limits
			d.s.release(false)
			d.add(1)
			d.want(t, 8) // and then with them again
			taken(t, d.s, st, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
		},
		"end": func(t *testing.T, d *deliveries, st *stream) {
			d.s.end()
			d.want(t, 3)
			if st.context.Err() == nil {
				t.Error("the stream goes on")
			}
		},
		"a stream that doesn't hold": func(t *testing.T, d *deliveries, _ *stream) {
			d.s.open(nil, false)
			d.want(t, 3)
		},
		"the stream is cut off": func(t *testing.T, d *deliveries, st *stream) {
			d.s.cut(st)
			time.Sleep(10*time.Second - time.Millisecond) // as docs/control-api.md says
			d.want(t, 2)
			time.Sleep(2 * time.Millisecond)
			d.want(t, 3)
			d.add(1)
			d.want(t, 4) // nobody waits for it any more
			st, after, _ := d.s.open(nil, true)
			if _, lost, _ := d.s.take(st, after); lost != 2 {
				t.Errorf("lost %d, want 2", lost)
			}
		},
		"it comes back in time": func(t *testing.T, d *deliveries, st *stream) {
			d.s.cut(st)
			time.Sleep(9 * time.Second)
			st, after, _ := d.s.open(nil, true)
			time.Sleep(time.Minute)
			d.want(t, 2)
			taken(t, d.s, st, after, 1, 2, 3)
			d.want(t, 3)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, st := full(t)
				end(t, d, st)
				d.s.end()
			})
		})
	}
}

// Octets hold back as much as events do, and no more than one event is ever too long.
func TestHeldBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &deliveries{s: newSubscriber(1000, 10)}
		st, _, _ := d.s.open(nil, true)
		d.add(4)
		d.add(4)
		d.add(4)
		d.want(t, 3) // there is room until the limit is passed
		d.add(4)
		d.want(t, 3)
		taken(t, d.s, st, 0, 1)
		d.want(t, 4)
		taken(t, d.s, st, 1, 2, 3, 4)
		d.add(100)
		d.want(t, 5)
		d.s.end()
	})

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

// What was given once is not counted as waiting, however often it is given again.
func TestGivenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &deliveries{s: newSubscriber(4, 0)}
		for range 3 {
			d.add(5)
		}
		st, _, _ := d.s.open(nil, false)
		taken(t, d.s, st, 0, 1, 2)
		zero := uint64(0)
		st, after, _ := d.s.open(&zero, false)
		taken(t, d.s, st, after, 1)
		if d.s.given != 2 || d.s.waiting != 5 {
			t.Errorf("%d were given, %d octets wait, want 2 and 5", d.s.given, d.s.waiting)
		}
		// A stream that another one replaced gets nothing.
		old := st
		d.s.open(nil, false)
		if e, lost, more := d.s.take(old, 1); e.number != 0 || lost != 0 || more == nil {
			t.Errorf("the old stream got the event %d, lost %d", e.number, lost)
		}
	})
}

// What was told to be lost is told once, and its number is one that was given.
func TestLostIsToldOnce(t *testing.T) {
	s := newSubscriber(1, 0)
	for range 3 {
		s.deliver(func(uint64) []byte { return []byte("x") })
	}
	st, after, _ := s.open(nil, false)
	if _, lost, _ := s.take(st, after); lost != 2 {
		t.Errorf("lost %d, want 2", lost)
	}
	s.cut(st)
	two := uint64(2)
	if _, after, unknown := s.open(&two, false); after != 2 || unknown {
		t.Errorf("it goes on after %d, unknown: %v", after, unknown)
	}
	st, after, _ = s.open(nil, false)
	if e, lost, _ := s.take(st, after); e.number != 3 || lost != 0 {
		t.Errorf("got the event %d, lost %d", e.number, lost)
	}
}

// A subscriber that is made while a server stops holds nothing back either.
func TestReleasedFromTheStart(t *testing.T) {
	all := newSubscribers(1, 0)
	all.release(true)
	s, err := all.get("me")
	if err != nil || !s.released {
		t.Errorf("released: %v, %v", s.released, err)
	}
	all.release(false)
	if s.released {
		t.Error("it stays released")
	}
}

// A silent stream has a comment line every 15 s, as docs/control-api.md says.
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
		time.Sleep(4*15*time.Second + time.Second)
		s.deliver(func(uint64) []byte { return []byte("event") }) // and the silence begins anew
		time.Sleep(14 * time.Second)
		cancel()
		<-ended
		if got, want := w.Body.String(), strings.Repeat(":\n\n", 4)+"event"; got != want {
			t.Errorf("sent %q, want %q", got, want)
		}
		if !w.Flushed {
			t.Error("nothing was flushed")
		}
	})
}

package control

import (
	"cmp"
	"context"
	"sync"
	"time"
)

// subscriber is somebody whom callbacks are told to, by events, whether connected at
// the moment or not. What no stream was given yet is held for one, and what was given
// is held on, while there is room, for a stream that was cut off and comes back.
//
// Where the stream asked for it, the subscriber holds callbacks back rather than lose
// one: deliver then waits, and with it the queue of the server's callbacks, and so in
// the end the connections to resources with callbacks.
type subscriber struct {
	maxEvents int
	maxBytes  int64

	mu       sync.Mutex
	held     []heldEvent // in the order of their numbers, without gaps
	bytes    int64       // of held
	newest   uint64      // the last number that was given
	given    uint64      // the newest that a stream was given
	waiting  int64       // octets of those held that none was given
	stream   *stream     // who is connected; nil while nobody is
	holds    bool        // the last stream asked to hold callbacks back
	until    time.Time   // how long it does after its stream was cut off
	released bool        // nothing is held back, nor dropped
	more     chan struct{}
	room     chan struct{}
}

// heldEvent is an event, encoded.
type heldEvent struct {
	number uint64
	data   []byte
}

// stream is a connection that takes a subscriber's events.
type stream struct {
	context context.Context // done when another stream took over, or the subscriber is forgotten
	end     context.CancelFunc
}

const (
	defaultHeldEvents = 1 << 10
	defaultHeldBytes  = 16 << 20

	// holdTime is how long callbacks are held back for a stream that was cut off.
	holdTime = 10 * time.Second
)

func newSubscriber(maxEvents int, maxBytes int64) *subscriber {
	return &subscriber{
		maxEvents: cmp.Or(maxEvents, defaultHeldEvents), maxBytes: cmp.Or(maxBytes, defaultHeldBytes),
		more: make(chan struct{}), room: make(chan struct{}),
	}
}

// wake closes a channel that somebody may wait on, and makes the next.
func wake(c *chan struct{}) {
	close(*c)
	*c = make(chan struct{})
}

// deliver adds an event, which encode makes for its number, when there is room for it or
// nobody holds callbacks back.
func (s *subscriber) deliver(encode func(number uint64) []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.holdingLocked() && s.fullLocked() {
		room, limit := s.room, s.limitLocked()
		s.mu.Unlock()
		select {
		case <-room:
		case <-limit:
		}
		s.mu.Lock()
	}
	s.newest++
	e := heldEvent{s.newest, encode(s.newest)}
	s.held = append(s.held, e)
	s.bytes += int64(len(e.data))
	s.waiting += int64(len(e.data))
	s.dropLocked()
	wake(&s.more)
}

// holdingLocked says whether what no stream was given must not be lost now.
func (s *subscriber) holdingLocked() bool {
	return s.holds && !s.released && (s.stream != nil || time.Now().Before(s.until))
}

// fullLocked says whether as much as may be held waits for a stream.
func (s *subscriber) fullLocked() bool {
	return s.newest-max(s.given, s.firstLocked()-1) >= uint64(s.maxEvents) || s.waiting >= s.maxBytes
}

// limitLocked fires when a stream that was cut off is waited for no longer.
func (s *subscriber) limitLocked() <-chan time.Time {
	if s.stream != nil {
		return nil
	}
	return time.After(time.Until(s.until))
}

// dropLocked drops the oldest events beyond what may be held, but for the newest one,
// and for those that must not be lost.
func (s *subscriber) dropLocked() {
	keep := s.holdingLocked() || s.holds && s.released
	for len(s.held) > 1 && (len(s.held) > s.maxEvents || s.bytes > s.maxBytes) {
		oldest := s.held[0]
		size := int64(len(oldest.data))
		if oldest.number > s.given {
			if keep {
				return
			}
			s.waiting -= size
		}
		s.bytes -= size
		s.held[0] = heldEvent{}
		s.held = s.held[1:]
	}
}

// open connects a stream in place of the one before. It goes on after the event number
// last; nil is whatever no stream was given. It returns where it goes on, and whether
// last is a number that no stream was given: then it is all that is held.
func (s *subscriber) open(last *uint64, hold bool) (st *stream, after uint64, unknown bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked()
	s.stream = new(stream)
	s.stream.context, s.stream.end = context.WithCancel(context.Background())
	s.holds = hold
	wake(&s.room)
	switch {
	case last == nil:
		return s.stream, s.given, false
	case *last > s.given:
		return s.stream, s.firstLocked() - 1, true
	}
	return s.stream, *last, false
}

// firstLocked is the number of the oldest event that is held, or of the next.
func (s *subscriber) firstLocked() uint64 { return s.newest + 1 - uint64(len(s.held)) }

func (s *subscriber) endLocked() {
	if s.stream != nil {
		s.stream.end()
		s.stream = nil
	}
}

// end ends the stream, and holds nothing back any more.
func (s *subscriber) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked()
	s.holds = false
	wake(&s.room)
}

// cut says that the connection of st ended.
func (s *subscriber) cut(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.end()
	if s.stream == st {
		s.stream = nil
		s.until = time.Now().Add(holdTime)
		wake(&s.room)
	}
}

// take returns the event that comes after the number after, or how many were lost
// before the one that comes next, or, where there is none, a channel that is closed
// when there is more.
func (s *subscriber) take(st *stream, after uint64) (e heldEvent, lost uint64, more <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.firstLocked()
	switch {
	case s.stream != st:
		return heldEvent{}, 0, s.more
	case after+1 < first:
		s.given = max(s.given, first-1) // it is told of them
		return heldEvent{}, first - 1 - after, nil
	case after == s.newest:
		return heldEvent{}, 0, s.more
	}
	e = s.held[after+1-first]
	if e.number > s.given {
		s.given = e.number
		s.waiting -= int64(len(e.data))
		wake(&s.room)
	}
	return e, 0, nil
}

// release lets deliver go on without limits, or ends that.
func (s *subscriber) release(released bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.released = released
	wake(&s.room)
}

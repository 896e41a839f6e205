package roost

import (
	"runtime/debug"
	"time"

	"roost/internal/http1"
	"roost/internal/reactor"
)

// fastStream is an event stream on the fast plane. It is all that is kept while the stream goes
// on, as there may be thousands, silent for long.
type fastStream struct {
	conn    *reactor.Conn
	feed    feed
	watch   watcher
	quiet   int64 // since when: nanoseconds since 1970
	sent    int64
	record  *RequestRecord // for the observer, if there is one
	chunked bool           // else the end of the connection ends it
	keep    bool           // the connection, afterwards
	called  bool           // the callback was told
	over    bool
}

// stream makes the call a stream. It is false, and there is another answer, if there was no
// room for it.
func (k *fastCall) stream() bool {
	if k.gone {
		return false
	}
	q, c, p := &k.request, k.conn, k.plane
	keep := !k.last && k.head.Minor > 0
	s := &fastStream{conn: c, feed: q.feed, watch: watcher{waker: c, guest: true}, quiet: c.Loop().Now().UnixNano(), chunked: k.head.Minor > 0, keep: keep}
	if !p.server.site.hub.add(&s.watch, q.watched) {
		q.noRoomToWatch()
		return false
	}
	k.becomes, k.replied = s, true
	c.KeepPlace()
	s.begin(&q.reply)
	s.send(q.opening)
	c.Flush() // before the callback
	k.settleStream(s)
	k.phase = phaseOver
	return true
}

// settleStream is settle, for a stream, but for the observer, who is told when the stream ends.
func (k *fastCall) settleStream(s *fastStream) {
	k.settled = true
	if k.plane.server.cfg.Observer != nil {
		s.record = k.record(k.request.status(), 0)
	}
	k.callBack()
	s.called = k.called
	k.giveBack()
}

func (s *fastStream) plane() *fastPlane { return laneOf(s.conn).plane }

// begin writes the head.
func (s *fastStream) begin(a *reply) {
	connection := ""
	if !s.keep {
		connection = "close"
	}
	b := appendHead(s.conn, a, connection)
	if s.chunked {
		b = http1.AppendField(b, "Transfer-Encoding", "chunked")
	}
	s.conn.SetBuffer(http1.AppendEnd(b))
}

// pump sends what there is to tell, as far as the reader takes it.
func (s *fastStream) pump() {
	defer func() {
		if r := recover(); r != nil {
			s.plane().server.cfg.Logger.Error("event stream panicked", "panic", r, "stack", string(debug.Stack()))
			s.conn.Close()
		}
	}()
	for !s.over && s.conn.Ready() {
		now := s.conn.Loop().Now()
		octets, last := s.feed.next(now)
		if len(octets) == 0 && !last {
			silent := time.Duration(now.UnixNano() - s.quiet)
			if silent < heartbeatAfter {
				s.conn.SetTime(heartbeatAfter - silent)
				return
			}
			octets = heartbeat
		}
		s.send(octets)
		s.quiet = now.UnixNano()
		if last {
			s.finish()
			return
		}
	}
}

func (s *fastStream) send(octets []byte) {
	b := s.conn.Buffer()
	if s.chunked {
		b = http1.AppendChunk(b, octets)
	} else {
		b = append(b, octets...)
	}
	s.conn.SetBuffer(b)
	s.sent += int64(len(octets))
}

// finish ends the stream after what was sent; the connection goes on, if it may.
func (s *fastStream) finish() {
	c := s.conn
	if s.chunked {
		c.SetBuffer(http1.AppendLastChunk(c.Buffer()))
	}
	s.end()
	c.State = nil
	c.Resume()
	// What would be asked next would not wait for room in the queue of callbacks.
	if !s.keep || s.plane().server.site.stopping.Load() || s.called && s.plane().server.courier.crowded() {
		c.Finish()
		return
	}
	setTime(c, s.plane().timeouts().Idle)
}

// end tells the observer, and keeps the connection's place while the queue of callbacks is full.
func (s *fastStream) end() {
	if s.over {
		return
	}
	s.over = true
	s.plane().server.site.hub.remove(&s.watch)
	defer s.conn.GivePlace()
	s.plane().keepPlace(s.conn, s.called)
	if s.record != nil {
		defer s.plane().guardObserver()
		s.record.Duration, s.record.Sent = time.Since(s.record.Start), s.sent
		s.plane().server.cfg.Observer.Request(s.record)
	}
}

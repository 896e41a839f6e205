package roost

import (
	"net/http"
	"time"
)

// heartbeatAfter is the silence on a stream after which a comment is sent (rule 44).
const heartbeatAfter = 15 * time.Second

// wait holds a long poll (rule 41) until there is an answer.
func (c *call) wait() step {
	q := &c.request
	hub := &c.plane.server.site.hub
	// A poll may go on as a stream, which watches something else: what the hub has is not
	// the request's.
	var watch watcher
	signal, ok := watch.begin(hub, q.watched)
	if !ok {
		return q.noRoomToWatch()
	}
	defer hub.remove(&watch)
	c.unbind()
	timer := time.NewTimer(q.patience)
	defer timer.Stop()
	// A change may have come before it was watched.
	step := q.changed(time.Now(), hub.isStopped())
	for step == stepWait {
		over := false
		select {
		case <-signal:
		case <-timer.C:
			over = true
		case <-c.r.Context().Done():
			over = true
		}
		step = q.changed(time.Now(), over || hub.isStopped())
	}
	return step
}

// begin begins to wake a goroutine of a request.
func (w *watcher) begin(h *hub, what watched) (signal, bool) {
	signal := make(signal, 1)
	w.waker, w.guest = signal, true
	return signal, h.add(w, what)
}

// noRoomToWatch refuses one watcher too many (rule 46).
func (q *request) noRoomToWatch() step {
	limit := int64(q.site.cfg.MaxWatchers)
	q.held = false
	return q.refuse(problemBusy.withLimit(limit, limit, "max-watchers", "As many requests wait for changes as may."))
}

// unbind takes away the time limits that a server before this one may have set for the
// request: it may wait for long.
func (o *wire) unbind() {
	if o.plane.own && o.r.ProtoMajor == 1 {
		return // net/http sets none there
	}
	rc := http.NewResponseController(o.w)
	rc.SetReadDeadline(time.Time{})
	rc.SetWriteDeadline(time.Time{})
}

// streaming is a stream that was begun. It is all that is kept while the stream goes on, as
// there may be thousands, silent for long: the call is another request's by then, and the
// content that a client may have sent is dropped.
type streaming struct {
	wire
	watch  watcher
	signal signal
	feed   feed
	called bool // the callback was told

	opening []byte // what is sent first

	uri, query string // for the observer
}

// beginStream sends the head of a stream. It is false, and there is another answer, if
// there was no room for it.
func (c *call) beginStream() bool {
	q := &c.request
	s := &streaming{feed: q.feed, opening: q.opening, uri: q.uri(), query: c.head.Query}
	hub := &c.plane.server.site.hub
	var ok bool
	if s.signal, ok = s.watch.begin(hub, q.watched); !ok {
		q.noRoomToWatch()
		return false
	}
	defer func() {
		if c.stream == nil { // something panicked
			hub.remove(&s.watch)
		}
	}()
	c.sendHead(&q.reply)
	c.callBack()
	s.wire, s.called = c.wire, c.called
	c.stream = s
	return true
}

// serve sends events until the stream ends.
func (s *streaming) serve() {
	defer s.end()
	rc := http.NewResponseController(s.w)
	quiet := time.Now() // since when
	silence := time.AfterFunc(heartbeatAfter, s.signal.Wake)
	defer silence.Stop()
	octets, last := s.opening, false
	s.opening = nil
	for {
		now := time.Now()
		if len(octets) == 0 && !last && now.Sub(quiet) >= heartbeatAfter {
			octets = heartbeat
		}
		if len(octets) > 0 {
			s.boundWrite()
			if !s.write(octets) {
				return
			}
			quiet = now
			silence.Reset(heartbeatAfter)
		}
		if last {
			return
		}
		if len(octets) == 0 && !s.rest(rc) {
			return
		}
		octets, last = s.feed.next(time.Now())
	}
}

// rest sends what was written, and waits for more to tell. It is false when the client is
// gone.
func (s *streaming) rest(rc *http.ResponseController) bool {
	if rc.Flush() != nil {
		return false
	}
	s.unbind()
	select {
	case <-s.signal:
		return true
	case <-s.r.Context().Done():
		return false
	}
}

// end tells the observer, and keeps the connection from its next request while the queue
// of callbacks is full.
func (s *streaming) end() {
	server := s.plane.server
	server.site.hub.remove(&s.watch)
	if s.called && s.r.ProtoMajor == 1 {
		defer server.courier.pause()
	}
	if o := server.cfg.Observer; o != nil {
		rec := s.record(s.uri, s.query, http.StatusOK)
		rec.Header = allFields(s.r)
		o.Request(&rec)
	}
}

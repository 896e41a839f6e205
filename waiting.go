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
	signal, ok := c.watch()
	if !ok {
		return q.noRoomToWatch()
	}
	defer c.plane.server.site.hub.remove(&q.watch)
	c.unbind()
	timer := time.NewTimer(q.patience)
	defer timer.Stop()
	// A change may have come before it was watched.
	step := q.changed(time.Now(), c.plane.server.site.hub.isStopped())
	for step == stepWait {
		over := false
		select {
		case <-signal:
		case <-timer.C:
			over = true
		case <-c.r.Context().Done():
			over = true
		}
		step = q.changed(time.Now(), over || c.plane.server.site.hub.isStopped())
	}
	return step
}

// watch begins to watch what the request is about.
func (c *call) watch() (signal, bool) {
	signal := make(signal, 1)
	w := &c.request.watch
	w.wake, w.guest = signal.wake, true
	return signal, c.plane.server.site.hub.add(w)
}

// noRoomToWatch refuses one watcher too many (rule 46).
func (q *request) noRoomToWatch() step {
	limit := int64(q.site.cfg.MaxWatchers)
	q.held = false
	return q.refuse(problemBusy.withLimit(limit, limit, "max-watchers", "As many requests wait for changes as may."))
}

// unbind takes away the time limits that a server before this one may have set for the
// request: it may wait for long.
func (c *call) unbind() {
	if c.plane.own && c.r.ProtoMajor == 1 {
		return // net/http sets none there
	}
	rc := http.NewResponseController(c.w)
	rc.SetReadDeadline(time.Time{})
	rc.SetWriteDeadline(time.Time{})
}

// stream sends events until the stream ends. It is false, and there is another answer, if
// there was no room for it.
func (c *call) stream() bool {
	q := &c.request
	signal, ok := c.watch()
	if !ok {
		q.noRoomToWatch()
		return false
	}
	defer c.plane.server.site.hub.remove(&q.watch)
	rc := http.NewResponseController(c.w)
	c.sendHead(&q.reply)
	c.callBack()
	silence := time.NewTimer(heartbeatAfter)
	defer silence.Stop()
	for {
		octets, last := q.feed.next(time.Now())
		if len(octets) > 0 {
			c.boundWrite()
			if !c.write(octets) {
				return true
			}
		}
		if last {
			return true
		}
		if len(octets) > 0 {
			silence.Reset(heartbeatAfter)
			continue
		}
		if rc.Flush() != nil {
			return true
		}
		c.unbind()
		select {
		case <-signal:
		case <-silence.C:
			c.boundWrite()
			if !c.write(heartbeat) {
				return true
			}
			silence.Reset(heartbeatAfter)
		case <-c.r.Context().Done():
			return true
		}
	}
}

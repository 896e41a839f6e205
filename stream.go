package roost

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"roost/internal/condition"
	"roost/internal/negotiate"
)

var eventStream = mustMedia(streamType)

// wantsStream says whether a GET is for the stream rather than for a value of type m
// (rule 42): Accept names it, and gives it more weight, or as much where m is met by a
// wildcard only.
func wantsStream(accept []string, m *negotiate.MediaType) bool {
	if !mentionsStream(accept) || !negotiate.Named(accept, eventStream) {
		return false
	}
	stream, value := negotiate.Accept(accept, eventStream), negotiate.Accept(accept, m)
	return stream > value || stream == value && !negotiate.Named(accept, m)
}

// mentionsStream is a quick no for nearly every request.
func mentionsStream(accept []string) bool {
	for _, line := range accept {
		for i := 0; i+len("event-stream") <= len(line); i++ {
			if strings.EqualFold(line[i:i+len("event-stream")], "event-stream") {
				return true
			}
		}
	}
	return false
}

// A feed is what a stream sends after its opening. It is asked by one goroutine at a time, and
// keeps no more than its place.
type feed interface {
	// next returns the octets that come next, read-only and good until it is called again;
	// none where there is nothing to tell for now. After those with last set the stream ends.
	next(now time.Time) (octets []byte, last bool)
}

// An opener makes the feed of a client that has seen the event lastEventID, if it says so, and
// what its stream begins with.
type opener func(lastEventID string) (f feed, opening []byte)

var streamFields = []Field{
	nosniff, noStore, varies,
	{"Content-Type", []string{streamType}},
	{"X-Accel-Buffering", []string{"no"}},
}

// stream begins a stream about what is watched (rule 43). It has no entity-tag of its own.
func (q *request) stream(what watched, open opener) step {
	h := q.head
	if lines := h.Header.Values("If-Match"); len(lines) > 0 && !condition.Any(lines) {
		return q.refuse(problemPrecondition.with("An event stream has no entity-tag that If-Match could name."))
	}
	if condition.Any(h.Header.Values("If-None-Match")) {
		return q.finish(http.StatusNotModified, nosniff, noStore, varies)
	}
	q.send(reply{status: http.StatusOK, fields: streamFields})
	if h.Method == http.MethodHead {
		return stepReply
	}
	q.watched = what
	q.feed, q.opening = open(h.Header.Get("Last-Event-ID"))
	return stepStream
}

// maxBehind is how many changes of one resource a reader may be behind before the older
// ones are left out.
const maxBehind = 16

// valueFeed tells of one resource: its value, and each change of it (rules 44, 45).
type valueFeed struct {
	site   *site
	entry  *entry
	cursor cursor
	hooked *hooked // that was asked, if one was
	sent   uint64  // revision of the value that was sent last
	event  *event  // that is being sent; nil for most, which are short
}

func (s *site) feedValue(e *entry) opener {
	return func(lastEventID string) (feed, []byte) {
		f := &valueFeed{site: s, entry: e, hooked: s.hookOf(e, GET)}
		f.cursor, _ = s.hub.present()
		return f, append(retryLine(), f.open(lastEventID)...)
	}
}

func (f *valueFeed) fits(e *entry) bool { return e == f.entry }

func (f *valueFeed) next(now time.Time) ([]byte, bool) {
	if f.site.hub.isStopped() {
		return nil, true
	}
	if f.event != nil {
		if !f.event.over() {
			return f.event.next(), false
		}
		f.event = nil
	}
	for {
		if !f.site.registered(f.entry).methods.Has(GET) || f.site.hookOf(f.entry, GET) != f.hooked {
			return nil, true // the client comes back, and is asked about
		}
		c, read := f.site.hub.read(&f.cursor, f.fits, maxBehind)
		rep := c.rep
		switch {
		case read == found && c.kind == Deleted:
			return deleteEvent(f.site.epoch, c.revision), true
		case read != found && isGone(f.entry):
			return deleteEvent(f.site.epoch, f.sent), true
		case read != found:
			rep = f.entry.current.Load()
		}
		if rep.item.Revision > f.sent {
			return f.tell(rep), false
		}
		// What is there now, as what was found may have been replaced in time.
		if rep = f.entry.current.Load(); rep.expired(now) {
			return deleteEvent(f.site.epoch, rep.item.Revision), true
		}
		if read == nothing {
			return nil, false
		}
	}
}

// tell begins to tell of a value.
func (f *valueFeed) tell(rep *Representation) []byte {
	f.sent = rep.item.Revision
	if b := rep.event(); b != nil {
		return b
	}
	long := valueEvent(rep)
	f.event = &long
	return f.event.next()
}

// open looks at what the client has seen already.
func (f *valueFeed) open(lastEventID string) []byte {
	if lastEventID == "" {
		return nil
	}
	revision, ok := parseEventID(f.site.epoch, lastEventID)
	switch now := f.entry.current.Load().item.Revision; {
	case !ok:
		return resetEvent
	case revision == now:
		f.sent = now
		return heartbeat
	}
	return nil
}

// heartbeat is a comment, which keeps what stands between from closing the connection.
var (
	heartbeat  = []byte(":\n\n")
	resetEvent = []byte("event: reset\ndata:\n\n")
)

// retryLine has clients that lost their connection come back at different times.
func retryLine() []byte {
	b := append(make([]byte, 0, len("retry: 5000\n\n")), "retry: "...)
	b = strconv.AppendInt(b, 2000+rand.Int64N(3001), 10)
	return append(b, "\n\n"...)
}

func deleteEvent(epoch string, revision uint64) []byte {
	return []byte("event: delete\n" + eventID(etag(epoch, revision)) + "data:\n\n")
}

// eventID names a place in the stream: an entity-tag without its quotes.
func eventID(etag string) string { return "id: " + strings.Trim(etag, `"`) + "\n" }

// parseEventID reads an id of this store's.
func parseEventID(epoch, id string) (uint64, bool) {
	digits, ok := strings.CutPrefix(id, epoch+"-")
	revision, err := strconv.ParseUint(digits, 10, 64)
	return revision, ok && err == nil && (digits == "0" || digits[0] != '0')
}

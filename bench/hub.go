package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// hub is a handler that answers PUT of one value by telling everybody who is
// connected, each by a channel: the least that one would write.
type hub struct {
	bare

	mu    sync.Mutex
	event []byte // of the present value
	to    map[chan []byte]struct{}
}

// BareHub returns a handler that streams events without Roost. It is [Bare] but for
// GET with Accept: text/event-stream.
func BareHub() http.Handler {
	h := &hub{to: make(map[chan []byte]struct{})}
	h.tell(h.store([]byte(Value)))
	return h
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == "PUT":
		h.put(w, r)
		h.tell(h.current.Load())
	case r.Header.Get("Accept") == "text/event-stream":
		h.stream(w, r.Context())
	default:
		h.get(w)
	}
}

// tell leaves out whoever has not taken the event before.
func (h *hub) tell(v *bareValue) {
	event := fmt.Appendf(nil, "id: %s\ndata: %s\n\n", v.etag[0][1:len(v.etag[0])-1], v.content)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.event = event
	for c := range h.to {
		select {
		case c <- event:
		default:
		}
	}
}

// join has c told of what comes, beginning with what is there.
func (h *hub) join(c chan []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c <- h.event
	h.to[c] = struct{}{}
}

func (h *hub) leave(c chan []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.to, c)
}

var (
	noStore   = []string{"no-store"}
	stream    = []string{"text/event-stream"}
	unbuffers = []string{"no"}
)

func (h *hub) stream(w http.ResponseWriter, ctx context.Context) {
	header := w.Header()
	header["X-Content-Type-Options"] = nosniff
	header["Cache-Control"] = noStore
	header["Vary"] = accept
	header["Content-Type"] = stream
	header["X-Accel-Buffering"] = unbuffers
	io.WriteString(w, "retry: 3000\n\n")
	events := make(chan []byte, 1)
	h.join(events)
	defer h.leave(events)
	for {
		select {
		case event := <-events:
			w.Write(event)
			w.(http.Flusher).Flush()
		case <-ctx.Done():
			return
		}
	}
}

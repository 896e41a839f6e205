package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"roost"
)

// Request is what an event tells of a request and its answer: the six arguments of the
// document's callback, and what a program may want beside.
type Request struct {
	Number   uint64              `json:"number" doc:"Of the event, from 1 for each subscriber."`
	Callback string              `json:"callback" doc:"What was registered with the subscriber."`
	URI      string              `json:"uri" doc:"The resource that was asked for."`
	Method   string              `json:"method" enum:"GET,PUT,POST,DELETE"`
	Headers  map[string][]string `json:"headers" doc:"Every field line of the request, by name. Of a value that is not UTF-8, each octet is one character."`
	Body     *string             `json:"body,omitempty" doc:"The request's content, where it is UTF-8 text."`
	Base64   Octets              `json:"base64,omitempty" doc:"The request's content, where it is not UTF-8 text."`
	NewURI   string              `json:"new_uri" doc:"Of the resource that a POST made, else empty."`
	Status   int                 `json:"status" doc:"Of the answer."`
	Query    string              `json:"query" doc:"Of the target, without the question mark."`
	Peer     string              `json:"peer" doc:"The client's address."`
	Time     time.Time           `json:"time" doc:"When the request's head was read."`
}

// Lost tells how many events a subscriber did not get.
type Lost struct {
	Lost uint64 `json:"lost"`
}

// Reset tells that the number a stream was to go on from was never given here.
type Reset struct{}

// Subscriber is what is told of a subscriber.
type Subscriber struct {
	Name      string `json:"name"`
	Connected bool   `json:"connected" doc:"A stream is open."`
	Hold      bool   `json:"hold" doc:"Its stream holds callbacks back rather than lose one."`
	Held      int    `json:"held" doc:"Events that are held for it."`
	Newest    uint64 `json:"newest" doc:"The number of the newest event."`
	Sent      uint64 `json:"sent" doc:"The number of the newest event that a stream was given."`
}

func (s *subscriber) info(name string) Subscriber {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Subscriber{Name: name, Connected: s.stream != nil, Hold: s.holds, Held: len(s.held), Newest: s.newest, Sent: s.given}
}

// encodeEvent is the whole of a request's event, as it is sent.
func encodeEvent(number uint64, token string, x *roost.Exchange) []byte {
	content := contentOf(x.Body)
	headers := make(map[string][]string, len(x.Header))
	for name, lines := range x.Header {
		for _, line := range lines {
			headers[name] = append(headers[name], textOf(line))
		}
	}
	return frame("request", number, Request{
		Number: number, Callback: token, URI: x.URI, Method: x.Method.String(), Headers: headers,
		Body: content.Value, Base64: content.Base64,
		NewURI: x.NewURI, Status: x.Status, Query: textOf(x.Query), Peer: x.Peer, Time: x.Time,
	})
}

// textOf is a field's value, or a query, as text: where it is not UTF-8, each octet is
// one character.
func textOf(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

// frame is an event of a stream (HTML §9.2.5). JSON holds no line ends, so that data is
// one line.
func frame(kind string, id uint64, data any) []byte {
	b, err := json.Marshal(data)
	if err != nil {
		panic(err) // strings and numbers
	}
	return fmt.Appendf(nil, "id: %d\nevent: %s\ndata: %s\n\n", id, kind, b)
}

// heartbeat is how long a stream is silent at most.
const heartbeat = 15 * time.Second

// endTime is how long the client of a stream that ends may take for what it was sent.
const endTime = time.Second

var comment = []byte(":\n\n")

type subscription struct {
	Subscriber  string `query:"subscriber" required:"true" pattern:"^[A-Za-z0-9._-]{1,64}$" doc:"A name of the client's choice, which registrations tell."`
	Hold        bool   `query:"hold" doc:"Hold callbacks back rather than lose an event: while as many are held as may be, connections to resources with callbacks wait after their answers."`
	LastEventID string `header:"Last-Event-ID" pattern:"^[0-9]{1,19}$" doc:"The number of the last event that was seen, to go on from there. Without it the stream begins with what no earlier one was given."`
}

const eventsText = `An event stream (HTML §9.2) of the requests for resources whose handlers were registered for this subscriber: one at a time, for one URI in the order of its changes, for one connection in the order of its answers.

The events are ` + "`request`, `lost` (so many were dropped, as the subscriber fell behind) and `reset` (the number in `Last-Event-ID` was never given here)" + `; a comment line at once, and after 15 s of silence. A second stream of a subscriber ends the first. For a holding stream that is cut off, callbacks are held back for 10 s more.`

func (a *API) registerEvents(api huma.API) {
	op := operation(http.MethodGet, "/v1/events", "stream-events", "Stream request events", eventsText, problemFull)
	op.Responses["200"] = &huma.Response{
		Description: "The stream. Each event's data is one line of JSON.",
		Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: eventSchema(api)}},
	}
	huma.Register(api, op, a.streamEvents)

	huma.Register(api, operation(http.MethodGet, "/v1/subscribers", "list-subscribers", "List subscribers",
		"All of them, by name."), a.listSubscribers)
	huma.Register(api, operation(http.MethodDelete, "/v1/subscribers/{name}", "forget-subscriber", "Forget a subscriber",
		"Its stream ends, what is held for it is dropped, and registrations that name it tell nobody.", problemSubscriber), a.forgetSubscriber)
}

// eventSchema describes the data of each kind of event.
func eventSchema(api huma.API) *huma.Schema {
	schemas := api.OpenAPI().Components.Schemas
	kinds := []*huma.Schema{}
	for _, kind := range []any{Request{}, Lost{}, Reset{}} {
		kinds = append(kinds, schemas.Schema(reflect.TypeOf(kind), true, ""))
	}
	return &huma.Schema{OneOf: kinds}
}

func (a *API) streamEvents(_ context.Context, in *subscription) (*huma.StreamResponse, error) {
	var last *uint64
	if in.LastEventID != "" {
		n, _ := strconv.ParseUint(in.LastEventID, 10, 64) // by the pattern, 19 digits at most
		last = &n
	}
	if _, err := a.engine.subscribers.get(in.Subscriber); err != nil {
		return nil, a.problemOf(err)
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		r, w := humago.Unwrap(ctx)
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Connection", "close") // the deadlines would outlast the stream
		if r.Method == http.MethodHead {
			return // which opens nothing, and ends nobody's stream
		}
		if o, err := a.engine.subscribers.open(in.Subscriber, last, in.Hold); err == nil {
			a.stream(r, w, o)
		}
	}}, nil
}

// stream serves a stream that was opened, to its end.
func (a *API) stream(r *http.Request, w http.ResponseWriter, o opened) {
	defer o.cut(o.stream)
	conn := http.NewResponseController(w)
	conn.SetReadDeadline(time.Time{}) // nothing more is to come
	defer context.AfterFunc(o.stream.context, func() {
		conn.SetWriteDeadline(time.Now().Add(endTime)) // it may stand in a write
	})()
	if o.unknown {
		w.Write(frame("reset", o.after, Reset{}))
	} else {
		w.Write(comment)
	}
	a.send(r.Context(), w, o.subscriber, o.stream, o.after)
}

// send sends events until the connection, the stream or the API ends.
func (a *API) send(ctx context.Context, w http.ResponseWriter, s *subscriber, st *stream, after uint64) {
	flush := http.NewResponseController(w).Flush
	silence := time.NewTicker(heartbeat)
	defer silence.Stop()
	finishing, ending := a.finishing, false
	for {
		e, lost, more := s.take(st, after)
		var err error
		switch {
		case lost > 0:
			after += lost
			_, err = w.Write(frame("lost", after, Lost{lost}))
		case more == nil:
			after = e.number
			_, err = w.Write(e.data)
		default:
			err = flush()
		}
		if err != nil {
			return
		}
		if more == nil {
			silence.Reset(heartbeat)
			continue
		}
		if ending {
			return // nothing is left
		}
		select {
		case <-more:
		case <-silence.C:
			w.Write(comment)
		case <-st.context.Done():
			return
		case <-ctx.Done():
			return
		case <-finishing:
			finishing, ending = nil, true // look once more
		}
	}
}

// SubscriberList is all subscribers.
type SubscriberList struct {
	Subscribers []Subscriber `json:"subscribers" nullable:"false"`
}

type subscribersAnswer struct{ Body SubscriberList }

func (a *API) listSubscribers(context.Context, *struct{}) (*subscribersAnswer, error) {
	return &subscribersAnswer{Body: SubscriberList{a.engine.subscribers.list()}}, nil
}

func (a *API) forgetSubscriber(_ context.Context, in *struct {
	Name string `path:"name" doc:"Of the subscriber."`
}) (*struct{}, error) {
	if err := a.engine.subscribers.forget(in.Name); err != nil {
		return nil, a.problemOf(err)
	}
	return nil, nil
}

package main

import (
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// sender sends changes to a server, each once.
type sender struct {
	url       string
	transport *http.Transport
}

func newSender(url string) *sender {
	return &sender{url, &http.Transport{MaxIdleConnsPerHost: 100, DisableCompression: true, ResponseHeaderTimeout: patience}}
}

func (s *sender) Close() { s.transport.CloseIdleConnections() }

// answer is what the ledger wants of one.
type answer struct {
	status                     int
	etag, location, link, body string
}

// once hides what a body is, so that net/http does not send it a second time.
type once struct{ io.Reader }

func (s *sender) send(c change, fields ...string) (a answer, err error) {
	r, err := http.NewRequest(c.method, s.url+c.uri, nil)
	if err != nil {
		return a, err
	}
	if c.method == http.MethodPut || c.method == http.MethodPost {
		r.Body, r.ContentLength = io.NopCloser(once{strings.NewReader(c.body)}), int64(len(c.body))
		r.Header.Set("Content-Type", "text/plain")
	}
	if c.key != "" {
		r.Header.Set("Idempotency-Key", `"`+c.key+`"`)
	}
	for i := 0; i+1 < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	got, err := s.transport.RoundTrip(r)
	if err != nil {
		return a, err
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	h := got.Header
	return answer{got.StatusCode, h.Get("Etag"), h.Get("Location"), h.Get("Link"), string(body)}, err
}

// must is send to a server that is there.
func (s *sender) must(t *testing.T, c change, accept string) answer {
	if accept == "" {
		accept = "*/*"
	}
	a, err := s.send(c, "Accept", accept)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// writer changes resources, one after the other, until the server is gone.
type writer struct {
	name   string
	ledger *ledger
	sender *sender
	chance *rand.Rand
	own    map[string]state // children that nobody else writes
	keys   []string         // that had an answer
	sent   int
	over   bool
}

// maxOwn is how many children each writer keeps.
const maxOwn = 12

func (w *writer) write() {
	for !w.over {
		switch n := w.chance.IntN(100); {
		case n < 30:
			w.put(w.shared(), 0)
		case n < 45:
			w.putAsRead(w.shared())
		case n < 50:
			w.refused(change{method: http.MethodPut, uri: w.shared()}, http.StatusPreconditionFailed, "If-Match", `"`+w.ledger.epoch+`-1"`)
		case n < 53:
			w.refused(change{method: http.MethodPost, uri: w.shared()}, http.StatusBadRequest, "Content-Digest", "sha-256=:"+strings.Repeat("A", 43)+"=:")
		case n < 56:
			w.reuseKey()
		case n < 63:
			w.putOwn()
		case n < 70 || len(w.own) > maxOwn:
			w.remove()
		case n < 85:
			w.post("")
		default:
			w.post(fmt.Sprint("key-", w.name, "-", w.sent))
		}
	}
}

func (w *writer) shared() string { return shared[w.chance.IntN(len(shared))] }

// value is one that was never sent before; now and then a long one.
func (w *writer) value() string {
	w.sent++
	length := w.chance.IntN(400)
	if w.chance.IntN(50) == 0 {
		length = w.chance.IntN(200_000)
	}
	start := fmt.Sprintf("%s.%d:%d:", w.name, w.sent, length)
	return start + strings.Repeat(start, length/len(start))
}

// do sends a change, and notes how it ended.
func (w *writer) do(c change, want int, fields ...string) (a answer, made bool) {
	if c.from != 0 {
		fields = append(fields, "If-Match", fmt.Sprintf(`"%s-%d"`, w.ledger.epoch, c.from))
	}
	a, err := w.sender.send(c, fields...)
	switch {
	case err != nil:
		w.over = true
		w.ledger.unanswered(c)
		return a, false
	case a.status == want:
		return a, true
	case a.status != http.StatusPreconditionFailed || c.from == 0 || !slices.Contains(shared, c.uri):
		w.ledger.t.Errorf("%s %s: %d %s", c.method, c.uri, a.status, a.body)
		w.over = true
	}
	w.ledger.refused(c)
	return a, false
}

func (w *writer) put(uri string, from uint64) (s state, made bool) {
	c := change{method: http.MethodPut, uri: uri, body: w.value(), from: from}
	a, made := w.do(c, http.StatusNoContent)
	if made {
		c.revision = w.revision(a)
		w.ledger.acknowledged(c)
	}
	return state{body: c.body, revision: c.revision}, made
}

func (w *writer) revision(a answer) uint64 {
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	return w.ledger.revision(a.etag)
}

// putAsRead changes a resource if nobody has since it was read.
func (w *writer) putAsRead(uri string) {
	a, err := w.sender.send(change{method: http.MethodGet, uri: uri})
	if err != nil || a.status != http.StatusOK {
		w.over = true
		return
	}
	read := state{body: a.body, revision: w.revision(a)}
	w.ledger.served(uri, read)
	w.put(uri, read.revision)
}

// any is one of the writer's own children.
func (w *writer) any() string {
	uris := slices.Sorted(maps.Keys(w.own))
	if len(uris) == 0 {
		return ""
	}
	return uris[w.chance.IntN(len(uris))]
}

func (w *writer) putOwn() {
	uri := w.any()
	if uri == "" {
		return
	}
	from := w.own[uri].revision
	if w.chance.IntN(2) == 0 {
		from = 0
	}
	if s, made := w.put(uri, from); made {
		w.own[uri] = s
	}
}

func (w *writer) remove() {
	uri := w.any()
	if uri == "" {
		return
	}
	c := change{method: http.MethodDelete, uri: uri, from: w.own[uri].revision}
	delete(w.own, uri)
	if _, made := w.do(c, http.StatusNoContent); made {
		w.ledger.acknowledged(c)
	}
}

func (w *writer) post(key string) {
	c := change{method: http.MethodPost, uri: w.shared(), body: w.value(), key: key}
	a, made := w.do(c, http.StatusCreated)
	if !made {
		return
	}
	c.child, c.revision = a.location, w.revision(a)
	w.ledger.acknowledged(c)
	w.own[c.child] = state{body: c.body, revision: c.revision}
	if key != "" {
		w.keys = append(w.keys, c.uri+" "+key)
	}
}

// reuseKey sends other content with a key that was used.
func (w *writer) reuseKey() {
	if len(w.keys) == 0 {
		return
	}
	uri, key, _ := strings.Cut(w.keys[w.chance.IntN(len(w.keys))], " ")
	w.refused(change{method: http.MethodPost, uri: uri, key: key}, http.StatusUnprocessableEntity)
}

// refused sends a change that the server has to refuse. Without an answer it is none either.
func (w *writer) refused(c change, want int, fields ...string) {
	c.body = w.value()
	a, err := w.sender.send(c, fields...)
	if err != nil {
		w.over = true
		return
	}
	if a.status != want {
		w.ledger.t.Errorf("%s %s, to be refused: %d %s", c.method, c.uri, a.status, a.body)
	}
	w.ledger.refused(c)
}

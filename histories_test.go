package roost_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"roost"
	"roost/store"
)

var (
	firstSeed  = flag.Uint64("seed", 1, "seed of the first random history")
	histories  = flag.Uint64("histories", 200, "how many random histories there are")
	operations = flag.Int("operations", 60, "how many operations a random history has")
)

// course is how histories are carried out.
type course struct {
	store func() store.Store // nil: the server's own
	start func(roost.Config) (*site, error)
	clock bool  // time is that of a bubble
	room  int64 // MaxBytes
	more  []operation

	longest time.Duration // that a history sleeps; 0 for any
}

// operation is a step of a history. It does something to the server and the model alike.
type operation struct {
	weight int
	run    func(*history)
}

// Random histories of requests, calls and waiting: every answer, callback, event and change
// is the one that the model has. To repeat one: go test -run Histories -seed N -histories 1.
func TestHistories(t *testing.T) {
	const parts = 4
	for part := range uint64(parts) {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			t.Parallel()
			for seed := *firstSeed + part; seed < *firstSeed+*histories && !t.Failed(); seed += parts {
				checkHistory(t, seed, func(skip map[int]bool) (h *history) {
					synctest.Test(t, func(t *testing.T) { h = course{clock: true}.history(seed, skip) })
					return h
				})
			}
		})
	}
}

// The same by way of real connections, and without the passing of time.
func TestHistoriesOverSockets(t *testing.T) {
	t.Parallel()
	for seed := *firstSeed; seed < *firstSeed+max(1, *histories/20) && !t.Failed(); seed++ {
		checkHistory(t, seed, func(skip map[int]bool) *history {
			return course{start: func(cfg roost.Config) (*site, error) { return start(t, cfg), nil }}.history(seed, skip)
		})
	}
}

// checkHistory runs a history, and if it fails looks for a shorter one that does.
func checkHistory(t *testing.T, seed uint64, run func(skip map[int]bool) *history) {
	t.Helper()
	h := run(nil)
	if h.failure == "" {
		return
	}
	skip := map[int]bool{}
	for i := len(h.trace); i < *operations; i++ {
		skip[i] = true
	}
	for i := *operations - 1; i >= 0 && h.clock; i-- {
		without := maps.Clone(skip)
		without[i] = true
		if shorter := run(without); shorter.failure != "" {
			h, skip = shorter, without
		}
	}
	t.Errorf("%s\nafter\n%s\nrepeat: go test -race -run '^%s$' -seed %d -histories 1", h.failure, strings.Join(h.trace, "\n"), strings.Split(t.Name(), "/")[0], seed)
}

// history is one under way.
type history struct {
	course
	*model
	cfg    roost.Config
	server *roost.Server
	site   *site // nil: without connections
	rng    *rand.Rand
	ctx    context.Context
	tasks  sync.WaitGroup

	trace    []string
	failure  string
	uris     []string
	tags     map[string][]string // all that a URI ever had
	handles  []handle
	polls    []*poll
	watchers []*watching
	seen     int // what of the log was told

	mu      sync.Mutex
	called  []string
	changes []roost.Change
	checked [2]int // how many of both were looked at last
}

type handle struct {
	*roost.Resource
	thing *thing
}

// mismatch is what ends a history.
type mismatch string

func (h *history) fail(format string, args ...any) { panic(mismatch(fmt.Sprintf(format, args...))) }

func (h *history) note(format string, args ...any) {
	h.trace = append(h.trace, fmt.Sprintf("%3d "+format, append([]any{len(h.trace)}, args...)...))
}

const (
	historyResources = 8
	historyKeys      = 4
)

// history carries one out, but for the operations to skip.
func (c course) history(seed uint64, skip map[int]bool) (h *history) {
	ctx, cancel := context.WithCancel(context.Background())
	h = &history{course: c, model: newModel(historyResources, historyKeys), ctx: ctx, tags: map[string][]string{}}
	h.maxBytes = int(c.room)
	cfg := roost.Config{Index: true, MaxURI: historyResources, MaxBytes: c.room, MaxRemembered: historyKeys, Logger: slog.New(slog.DiscardHandler)}
	if c.store != nil {
		cfg.Store = c.store()
	}
	h.cfg = cfg
	if c.start != nil {
		site, err := c.start(cfg)
		must(err)
		h.site, h.server = site, site.Server
	} else {
		s, err := roost.New(ctx, cfg)
		must(err)
		h.server = s
	}
	defer func() {
		if p := recover(); p != nil {
			wrong, ok := p.(mismatch)
			if !ok {
				panic(p)
			}
			h.failure = string(wrong)
		}
		cancel()
		h.tasks.Wait()
		h.server.Close()
	}()
	h.begin()
	for i := range *operations {
		if skip[i] {
			continue
		}
		h.rng = rand.New(rand.NewPCG(seed, uint64(i)))
		h.pass(time.Duration(1 + h.rng.IntN(1e6))) // no two things happen at one time
		h.choose().run(h)
	}
	return h
}

var everyOperation = []operation{
	{10, (*history).get}, {14, (*history).put}, {12, (*history).post}, {4, (*history).delete}, {2, (*history).other},
	{7, (*history).addResource}, {6, (*history).setValue}, {3, (*history).removeResource}, {5, (*history).registerHandler}, {3, (*history).setTTL},
	{8, (*history).readIndex}, {7, (*history).poll}, {6, (*history).watch}, {4, (*history).disconnect}, {10, (*history).sleep},
}

func (h *history) choose() operation {
	all := slices.Concat(everyOperation, h.more)
	sum := 0
	for _, o := range all {
		sum += o.weight
	}
	if len(h.things) < 2 && h.rng.IntN(3) > 0 {
		return operation{run: (*history).addResource}
	}
	n := h.rng.IntN(sum)
	for _, o := range all {
		if n -= o.weight; n < 0 {
			return o
		}
	}
	panic("unreachable")
}

func pick[T any](h *history, all ...T) T { return all[h.rng.IntN(len(all))] }

func (h *history) chance(percent int) bool { return h.rng.IntN(100) < percent }

// uri is one that exists, mostly, or did, or never.
func (h *history) uri() string {
	var present []string
	for _, uri := range h.uris {
		if h.things[uri] != nil {
			present = append(present, uri)
		}
	}
	switch {
	case len(present) > 0 && h.chance(85):
		return pick(h, present...)
	case len(h.uris) > 0 && h.chance(70):
		return pick(h, h.uris...)
	}
	return pick(h, "/never", "/a/99999", "/b/never/")
}

func (h *history) value() string {
	return pick(h, "", "one", "two\nlines", "a\r\nb\rc", `{"a":1}`, prose, noise(1500), "\xff\xfe", fmt.Sprint(h.rng.IntN(1000)), fmt.Sprint(h.rng.IntN(1000)))
}

// tag is one that the URI has, or had, or another in some form.
func (h *history) tag(uri string) string {
	present := h.tags[uri]
	if len(present) == 0 {
		return pick(h, "*", `"none"`)
	}
	now := present[len(present)-1]
	coded := strings.TrimSuffix(now, `"`) + `-gzip"`
	return pick(h, now, now, now, now, "W/"+now, coded, pick(h, present...), "*", `"none"`, pick(h, present...)+", "+now, `"none", W/`+coded)
}

func (h *history) date(uri string) string {
	var modified time.Time
	if t := h.things[uri]; t != nil {
		modified = t.modified
	}
	if !h.clock {
		return pick(h, "Sat, 01 Jan 2000 00:00:00 GMT", "Sat, 01 Jan 2050 00:00:00 GMT", "yesterday")
	}
	return pick(h, dateOf(modified), dateOf(modified), dateOf(modified.Add(-time.Second)), dateOf(modified.Add(time.Second)), "yesterday", "Sat, 01 Jan 2050 00:00:00 GMT")
}

// set gives a field to a request in some of a hundred cases.
func (h *history) set(a *question, percent int, name string, value func() string) {
	if h.chance(percent) {
		a.fields[name] = value()
	}
}

func (h *history) conditions(a *question, percent int) {
	h.set(a, percent, "If-Match", func() string { return h.tag(a.uri) })
	h.set(a, percent, "If-None-Match", func() string { return h.tag(a.uri) })
	h.set(a, percent/2, "If-Modified-Since", func() string { return h.date(a.uri) })
	h.set(a, percent/2, "If-Unmodified-Since", func() string { return h.date(a.uri) })
}

func (h *history) request(method, uri string) question {
	return question{method: method, uri: uri, fields: map[string]string{}}
}

var accepts = []string{
	"*/*", "text/*", "application/json", "text/plain", "text/plain;q=0, */*", "image/png",
	"text/html, application/json;q=0.5", "application/json, text/html;q=0.5, */*;q=0.1",
}

func (h *history) get() {
	a := h.request(pick(h, "GET", "GET", "HEAD"), h.uri())
	h.conditions(&a, 25)
	h.set(&a, 30, "Accept", func() string { return pick(h, accepts...) })
	h.set(&a, 5, "Prefer", func() string { return pick(h, "return=minimal", "wait=0", "wait=x") })
	h.set(&a, 3, "Roost-Ttl", func() string { return "5" })
	if h.chance(40) {
		a.fields["Accept-Encoding"] = pick(h, "gzip", "gzip, identity", "gzip;q=0.5, identity", "*;q=0", "identity;q=0, gzip", "br", "*", "gzip;q=0")
	} else {
		h.set(&a, 40, "Range", func() string {
			return pick(h, "bytes=0-0", "bytes=1-", "bytes=-2", "bytes=5-2", "bytes=2-9999", "bytes=99999-", "bytes=-0", "bytes=0-0,2-3", "lines=1-2")
		})
		h.set(&a, 20, "If-Range", func() string { return pick(h, h.tag(a.uri), dateOf(time.Now())) })
	}
	h.do(a)
}

func (h *history) content(a *question) {
	a.body = h.value()
	h.set(a, 50, "Content-Type", func() string {
		return pick(h, roost.Plain, roost.JSON, roost.Text, roost.Octet, form, "TEXT/plain", "image/png", "text/event-stream")
	})
	h.set(a, 4, "Content-Encoding", func() string { return pick(h, "identity", "gzip") })
	h.set(a, 25, "Roost-Ttl", func() string { return pick(h, h.seconds(), h.seconds(), h.seconds(), "0", "x") })
	h.set(a, 3, "Content-Range", func() string { return "bytes 0-1/2" })
	h.set(a, 10, "Accept", func() string { return pick(h, accepts...) })
}

// seconds is a time to live, and none after which a stream would send a comment.
func (h *history) seconds() string {
	if !h.clock {
		return "4000"
	}
	return pick(h, "1", "2", "7", "40", "4000")
}

func (h *history) ttl() time.Duration {
	s, _ := strconv.Atoi(h.seconds())
	return time.Duration(s) * time.Second
}

func (h *history) put() {
	a := h.request("PUT", h.uri())
	h.content(&a)
	h.conditions(&a, 15)
	h.set(&a, 25, "Prefer", func() string {
		return pick(h, "return=representation", "return=minimal", "wait=5", "return=minimal, return=representation", "foo, return=representation")
	})
	h.do(a)
}

func (h *history) post() {
	a := h.request("POST", h.uri())
	h.content(&a)
	delete(a.fields, "Content-Range")
	h.conditions(&a, 8)
	if h.chance(50) {
		n := h.rng.IntN(2)
		a.fields["Idempotency-Key"] = pick(h, `"k0"`, `"k1"`, `"k2"`, "k0", `"`+strings.Repeat("k", 255)+`"`, `""`)
		a.body = fmt.Sprint("content ", n)
		if h.chance(70) {
			delete(a.fields, "Content-Type")
		}
		if strings.Contains(a.fields["Idempotency-Key"], "k2") {
			a.fields["Prefer"] = "return=minimal"
		}
	} else {
		h.set(&a, 30, "Prefer", func() string { return pick(h, "return=representation", "return=minimal", "return=none") })
	}
	h.do(a)
}

func (h *history) delete() {
	a := h.request("DELETE", h.uri())
	h.conditions(&a, 15)
	h.set(&a, 3, "Roost-Ttl", func() string { return "5" })
	h.do(a)
}

func (h *history) other() {
	a := h.request(pick(h, "OPTIONS", "OPTIONS", "PATCH"), pick(h, h.uri(), h.folderURI()))
	h.conditions(&a, 20)
	h.do(a)
}

func (h *history) folderURI() string {
	if h.chance(80) {
		if folders := foldersAbove(h.uri() + "/x"); len(folders) > 0 {
			return pick(h, folders...)
		}
	}
	return pick(h, "/", "/a/", "/none/")
}

func (h *history) indexTag(path string) string {
	if f := h.folders[path]; f != nil && h.chance(60) {
		return pick(h, fmt.Sprintf(`W/"%s-%d"`, h.epoch, f.revision), fmt.Sprintf(`"%s-%d"`, h.epoch, f.revision), "*")
	}
	return h.tag(h.uri())
}

func (h *history) readIndex() {
	a := h.request(pick(h, "GET", "GET", "GET", "HEAD", "PUT", "DELETE"), h.folderURI())
	if h.things[a.uri] != nil {
		a.method = "GET"
	} else if h.chance(50) {
		a.query = fmt.Sprintf("?limit=%d&depth=%d&value=%d&after=%s", 1+h.rng.IntN(5), 1+h.rng.IntN(3), h.rng.IntN(2), pick(h, "", h.uri()))
		a.query = strings.Replace(a.query, "value=0&", "", 1)
	}
	h.set(&a, 20, "Accept", func() string { return pick(h, accepts...) })
	h.set(&a, 10, "If-Match", func() string { return h.indexTag(a.uri) })
	h.set(&a, 40, "If-None-Match", func() string { return h.indexTag(a.uri) })
	h.do(a)
}

// poll asks for a change, and is answered later where there is none.
func (h *history) poll() {
	a := h.request(pick(h, "GET", "GET", "HEAD"), h.uri())
	a.fields["If-None-Match"] = h.tag(a.uri)
	if h.chance(25) {
		a.uri = h.folderURI()
		a.fields["If-None-Match"] = h.indexTag(a.uri)
	}
	a.fields["Prefer"] = pick(h, "wait=3", "wait=50", "wait=99", "return=minimal, wait=20", "wait=0")
	h.set(&a, 20, "Accept", func() string { return pick(h, accepts...) })
	h.set(&a, 20, "Accept-Encoding", func() string { return "gzip" })
	h.set(&a, 10, "If-Match", func() string { return h.tag(a.uri) })
	h.do(a)
}

// do sends a request and compares the answer.
func (h *history) do(a question) {
	w, t := h.answer(a), h.things[a.uri]
	if w.hold > 0 {
		h.note("%v -> waits", a)
		p := &poll{question: a, thing: t, hold: w.hold, until: time.Now().Add(w.hold), calls: t != nil && t.callsBack(), done: make(chan answer, 1)}
		h.polls = append(h.polls, p)
		h.tasks.Go(func() { p.done <- h.send(a) })
		h.settle()
		return
	}
	again := w.status == 201 && w.then == nil
	got := h.send(a)
	h.note("%v -> %d %s %s", a, got.Status, got.Header.Get("Location"), got.Header.Get("Etag"))
	if wrong := h.compare(a, w, got); wrong != "" {
		h.fail("%s", wrong)
	}
	h.call(a, t, w, again, got.Header.Get("Location"))
	if w.then != nil {
		if wrong := w.then(got); wrong != "" {
			h.fail("%s", wrong)
		}
	}
	if w.status == 201 && !again {
		h.made(got.Header.Get("Location"))
	}
	h.settle()
}

// made gets a handle for what is new.
func (h *history) made(uri string) {
	r, err := h.server.GetResource(uri)
	if err != nil {
		h.fail("%s: %v", uri, err)
	}
	h.handles = append(h.handles, handle{r, h.things[uri]})
	if !slices.Contains(h.uris, uri) {
		h.uris = append(h.uris, uri)
	}
}

func (h *history) http(a question) *http.Request {
	req, err := http.NewRequestWithContext(h.ctx, a.method, a.uri+a.query, strings.NewReader(a.body))
	must(err)
	for name, value := range a.fields {
		req.Header.Set(name, value)
	}
	return req
}

func (h *history) send(a question) answer {
	req := h.http(a)
	if h.site == nil {
		w := newSink()
		h.server.ServeHTTP(w, req)
		return answer{Status: w.status, Header: w.header, Body: w.take()}
	}
	resp, err := h.respond(req)
	if err != nil {
		return answer{Body: err.Error()}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{Body: err.Error()}
	}
	return answer{Status: resp.StatusCode, Header: resp.Header, Body: string(b)}
}

func (h *history) respond(req *http.Request) (*http.Response, error) {
	u, err := req.URL.Parse(h.site.base + req.URL.RequestURI())
	must(err)
	req.URL, req.Host = u, u.Host
	return h.site.client.Do(req)
}

// compare says how an answer differs from the one that is called for.
func (h *history) compare(a question, w *want, got answer) string {
	if _, ok := w.fields["Content-Length"]; !ok && (w.status == 200 || w.status == 201 || w.status == 206) {
		w.fields["Content-Length"] = strconv.Itoa(len(w.body))
		if w.coded || w.body == chosen {
			w.fields["Content-Length"] = chosen
		}
	}
	var wrong []string
	if got.Status != w.status {
		wrong = append(wrong, fmt.Sprintf("status %d, want %d", got.Status, w.status))
	}
	for _, name := range compared {
		value := got.Header.Get(name)
		want, ok := w.fields[name]
		if value != want && !(want == chosen && value != "") && !(ok && h.near(value, want)) {
			wrong = append(wrong, fmt.Sprintf("%s %q, want %q", name, value, want))
		}
	}
	if a.method == "HEAD" && got.Body != "" {
		wrong = append(wrong, "content with HEAD")
	}
	if a.method != "HEAD" && got.Status == w.status {
		wrong = append(wrong, w.compareContent(got)...)
	}
	if wrong == nil {
		return ""
	}
	return fmt.Sprintf("%v: %s", a, strings.Join(wrong, "; "))
}

// near compares dates where the server reads another clock.
func (h *history) near(a, b string) bool {
	x, err1 := http.ParseTime(a)
	y, err2 := http.ParseTime(b)
	return !h.clock && err1 == nil && err2 == nil && x.Sub(y).Abs() <= 5*time.Second
}

func (w *want) compareContent(got answer) (wrong []string) {
	body := got.Body
	if w.coded {
		r, err := gzip.NewReader(strings.NewReader(body))
		if err != nil {
			return []string{err.Error()}
		}
		b, _ := io.ReadAll(r)
		body = string(b)
	}
	if w.page != nil {
		var page struct{ Resources []indexed }
		err := json.Unmarshal([]byte(body), &page)
		if got, want := fmt.Sprint(err, listing(page.Resources)), fmt.Sprint(nil, listing(w.page)); got != want {
			return []string{fmt.Sprintf("index %s\nwant %s", got, want)}
		}
	}
	if !w.any && w.body != chosen && body != w.body {
		return []string{fmt.Sprintf("content %.40q, want %.40q", body, w.body)}
	}
	return nil
}

func listing(all []indexed) (s string) {
	for _, i := range all {
		b, _ := json.Marshal(i)
		s += "\n" + string(b)
	}
	return s
}

// The program.

func (h *history) callback(e *roost.Exchange) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.called = append(h.called, callOf(e.URI, e.Method, e.Status, e.NewURI, string(e.Body)))
}

func (h *history) expectError(err, want error) {
	if !errors.Is(err, want) {
		h.fail("error %v, want %v", err, want)
	}
}

func (h *history) addResource() {
	h.declare(pick(h, "/a", "/a/x", "/a/y", "/b/", "/b/c", "/a/x/y/z", h.uri()))
}

func (h *history) declare(uri string) {
	t := &thing{uri: uri, clientTTL: h.chance(50), value: h.value(), mediaType: pick(h, roost.Plain, roost.Plain, roost.JSON, roost.Text, roost.Octet, "image/png")}
	options := []roost.Option{roost.WithContentType(t.mediaType), roost.WithString(t.value)}
	if t.clientTTL {
		options = append(options, roost.WithClientTTL())
	}
	if h.chance(25) {
		t.ttl = h.ttl()
		options = append(options, roost.WithTTL(t.ttl))
	}
	r, err := h.server.AddResource(h.ctx, uri, options...)
	h.note("AddResource %s %s %.20q ttl %v %v -> %v", uri, t.mediaType, t.value, t.ttl, t.clientTTL, err)
	switch before := h.things[uri]; {
	case before != nil && before.adoptable:
		h.expectError(err, nil)
		h.adopted(handle{r, before}, t)
	case before != nil:
		h.expectError(err, roost.ErrExist)
	case len(h.things) >= h.maxThings:
		h.expectError(err, roost.ErrFull)
	default:
		h.expectError(err, nil)
		rep, err := r.Representation()
		h.expectError(err, nil)
		h.add(t)
		if wrong := h.stores(t, t.value, t.mediaType, 0, roost.Created, rep.ETag()); wrong != "" {
			h.fail("%s", wrong)
		}
		h.made(uri)
		h.settle()
		h.pass(1)
		if h.chance(90) {
			h.registers(h.handles[len(h.handles)-1], pick(h, all, all, all, roost.GET, roost.POST|roost.PUT))
		}
	}
	h.settle()
}

// adopted is what becomes of a resource that the store brought and the program declares.
func (h *history) adopted(x handle, declared *thing) {
	rep, err := x.Representation()
	h.expectError(err, nil)
	t := x.thing
	t.adoptable = false
	h.handles = append(h.handles, x)
	same := t.mediaType == declared.mediaType && t.ttl == declared.ttl && t.clientTTL == declared.clientTTL
	if same && rep.ETag() == h.model.tag(t) {
		return // mostly; it also becomes the program's type, if it was a client's
	}
	modified, expires := t.modified, t.expires
	keeps := t.ttl == declared.ttl
	t.ttl, t.clientTTL = declared.ttl, declared.clientTTL
	if wrong := h.stores(t, t.value, declared.mediaType, 0, roost.Updated, rep.ETag()); wrong != "" {
		h.fail("%s", wrong)
	}
	if t.modified = modified; keeps {
		t.expires = expires
	}
}

func (h *history) handle() (handle, bool) {
	if len(h.handles) == 0 {
		return handle{}, false
	}
	if x := pick(h, h.handles...); !x.thing.gone || h.chance(20) {
		return x, true
	}
	t := h.things[h.uri()]
	i := slices.IndexFunc(h.handles, func(x handle) bool { return x.thing == t })
	return h.handles[max(i, 0)], true
}

// condition is one of the program's, and whether it holds.
func (h *history) condition(t *thing) (all []roost.Condition, holds bool, text string) {
	tag := h.tag(t.uri)
	switch h.rng.IntN(6) {
	case 0:
		return []roost.Condition{roost.IfMatch(tag, `"none"`)}, tag == h.model.tag(t), "if " + tag
	case 1:
		return []roost.Condition{roost.IfNoneMatch(tag)}, tag != h.model.tag(t), "unless " + tag
	case 2:
		if since := time.Now().Add(-time.Duration(h.rng.IntN(10)) * time.Second); h.clock {
			return []roost.Condition{roost.IfUnmodifiedSince(since)}, !t.modified.After(since), "if unmodified since " + since.String()
		}
	}
	return nil, true, ""
}

func (h *history) setValue() {
	x, ok := h.handle()
	if !ok {
		return
	}
	t, value, mediaType := x.thing, h.value(), x.thing.mediaType
	conditions, holds, text := h.condition(t)
	var rep *roost.Representation
	var err error
	if h.chance(30) {
		mediaType = pick(h, roost.Plain, roost.Octet, roost.JSON)
		rep, err = x.SetRepresentation(h.ctx, []byte(value), mediaType, conditions...)
	} else {
		rep, err = x.SetValue(h.ctx, []byte(value), conditions...)
	}
	h.note("SetValue %s %s %.20q %s -> %v", t.uri, mediaType, value, text, err)
	if !h.judged(err, t, holds) {
		return
	}
	if wrong := h.stores(t, value, mediaType, 0, roost.Updated, rep.ETag()); wrong != "" {
		h.fail("%s", wrong)
	}
	h.settle()
}

// judged compares the error of a call about t. It is true if there is none.
func (h *history) judged(err error, t *thing, holds bool) bool {
	switch {
	case t.gone:
		h.expectError(err, roost.ErrNotExist)
	case !holds:
		h.expectError(err, roost.ErrPrecondition)
	default:
		h.expectError(err, nil)
		return true
	}
	h.settle()
	return false
}

func (h *history) removeResource() {
	x, ok := h.handle()
	if !ok {
		return
	}
	conditions, holds, text := h.condition(x.thing)
	err := x.Remove(h.ctx, conditions...)
	h.note("Remove %s %s -> %v", x.thing.uri, text, err)
	if h.judged(err, x.thing, holds) {
		h.remove(x.thing)
		h.settle()
	}
}

func (h *history) registerHandler() {
	if x, ok := h.handle(); ok {
		h.registers(x, pick(h, all, all, roost.GET, roost.GET|roost.POST, roost.POST|roost.PUT, roost.PUT, 0))
	}
}

func (h *history) registers(x handle, methods roost.Method) {
	callback := roost.Callback(h.callback)
	if h.chance(30) {
		callback = nil
	}
	err := x.RegisterRequestHandler(h.ctx, methods, callback)
	h.note("Register %s %v %v -> %v", x.thing.uri, methods, callback != nil, err)
	if h.judged(err, x.thing, true) {
		h.register(x.thing, methods, callback != nil)
		h.settle()
	}
}

func (h *history) setTTL() {
	x, ok := h.handle()
	if !ok {
		return
	}
	t, ttl := x.thing, pick(h, 0, h.ttl())
	err := x.SetTTL(h.ctx, ttl)
	h.note("SetTTL %s %v -> %v", t.uri, ttl, err)
	if !h.judged(err, t, true) {
		return
	}
	rep, err := x.Representation()
	h.expectError(err, nil)
	modified := t.modified // the same value as before
	t.ttl = ttl
	if wrong := h.stores(t, t.value, t.mediaType, 0, roost.Updated, rep.ETag()); wrong != "" {
		h.fail("%s", wrong)
	}
	t.modified = modified
	h.settle()
}

// Time.

func (h *history) sleep() {
	if !h.clock {
		return
	}
	d := pick(h, time.Second, 5*time.Second, 20*time.Second, time.Minute, time.Hour, 23*time.Hour)
	d = time.Duration(h.rng.Int64N(int64(d)))
	if next := h.next(); !next.IsZero() && h.chance(50) {
		d = max(1, time.Until(next)-pick(h, time.Duration(0), 1))
	}
	if h.longest > 0 {
		d = min(d, h.longest)
	}
	h.note("sleep %v", d)
	h.pass(d)
}

// pass has time go by, and looks at each moment when something has to happen.
func (h *history) pass(d time.Duration) {
	if !h.clock {
		return
	}
	for end := time.Now().Add(d); time.Now().Before(end); {
		next := h.next()
		if next.IsZero() || next.After(end) {
			next = end
		}
		for _, p := range h.polls {
			if p.until.Before(next) {
				next = p.until
			}
		}
		time.Sleep(time.Until(next))
		h.expire()
		h.settle()
	}
}

// What is told.

// poll is a request that waits.
type poll struct {
	question
	thing *thing
	calls bool // a request keeps the callback that it found
	hold  time.Duration
	until time.Time
	done  chan answer
	got   *answer
}

// begin begins to follow, and sees that it does by a resource that is there already.
func (h *history) begin() {
	r, err := h.server.AddResource(h.ctx, "/begin")
	must(err)
	h.tasks.Go(h.follow)
	told := func(n int) func() bool {
		return func() bool {
			h.mu.Lock()
			defer h.mu.Unlock()
			return len(h.changes) == n
		}
	}
	h.wait(told(1))
	must(r.Remove(h.ctx))
	h.wait(told(2))
	h.changes = nil
}

// wait waits for what other goroutines do.
func (h *history) wait(done func() bool) {
	if h.clock {
		synctest.Wait()
	}
	for end := time.Now().Add(5 * time.Second); !h.clock && !done() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

// follow takes what Watch tells.
func (h *history) follow() {
	for c, err := range h.server.Watch(h.ctx, "") {
		if err != nil {
			return
		}
		h.mu.Lock()
		h.changes = append(h.changes, c)
		h.mu.Unlock()
	}
}

// settle waits until everybody has been told, and compares what they were.
func (h *history) settle() {
	wrong := ""
	h.wait(func() bool { wrong = h.check(); return wrong == "" })
	if h.clock {
		wrong = h.check()
	}
	if wrong != "" {
		h.fail("%s", wrong)
	}
	for _, w := range h.watchers {
		w.settled(h)
	}
	h.watchers = slices.DeleteFunc(h.watchers, func(w *watching) bool { return w.over })
	h.polls = slices.DeleteFunc(h.polls, func(p *poll) bool { return p.got != nil })
	for _, c := range h.log[h.seen:] {
		if c.etag != "" && c.kind != roost.Deleted {
			h.tags[c.uri] = append(h.tags[c.uri], c.etag)
		}
	}
	h.mu.Lock()
	h.called, h.changes = h.called[h.checked[0]:], h.changes[h.checked[1]:]
	h.mu.Unlock()
	h.seen, h.calls, h.mayReset = len(h.log), nil, false
	if !h.clock { // who waits does so before anything else happens
		h.wait(func() bool { return roost.Watchers(h.server) == len(h.polls)+len(h.watchers) })
	}
}

// check compares what was told since the last time. It may be asked again.
func (h *history) check() string {
	h.mu.Lock()
	called, changes := slices.Clone(h.called), slices.Clone(h.changes)
	h.checked = [2]int{len(called), len(changes)}
	h.mu.Unlock()
	if wrong := h.checkChanges(changes); wrong != "" {
		return wrong
	}
	h.learnFolders()
	due, wrong := h.checkPolls()
	if wrong != "" {
		return wrong
	}
	if wrong := compareCalls(called, slices.Concat(h.calls, due)); wrong != "" {
		return wrong
	}
	for _, w := range h.watchers {
		if wrong := w.check(h); wrong != "" {
			return fmt.Sprintf("stream of %s: %s", w.uri, wrong)
		}
	}
	return ""
}

func compareCalls(called, due []string) string {
	slices.Sort(called)
	slices.Sort(due)
	if !slices.Equal(called, due) {
		return fmt.Sprintf("callbacks %q, want %q", called, due)
	}
	return ""
}

// checkChanges compares what Watch told, and learns the revisions of removals.
func (h *history) checkChanges(told []roost.Change) string {
	if i := slices.IndexFunc(told, func(c roost.Change) bool { return c.Kind == roost.Reset }); i >= 0 && (h.mayReset || !h.clock) {
		return h.checkPresent(told[i+1:])
	}
	var due []*happened
	for _, c := range h.log[h.seen:] {
		if c.kind == roost.Created || c.kind == roost.Updated || c.kind == roost.Deleted {
			due = append(due, c)
		}
	}
	if len(told) != len(due) {
		return fmt.Sprintf("%d changes told, want %d: %+v", len(told), len(due), told)
	}
	for i, c := range due {
		if c.revision == 0 && told[i].Revision > h.revision {
			c.revision, h.revision = told[i].Revision, told[i].Revision
			h.touch(c)
		}
		if wrong := c.compare(told[i]); wrong != "" {
			return wrong
		}
	}
	return ""
}

func (c *happened) compare(told roost.Change) string {
	text := fmt.Sprintf("change %s %s %d, want %s %s %d", told.Kind, told.URI, told.Revision, c.kind, c.uri, c.revision)
	if told.Kind != c.kind || told.URI != c.uri || told.Revision != c.revision || (told.Representation == nil) != (c.kind == roost.Deleted) {
		return text
	}
	if r := told.Representation; r != nil && (string(r.Value()) != c.value || r.MediaType() != c.typ || r.ETag() != c.etag) {
		return text + ": another representation"
	}
	return ""
}

// checkPresent compares what is there by what was told since a reset.
func (h *history) checkPresent(told []roost.Change) string {
	got, due := map[string]uint64{}, map[string]uint64{}
	for _, c := range told {
		if got[c.URI] = c.Revision; c.Kind == roost.Deleted {
			delete(got, c.URI)
		}
	}
	for uri, t := range h.things {
		due[uri] = t.revision
	}
	if !maps.Equal(got, due) {
		return fmt.Sprintf("after a reset %v, want %v", got, due)
	}
	return ""
}

// learnFolders looks at the tags of the index that a registration changed, or may have.
func (h *history) learnFolders() {
	for path, f := range h.folders {
		if !f.open || h.things[path] != nil || len(h.shown(path, "", 0)) == 0 {
			continue
		}
		a := h.request("HEAD", path)
		got := h.send(a)
		if wrong := h.compare(a, h.answer(a), got); wrong != "" {
			h.fail("%s", wrong)
		}
		var revision uint64
		fmt.Sscanf(got.Header.Get("Etag"), `W/"`+h.epoch+`-%d"`, &revision)
		if revision < f.revision || revision == f.revision && !f.free {
			h.fail("tag of %s is %s after revision %d, though what is there changed", path, got.Header.Get("Etag"), f.revision)
		}
		*f = folderTag{revision: revision}
		h.revision = max(h.revision, revision)
	}
}

func (h *history) checkPolls() (due []string, wrong string) {
	for _, p := range h.polls {
		select {
		case a := <-p.done:
			p.got = &a
		default:
		}
		w, over := h.answer(p.question), !time.Now().Before(p.until)
		switch {
		case w.hold > 0 && !over && p.got == nil:
			continue
		case w.hold > 0 && !over:
			return nil, fmt.Sprintf("%v was answered early, %d", p.question, p.got.Status)
		case p.got == nil:
			return nil, fmt.Sprintf("%v is not answered, want %d", p.question, w.status)
		}
		w.with("Preference-Applied", fmt.Sprintf("wait=%d", p.hold/time.Second))
		if wrong := h.compare(p.question, w, *p.got); wrong != "" {
			return nil, "after a wait: " + wrong
		}
		if p.calls && p.method == "GET" {
			due = append(due, callOf(p.uri, roost.GET, w.status, "", ""))
		}
	}
	return due, ""
}

// watching is a client of an event stream.
type watching struct {
	uri    string
	thing  *thing // nil: the index
	cancel context.CancelFunc
	sink   *sink
	mu     sync.Mutex
	ended  bool

	pending  string // octets that are no whole event yet
	got      []event
	comments int
	retry    string
	lastID   string
	over     bool

	opening []event // due at the beginning, with any id where they have none
	opened  bool
	mended  bool // the client resumes where something was reshaped: only what it ends with counts
	view    map[string]string
	quiet   time.Time // since when nothing came
	comment int       // comments that are due
}

// place is where a client was cut off, and what it had seen there.
type place struct {
	id   string
	view map[string]string
}

// watch opens a stream.
func (h *history) watch() {
	uri := h.uri()
	if h.chance(40) {
		uri = h.folderURI()
	}
	h.open(h.request(pick(h, "GET", "GET", "GET", "HEAD"), uri), nil)
}

func (h *history) open(a question, from *place) {
	a.fields["Accept"] = pick(h, "text/event-stream", "text/event-stream, image/png;q=0.1")
	t := h.things[a.uri]
	if from != nil {
		a.fields["Last-Event-ID"] = from.id
	} else if h.chance(10) {
		a.fields["Last-Event-ID"] = pick(h, "other-3", "x")
	}
	list := h.shown(a.uri, "", 0)
	if t == nil && len(list) == 0 || t != nil && !t.answers().Has(roost.GET) || a.method == "HEAD" {
		h.refusedStream(a, t, list)
		return
	}
	h.note("watch %v", a)
	if t != nil {
		h.call(a, t, answerOf(200), false, "")
	}
	ctx, cancel := context.WithCancel(h.ctx)
	w := &watching{uri: a.uri, thing: t, cancel: cancel, sink: newSink(), view: map[string]string{}, quiet: time.Now()}
	w.begin(h, a, from, list)
	h.watchers = append(h.watchers, w)
	h.tasks.Go(func() { h.stream(ctx, a, w) })
	h.settle()
}

func (h *history) refusedStream(a question, t *thing, list []*thing) {
	w := answerOf(404)
	switch {
	case t != nil && !t.answers().Has(roost.GET):
		w = answerOf(405, "Allow", allow(t.answers()))
	case t != nil || len(list) > 0:
		w = answerOf(200, "Content-Type", "text/event-stream", "Cache-Control", "no-store", "Content-Length", "")
	}
	got := h.send(a)
	h.note("%v -> %d", a, got.Status)
	if wrong := h.compare(a, w, got); wrong != "" {
		h.fail("%s", wrong)
	}
	h.settle()
}

// begin says what comes first (rules 44, 45, 47).
func (w *watching) begin(h *history, a question, from *place, list []*thing) {
	reset := event{Name: "reset"}
	asked := a.fields["Last-Event-ID"]
	known := asked != "" && from != nil
	if asked != "" && !known {
		w.opening = append(w.opening, reset)
	}
	switch {
	case w.thing != nil && known && asked == fmt.Sprintf("%s-%d", h.epoch, w.thing.revision):
		w.comment++
	case w.thing != nil:
		w.opening = append(w.opening, eventOf(&happened{etag: h.model.tag(w.thing), value: w.thing.value, typ: w.thing.mediaType}))
	case known && from.revision() >= h.floor:
		w.comment++
		w.resume(h, from)
	default:
		if known {
			w.opening = append(w.opening, reset)
		}
		for _, t := range list {
			w.opening = append(w.opening, treeEvent(&happened{kind: roost.Created, uri: t.uri, etag: h.model.tag(t), value: t.value, typ: t.mediaType}))
		}
	}
}

func (p *place) revision() uint64 {
	_, digits, _ := strings.Cut(p.id, "-")
	revision, _ := strconv.ParseUint(digits, 10, 64)
	return revision
}

// resume says what a client of the index has missed.
func (w *watching) resume(h *history, from *place) {
	w.view = maps.Clone(from.view)
	revision, since := from.revision(), h.log
	for i, c := range h.log {
		if c.revision != 0 && c.revision <= revision {
			since = h.log[i+1:]
		}
	}
	for _, c := range since {
		if c.reshaped || c.revision == 0 {
			w.mended = true
		}
		if c.visible && isBelowPath(w.uri, c.uri) && c.kind != "" {
			w.opening = append(w.opening, treeEvent(c))
		}
	}
}

func isBelowPath(path, uri string) bool { return strings.HasPrefix(uri, path) && uri != path }

// treeEvent is how a stream of the index tells a change.
func treeEvent(c *happened) event {
	i := indexed{Change: string(c.kind), URI: c.uri}
	switch c.kind {
	case shownThing:
		i.Change = string(roost.Created)
	case hiddenThing:
		i.Change = string(roost.Deleted)
	}
	if i.Change != string(roost.Deleted) {
		i.ETag, i.ContentType = c.etag, c.typ
		i.withValue(c.typ, c.value)
	}
	return event{Data: strings.TrimPrefix(listing([]indexed{i}), "\n")}
}

// stream is the connection of w.
func (h *history) stream(ctx context.Context, a question, w *watching) {
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ended = true
	}()
	req := h.http(a).WithContext(ctx)
	if h.site == nil {
		h.server.ServeHTTP(w.sink, req)
		return
	}
	resp, err := h.respond(req)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	io.Copy(w.sink, resp.Body)
}

// read takes the events that have come.
func (w *watching) read() {
	w.pending += w.sink.take()
	for {
		block, rest, whole := strings.Cut(w.pending, "\n\n")
		if !whole {
			return
		}
		w.pending = rest
		w.take(block)
	}
}

func (w *watching) take(block string) {
	var e event
	var data []string
	for line := range strings.SplitSeq(block, "\n") {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "":
			w.comments++
		case "data":
			data = append(data, value)
		case "event":
			e.Name = value
		case "id":
			e.ID, w.lastID = value, value
		case "retry":
			w.retry = value
		default:
			e.Name = "line " + line
		}
	}
	if data != nil {
		e.Data = strings.Join(data, "\n")
		w.got = append(w.got, e)
	}
}

// due is what w is told in this step, and whether it ends with it.
func (w *watching) due(h *history) (due []event, end bool) {
	if !w.opened {
		return w.opening, false
	}
	for _, c := range h.log[h.seen:] {
		switch {
		case w.thing == nil && c.visible && isBelowPath(w.uri, c.uri):
			e := treeEvent(c)
			if c.revision != 0 {
				e.ID = fmt.Sprintf("%s-%d", h.epoch, c.revision)
			}
			due = append(due, e)
		case w.thing == nil && c.kind == hiddenThing && isBelowPath(w.uri, c.uri):
			due = append(due, treeEvent(c))
		case w.thing != nil && c.thing == w.thing && c.kind == roost.Updated:
			due = append(due, eventOf(c))
		case w.thing != nil && c.thing == w.thing && c.kind == roost.Deleted:
			e := event{Name: "delete"}
			if !c.expired { // else the stream may end before the store knows
				e.ID = fmt.Sprintf("%s-%d", h.epoch, c.revision)
			}
			return append(due, e), true
		}
	}
	return due, w.thing != nil && !w.thing.answers().Has(roost.GET)
}

// check compares what came with what is due.
func (w *watching) check(h *history) string {
	w.read()
	w.mu.Lock()
	ended := w.ended
	w.mu.Unlock()
	due, end := w.due(h)
	if ended != end {
		return fmt.Sprintf("ended: %v, want %v", ended, end)
	}
	w.over = end
	if n, err := strconv.Atoi(w.retry); err != nil || n < 2000 || n > 5000 {
		return "retry " + w.retry
	}
	if comments := w.comment + int(time.Since(w.quiet)/(15*time.Second)); h.clock && w.comments != comments && (w.opened || !w.mended) {
		return fmt.Sprintf("%d comments, want %d", w.comments, comments)
	}
	late := !h.clock && slices.ContainsFunc(w.got, func(e event) bool { return e.Name == "reset" })
	if w.thing == nil && (h.mayReset || late || !w.opened && w.mended) {
		return w.checkView(h)
	}
	if len(w.got) != len(due) {
		return fmt.Sprintf("events %.300q, want %.300q", w.got, due)
	}
	for i, e := range due {
		got := w.got[i]
		if w.thing == nil && got.Name == "" {
			got.Data = normal(got.Data)
		}
		if w.thing == nil && !w.opened && got.ID == "" {
			got.ID = e.ID // there is one when all is told
		}
		if got.Name != e.Name || got.Data != e.Data || got.ID == "" && w.opened || e.ID != "" && got.ID != e.ID {
			return fmt.Sprintf("event %.300q, want %.300q", got, e)
		}
	}
	return ""
}

// normal has the members of an event in one order.
func normal(data string) string {
	var i indexed
	d := json.NewDecoder(bytes.NewReader([]byte(data)))
	d.DisallowUnknownFields()
	if err := d.Decode(&i); err != nil {
		return err.Error() + ": " + data
	}
	return strings.TrimPrefix(listing([]indexed{i}), "\n")
}

// apply is what a client makes of events.
func apply(view map[string]string, events []event) map[string]string {
	view = maps.Clone(view)
	for _, e := range events {
		if e.Name == "reset" {
			clear(view)
			continue
		}
		var i indexed
		json.Unmarshal([]byte(e.Data), &i)
		if view[i.URI] = i.ETag; i.Change == string(roost.Deleted) {
			delete(view, i.URI)
		}
	}
	return view
}

// checkView compares what a client of the index ends up with.
func (w *watching) checkView(h *history) string {
	got, due := apply(w.view, w.got), map[string]string{}
	for _, t := range h.shown(w.uri, "", 0) {
		due[t.uri] = h.model.tag(t)
	}
	if !maps.Equal(got, due) {
		return fmt.Sprintf("the client has %v, want %v, by %.300q", got, due, w.got)
	}
	return ""
}

// settled begins the next step.
func (w *watching) settled(h *history) {
	if w.thing == nil {
		w.view = apply(w.view, w.got)
	}
	if len(w.got) > 0 || !w.opened {
		w.quiet = time.Now()
	} else {
		w.quiet = w.quiet.Add(time.Since(w.quiet) / (15 * time.Second) * (15 * time.Second))
	}
	w.opened = true
	w.got, w.comments, w.comment = nil, 0, 0
}

// disconnect cuts a client off, which mostly comes back, at once or after some time.
func (h *history) disconnect() {
	if len(h.watchers) == 0 {
		return
	}
	i := h.rng.IntN(len(h.watchers))
	w := h.watchers[i]
	h.note("disconnect %s at %s", w.uri, w.lastID)
	w.cancel()
	h.watchers = slices.Delete(h.watchers, i, i+1)
	h.settle()
	if w.lastID == "" || h.chance(20) {
		return
	}
	from := &place{w.lastID, w.view}
	for range h.rng.IntN(4) {
		h.pass(1)
		pick(h, (*history).put, (*history).post, (*history).setValue, (*history).delete, (*history).sleep)(h)
	}
	h.pass(1)
	if (h.things[w.uri] == nil) == (w.thing == nil) {
		h.open(h.request("GET", w.uri), from)
	}
}

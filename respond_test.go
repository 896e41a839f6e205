package roost

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"roost/store"
)

// The rules without a socket, a clock or a store: what each step asks for, and what
// follows from what it is given.

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// newSite has /a, with all methods, at revision 7.
func newSite(cfg Config) *site {
	cfg.Logger = slog.New(slog.DiscardHandler)
	cfg = cfg.withDefaults()
	s := &site{cfg: cfg}
	s.accepted, _ = acceptTypes(cfg.MediaTypes)
	s.gate, _ = newCrossOrigin(cfg.CORS)
	s.registry = newRegistry("epoch", newCourier(0, 0, cfg.Logger), &cfg)
	s.apply(store.Batch{Revision: 8, Reset: true, Changes: []store.Change{
		// A registration may come before its resource.
		{Item: &store.Item{Key: handlerKey("/a"), Meta: []byte(`{"methods":15}`), Created: 8, Revision: 8}},
		{Item: &store.Item{Key: resourceKey("/a"), Meta: []byte(`{"type":"text/plain"}`), Value: []byte("hello"), Created: 7, Revision: 7, Modified: noon}},
	}})
	return s
}

func headOf(method, target string, fields ...string) *Head {
	header := make(http.Header)
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		header.Add(name, value)
	}
	h := &Head{Method: method, Target: target, Host: "a", Header: header, Major: 1, Minor: 1}
	h.lines.count(header)
	return h
}

// begun is a request after its head, which must have asked for step.
func begun(t *testing.T, s *site, h *Head, want step) *request {
	t.Helper()
	q := new(request)
	if got := q.begin(s, h, noon); got != want {
		t.Fatalf("%s %s asks for step %d, want %d; reply %+v", h.Method, h.Target, got, want, q.reply)
	}
	return q
}

func (q *request) mustAnswer(t *testing.T, got step, status int) {
	t.Helper()
	if got != stepReply || q.reply.status != status {
		t.Fatalf("step %d, reply %d %s, want %d", got, q.reply.status, q.reply.body, status)
	}
}

func (r *reply) field(name string) string {
	for _, f := range r.fields {
		if f.Name == name {
			return strings.Join(f.Values, "|")
		}
	}
	return ""
}

func TestStepsOfGET(t *testing.T) {
	s := newSite(Config{})
	q := begun(t, s, headOf("GET", "/a"), stepReply)
	q.mustAnswer(t, stepReply, 200)
	if string(q.reply.body) != "hello" || q.reply.field("Etag") != `"epoch-7"` || q.reply.field("Last-Modified") != "Fri, 01 May 2026 12:00:00 GMT" {
		t.Errorf("reply %+v", q.reply)
	}
}

// Rule 39: a time of the future, which another clock made, is told as now.
func TestLastModifiedIsNotLaterThanDate(t *testing.T) {
	s := newSite(Config{})
	q := new(request)
	q.begin(s, headOf("GET", "/a"), noon.Add(-time.Hour))
	if got := q.reply.field("Last-Modified"); got != "Fri, 01 May 2026 11:00:00 GMT" {
		t.Errorf("Last-Modified %s", got)
	}
}

func TestStepsOfPUT(t *testing.T) {
	s := newSite(Config{Prefix: "/p"})
	h := headOf("PUT", "/p/a", "Content-Type: application/json")
	h.Length = 3
	q := begun(t, s, h, stepRead)
	if q.maxContent != 1<<20 {
		t.Errorf("reads up to %d octets", q.maxContent)
	}
	if got := q.received([]byte("new"), contentWhole, 3, noon.Add(time.Minute)); got != stepCommit {
		t.Fatalf("step %d", got)
	}
	w := q.txn.Then[0]
	if len(q.txn.If) != 1 || q.txn.If[0] != store.Born(resourceKey("/a"), 7) || len(q.txn.Then) != 1 ||
		w.Key != resourceKey("/a") || string(w.Value) != "new" || string(w.Meta) != `{"type":"application/json","client":true,"declared":"text/plain"}` || !w.Modified.Equal(noon.Add(time.Minute)) { // when the content was whole
		t.Errorf("transaction %+v", q.txn)
	}
	// Nothing is visible before the store delivers it.
	if got := string(s.lookup("/a").current.Load().item.Value); got != "hello" {
		t.Errorf("value is %q already", got)
	}
	q.mustAnswer(t, q.committed(9, nil), 204)
	if q.reply.field("Etag") != `"epoch-9"` || q.reply.field("Content-Location") != "/p/a" {
		t.Errorf("reply %+v", q.reply)
	}
}

func TestStepsOfPOST(t *testing.T) {
	s := newSite(Config{})
	q := begun(t, s, headOf("POST", "/a"), stepCommit)
	first := q.child
	if len(q.txn.If) != 3 || q.txn.If[1] != store.Absent(resourceKey(first)) || q.txn.If[2] != store.CountBelow("resource", 100) {
		t.Errorf("conditions %v", q.txn.If)
	}
	// Somebody else took that URI: another is tried.
	if got := q.committed(0, &store.ConditionError{Index: 1, Condition: q.txn.If[1]}); got != stepCommit {
		t.Fatalf("step %d", got)
	}
	if q.child == first {
		t.Errorf("%s is tried again", first)
	}
	q.mustAnswer(t, q.committed(9, nil), 201)
	if q.reply.field("Location") != q.child || q.newURI != q.child || string(q.reply.body) != q.child+"\n" {
		t.Errorf("reply %+v", q.reply)
	}

	// It does not try for ever.
	q = begun(t, s, headOf("POST", "/a"), stepCommit)
	tries := 1
	for q.committed(0, &store.ConditionError{Index: 1, Condition: q.txn.If[1]}) == stepCommit {
		tries++
	}
	if tries != maxTries || q.reply.status != 503 || q.newURI != "" {
		t.Errorf("%d tries, then %d", tries, q.reply.status)
	}
}

// What a store's answers become (rules 1, 53).
func TestStoreErrors(t *testing.T) {
	for _, c := range []struct {
		err     error
		status  int
		problem string
	}{
		{&store.ConditionError{Condition: store.Born(resourceKey("/a"), 7)}, 404, "not-found"},
		{&store.ConditionError{Condition: store.CountBelow("resource", 100)}, 507, "full"},
		{store.ErrFull, 507, "full"},
		{store.ErrUnavailable, 503, "store-unavailable"},
		{store.ErrUnknown, 503, "outcome-unknown"},
		{store.ErrClosed, 503, "stopping"},
		{errors.New("secret detail"), 500, "internal"},
	} {
		q := begun(t, newSite(Config{}), headOf("POST", "/a"), stepCommit)
		q.mustAnswer(t, q.committed(0, c.err), c.status)
		body := string(q.reply.body)
		if !strings.Contains(body, `"urn:roost:problem:`+c.problem+`"`) || strings.Contains(body, "secret") || q.newURI != "" {
			t.Errorf("%v gives %s", c.err, body)
		}
		if changed := strings.Contains(body, "nothing was changed"); changed && errors.Is(c.err, store.ErrUnknown) {
			t.Errorf("an unknown outcome says %s", body)
		}
		if retry := q.reply.field("Retry-After") != ""; retry != (c.status == 503) {
			t.Errorf("%v: Retry-After %t", c.err, retry)
		}
	}
}

// What becomes of content that can't be had (rules 12 to 14).
func TestContentFaults(t *testing.T) {
	for _, c := range []struct {
		fault  contentFault
		status int
		close  bool
	}{
		{contentLarge, 413, true},
		{contentLate, 408, true},
		{contentBroken, 400, true},
		{contentNoRoom, 503, false},
	} {
		h := headOf("PUT", "/a")
		h.Length = -1
		q := begun(t, newSite(Config{}), h, stepRead)
		q.mustAnswer(t, q.received(nil, c.fault, 5, noon), c.status)
		if q.reply.close != c.close {
			t.Errorf("%d closes: %t", c.status, q.reply.close)
		}
	}
	h := headOf("PUT", "/a")
	h.Length = 1<<20 + 1
	begun(t, newSite(Config{}), h, stepReply).mustAnswer(t, stepReply, 413)
	h.Length = 1 << 20
	begun(t, newSite(Config{}), h, stepRead)
	h = headOf("PUT", "/a")
	h.Length = 1 << 40
	begun(t, newSite(Config{MaxBodyBytes: -1}), h, stepRead)
}

// What no HTTP client sends, and net/http lets through (rules 3, 6, 15, 16).
func TestHeads(t *testing.T) {
	for _, c := range []struct {
		name   string
		head   *Head
		change func(*Head)
		status int
		close  bool
	}{
		{"3: the preface of HTTP/2", headOf("PRI", "*"), func(h *Head) { h.Major, h.Minor = 2, 0 }, 505, true},
		{"6: an empty Host", headOf("GET", "/a"), func(h *Head) { h.Host = "" }, 400, true},
		{"6: HTTP/1.0 may lack it", headOf("GET", "/a"), func(h *Head) { h.Host, h.Minor = "", 0 }, 200, false},
		{"6: a list", headOf("GET", "/a"), func(h *Head) { h.Host = "a,b" }, 400, true},
		{"15: another expectation", headOf("GET", "/a", "Expect: tea"), nil, 417, true},
		{"15: HTTP/1.0 knows none", headOf("GET", "/a", "Expect: tea"), func(h *Head) { h.Minor = 0 }, 200, false},
		{"16: absolute", headOf("GET", "http://b/a"), nil, 200, false},
		{"16: https in the clear", headOf("GET", "https://b/a"), nil, 421, false},
		{"16: another scheme", headOf("GET", "ftp://b/a"), nil, 400, true},
		{"16: userinfo", headOf("GET", "http://u@b/a"), nil, 400, true},
		{"16: empty host", headOf("GET", "http:///a"), nil, 400, true},
		{"16: * with GET", headOf("GET", "*"), nil, 400, true},
		{"16: * with OPTIONS", headOf("OPTIONS", "*"), nil, 204, false},
		{"16: authority without CONNECT", headOf("GET", "b:80"), nil, 400, true},
		{"20: CONNECT", headOf("CONNECT", "b:80"), nil, 501, true},
		{"17: a raw octet that a path may not hold", headOf("GET", "/a\x80"), nil, 400, true},
	} {
		if c.change != nil {
			c.change(c.head)
		}
		q := begun(t, newSite(Config{}), c.head, stepReply)
		if q.reply.status != c.status || q.reply.close != c.close {
			t.Errorf("%s: %d, closes %t, want %d, %t", c.name, q.reply.status, q.reply.close, c.status, c.close)
		}
	}
	// 16: the authority of an absolute target is the one that counts.
	for target, status := range map[string]int{"http://own/a": 200, "http://evil/a": 421} {
		h := headOf("GET", target)
		h.Host = map[int]string{200: "evil", 421: "own"}[status]
		begun(t, newSite(Config{Hosts: []string{"own"}}), h, stepReply).mustAnswer(t, stepReply, status)
	}
	if got := begun(t, newSite(Config{}), headOf("OPTIONS", "*"), stepReply).reply.field("Allow"); got != "GET, HEAD, PUT, POST, DELETE, OPTIONS" {
		t.Errorf("23: OPTIONS * allows %q", got)
	}
}

// A batch that starts over removes what it does not have (a store that skipped
// history).
func TestReset(t *testing.T) {
	s := newSite(Config{})
	old := s.lookup("/a")
	item := func(key store.Key, meta string, created uint64) store.Change {
		return store.Change{Item: &store.Item{Key: key, Meta: []byte(meta), Created: created, Revision: 20}}
	}
	s.apply(store.Batch{Revision: 20, Reset: true, Changes: []store.Change{
		item(resourceKey("/a"), `{"type":"text/plain"}`, 7), item(resourceKey("/b"), `{"type":"text/plain"}`, 15),
	}})
	if e := s.lookup("/a"); e != old || s.registered(e).methods != 0 {
		t.Error("/a is not the same, without its registration")
	}
	s.apply(store.Batch{Revision: 30, Reset: true, Changes: []store.Change{item(resourceKey("/a"), `{"type":"text/plain"}`, 25)}})
	if e := s.lookup("/a"); e == old || !old.gone.Load() || s.lookup("/b") != nil || s.count() != 1 {
		t.Error("/a lives on, or /b does")
	}
	// What can't be read is left out, and does not take the rest with it.
	s.apply(store.Batch{Revision: 31, Changes: []store.Change{item(resourceKey("/c"), "{", 31), item(resourceKey("/d"), `{"type":"text/plain"}`, 31)}})
	if s.lookup("/c") != nil || s.lookup("/d") == nil {
		t.Error("/c is there, or /d is not")
	}
}

// A batch that starts over ends what was known: keys, the history, and the tags of the index.
func TestResetStartsOver(t *testing.T) {
	s := newSite(Config{Index: true})
	a := store.Change{Item: &store.Item{Key: resourceKey("/f/a"), Meta: []byte(`{"type":"text/plain"}`), Created: 9, Revision: 9}}
	gone := store.Change{Item: &store.Item{Key: resourceKey("/f/gone"), Meta: []byte(`{"type":"text/plain"}`), Created: 10, Revision: 10}}
	reply := store.Change{Item: &store.Item{Key: replyKey("r"), Meta: []byte(`{"child":"/a/12345"}`), Created: 11, Revision: 11}}
	for _, c := range []store.Change{a, gone, reply} {
		s.apply(store.Batch{Revision: c.Item.Revision, Changes: []store.Change{c}})
	}
	if s.free("/a/12345") || s.indexTag("/f/") != `W/"epoch-10"` {
		t.Fatalf("%v, tag %s", s.free("/a/12345"), s.indexTag("/f/"))
	}
	from, ok := s.hub.after(9)
	if !ok {
		t.Fatal("the history does not go back to 9")
	}
	s.apply(store.Batch{Revision: 20, Reset: true, Changes: []store.Change{a}})
	if !s.free("/a/12345") {
		t.Error("a key is remembered that is not there any more")
	}
	if tag := s.indexTag("/f/"); tag != `W/"epoch-20"` {
		t.Errorf("tag %s: one from before may be of other contents", tag)
	}
	if _, read := s.hub.read(&from, func(*entry) bool { return true }, -1); read != behind {
		t.Errorf("a place from before reads %d", read)
	}
	if _, ok := s.hub.after(9); ok {
		t.Error("the history goes back beyond the reset")
	}
	if _, ok := s.hub.after(20); !ok {
		t.Error("the history does not begin at the reset")
	}
	if e := s.lookup("/f/a"); e == nil || s.lookup("/f/gone") != nil {
		t.Error("what is there is not what the batch had")
	}
}

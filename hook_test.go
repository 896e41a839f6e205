package roost_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"roost"
)

// Hooks refuse, change what is stored, and give what is served.
func TestHooks(t *testing.T) {
	eachTransport(t, func(t *testing.T, tr transport) {
		s := tr.start(t, roost.Config{})
		told := newRecorder()
		var asked atomic.Pointer[roost.Exchange]
		r := s.add("/a", all, told.callback, roost.WithContentType(roost.Plain), roost.WithString("old"))
		decide := func(d roost.Decision) {
			must(r.RegisterHook(all, func(_ context.Context, e *roost.Exchange) roost.Decision {
				asked.Store(e)
				return d
			}))
		}

		decide(roost.Decision{})
		a := s.do("PUT", "/a?q=1", "sent", "X-Mine: 1")
		if e := asked.Load(); a.Status != 204 || a.Header.Get("Etag") == "" || e.URI != "/a" || e.Method != roost.PUT || string(e.Body) != "sent" ||
			e.Header.Get("X-Mine") != "1" || e.Query != "q=1" || e.Status != 0 || e.Peer == "" || (e.TLS != nil) != tr.tls || e.Time.IsZero() {
			t.Errorf("%+v; asked about %+v", a, e)
		}
		if e := told.wait(t, 1)[0]; e.Status != 204 || string(e.Body) != "sent" {
			t.Errorf("told %+v", e)
		}

		decide(roost.Decision{Status: 409, Text: "Not <today>."})
		before := s.CountResources()
		for _, method := range []string{"GET", "PUT", "POST", "DELETE"} {
			a := s.do(method, "/a", "x")
			a.expectProblem(t, 409, "refused")
			if p := a.problem(t); p.Title != "Conflict" || p.Detail != "Not <today>." {
				t.Errorf("%s: %+v", method, p)
			}
		}
		if a := s.do("HEAD", "/a", ""); a.Status != 409 {
			t.Errorf("HEAD: %d", a.Status)
		}
		if r.String() != "sent" || s.CountResources() != before {
			t.Error("a request that was refused changed something")
		}
		for i, e := range told.wait(t, 4) {
			if e.Status != 409 {
				t.Errorf("callback %d: %+v", i, e)
			}
		}

		decide(roost.Decision{Value: []byte("<b>made</b>"), ContentType: roost.Text})
		a = s.do("PUT", "/a", "sent")
		if a.Status != 204 || a.Header.Get("Etag") != "" || a.Header.Get("Last-Modified") != "" || a.Header.Get("Content-Location") != "/a" {
			t.Errorf("PUT of what was changed: %+v", a) // rule 49
		}
		if rep, err := r.Representation(); err != nil || string(rep.Value()) != "<b>made</b>" || rep.MediaType() != roost.Text {
			t.Errorf("stored %q", rep.Value())
		}
		a = s.do("PUT", "/a", "sent", "Prefer: return=representation")
		if a.Status != 200 || a.Body != "<b>made</b>" || a.Header.Get("Etag") == "" {
			t.Errorf("returned %+v", a)
		}
		child := s.do("POST", "/a", "sent").Header.Get("Location")
		if kid, err := s.GetResource(child); err != nil || kid.String() != "<b>made</b>" {
			t.Errorf("child %s: %v", child, err)
		}
		if e := told.wait(t, 3)[2]; string(e.Body) != "sent" || e.NewURI != child {
			t.Errorf("told %+v", e)
		}
		s.do("GET", child, "").expect(t, 200, "<b>made</b>") // by its parent's hook

		must(r.RegisterHook(0, nil))
		s.do("PUT", "/a", "plain").expect(t, 204, "")
		s.do("GET", "/a", "").expect(t, 200, "plain")
	})
}

// What a hook computes has a tag of its content, and is what conditions, ranges and codings are
// about; it can't be watched.
func TestComputedValue(t *testing.T) {
	s := start(t, roost.Config{})
	r := s.add("/a", all, nil, roost.WithContentType(roost.Plain), roost.WithString("stored"))
	value := atomic.Pointer[string]{}
	set := func(v string) { value.Store(&v) }
	must(r.RegisterHook(roost.GET, func(context.Context, *roost.Exchange) roost.Decision {
		return roost.Decision{Value: []byte(*value.Load()), ContentType: "application/json"}
	}))
	set(`{"n":1}`)
	a := s.do("GET", "/a", "")
	tag := a.Header.Get("Etag")
	if a.Body != `{"n":1}` || a.Header.Get("Content-Type") != "application/json" || a.Header.Get("Last-Modified") != "" || tag == "" || a.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("%+v", a)
	}
	if again := s.do("GET", "/a", ""); again.Header.Get("Etag") != tag {
		t.Errorf("the same content has the tags %s and %s", tag, again.Header.Get("Etag"))
	}
	begin := time.Now()
	if a := s.do("GET", "/a", "", "If-None-Match: "+tag, "Prefer: wait=20"); a.Status != 304 || a.Header.Get("Preference-Applied") != "" || time.Since(begin) > 15*time.Second {
		t.Errorf("waits for a computed value: %+v", a)
	}
	s.do("GET", "/a", "", "Range: bytes=0-1").expect(t, 206, `{"`)
	s.do("GET", "/a", "", "If-Match: "+etagOf(t, r)).expectProblem(t, 412, "precondition-failed")
	s.do("GET", "/a", "", "Accept: text/event-stream").expectProblem(t, 406, "not-acceptable")
	s.do("GET", "/a", "", "Accept: image/png").expectProblem(t, 406, "not-acceptable")
	for _, date := range []string{"If-Modified-Since: Sat, 01 Jan 2050 00:00:00 GMT", "If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT"} {
		if a := s.do("GET", "/a", "", date); a.Status != 200 {
			t.Errorf("%s: %d", date, a.Status)
		}
	}
	set(`{"n":2}`)
	if a := s.do("GET", "/a", "", "If-None-Match: "+tag); a.Status != 200 || a.Body != `{"n":2}` {
		t.Errorf("%+v", a)
	}
	set(strings.Repeat(prose, 2))
	if a := s.do("GET", "/a", "", "Accept-Encoding: gzip"); gunzip(t, a.Body) != strings.Repeat(prose, 2) {
		t.Errorf("%+v", a.Header)
	}
	set("")
	s.do("GET", "/a", "").expect(t, 200, "")
	if a := s.do("PUT", "/a", "x", "If-Match: "+etagOf(t, r)); a.Status != 204 {
		t.Errorf("a change is judged by what is stored: %d", a.Status)
	}
}

// etagOf is the present tag of what is stored.
func etagOf(t testing.TB, r *roost.Resource) string {
	t.Helper()
	rep, err := r.Representation()
	must(err)
	return rep.ETag()
}

// Rule 1: a hook is asked after everything but the store, and once.
func TestHookIsAskedLast(t *testing.T) {
	s := start(t, roost.Config{MaxURI: 2})
	r := s.add("/a", all, nil, roost.WithContentType(roost.Plain))
	var asked atomic.Int32
	must(r.RegisterHook(all, func(context.Context, *roost.Exchange) roost.Decision {
		if asked.Add(1); asked.Load() == 1 {
			// Somebody is first: the condition is judged again, the hook is not asked again.
			_, err := r.SetValue(context.Background(), []byte("meanwhile"))
			must(err)
		}
		return roost.Decision{}
	}))
	if a := s.do("PUT", "/a", "x", "If-Match: *"); a.Status != 204 || asked.Load() != 1 {
		t.Errorf("%d, asked %d times", a.Status, asked.Load())
	}
	asked.Store(1)
	for _, row := range []struct {
		method string
		want   int
		fields []string
	}{
		{"PUT", 412, []string{`If-Match: "x"`}}, {"PUT", 415, []string{"Content-Type: image/png"}}, {"DELETE", 412, []string{"If-None-Match: *"}},
		{"PUT", 400, []string{"Content-Digest: " + sha256Field("y")}}, {"OPTIONS", 204, nil},
	} {
		if a := s.do(row.method, "/a", "x", row.fields...); a.Status != row.want || asked.Load() != 1 {
			t.Errorf("%s %q: %d, asked %d times", row.method, row.fields, a.Status, asked.Load()-1)
		}
	}
	s.do("POST", "/a", "x")
	asked.Store(1)
	if s.do("POST", "/a", "x").expectProblem(t, 507, "full"); asked.Load() != 1 {
		t.Error("asked about a POST that there is no room for")
	}
}

// A hook that is late, panics or decides nonsense changes nothing.
func TestHookFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(safeBuffer)
		s, err := roost.New(t.Context(), roost.Config{Logger: slog.New(slog.NewTextHandler(log, nil)), MaxHooks: 2})
		must(err)
		r := add(t, s, "/a", all, nil, roost.WithContentType(roost.Plain), roost.WithString("old"))
		var hook atomic.Pointer[roost.Hook]
		must(r.RegisterHook(all, func(ctx context.Context, e *roost.Exchange) roost.Decision { return (*hook.Load())(ctx, e) }))
		set := func(h roost.Hook) { hook.Store(&h) }

		for name, h := range map[string]roost.Hook{
			"a panic":       func(context.Context, *roost.Exchange) roost.Decision { panic("oops") },
			"its goroutine": func(context.Context, *roost.Exchange) roost.Decision { runtime.Goexit(); return roost.Decision{} },
			"a status":      func(context.Context, *roost.Exchange) roost.Decision { return roost.Decision{Status: 200} },
			"a type": func(context.Context, *roost.Exchange) roost.Decision {
				return roost.Decision{Value: []byte("x"), ContentType: "nonsense"}
			},
		} {
			set(h)
			direct(t, s, "PUT", "/a", "new").expectProblem(t, 500, "internal")
			direct(t, s, "GET", "/a", "").expectProblem(t, 500, "internal")
			if !strings.Contains(log.String(), "hook failed") {
				t.Errorf("%s: the log has %q", name, log.String())
			}
		}

		ended := make(chan error, 4)
		release := make(chan struct{})
		set(func(ctx context.Context, _ *roost.Exchange) roost.Decision {
			<-ctx.Done()
			ended <- ctx.Err()
			<-release
			return roost.Decision{Value: []byte("late")}
		})
		begin := time.Now()
		a := direct(t, s, "PUT", "/a", "new")
		if a.expectProblem(t, 503, "hook-late"); time.Since(begin) != 5*time.Second || a.Header.Get("Retry-After") != "1" {
			t.Errorf("after %v: %v", time.Since(begin), a.Header)
		}
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("its context ended with %v", err)
		}
		direct(t, s, "PUT", "/a", "new").expectProblem(t, 503, "hook-late") // the second slot
		direct(t, s, "PUT", "/a", "new").expectProblem(t, 503, "busy")      // there is no third
		close(release)
		synctest.Wait()
		if r.String() != "old" {
			t.Errorf("stored %q", r.String())
		}
		set(func(context.Context, *roost.Exchange) roost.Decision { return roost.Decision{} })
		if a := direct(t, s, "PUT", "/a", "new"); a.Status != 204 {
			t.Errorf("afterwards: %d", a.Status)
		}
		must(s.Close())
	})
}

// At most MaxHooks run at once; the others wait.
func TestMaxHooks(t *testing.T) {
	s := start(t, roost.Config{MaxHooks: 3})
	r := s.add("/a", all, nil)
	var running, most atomic.Int32
	must(r.RegisterHook(roost.GET, func(context.Context, *roost.Exchange) roost.Decision {
		now := running.Add(1)
		for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
		}
		time.Sleep(2 * time.Millisecond)
		running.Add(-1)
		return roost.Decision{}
	}))
	var asking sync.WaitGroup
	for range 12 {
		asking.Go(func() { s.do("GET", "/a", "").expect(t, 200, "0") })
	}
	asking.Wait()
	if most.Load() > 3 {
		t.Errorf("%d ran at once", most.Load())
	}
}

// Shutdown waits for a hook that its client no longer waits for.
func TestShutdownWaitsForHooks(t *testing.T) {
	s := start(t, roost.Config{Timeouts: roost.Timeouts{Hook: time.Millisecond}})
	r := s.add("/a", all, nil)
	var ended atomic.Bool
	must(r.RegisterHook(all, func(context.Context, *roost.Exchange) roost.Decision {
		time.Sleep(100 * time.Millisecond)
		ended.Store(true)
		return roost.Decision{}
	}))
	s.do("PUT", "/a", "x").expectProblem(t, 503, "hook-late")
	must(s.Shutdown(t.Context()))
	if !ended.Load() {
		t.Error("it runs on")
	}
}

// A client that ended its side after its request is decided about like any other.
func TestHookOfHalfClosed(t *testing.T) {
	s := start(t, roost.Config{})
	r := s.add("/a", all, nil)
	must(r.RegisterHook(all, func(ctx context.Context, _ *roost.Exchange) roost.Decision {
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
		return roost.Decision{}
	}))
	c := s.dial()
	c.send("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nnew")
	must(c.Conn.(*net.TCPConn).CloseWrite())
	if got := c.rest(); !strings.HasPrefix(got, "HTTP/1.1 204 ") || r.String() != "new" {
		t.Errorf("%.100q", got)
	}
}

// A poll that is held is asked about again when the hook is another one.
func TestHookWhileHeld(t *testing.T) {
	s := start(t, roost.Config{})
	r := s.add("/a", all, nil, roost.WithContentType(roost.Plain))
	let := func(context.Context, *roost.Exchange) roost.Decision { return roost.Decision{} }
	must(r.RegisterHook(roost.GET, let))
	tag := s.tag("/a")
	polled := make(chan answer, 1)
	go func() {
		a, err := s.try("GET", "/a", "", "If-None-Match: "+tag, "Prefer: wait=20")
		must(err)
		polled <- a
	}()
	eventually(t, func() bool { return roost.Watchers(s.Server) == 1 })
	must(r.RegisterHook(roost.GET, func(context.Context, *roost.Exchange) roost.Decision { return roost.Decision{Status: 403} }))
	_, err := r.SetValue(t.Context(), []byte("secret"))
	must(err)
	if a := <-polled; a.Status != 403 || strings.Contains(a.Body, "secret") {
		t.Errorf("%+v", a)
	}
}

// The limit that a server before this one has for its answers is not one for hooks.
func TestHookBehindServer(t *testing.T) {
	s := start(t, roost.Config{})
	r := s.add("/a", all, nil)
	must(r.RegisterHook(all, func(context.Context, *roost.Exchange) roost.Decision {
		time.Sleep(300 * time.Millisecond)
		return roost.Decision{}
	}))
	outer := httptest.NewUnstartedServer(s.Server)
	outer.Config.WriteTimeout, outer.Config.ReadTimeout = 100*time.Millisecond, 100*time.Millisecond
	outer.EnableHTTP2 = true
	outer.StartTLS()
	t.Cleanup(outer.Close)
	s.base, s.client = outer.URL, outer.Client()
	s.do("GET", "/a", "").expect(t, 200, "0")
	s.do("PUT", "/a", "x").expect(t, 204, "")
}

func TestRegisterHookErrors(t *testing.T) {
	s := newServer(t, roost.Config{})
	r := add(t, s, "/a", 0, nil)
	if err := r.RegisterHook(roost.Method(128), nil); !errors.Is(err, roost.ErrConfig) {
		t.Error(err)
	}
	must(r.Remove(t.Context()))
	if err := r.RegisterHook(all, nil); !errors.Is(err, roost.ErrNotExist) {
		t.Error(err)
	}
}

// Rule 50: a POST that is repeated with its key.
func TestIdempotencyKey(t *testing.T) {
	eachTransport(t, func(t *testing.T, tr transport) {
		told := newRecorder()
		s := tr.start(t, roost.Config{MaxURI: 100, MaxRemembered: 4})
		s.add("/a", all, told.callback, roost.WithContentType(roost.Plain), roost.WithClientTTL())
		s.add("/b", all, nil, roost.WithContentType(roost.Plain))
		const key = `Idempotency-Key: "k"`
		first := s.do("POST", "/a", "x", key, "Roost-TTL: 1000")
		told.wait(t, 1)
		count := s.CountResources()
		same := func(what string, a answer) {
			t.Helper()
			if a.Status != 201 || a.Body != first.Body {
				t.Fatalf("%s: %+v, first %+v", what, a, first)
			}
			for _, name := range []string{"Location", "Etag", "Last-Modified", "Sunset"} {
				if a.Header.Get(name) != first.Header.Get(name) {
					t.Errorf("%s: %s %q, first %q", what, name, a.Header.Get(name), first.Header.Get(name))
				}
			}
			if s.CountResources() != count {
				t.Errorf("%s: made a second child", what)
			}
		}
		same("again", s.do("POST", "/a", "x", key))
		same("as a bare token", s.do("POST", "/a", "x", "Idempotency-Key: k"))
		s.do("PUT", "/a", "y", "Content-Type: application/json")
		same("after the resource has another type", s.do("POST", "/a", "x", key))
		same("with a condition that does not hold", s.do("POST", "/a", "x", key, `If-Match: "x"`))
		location := first.Header.Get("Location")
		a := s.do("POST", "/a", "x", key, "Prefer: return=representation")
		if a.Status != 201 || a.Body != "x" || a.Header.Get("Content-Location") != location {
			t.Errorf("representation: %+v", a)
		}
		s.do("PUT", location, "y")
		same("after the child was changed", s.do("POST", "/a", "x", key, "Prefer: return=representation"))
		s.do("DELETE", location, "")
		count--
		same("after the child was removed", s.do("POST", "/a", "x", key))
		s.do("POST", "/a", "y", key).expectProblem(t, 422, "key-reused")
		s.do("POST", "/a", "x", key, "Content-Type: text/html").expectProblem(t, 422, "key-reused")

		// Of another resource, another life of one, or another key it is another.
		for _, row := range [][2]string{{"/b", key}, {"/a", `Idempotency-Key: "K"`}} {
			if a := s.do("POST", row[0], "x", row[1]); a.Status != 201 || a.Header.Get("Location") == location {
				t.Errorf("%v: %+v", row, a)
			}
		}
		must(s.RemoveResource(t.Context(), "/a"))
		s.add("/a", all, nil, roost.WithContentType(roost.Plain))
		if a := s.do("POST", "/a", "other", key); a.Status != 201 {
			t.Errorf("another life: %+v", a)
		}
		full := s.do("POST", "/a", "x", `Idempotency-Key: "one more"`)
		full.expectProblem(t, 507, "full")
		if p := full.problem(t); p.Setting != "max-remembered" || p.Limit != 4 {
			t.Errorf("%+v", p)
		}
		if a := s.do("POST", "/a", "x"); a.Status != 201 {
			t.Errorf("without a key: %+v", a)
		}
		for _, bad := range []string{"", `""`, `"`, `"a`, "a b", "a,b", strings.Repeat("k", 256), `"` + strings.Repeat("k", 256) + `"`, "é"} {
			s.do("POST", "/a", "x", "Idempotency-Key: "+bad).expectProblem(t, 400, "bad-idempotency-key")
		}
		if a := s.do("PUT", "/a", "x", `Idempotency-Key: ""`); a.Status != 204 {
			t.Errorf("PUT has no use for it: %+v", a)
		}
		statuses := map[int]int{}
		for _, e := range told.wait(t, 4) { // PUTs, DELETE of the child, 422: no callback for what is repeated
			statuses[e.Status]++
		}
		if statuses[204] != 3 || statuses[422] != 1 {
			t.Errorf("callbacks with %v", statuses)
		}
	})
}

// Of racing POSTs with one key exactly one makes a child.
func TestRacingIdempotencyKeys(t *testing.T) {
	s := start(t, roost.Config{MaxURI: -1})
	r := s.add("/a", all, nil)
	must(r.RegisterHook(roost.POST, func(context.Context, *roost.Exchange) roost.Decision {
		time.Sleep(time.Millisecond) // so that others come meanwhile
		return roost.Decision{}
	}))
	for round := range 20 {
		var made sync.Map
		var posting sync.WaitGroup
		var busy atomic.Int32
		before := s.CountResources()
		for range 8 {
			posting.Go(func() {
				for {
					a := s.do("POST", "/a", "x", fmt.Sprintf("Idempotency-Key: %d", round))
					if a.Status == 409 {
						if busy.Add(1); a.problem(t).Type != "urn:roost:problem:key-in-use" || a.Header.Get("Retry-After") != "1" {
							t.Errorf("%+v", a)
						}
						continue
					}
					if a.Status != 201 {
						t.Errorf("%+v", a)
					}
					made.Store(a.Header.Get("Location"), true)
					return
				}
			})
		}
		posting.Wait()
		n := 0
		made.Range(func(any, any) bool { n++; return true })
		if n != 1 || s.CountResources() != before+1 {
			t.Fatalf("%d children told, %d made", n, s.CountResources()-before)
		}
	}
}

// A key is remembered for a day, and its child's URI is not given again so long.
func TestKeyIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := roost.New(t.Context(), roost.Config{})
		must(err)
		defer s.Close()
		add(t, s, "/a", all, nil)
		first := direct(t, s, "POST", "/a", "x", "Idempotency-Key: k").Header.Get("Location")
		time.Sleep(24*time.Hour - 1)
		if again := direct(t, s, "POST", "/a", "x", "Idempotency-Key: k").Header.Get("Location"); again != first {
			t.Errorf("%s, then %s", first, again)
		}
		time.Sleep(1 * time.Nanosecond)
		if again := direct(t, s, "POST", "/a", "x", "Idempotency-Key: k").Header.Get("Location"); again == first {
			t.Error("remembered for more than a day")
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if roost.Expiring(s) != 0 {
			t.Errorf("%d records are left", roost.Expiring(s))
		}
	})
}

// A refusal is not remembered, nor does it keep the key in use.
func TestRefusedPOSTLeavesKey(t *testing.T) {
	s := start(t, roost.Config{MaxURI: 2})
	r := s.add("/a", all, nil)
	var refuse atomic.Bool
	refuse.Store(true)
	must(r.RegisterHook(roost.POST, func(context.Context, *roost.Exchange) roost.Decision {
		if refuse.Load() {
			return roost.Decision{Status: 403}
		}
		return roost.Decision{}
	}))
	s.do("POST", "/a", "x", "Idempotency-Key: k").expectProblem(t, 403, "refused")
	refuse.Store(false)
	a := s.do("POST", "/a", "other", "Idempotency-Key: k")
	if a.Status != 201 {
		t.Fatalf("%+v", a)
	}
	s.do("POST", "/a", "x", "Idempotency-Key: l").expectProblem(t, 507, "full")
	s.do("DELETE", a.Header.Get("Location"), "")
	if a := s.do("POST", "/a", "y", "Idempotency-Key: l"); a.Status != 201 {
		t.Errorf("%+v", a)
	}
}

// Keys of callers whom the gate tells apart are different keys.
func TestKeysOfCallers(t *testing.T) {
	s := start(t, roost.Config{Gate: gateFunc(func(h *roost.Head) roost.Verdict {
		return roost.Verdict{Caller: h.Header.Get("Authorization")}
	})})
	s.add("/a", all, nil)
	seen := map[string]string{}
	for _, caller := range []string{"one", "two", "one", "two"} {
		location := s.do("POST", "/a", "x", "Idempotency-Key: k", "Authorization: "+caller).Header.Get("Location")
		if seen[caller] == "" {
			seen[caller] = location
		}
		if seen[caller] != location {
			t.Errorf("%s: %s, then %s", caller, seen[caller], location)
		}
	}
	if seen["one"] == seen["two"] {
		t.Error("one got what two made")
	}
}

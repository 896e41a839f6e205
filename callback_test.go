package roost_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"roost"
)

// recorder is a callback that keeps what it is told, in order.
type recorder struct {
	mu     sync.Mutex
	events []*roost.Exchange
	taken  int           // by wait
	more   chan struct{} // gets one for each event
}

func newRecorder() *recorder { return &recorder{more: make(chan struct{}, 10_000)} }

func (r *recorder) callback(e *roost.Exchange) {
	r.mu.Lock()
	r.events = append(r.events, e)
	r.mu.Unlock()
	r.more <- struct{}{}
}

// wait returns the next n events, once there are as many.
func (r *recorder) wait(t testing.TB, n int) []*roost.Exchange {
	t.Helper()
	for range n {
		select {
		case <-r.more:
		case <-time.After(20 * time.Second):
			t.Fatalf("only %d of %d callbacks", len(r.events), n)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.events[r.taken : r.taken+n]
	r.taken += n
	return next
}

// The document's six arguments, and rule 57.
func TestCallbackArguments(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			s := tr.start(t, roost.Config{MaxBodyBytes: 10})
			told := newRecorder()
			s.add("/a", all, told.callback)
			s.do("GET", "/a?x=1", "", "X-Mine: one", "X-Mine: two")
			s.do("PUT", "/%61", "body", "Content-Type: text/plain")
			child := s.do("POST", "/a", "payload").Header.Get("Location")
			s.do("PUT", "/a", "x", "Content-Type: image/png")
			s.do("GET", "/a", "", "Accept: image/png")
			s.do("PUT", child, "new")
			s.do("DELETE", child, "")
			s.do("PUT", "/a", "much too long") // last, as it closes its connection

			events := told.wait(t, 8)
			want := []struct {
				uri    string
				method roost.Method
				body   string
				newURI string
				status int
			}{
				{"/a", roost.GET, "", "", 200},
				{"/a", roost.PUT, "body", "", 204},
				{"/a", roost.POST, "payload", child, 201},
				{"/a", roost.PUT, "", "", 415},
				{"/a", roost.GET, "", "", 406},
				{child, roost.PUT, "new", "", 204},
				{child, roost.DELETE, "", "", 204},
				{"/a", roost.PUT, "", "", 413},
			}
			for i, w := range want {
				e := events[i]
				if e.URI != w.uri || e.Method != w.method || string(e.Body) != w.body || e.NewURI != w.newURI || e.Status != w.status {
					t.Errorf("event %d: %s %s %q %q %d, want %v", i, e.URI, e.Method, e.Body, e.NewURI, e.Status, w)
				}
				if (e.TLS != nil) != tr.tls || e.Peer == "" || time.Since(e.Time) > time.Minute || e.Header.Get("Host") != strings.SplitN(s.base, "//", 2)[1] {
					t.Errorf("event %d: %+v", i, e)
				}
			}
			if e := events[0]; e.Query != "x=1" || !slices.Equal(e.Header.Values("x-mine"), []string{"one", "two"}) {
				t.Errorf("GET: query %q, fields %v", e.Query, e.Header)
			}
			if got := events[1].Header.Get("content-length"); got != "4" {
				t.Errorf("Content-Length %q", got)
			}
		})
	}
}

// Rule 57: a POST that was refused made nothing, whatever refused it.
func TestRefusedPostHasNoNewURI(t *testing.T) {
	s := start(t, roost.Config{})
	told := newRecorder()
	r := s.add("/a", all, told.callback)
	s.do("POST", "/a", "x", `If-Match: "other"`).expectProblem(t, 412, "precondition-failed")
	s.do("POST", "/a", "x", "Expect: 100-continue", "Content-Digest: sha-256=:AAAA:")
	must(r.RegisterHook(roost.POST, func(context.Context, *roost.Exchange) roost.Decision { return roost.Decision{Status: 403} }))
	s.do("POST", "/a", "x").expectProblem(t, 403, "refused")
	for _, e := range told.wait(t, 3) {
		if e.NewURI != "" {
			t.Errorf("%d with the new URI %s", e.Status, e.NewURI)
		}
	}
}

// Rule 57: nobody is told of these.
func TestNoCallback(t *testing.T) {
	s := start(t, roost.Config{})
	told := newRecorder()
	s.add("/a", roost.GET|roost.PUT, told.callback)
	s.do("HEAD", "/a", "")
	s.do("OPTIONS", "/a", "")
	s.do("DELETE", "/a", "")
	s.do("PATCH", "/a", "")
	s.do("FOO", "/a", "")
	s.do("GET", "/absent", "")
	s.do("PUT", "/a", "x", "Sec-Fetch-Site: cross-site")
	s.do("PUT", "/a", "last")
	if e := told.wait(t, 1)[0]; string(e.Body) != "last" {
		t.Errorf("told of %s %d", e.Method, e.Status)
	}
}

// The callback runs after the answer is on the wire: one that blocks does not keep
// the client from its answer.
func TestCallbackAfterAnswer(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			s := tr.start(t, roost.Config{})
			answered, called := make(chan struct{}), make(chan struct{})
			s.add("/a", roost.GET, func(*roost.Exchange) {
				<-answered
				close(called)
			})
			s.do("GET", "/a", "").expect(t, 200, "0")
			close(answered)
			<-called
		})
	}
}

// For one URI in the order of revisions, even when the first answer is slow to
// reach its client: a callback may come late, but not before an earlier change's.
func TestCallbackOrderOfRevisions(t *testing.T) {
	s := newServer(t, roost.Config{})
	told := newRecorder()
	add(t, s, "/a", all, told.callback)
	add(t, s, "/b", all, told.callback)

	release := stall(s, request("PUT", "/a", "first", "1.1.1.1:1"))
	s.ServeHTTP(newGated().open(), request("PUT", "/a", "second", "2.2.2.2:2"))
	// Later on the same connection: it must wait for the answer before it.
	s.ServeHTTP(newGated().open(), request("GET", "/b", "", "2.2.2.2:2"))
	// Another connection, another resource: it waits for nobody.
	s.ServeHTTP(newGated().open(), request("GET", "/b", "", "3.3.3.3:3"))
	if e := told.wait(t, 1)[0]; e.Peer != "3.3.3.3:3" {
		t.Fatalf("first told of %s %s by %s", e.Method, e.URI, e.Peer)
	}
	release()
	var got []string
	for _, e := range told.wait(t, 3) {
		got = append(got, e.Method.String()+" "+e.URI+" "+string(e.Body))
	}
	if want := []string{"PUT /a first", "PUT /a second", "GET /b "}; !slices.Equal(got, want) {
		t.Errorf("told of %q, want %q", got, want)
	}
}

// What a request without content changes has its place too.
func TestCallbackOrderWithoutContent(t *testing.T) {
	s := newServer(t, roost.Config{})
	told := newRecorder()
	add(t, s, "/a", all, told.callback)
	release := stall(s, request("PUT", "/a", "", "1.1.1.1:1"))
	s.ServeHTTP(newGated().open(), request("DELETE", "/a", "", "2.2.2.2:2"))
	release()
	if e := told.wait(t, 2); e[0].Method != roost.PUT || e[1].Method != roost.DELETE {
		t.Errorf("told of %s, then %s", e[0].Method, e[1].Method)
	}
}

// What is held back counts in the queue's bounds: one client that does not take its
// answer can't make the server hold everybody's contents.
func TestHeldBackCallbacksAreBounded(t *testing.T) {
	for _, bound := range []roost.Config{{MaxQueuedCallbacks: 4}, {MaxQueuedBytes: 40}} {
		s := newServer(t, bound)
		told := newRecorder()
		add(t, s, "/a", all, told.callback)
		release := stall(s, request("PUT", "/a", "slow", "1.1.1.1:1"))
		var group sync.WaitGroup
		var answered, returned atomic.Int32
		for i := range 20 {
			group.Go(func() {
				w := newGated().open()
				go func() { <-w.writing; answered.Add(1) }()
				s.ServeHTTP(w, request("PUT", "/a", "0123456789", fmt.Sprintf("2.2.2.2:%d", i)))
				returned.Add(1)
			})
		}
		eventually(t, func() bool { return answered.Load() == 20 })
		time.Sleep(50 * time.Millisecond) // for those that would not pause
		if n := returned.Load(); n > 3 {
			t.Errorf("%+v: %d connections go on", bound, n)
		}
		release()
		group.Wait()
		told.wait(t, 21)
	}
}

// The event of a POST stands in the line of the child too, so that the child's first
// change is not told before its creation.
func TestCallbackOrderOfChild(t *testing.T) {
	s := newServer(t, roost.Config{})
	told := newRecorder()
	add(t, s, "/a", all, told.callback)
	release := stall(s, request("POST", "/a", "made", "1.1.1.1:1"))
	child := s.ListResource("/a/")[0]
	s.ServeHTTP(newGated().open(), request("PUT", child, "changed", "2.2.2.2:2"))
	release()
	events := told.wait(t, 2)
	if events[0].NewURI != child || events[1].URI != child {
		t.Errorf("told of %+v, then %+v", events[0], events[1])
	}
}

// gated is a response that is written only once it is opened.
type gated struct {
	header  http.Header
	writing chan struct{} // closed when the answer is ready
	gate    chan struct{}
	once    sync.Once
	opened  sync.Once
}

func newGated() *gated {
	return &gated{header: make(http.Header), writing: make(chan struct{}), gate: make(chan struct{})}
}

func (g *gated) open() *gated {
	g.opened.Do(func() { close(g.gate) })
	return g
}
func (g *gated) Header() http.Header         { return g.header }
func (g *gated) Write(p []byte) (int, error) { return len(p), nil }
func (g *gated) WriteHeader(int) {
	g.once.Do(func() { close(g.writing) })
	<-g.gate
}

// stall asks s, and returns when the answer is ready but not on the wire. release
// lets it through, and returns when the request has ended.
func stall(s *roost.Server, r *http.Request) (release func()) {
	w, done := newGated(), make(chan struct{})
	go func() {
		defer close(done)
		s.ServeHTTP(w, r)
	}()
	<-w.writing
	return func() {
		w.open()
		<-done
	}
}

func request(method, uri, body, peer string) *http.Request {
	r, err := http.NewRequest(method, uri, strings.NewReader(body))
	must(err)
	r.RemoteAddr = peer
	return r
}

// A program that mirrors a value by its callback ends with the newest, with 64
// writers and 64 readers at it, who see whole values only.
func TestWritersAndReaders(t *testing.T) {
	duration := 10 * time.Second
	if testing.Short() {
		duration = time.Second
	}
	const writers, readers = 64, 64
	s := start(t, roost.Config{})
	s.client.Transport.(*http.Transport).MaxIdleConnsPerHost = writers + readers
	var mirror []byte // written by callbacks only, which run one at a time
	var calls int
	res := s.add("/a", all, func(e *roost.Exchange) {
		if e.Method == roost.PUT && e.Status == 204 {
			mirror = e.Body
			calls++
		}
	}, roost.WithString(valueOf(0, 0)))

	ctx, cancel := context.WithTimeout(t.Context(), duration)
	defer cancel()
	var group sync.WaitGroup
	var puts [writers]int
	for w := range writers {
		group.Go(func() {
			for ctx.Err() == nil {
				value := valueOf(w, puts[w])
				if w%16 == 0 { // some write by the library
					if _, err := res.SetValue(ctx, []byte(value)); err != nil && ctx.Err() == nil {
						t.Errorf("SetValue: %v", err)
					}
					continue
				}
				a := s.do("PUT", "/a", value, "Content-Type: text/plain")
				a.expect(t, 204, "")
				puts[w]++
			}
		})
	}
	for range readers {
		group.Go(func() {
			for ctx.Err() == nil {
				if a := s.do("GET", "/a", ""); !whole(a.Body) {
					t.Errorf("torn value %.60q", a.Body)
					return
				}
			}
		})
	}
	group.Wait()
	// The last word is a PUT's, so that the mirror can be compared.
	s.do("PUT", "/a", valueOf(99, 99), "Content-Type: text/plain").expect(t, 204, "")
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	total := 1
	for _, n := range puts {
		total += n
	}
	if calls != total {
		t.Errorf("%d callbacks for %d PUTs", calls, total)
	}
	if now, _ := res.Value(); !bytes.Equal(mirror, now) {
		t.Errorf("mirror has %.40q, the server %.40q", mirror, now)
	}
	t.Logf("%d PUTs", total)
}

// valueOf is a value of varying length in which every line is the same.
func valueOf(writer, n int) string {
	return strings.Repeat(fmt.Sprintf("%d-%d\n", writer, n), 1+(writer*7+n)%50)
}

func whole(value string) bool {
	line, _, _ := strings.Cut(value, "\n")
	return value != "" && strings.ReplaceAll(value, line+"\n", "") == ""
}

// Without a last PUT by one client: whichever of the racing ones was last, the
// mirror has it.
func TestMirrorEndsWithNewest(t *testing.T) {
	for round := range 30 {
		s := start(t, roost.Config{})
		var mirror []byte
		res := s.add("/a", roost.PUT, func(e *roost.Exchange) { mirror = e.Body })
		var group sync.WaitGroup
		for w := range 16 {
			group.Go(func() { s.do("PUT", "/a", strconv.Itoa(w)).expect(t, 204, "") })
		}
		group.Wait()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := res.String(); got != string(mirror) {
			t.Fatalf("round %d: mirror %q, server %q", round, mirror, got)
		}
	}
}

func TestCallbackPanics(t *testing.T) {
	var log safeBuffer
	s := start(t, roost.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	told := newRecorder()
	s.add("/a", all, func(e *roost.Exchange) {
		if string(e.Body) == "bad" {
			panic("oh dear")
		}
		told.callback(e)
	})
	s.do("PUT", "/a", "bad").expect(t, 204, "")
	s.do("PUT", "/a", "good").expect(t, 204, "")
	if e := told.wait(t, 1)[0]; string(e.Body) != "good" {
		t.Errorf("told of %q", e.Body)
	}
	if !strings.Contains(log.String(), "oh dear") {
		t.Errorf("log: %s", log.String())
	}
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// Each event keeps the callback that was registered when its request came.
func TestCallbackOfItsTime(t *testing.T) {
	s := start(t, roost.Config{})
	hold, first, second := make(chan struct{}), newRecorder(), newRecorder()
	r := s.add("/a", roost.GET, func(e *roost.Exchange) {
		<-hold
		first.callback(e)
	})
	s.do("GET", "/a", "")
	s.do("GET", "/a", "")
	if err := r.RegisterRequestHandler(t.Context(), roost.GET, second.callback); err != nil {
		t.Fatal(err)
	}
	s.do("GET", "/a", "")
	close(hold)
	first.wait(t, 2)
	second.wait(t, 1)
}

// A full queue pauses connections to resources with callbacks after their answer,
// and no others; nothing is dropped.
func TestFullQueuePauses(t *testing.T) {
	for _, bound := range []roost.Config{
		{MaxQueuedCallbacks: 3},
		{MaxQueuedBytes: 30},
	} {
		s := start(t, bound)
		hold, told := make(chan struct{}), newRecorder()
		s.add("/told", roost.PUT, func(e *roost.Exchange) {
			<-hold
			told.callback(e)
		})
		s.add("/quiet", roost.GET, nil)

		// One connection asks again and again. It gets its answers until the queue
		// is full: the first runs, three wait.
		c := s.dial()
		put := "PUT /told HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789"
		c.send(strings.Repeat(put, 10))
		answers := 0
		buf := make([]byte, 64<<10)
		var got strings.Builder
		for answers < 4 && strings.Count(got.String(), "HTTP/1.1 204") < 3 {
			n, err := c.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			got.Write(buf[:n])
			answers = strings.Count(got.String(), "HTTP/1.1 204")
		}
		c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		for {
			n, err := c.Read(buf)
			got.Write(buf[:n])
			if err != nil {
				break
			}
		}
		if n := strings.Count(got.String(), "HTTP/1.1 204"); n < 3 || n > 4 {
			t.Errorf("%+v: %d answers while the queue is full", bound, n)
		}
		for range 20 {
			s.do("GET", "/quiet", "").expect(t, 200, "0")
		}
		close(hold)
		told.wait(t, 10)
		c.Close()
	}
}

// Clients that come, ask and go do not fill the queue without bound: while it is
// full, each holds its place among the connections.
func TestFullQueueWhenClientsLeave(t *testing.T) {
	const queued, conns = 3, 4
	s := start(t, roost.Config{MaxQueuedCallbacks: queued, MaxConns: conns})
	hold, told := make(chan struct{}), newRecorder()
	s.add("/a", roost.PUT, func(e *roost.Exchange) {
		<-hold
		told.callback(e)
	})
	answered := 0
	for range 30 {
		c := s.dial()
		c.send("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
		c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, _ := c.Read(make([]byte, 1)); n > 0 {
			answered++
		}
		c.Close()
	}
	if answered > queued+conns {
		t.Errorf("%d answered with %d places in the queue and %d connections", answered, queued, conns)
	}
	close(hold)
	told.wait(t, 30) // each was a whole request, and was made
}

// Shutdown delivers what is queued.
func TestShutdownDelivers(t *testing.T) {
	s := start(t, roost.Config{})
	hold, started := make(chan struct{}), make(chan struct{}, 100)
	told := newRecorder()
	s.add("/a", roost.PUT, func(e *roost.Exchange) {
		started <- struct{}{}
		<-hold
		told.callback(e)
	})
	for i := range 10 {
		s.do("PUT", "/a", strconv.Itoa(i)).expect(t, 204, "")
	}
	<-started
	go func() { close(hold) }()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(told.events) != 10 {
		t.Errorf("%d of 10 delivered when Shutdown returned", len(told.events))
	}
	if _, err := net.Dial("tcp", s.Addr().String()); err == nil {
		t.Error("the port is not free")
	}
}

// Shutdown may be called from inside a callback, while the queue is full; the others
// that are due still run.
func TestShutdownInsideCallback(t *testing.T) {
	s := start(t, roost.Config{MaxQueuedCallbacks: 2})
	hold, told := make(chan struct{}), newRecorder()
	result := make(chan error, 1)
	s.add("/a", roost.PUT, func(e *roost.Exchange) {
		if string(e.Body) == "0" {
			<-hold
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			result <- s.Shutdown(ctx)
		}
		told.callback(e)
	})
	for i := range 5 {
		c := s.dial() // a connection each, as the last ones pause
		c.send("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n" + strconv.Itoa(i))
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	close(hold)
	if err := <-result; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	told.wait(t, 5)
}

// A callback may use the whole library, on its own resource too.
func TestCallbackUsesServer(t *testing.T) {
	s := start(t, roost.Config{})
	done := make(chan error, 1)
	s.add("/a", all, func(e *roost.Exchange) {
		done <- func() error {
			r, err := s.GetResource(e.URI)
			if err != nil {
				return err
			}
			if _, err := r.SetValue(context.Background(), []byte("from the callback")); err != nil {
				return err
			}
			b, err := s.AddResource(context.Background(), "/b")
			if err != nil {
				return err
			}
			if err := b.RegisterRequestHandler(context.Background(), roost.GET, nil); err != nil {
				return err
			}
			return s.RemoveResource(context.Background(), "/b")
		}()
	})
	s.do("PUT", "/a", "x").expect(t, 204, "")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got, _ := s.GetResource("/a"); got.String() != "from the callback" {
		t.Errorf("value %q", got)
	}
}

// The goroutine that calls back ends when there is nothing left to do.
func TestIdleServerHasNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, roost.Config{})
		told := newRecorder()
		add(t, s, "/a", all, told.callback)
		s.ServeHTTP(newGated().open(), request("PUT", "/a", "x", "1.1.1.1:1"))
		told.wait(t, 1)
		// synctest.Test fails if a goroutine is left.
	})
}

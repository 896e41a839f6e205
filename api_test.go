package roost_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"roost"
	"roost/store"
	"roost/store/memory"
)

// wantError checks that err is of a kind, and that its text holds all parts: the
// thing, the rule and the way out.
func wantError(t testing.TB, err, kind error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %v", kind)
	}
	if kind != nil && !errors.Is(err, kind) {
		t.Errorf("%v is not %v", err, kind)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q does not tell %q", err, p)
		}
	}
}

func TestAddResource(t *testing.T) {
	s := newServer(t, roost.Config{MaxURI: 4})
	ctx := t.Context()

	r := add(t, s, "/a", 0, nil)
	if r.URI() != "/a" || r.String() != "0" || r.Methods() != 0 {
		t.Errorf("got %s %q %v", r.URI(), r, r.Methods())
	}
	if rep, err := r.Representation(); err != nil || rep.MediaType() != roost.Text {
		t.Errorf("got %v, %v", rep, err)
	}
	_, err := s.AddResource(ctx, "/a")
	wantError(t, err, roost.ErrExist, `"/a"`, "exists already", "RemoveResource")
	_, err = s.AddResource(ctx, "/%61")
	wantError(t, err, roost.ErrExist, `"/%61"`, `another spelling of "/a"`)

	for _, bad := range []struct{ uri, says string }{
		{"a", `"/"`}, {"//a", `"//"`}, {"/a?b", `"?"`}, {"/a#b", `"#"`}, {"/a\x00", "control"}, {"/%", "%"},
		{"/%ff", "UTF-8"}, {"/a/../b", "segment"}, {"/%2e%2e/b", "segment"}, {"/" + strings.Repeat("a", 2048), "2048"},
	} {
		_, err := s.AddResource(ctx, bad.uri)
		wantError(t, err, roost.ErrURI, strconv.Quote(bad.uri), bad.says)
		_, err = s.GetResource(bad.uri)
		wantError(t, err, roost.ErrURI)
	}
	_, err = s.AddResource(ctx, "/b", roost.WithContentType("nonsense"))
	wantError(t, err, roost.ErrConfig, "nonsense")
	_, err = s.AddResource(ctx, "/b", roost.WithCacheControl("no-store\r\nX: y"))
	wantError(t, err, roost.ErrConfig, "cache control", "control characters")
	_, err = s.AddResource(ctx, "/b", roost.WithContentType("text/event-stream"))
	wantError(t, err, roost.ErrConfig, "text/event-stream")

	for i := range 3 {
		add(t, s, fmt.Sprintf("/fill/%d", i), 0, nil)
	}
	_, err = s.AddResource(ctx, "/b")
	wantError(t, err, roost.ErrFull, `"/b"`, "4 resources", "MaxURI")
	if err := s.RemoveResource(ctx, "/a"); err != nil {
		t.Fatal(err)
	}
	add(t, s, "/b", 0, nil)
}

func TestConstants(t *testing.T) {
	got := []string{roost.Text, roost.XML, roost.Plain, roost.JSON, roost.Octet, roost.AppXML}
	want := []string{"text/html", "text/xml", "text/plain", "application/json", "application/octet-stream", "application/xml"}
	if !slices.Equal(got, want) {
		t.Errorf("media types %q", got)
	}
	if roost.GET != 1 || roost.PUT != 2 || roost.POST != 4 || roost.DELETE != 8 {
		t.Error("methods are not 1, 2, 4, 8")
	}
	if got := (roost.GET | roost.DELETE).String(); got != "GET|DELETE" {
		t.Errorf("String is %q", got)
	}
}

// The document's default of max_uri, and that it counts what clients make.
func TestMaxURI(t *testing.T) {
	for _, c := range []struct{ set, holds int }{{0, 100}, {3, 3}, {-1, 150}} {
		s := start(t, roost.Config{MaxURI: c.set})
		s.add("/a", all, nil)
		made := 1
		for range c.holds - 1 {
			if s.do("POST", "/a", "x").Status == 201 {
				made++
			}
		}
		a := s.do("POST", "/a", "x")
		if made != c.holds || c.set >= 0 && a.Status != 507 || c.set < 0 && a.Status != 201 {
			t.Errorf("MaxURI %d: %d made, then %d", c.set, made, a.Status)
		}
		if c.set < 0 {
			continue
		}
		limit := strconv.Itoa(c.holds)
		p := a.problem(t)
		if p.Type != "urn:roost:problem:full" || p.Limit != int64(c.holds) || p.Setting != "max-uri" ||
			a.Header.Get("Roost-Capacity") != "resources=0;limit="+limit || a.Header.Get("Retry-After") != "" {
			t.Errorf("507 is %+v %v", p, a.Header)
		}
		if n := len(s.ListResource("")); n != c.holds {
			t.Errorf("%d resources", n)
		}
	}
}

func TestListResource(t *testing.T) {
	s := newServer(t, roost.Config{})
	if got := s.ListResource(""); got == nil || len(got) != 0 {
		t.Errorf("an empty server lists %#v", got)
	}
	for _, u := range []string{"/b", "/a/2", "/a", "/a/1", "/ab", "/é", "/b%20c"} {
		add(t, s, u, 0, nil)
	}
	for prefix, want := range map[string][]string{
		"":     {"/a", "/a/1", "/a/2", "/ab", "/b", "/b%20c", "/é"},
		"/a":   {"/a", "/a/1", "/a/2", "/ab"},
		"/a/":  {"/a/1", "/a/2"},
		"/é":   {"/é"},
		"/b c": {},
		"/z":   {},
	} {
		if got := s.ListResource(prefix); !slices.Equal(got, want) {
			t.Errorf("%q lists %q, want %q", prefix, got, want)
		}
	}
	if err := s.RemoveResource(t.Context(), "/a/1"); err != nil {
		t.Fatal(err)
	}
	add(t, s, "/a/0", 0, nil)
	if got, want := s.ListResource("/a/"), []string{"/a/0", "/a/2"}; !slices.Equal(got, want) {
		t.Errorf("then lists %q, want %q", got, want)
	}
}

// What comes and goes without a listing between is not kept.
func TestChurnIsNotKept(t *testing.T) {
	s := newServer(t, roost.Config{})
	for i := range 5000 {
		add(t, s, "/x", 0, nil)
		if err := s.RemoveResource(t.Context(), "/x"); err != nil {
			t.Fatal(i, err)
		}
	}
	if n := roost.OrderLength(s); n > 2000 {
		t.Errorf("%d entries are kept for 0 resources", n)
	}
}

func TestHandleBelongsToOneLife(t *testing.T) {
	s := newServer(t, roost.Config{})
	ctx := t.Context()
	old := add(t, s, "/a", all, nil, roost.WithString("old"))
	if err := s.RemoveResource(ctx, "/%61"); err != nil {
		t.Fatal(err)
	}
	err := s.RemoveResource(ctx, "/a")
	wantError(t, err, roost.ErrNotExist, "remove resource", `"/a"`)
	_, err = s.GetResource("/a")
	wantError(t, err, roost.ErrNotExist, `"/a"`)

	fresh := add(t, s, "/a", roost.GET, nil, roost.WithString("new"))
	_, err = old.Value()
	wantError(t, err, roost.ErrNotExist, `"/a"`)
	_, err = old.SetValue(ctx, []byte("x"))
	wantError(t, err, roost.ErrNotExist, `"/a"`)
	wantError(t, old.RegisterRequestHandler(ctx, all, nil), roost.ErrNotExist, `"/a"`)
	if old.String() != "" || fresh.String() != "new" || fresh.Methods() != roost.GET {
		t.Errorf("old %q, new %q %v", old, fresh, fresh.Methods())
	}
}

func TestSetValue(t *testing.T) {
	s := start(t, roost.Config{})
	r := s.add("/a", roost.GET, nil, roost.WithContentType(roost.JSON))
	value := []byte(`{"a":1}`)
	rep, err := r.SetValue(t.Context(), value)
	if err != nil {
		t.Fatal(err)
	}
	value[0] = 'X' // the server has its own copy
	a := s.do("GET", "/a", "")
	a.expect(t, 200, `{"a":1}`)
	if a.Header.Get("Etag") != rep.ETag() || a.Header.Get("Content-Type") != roost.JSON || rep.Revision() == 0 ||
		a.Header.Get("Last-Modified") != rep.Modified().UTC().Format(http.TimeFormat) {
		t.Errorf("GET has %v, SetValue gave %s of %v", a.Header, rep.ETag(), rep.Modified())
	}
	got, _ := r.Value()
	got[0] = 'Y' // so has the caller
	if r.String() != `{"a":1}` {
		t.Errorf("value is %q", r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = r.SetValue(ctx, []byte("late"))
	wantError(t, err, context.Canceled, `"/a"`)
	if r.String() != `{"a":1}` {
		t.Errorf("value is %q", r)
	}
}

// A child made by POST answers as its parent, until it registers its own.
func TestChildren(t *testing.T) {
	s := start(t, roost.Config{})
	parent := s.add("/a", roost.GET|roost.POST, nil)
	uri := s.do("POST", "/a", "x").Header.Get("Location")
	child, err := s.GetResource(uri)
	if err != nil || child.Methods() != roost.GET|roost.POST {
		t.Fatalf("child %v, %v", child, err)
	}
	grandchild := s.do("POST", uri, "y").Header.Get("Location")

	must(parent.RegisterRequestHandler(t.Context(), roost.POST|roost.PUT, nil))
	if a := s.do("GET", uri, ""); a.Status != 405 {
		t.Errorf("parent without GET: child gives %d", a.Status)
	}
	s.do("PUT", grandchild, "z").expect(t, 204, "")

	must(child.RegisterRequestHandler(t.Context(), roost.GET, nil))
	s.do("GET", uri, "").expect(t, 200, "x")
	s.do("GET", grandchild, "").expect(t, 200, "z") // follows the one it was made under
	must(parent.RegisterRequestHandler(t.Context(), 0, nil))
	s.do("GET", uri, "").expect(t, 200, "x")

	_, err = s.AddResource(t.Context(), uri)
	wantError(t, err, roost.ErrExist)
	wantError(t, child.RegisterRequestHandler(t.Context(), 64, nil), roost.ErrConfig, "0x40")

	// Another resource at the parent's URI is not the one that a child was made under.
	second := s.add("/b", all, nil, roost.WithCacheControl("max-age=5"))
	uri = s.do("POST", "/b", "x").Header.Get("Location")
	if got := s.do("GET", uri, "").Header.Get("Cache-Control"); got != "max-age=5" {
		t.Errorf("the child's Cache-Control is %q", got)
	}
	must(s.RemoveResource(t.Context(), second.URI()))
	s.add("/b", roost.PUT, nil)
	s.do("GET", uri, "").expect(t, 200, "x")

	bare := start(t, roost.Config{BareChildren: true})
	bare.add("/a", all, nil)
	uri = bare.do("POST", "/a", "x").Header.Get("Location")
	if a := bare.do("GET", uri, ""); a.Status != 405 || a.Header.Get("Allow") != "OPTIONS" {
		t.Errorf("a bare child gives %d %v", a.Status, a.Header)
	}
}

// Two POSTs never get one URI, and racing ones never pass max_uri.
func TestRacingPOSTs(t *testing.T) {
	const limit, clients, each = 200, 16, 30
	s := start(t, roost.Config{MaxURI: limit})
	s.client.Transport.(*http.Transport).MaxIdleConnsPerHost = clients
	s.add("/a", roost.POST, nil)
	var mu sync.Mutex
	made := make(map[string]bool)
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			for range each {
				a := s.do("POST", "/a", "x")
				mu.Lock()
				switch uri := a.Header.Get("Location"); {
				case a.Status == 201 && made[uri]:
					t.Errorf("%s was made twice", uri)
				case a.Status == 201:
					made[uri] = true
				case a.Status != 507:
					t.Errorf("status %d", a.Status)
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if len(made) != limit-1 || len(s.ListResource("")) != limit {
		t.Errorf("%d made, %d listed, limit %d", len(made), len(s.ListResource("")), limit)
	}
}

// When every URI below a parent is taken, POST gets 507 and makes nothing.
func TestNoFreeChild(t *testing.T) {
	s := start(t, roost.Config{MaxURI: -1})
	s.add("/a", roost.POST, nil)
	for n := 10_000; n <= 99_999; n++ {
		if n != 54_321 {
			add(t, s.Server, "/a/"+strconv.Itoa(n), 0, nil)
		}
	}
	if got := s.do("POST", "/a", "x").Header.Get("Location"); got != "/a/54321" {
		t.Errorf("the last free one is %q", got)
	}
	if a := s.do("POST", "/a", "x"); a.Status != 507 || len(s.ListResource("")) != 90_001 {
		t.Errorf("then %d, %d resources", a.Status, len(s.ListResource("")))
	}
	long := "/" + strings.Repeat("l", 2045)
	s.add(long, roost.POST, nil)
	if a := s.do("POST", long, "x"); a.Status != 507 {
		t.Errorf("a child longer than a URI may be gives %d", a.Status)
	}
}

func TestConfigErrors(t *testing.T) {
	for _, c := range []struct {
		config roost.Config
		says   []string
	}{
		{roost.Config{Port: 70000}, []string{"Port 70000"}},
		{roost.Config{Port: -1}, []string{"Port -1"}},
		{roost.Config{Addr: "nonsense"}, []string{`Addr "nonsense"`, "host:port"}},
		{roost.Config{Addr: ":1", Port: 1}, []string{"Port 1", "give one"}},
		{roost.Config{Port: 443}, []string{"443", "KeyFile and CertFile"}},
		{roost.Config{Addr: "127.0.0.1:443"}, []string{"443", "KeyFile and CertFile"}},
		{roost.Config{Addr: "127.0.0.1:https"}, []string{"443"}},
		{roost.Config{KeyFile: "k"}, []string{`KeyFile "k"`, "CertFile"}},
		{roost.Config{CertFile: "c"}, []string{`CertFile "c"`, "KeyFile"}},
		{roost.Config{Prefix: "api"}, []string{`Prefix "api"`}},
		{roost.Config{Prefix: "/api/"}, []string{`Prefix "/api/"`}},
		{roost.Config{Prefix: "/%61"}, []string{`write "/a"`}},
		{roost.Config{CORS: []string{"app.example"}}, []string{`CORS "app.example"`}},
		{roost.Config{CORS: []string{"http://app.example/"}}, []string{`CORS "http://app.example/"`}},
		{roost.Config{CORS: []string{"http://APP.example"}}, []string{`CORS "http://APP.example"`}},
		{roost.Config{Hosts: []string{"a.example:80"}}, []string{`Hosts "a.example:80"`, "without scheme, port"}},
		{roost.Config{Hosts: []string{"[::1]"}}, []string{`Hosts "[::1]"`}},
		{roost.Config{Hosts: []string{""}}, []string{`Hosts ""`}},
		{roost.Config{Addr: "unix:///s", Port: 1}, []string{"Port 1", "give one"}},
		{roost.Config{Addr: ":99999"}, []string{`Addr ":99999"`}},
		{roost.Config{ContentSecurityPolicy: "a\r\nX: b"}, []string{"ContentSecurityPolicy", "control characters"}},
		{roost.Config{MaxBodyBytes: 1000, MaxPendingBytes: 1000}, []string{"MaxPendingBytes 1000", "MaxBodyBytes 1000"}},
		{roost.Config{MediaTypes: []string{"png"}}, []string{"MediaTypes", `"png"`}},
		{roost.Config{MediaTypes: []string{"text/event-stream"}}, []string{"event stream"}},
	} {
		_, err := roost.New(t.Context(), c.config)
		wantError(t, err, roost.ErrConfig, c.says...)
	}
}

func TestMoreMediaTypes(t *testing.T) {
	s := start(t, roost.Config{MediaTypes: []string{"image/png", "text/plain"}})
	s.add("/a", all, nil)
	s.do("PUT", "/a", "x", "Content-Type: IMAGE/png").expect(t, 204, "")
	a := s.do("PUT", "/a", "x", "Content-Type: image/gif")
	if a.Status != 415 || !strings.HasSuffix(a.Header.Get("Accept"), "application/xml, image/png") {
		t.Errorf("got %d, Accept %q", a.Status, a.Header.Get("Accept"))
	}
}

func TestPortInUse(t *testing.T) {
	first := start(t, roost.Config{})
	addr := first.Addr().String()
	s := newServer(t, roost.Config{Addr: addr})
	wantError(t, s.Start(), nil, addr, "address already in use", "choose another port")
	wantError(t, first.Start(), nil, "started already")
	// The port is free after Shutdown, and the next server may have it.
	must(first.Shutdown(t.Context()))
	must(s.Start())
	must(s.Shutdown(t.Context()))
}

func TestClosedServer(t *testing.T) {
	s := start(t, roost.Config{})
	r := s.add("/a", all, nil)
	must(s.Shutdown(t.Context()))
	must(s.Shutdown(t.Context()))
	must(s.Close())
	wantError(t, s.Start(), roost.ErrClosed)
	_, err := s.AddResource(t.Context(), "/b")
	wantError(t, err, roost.ErrClosed, `"/b"`)
	_, err = s.GetResource("/a")
	wantError(t, err, roost.ErrClosed)
	wantError(t, s.RemoveResource(t.Context(), "/a"), roost.ErrClosed)
	_, err = r.SetValue(t.Context(), nil)
	wantError(t, err, roost.ErrClosed)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	wantError(t, s.Serve(l), roost.ErrClosed)
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, httptest.NewRequest("GET", "/a", nil))
	if rec.Code != 503 || rec.Header().Get("Retry-After") == "" {
		t.Errorf("a closed server gives %d %v", rec.Code, rec.Header())
	}
}

// 0.0.0.0 is every address of IPv4, and none of IPv6.
func TestListenIPv4(t *testing.T) {
	l, err := roost.Listen("127.0.0.1:0")
	must(err)
	defer l.Close()
	if got := l.Addr().(*net.TCPAddr).IP; got.String() != "127.0.0.1" {
		t.Errorf("bound to %v", got)
	}
	every, err := roost.Listen("0.0.0.0:0")
	must(err)
	defer every.Close()
	if got := every.Addr().String(); !strings.HasPrefix(got, "0.0.0.0:") {
		t.Errorf("0.0.0.0 is bound as %s", got)
	}
}

// Close before Start, and a listener given to Serve.
func TestServeMoreListeners(t *testing.T) {
	s := start(t, roost.Config{})
	s.add("/a", roost.GET, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	served := make(chan error)
	go func() { served <- s.Serve(l) }()
	s.base = "http://" + l.Addr().String()
	s.do("GET", "/a", "").expect(t, 200, "0")
	must(s.Shutdown(t.Context()))
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	must(newServer(t, roost.Config{}).Close())
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	addr := "unix://" + path
	open := func() *roost.Server {
		s := newServer(t, roost.Config{Addr: addr})
		add(t, s, "/a", roost.GET, nil)
		return s
	}
	s := open()
	must(s.Start())
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket is %v, %v", info, err)
	}
	client := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", path)
	}}}
	resp, err := client.Get("http://any/a")
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("got %v, %v", resp, err)
	}
	resp.Body.Close()
	client.CloseIdleConnections()
	wantError(t, open().Start(), nil, path, "another program listens there")
	must(s.Shutdown(t.Context()))

	// One that was left behind is replaced; a file that is no socket is not.
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	must(err)
	l.SetUnlinkOnClose(false)
	must(l.Close())
	s = open()
	must(s.Start())
	must(s.Shutdown(t.Context()))
	mustWrite(path, []byte("precious"))
	wantError(t, open().Start(), nil, path)
	if b, err := os.ReadFile(path); string(b) != "precious" {
		t.Errorf("the file has %q, %v", b, err)
	}
}

// A store of the caller's stays open, and its resources are adopted by the next
// server that declares them.
func TestAdoptFromStore(t *testing.T) {
	st := memory.New()
	t.Cleanup(func() { st.Close() })
	ctx := t.Context()
	first := newServer(t, roost.Config{Store: st})
	r := add(t, first, "/a b", roost.GET|roost.PUT|roost.POST, nil)
	if _, err := r.SetValue(ctx, []byte("stored")); err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	first.ServeHTTP(rec, httptest.NewRequest("POST", "/a%20b", strings.NewReader("child")))
	child := rec.Header().Get("Location")
	must(first.Shutdown(ctx))

	s := start(t, roost.Config{Store: st})
	if got := s.ListResource(""); len(got) != 2 || got[0] != "/a b" {
		t.Fatalf("the store brought %q", got)
	}
	before := s.do("GET", "/a%20b", "") // served with the stored methods before it is declared
	before.expect(t, 200, "stored")
	s.do("GET", child, "").expect(t, 200, "child")

	told := newRecorder()
	adopted, err := s.AddResource(ctx, "/a b", roost.WithString("default"), roost.WithContentType(roost.Plain))
	must(err)
	must(adopted.RegisterRequestHandler(ctx, roost.GET|roost.DELETE, told.callback))
	a := s.do("GET", "/a%20b", "")
	a.expect(t, 200, "stored")
	if got := a.Header.Get("Content-Type"); got != "text/plain; charset=utf-8" {
		t.Errorf("type %q", got)
	}
	if a := s.do("PUT", "/a%20b", "x"); a.Status != 405 {
		t.Errorf("the declared methods do not hold: %d", a.Status)
	}
	s.do("DELETE", child, "").expect(t, 204, "")
	if events := told.wait(t, 2); events[1].URI != "/a b"+strings.TrimPrefix(child, "/a%20b") {
		t.Errorf("told of %s", events[1].URI)
	}
	_, err = s.AddResource(ctx, "/a b")
	wantError(t, err, roost.ErrExist)
	must(s.Shutdown(ctx))
	if _, err := st.Sync(ctx); err != nil {
		t.Errorf("the caller's store: %v", err)
	}
	if _, err := roost.New(ctx, roost.Config{Store: st}); err != nil {
		t.Errorf("a third server: %v", err)
	}
	_, err = roost.New(ctx, roost.Config{Store: st})
	wantError(t, err, store.ErrFollowed, "load store")
}

func TestNewWithDoneContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := roost.New(ctx, roost.Config{})
	wantError(t, err, context.Canceled, "load store")
}

// Ten lines to a server, mounted in any router.
func TestHTTPTest(t *testing.T) {
	s := newServer(t, roost.Config{})
	add(t, s, "/a", roost.GET, nil, roost.WithString("hi"))
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, httptest.NewRequest("GET", "/a", nil))
	if rec.Code != 200 || rec.Body.String() != "hi" || rec.Result().Header.Get("ETag") == "" {
		t.Errorf("got %d %q %v", rec.Code, rec.Body, rec.Header())
	}
	outer := httptest.NewServer(s)
	defer outer.Close()
	resp, err := http.Get(outer.URL + "/a")
	must(err)
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if resp.StatusCode != 200 {
		t.Errorf("got %d", resp.StatusCode)
	}
}

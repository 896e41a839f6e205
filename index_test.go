package roost_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"roost"
)

// indexed is the JSON of the index, and of the events about several resources.
type indexed struct {
	Change      string   `json:"change"`
	URI         string   `json:"uri"`
	ETag        string   `json:"etag"`
	ContentType string   `json:"content_type"`
	Methods     []string `json:"methods"`
	Size        int      `json:"size"`
	Value       *string  `json:"value"`
	Base64      *string  `json:"base64"`
}

func (a answer) index(t testing.TB) (all []indexed) {
	t.Helper()
	var page struct{ Resources []indexed }
	if err := json.Unmarshal([]byte(a.Body), &page); err != nil || a.Status != 200 {
		t.Fatalf("%d %q: %v", a.Status, a.Body, err)
	}
	return page.Resources
}

func uris(all []indexed) []string {
	uris := []string{}
	for _, r := range all {
		uris = append(uris, r.URI)
	}
	return uris
}

// indexFixture has resources in several folders, some of which nobody may GET.
func indexFixture(s *site) {
	s.add("/dev/b", all, nil, roost.WithContentType(roost.Plain), roost.WithString("bee"))
	s.add("/dev/a", roost.GET, nil, roost.WithContentType(roost.JSON), roost.WithString(`{"a":1}`))
	s.add("/dev/c/deep/er", roost.GET, nil, roost.WithContentType(roost.Octet), roost.WithValue([]byte{0, 255}))
	s.add("/dev/c/", roost.GET, nil)
	s.add("/dev/hidden", roost.PUT, nil)
	s.add("/closed/x", roost.PUT, nil)
	s.add("/dévice/ü", roost.GET, nil)
	s.add("/t/", roost.GET, nil, roost.WithString("itself"))
	s.add("/t/below", roost.GET, nil)
}

// Rule 47: pages of what is below.
func TestIndex(t *testing.T) {
	eachTransport(t, func(t *testing.T, tr transport) {
		s := tr.start(t, roost.Config{Index: true})
		indexFixture(s)
		for _, row := range []struct {
			target string
			want   []string
		}{
			{"/", []string{"/d%C3%A9vice/%C3%BC", "/dev/a", "/dev/b", "/dev/c/", "/dev/c/deep/er", "/t/", "/t/below"}},
			{"/dev/", []string{"/dev/a", "/dev/b", "/dev/c/", "/dev/c/deep/er"}},
			{"/dev/?depth=1", []string{"/dev/a", "/dev/b", "/dev/c/"}},
			{"/?depth=2", []string{"/d%C3%A9vice/%C3%BC", "/dev/a", "/dev/b", "/dev/c/", "/t/", "/t/below"}},
			{"/dev/?after=/dev/b", []string{"/dev/c/", "/dev/c/deep/er"}},
			{"/dev/?after=/dev/bb&unknown=x", []string{"/dev/c/", "/dev/c/deep/er"}},
			{"/dev/?after=/zzz", []string{}},
			{"/dev/c/deep/", []string{"/dev/c/deep/er"}},
			{"/d%C3%A9vice/", []string{"/d%C3%A9vice/%C3%BC"}},
		} {
			if got := uris(s.do("GET", row.target, "").index(t)); !slices.Equal(got, row.want) {
				t.Errorf("%s: %q, want %q", row.target, got, row.want)
			}
		}
		s.do("GET", "/t/", "").expect(t, 200, "itself")
		for _, none := range []string{"/closed/", "/nothing/", "/dev", "/dev/c/deep", "/dev/a/"} {
			s.do("GET", none, "").expectProblem(t, 404, "not-found")
		}
		for _, query := range []string{"limit=0", "limit=1001", "limit=x", "limit=", "limit=1&limit=2", "depth=0", "depth=-1", "value=2", "value=true", "after=a&after=b", "%zz=1"} {
			s.do("GET", "/dev/?"+query, "").expectProblem(t, 400, "bad-query")
		}
		for _, method := range []string{"PUT", "POST", "DELETE", "PATCH"} {
			a := s.do(method, "/dev/", "")
			a.expectProblem(t, 405, "method-not-registered")
			if a.Header.Get("Allow") != "GET, HEAD, OPTIONS" {
				t.Errorf("%s: Allow %s", method, a.Header.Get("Allow"))
			}
		}
		if a := s.do("OPTIONS", "/dev/", ""); a.Status != 204 || a.Header.Get("Allow") != "GET, HEAD, OPTIONS" {
			t.Errorf("OPTIONS: %d %v", a.Status, a.Header)
		}
		a := s.do("GET", "/dev/", "")
		for name, want := range map[string]string{"Content-Type": "application/json", "Cache-Control": "no-cache", "Vary": "Accept", "Link": ""} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if h := s.do("HEAD", "/dev/", ""); h.Body != "" || h.Header.Get("Content-Length") != fmt.Sprint(len(a.Body)) || h.Header.Get("Etag") != a.Header.Get("Etag") {
			t.Errorf("HEAD: %v", h.Header)
		}
		first := a.index(t)[0]
		if first.ETag != s.tag("/dev/a") || first.ContentType != roost.JSON || first.Size != 7 || !slices.Equal(first.Methods, []string{"GET"}) || first.Value != nil {
			t.Errorf("%+v", first)
		}
		values := s.do("GET", "/dev/?value=1", "").index(t)
		if *values[0].Value != `{"a":1}` || *values[1].Value != "bee" || *values[3].Base64 != "AP8=" || values[3].Value != nil {
			t.Errorf("%+v", values)
		}
	})
}

// Without the setting there is no index.
func TestNoIndex(t *testing.T) {
	s := start(t, roost.Config{})
	indexFixture(s)
	s.do("GET", "/dev/", "").expectProblem(t, 404, "not-found")
	s.do("PUT", "/dev/", "").expectProblem(t, 404, "not-found")
}

// Rules 19, 47: following Link visits each resource once, under a prefix too.
func TestIndexPages(t *testing.T) {
	s := start(t, roost.Config{Index: true, MaxURI: -1, Prefix: "/api"})
	var want []string
	for i := range 2500 {
		uri := fmt.Sprintf("/a&b/%04d é", i)
		s.add(uri, roost.GET, nil)
		want = append(want, fmt.Sprintf("/a&b/%04d%%20%%C3%%A9", i))
	}
	for _, query := range []string{"", "?limit=7", "?limit=1000&value=1&depth=1"} {
		var got []string
		pages := 0
		for target := "/api/a&b/" + query; target != ""; pages++ {
			a := s.do("GET", target, "")
			got = append(got, uris(a.index(t))...)
			link := a.Header.Get("Link")
			if link == "" {
				break
			}
			next := regexp.MustCompile(`^<(/api/a&b/\?[^<>]*)>; rel="next"$`).FindStringSubmatch(link)
			if next == nil {
				t.Fatalf("Link: %s", link)
			}
			target = next[1]
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %d of %d in %d pages", query, len(got), len(want), pages)
		}
	}
}

// A page with values ends before it is too long.
func TestIndexPageIsBounded(t *testing.T) {
	s := start(t, roost.Config{Index: true})
	for i := range 10 {
		s.add(fmt.Sprint("/a/", i), roost.GET, nil, roost.WithContentType(roost.Plain), roost.WithString(strings.Repeat("x", 1<<18)))
	}
	s.add("/b/huge", roost.GET, nil, roost.WithString(strings.Repeat("x", 5<<20)))
	a := s.do("GET", "/a/?value=1", "")
	if n := len(a.index(t)); n != 4 || a.Header.Get("Link") == "" {
		t.Errorf("%d resources, Link %q", n, a.Header.Get("Link"))
	}
	if n := len(s.do("GET", "/b/?value=1", "").index(t)); n != 1 {
		t.Errorf("%d resources", n)
	}
}

// Rule 47: a page for browsers, in which nothing of a resource is markup.
func TestIndexPage(t *testing.T) {
	s := start(t, roost.Config{Index: true, Prefix: "/p"})
	s.add(`/a/<b>"`, roost.GET, nil, roost.WithContentType(roost.Plain), roost.WithString("<script>"))
	s.add("/a/x&y", roost.GET, nil)
	for accept, page := range map[string]bool{
		"text/html,application/xhtml+xml,*/*;q=0.8": true, "text/html, application/json": true,
		"text/html;q=0.5, application/json": false, "text/*": true, "*/*": false, "application/json": false,
	} {
		a := s.do("GET", "/p/a/", "", "Accept: "+accept)
		if got := strings.HasPrefix(a.Header.Get("Content-Type"), "text/html"); a.Status != 200 || got != page {
			t.Errorf("%s: %d %s", accept, a.Status, a.Header.Get("Content-Type"))
		}
	}
	s.do("GET", "/p/a/", "", "Accept: image/png").expectProblem(t, 406, "not-acceptable")
	a := s.do("GET", "/p/a/?limit=1&value=1", "", "Accept: text/html")
	for _, want := range []string{`<a href="/p/a/%3Cb%3E%22">`, "&lt;script&gt;", `<a rel="next" href="/p/a/?after=%2Fa%2F%253Cb%253E%2522&amp;limit=1&amp;value=1">`} {
		if !strings.Contains(a.Body, want) {
			t.Errorf("no %s in %s", want, a.Body)
		}
	}
	if strings.Contains(a.Body, "<script>") || a.Header.Get("Content-Security-Policy") != "default-src 'none'" {
		t.Errorf("%v %s", a.Header, a.Body)
	}
}

// Rule 47: the tag of the index is of the last change below, and can be waited for.
func TestIndexTag(t *testing.T) {
	s := start(t, roost.Config{Index: true})
	indexFixture(s)
	tag := func(target string) string { return s.do("GET", target, "").Header.Get("Etag") }
	before, other := tag("/dev/"), tag("/t/?x")
	if !regexp.MustCompile(`^W/"[a-z0-9]+-[0-9]+"$`).MatchString(before) {
		t.Fatalf("entity-tag %s", before)
	}
	for _, change := range []func(){
		func() { s.do("PUT", "/dev/b", "x") },
		func() { s.add("/dev/new", roost.GET, nil) },
		func() { must(s.RemoveResource(t.Context(), "/dev/new")) },
		func() {
			r, err := s.GetResource("/dev/hidden")
			must(err)
			must(r.RegisterRequestHandler(t.Context(), roost.GET, nil))
		},
	} {
		if a := s.do("GET", "/dev/", "", "If-None-Match: "+before); a.Status != 304 || a.Header.Get("Etag") != before {
			t.Errorf("unchanged: %d %v", a.Status, a.Header)
		}
		polled := make(chan answer, 1)
		go func() {
			a, err := s.try("GET", "/dev/", "", "If-None-Match: "+before, "Prefer: wait=20")
			must(err)
			polled <- a
		}()
		eventually(t, func() bool { return roost.Watchers(s.Server) == 1 })
		change()
		a := <-polled
		if a.Status != 200 || a.Header.Get("Etag") == before || a.Header.Get("Preference-Applied") != "wait=20" {
			t.Errorf("changed: %d %v", a.Status, a.Header)
		}
		before = tag("/dev/") // a folder may change more than once in one of these
	}
	if tag("/t/?x") != other {
		t.Error("a change elsewhere counts")
	}
	for field, want := range map[string]int{
		"If-Match: *": 200, "If-Match: " + before: 412, "If-None-Match: *": 304, `If-None-Match: "x"`: 200,
		"If-None-Match: " + strings.TrimPrefix(before, "W/"): 304,
	} {
		if a := s.do("GET", "/dev/", "", field); a.Status != want {
			t.Errorf("%s: %d, want %d", field, a.Status, want)
		}
	}
}

// Rule 47: a stream of what is there, then of every change below.
func TestIndexStream(t *testing.T) {
	eachTransport(t, func(t *testing.T, tr transport) {
		s := tr.start(t, roost.Config{Index: true, Prefix: "/p"})
		indexFixture(s)
		e := s.watch("/p/dev/")
		checkStreamFields(t, tr, e.resp)
		expect := func(e *events, change, uri, value string) event {
			t.Helper()
			got, err := e.next()
			must(err)
			var r indexed
			must(json.Unmarshal([]byte(got.Data), &r))
			text := ""
			if r.Value != nil {
				text = *r.Value
			} else if r.Base64 != nil {
				text = "base64 " + *r.Base64
			}
			if got.Name != "" || r.Change != change || r.URI != uri || text != value {
				t.Fatalf("got %+v, want %s %s %q", got, change, uri, value)
			}
			if now := s.tag("/p" + uri); change != "delete" && now != "" && r.ETag != now || (r.ContentType == "") != (change == "delete") {
				t.Errorf("%s: %+v", uri, r)
			}
			return got
		}
		expect(e, "create", "/dev/a", `{"a":1}`)
		expect(e, "create", "/dev/b", "bee")
		expect(e, "create", "/dev/c/", "0")
		expect(e, "create", "/dev/c/deep/er", "base64 AP8=")
		s.do("PUT", "/p/dev/b", "two\nlines")
		put := expect(e, "put", "/dev/b", "two\nlines")
		if `"`+put.ID+`"` != s.tag("/p/dev/b") {
			t.Errorf("id %s", put.ID)
		}
		child := strings.TrimPrefix(s.do("POST", "/p/dev/b", "kid").Header.Get("Location"), "/p")
		expect(e, "create", child, "kid")
		s.do("PUT", "/p/t/below", "elsewhere")
		s.do("PUT", "/p/dev/hidden", "nobody may see")
		s.do("DELETE", "/p"+child, "")
		expect(e, "delete", child, "")

		hidden, err := s.GetResource("/dev/hidden")
		must(err)
		must(hidden.RegisterRequestHandler(t.Context(), roost.GET, nil))
		expect(e, "create", "/dev/hidden", "nobody may see")
		must(hidden.RegisterRequestHandler(t.Context(), roost.PUT, nil))
		last := expect(e, "delete", "/dev/hidden", "")
		e.cancel()

		e = s.watch("/p/dev/", "Last-Event-ID: "+put.ID)
		expect(e, "create", child, "kid")
		e.cancel()
		s.do("PUT", "/p/dev/b", "three")
		e = s.watch("/p/dev/", "Last-Event-ID: "+last.ID)
		expect(e, "put", "/dev/b", "three")
		e.cancel()
		e = s.watch("/p/dev/", "Last-Event-ID: other-3")
		e.expect(event{Name: "reset"})
		expect(e, "create", "/dev/a", `{"a":1}`)
		e.cancel()
	})
}

// What is lost of the history is made up for by starting over.
func TestIndexStreamStartsOver(t *testing.T) {
	s := start(t, roost.Config{Index: true})
	r := s.add("/a/x", roost.GET, nil, roost.WithContentType(roost.Plain))
	s.add("/a/y", roost.GET, nil)
	e := s.watch("/a/")
	for range 2 {
		_, err := e.next()
		must(err)
	}
	_, err := r.SetValue(t.Context(), []byte("noted"))
	must(err)
	_, err = e.next()
	must(err)
	old := e.lastID
	e.cancel()
	for range 5000 {
		_, err := r.SetValue(t.Context(), []byte("x"))
		must(err)
	}
	e = s.watch("/a/", "Last-Event-ID: "+old)
	e.expect(event{Name: "reset"})
	first, err := e.next()
	must(err)
	if !strings.Contains(first.Data, `"/a/x"`) || !strings.Contains(first.Data, `"value":"x"`) {
		t.Errorf("%+v", first)
	}
	_, err = e.next()
	must(err)
	// All is told: from here it can go on.
	_, err = r.SetValue(t.Context(), []byte("y"))
	must(err)
	if next, err := e.next(); err != nil || !strings.Contains(next.Data, `"value":"y"`) {
		t.Errorf("%+v, %v", next, err)
	}
}

// What a client may GET by its parent's registration comes and goes with that.
func TestIndexStreamOfChildren(t *testing.T) {
	s := start(t, roost.Config{Index: true})
	parent := s.add("/a/p", all, nil)
	s.do("POST", "/a/p", "kid")
	e := s.watch("/a/")
	for range 2 {
		_, err := e.next()
		must(err)
	}
	for _, change := range []string{"delete", "create"} {
		methods := roost.POST
		if change == "create" {
			methods = roost.GET
		}
		must(parent.RegisterRequestHandler(t.Context(), methods, nil))
		for range 2 {
			if got, err := e.next(); err != nil || !strings.Contains(got.Data, `"`+change+`"`) {
				t.Errorf("%+v, %v", got, err)
			}
		}
	}
	if a := s.do("GET", "/a/", ""); a.Status != http.StatusOK || len(a.index(t)) != 2 {
		t.Errorf("%+v", a)
	}
}

// What a hook decides about is not told by the index, which nobody asked the hook about.
func TestIndexHidesWhatIsHooked(t *testing.T) {
	s := start(t, roost.Config{Index: true})
	secret := s.add("/d/a", all, nil, roost.WithContentType(roost.Plain), roost.WithString("secret"))
	s.add("/d/b", all, nil, roost.WithContentType(roost.Plain))
	s.do("POST", "/d/a", "kid")
	e := s.watch("/d/")
	of := s.watch("/d/a")
	of.expect(event{Data: "secret"})
	for range 3 {
		_, err := e.next()
		must(err)
	}
	must(secret.RegisterHook(roost.GET, func(context.Context, *roost.Exchange) roost.Decision { return roost.Decision{Status: 403} }))
	of.expectEnd()
	e.expect(event{Name: "reset"})
	if got, err := e.next(); err != nil || !strings.Contains(got.Data, `"/d/b"`) {
		t.Errorf("%+v, %v", got, err)
	}
	if got := uris(s.do("GET", "/d/?value=1", "").index(t)); !slices.Equal(got, []string{"/d/b"}) {
		t.Errorf("%q", got)
	}
	s.do("PUT", "/d/a", "more secret")
	s.do("PUT", "/d/b", "seen")
	if got, err := e.next(); err != nil || !strings.Contains(got.Data, "seen") {
		t.Errorf("%+v, %v", got, err)
	}
	must(secret.RegisterHook(0, nil))
	e.expect(event{Name: "reset"})
	if got, err := e.next(); err != nil || !strings.Contains(got.Data, `"more secret"`) {
		t.Errorf("%+v, %v", got, err)
	}
}

// Values from before a resource could be read are not told to one who resumes.
func TestIndexStreamKeepsSecrets(t *testing.T) {
	s := start(t, roost.Config{Index: true})
	s.add("/d/a", roost.GET, nil)
	e := s.watch("/d/")
	_, err := e.next()
	must(err)
	r := s.add("/d/b", 0, nil, roost.WithContentType(roost.Plain), roost.WithString("first secret"))
	_, err = r.SetValue(t.Context(), []byte("second secret"))
	must(err)
	_, err = r.SetValue(t.Context(), []byte("public"))
	must(err)
	must(r.RegisterRequestHandler(t.Context(), roost.GET, nil))
	if got, err := e.next(); err != nil || !strings.Contains(got.Data, "public") {
		t.Errorf("%+v, %v", got, err)
	}
	r.Remove(t.Context())
	if got, err := e.next(); err != nil || !strings.Contains(got.Data, `"delete"`) {
		t.Errorf("%+v, %v", got, err)
	}
}

// The end of a parent shows or hides what was made under it.
func TestIndexStreamWithoutParent(t *testing.T) {
	s := start(t, roost.Config{Index: true})
	parent := s.add("/d/p", roost.POST, nil)
	s.do("POST", "/d/p", "kid")
	s.add("/d/z", roost.GET, nil)
	must(parent.RegisterRequestHandler(t.Context(), all, nil))
	e := s.watch("/d/")
	for range 3 {
		_, err := e.next()
		must(err)
	}
	before := s.do("GET", "/d/p/", "").Header.Get("Etag")
	must(parent.RegisterRequestHandler(t.Context(), roost.GET, nil))
	if now := s.do("GET", "/d/p/", "").Header.Get("Etag"); now == before {
		t.Error("the methods of what is below changed, and the tag did not")
	}
	must(parent.Remove(t.Context())) // the child answers POST alone, as when it was made
	for _, uri := range []string{`"/d/p/`, `"/d/p"`} {
		if got, err := e.next(); err != nil || !strings.Contains(got.Data, `"delete"`) || !strings.Contains(got.Data, uri) {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

// Shutdown ends a stream that is still telling what is there.
func TestShutdownWhileTelling(t *testing.T) {
	s := start(t, roost.Config{Index: true, MaxURI: -1})
	for i := range 2000 {
		s.add(fmt.Sprint("/a/", i), roost.GET, nil, roost.WithString(strings.Repeat("x", 8<<10)))
	}
	e := s.watch("/a/")
	_, err := e.next()
	must(err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for told := 1; ; told++ {
			if _, err := e.next(); err != nil {
				if told > 1990 {
					t.Errorf("all %d were told", told)
				}
				return
			}
			if told == 3 {
				must(s.Shutdown(context.Background()))
			}
		}
	}()
	<-ended
}

// Pages that are being sent count among what is held at once.
func TestIndexPagesAreBounded(t *testing.T) {
	s := start(t, roost.Config{Index: true, MaxBodyBytes: 1, MaxPendingBytes: 1000})
	s.add("/a/x", roost.GET, nil, roost.WithString("short"))
	s.add("/b/x", roost.GET, nil, roost.WithString(strings.Repeat("x", 2000)))
	if n := len(s.do("GET", "/a/?value=1", "").index(t)); n != 1 {
		t.Error(n)
	}
	s.do("GET", "/b/?value=1", "").expectProblem(t, 503, "busy")
	eventually(t, func() bool { return roost.Pending(s.Server) == 0 })
}

// Rule 41: a poll of the index is answered when its path becomes a resource.
func TestIndexPollMeetsResource(t *testing.T) {
	s := start(t, roost.Config{Index: true})
	s.add("/a/x", roost.GET, nil)
	polled := make(chan answer, 1)
	go func() {
		a, err := s.try("GET", "/a/", "", "If-None-Match: *", "Prefer: wait=25")
		must(err)
		polled <- a
	}()
	eventually(t, func() bool { return roost.Watchers(s.Server) == 1 })
	s.add("/a/", 0, nil)
	if a := <-polled; a.Status != 405 {
		t.Errorf("%+v", a)
	}
}

// A value that is too long to be kept with others does not push out what comes after it.
func TestHistoryAfterLongValue(t *testing.T) {
	s := start(t, roost.Config{Index: true})
	r := s.add("/a/x", roost.GET, nil, roost.WithContentType(roost.Plain))
	set := func(value string) string {
		rep, err := r.SetValue(t.Context(), []byte(value))
		must(err)
		return strings.Trim(rep.ETag(), `"`)
	}
	set(strings.Repeat("x", 9<<20))
	id := set("small")
	e := s.watch("/a/", "Last-Event-ID: "+id)
	last := set("smaller")
	if got, err := e.next(); err != nil || got.ID != last {
		t.Errorf("%+v, %v", got, err)
	}
	e.cancel()
	newest := set("smallest")
	e = s.watch("/a/", "Last-Event-ID: "+id)
	if got, err := e.next(); err != nil || got.ID != last {
		t.Errorf("%+v, %v", got, err)
	}
	e.cancel()
	e = s.watch("/a/", "Last-Event-ID: "+newest+"9") // not made yet: another life of the store's
	e.expect(event{Name: "reset"})
}

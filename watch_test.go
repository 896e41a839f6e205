package roost_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"roost"
)

// event is one event of a stream, as HTML §9.2.6 reads it.
type event struct {
	Name, ID, Data string
}

// events is a client of an event stream.
type events struct {
	t        testing.TB
	resp     *http.Response
	lines    *bufio.Reader
	comments int
	retry    string
	lastID   string
	cancel   context.CancelFunc
}

// watch opens an event stream.
func (s *site) watch(uri string, fields ...string) *events {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", s.base+uri, nil)
	must(err)
	req.Header.Set("Accept", "text/event-stream")
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		req.Header.Set(name, value)
	}
	client := *s.client
	client.Timeout = 0 // a stream lasts as long as its test
	resp, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { resp.Body.Close() })
	e := &events{t: s.t, resp: resp, lines: bufio.NewReader(resp.Body), cancel: cancel}
	if resp.StatusCode != 200 {
		b, _ := io.ReadAll(resp.Body)
		s.t.Fatalf("stream of %s: %d %s", uri, resp.StatusCode, b)
	}
	return e
}

// next reads up to the next event that is dispatched; io.EOF is the end of the stream.
func (e *events) next() (event, error) {
	var ev event
	var data []string
	for {
		line, err := e.lines.ReadString('\n')
		if err != nil {
			return ev, err
		}
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			if ev.ID != "" {
				e.lastID = ev.ID
			}
			if data == nil {
				ev = event{}
				continue
			}
			ev.Data = strings.Join(data, "\n")
			return ev, nil
		case name == "":
			e.comments++
		case name == "data":
			data = append(data, value)
		case name == "event":
			ev.Name = value
		case name == "id":
			ev.ID = value
		case name == "retry":
			e.retry = value
		default:
			e.t.Errorf("line %q in a stream", line)
		}
	}
}

func (e *events) expect(want event) event {
	e.t.Helper()
	got, err := e.next()
	if err != nil {
		e.t.Fatalf("stream ended with %v, want %+v", err, want)
	}
	if got.Name != want.Name || got.Data != want.Data || want.ID != "" && got.ID != want.ID {
		e.t.Fatalf("event %+v, want %+v", got, want)
	}
	return got
}

func (e *events) expectEnd() {
	e.t.Helper()
	if got, err := e.next(); err != io.EOF {
		e.t.Fatalf("got %+v, %v; want the end", got, err)
	}
}

func (s *site) tag(uri string) string {
	s.t.Helper()
	return s.do("HEAD", uri, "").Header.Get("Etag")
}

func eachTransport(t *testing.T, test func(t *testing.T, tr transport)) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			t.Parallel()
			test(t, tr)
		})
	}
}

// Rules 42 to 44: the present value, then each change, until the resource is removed.
func TestStream(t *testing.T) {
	eachTransport(t, func(t *testing.T, tr transport) {
		told := make(chan *roost.Exchange, 10)
		s := tr.start(t, roost.Config{})
		r := s.add("/a", all, func(e *roost.Exchange) { told <- e }, roost.WithContentType(roost.Plain), roost.WithString("one"))
		e := s.watch("/a")
		if got := <-told; got.Status != 200 || got.Method != roost.GET || len(told) != 0 {
			t.Errorf("callback at the beginning: %+v", got)
		}
		checkStreamFields(t, tr, e.resp)
		first := e.expect(event{Data: "one"})
		if want := s.tag("/a"); `"`+first.ID+`"` != want {
			t.Errorf("id %s, entity-tag %s", first.ID, want)
		}
		if n, err := strconv.Atoi(e.retry); err != nil || n < 2000 || n > 5000 {
			t.Errorf("retry %q", e.retry)
		}
		for _, value := range []string{"two", "", "a\nb\r\nc\rd", "\n", " lead", ":colon"} {
			if a := s.do("PUT", "/a", value, "Content-Type: text/plain"); a.Status != 204 {
				t.Fatal(a)
			}
			lines := regexp.MustCompile("\r\n|\r").ReplaceAllString(value, "\n")
			got := e.expect(event{Data: lines})
			if `"`+got.ID+`"` != s.tag("/a") {
				t.Errorf("id %s, entity-tag %s", got.ID, s.tag("/a"))
			}
		}
		_, err := r.SetValue(t.Context(), []byte("of the program"))
		must(err)
		e.expect(event{Data: "of the program"})
		_, err = r.SetRepresentation(t.Context(), []byte("\x00\xff"), "application/octet-stream")
		must(err)
		e.expect(event{Name: "binary", Data: "data:application/octet-stream;base64,AP8="})
		_, err = r.SetRepresentation(t.Context(), []byte("abc"), "application/octet-stream")
		must(err)
		e.expect(event{Name: "binary", Data: "data:application/octet-stream;base64,YWJj"})
		_, err = r.SetRepresentation(t.Context(), []byte("\xff"), "text/plain")
		must(err)
		e.expect(event{Name: "binary", Data: "data:text/plain;base64,/w=="})
		s.do("DELETE", "/a", "")
		if last := e.expect(event{Name: "delete"}); last.ID == "" {
			t.Error("no id with the deletion")
		}
		e.expectEnd()
		s.do("GET", "/a", "", "Accept: text/event-stream").expectProblem(t, 404, "not-found")
	})
}

func checkStreamFields(t *testing.T, tr transport, resp *http.Response) {
	t.Helper()
	want := map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-store", "Vary": "Accept", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"}
	for name, value := range want {
		if got := resp.Header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	for name := range resp.Header {
		if want[name] == "" && name != "Date" {
			t.Errorf("a stream has %s", name)
		}
	}
	if !tr.h2 && !slices.Equal(resp.TransferEncoding, []string{"chunked"}) {
		t.Errorf("transfer coding %v", resp.TransferEncoding)
	}
}

// Rules 42, 43: when a GET is for the stream, and what it has no use for.
func TestStreamOrValue(t *testing.T) {
	s := start(t, roost.Config{Index: true})
	s.add("/a", roost.GET, nil, roost.WithContentType(roost.Plain))
	s.add("/html", roost.GET, nil)
	for _, row := range []struct {
		uri, accept string
		stream      bool
	}{
		{"/a", "text/event-stream", true},
		{"/a", "TEXT/Event-Stream", true},
		{"/a", "text/event-stream, */*", true}, // as much, and T by a wildcard only
		{"/a", "text/event-stream, text/*", true},
		{"/a", "text/event-stream, text/plain", false},
		{"/a", "text/event-stream;q=0.5, text/plain;q=0.4", true},
		{"/a", "text/event-stream;q=0.5, */*", false},
		{"/a", "text/event-stream;q=0, */*", false},
		{"/a", "*/*", false},
		{"/a", "text/*", false},
		{"/a", "", false},
		{"/html", "text/html, text/event-stream", false},
		{"/", "text/event-stream", true},
		{"/", "text/event-stream, */*;q=0.1", true},
		{"/", "text/html, text/event-stream", false},
		{"/", "*/*", false},
	} {
		a := s.do("HEAD", row.uri, "", "Accept: "+row.accept)
		if got := a.Header.Get("Content-Type") == "text/event-stream"; a.Status != 200 || got != row.stream {
			t.Errorf("%s, Accept: %s: %d %s", row.uri, row.accept, a.Status, a.Header.Get("Content-Type"))
		}
		if row.stream && (a.Length > 0 || a.Header.Get("Etag") != "") {
			t.Errorf("%s, Accept: %s: length %d, %v", row.uri, row.accept, a.Length, a.Header)
		}
	}
	for field, want := range map[string]int{
		`If-Match: "x"`: 412, "If-Match: *": 200, "If-None-Match: *": 304, `If-None-Match: "x"`: 200,
		"If-Modified-Since: Sat, 01 Jan 2050 00:00:00 GMT":   200,
		"If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT": 200,
		"Range: bytes=0-0": 200, "Accept-Encoding: identity;q=0": 200,
	} {
		if a := s.do("HEAD", "/a", "", "Accept: text/event-stream", field); a.Status != want || want == 200 && a.Header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("%s: %d %v", field, a.Status, a.Header)
		}
	}
	e := s.watch("/a", "If-None-Match: "+s.tag("/a"), "Prefer: wait=5", "Range: bytes=0-0")
	e.expect(event{Data: "0"})
	if e.resp.Header.Get("Preference-Applied") != "" {
		t.Error("a stream waits")
	}
}

// HTTP/1.0 has no chunks: the stream lasts until the connection ends.
func TestStreamHTTP10(t *testing.T) {
	s := start(t, roost.Config{})
	r := s.add("/a", roost.GET, nil, roost.WithContentType(roost.Plain), roost.WithString("one"))
	c := s.dial()
	c.send("GET /a HTTP/1.0\r\nAccept: text/event-stream\r\nConnection: keep-alive\r\n\r\n")
	lines := bufio.NewReader(c)
	for {
		line, err := lines.ReadString('\n')
		must(err)
		if line == "data: one\n" {
			break
		}
	}
	must(r.Remove(t.Context()))
	rest, err := io.ReadAll(lines)
	if err != nil || !regexp.MustCompile("^\nevent: delete\nid: [a-z0-9]+-[0-9]+\ndata:\n\n$").Match(rest) {
		t.Errorf("%q, %v", rest, err)
	}
}

// Rule 45: where the client goes on.
func TestStreamResumes(t *testing.T) {
	eachTransport(t, func(t *testing.T, tr transport) {
		s := tr.start(t, roost.Config{})
		s.add("/a", all, nil, roost.WithContentType(roost.Plain), roost.WithString("one"))
		e := s.watch("/a")
		one := e.expect(event{Data: "one"})
		e.cancel()

		e = s.watch("/a", "Last-Event-ID: "+one.ID)
		for e.comments == 0 {
			line, err := e.lines.ReadString('\n')
			must(err)
			if strings.HasPrefix(line, ":") {
				e.comments++
			} else if strings.HasPrefix(line, "data") {
				t.Fatalf("the value that the client has: %q", line)
			}
		}
		s.do("PUT", "/a", "two")
		two := e.expect(event{Data: "two"})
		e.cancel()

		e = s.watch("/a", "Last-Event-ID: "+one.ID)
		e.expect(event{Data: "two", ID: two.ID})
		epoch, _, _ := strings.Cut(one.ID, "-")
		for _, id := range []string{"other-1", "x", epoch, epoch + "-", epoch + "-x", epoch + "-007", epoch + "--1", epoch + "-99999999999999999999999"} {
			e = s.watch("/a", "Last-Event-ID: "+id)
			e.expect(event{Name: "reset"})
			e.expect(event{Data: "two", ID: two.ID})
			e.cancel()
		}
	})
}

// Rule 46: what ends a stream.
func TestStreamEnds(t *testing.T) {
	eachTransport(t, func(t *testing.T, tr transport) {
		s := tr.start(t, roost.Config{MaxWatchers: 3})
		a := s.add("/a", roost.GET|roost.POST, nil)
		s.add("/b", roost.GET, nil)
		child := s.do("POST", "/a", "x").Header.Get("Location")
		e, of := s.watch("/a"), s.watch(child)
		e.expect(event{Data: "0"})
		of.expect(event{Data: "x"})
		must(a.RegisterRequestHandler(t.Context(), roost.POST, nil))
		e.expectEnd()
		of.expectEnd() // it answers as its parent does
		s.do("GET", "/a", "").expectProblem(t, 405, "method-not-registered")

		watchers := []*events{s.watch("/b"), s.watch("/b"), s.watch("/b")}
		for _, w := range watchers {
			w.expect(event{Data: "0"})
		}
		full := s.do("GET", "/b", "", "Accept: text/event-stream")
		full.expectProblem(t, 503, "busy")
		if p := full.problem(t); full.Header.Get("Retry-After") != "1" || p.Setting != "max-watchers" || p.Limit != 3 {
			t.Errorf("%v %+v", full.Header, p)
		}
		s.do("GET", "/b", "", "If-None-Match: *", "Prefer: wait=5").expectProblem(t, 503, "busy")
		watchers[0].cancel()
		eventually(t, func() bool { return roost.Watchers(s.Server) == 2 })
		s.watch("/b").expect(event{Data: "0"})
		var ending sync.WaitGroup
		for _, w := range watchers[1:] {
			ending.Go(func() {
				if got, err := w.next(); err != io.EOF {
					t.Errorf("got %+v, %v; want the end", got, err)
				}
			})
		}
		must(s.Shutdown(t.Context()))
		ending.Wait()
		eventually(t, func() bool { return roost.Watchers(s.Server) == 0 })
	})
}

// A stream is told to the observer when it has ended.
func TestStreamIsObserved(t *testing.T) {
	eachTransport(t, func(t *testing.T, tr transport) {
		o := new(observed)
		s := tr.start(t, roost.Config{Observer: o})
		r := s.add("/a", roost.GET|roost.DELETE, nil)
		e := s.watch("/a?q=1", "X-Field: x")
		e.expect(event{Data: "0"})
		_, err := r.SetValue(t.Context(), []byte("next"))
		must(err)
		e.expect(event{Data: "next"})
		s.do("DELETE", "/a", "").expect(t, 204, "")
		e.expect(event{Name: "delete"})
		e.expectEnd()
		eventually(t, func() bool { o.mu.Lock(); defer o.mu.Unlock(); return len(o.requests) == 2 })
		o.mu.Lock()
		defer o.mu.Unlock()
		got, deleted := o.requests[0], o.requests[1]
		if got.Method != "GET" {
			got, deleted = deleted, got // DELETE may be answered after it
		}
		if got.Method != "GET" || got.URI != "/a" || got.Query != "q=1" || got.Status != 200 || got.Header.Get("X-Field") != "x" ||
			got.Header.Get("Host") == "" || got.Peer == "" || (got.TLS != nil) != tr.tls || got.Start.After(deleted.Start) || got.Duration <= 0 {
			t.Errorf("GET is %+v", got)
		}
		if least := len("retry: 2000\n\ndata: 0\n\ndata: next\n\nevent: delete\ndata:\n\n"); got.Sent < int64(least) {
			t.Errorf("%d octets were sent; there were more than %d", got.Sent, least)
		}
	})
}

// What a client sends with the GET of a stream does not take room while the stream lasts.
func TestStreamHoldsNoContent(t *testing.T) {
	eachTransport(t, func(t *testing.T, tr transport) {
		s := tr.start(t, roost.Config{})
		s.add("/a", roost.GET, nil)
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.base+"/a", strings.NewReader("content"))
		must(err)
		req.Header.Set("Accept", "text/event-stream")
		resp, err := s.client.Do(req)
		must(err)
		defer resp.Body.Close()
		eventually(t, func() bool { return roost.Watchers(s.Server) == 1 && roost.Pending(s.Server) == 0 })
	})
}

// Rule 41: a long poll is answered by the first result that is not 304.
func TestLongPoll(t *testing.T) {
	eachTransport(t, func(t *testing.T, tr transport) {
		told := make(chan *roost.Exchange, 10)
		s := tr.start(t, roost.Config{})
		r := s.add("/a", all, func(e *roost.Exchange) { told <- e }, roost.WithContentType(roost.Plain), roost.WithString("one"))
		for _, row := range []struct {
			what   string
			method string
			change func()
			status int
			body   string
		}{
			{"a PUT", "GET", func() { s.do("PUT", "/a", "two") }, 200, "two"},
			{"the program", "GET", func() { _, err := r.SetValue(context.Background(), []byte("three")); must(err) }, 200, "three"},
			{"HEAD", "HEAD", func() { s.do("PUT", "/a", "four") }, 200, ""},
			{"a DELETE", "GET", func() { s.do("DELETE", "/a", "") }, 404, ""},
		} {
			tag := s.tag("/a")
			polled := make(chan answer, 1)
			go func() {
				a, err := s.try(row.method, "/a", "", "If-None-Match: "+tag, "Prefer: wait=60")
				must(err)
				polled <- a
			}()
			eventually(t, func() bool { return roost.Watchers(s.Server) == 1 })
			row.change()
			a := <-polled
			if a.Status != row.status || a.Header.Get("Preference-Applied") != "wait=55" || row.status == 200 && (a.Body != row.body || a.Header.Get("Etag") == tag) {
				t.Errorf("%s: %+v", row.what, a)
			}
		}
		r = s.add("/b", all, nil)
		tag := s.tag("/b")
		polled := make(chan answer, 1)
		go func() {
			a, err := s.try("GET", "/b", "", "If-None-Match: "+tag, "Prefer: wait=60")
			must(err)
			polled <- a
		}()
		eventually(t, func() bool { return roost.Watchers(s.Server) == 1 })
		must(r.RegisterRequestHandler(t.Context(), roost.PUT, nil))
		if a := <-polled; a.Status != 405 || a.Header.Get("Allow") != "PUT, OPTIONS" {
			t.Errorf("unregistered: %+v", a)
		}
	})
}

// Rules 41, 42: a poll goes on as a stream where the value's new type makes that what is
// wanted, and what it held is given back once.
func TestPollBecomesStream(t *testing.T) {
	eachTransport(t, func(t *testing.T, tr transport) {
		s := tr.start(t, roost.Config{})
		r := s.add("/a", all, nil, roost.WithContentType(roost.Plain))
		fields := []string{"Accept: text/event-stream;q=0.5, text/plain", "Prefer: wait=20", "If-None-Match: " + s.tag("/a")}
		var polls sync.WaitGroup
		for range 20 {
			polls.Go(func() { s.watch("/a", fields...).expect(event{Data: "{}"}) })
		}
		eventually(t, func() bool { return roost.Watchers(s.Server) == 20 })
		for range 100 {
			_, err := r.SetRepresentation(t.Context(), []byte("{}"), roost.JSON)
			must(err)
		}
		polls.Wait()
		s.do("DELETE", "/a", "")
		eventually(t, func() bool { return roost.Watchers(s.Server) == 0 })
	})
}

// Rule 41: what does not wait.
func TestPollsAtOnce(t *testing.T) {
	s := start(t, roost.Config{})
	s.add("/a", all, nil)
	old := s.tag("/a")
	s.do("PUT", "/a", "x")
	tag := s.tag("/a")
	for _, row := range []struct {
		fields []string
		status int
	}{
		{[]string{"If-None-Match: " + tag}, 304},
		{[]string{"If-None-Match: " + tag, "Prefer: wait=0"}, 304},
		{[]string{"If-None-Match: " + tag, "Prefer: wait"}, 304},
		{[]string{"If-None-Match: " + tag, "Prefer: wait=x"}, 304},
		{[]string{"If-None-Match: " + tag, "Prefer: wait=-5"}, 304},
		{[]string{"If-None-Match: " + tag, "Prefer: wait=+5"}, 304},
		{[]string{"If-None-Match: " + tag, "Prefer: wait=1.5"}, 304},
		{[]string{"If-None-Match: " + tag, "Prefer: wait=0, wait=20"}, 304}, // the first counts
		{[]string{"If-None-Match: " + old, "Prefer: wait=20"}, 200},
		{[]string{"Prefer: wait=20"}, 200},
		{[]string{"If-Modified-Since: Sat, 01 Jan 2050 00:00:00 GMT", "Prefer: wait=20"}, 304},
		{[]string{`If-Match: "x"`, "If-None-Match: " + tag, "Prefer: wait=20"}, 412},
	} {
		begin := time.Now()
		a := s.do("GET", "/a", "", row.fields...)
		if a.Status != row.status || a.Header.Get("Preference-Applied") != "" {
			t.Errorf("%q: %d %v", row.fields, a.Status, a.Header)
		}
		if time.Since(begin) > 15*time.Second {
			t.Errorf("%q: took %v", row.fields, time.Since(begin))
		}
	}
	if a := s.do("PUT", "/a", "y", "If-None-Match: "+tag, "Prefer: wait=20"); a.Status != 412 {
		t.Errorf("PUT: %d", a.Status)
	}
	a := s.do("GET", "/a", "", "If-None-Match: *", `Prefer: foo, wait="1"`)
	if a.Status != 304 || a.Header.Get("Preference-Applied") != "wait=1" || a.Header.Get("Etag") == "" {
		t.Errorf("after the wait: %+v", a)
	}
}

// Shutdown ends what waits at once, with what it would be at the end of its time.
func TestShutdownAnswersPolls(t *testing.T) {
	eachTransport(t, func(t *testing.T, tr transport) {
		s := tr.start(t, roost.Config{})
		s.add("/a", all, nil)
		polled := make(chan answer, 1)
		go func() {
			a, err := s.try("GET", "/a", "", "If-None-Match: *", "Prefer: wait=50")
			must(err)
			polled <- a
		}()
		eventually(t, func() bool { return roost.Watchers(s.Server) == 1 })
		must(s.Shutdown(t.Context()))
		if a := <-polled; a.Status != 304 || a.Header.Get("Preference-Applied") != "wait=50" {
			t.Errorf("%+v", a)
		}
	})
}

// The limits that a server before this one has for its requests are not ones for waiting.
func TestWatchingBehindServer(t *testing.T) {
	for name, h2 := range map[string]bool{"HTTP1": false, "HTTP2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, roost.Config{})
			r := s.add("/a", all, nil, roost.WithContentType(roost.Plain))
			outer := httptest.NewUnstartedServer(s.Server)
			outer.Config.WriteTimeout, outer.Config.ReadTimeout = 200*time.Millisecond, 200*time.Millisecond
			outer.EnableHTTP2 = h2
			outer.StartTLS()
			t.Cleanup(outer.Close)
			s.base, s.client = outer.URL, outer.Client()
			if a := s.do("GET", "/a", "", "If-None-Match: *", "Prefer: wait=1"); a.Status != 304 {
				t.Errorf("%+v", a)
			}
			e := s.watch("/a")
			e.expect(event{Data: "0"})
			for range 3 {
				time.Sleep(300 * time.Millisecond) // longer than the limits
				_, err := r.SetValue(t.Context(), []byte("x"))
				must(err)
				e.expect(event{Data: "x"})
			}
			e.cancel()
		})
	}
}

// A client that goes away leaves nothing behind.
func TestWatchersLeave(t *testing.T) {
	eachTransport(t, func(t *testing.T, tr transport) {
		s := tr.start(t, roost.Config{})
		s.add("/a", all, nil)
		e := s.watch("/a")
		e.expect(event{Data: "0"})
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, "GET", s.base+"/a", nil)
		must(err)
		req.Header.Set("If-None-Match", "*")
		req.Header.Set("Prefer", "wait=50")
		done := make(chan struct{})
		go func() {
			defer close(done)
			if resp, err := s.client.Do(req); err == nil {
				resp.Body.Close()
			}
		}()
		eventually(t, func() bool { return roost.Watchers(s.Server) == 2 })
		cancel()
		e.cancel()
		eventually(t, func() bool { return roost.Watchers(s.Server) == 0 })
		<-done
	})
}

// Values that a slow reader has not taken fold into the newest, which is not lost.
func TestSlowWatcher(t *testing.T) {
	eachTransport(t, func(t *testing.T, tr transport) {
		s := tr.start(t, roost.Config{Timeouts: roost.Timeouts{Write: -1}}) // the reader is slower than any limit
		r := s.add("/a", roost.GET, nil, roost.WithContentType(roost.Plain))
		e := s.watch("/a")
		const values, size = 400, 64 << 10
		for i := range values {
			_, err := r.SetValue(t.Context(), fmt.Appendf(nil, "%d %s", i, strings.Repeat("x", size)))
			must(err)
		}
		_, err := r.SetValue(t.Context(), []byte("newest"))
		must(err)
		seen, before := 0, -1
		for {
			got, err := e.next()
			must(err)
			if got.Data == "newest" {
				break
			}
			number, _, _ := strings.Cut(got.Data, " ")
			n, err := strconv.Atoi(number)
			if err != nil || n < before {
				t.Fatalf("value %.20q after %d", got.Data, before)
			}
			before = n
			seen++
		}
		if seen >= values {
			t.Errorf("%d values of %d were told: none was left out", seen, values)
		}
	})
}

// A reader that keeps up is told each value, also of a burst.
func TestQuickWatcherSeesBurst(t *testing.T) {
	s := start(t, roost.Config{})
	r := s.add("/a", roost.GET, nil, roost.WithContentType(roost.Plain))
	e := s.watch("/a")
	e.expect(event{Data: "0"})
	for round := range 20 {
		for i := range 10 {
			_, err := r.SetValue(t.Context(), fmt.Appendf(nil, "%d.%d", round, i))
			must(err)
		}
		for i := range 10 {
			e.expect(event{Data: fmt.Sprintf("%d.%d", round, i)})
		}
	}
}

// Many watchers of one value, and writers: all end with the newest.
func TestWatchersAndWriters(t *testing.T) {
	s := start(t, roost.Config{})
	s.add("/a", all, nil, roost.WithContentType(roost.Plain))
	var watching, writing sync.WaitGroup
	const watchers, writers, writes = 32, 4, 100
	for range watchers {
		e := s.watch("/a")
		watching.Go(func() {
			for {
				got, err := e.next()
				if err != nil {
					t.Errorf("stream ended with %v", err)
					return
				}
				if got.Data == "last" {
					return
				}
			}
		})
	}
	for w := range writers {
		writing.Go(func() {
			for i := range writes {
				s.do("PUT", "/a", fmt.Sprint(w, " ", i))
			}
		})
	}
	writing.Wait()
	s.do("PUT", "/a", "last")
	watching.Wait()
}

// Rule 44: silence, in the time of a bubble.
func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := roost.New(t.Context(), roost.Config{})
		must(err)
		r := add(t, s, "/a", all, nil, roost.WithContentType(roost.Plain))
		w := newSink()
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, "GET", "/a", nil)
		must(err)
		req.Header.Set("Accept", "text/event-stream")
		var serving sync.WaitGroup
		serving.Go(func() { s.ServeHTTP(w, req) })
		synctest.Wait()
		w.take()
		for range 3 {
			time.Sleep(15*time.Second - 1)
			synctest.Wait()
			if got := w.take(); got != "" {
				t.Errorf("early: %q", got)
			}
			time.Sleep(1 * time.Nanosecond)
			synctest.Wait()
			if got := w.take(); got != ":\n\n" {
				t.Errorf("after 15 s: %q", got)
			}
		}
		time.Sleep(10 * time.Second)
		_, err = r.SetValue(ctx, []byte("new"))
		must(err)
		synctest.Wait()
		if got := w.take(); !strings.Contains(got, "data: new\n\n") {
			t.Errorf("%q", got)
		}
		time.Sleep(15*time.Second - 1)
		synctest.Wait()
		if got := w.take(); got != "" {
			t.Errorf("after an event, early: %q", got)
		}
		cancel()
		serving.Wait()
		must(s.Close())
	})
}

// Rule 41: the end of the wait, in the time of a bubble.
func TestWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := roost.New(t.Context(), roost.Config{})
		must(err)
		add(t, s, "/a", all, nil)
		for prefer, want := range map[string]time.Duration{"wait=7": 7 * time.Second, "wait=55": 55 * time.Second, "wait=56": 55 * time.Second, "wait=99999999999999999999": 55 * time.Second} {
			w := newSink()
			req, err := http.NewRequestWithContext(t.Context(), "GET", "/a", nil)
			must(err)
			req.Header.Set("If-None-Match", "*")
			req.Header.Set("Prefer", prefer)
			begin := time.Now()
			s.ServeHTTP(w, req)
			if took := time.Since(begin); took != want || w.status != 304 || w.header.Get("Preference-Applied") != fmt.Sprintf("wait=%d", want/time.Second) {
				t.Errorf("%s: %d after %v, %v", prefer, w.status, took, w.header)
			}
		}
		must(s.Close())
	})
}

// sink is a connection that takes everything.
type sink struct {
	mu     sync.Mutex
	header http.Header
	status int
	octets []byte
}

func newSink() *sink { return &sink{header: make(http.Header)} }

func (r *sink) Header() http.Header    { return r.header }
func (r *sink) WriteHeader(status int) { r.status = status }
func (r *sink) Flush()                 {}

func (r *sink) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.octets = append(r.octets, b...)
	return len(b), nil
}

func (r *sink) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := string(r.octets)
	r.octets = nil
	return s
}

// Watch yields what is there, then each change.
func TestWatch(t *testing.T) {
	s := newServer(t, roost.Config{})
	add(t, s, "/a/2", 0, nil, roost.WithString("two"))
	add(t, s, "/a/1", 0, nil, roost.WithString("one"))
	add(t, s, "/b", 0, nil)
	ctx, cancel := context.WithCancel(t.Context())
	told := make(chan roost.Change, 10)
	ended := make(chan error, 1)
	go func() {
		for c, err := range s.Watch(ctx, "/a/") {
			if err != nil {
				ended <- err
				return
			}
			told <- c
		}
	}()
	expect := func(kind roost.ChangeKind, uri, value string) roost.Change {
		t.Helper()
		c := <-told
		got := ""
		if c.Representation != nil {
			got = string(c.Representation.Value())
			if c.Revision != c.Representation.Revision() {
				t.Errorf("revision %d of a change to %d", c.Revision, c.Representation.Revision())
			}
		}
		if c.Kind != kind || c.URI != uri || got != value {
			t.Fatalf("got %+v %q, want %s %s %q", c, got, kind, uri, value)
		}
		return c
	}
	expect(roost.Present, "/a/1", "one")
	expect(roost.Present, "/a/2", "two")
	r := add(t, s, "/a/3", roost.GET, nil, roost.WithString("three"))
	expect(roost.Created, "/a/3", "three")
	_, err := r.SetValue(ctx, []byte("changed"))
	must(err)
	expect(roost.Updated, "/a/3", "changed")
	add(t, s, "/c", 0, nil)
	must(r.Remove(ctx))
	if c := expect(roost.Deleted, "/a/3", ""); c.Revision == 0 {
		t.Error("a removal without revision")
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	for range s.Watch(t.Context(), "/a/") {
		break // and leaves nothing behind
	}
	go func() {
		for _, err := range s.Watch(t.Context(), "") {
			if err != nil {
				ended <- err
				return
			}
			told <- roost.Change{}
		}
	}()
	for range 4 {
		<-told
	}
	must(s.Close())
	if err := <-ended; !errors.Is(err, roost.ErrClosed) {
		t.Errorf("ended with %v", err)
	}
}

// A loop that takes too long starts over.
func TestWatchResets(t *testing.T) {
	s := newServer(t, roost.Config{MaxURI: -1})
	r := add(t, s, "/a", 0, nil)
	gone := add(t, s, "/gone", 0, nil)
	present := map[string]string{}
	resets := 0
	for c, err := range s.Watch(t.Context(), "") {
		must(err)
		switch c.Kind {
		case roost.Reset:
			resets++
			clear(present)
		case roost.Deleted:
			delete(present, c.URI)
		default:
			present[c.URI] = string(c.Representation.Value())
		}
		if resets == 0 && len(present) == 2 {
			must(gone.Remove(t.Context()))
			for i := range 5000 {
				_, err := r.SetValue(t.Context(), []byte(fmt.Sprint(i)))
				must(err)
			}
		}
		if present["/a"] == "4999" {
			break
		}
	}
	if _, ok := present["/gone"]; ok || resets != 1 {
		t.Errorf("%d resets, %v", resets, present)
	}
}

// late is a client that has not taken the first octets of a stream when others write.
type late struct {
	*sink
	head, first func()
}

func (l *late) WriteHeader(status int) {
	l.sink.WriteHeader(status)
	l.head()
}

func (l *late) Write(b []byte) (int, error) {
	if first := l.first; first != nil {
		l.first = nil
		first()
	}
	return l.sink.Write(b)
}

// A value that the client has already may expire while it is replaced: the resource is there.
func TestReplacedValueDoesNotExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := roost.New(t.Context(), roost.Config{})
		must(err)
		defer s.Close()
		r := add(t, s, "/a", all, nil, roost.WithClientTTL(), roost.WithContentType(roost.Plain))
		before, err := r.Representation()
		must(err)
		epoch, _, _ := strings.Cut(strings.Trim(before.ETag(), `"`), "-")
		w := &late{sink: newSink()}
		w.head = func() { direct(t, s, "PUT", "/a", "short", "Roost-TTL: 2") }
		w.first = func() {
			time.Sleep(time.Second)
			direct(t, s, "PUT", "/a", "long")
			time.Sleep(time.Hour)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, "GET", "/a", nil)
		must(err)
		req.Header.Set("Accept", "text/event-stream")
		// The id of the value that is written when the head has been sent.
		req.Header.Set("Last-Event-ID", fmt.Sprintf("%s-%d", epoch, before.Revision()+2))
		s.ServeHTTP(w, req)
		if got := w.take(); !strings.Contains(got, "data: long\n") || strings.Contains(got, "event: delete") {
			t.Errorf("%q", got)
		}
	})
}

// Rule 46: a child answers as it was made when its parent goes, and those who watch it are told.
func TestStreamOfChildEndsWithParent(t *testing.T) {
	s := start(t, roost.Config{})
	parent := s.add("/a", roost.POST, nil, roost.WithContentType(roost.Plain))
	child := s.do("POST", "/a", "x").Header.Get("Location")
	must(parent.RegisterRequestHandler(t.Context(), roost.GET|roost.POST, nil))
	e := s.watch(child)
	e.expect(event{Data: "x"})
	must(parent.Remove(t.Context()))
	e.expectEnd()
	s.do("GET", child, "").expectProblem(t, 405, "method-not-registered")
}

// The client may end its side and still read.
func TestStreamOfHalfClosedClient(t *testing.T) {
	for _, tr := range []transport{reference, fast} {
		t.Run(tr.name, func(t *testing.T) {
			s := tr.start(t, roost.Config{})
			s.add("/r", roost.GET, nil, roost.WithValue([]byte("v")))
			c := s.dial()
			c.send("GET /r HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n")
			must(c.Conn.(*net.TCPConn).CloseWrite())
			if got := c.rest(); !strings.HasSuffix(got, "\r\n0\r\n\r\n") {
				t.Errorf("got %q, want a last chunk", got)
			}
		})
	}
}

package roost_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"roost"
)

// Rules 36 to 38: what preconditions come to, for each method. In fields, NOW is the
// present tag, OLD one from before, WEAK the present one as a weak tag, and BEFORE, AT
// and AFTER are dates about the time of the last change.
func TestPreconditions(t *testing.T) {
	const (
		ok   = 0 // as without conditions
		same = 304
		no   = 412
	)
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			s := tr.start(t, roost.Config{MaxURI: -1})
			r := s.add("/a", all, nil, roost.WithString("first"))
			old, err := r.Representation()
			must(err)
			for _, row := range []struct {
				rule   string
				fields []string
				read   int // GET and HEAD
				change int // PUT, POST and DELETE
			}{
				{"36", nil, ok, ok},
				{"37", []string{"If-Match: NOW"}, ok, ok},
				{"37", []string{"If-Match: OLD"}, no, no},
				{"37", []string{"If-Match: OLD, NOW"}, ok, ok},
				{"37", []string{"If-Match: OLD", "If-Match: NOW"}, ok, ok},
				{"37", []string{"If-Match: WEAK"}, no, no},
				{"37", []string{"If-Match: *"}, ok, ok},
				{"37", []string{"If-Match: x"}, no, no},
				{"37", []string{`If-Match: ""`}, no, no},
				{"37", []string{"If-Match: "}, no, no},
				{"37", []string{"If-None-Match: NOW"}, same, no},
				{"37", []string{"If-None-Match: WEAK"}, same, no},
				{"37", []string{"If-None-Match: OLD"}, ok, ok},
				{"37", []string{"If-None-Match: OLD, WEAK"}, same, no},
				{"37", []string{"If-None-Match: *"}, same, no},
				{"37", []string{"If-None-Match: x, NOW"}, same, no},
				{"38", []string{"If-Modified-Since: BEFORE"}, ok, ok},
				{"38", []string{"If-Modified-Since: AT"}, same, ok},
				{"38", []string{"If-Modified-Since: AFTER"}, same, ok},
				{"38", []string{"If-Modified-Since: yesterday"}, ok, ok},
				{"38", []string{"If-Modified-Since: AT", "If-Modified-Since: AT"}, ok, ok},
				{"38", []string{"If-Unmodified-Since: BEFORE"}, no, no},
				{"38", []string{"If-Unmodified-Since: AT"}, ok, ok},
				{"38", []string{"If-Unmodified-Since: AFTER"}, ok, ok},
				{"38", []string{"If-Unmodified-Since: yesterday"}, ok, ok},
				{"38", []string{"If-Unmodified-Since: BEFORE", "If-Unmodified-Since: BEFORE"}, ok, ok},
				// One of each pair counts.
				{"36", []string{"If-Match: NOW", "If-Unmodified-Since: BEFORE"}, ok, ok},
				{"36", []string{"If-Match: OLD", "If-Unmodified-Since: AFTER"}, no, no},
				{"36", []string{"If-None-Match: OLD", "If-Modified-Since: AFTER"}, ok, ok},
				{"36", []string{"If-None-Match: NOW", "If-Modified-Since: BEFORE"}, same, no},
				// The first of both counts first.
				{"36", []string{"If-Match: OLD", "If-None-Match: NOW"}, no, no},
				{"36", []string{"If-Match: NOW", "If-None-Match: NOW"}, same, no},
				{"36", []string{"If-Match: NOW", "If-None-Match: OLD"}, ok, ok},
				{"36", []string{"If-Unmodified-Since: AFTER", "If-Modified-Since: AFTER"}, same, ok},
				// Alone it is no condition.
				{"40", []string{"If-Range: OLD"}, ok, ok},
			} {
				for _, method := range []string{"GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"} {
					r = s.addOrGet("/a")
					now, err := r.SetValue(t.Context(), []byte("present"))
					must(err)
					whole := now.Modified().Truncate(time.Second)
					date := func(d time.Duration) string { return whole.Add(d).UTC().Format(http.TimeFormat) }
					fill := strings.NewReplacer("NOW", now.ETag(), "OLD", old.ETag(), "WEAK", "W/"+now.ETag(),
						"BEFORE", date(-time.Second), "AT", date(0), "AFTER", date(time.Hour))
					var fields []string
					for _, f := range row.fields {
						fields = append(fields, fill.Replace(f))
					}
					body := ""
					if method == "PUT" || method == "POST" {
						body = "changed"
					}
					want := map[string]int{"GET": 200, "HEAD": 200, "PUT": 204, "POST": 201, "DELETE": 204, "OPTIONS": 204}[method]
					switch result := map[string]int{"GET": row.read, "HEAD": row.read, "OPTIONS": ok}[method]; {
					case method == "PUT" || method == "POST" || method == "DELETE":
						if row.change != ok {
							want = row.change
						}
					case result != ok:
						want = result
					}
					before := s.CountResources()
					a := s.do(method, "/a", body, fields...)
					if a.Status != want {
						t.Errorf("rule %s: %s with %q: %d, want %d", row.rule, method, row.fields, a.Status, want)
						continue
					}
					s.checkJudged(method, row.fields, a, now.ETag(), before)
				}
			}
		})
	}
}

// checkJudged looks at the answer to a request with conditions, and at what became of
// the resource.
func (s *site) checkJudged(method string, fields []string, a answer, tag string, before int) {
	s.t.Helper()
	switch a.Status {
	case 304:
		for name := range a.Header {
			switch name {
			case "Etag", "Cache-Control", "Vary", "X-Content-Type-Options", "Date":
			default:
				s.t.Errorf("%s with %q: 304 has %s", method, fields, name)
			}
		}
		if a.Header.Get("Etag") != tag || a.Header.Get("Cache-Control") == "" || a.Header.Get("Vary") != "Accept" || a.Body != "" {
			s.t.Errorf("%s with %q: 304 with %v %q", method, fields, a.Header, a.Body)
		}
	case 412:
		if a.Header.Get("Etag") != tag || a.Header.Get("Cache-Control") != "no-store" {
			s.t.Errorf("%s with %q: 412 with %v", method, fields, a.Header)
		}
		if method != "HEAD" && a.problem(s.t).Type != "urn:roost:problem:precondition-failed" {
			s.t.Errorf("%s with %q: %s", method, fields, a.Body)
		}
		if got := s.do("GET", "/a", ""); got.Header.Get("Etag") != tag || s.CountResources() != before {
			s.t.Errorf("%s with %q: refused, and changed something", method, fields)
		}
	}
}

// Conditions count only where the answer without them is a success (rule 36).
func TestPreconditionsAfterOtherRules(t *testing.T) {
	s := start(t, roost.Config{MaxURI: 2, MaxBodyBytes: 10})
	s.add("/a", all, nil, roost.WithContentType(roost.Plain))
	s.add("/get", roost.GET, nil)
	const not = `If-Match: "x"`
	s.do("GET", "/none", "", not).expectProblem(t, 404, "not-found")
	s.do("PUT", "/none", "x", "If-None-Match: *").expectProblem(t, 404, "not-found")
	s.do("PUT", "/get", "x", not).expectProblem(t, 405, "method-not-registered")
	s.do("GET", "/a", "", not, "Accept: image/png").expectProblem(t, 406, "not-acceptable")
	s.do("PUT", "/a", "x", not, "Content-Type: image/png").expectProblem(t, 415, "media-type-not-accepted")
	s.do("PUT", "/a", strings.Repeat("x", 11), not).expectProblem(t, 413, "content-too-large")
	s.do("POST", "/a", "x", not).expectProblem(t, 507, "full")
}

func (a answer) expectProblem(t testing.TB, status int, kind string) {
	t.Helper()
	if a.Status != status || a.problem(t).Type != "urn:roost:problem:"+kind {
		t.Errorf("got %d %s, want %d %s", a.Status, a.Body, status, kind)
	}
}

// Of N racing writers that hold one tag exactly one wins, for each method that changes
// something, and none that held an older one.
func TestRacingConditionalWriters(t *testing.T) {
	s := start(t, roost.Config{MaxURI: -1})
	const writers, rounds = 16, 40
	for round := range rounds {
		r := s.addOrGet("/a")
		rep, err := r.Representation()
		must(err)
		var won, lost atomic.Int32
		var racing sync.WaitGroup
		for w := range writers {
			racing.Go(func() {
				method, body := "PUT", fmt.Sprint(round, " ", w)
				if w == writers-1 && round%4 == 0 {
					method, body = "DELETE", ""
				}
				a, err := s.try(method, "/a", body, "If-Match: "+rep.ETag())
				switch {
				case err != nil:
					t.Error(err)
				case a.Status == 204:
					won.Add(1)
				case a.Status == 412 || a.Status == 404:
					lost.Add(1)
				default:
					t.Errorf("status %d %s", a.Status, a.Body)
				}
			})
		}
		racing.Wait()
		if won.Load() != 1 || lost.Load() != writers-1 {
			t.Fatalf("round %d: %d won, %d lost", round, won.Load(), lost.Load())
		}
	}
}

// addOrGet returns the resource at uri, made if there is none.
func (s *site) addOrGet(uri string) *roost.Resource {
	s.t.Helper()
	if r, err := s.GetResource(uri); err == nil {
		return r
	}
	return s.add(uri, all, nil)
}

// Conditions that hold for the value that is there let every writer through, however many
// write at once: each is judged again by what is there when its turn comes.
func TestConditionsAreJudgedAgain(t *testing.T) {
	s := start(t, roost.Config{})
	r := s.add("/a", all, nil)
	old, err := r.Representation()
	must(err)
	_, err = r.SetValue(t.Context(), []byte("x"))
	must(err)
	var racing sync.WaitGroup
	for range 8 {
		racing.Go(func() {
			for range 30 {
				if a, err := s.try("PUT", "/a", "x", "If-None-Match: "+old.ETag()); err != nil || a.Status != 204 {
					t.Errorf("%d, %v", a.Status, err)
				}
			}
		})
	}
	racing.Wait()
}

// The same conditions for the program's own changes.
func TestProgramConditions(t *testing.T) {
	s := newServer(t, roost.Config{})
	ctx := t.Context()
	r := add(t, s, "/a", 0, nil)
	old, err := r.Representation()
	must(err)
	now, err := r.SetValue(ctx, []byte("x"), roost.IfMatch(old.ETag()))
	must(err)
	for name, change := range map[string]func(...roost.Condition) error{
		"SetValue": func(c ...roost.Condition) error { _, err := r.SetValue(ctx, []byte("y"), c...); return err },
		"SetRepresentation": func(c ...roost.Condition) error {
			_, err := r.SetRepresentation(ctx, []byte("y"), roost.Plain, c...)
			return err
		},
		"Remove":         func(c ...roost.Condition) error { return r.Remove(ctx, c...) },
		"RemoveResource": func(c ...roost.Condition) error { return s.RemoveResource(ctx, "/a", c...) },
	} {
		for _, c := range [][]roost.Condition{
			{roost.IfMatch()},
			{roost.IfMatch(old.ETag())},
			{roost.IfMatch(old.ETag(), "W/"+now.ETag())},
			{roost.IfMatch(now.ETag()), roost.IfUnmodifiedSince(now.Modified().Add(-1))},
			{roost.IfNoneMatch(old.ETag(), now.ETag())},
		} {
			err := change(c...)
			wantError(t, err, roost.ErrPrecondition, `"/a"`, now.ETag())
			if rep, err := r.Representation(); err != nil || rep != now {
				t.Fatalf("%s changed something", name)
			}
		}
	}
	now, err = r.SetValue(ctx, []byte("y"), roost.IfMatch("x", now.ETag()), roost.IfNoneMatch(old.ETag()), roost.IfUnmodifiedSince(now.Modified()))
	must(err)

	var won atomic.Int32
	var racing sync.WaitGroup
	for range 16 {
		racing.Go(func() {
			_, err := r.SetValue(ctx, []byte("z"), roost.IfMatch(now.ETag()))
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, roost.ErrPrecondition):
				t.Error(err)
			}
		})
	}
	racing.Wait()
	if won.Load() != 1 {
		t.Errorf("%d won", won.Load())
	}

	// A condition that always holds lets all through, one after the other.
	always := func(*roost.Representation) bool { return true }
	for range 16 {
		racing.Go(func() {
			if _, err := r.SetValue(ctx, []byte("z"), always); err != nil {
				t.Error(err)
			}
		})
	}
	racing.Wait()
	must(s.RemoveResource(ctx, "/a", always))
	_, err = r.SetValue(ctx, nil, always)
	wantError(t, err, roost.ErrNotExist, `"/a"`)
}

// If-Range with the present tag lets the part be served, and no weak one does (rule 40).
func TestIfRange(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			s := tr.start(t, roost.Config{})
			r := s.add("/a", all, nil, roost.WithString("0123456789"))
			old, err := r.Representation()
			must(err)
			now, err := r.SetValue(t.Context(), []byte("abcdefghij"))
			must(err)
			for _, row := range []struct {
				field  string
				status int
				body   string
			}{
				{now.ETag(), 206, "cde"}, {"W/" + now.ETag(), 200, "abcdefghij"}, {old.ETag(), 200, "abcdefghij"},
				{now.ETag() + ", " + now.ETag(), 200, "abcdefghij"}, {now.Modified().UTC().Format(http.TimeFormat), 200, "abcdefghij"},
			} {
				a := s.do("GET", "/a", "", "Range: bytes=2-4", "If-Range: "+row.field)
				a.expect(t, row.status, row.body)
				if want := map[int]string{206: "bytes 2-4/10"}[row.status]; a.Header.Get("Content-Range") != want || a.Length != int64(len(row.body)) {
					t.Errorf("%s: %v, length %d", row.field, a.Header, a.Length)
				}
			}
		})
	}
}

// Rule 1: no room comes before preconditions, for keys too.
func TestNoRoomForKeysBeforePreconditions(t *testing.T) {
	s := start(t, roost.Config{MaxRemembered: 1})
	s.add("/a", all, nil)
	s.do("POST", "/a", "x", "Idempotency-Key: one")
	s.do("POST", "/a", "x", "Idempotency-Key: two", `If-Match: "none"`).expectProblem(t, 507, "full")
}

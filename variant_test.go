package roost_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"roost"
)

// prose is text that shrinks, and noise is what does not.
var prose = strings.Repeat("All work and no play makes Jack a dull boy.\n", 100)

func noise(n int) string {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.IntN(256))
	}
	return string(b)
}

func gunzip(t testing.TB, s string) string {
	t.Helper()
	r, err := gzip.NewReader(strings.NewReader(s))
	if err != nil {
		t.Fatalf("not gzip: %v", err)
	}
	b, err := io.ReadAll(r)
	must(err)
	return string(b)
}

// Rule 33: which variant a request gets.
func TestCodings(t *testing.T) {
	s := start(t, roost.Config{})
	values := map[string]string{
		"/text": prose, "/json": `{"a":"` + strings.Repeat("x", 2000) + `"}`, "/short": "short", "/noise": noise(2000),
		"/octets": prose, "/least": strings.Repeat("a", 1024), "/less": strings.Repeat("a", 1023), "/empty": "",
	}
	for uri, mediaType := range map[string]string{
		"/text": roost.Plain, "/json": roost.JSON, "/short": roost.Plain, "/noise": roost.Plain,
		"/octets": roost.Octet, "/least": roost.Text, "/less": roost.Text, "/empty": roost.Plain,
	} {
		s.add(uri, roost.GET, nil, roost.WithContentType(mediaType), roost.WithString(values[uri]))
	}
	for _, row := range []struct {
		uri, accept string
		want        string // "gzip", "identity" or "none"
	}{
		{"/text", "gzip", "gzip"},
		{"/text", "x-gzip", "gzip"},
		{"/text", "GZIP", "gzip"},
		{"/text", "deflate, gzip, br", "gzip"},
		{"/text", "gzip, identity", "gzip"}, // a tie
		{"/text", "gzip;q=0.5, identity;q=0.6", "identity"},
		{"/text", "gzip;q=0.001", "gzip"},
		{"/text", "gzip;q=0", "identity"},
		{"/text", "*", "gzip"},
		{"/text", "*;q=0, gzip", "gzip"},
		{"/text", "*;q=0", "none"},
		{"/text", "identity;q=0", "none"},
		{"/text", "identity;q=0, br", "none"},
		{"/text", "br", "identity"},
		{"/text", "", "identity"},
		{"/text", ";;;", "identity"},
		{"/json", "gzip", "gzip"},
		{"/least", "gzip", "gzip"},
		{"/less", "gzip", "identity"},
		{"/short", "gzip", "identity"},
		{"/noise", "gzip", "identity"}, // shrinks by less than a tenth
		{"/octets", "gzip", "identity"},
		{"/empty", "gzip", "identity"},
		{"/short", "gzip, identity;q=0", "gzip"},
		{"/noise", "gzip, *;q=0", "gzip"},
		{"/octets", "gzip;q=0.1, identity;q=0", "gzip"},
		{"/empty", "gzip, identity;q=0", "gzip"},
		{"/short", "identity;q=0", "none"},
	} {
		a := s.do("GET", row.uri, "", "Accept-Encoding: "+row.accept)
		h := s.do("HEAD", row.uri, "", "Accept-Encoding: "+row.accept)
		if h.Status != a.Status || h.Header.Get("Content-Length") != a.Header.Get("Content-Length") || h.Header.Get("Content-Encoding") != a.Header.Get("Content-Encoding") {
			t.Errorf("%s, %s: HEAD %v, GET %v", row.uri, row.accept, h.Header, a.Header)
		}
		switch row.want {
		case "none":
			a.expectProblem(t, 406, "not-acceptable")
			if a.Header.Get("Vary") != "Accept, Accept-Encoding" {
				t.Errorf("%s, %s: Vary %s", row.uri, row.accept, a.Header.Get("Vary"))
			}
		case "identity":
			a.expect(t, 200, values[row.uri])
			if a.Header.Get("Content-Encoding") != "" || strings.Contains(a.Header.Get("Etag"), "gzip") {
				t.Errorf("%s, %s: %v", row.uri, row.accept, a.Header)
			}
		case "gzip":
			if a.Status != 200 || a.Header.Get("Content-Encoding") != "gzip" {
				t.Errorf("%s, %s: %d %v", row.uri, row.accept, a.Status, a.Header)
				continue
			}
			if got := gunzip(t, a.Body); got != values[row.uri] {
				t.Errorf("%s, %s: %.30q", row.uri, row.accept, got)
			}
			plain := s.tag(row.uri)
			if got := a.Header.Get("Etag"); got != strings.TrimSuffix(plain, `"`)+`-gzip"` {
				t.Errorf("%s, %s: entity-tag %s of %s", row.uri, row.accept, got, plain)
			}
			if a.Header.Get("Vary") != "Accept, Accept-Encoding" || a.Length != int64(len(a.Body)) {
				t.Errorf("%s, %s: %v", row.uri, row.accept, a.Header)
			}
		}
	}
	for uri, want := range map[string]string{"/text": "Accept, Accept-Encoding", "/short": "Accept", "/octets": "Accept"} {
		if got := s.do("GET", uri, "").Header.Get("Vary"); got != want {
			t.Errorf("%s: Vary %q, want %q", uri, got, want)
		}
		if got := s.do("GET", uri, "", "Accept: image/png").Header.Get("Vary"); got != want {
			t.Errorf("%s, 406: Vary %q, want %q", uri, got, want)
		}
	}
}

// Rules 37, 40: conditions and ranges with the tags of two variants.
func TestVariantsAndConditions(t *testing.T) {
	s := start(t, roost.Config{})
	s.add("/a", all, nil, roost.WithContentType(roost.Plain), roost.WithString(prose))
	plain := s.tag("/a")
	packed := s.do("GET", "/a", "", "Accept-Encoding: gzip")
	tag := packed.Header.Get("Etag")
	for _, row := range []struct {
		fields []string
		want   int
	}{
		{[]string{"If-None-Match: " + tag, "Accept-Encoding: gzip"}, 304},
		{[]string{"If-None-Match: " + plain, "Accept-Encoding: gzip"}, 200},
		{[]string{"If-None-Match: " + tag}, 200},
		{[]string{"If-None-Match: " + plain}, 304},
		{[]string{"If-None-Match: " + plain + ", " + tag}, 304},
		{[]string{"If-Match: " + tag}, 200},
		{[]string{"If-Match: " + plain, "Accept-Encoding: gzip"}, 200},
		{[]string{"If-Match: W/" + tag}, 412},
	} {
		a := s.do("GET", "/a", "", row.fields...)
		if a.Status != row.want {
			t.Errorf("%q: %d, want %d", row.fields, a.Status, row.want)
		}
		if a.Status == 304 && (a.Header.Get("Vary") != "Accept, Accept-Encoding" || !strings.Contains(row.fields[0], a.Header.Get("Etag"))) {
			t.Errorf("%q: 304 with %v", row.fields, a.Header)
		}
	}
	part := s.do("GET", "/a", "", "Accept-Encoding: gzip", "Range: bytes=2-9")
	if part.Status != 206 || part.Body != packed.Body[2:10] || part.Header.Get("Content-Encoding") != "gzip" ||
		part.Header.Get("Content-Range") != fmt.Sprintf("bytes 2-9/%d", len(packed.Body)) || part.Header.Get("Etag") != tag {
		t.Errorf("range of the coded variant: %d %v", part.Status, part.Header)
	}
	for field, want := range map[string]int{"If-Range: " + tag: 206, "If-Range: " + plain: 200} {
		if a := s.do("GET", "/a", "", "Accept-Encoding: gzip", "Range: bytes=2-9", field); a.Status != want {
			t.Errorf("%s: %d, want %d", field, a.Status, want)
		}
	}
	if a := s.do("PUT", "/a", "x", "If-None-Match: "+tag); a.Status != 412 {
		t.Errorf("PUT, If-None-Match with the tag of a variant: %d", a.Status)
	}
	if a := s.do("PUT", "/a", "x", "If-Match: "+tag); a.Status != 204 {
		t.Errorf("PUT, If-Match with the tag of a variant: %d", a.Status)
	}
	if a := s.do("PUT", "/a", "y", "If-Match: "+tag); a.Status != 412 {
		t.Errorf("PUT with the tag of an old variant: %d", a.Status)
	}
}

// A representation is coded once, for all who ask.
func TestCodedOnce(t *testing.T) {
	s := start(t, roost.Config{MaxBodyBytes: 8 << 20})
	s.add("/a", all, nil, roost.WithContentType(roost.Plain), roost.WithString(strings.Repeat(prose, 200)))
	var first string
	var once sync.Once
	var asking sync.WaitGroup
	for range 16 {
		asking.Go(func() {
			a := s.do("GET", "/a", "", "Accept-Encoding: gzip")
			once.Do(func() { first = a.Body })
			if a.Status != 200 || a.Body != first {
				t.Errorf("%d, %d octets", a.Status, len(a.Body))
			}
		})
	}
	asking.Wait()
	if got := gunzip(t, first); got != strings.Repeat(prose, 200) {
		t.Errorf("%d octets", len(got))
	}
	s.do("PUT", "/a", prose)
	if a := s.do("GET", "/a", "", "Accept-Encoding: gzip"); gunzip(t, a.Body) != prose {
		t.Error("the coded variant is an old one")
	}
}

func sha256Field(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

func sha512Field(content string) string {
	sum := sha512.Sum512([]byte(content))
	return "sha-512=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// Rule 35: digests that come are checked.
func TestDigestsReceived(t *testing.T) {
	eachTransport(t, func(t *testing.T, tr transport) {
		s := tr.start(t, roost.Config{})
		s.add("/a", all, nil, roost.WithContentType(roost.Plain))
		const registered = "https://iana.org/assignments/http-problem-types#"
		for _, row := range []struct {
			fields  []string
			problem string // "" is accepted
		}{
			{[]string{"Content-Digest: " + sha256Field("x")}, ""},
			{[]string{"Repr-Digest: " + sha512Field("x")}, ""},
			{[]string{"Content-Digest: " + sha256Field("x") + ", " + sha512Field("x")}, ""},
			{[]string{"Content-Digest: " + sha256Field("x"), "Repr-Digest: " + sha256Field("x")}, ""},
			{[]string{"Content-Digest: md5=:AAAA:"}, ""},
			{[]string{"Content-Digest: " + sha256Field("y")}, registered + "digest-mismatched-values"},
			{[]string{"Repr-Digest: " + sha256Field("x") + ", " + sha512Field("y")}, registered + "digest-mismatched-values"},
			{[]string{"Content-Digest: " + sha256Field("x"), "Repr-Digest: " + sha256Field("y")}, registered + "digest-mismatched-values"},
			{[]string{"Content-Digest: sha-256=:AAAA:"}, registered + "digest-invalid-values"},
			{[]string{"Content-Digest: sha-256=abc"}, "urn:roost:problem:bad-digest"},
			{[]string{"Repr-Digest: ,,"}, "urn:roost:problem:bad-digest"},
		} {
			for _, method := range []string{"PUT", "POST"} {
				before, tag := s.CountResources(), s.tag("/a")
				a := s.do(method, "/a", "x", row.fields...)
				if row.problem == "" {
					if a.Status >= 300 {
						t.Errorf("%s, %q: %d %s", method, row.fields, a.Status, a.Body)
					}
					continue
				}
				if a.Status != 400 || a.problem(t).Type != row.problem {
					t.Errorf("%s, %q: %d %s", method, row.fields, a.Status, a.Body)
				}
				if s.CountResources() != before || s.tag("/a") != tag {
					t.Errorf("%s, %q: changed something", method, row.fields)
				}
			}
		}
		for _, method := range []string{"PUT", "POST"} { // no content has a digest too
			if a := s.do(method, "/a", "", "Content-Digest: "+sha256Field("y")); a.Status != 400 {
				t.Errorf("%s without content: %d", method, a.Status)
			}
		}
		if a := s.do("GET", "/a", "", "Content-Digest: "+sha256Field("y")); a.Status != 200 {
			t.Errorf("GET: %d", a.Status)
		}
	})
}

// Rule 35: digests that are wanted are given, of the whole variant and of what is sent.
func TestDigestsSent(t *testing.T) {
	s := start(t, roost.Config{})
	s.add("/a", all, nil, roost.WithContentType(roost.Plain), roost.WithString(prose))
	packed := s.do("GET", "/a", "", "Accept-Encoding: gzip").Body
	for _, row := range []struct {
		fields        []string
		repr, content string
	}{
		{nil, "", ""},
		{[]string{"Want-Repr-Digest: sha-256=1"}, sha256Field(prose), ""},
		{[]string{"Want-Content-Digest: sha-256=1"}, "", sha256Field(prose)},
		{[]string{"Want-Repr-Digest: sha-256=1, sha-512=2", "Want-Content-Digest: sha-256=10, sha-512=9"}, sha512Field(prose), sha256Field(prose)},
		{[]string{"Want-Repr-Digest: sha-256=0, md5=10"}, "", ""},
		{[]string{"Want-Repr-Digest: nonsense("}, "", ""},
		{[]string{"Want-Repr-Digest: sha-256=1", "Want-Content-Digest: sha-256=1", "Range: bytes=0-2"}, sha256Field(prose), sha256Field(prose[:3])},
		{[]string{"Want-Repr-Digest: sha-256=1", "Want-Content-Digest: sha-256=1", "Accept-Encoding: gzip"}, sha256Field(packed), sha256Field(packed)},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			a := s.do(method, "/a", "", row.fields...)
			content := row.content
			if method == "HEAD" && len(row.fields) == 3 && strings.HasPrefix(row.fields[2], "Range") {
				content = sha256Field(prose)
			}
			if a.Header.Get("Repr-Digest") != row.repr || a.Header.Get("Content-Digest") != content {
				t.Errorf("%s %q: %v", method, row.fields, a.Header)
			}
		}
	}
}

// Rule 35: digests of what a PUT stored, and of a page of the index.
func TestDigestsOfOther200s(t *testing.T) {
	s := start(t, roost.Config{Index: true})
	s.add("/i/a", all, nil, roost.WithContentType(roost.Plain))
	wants := []string{"Want-Repr-Digest: sha-256=1", "Want-Content-Digest: sha-512=1", "Prefer: return=representation"}
	for _, a := range []answer{s.do("PUT", "/i/a", "new", wants...), s.do("GET", "/i/", "", wants...)} {
		if a.Header.Get("Repr-Digest") != sha256Field(a.Body) || a.Header.Get("Content-Digest") != sha512Field(a.Body) {
			t.Errorf("%d %q: %v", a.Status, a.Body, a.Header)
		}
	}
	if a := s.do("POST", "/i/a", "new", wants...); a.Header.Get("Repr-Digest") != "" { // a 201
		t.Errorf("%v", a.Header)
	}
}

// Rule 15: what the head decides is answered before the content is sent, conditions too.
func TestExpectIsAnsweredByConditions(t *testing.T) {
	s := start(t, roost.Config{MaxURI: 2, Index: true})
	s.add("/a", all, nil, roost.WithContentType(roost.Plain))
	s.add("/i/b", all, nil)
	for _, row := range []struct {
		head string
		want string
	}{
		{"PUT /a HTTP/1.1\r\nIf-Match: \"x\"", "412"},
		{"DELETE /a HTTP/1.1\r\nIf-None-Match: *", "412"},
		{"POST /a HTTP/1.1", "507"},
		{"PUT /a HTTP/1.1\r\nRoost-TTL: 5", "400"},
		{"POST /a HTTP/1.1\r\nIdempotency-Key: \"\"", "400"},
		{"GET /a HTTP/1.1\r\nIf-Match: \"x\"", "412"},
		{"GET /a HTTP/1.1\r\nAccept: image/png", "406"},
		{"GET /a HTTP/1.1\r\nAccept: image/png\r\nIf-Match: \"x\"", "406"},
		{"GET /i/ HTTP/1.1\r\nIf-Match: \"x\"", "412"},
	} {
		c := s.dial()
		c.send(row.head + "\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
		got := c.rest() // the connection is closed, as nobody knows what would follow
		if !strings.HasPrefix(got, "HTTP/1.1 "+row.want+" ") || !strings.Contains(got, "\r\nConnection: close\r\n") {
			t.Errorf("%s: %.200q", row.head, got)
		}
	}
	for _, fields := range []string{ // they have no effect on a stream, or don't fail
		"Accept: text/event-stream\r\nIf-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT\r\nIf-None-Match: *",
		"If-None-Match: *\r\nPrefer: wait=1",
	} {
		c := s.dial()
		c.send("GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\nConnection: close\r\n" + fields + "\r\n\r\nabc")
		if got := c.rest(); !strings.HasPrefix(got, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 304 ") {
			t.Errorf("%s: %.200q", fields, got)
		}
	}
	c := s.dial()
	c.send("PUT /a HTTP/1.1\r\nHost: a\r\nIf-Match: *\r\nContent-Length: 3\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
	first := make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))
	_, err := io.ReadFull(c, first)
	must(err)
	if !bytes.HasPrefix(first, []byte("HTTP/1.1 100 ")) {
		t.Fatalf("%q", first)
	}
	c.send("new")
	if got := c.rest(); !strings.HasPrefix(got, "HTTP/1.1 204 ") {
		t.Errorf("%.200q", got)
	}
}

package roost_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"roost"
)

// A row is one clause of docs/http-rules.md, or one sentence of the document ("doc"),
// as a request and what it gets. spec/vectors has those that need octets no
// HTTP client would send.
type row struct {
	rule   string
	says   string
	method string
	uri    string
	fields []string // of the request, "Name: value"
	body   string

	status int
	want   []string // fields of the answer, "Name: value", or "Name" alone for absent
	text   string   // the content; "~" before a regular expression; "problem NAME"
}

// fixture gives a server the resources that the rows speak of.
func fixture(s *site) {
	s.add("/all", all, nil, roost.WithString("hello"))
	s.add("/get", roost.GET, nil, roost.WithString("only get"), roost.WithContentType(roost.Plain))
	s.add("/post", roost.POST, nil, roost.WithContentType(roost.Plain))
	s.add("/slash/", all, nil)
	s.add("/put", roost.PUT, nil)
	s.add("/none", 0, nil)
	s.add("/default", roost.GET, nil)
	s.add("/empty", roost.GET, nil, roost.WithValue(nil))
	s.add("/json", all, nil, roost.WithContentType(roost.JSON), roost.WithString(`{"a":1}`))
	s.add("/xml", all, nil, roost.WithContentType(roost.XML), roost.WithString("<a/>"))
	s.add("/latin", roost.GET, nil, roost.WithContentType("text/plain; charset=iso-8859-1"), roost.WithValue([]byte("\xe9")))
	s.add("/octets", roost.GET, nil, roost.WithContentType(roost.Plain), roost.WithValue([]byte("\xff\xfe")))
	s.add("/param", roost.GET, nil, roost.WithContentType("text/plain; format=flowed"))
	s.add("/cached", roost.GET, nil, roost.WithCacheControl("max-age=60"))
	s.add("/svg", roost.GET|roost.PUT, nil, roost.WithContentType("image/svg+xml"), roost.WithString("<svg/>"))
	s.add("/a b/é", roost.GET, nil, roost.WithString("spelled"))
	s.add("/long", roost.GET|roost.PUT, nil, roost.WithContentType(roost.Plain), roost.WithString(prose))
	s.add("/client", all, nil, roost.WithClientTTL())
	s.add("/lasting", all, nil, roost.WithTTL(time.Hour))
	s.add("/%7Etilde", roost.GET, nil, roost.WithString("tilde"))
}

var rows = []row{
	// The document.
	{"doc", "GET serves the resource's value, 200 OK", "GET", "/all", nil, "", 200, nil, "hello"},
	{"doc", "if not given, the value is initialised to decimal 0", "GET", "/default", nil, "", 200, nil, "0"},
	{"doc", "the default content type is TEXT, text/html", "GET", "/default", nil, "", 200, []string{"Content-Type: text/html; charset=utf-8"}, "0"},
	{"doc", "PUT updates: 204, Content-Location is the resource's URI", "PUT", "/all", []string{"Content-Type: text/html"}, "new", 204, []string{"Content-Location: /all"}, ""},
	{"doc", "PUT does not create", "PUT", "/absent", nil, "x", 404, nil, "problem not-found"},
	{"doc", "POST creates a subresource: 201, Location has a 5 digit ID", "POST", "/all", []string{"Content-Type: text/plain"}, "x", 201, []string{"Location: ~^/all/[1-9][0-9]{4}$"}, "~^/all/[1-9][0-9]{4}\n$"},
	{"doc", "DELETE: 204", "DELETE", "/all", nil, "", 204, nil, ""},
	{"doc", "404", "GET", "/absent", nil, "", 404, nil, "problem not-found"},
	{"doc", "405", "DELETE", "/get", nil, "", 405, nil, "problem method-not-registered"},
	{"doc", "406", "GET", "/get", []string{"Accept: application/json"}, "", 406, nil, "problem not-acceptable"},
	{"doc", "413", "PUT", "/all", []string{"Content-Type: text/plain"}, strings.Repeat("x", 1025), 413, nil, "problem content-too-large"},
	{"doc", "415", "PUT", "/all", []string{"Content-Type: image/png"}, "x", 415, nil, "problem media-type-not-accepted"},

	{"every", "nosniff, Date, no Server", "GET", "/all", nil, "", 200, []string{"X-Content-Type-Options: nosniff", "Date: ~ GMT$", "Server"}, "hello"},
	{"every", "204 has neither length nor type", "PUT", "/all", []string{"Content-Type: text/plain"}, "x", 204, []string{"Content-Length", "Content-Type", "X-Content-Type-Options: nosniff"}, ""},

	{"1", "method unknown before no T", "FOO", "/absent", nil, "", 501, nil, "problem method-unknown"},
	{"1", "cross-origin before no T", "PUT", "/absent", []string{"Sec-Fetch-Site: cross-site"}, "", 403, nil, "problem foreign-origin"},
	{"1", "no T before the media type", "PUT", "/absent", []string{"Content-Type: image/png"}, "x", 404, nil, "problem not-found"},
	{"1", "method before the media type", "PUT", "/get", []string{"Content-Type: image/png"}, "x", 405, nil, "problem method-not-registered"},
	{"1", "Content-Range before the media type", "PUT", "/all", []string{"Content-Type: image/png", "Content-Range: bytes 0-0/1"}, "x", 400, nil, "problem partial-put"},
	{"1", "media type before the length", "PUT", "/all", []string{"Content-Type: image/png"}, strings.Repeat("x", 2000), 415, nil, "problem media-type-not-accepted"},
	{"1", "declared length before Roost-TTL", "PUT", "/all", []string{"Roost-Ttl: 5"}, strings.Repeat("x", 2000), 413, nil, "problem content-too-large"},
	{"1", "media type before Roost-TTL", "PUT", "/all", []string{"Content-Type: image/png", "Roost-Ttl: 5"}, "x", 415, nil, "problem media-type-not-accepted"},
	{"1", "Roost-TTL before digests", "PUT", "/all", []string{"Roost-Ttl: 5", "Content-Digest: x"}, "x", 400, nil, "problem bad-ttl"},
	{"1", "Idempotency-Key before digests", "POST", "/all", []string{"Idempotency-Key: \"\"", "Content-Digest: ,"}, "x", 400, nil, "problem bad-idempotency-key"},
	{"1", "digests before conditions", "PUT", "/all", []string{"Content-Digest: ,", `If-Match: "x"`}, "x", 400, nil, "problem bad-digest"},
	{"1", "method before Roost-TTL", "DELETE", "/get", []string{"Roost-Ttl: 5"}, "", 405, nil, "problem method-not-registered"},
	{"1", "repeated field before the method", "FOO", "/all", []string{"Content-Type: a/b", "Content-Type: a/b"}, "", 400, nil, "problem repeated-field"},

	{"4", "a target of 8,000 octets works", "GET", "/all?" + strings.Repeat("q", 7990), nil, "", 200, nil, "hello"},
	{"4", "a target over 8 KiB", "GET", "/all?" + strings.Repeat("q", 8<<10), nil, "", 414, nil, "problem target-too-long"},
	{"4", "fields over 16 KiB, the largest is named", "GET", "/all", []string{"X-Large: " + strings.Repeat("x", 16<<10)}, "", 431, nil, "~largest is X-Large"},
	{"4", "more than 100 fields", "GET", "/all", manyFields(101), "", 431, nil, "problem fields-too-large"},
	{"4", "a method over 32 octets", strings.Repeat("M", 33), "/all", nil, "", 501, nil, "problem method-unknown"},
	{"7", "two Content-Type lines", "PUT", "/all", []string{"Content-Type: text/plain", "Content-Type: text/plain"}, "x", 400, nil, "problem repeated-field"},
	{"7", "two Authorization lines", "GET", "/all", []string{"Authorization: a", "Authorization: b"}, "", 400, nil, "problem repeated-field"},
	{"7", "two Idempotency-Key lines", "POST", "/all", []string{"Idempotency-Key: k", "Idempotency-Key: k"}, "x", 400, nil, "problem repeated-field"},
	{"7", "two Roost-TTL lines", "PUT", "/client", []string{"Roost-Ttl: 5", "Roost-Ttl: 5"}, "x", 400, nil, "problem repeated-field"},
	{"7", "list fields are joined", "GET", "/get", []string{"Accept: text/html", "Accept: , text/plain"}, "", 200, nil, "only get"},
	{"14", "413 tells the limit, the value and the setting", "PUT", "/all", []string{"Content-Type: text/plain"}, strings.Repeat("x", 1025), 413, []string{"Retry-After"}, `~"limit":1024,"value":1025,"setting":"max-body"`},

	{"17", "the query takes no part", "GET", "/all?x=/absent", nil, "", 200, nil, "hello"},
	{"17", "unreserved characters are decoded", "GET", "/%61ll", nil, "", 200, nil, "hello"},
	{"17", "hex digits in either case", "GET", "/a%20b/%c3%a9", nil, "", 200, nil, "spelled"},
	{"17", "case distinguishes", "GET", "/ALL", nil, "", 404, nil, "problem not-found"},
	{"17", "a last slash distinguishes", "GET", "/all/", nil, "", 404, nil, "problem not-found"},
	{"17", "empty segments are kept", "GET", "//all", nil, "", 404, nil, "problem not-found"},
	{"17", "%2F is no slash", "GET", "/slash%2F", nil, "", 404, nil, "problem not-found"},
	{"17", "%00", "GET", "/all%00", nil, "", 400, nil, "problem bad-target"},
	{"18", "the normal form is the key", "GET", "/~tilde", nil, "", 200, nil, "tilde"},

	{"20", "lower case is another method", "get", "/all", nil, "", 501, nil, "problem method-unknown"},
	{"20", "PATCH is known, never allowed", "PATCH", "/all", nil, "", 405, []string{"Allow: GET, HEAD, PUT, POST, DELETE, OPTIONS"}, "problem method-not-registered"},
	{"20", "PATCH without T", "PATCH", "/absent", nil, "", 404, nil, "problem not-found"},
	{"20", "QUERY", "QUERY", "/all", nil, "", 405, nil, "problem method-not-registered"},
	{"20", "TRACE: nothing is echoed", "TRACE", "/all", nil, "", 405, nil, "problem method-not-registered"},
	{"21", "404 to PUT says what creates", "PUT", "/absent", nil, "", 404, nil, "~POST to the parent"},
	{"21", "Allow: the registered, HEAD with GET, OPTIONS", "PUT", "/get", nil, "", 405, []string{"Allow: GET, HEAD, OPTIONS"}, "problem method-not-registered"},
	{"21", "no HEAD without GET", "GET", "/put", nil, "", 405, []string{"Allow: PUT, OPTIONS"}, "problem method-not-registered"},
	{"21", "nothing registered: says how", "GET", "/none", nil, "", 405, []string{"Allow: OPTIONS"}, "~register_request_handler"},
	{"22", "Sec-Fetch-Site same-origin", "PUT", "/all", []string{"Sec-Fetch-Site: same-origin", "Origin: http://other.example"}, "x", 204, nil, ""},
	{"22", "Sec-Fetch-Site none", "PUT", "/all", []string{"Sec-Fetch-Site: none"}, "x", 204, nil, ""},
	{"22", "Sec-Fetch-Site same-site", "POST", "/all", []string{"Sec-Fetch-Site: same-site"}, "x", 403, []string{"Cache-Control: no-store"}, "problem foreign-origin"},
	{"22", "Origin of another host", "DELETE", "/all", []string{"Origin: http://other.example"}, "", 403, nil, "problem foreign-origin"},
	{"22", "Origin null", "DELETE", "/all", []string{"Origin: null"}, "", 403, nil, "problem foreign-origin"},
	{"22", "reading is not refused", "GET", "/all", []string{"Origin: http://other.example", "Sec-Fetch-Site: cross-site"}, "", 200, []string{"Access-Control-Allow-Origin", "Vary: Accept"}, "hello"},
	{"23", "OPTIONS", "OPTIONS", "/get", nil, "", 204, []string{"Allow: GET, HEAD, OPTIONS", "Roost-Capacity: ~^resources=[0-9]+;limit=100$"}, ""},
	{"23", "OPTIONS needs no registration", "OPTIONS", "/none", nil, "", 204, []string{"Allow: OPTIONS"}, ""},
	{"23", "OPTIONS without T", "OPTIONS", "/absent", nil, "", 404, nil, "problem not-found"},
	{"24", "HEAD has GET's fields", "HEAD", "/all", nil, "", 200, []string{"Content-Length: 5", "Content-Type: text/html; charset=utf-8", "Etag: ~^\"[a-z0-9]+-[0-9]+\"$"}, ""},
	{"24", "HEAD of an error", "HEAD", "/absent", nil, "", 404, []string{"Content-Type: application/problem+json", "Content-Length: ~^[1-9]"}, ""},
	{"24", "HEAD where GET is not registered", "HEAD", "/put", nil, "", 405, []string{"Allow: PUT, OPTIONS"}, ""},
	{"24", "HEAD ignores Range", "HEAD", "/all", []string{"Range: bytes=0-1"}, "", 200, []string{"Content-Length: 5"}, ""},
	{"25", "content in GET has no effect", "GET", "/all", nil, "ignored", 200, nil, "hello"},
	{"25", "content in GET is read within the limit", "GET", "/all", nil, strings.Repeat("x", 1025), 413, nil, "problem content-too-large"},

	{"26", "no Accept", "GET", "/get", nil, "", 200, nil, "only get"},
	{"26", "*/*, as a bare curl sends", "GET", "/get", []string{"Accept: */*"}, "", 200, nil, "only get"},
	{"26", "text/*", "GET", "/get", []string{"Accept: text/*"}, "", 200, nil, "only get"},
	{"26", "the most specific decides", "GET", "/get", []string{"Accept: text/plain;q=0, */*"}, "", 406, []string{"Vary: Accept"}, `~"available":\["text/plain"\]`},
	{"26", "nothing parsable", "GET", "/get", []string{"Accept: ;;;"}, "", 200, nil, "only get"},
	{"26", "empty", "GET", "/get", []string{"Accept: "}, "", 200, nil, "only get"},
	{"26", "malformed members are skipped", "GET", "/get", []string{"Accept: text, application/json"}, "", 406, nil, "problem not-acceptable"},
	{"26", "other parameters must be equal", "GET", "/get", []string{"Accept: text/plain; format=flowed"}, "", 406, nil, "problem not-acceptable"},
	{"26", "equal parameters fit", "GET", "/param", []string{"Accept: text/plain; format=flowed"}, "", 200, nil, "0"},
	{"26", "charset takes no part", "GET", "/get", []string{"Accept: text/plain; charset=latin1"}, "", 200, nil, "only get"},
	{"27", "Accept does not refuse a PUT", "PUT", "/all", []string{"Accept: image/png", "Content-Type: text/plain"}, "x", 204, nil, ""},
	{"27", "nor an error", "GET", "/absent", []string{"Accept: image/png"}, "", 404, []string{"Content-Type: application/problem+json"}, "problem not-found"},
	{"28", "problem details", "GET", "/absent", nil, "", 404, []string{"Content-Type: application/problem+json", "Cache-Control: no-store"}, `~^\{"type":"urn:roost:problem:not-found","title":".+","status":404,"detail":".+"\}\n$`},
	{"28", "plain text if it weighs more", "GET", "/absent", []string{"Accept: text/plain, application/json;q=0.5"}, "", 404, []string{"Content-Type: text/plain; charset=utf-8"}, "~^404 No such resource\n"},
	{"28", "HTML for browsers", "GET", "/absent", []string{"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, "", 404, []string{"Content-Type: text/html; charset=utf-8", "Content-Security-Policy: default-src 'none'"}, "~^<!doctype html>"},
	{"28", "HTML if named and JSON is not", "GET", "/absent", []string{"Accept: text/html;q=0.5, */*"}, "", 404, []string{"Content-Type: text/html; charset=utf-8"}, "~^<!doctype html>"},
	{"28", "JSON in a tie where both are named", "GET", "/absent", []string{"Accept: text/html, application/json"}, "", 404, []string{"Content-Type: application/problem+json"}, "problem not-found"},
	{"29", "text/html without charset", "GET", "/all", nil, "", 200, []string{"Content-Type: text/html; charset=utf-8"}, "hello"},
	{"29", "text/plain without charset", "GET", "/get", nil, "", 200, []string{"Content-Type: text/plain; charset=utf-8"}, "only get"},
	{"29", "a charset stays", "GET", "/latin", nil, "", 200, []string{"Content-Type: text/plain; charset=iso-8859-1"}, "\xe9"},
	{"29", "not valid UTF-8: none is added", "GET", "/octets", nil, "", 200, []string{"Content-Type: text/plain"}, "\xff\xfe"},
	{"29", "to no other type", "GET", "/json", nil, "", 200, []string{"Content-Type: application/json"}, `{"a":1}`},
	{"30", "the program's HTML is not sandboxed", "GET", "/all", nil, "", 200, []string{"Content-Security-Policy"}, "hello"},
	{"31", "any case, with parameters", "PUT", "/all", []string{"Content-Type: TEXT/Plain; Charset=utf-8"}, "x", 204, nil, ""},
	{"31", "none: accepted", "PUT", "/all", nil, "x", 204, nil, ""},
	{"31", "what curl -d sends", "PUT", "/all", []string{"Content-Type: application/x-www-form-urlencoded"}, "x", 204, nil, ""},
	{"31", "unparsable", "PUT", "/all", []string{"Content-Type: text"}, "x", 415, []string{"Accept: text/html, text/xml, text/plain, application/json, application/octet-stream, application/xml", "Accept-Encoding"}, "problem media-type-not-accepted"},
	{"31", "the resource's own type is accepted", "PUT", "/svg", []string{"Content-Type: image/svg+xml"}, "<svg/>", 204, nil, ""},
	{"32", "Vary and Cache-Control", "GET", "/all", nil, "", 200, []string{"Vary: Accept", "Cache-Control: no-cache"}, "hello"},
	{"32", "the resource's setting", "GET", "/cached", nil, "", 200, []string{"Cache-Control: max-age=60"}, "0"},
	{"33", "errors are never coded", "GET", "/absent", []string{"Accept-Encoding: gzip, identity;q=0"}, "", 404, []string{"Content-Encoding"}, "problem not-found"},
	{"33", "lines are joined", "GET", "/long", []string{"Accept-Encoding: br", "Accept-Encoding: gzip"}, "", 200, []string{"Content-Encoding: gzip", "Vary: Accept, Accept-Encoding"}, "~"},
	{"33", "the answer to PUT is not coded", "PUT", "/long", []string{"Accept-Encoding: gzip", "Prefer: return=representation"}, strings.Repeat("x", 1024), 200, []string{"Content-Encoding"}, strings.Repeat("x", 1024)},
	{"31", "a media type of more than 255 octets", "PUT", "/all", []string{"Content-Type: text/plain; a=" + strings.Repeat("x", 250)}, "x", 415, nil, "problem media-type-not-accepted"},
	{"34", "a content coding", "PUT", "/all", []string{"Content-Encoding: gzip", "Content-Type: text/plain"}, "x", 415, []string{"Accept-Encoding: identity", "Accept"}, "problem coding-not-accepted"},
	{"34", "identity is none", "PUT", "/all", []string{"Content-Encoding: Identity,", "Content-Type: text/plain"}, "x", 204, nil, ""},
	{"35", "lines are one dictionary", "PUT", "/all", []string{"Repr-Digest: " + sha256Field("x"), "Repr-Digest: sha-512=1"}, "x", 400, nil, "problem bad-digest"},
	{"35", "digests in DELETE mean nothing", "DELETE", "/all", []string{"Content-Digest: ,"}, "x", 204, nil, ""},
	{"35", "wanted of what PUT stored", "PUT", "/all", []string{"Prefer: return=representation", "Want-Repr-Digest: sha-256=1"}, "x", 200, []string{"Repr-Digest: " + sha256Field("x"), "Content-Digest"}, "x"},
	{"35", "no digest on a 304", "GET", "/all", []string{"If-None-Match: *", "Want-Repr-Digest: sha-256=1"}, "", 304, []string{"Repr-Digest"}, ""},
	{"35", "no digest on an error", "GET", "/absent", []string{"Want-Content-Digest: sha-256=1"}, "", 404, []string{"Content-Digest"}, "problem not-found"},
	{"35", "no digest on a stream", "HEAD", "/all", []string{"Accept: text/event-stream", "Want-Repr-Digest: sha-256=1"}, "", 200, []string{"Content-Type: text/event-stream", "Repr-Digest"}, ""},
	{"40", "Content-Range in PUT", "PUT", "/all", []string{"Content-Range: bytes 0-0/5"}, "x", 400, nil, "problem partial-put"},
	{"41", "406 at once", "GET", "/get", []string{"If-None-Match: *", "Prefer: wait=20", "Accept: image/png"}, "", 406, []string{"Preference-Applied"}, "problem not-acceptable"},
	{"41", "404 at once", "GET", "/absent", []string{"If-None-Match: *", "Prefer: wait=20"}, "", 404, []string{"Preference-Applied"}, "problem not-found"},
	{"41", "405 at once", "GET", "/put", []string{"If-None-Match: *", "Prefer: wait=20"}, "", 405, []string{"Preference-Applied"}, "problem method-not-registered"},
	{"42", "lines are joined", "HEAD", "/get", []string{"Accept: text/*", "Accept: text/event-stream"}, "", 200, []string{"Content-Type: text/event-stream"}, ""},
	{"42", "weight 0 and nothing else", "GET", "/get", []string{"Accept: text/event-stream;q=0"}, "", 406, nil, "problem not-acceptable"},
	{"43", "If-None-Match: *", "GET", "/get", []string{"Accept: text/event-stream", "If-None-Match: *", "Prefer: wait=20"}, "", 304, []string{"Cache-Control: no-store", "Etag", "Preference-Applied"}, ""},
	{"46", "GET is not registered", "GET", "/put", []string{"Accept: text/event-stream"}, "", 405, []string{"Allow: PUT, OPTIONS"}, "problem method-not-registered"},
	{"48", "an empty value", "GET", "/empty", nil, "", 200, []string{"Content-Length: 0", "Content-Type: text/html; charset=utf-8"}, ""},
	{"48", "the validators", "GET", "/all", nil, "", 200, []string{"Etag: ~^\"[a-z0-9-]+\"$", "Last-Modified: ~ GMT$"}, "hello"},
	{"49", "PUT", "PUT", "/all", nil, "x", 204, []string{"Content-Location: /all", "Etag: ~^\"[a-z0-9-]+\"$", "Last-Modified: ~ GMT$"}, ""},
	{"50", "POST", "POST", "/post", nil, "x", 201, []string{"Location: ~^/post/[0-9]{5}$", "Etag: ~-", "Last-Modified: ~GMT", "Content-Type: text/plain; charset=utf-8", "Roost-Capacity: ~;limit=100$"}, "~^/post/[0-9]{5}\n$"},
	{"50", "none added after a last slash", "POST", "/slash/", nil, "x", 201, []string{"Location: ~^/slash/[0-9]{5}$"}, "~^/slash/[0-9]{5}\n$"},
	{"50", "a key in PUT means nothing", "PUT", "/all", []string{`Idempotency-Key: ""`}, "x", 204, nil, ""},
	{"51", "DELETE", "DELETE", "/all", nil, "", 204, []string{"Etag", "Last-Modified", "Roost-Capacity: ~^resources="}, ""},
	{"56", "a part tells when the value ends", "GET", "/lasting", []string{"Range: bytes=0-0"}, "", 206, []string{"Sunset: ~ GMT$"}, "0"},
	{"56", "a 304 does not", "GET", "/lasting", []string{"If-None-Match: *"}, "", 304, []string{"Sunset"}, ""},
	{"56", "an error does not", "PUT", "/lasting", []string{`If-Match: "x"`}, "x", 412, []string{"Sunset"}, "problem precondition-failed"},
	{"56", "POST takes the parent's time", "POST", "/lasting", nil, "x", 201, []string{"Sunset: ~ GMT$"}, "~^/lasting/[0-9]{5}\n$"},
	{"56", "a time of the resource's own allows no other", "PUT", "/lasting", []string{"Roost-Ttl: 5"}, "x", 400, nil, "problem bad-ttl"},
	{"56", "HEAD has none", "HEAD", "/client", []string{"Roost-Ttl: 5"}, "", 400, nil, ""},
}

func manyFields(n int) []string {
	fields := make([]string, n)
	for i := range fields {
		fields[i] = "X-Many: " + string(rune('a'+i%26))
	}
	return fields
}

func TestRules(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			for _, r := range rows {
				t.Run(r.rule+" "+r.says, func(t *testing.T) {
					t.Parallel()
					s := tr.start(t, roost.Config{MaxBodyBytes: 1024})
					fixture(s)
					r.check(t, tr, s.do(r.method, r.uri, r.body, r.fields...))
				})
			}
		})
	}
}

func (r row) check(t *testing.T, tr transport, a answer) {
	t.Helper()
	if a.Status != r.status {
		t.Errorf("status %d, want %d", a.Status, r.status)
	}
	for _, want := range r.want {
		name, value, present := strings.Cut(want, ": ")
		got, ok := a.Header[name]
		switch {
		case !present && ok:
			t.Errorf("%s: %q, want none", name, got)
		case present && (len(got) != 1 || !matches(value, got[0])):
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	name, isProblem := strings.CutPrefix(r.text, "problem ")
	switch {
	case isProblem:
		if p := a.problem(t); p.Type != "urn:roost:problem:"+name || p.Status != r.status || p.Title == "" || p.Detail == "" {
			t.Errorf("problem %+v, want %s", p, name)
		}
	case !matches(r.text, a.Body):
		t.Errorf("content %q, want %q", a.Body, r.text)
	}
	if a.Status >= 400 && a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("an error without no-store: %v", a.Header)
	}
	if closing := closingStatus[a.Status] || name == "bad-target"; !tr.h2 && a.Close != closing && a.Status != 501 {
		t.Errorf("connection closes: %t, want %t", a.Close, closing)
	}
}

var closingStatus = map[int]bool{408: true, 413: true, 414: true, 417: true, 431: true, 505: true}

// matches compares to the letter, or behind "~" by a regular expression.
func matches(want, got string) bool {
	if pattern, ok := strings.CutPrefix(want, "~"); ok {
		return regexp.MustCompile(pattern).MatchString(got)
	}
	return want == got
}

// What one request leaves for the next to see.

func TestSequences(t *testing.T) {
	sequences := []struct {
		rule string
		run  func(t *testing.T, s *site)
	}{
		{"doc: PUT updates the value", func(t *testing.T, s *site) {
			s.do("PUT", "/all", "new", "Content-Type: text/html")
			s.do("GET", "/all", "").expect(t, 200, "new")
		}},
		{"doc: the child's value is the payload, read at Location", func(t *testing.T, s *site) {
			child := s.do("POST", "/all", "payload", "Content-Type: text/plain").Header.Get("Location")
			a := s.do("GET", child, "")
			a.expect(t, 200, "payload")
			if got := a.Header.Get("Content-Type"); got != "text/plain; charset=utf-8" {
				t.Errorf("type %q", got)
			}
		}},
		{"51: DELETE again is 404", func(t *testing.T, s *site) {
			s.do("DELETE", "/all", "").expect(t, 204, "")
			if a := s.do("DELETE", "/all", ""); a.Status != 404 {
				t.Errorf("status %d", a.Status)
			}
		}},
		{"51: children stay, and answer as they did", func(t *testing.T, s *site) {
			child := s.do("POST", "/all", "x").Header.Get("Location")
			s.do("DELETE", "/all", "").expect(t, 204, "")
			s.do("GET", child, "").expect(t, 200, "x")
			s.do("PUT", child, "y").expect(t, 204, "")
			s.do("DELETE", child, "").expect(t, 204, "")
		}},
		{"31: no type keeps the resource's", func(t *testing.T, s *site) {
			s.do("PUT", "/json", "1")
			if got := s.do("GET", "/json", "").Header.Get("Content-Type"); got != roost.JSON {
				t.Errorf("type %q", got)
			}
		}},
		{"31: a type replaces the resource's, with parameters", func(t *testing.T, s *site) {
			s.do("PUT", "/json", "1", "Content-Type: text/PLAIN; charset=us-ascii").expect(t, 204, "")
			if got := s.do("GET", "/json", "").Header.Get("Content-Type"); got != "text/PLAIN; charset=us-ascii" {
				t.Errorf("type %q", got)
			}
		}},
		{"31: POST without a type takes the parent's", func(t *testing.T, s *site) {
			child := s.do("POST", "/json", "1", "Content-Type: application/x-www-form-urlencoded").Header.Get("Location")
			if got := s.do("GET", child, "").Header.Get("Content-Type"); got != roost.JSON {
				t.Errorf("type %q", got)
			}
		}},
		{"30: HTML of a client is sandboxed, until the program sets it", func(t *testing.T, s *site) {
			s.do("PUT", "/all", "<p>", "Content-Type: text/html")
			if got := s.do("GET", "/all", "").Header.Get("Content-Security-Policy"); got != "sandbox" {
				t.Errorf("policy %q", got)
			}
			s.do("PUT", "/all", "plain", "Content-Type: text/plain")
			if got, ok := s.do("GET", "/all", "").Header["Content-Security-Policy"]; ok {
				t.Errorf("plain text has policy %q", got)
			}
			s.do("PUT", "/all", "<svg/>", "Content-Type: application/xml")
			if got := s.do("GET", "/all", "").Header.Get("Content-Security-Policy"); got != "sandbox" {
				t.Errorf("XML has policy %q", got)
			}
			r, _ := s.GetResource("/all")
			if _, err := r.SetValue(t.Context(), []byte("mine")); err != nil {
				t.Fatal(err)
			}
			if got, ok := s.do("GET", "/all", "").Header["Content-Security-Policy"]; ok {
				t.Errorf("the program's has policy %q", got)
			}
		}},
		{"39: every write makes a new tag, equal octets too", func(t *testing.T, s *site) {
			seen := map[string]bool{s.do("GET", "/all", "").Header.Get("Etag"): true}
			for range 3 {
				put := s.do("PUT", "/all", "same").Header.Get("Etag")
				if get := s.do("GET", "/all", "").Header.Get("Etag"); get != put || seen[put] {
					t.Errorf("GET has %s, PUT had %s, seen %v", get, put, seen)
				}
				seen[put] = true
			}
		}},
		{"17, 18: other spellings reach the same resource, answers have the normal form", func(t *testing.T, s *site) {
			s.add("/ü ber", roost.PUT|roost.POST, nil)
			if got := s.do("PUT", "/x/../%C3%BC%20ber", "x").Header.Get("Content-Location"); got != "/%C3%BC%20ber" {
				t.Errorf("Content-Location %q", got)
			}
			if got := s.do("POST", "/%C3%bc%20ber", "x").Header.Get("Location"); !matches("~^/%C3%BC%20ber/[0-9]{5}$", got) {
				t.Errorf("Location %q", got)
			}
			if got := s.ListResource("/ü ber/"); len(got) != 1 {
				t.Errorf("listed %q", got)
			}
		}},
		{"55: the capacity counts down and up", func(t *testing.T, s *site) {
			before := s.do("OPTIONS", "/all", "").Header.Get("Roost-Capacity")
			made := s.do("POST", "/all", "x").Header
			if made.Get("Roost-Capacity") == before {
				t.Errorf("still %s after POST", before)
			}
			if got := s.do("DELETE", made.Get("Location"), "").Header.Get("Roost-Capacity"); got != before {
				t.Errorf("%s after DELETE, was %s", got, before)
			}
		}},
	}
	for _, tr := range transports {
		for _, seq := range sequences {
			t.Run(tr.name+" "+seq.rule, func(t *testing.T) {
				t.Parallel()
				s := tr.start(t, roost.Config{})
				fixture(s)
				seq.run(t, s)
			})
		}
	}
}

// Rule 30: what the program declared as plain text does not become a page of its own
// because a client called it HTML.
func TestRetypedValueIsSandboxed(t *testing.T) {
	s := start(t, roost.Config{})
	r := s.add("/a", all, nil, roost.WithContentType(roost.Plain))
	policy := func(uri string) string { return s.do("GET", uri, "").Header.Get("Content-Security-Policy") }
	s.do("PUT", "/a", "x", "Content-Type: text/html")
	if _, err := r.SetValue(t.Context(), []byte("<script>")); err != nil {
		t.Fatal(err)
	}
	if got := policy("/a"); got != "sandbox" {
		t.Errorf("policy %q", got)
	}
	uri := s.do("POST", "/a", "x").Header.Get("Location") // of the type that /a has now
	child, err := s.GetResource(uri)
	must(err)
	_, err = child.SetValue(t.Context(), []byte("<script>"))
	must(err)
	if got := policy(uri); got != "sandbox" {
		t.Errorf("the child's policy %q", got)
	}
	s.do("PUT", "/a", "x", "Content-Type: text/plain")
	_, err = r.SetValue(t.Context(), []byte("plain again"))
	must(err)
	if got := policy("/a"); got != "" {
		t.Errorf("plain text has policy %q", got)
	}
}

func TestPolicySettingReplacesBoth(t *testing.T) {
	s := start(t, roost.Config{ContentSecurityPolicy: "default-src 'self'"})
	s.add("/a", all, nil)
	for range 2 {
		if got := s.do("GET", "/a", "").Header.Get("Content-Security-Policy"); got != "default-src 'self'" {
			t.Errorf("policy %q", got)
		}
		s.do("PUT", "/a", "<b>")
	}
}

// Rule 22 where origins are allowed.
func TestCORS(t *testing.T) {
	const page = "http://app.example"
	readable := func(t *testing.T, a answer, origin string) {
		t.Helper()
		if got := a.Header["Access-Control-Allow-Origin"]; len(got) != 1 || got[0] != origin {
			t.Errorf("%d: Access-Control-Allow-Origin %q, want %q", a.Status, got, origin)
		}
		if got := a.Header.Get("Access-Control-Expose-Headers"); !strings.Contains(got, "ETag") || !strings.Contains(got, "Location") {
			t.Errorf("%d: exposes %q", a.Status, got)
		}
	}
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			s := tr.start(t, roost.Config{CORS: []string{page, "https://other.example:8443"}, MaxBodyBytes: 10})
			s.add("/a", all, nil)

			for _, a := range []answer{
				s.do("GET", "/a", "", "Origin: "+page),
				s.do("GET", "/absent", "", "Origin: "+page),
				s.do("PUT", "/a", "x", "Origin: "+page, "Sec-Fetch-Site: cross-site"),
				s.do("PUT", "/a", "much too long", "Origin: "+page),
				s.do("FOO", "/a", "", "Origin: "+page),
				s.do("GET", "/a", "", "Origin: "+page, "Authorization: a", "Authorization: b"),
			} {
				readable(t, a, page)
				if got := a.Header.Values("Vary"); got[len(got)-1] != "Origin" {
					t.Errorf("%d: Vary %q", a.Status, got)
				}
			}
			s.do("GET", "/a", "").expect(t, 200, "x")

			a := s.do("OPTIONS", "/absent", "", "Origin: "+page, "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: content-type, x-mine")
			readable(t, a, page)
			if a.Status != 204 || a.Header.Get("Access-Control-Allow-Headers") != "content-type, x-mine" ||
				!strings.Contains(a.Header.Get("Access-Control-Allow-Methods"), "PUT") || a.Header.Get("Access-Control-Max-Age") != "600" {
				t.Errorf("preflight got %d %v", a.Status, a.Header)
			}

			for _, origin := range []string{"http://evil.example", "null", "https://app.example", page + ".evil.example"} {
				a := s.do("PUT", "/a", "evil", "Origin: "+origin)
				if a.Status != 403 || a.Header.Get("Access-Control-Allow-Origin") != "" || a.Header.Get("Vary") != "Origin" {
					t.Errorf("%s: got %d %v", origin, a.Status, a.Header)
				}
			}
			s.do("GET", "/a", "").expect(t, 200, "x")
		})
	}
	t.Run("any", func(t *testing.T) {
		s := start(t, roost.Config{CORS: []string{"*"}})
		s.add("/a", all, nil)
		for _, a := range []answer{
			s.do("GET", "/a", "", "Origin: "+page),
			s.do("GET", "/a", ""),
			s.do("DELETE", "/absent", "", "Origin: null", "Sec-Fetch-Site: cross-site"),
		} {
			readable(t, a, "*")
			if got := strings.Join(a.Header.Values("Vary"), ","); strings.Contains(got, "Origin") {
				t.Errorf("Vary %q", got)
			}
		}
	})
}

// A list that has "*" among others allows all.
func TestCORSAnyAmongOthers(t *testing.T) {
	s := start(t, roost.Config{CORS: []string{"http://one.example", "*"}})
	s.add("/a", all, nil)
	for _, origin := range []string{"http://one.example", "http://two.example", "null"} {
		a := s.do("PUT", "/a", "x", "Origin: "+origin)
		if a.Status != 204 || a.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %d %v", origin, a.Status, a.Header)
		}
	}
}

// Rule 6 with the server's own names.
func TestHosts(t *testing.T) {
	s := start(t, roost.Config{Hosts: []string{"roost.example", "::1"}})
	s.add("/a", all, nil)
	for host, want := range map[string]int{
		"roost.example": 200, "ROOST.example:8080": 200, "[::1]:80": 200, "[::1]": 200,
		"evil.example": 421, "roost.example.evil.example": 421, "127.0.0.1": 421,
	} {
		if a := s.do("GET", "/a", "", "Host: "+host); a.Status != want {
			t.Errorf("%s: %d, want %d", host, a.Status, want)
		}
	}
}

// Rule 19, and the ways in which a router can mount the server.
func TestPrefix(t *testing.T) {
	for _, mount := range []string{"stripped", "unstripped", "own"} {
		t.Run(mount, func(t *testing.T) {
			told := make(chan *roost.Exchange, 10)
			s := start(t, roost.Config{Prefix: "/api/v1"})
			s.add("/a", all, func(e *roost.Exchange) { told <- e })
			switch mount {
			case "stripped":
				s.mount(http.StripPrefix("/api/v1", s.Server))
			case "unstripped":
				mux := http.NewServeMux()
				mux.Handle("/api/v1/", s.Server)
				s.mount(mux)
			}
			if got := s.do("PUT", "/api/v1/%61", "x").Header.Get("Content-Location"); got != "/api/v1/a" {
				t.Errorf("Content-Location %q", got)
			}
			child := s.do("POST", "/api/v1/a?q=1", "y").Header.Get("Location")
			if !matches("~^/api/v1/a/[0-9]{5}$", child) {
				t.Fatalf("Location %q", child)
			}
			s.do("GET", child, "").expect(t, 200, "y")
			for _, outside := range []string{"/a", "/api/v1", "/api/v1x/a", "/api"} {
				if a := s.do("GET", outside, ""); a.Status == 200 {
					t.Errorf("%s is served", outside)
				}
			}
			put, post := <-told, <-told
			if put.URI != "/a" || post.URI != "/a" || "/api/v1"+post.NewURI != child || post.Query != "q=1" {
				t.Errorf("callbacks got %+v and %+v", put, post)
			}
		})
	}
}

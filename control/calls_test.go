package control_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"roost"
	"roost/control"
)

// What each call answers to what is wrong with it.
func TestRefusals(t *testing.T) {
	c := start(t, config(roost.Config{MaxURI: 3}))
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	const resource, value, handler = "/v1/resource?uri=/a", "/v1/resource/value?uri=/a", "/v1/resource/handler?uri=/a"

	for _, call := range [][2]string{
		{"GET", "/v1/resources"}, {"GET", resource}, {"DELETE", resource}, {"DELETE", "/v1/server"},
	} {
		c.call(call[0], call[1], nil).expect(t, 409, "server-not-running")
	}
	c.call("POST", "/v1/resources", object{"uri": "/a"}).expect(t, 409, "server-not-running")
	c.call("PUT", value, object{"value": "x"}).expect(t, 409, "server-not-running")
	c.call("PUT", handler, object{"methods": []string{}}).expect(t, 409, "server-not-running")

	for _, row := range []struct {
		settings object
		status   int
		problem  string
		says     []string
	}{
		{object{"port": 70000}, 422, "invalid-request", []string{"body.port", "65535"}},
		{object{"port": 443}, 400, "invalid-setting", []string{"port 443", "key_file and cert_file"}},
		{object{"listen": []string{"127.0.0.1:0", "127.0.0.1:443"}}, 400, "invalid-setting", []string{"port 443"}},
		{object{"listen": []string{}}, 422, "invalid-request", []string{"body.listen"}},
		{object{"listen": []string{"nowhere"}}, 400, "invalid-setting", []string{`"nowhere"`, "host:port"}},
		{object{"port": 0, "listen": []string{"127.0.0.1:0"}}, 400, "invalid-setting", []string{"port and listen"}},
		{object{"key_file": "k"}, 400, "invalid-setting", []string{`key_file "k" without cert_file`}},
		{object{"key_file": "/no/key", "cert_file": "/no/cert"}, 400, "invalid-setting", []string{"cert_file", "/no/cert"}},
		{object{"max_body_bytes": 1 << 30, "max_pending_bytes": 1 << 20}, 400, "invalid-setting", []string{"max_pending_bytes", "max_body_bytes"}},
		{object{"timeouts": object{"idle": "soon"}}, 422, "invalid-request", []string{"soon", "15s"}},
		{object{"timeouts": object{"idle": 5}}, 422, "invalid-request", []string{"body.timeouts.idle"}},
		{object{"prot": 80}, 422, "invalid-request", []string{"body.prot"}},
		{object{"listen": []string{busy.Addr().String()}}, 409, "cannot-listen", []string{"another program listens there"}},
	} {
		a := c.call("POST", "/v1/server", row.settings)
		a.expect(t, row.status, row.problem)
		for _, part := range row.says {
			if detail := a.object(t)["detail"].(string); !strings.Contains(detail, part) {
				t.Errorf("%v: %q does not say %q", row.settings, detail, part)
			}
		}
		if row.problem == "cannot-listen" && a.object(t)["errno"] == nil {
			t.Errorf("no errno in %s", a.body)
		}
	}
	if c.Running() != nil {
		t.Fatal("a server runs that could not be started")
	}

	c.running(nil)
	c.call("POST", "/v1/server", nil).expect(t, 409, "server-running")
	c.call("POST", "/v1/resources", object{"uri": "/a"}).expect(t, 201, "")
	for _, row := range []struct {
		method, path string
		body         any
		status       int
		problem      string
		says         string
	}{
		{"POST", "/v1/resources", object{"uri": "/a"}, 409, "resource-exists", `"/a"`},
		{"POST", "/v1/resources", object{"uri": "/%61"}, 409, "resource-exists", "another spelling"},
		{"POST", "/v1/resources", object{"uri": "b"}, 400, "invalid-uri", `"/"`},
		{"POST", "/v1/resources", object{"uri": "/b", "content_type": "none"}, 400, "invalid-setting", `"none"`},
		{"POST", "/v1/resources", object{"uri": "/b", "cache_control": "a\n"}, 400, "invalid-setting", "cache control"},
		{"POST", "/v1/resources", object{"uri": "/b", "value": "x", "base64": "eA=="}, 422, "invalid-request", "give one"},
		{"POST", "/v1/resources", object{"uri": "/b", "base64": "!"}, 422, "invalid-request", "base64"},
		{"POST", "/v1/resources", object{}, 422, "invalid-request", "uri"},
		{"POST", "/v1/resources", `{"uri": "/b", "value": "` + "\xff" + `"}`, 400, "invalid-request", "UTF-8"},
		{"POST", "/v1/resources", `{"uri": "/b", "value": "\ud800"}`, 400, "invalid-request", "surrogate"},
		{"POST", "/v1/resources", `{"uri": "/b"`, 400, "invalid-request", "JSON"},
		{"GET", "/v1/resource", nil, 422, "invalid-request", "query.uri"},
		{"GET", "/v1/resource?uri=/none", nil, 404, "not-found", `"/none"`},
		{"GET", "/v1/resource?uri=none", nil, 400, "invalid-uri", `"/"`},
		{"GET", resource + "&life=other", nil, 404, "not-found", "another"},
		{"GET", resource + "&prefix=/", nil, 422, "invalid-request", "query.prefix"},
		{"DELETE", "/v1/resource?uri=/none", nil, 404, "not-found", `"/none"`},
		{"DELETE", resource + "&life=other", nil, 404, "not-found", "another"},
		{"PUT", value, object{}, 422, "invalid-request", "give one"},
		{"PUT", value, object{"value": 7}, 422, "invalid-request", "body.value"},
		{"PUT", value, object{"value": "x", "content_type": "text/event-stream"}, 400, "invalid-setting", "event-stream"},
		{"PUT", value + "&life=other", object{"value": "x"}, 404, "not-found", "another"},
		{"PUT", handler, object{"methods": []string{"PATCH"}}, 422, "invalid-request", "GET, PUT, POST, DELETE"},
		{"PUT", handler, object{"methods": []string{"GET"}, "callback": "1"}, 422, "invalid-request", "subscriber"},
		{"PUT", handler, object{"methods": []string{"GET"}, "subscriber": "a b"}, 422, "invalid-request", "subscriber"},
		{"PUT", handler, object{"methods": nil}, 422, "invalid-request", "methods"},
		{"GET", "/v1/resources?limit=0", nil, 422, "invalid-request", "query.limit"},
		{"GET", "/v1/resources?limit=1001", nil, 422, "invalid-request", "query.limit"},
		{"GET", "/v1/resources?order=size", nil, 422, "invalid-request", "query.order"},
		{"GET", "/v1/resources?order=created&after=/a", nil, 422, "invalid-request", "a number"},
		{"GET", "/v1/events", nil, 422, "invalid-request", "query.subscriber"},
		{"GET", "/v1/events?subscriber=a%20b", nil, 422, "invalid-request", "query.subscriber"},
		{"DELETE", "/v1/subscribers/nobody", nil, 404, "no-such-subscriber", "no such subscriber"},
		{"GET", "/v1/none", nil, 404, "no-such-call", "openapi.json"},
		{"GET", "/", nil, 404, "no-such-call", "openapi.json"},
		{"PATCH", "/v1/resource", nil, 405, "method-not-allowed", "GET or DELETE"},
		{"POST", "/v1/resource/value", nil, 405, "method-not-allowed", "PUT"},
	} {
		a := c.call(row.method, row.path, row.body)
		a.expect(t, row.status, row.problem)
		if detail := a.object(t)["detail"].(string); !strings.Contains(detail, row.says) || !strings.HasSuffix(detail, ".") {
			t.Errorf("%s %s: %q does not say %q", row.method, row.path, detail, row.says)
		}
	}
	// Names of settings are those of this API; the rest is as it was sent.
	c.call("GET", "/v1/resource?uri=/Hosts", nil).expect(t, 404, "not-found")
	if a := c.call("GET", "/v1/resource?uri=/Hosts", nil); !strings.Contains(a.body, "/Hosts") {
		t.Errorf("got %s", a.body)
	}
	if a := c.call("PATCH", "/v1/resource", nil); a.header.Get("Allow") != "GET, DELETE" {
		t.Errorf("Allow: %q", a.header.Get("Allow"))
	}
	c.call("POST", "/v1/resources", "uri=/b", "Content-Type: application/x-www-form-urlencoded").expect(t, 415, "media-type-not-accepted")
	c.call("GET", "/v1/events?subscriber=a", nil, "Last-Event-ID: x").expect(t, 422, "invalid-request")
	for i := range 2 {
		c.call("POST", "/v1/resources", object{"uri": fmt.Sprint("/", i)}).expect(t, 201, "")
	}
	c.call("POST", "/v1/resources", object{"uri": "/more"}).expect(t, 507, "full")
}

// Octets survive both ways, and text stays readable.
func TestOctets(t *testing.T) {
	c := start(t, control.EngineConfig{})
	url := c.running(nil)
	c.add("/a", "", "", "GET", "PUT")
	for name, octets := range map[string]string{
		"empty": "", "text": "grüße ☃ 😀", "line ends": "a\r\nb\n", "NUL": "a\x00b", "JSON": `{"a": "<&>\u2028"}`,
		"separators": "\u2028\u2029", "binary": "\xff\xfe\x00\x80", "cut text": "ü"[:1], "surrogate in UTF-8": "\xed\xa0\x80",
		"large": strings.Repeat("0123456789abcdef", 1<<16), "large binary": strings.Repeat("\xff\x00", 1<<19),
	} {
		t.Run(name, func(t *testing.T) {
			content := object{"value": octets}
			if name == "binary" || name == "cut text" || name == "surrogate in UTF-8" || name == "large binary" {
				content = object{"base64": base64.StdEncoding.EncodeToString([]byte(octets))}
			}
			set := c.call("PUT", "/v1/resource/value?uri=/a", content)
			set.expect(t, 200, "")
			if size := set.object(t)["size"]; size != float64(len(octets)) {
				t.Errorf("size %v, want %d", size, len(octets))
			}
			if a := visit(t, "GET", url+"/a", ""); a.body != octets {
				t.Errorf("set by the control API, served %.40q, want %.40q", a.body, octets)
			}
			visit(t, "PUT", url+"/a", octets)
			got := c.call("GET", "/v1/resource?uri=/a", nil).object(t)
			for key, want := range content {
				if got[key] != want {
					t.Errorf("set by a client, told %.40v, want %.40v", got[key], want)
				}
			}
			if _, both := got["value"]; both && got["base64"] != nil {
				t.Error("told as value and as base64")
			}
		})
	}

	// Text may come as base64 too, and a value with its type.
	c.call("PUT", "/v1/resource/value?uri=/a", object{"base64": "SGk=", "content_type": "text/plain"}).expect(t, 200, "")
	if o := c.call("GET", "/v1/resource?uri=/a", nil).object(t); o["value"] != "Hi" || o["content_type"] != "text/plain" {
		t.Errorf("got %v", o)
	}
	if a := visit(t, "GET", url+"/a", ""); a.header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("served as %q", a.header.Get("Content-Type"))
	}
	c.call("POST", "/v1/resources", object{"uri": "/b", "base64": "", "cache_control": "max-age=5"}).expect(t, 201, "")
	c.register("/b", "", "", "GET")
	if a := visit(t, "GET", url+"/b", ""); a.body != "" || a.header.Get("Cache-Control") != "max-age=5" {
		t.Errorf("got %q, %v", a.body, a.header)
	}
	c.call("POST", "/v1/resources", object{"uri": "/c"}).expect(t, 201, "")
	if o := c.call("GET", "/v1/resource?uri=/c", nil).object(t); o["value"] != "0" {
		t.Errorf("a resource without a value has %v", o)
	}
}

// Of what is wrong with a request, a few things are told of, however many there are.
func TestManyErrors(t *testing.T) {
	c := start(t, control.EngineConfig{})
	c.running(nil)
	body := object{"uri": "/a"}
	for i := range 5000 {
		body[fmt.Sprint("k", i)] = 1
	}
	a := c.call("POST", "/v1/resources", body)
	a.expect(t, 422, "invalid-request")
	if o := a.object(t); len(o["errors"].([]any)) != 10 || !strings.Contains(o["detail"].(string), "and 4990 more") {
		t.Errorf("%d errors are told of: %s", len(o["errors"].([]any)), o["detail"])
	}
}

// Paths are taken as they are.
func TestUncleanPaths(t *testing.T) {
	c := start(t, control.EngineConfig{})
	c.running(nil)
	for _, path := range []string{"//v1/server", "/v1/../v1/server", "/v1//server", "/v1/server/", "/v1/./server"} {
		c.call("GET", path, nil).expect(t, 404, "no-such-call")
		c.call("PUT", path, nil).expect(t, 404, "no-such-call")
	}
	c.call("OPTIONS", "/v1/server", nil).expect(t, 405, "method-not-allowed")
}

// More content than any value has is not read, and much less where there is none.
func TestContentLimit(t *testing.T) {
	c := start(t, control.EngineConfig{})
	c.running(nil)
	c.call("POST", "/v1/resources", object{"uri": "/b", "value": strings.Repeat("a", 2<<20)}).expect(t, 201, "")
	c.call("PUT", "/v1/resource/handler?uri=/b", object{"methods": []string{}, "callback": strings.Repeat("a", 2<<20)}).expect(t, 413, "content-too-large")
	a := c.call("POST", "/v1/resources", `{"uri": "/a", "value": "`+strings.Repeat("a", 64<<20)+`"}`)
	a.expect(t, 413, "content-too-large")
}

func TestListing(t *testing.T) {
	c := start(t, control.EngineConfig{})
	c.running(nil)
	made := []string{"/b", "/a", "/a/2", "/c", "/a/1"}
	for _, uri := range made {
		c.call("POST", "/v1/resources", object{"uri": uri}).expect(t, 201, "")
	}
	for _, row := range []struct {
		query string
		want  []string
	}{
		{"", []string{"/a", "/a/1", "/a/2", "/b", "/c"}},
		{"order=created", made},
		{"prefix=/a", []string{"/a", "/a/1", "/a/2"}},
		{"prefix=/a/&order=created", []string{"/a/2", "/a/1"}},
		{"prefix=/none", nil},
		{"after=/a/1", []string{"/a/2", "/b", "/c"}},
		{"after=/a/15", []string{"/a/2", "/b", "/c"}},
	} {
		for limit := 1; limit <= 6; limit++ {
			var got []string
			pages := 0
			for path := "/v1/resources?limit=" + fmt.Sprint(limit) + "&" + row.query; path != ""; pages++ {
				a := c.call("GET", path, nil)
				a.expect(t, 200, "")
				o := a.object(t)
				for _, r := range o["resources"].([]any) {
					got = append(got, r.(object)["uri"].(string))
				}
				path, _, _ = strings.Cut(strings.TrimPrefix(a.header.Get("Link"), "<"), `>; rel="next"`)
				if (path == "") != (o["next"] == nil) {
					t.Errorf("Link %q, next %v", path, o["next"])
				}
			}
			if want := max(1, (len(row.want)+limit-1)/limit); !slices.Equal(got, row.want) || pages != want {
				t.Errorf("%q by %d: %q on %d pages, want %q on %d", row.query, limit, got, pages, row.want, want)
			}
		}
	}
}

// A life ends with its resource, and with the server.
func TestLife(t *testing.T) {
	c := start(t, control.EngineConfig{})
	c.running(nil)
	life := func() string {
		c.call("POST", "/v1/resources", object{"uri": "/a"}).expect(t, 201, "")
		return c.call("GET", "/v1/resource?uri=/a", nil).object(t)["life"].(string)
	}
	at := func(life string) string { return "?uri=/a&life=" + url.QueryEscape(life) }
	first := life()
	c.call("PUT", "/v1/resource/value"+at(first), object{"value": "x"}).expect(t, 200, "")
	c.call("PUT", "/v1/resource/handler"+at(first), object{"methods": []string{"GET"}}).expect(t, 200, "")
	c.call("DELETE", "/v1/resource"+at(first), nil).expect(t, 204, "")
	c.call("DELETE", "/v1/resource"+at(first), nil).expect(t, 404, "not-found")
	second := life()
	c.call("PUT", "/v1/resource/value"+at(first), object{"value": "x"}).expect(t, 404, "not-found")
	c.call("PUT", "/v1/resource/handler"+at(first), object{"methods": []string{"GET"}}).expect(t, 404, "not-found")
	c.call("DELETE", "/v1/resource"+at(first), nil).expect(t, 404, "not-found")
	c.call("DELETE", "/v1/server", nil).expect(t, 204, "")
	c.running(nil)
	if third := life(); third == second || third == first {
		t.Errorf("lives %q, %q, %q", first, second, third)
	}
	c.call("GET", "/v1/resource"+at(second), nil).expect(t, 404, "not-found")
}

// A change under a condition is made or refused as a client's would be.
func TestConditions(t *testing.T) {
	c := start(t, control.EngineConfig{})
	c.running(nil)
	c.call("POST", "/v1/resources", object{"uri": "/a"}).expect(t, 201, "")
	tag := func() string { return c.call("GET", "/v1/resource?uri=/a", nil).object(t)["etag"].(string) }
	old := tag()
	const value = "/v1/resource/value?uri=/a"
	c.call("PUT", value, object{"value": "x"}, "If-Match: "+old).expect(t, 200, "")
	now := tag()
	for _, field := range []string{"If-Match: " + old, "If-Match: W/" + now, "If-Match: x", "If-None-Match: " + now, "If-None-Match: W/" + now, "If-None-Match: *"} {
		c.call("PUT", value, object{"value": "y"}, field).expect(t, 412, "precondition-failed")
		c.call("PUT", value, object{"value": "y", "content_type": "text/plain"}, field).expect(t, 412, "precondition-failed")
		a := c.call("DELETE", "/v1/resource?uri=/a", nil, field)
		a.expect(t, 412, "precondition-failed")
		if !strings.Contains(a.object(t)["detail"].(string), now) {
			t.Errorf("%s does not tell the present tag", a.body)
		}
	}
	// Every line counts, and one that names nothing fits nothing.
	for _, lines := range []http.Header{{"If-None-Match": {`"x"`, now}}, {"If-Match": {""}}} {
		r := c.request(t.Context(), "PUT", value, object{"value": "y"})
		maps.Copy(r.Header, lines)
		resp, err := c.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 412 {
			t.Errorf("%v: %d", lines, resp.StatusCode)
		}
	}
	if tag() != now {
		t.Error("something was changed")
	}
	c.call("PUT", value, object{"value": "y"}, "If-Match: *").expect(t, 200, "")
	c.call("PUT", value, object{"value": "y"}, "If-None-Match: "+now).expect(t, 200, "")
	c.call("DELETE", "/v1/resource?uri=/a", nil, `If-Match: "x", `+tag()).expect(t, 204, "")
}

// The server stops and starts again, with other settings, on the same port.
func TestRestart(t *testing.T) {
	c := start(t, config(roost.Config{MaxURI: 7}))
	if o := c.call("GET", "/v1/server", nil).object(t); o["running"] != false || len(o["listeners"].([]any)) != 0 {
		t.Errorf("before the start: %v", o)
	}
	base := c.running(object{"max_body_bytes": 3})
	addr := strings.TrimPrefix(base, "http://")
	c.add("/a", "", "", "GET", "PUT")
	if a := visit(t, "PUT", base+"/a", "long"); a.status != 413 {
		t.Errorf("longer than max_body_bytes: %d", a.status)
	}
	o := c.call("GET", "/v1/server", nil).object(t)
	settings := o["settings"].(object)
	if o["running"] != true || o["resources"] != 1.0 || o["since"] == nil || settings["max_uri"] != 7.0 || settings["max_body_bytes"] != 3.0 || settings["max_conns"] != 16384.0 {
		t.Errorf("while it runs: %v", o)
	}
	c.call("DELETE", "/v1/server", nil).expect(t, 204, "")
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("something listens after the stop")
	}
	if again := c.running(object{"listen": []string{addr}, "max_uri": -1}); again != base {
		t.Errorf("started on %s, want %s", again, base)
	}
	o = c.call("GET", "/v1/server", nil).object(t)
	if settings := o["settings"].(object); o["resources"] != 0.0 || settings["max_uri"] != -1.0 || settings["max_body_bytes"] != float64(1<<20) {
		t.Errorf("after the second start: %v", o)
	}
	if a := visit(t, "GET", base+"/a", ""); a.status != 404 {
		t.Errorf("a resource of the first server: %d", a.status)
	}
}

// beginPUT sends a PUT to /a but for its two octets, which the server then waits for.
func beginPUT(t *testing.T, base string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
	buf := make([]byte, 4096)
	if n, err := conn.Read(buf); err != nil || !strings.Contains(string(buf[:n]), "100 Continue") {
		t.Fatalf("%q, %v", buf[:n], err)
	}
	return conn
}

// A call to stop the server waits for a request that is open.
func TestStopWaits(t *testing.T) {
	c := start(t, control.EngineConfig{})
	base := c.running(nil)
	c.add("/a", "", "", "PUT")
	conn := beginPUT(t, base)
	stopped := make(chan answer)
	go func() { stopped <- c.call("DELETE", "/v1/server", nil) }()
	// The listener closes first.
	for deadline := time.Now().Add(20 * time.Second); ; {
		l, err := net.Listen("tcp", strings.TrimPrefix(base, "http://"))
		if err == nil {
			l.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the listener stays open")
		}
	}
	select {
	case a := <-stopped:
		t.Fatalf("stopped with %d while a request was open", a.status)
	default:
	}
	fmt.Fprint(conn, "ab")
	buf := make([]byte, 4096)
	if n, err := conn.Read(buf); err != nil || !strings.Contains(string(buf[:n]), "204 No Content") {
		t.Errorf("%q, %v", buf[:n], err)
	}
	if a := <-stopped; a.status != 204 {
		t.Errorf("stop: %d %s", a.status, a.body)
	}
}

// When requests don't finish in time, they are cut off, and the server has stopped all
// the same, also for a client that went away meanwhile.
func TestStopCutsOff(t *testing.T) {
	c := start(t, control.EngineConfig{Base: roost.Config{Timeouts: roost.Timeouts{Content: time.Hour}}})
	base := c.running(nil)
	c.add("/a", "", "", "PUT")
	conn := beginPUT(t, base)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.client.Do(c.request(ctx, "DELETE", "/v1/server", nil)); err == nil {
		t.Error("the stop did not wait")
	}
	waitUntil(t, func() bool { return c.Running() == nil })
	if b, err := io.ReadAll(conn); err == nil && len(b) > 0 {
		t.Errorf("the request was answered %q", b)
	}
}

// A server that was closed by other means is none that runs.
func TestClosedServer(t *testing.T) {
	c := start(t, control.EngineConfig{})
	c.running(nil)
	c.Running().Server.Close()
	c.call("GET", "/v1/resource?uri=/a", nil).expect(t, 409, "server-not-running")
	c.call("POST", "/v1/resources", object{"uri": "/a"}).expect(t, 409, "server-not-running")
	c.call("DELETE", "/v1/server", nil).expect(t, 204, "")
	c.running(nil)
}

// A time to live is given with the resource, and later.
func TestTimeToLive(t *testing.T) {
	c := start(t, control.EngineConfig{})
	c.running(nil)
	left := func(a answer) time.Duration {
		t.Helper()
		text, ok := a.object(t)["expires"].(string)
		if !ok {
			return 0
		}
		expires, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return time.Until(expires).Round(time.Minute)
	}
	if got := left(c.call("POST", "/v1/resources", object{"uri": "/a", "ttl": "1h", "client_ttl": true})); got != time.Hour {
		t.Errorf("made with %v left", got)
	}
	if got := left(c.call("PUT", "/v1/resource/value?uri=/a", object{"value": "x"})); got != time.Hour {
		t.Errorf("written with %v left", got)
	}
	if got := left(c.call("PUT", "/v1/resource/ttl?uri=/a", object{"ttl": "10m"})); got != 10*time.Minute {
		t.Errorf("set with %v left", got)
	}
	if got := left(c.call("PUT", "/v1/resource/ttl?uri=/a", object{"ttl": "0s"})); got != 0 {
		t.Errorf("taken away with %v left", got)
	}
	c.call("PUT", "/v1/resource/ttl?uri=/a", object{"ttl": "-1s"}).expect(t, 400, "invalid-setting")
	c.call("PUT", "/v1/resource/ttl?uri=/a", object{}).expect(t, 422, "invalid-request")
	c.call("PUT", "/v1/resource/ttl?uri=/none", object{"ttl": "1s"}).expect(t, 404, "not-found")
	c.call("POST", "/v1/resources", object{"uri": "/b", "ttl": "-1s"}).expect(t, 400, "invalid-setting")
}

// Each setting reaches the field of its name in roost.Config.
func TestSettings(t *testing.T) {
	dir := t.TempDir()
	settings := object{
		"listen": []string{"127.0.0.1:0", "unix://" + filepath.Join(dir, "r.sock")},
		"prefix": "/p", "hosts": []string{"a", "127.0.0.1"}, "cors": []string{"https://a.example"},
		"max_uri": 11, "max_body_bytes": 12, "max_pending_bytes": 13, "max_conns": 14, "max_queued_callbacks": 15, "max_queued_bytes": 16,
		"timeouts":    object{"idle": "1s", "head": "2s", "content": "3s", "content_rate": 4, "write": "-1s", "hook": "7s"},
		"media_types": []string{"image/png"}, "content_security_policy": "default-src 'self'", "bare_children": true,
		"max_watchers": 11, "max_bytes": 1000, "max_hooks": 13, "max_remembered": 12, "index": true, "plane": "reference",
	}
	c := start(t, control.EngineConfig{})
	c.running(settings)
	got := c.Running().Server.Config()
	want := roost.Config{
		Prefix: "/p", Hosts: []string{"a", "127.0.0.1"}, CORS: []string{"https://a.example"},
		MaxURI: 11, MaxBodyBytes: 12, MaxPendingBytes: 13, MaxConns: 14, MaxQueuedCallbacks: 15, MaxQueuedBytes: 16,
		Timeouts:   roost.Timeouts{Idle: time.Second, Head: 2 * time.Second, Content: 3 * time.Second, ContentRate: 4, Write: -time.Second, Hook: 7 * time.Second},
		MediaTypes: []string{"image/png"}, ContentSecurityPolicy: "default-src 'self'", BareChildren: true,
		MaxWatchers: 11, MaxBytes: 1000, MaxHooks: 13, MaxRemembered: 12, Index: true, Plane: roost.PlaneReference,
	}
	want.Addr, want.Logger = got.Addr, got.Logger
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	told := c.call("GET", "/v1/server", nil).object(t)["settings"].(object)
	for name := range settings {
		if fmt.Sprint(told[name]) != fmt.Sprint(settings[name]) {
			t.Errorf("%s is told as %v, want %v", name, told[name], settings[name])
		}
	}

	// None is missing, here or there: what is no plain data has no name in JSON.
	var fields []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[roost.Config]()) {
		if !slices.Contains([]string{"Addr", "Store", "Gate", "Observer", "Logger"}, f.Name) {
			fields = append(fields, f.Name)
		}
	}
	var names []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[control.Settings]()) {
		if f.Name != "Listen" {
			names = append(names, f.Name)
		}
	}
	slices.Sort(fields)
	slices.Sort(names)
	if !slices.Equal(fields, names) {
		t.Errorf("roost.Config has %q, control.Settings %q", fields, names)
	}
}

// Starts, stops and calls of many at once leave nothing half done.
func TestStartsAndStopsRace(t *testing.T) {
	c := start(t, control.EngineConfig{})
	var clients sync.WaitGroup
	for i := range 4 {
		clients.Go(func() {
			for range 25 {
				if a := c.call("POST", "/v1/server", nil); a.status != 201 && a.status != 409 {
					t.Errorf("start: %d %s", a.status, a.body)
				}
				if a := c.call("POST", "/v1/resources", object{"uri": fmt.Sprint("/", i)}); a.status != 201 && a.status != 409 {
					t.Errorf("add: %d %s", a.status, a.body)
				}
				if a := c.call("DELETE", "/v1/server", nil); a.status != 204 && a.status != 409 {
					t.Errorf("stop: %d %s", a.status, a.body)
				}
			}
		})
	}
	clients.Wait()
}

// A stop that fails to open a second listener gives the first one's port back.
func TestAllListenersOrNone(t *testing.T) {
	c := start(t, control.EngineConfig{})
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	free.Close()
	c.call("POST", "/v1/server", object{"listen": []string{addr, "unix:///no/such/folder/s.sock"}}).expect(t, 409, "cannot-listen")
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("the first listener is open still: %v", err)
	}
	l.Close()
}

func TestSocketMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.sock")
	l, err := control.Listen("unix://" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
}

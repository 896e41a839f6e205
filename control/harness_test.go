package control_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"roost"
	"roost/control"
)

func TestMain(m *testing.M) {
	// net/http sleeps half a second before it ends a connection whose content it did
	// not read, and Close does not wait for that.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// controlled is an engine with its control API on a Unix socket, and a client for both.
type controlled struct {
	*control.Engine
	api    *control.API
	t      testing.TB
	client *http.Client
	base   string
}

// start runs an engine, without a server, until the test ends.
func start(t testing.TB, cfg control.EngineConfig) *controlled {
	t.Helper()
	if cfg.Listen == nil {
		cfg.Listen = []string{"127.0.0.1:0"}
	}
	cfg.Base.Logger = slog.New(slog.DiscardHandler)
	c := &controlled{Engine: control.NewEngine(cfg), t: t, base: "http://localhost"}
	c.api = control.New(c.Engine, control.Config{Token: "0123456789abcdef", Logger: cfg.Base.Logger})
	socket := filepath.Join(t.TempDir(), "c.sock")
	c.serve("unix://" + socket)
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	c.client = &http.Client{Transport: transport, Timeout: 30 * time.Second}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		c.Stop(context.Background())
	})
	return c
}

// serve serves the API on one more address.
func (c *controlled) serve(addr string) net.Addr {
	c.t.Helper()
	l, err := control.Listen(addr)
	if err != nil {
		c.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.api.Serve(l) }()
	c.t.Cleanup(func() {
		c.api.Close()
		if err := <-ended; err != nil {
			c.t.Errorf("the control API ended with %v", err)
		}
	})
	return l.Addr()
}

// answer is a response, read whole.
type answer struct {
	status int
	header http.Header
	body   string
}

// call makes a call, with a body unless it is nil.
func (c *controlled) call(method, path string, body any, fields ...string) answer {
	c.t.Helper()
	r := c.request(c.t.Context(), method, path, body, fields...)
	resp, err := c.client.Do(r)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

func (c *controlled) request(ctx context.Context, method, path string, body any, fields ...string) *http.Request {
	c.t.Helper()
	var content io.Reader
	if text, ok := body.(string); ok {
		content = strings.NewReader(text)
	} else if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			c.t.Fatal(err)
		}
		content = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		c.t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		if name == "Host" {
			r.Host = value
		}
		r.Header.Set(name, value)
	}
	return r
}

// object is a JSON object.
type object = map[string]any

func (a answer) object(t testing.TB) object {
	t.Helper()
	var o object
	if err := json.Unmarshal([]byte(a.body), &o); err != nil {
		t.Fatalf("%d %q: %v", a.status, a.body, err)
	}
	return o
}

// expect checks the status, and of a refusal the kind of problem.
func (a answer) expect(t testing.TB, status int, problem string) {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	if problem == "" {
		return
	}
	o := a.object(t)
	if o["type"] != "urn:roost:problem:"+problem || o["status"] != float64(status) || o["title"] == "" || o["detail"] == "" ||
		a.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("got %s %s, want the problem %s, whole", a.header.Get("Content-Type"), a.body, problem)
	}
}

// running starts the server with settings, and returns the beginning of its URLs.
func (c *controlled) running(settings object) string {
	c.t.Helper()
	var body any
	if settings != nil {
		body = settings
	}
	a := c.call("POST", "/v1/server", body)
	a.expect(c.t, 201, "")
	listeners := a.object(c.t)["listeners"].([]any)
	return listeners[0].(object)["url"].(string)
}

// add makes a resource whose requests are told to a subscriber, unless that is empty.
func (c *controlled) add(uri, subscriber, callback string, methods ...string) {
	c.t.Helper()
	c.call("POST", "/v1/resources", object{"uri": uri}).expect(c.t, 201, "")
	c.register(uri, subscriber, callback, methods...)
}

func (c *controlled) register(uri, subscriber, callback string, methods ...string) {
	c.t.Helper()
	h := object{"methods": methods}
	if subscriber != "" {
		h["subscriber"], h["callback"] = subscriber, callback
	}
	c.call("PUT", "/v1/resource/handler?uri="+uri, h).expect(c.t, 200, "")
}

// visit makes a request for a resource.
func visit(t testing.TB, method, url, body string) answer {
	t.Helper()
	a, err := tryVisit(method, url, body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return a
}

var visitor = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}

func tryVisit(method, url, body string) (answer, error) {
	r, err := http.NewRequestWithContext(context.Background(), method, url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Content-Type", "text/plain")
	resp, err := visitor.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b)}, err
}

// event is what came by a stream.
type event struct {
	id, kind string
	data     object
}

// stream is an open event stream.
type stream struct {
	t     testing.TB
	body  io.ReadCloser
	lines *bufio.Reader
	close context.CancelFunc
}

// stream opens the stream of a subscriber, and waits for its first line.
func (c *controlled) stream(query string, fields ...string) *stream {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	client := &http.Client{Transport: c.client.Transport}
	resp, err := client.Do(c.request(ctx, "GET", "/v1/events?"+query, nil, fields...))
	if err != nil {
		cancel()
		c.t.Fatal(err)
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		c.t.Fatalf("stream: %s %v", resp.Status, resp.Header)
	}
	s := &stream{c.t, resp.Body, bufio.NewReader(resp.Body), cancel}
	c.t.Cleanup(s.end)
	return s
}

// end cuts the connection.
func (s *stream) end() {
	s.close()
	s.body.Close()
}

// next returns the next event, or none where the stream ends.
func (s *stream) next() (e event, ok bool) {
	s.t.Helper()
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return event{}, false
		}
		switch name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); name {
		case "id":
			e.id = value
		case "event":
			e.kind = value
		case "data":
			if err := json.Unmarshal([]byte(value), &e.data); err != nil {
				s.t.Fatal(err)
			}
		case "":
			if e.kind != "" {
				return e, true
			}
		}
	}
}

// want reads an event and checks its kind and number.
func (s *stream) want(kind, id string) object {
	s.t.Helper()
	e, ok := s.next()
	if !ok || e.kind != kind || e.id != id {
		s.t.Fatalf("got %v (%v), want the event %s %s", e, ok, kind, id)
	}
	return e.data
}

// config is the base of the servers of a test.
func config(cfg roost.Config) control.EngineConfig { return control.EngineConfig{Base: cfg} }

package bench_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"roost/bench"
)

func newRoost(t testing.TB) http.Handler {
	s, err := bench.Roost("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestSameOctets says that what is compared can be compared.
func TestSameOctets(t *testing.T) {
	handlers := map[string]http.Handler{"Roost": newRoost(t), "Bare": bench.Bare()}
	answers := make(map[string][]string)
	for name, h := range handlers {
		s := httptest.NewServer(h)
		defer s.Close()
		for _, r := range []struct{ method, content string }{{"GET", ""}, {"PUT", strings.Repeat("x", 100)}, {"GET", ""}} {
			req, err := http.NewRequestWithContext(t.Context(), r.method, s.URL+bench.URI, strings.NewReader(r.content))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			octets, err := httputil.DumpResponse(resp, true)
			resp.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			answers[name] = append(answers[name], maskVariable(octets))
		}
	}
	for i, want := range answers["Bare"] {
		if got := answers["Roost"][i]; got != want {
			t.Errorf("Roost:\n%s\nbare:\n%s", got, want)
		}
	}
}

// TestSameStream says the same of the event streams.
func TestSameStream(t *testing.T) {
	roost, bare := streamed(t, newRoost(t)), streamed(t, bench.BareHub())
	if roost != bare {
		t.Errorf("Roost:\n%s\nbare:\n%s", roost, bare)
	}
}

// streamed is what goes over the wire up to the event of a PUT.
func streamed(t *testing.T, h http.Handler) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(conn, "GET "+bench.URI+" HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n")
	in := bufio.NewReader(conn)
	begin := upTo(t, in, "data: "+bench.Value+"\n\n\r\n")
	req, err := http.NewRequestWithContext(t.Context(), "PUT", s.URL+bench.URI, strings.NewReader("next"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	octets := begin + upTo(t, in, "data: next\n\n\r\n")
	octets = regexp.MustCompile(`(?m)^id: [a-z2-7]{13}-\d+$`).ReplaceAllString(octets, "id: epoch-revision")
	octets = regexp.MustCompile(`retry: \d{4}`).ReplaceAllString(octets, "retry: time")
	return maskVariable([]byte(octets))
}

func upTo(t *testing.T, in *bufio.Reader, end string) (octets string) {
	t.Helper()
	for !strings.HasSuffix(octets, end) {
		line, err := in.ReadString('\n')
		if octets += line; err != nil {
			t.Fatalf("%q, then %v", octets, err)
		}
	}
	return octets
}

// maskVariable replaces what differs from run to run, and keeps its length. The
// revisions in ETags have as many digits as they happen to have.
func maskVariable(octets []byte) string {
	etag := regexp.MustCompile(`"[a-z2-7]{13}-\d+"`)
	date := regexp.MustCompile(`\w{3}, \d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2} GMT`)
	octets = etag.ReplaceAll(octets, []byte(`"epoch-revision"`))
	return string(date.ReplaceAll(octets, []byte("date")))
}

// discard is a ResponseWriter of a connection that takes everything.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header                { return d.header }
func (d *discard) WriteHeader(status int)             { d.status = status }
func (d *discard) Write(p []byte) (int, error)        { return len(p), nil }
func (d *discard) SetReadDeadline(_ time.Time) error  { return nil }
func (d *discard) SetWriteDeadline(_ time.Time) error { return nil }
func (d *discard) Flush()                             {}

// content is a body that can be sent again.
type content struct{ bytes.Reader }

func (*content) Close() error { return nil }

// serve measures h alone: the request is parsed already, and nothing is sent.
func serve(b *testing.B, h http.Handler, method string, status int) {
	body := new(content)
	r := &http.Request{
		Method: method, URL: &url.URL{Path: bench.URI}, RequestURI: bench.URI,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Host: "127.0.0.1:8080", RemoteAddr: "127.0.0.1:50000", Body: http.NoBody,
		Header: http.Header{"User-Agent": {"bench"}, "Accept": {"*/*"}},
	}
	octets := []byte(bench.Value)
	if method == "PUT" {
		r.Body, r.ContentLength = body, int64(len(octets))
		r.Header["Content-Type"] = []string{"text/plain"}
		r.Header["Content-Length"] = []string{"100"}
	}
	w := &discard{header: make(http.Header)}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		body.Reset(octets)
		h.ServeHTTP(w, r)
	}
	if w.status != status || method == "PUT" && !drained(body) {
		b.Fatalf("got %d, want %d, and the content to be read", w.status, status)
	}
}

func drained(r io.ByteReader) bool {
	_, err := r.ReadByte()
	return err == io.EOF
}

func BenchmarkGET(b *testing.B)     { serve(b, newRoost(b), "GET", http.StatusOK) }
func BenchmarkBareGET(b *testing.B) { serve(b, bench.Bare(), "GET", http.StatusOK) }
func BenchmarkPUT(b *testing.B)     { serve(b, newRoost(b), "PUT", http.StatusNoContent) }
func BenchmarkBarePUT(b *testing.B) { serve(b, bench.Bare(), "PUT", http.StatusNoContent) }

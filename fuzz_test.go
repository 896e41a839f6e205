package roost_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"roost"
)

// maxFuzzed is the longest input that is tried, in octets.
const maxFuzzed = 64 << 10

// answerStatuses are all that the server may answer by itself to octets in the clear.
var answerStatuses = []int{
	200, 201, 204, 206, 304,
	400, 403, 404, 405, 406, 408, 412, 413, 414, 415, 416, 417, 421, 422, 431,
	501, 503, 505, 507,
}

// FuzzServer sends octets on one connection, ends its side, and looks at everything
// that comes back.
func FuzzServer(f *testing.F) {
	topics, fixture := loadVectors(f)
	for _, topic := range slices.Sorted(maps.Keys(topics)) {
		for _, v := range topics[topic] {
			var sent strings.Builder
			for i := range v.Send {
				sent.WriteString(v.Send[i].text() + string(v.Send[i].Elsewhere))
			}
			if sent.Len() <= maxFuzzed {
				f.Add([]byte(sent.String()))
			}
		}
	}
	var open sync.WaitGroup
	f.Cleanup(open.Wait)
	f.Fuzz(func(t *testing.T, sent []byte) {
		if len(sent) > maxFuzzed {
			t.Skip("too long")
		}
		fuzzed(t, &fixture, &open, sent)
	})
}

func fuzzed(t *testing.T, fixture *vectorFixture, open *sync.WaitGroup, sent []byte) {
	seen := methodsSeen{connectionEnd: connectionEnd{open: open}}
	var log panicLog
	maxURI := len(fixture.Resources) + 2
	s, err := roost.New(t.Context(), roost.Config{
		MaxURI: maxURI, MaxBodyBytes: 1024, MaxWatchers: 1, MaxRemembered: 1, Index: true, Observer: &seen,
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	fixture.add(t, s, func(*roost.Exchange) {})
	l := newMemoryListener()
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()

	open.Add(1)
	ended := make(chan struct{})
	var stopping sync.WaitGroup
	stopping.Go(func() { stopWaiting(s, ended) })
	got, err := exchange(l.dial(), sent)
	close(ended)
	stopping.Wait()
	if err != nil {
		t.Errorf("%v after %q", err, got)
	}
	if n := len(s.ListResource("/")); n > maxURI {
		t.Errorf("%d resources, at most %d are allowed", n, maxURI)
	}
	s.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if err := judgeAll(got, seen.methods); err != nil {
		t.Errorf("%v\nsent %q\ngot %q", err, sent, got)
	}
	if text := log.String(); strings.Contains(text, "panic") {
		t.Error(text)
	}
}

// maxWatched is how long a stream or a long poll may wait for changes that do not come.
const maxWatched = 20 * time.Millisecond

// stopWaiting ends what waits for changes, by the shutdown of the server: the end of the
// client's side does so too, but not where a further request stands between.
// It says whether it had to.
func stopWaiting(s *roost.Server, ended <-chan struct{}) bool {
	tick := time.NewTicker(maxWatched)
	defer tick.Stop()
	for waited := false; ; {
		select {
		case <-ended:
			return false
		case <-tick.C:
		}
		waiting := roost.Watchers(s) > 0
		if waiting && waited {
			s.Shutdown(context.Background())
			return true
		}
		waited = waiting
	}
}

// exchange sends octets, ends its side of c, and returns all that comes.
func exchange(c *duplex, sent []byte) ([]byte, error) {
	var sending sync.WaitGroup
	sending.Go(func() {
		c.Write(sent) // the server may close before it has read everything
		c.CloseWrite()
	})
	c.SetDeadline(time.Now().Add(10 * time.Second))
	got, err := io.ReadAll(c)
	c.Close()
	sending.Wait()
	return got, err
}

// judgeAll reads the answers to requests of these methods, and perhaps one more,
// which net/http gave by itself.
func judgeAll(got []byte, methods []string) error {
	in := bufio.NewReader(bytes.NewReader(got))
	for n := 0; ; {
		if _, err := in.Peek(1); err == io.EOF {
			return nil
		}
		method := "GET"
		if n < len(methods) {
			method = methods[n]
		}
		resp, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return fmt.Errorf("answer %d: %w", n, err)
		}
		if resp.StatusCode == http.StatusContinue {
			continue
		}
		if err := judgeAnswer(resp, method); err != nil {
			return fmt.Errorf("answer %d, to %s: %w", n, method, err)
		}
		if n++; n > len(methods)+1 {
			return errors.New("more answers than requests")
		}
	}
}

func judgeAnswer(resp *http.Response, method string) error {
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	r := response{head: method == "HEAD", status: resp.StatusCode, fields: resp.Header, content: string(content)}
	if !slices.Contains(answerStatuses, r.status) {
		return fmt.Errorf("status %d", r.status)
	}
	if !r.own() {
		return nil
	}
	if err := r.judge(); err != nil {
		return err
	}
	switch {
	case r.isStream():
		return judgeStream(r.content)
	case r.head || r.fields.Get("Content-Type") != "application/problem+json":
		return nil
	}
	var p roost.Problem
	if err := json.Unmarshal(content, &p); err != nil {
		return err
	}
	if p.Status != r.status || p.Title == "" || !strings.HasPrefix(p.Type, "urn:roost:problem:") && !strings.HasPrefix(p.Type, registeredProblem) {
		return fmt.Errorf("problem %+v", p)
	}
	return nil
}

// judgeStream reads every event of a stream.
func judgeStream(content string) error {
	in := bufio.NewReader(strings.NewReader(content))
	for {
		switch _, err := readBlock(in); err {
		case nil:
		case io.EOF:
			return nil
		default:
			return err
		}
	}
}

// methodsSeen observes the methods of the requests that reached the rules: the
// length of an answer depends on whether it is one to HEAD. net/http closes a
// connection only after the observer was told.
type methodsSeen struct {
	connectionEnd
	methods []string
}

func (m *methodsSeen) Request(r *roost.RequestRecord) { m.methods = append(m.methods, r.Method) }

// panicLog keeps what is logged, for many goroutines.
type panicLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *panicLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *panicLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// memoryListener accepts connections of this process.
type memoryListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newMemoryListener() *memoryListener {
	return &memoryListener{conns: make(chan net.Conn, 1), done: make(chan struct{})}
}

func (l *memoryListener) dial() *duplex {
	fromClient, toServer := net.Pipe()
	fromServer, toClient := net.Pipe()
	l.conns <- &duplex{Conn: fromClient, out: toClient}
	return &duplex{Conn: fromServer, out: toServer}
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *memoryListener) Addr() net.Addr { return memoryAddr{} }

type memoryAddr struct{}

func (memoryAddr) Network() string { return "memory" }
func (memoryAddr) String() string  { return "memory" }

// duplex is a connection in memory whose sides end apart, as those of TCP do: it
// reads from one pipe and writes to another.
type duplex struct {
	net.Conn // read from
	out      net.Conn
}

func (d *duplex) Write(p []byte) (int, error) { return d.out.Write(p) }
func (d *duplex) CloseWrite() error           { return d.out.Close() }

func (d *duplex) Close() error {
	d.out.Close()
	return d.Conn.Close()
}

func (d *duplex) SetDeadline(t time.Time) error {
	d.out.SetWriteDeadline(t)
	return d.Conn.SetReadDeadline(t)
}

func (d *duplex) SetWriteDeadline(t time.Time) error { return d.out.SetWriteDeadline(t) }

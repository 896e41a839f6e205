package roost_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"roost"
)

// FuzzPlanes sends the same octets to both planes, in pieces, ends its side, and compares what
// comes back. What only one of them accepts has to be one of the differences that docs/http.md
// lists: see compareAnswers.
func FuzzPlanes(f *testing.F) {
	topics, fixture := loadVectors(f)
	for _, topic := range slices.Sorted(maps.Keys(topics)) {
		for _, v := range topics[topic] {
			var sent strings.Builder
			for i := range v.Send {
				sent.WriteString(v.Send[i].text() + string(v.Send[i].Elsewhere))
			}
			if sent.Len() <= maxFuzzed && !v.Settings.TLS {
				f.Add([]byte(sent.String()), []byte{})
				f.Add([]byte(sent.String()), []byte{1, 7, 30, 2})
			}
		}
	}
	f.Add([]byte("HEAD / HTTP/1.1\r\nHost: roost.example\nAccept-Encoding: gzip\r\n\r\n"), []byte{})
	var open sync.WaitGroup
	f.Cleanup(open.Wait)
	f.Fuzz(func(t *testing.T, sent, cuts []byte) {
		if len(sent) > maxFuzzed {
			t.Skip("too long")
		}
		seen := methodsSeen{connectionEnd: connectionEnd{open: &open}}
		open.Add(1)
		ref := send(t, &fixture, roost.Config{Plane: roost.PlaneReference, Observer: &seen}, sent, cuts)
		ours := send(t, &fixture, roost.Config{Plane: roost.PlaneFast}, sent, cuts)
		if err := compareAnswers(ref, ours, seen.methods); err != nil {
			t.Errorf("%v\nsent %q\nreference: %q\nfast: %q", err, sent, ref.octets, ours.octets)
		}
	})
}

// received is what a plane answered.
type received struct {
	octets []byte
	waited bool   // a request waited for a change, until the server was stopped
	epoch  string // of its entity-tags
}

// send sends octets to a server of one plane, cut as cuts says.
func send(t *testing.T, fixture *vectorFixture, cfg roost.Config, sent, cuts []byte) (got received) {
	var log panicLog
	cfg.MaxURI, cfg.MaxBodyBytes, cfg.MaxWatchers, cfg.MaxRemembered, cfg.Index = len(fixture.Resources)+2, 1024, 1, 1, true
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	s, err := roost.New(t.Context(), cfg)
	must(err)
	fixture.add(t, s, nil)
	r, err := s.GetResource("/get")
	must(err)
	rep, err := r.Representation()
	must(err)
	got.epoch, _, _ = strings.Cut(strings.Trim(rep.ETag(), `"`), "-")
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	must(err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	c, err := net.Dial("unix", path)
	must(err)

	ended := make(chan struct{})
	var working sync.WaitGroup
	working.Go(func() {
		tick := time.NewTicker(maxWatched)
		defer tick.Stop()
		for waiting := 0; ; {
			select {
			case <-ended:
				return
			case <-tick.C:
			}
			if waiting++; roost.Watchers(s) == 0 {
				waiting = 0
			}
			if waiting == 2 {
				got.waited = true
				s.Shutdown(t.Context())
				return
			}
		}
	})
	working.Go(func() {
		for i := 0; len(sent) > 0; i++ {
			n := len(sent)
			if i < len(cuts) {
				n = min(n, int(cuts[i]))
			}
			if _, err := c.Write(sent[:n]); err != nil {
				break // the server may close before it has read everything
			}
			sent = sent[n:]
		}
		c.(*net.UnixConn).CloseWrite()
	})
	c.SetDeadline(time.Now().Add(10 * time.Second))
	got.octets, err = io.ReadAll(c)
	if late := net.Error(nil); errors.As(err, &late) && late.Timeout() { // a reset may follow a stop
		t.Errorf("%s: %v after %q", cfg.Plane, err, got.octets)
	}
	close(ended)
	c.Close()
	working.Wait()
	s.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if text := log.String(); strings.Contains(text, "panic") {
		t.Error(text)
	}
	return got
}

// compareAnswers compares the answers of both planes to requests of these methods. Where one
// plane alone accepts a message, or net/http answers by itself, the comparison is over if that
// is one of the differences:
//
//   - The fast plane refuses what is malformed by the letter, which net/http may accept, or refuse
//     by itself with another status, or not answer where the octets end there.
//   - net/http refuses by itself, without the fields of this server's answers, what the rules
//     accept: an empty line before a request, white space before the semicolon of a chunk extension,
//     empty members of Transfer-Encoding, trailers beyond its own measure.
//   - A request that waits for a change ends when the client ends its side, of which net/http learns
//     only when all that was pipelined behind it was read.
func compareAnswers(ref, ours received, methods []string) error {
	a, b := bufio.NewReader(bytes.NewReader(ref.octets)), bufio.NewReader(bytes.NewReader(ours.octets))
	for n := 0; ; n++ {
		method := "GET"
		if n < len(methods) {
			method = methods[n]
		}
		x, errX := ref.next(a, method)
		y, errY := ours.next(b, method)
		switch {
		case errX == io.EOF && errY == io.EOF:
			return nil
		case errX != nil && errX != io.EOF:
			return fmt.Errorf("answer %d of the reference plane: %w", n, errX)
		case errY != nil && errY != io.EOF:
			return fmt.Errorf("answer %d of the fast plane: %w", n, errY)
		case y != nil && y.isMalformed(), x != nil && (!x.own() || x.isMalformed()):
			return nil
		case ref.waited || ours.waited:
			return nil
		case x == nil || y == nil:
			return fmt.Errorf("answer %d comes from one plane only", n)
		}
		if err := sameAnswer(&ref, &ours, x, y); err != nil {
			return fmt.Errorf("answer %d, to %s: %w", n, method, err)
		}
	}
}

// next reads the next answer that is final.
func (r *received) next(in *bufio.Reader, method string) (*response, error) {
	for {
		if _, err := in.Peek(1); err != nil {
			return nil, err
		}
		resp, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(resp.Body)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, err
		}
		if resp.StatusCode == http.StatusContinue {
			continue
		}
		if resp.Close {
			resp.Header.Set("Connection", "close") // net/http takes it out
		}
		a := &response{head: method == "HEAD", status: resp.StatusCode, fields: resp.Header, content: string(content)}
		if a.own() {
			if err := a.judge(); err != nil {
				return nil, err
			}
		}
		return a, nil
	}
}

// malformedTypes are the problems that the parser of the fast plane finds.
var malformedTypes = []string{
	"malformed-message", "bad-host", "fields-too-large", "target-too-long", "version-not-supported", "transfer-coding-unknown",
}

func (r *response) isMalformed() bool {
	if r.head && r.status >= 400 && r.fields.Get("Connection") != "" {
		return true // its type is not told
	}
	var p roost.Problem
	if json.Unmarshal([]byte(r.content), &p) != nil {
		// As a page or as text, which Accept can ask for.
		return slices.ContainsFunc(malformedTypes, func(name string) bool { return strings.Contains(r.content, name) })
	}
	name := strings.TrimPrefix(p.Type, "urn:roost:problem:")
	return slices.Contains(malformedTypes, name) || name == "method-unknown" && p.Limit > 0 || name == "incomplete-content"
}

// What is another with each server or second.
var (
	anyDate  = regexp.MustCompile(`(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z`)
	anyRetry = regexp.MustCompile(`retry: [0-9]+`)
	anyChild = regexp.MustCompile(`/[0-9]{5}\b`)
)

func (r *received) normal(s string) string {
	s = strings.ReplaceAll(s, r.epoch, "EPOCH")
	s = anyDate.ReplaceAllString(s, "DATE")
	s = anyRetry.ReplaceAllString(s, "retry: N")
	return anyChild.ReplaceAllString(s, "/CHILD")
}

// sameAnswer compares all but the order and case of fields, Date and Connection.
func sameAnswer(ref, ours *received, x, y *response) error {
	if x.status != y.status {
		return fmt.Errorf("the status is %d and %d", x.status, y.status)
	}
	contents := ref.normal(x.content) == ours.normal(y.content) || x.status == 413 // which tells how much had come
	if x.isStream() {                                                              // which ends at any time
		a, b := ref.normal(x.content), ours.normal(y.content)
		contents = strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
	}
	if !contents {
		return fmt.Errorf("the content is %q and %q", x.content, y.content)
	}
	names := slices.Compact(slices.Sorted(slices.Values(slices.Concat(slices.Collect(maps.Keys(x.fields)), slices.Collect(maps.Keys(y.fields))))))
	for _, name := range names {
		switch {
		case name == "Date" || name == "Connection":
			continue
		case (x.content != y.content || x.head && strings.HasPrefix(x.fields.Get("Etag"), "W/")) && (name == "Content-Length" || strings.HasSuffix(name, "-Digest")):
			continue // of content with what is another with each server
		}
		a, b := ref.normal(strings.Join(x.fields[name], "|")), ours.normal(strings.Join(y.fields[name], "|"))
		if a != b {
			return fmt.Errorf("%s is %q and %q", name, a, b)
		}
	}
	return nil
}

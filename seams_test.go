package roost_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"roost"
)

type gateFunc func(*roost.Head) roost.Verdict

func (f gateFunc) Admit(h *roost.Head) roost.Verdict { return f(h) }

// A gate sees each head once, in normal form, and its word holds before the lookup.
func TestGate(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			var mu sync.Mutex
			var seen []string
			gate := gateFunc(func(h *roost.Head) roost.Verdict {
				mu.Lock()
				seen = append(seen, h.Method+" "+h.URI+" "+h.Query)
				mu.Unlock()
				v := roost.Verdict{Fields: []roost.Field{{Name: "X-Gate", Values: []string{"1"}}, {Name: "Vary", Values: []string{"X-Key"}}}}
				switch {
				case h.Header.Get("X-Key") == "late":
					v.Status, v.Problem, v.Title, v.Detail = 429, "slow-down", "Slow down", "Too often."
				case h.Header.Get("X-Key") == "gone":
					v.Status = 204
				}
				return v
			})
			s := tr.start(t, roost.Config{Gate: gate})
			told := newRecorder()
			s.add("/a", all, told.callback)

			a := s.do("PUT", "/x/../%61?q=1", "x")
			if a.Status != 204 || a.Header.Get("X-Gate") != "1" {
				t.Errorf("admitted: %d %v", a.Status, a.Header)
			}
			told.wait(t, 1)
			a = s.do("GET", "/absent", "", "X-Key: late")
			if p := a.problem(t); a.Status != 429 || p.Type != "urn:roost:problem:slow-down" || p.Detail != "Too often." {
				t.Errorf("refused: %d %+v", a.Status, p)
			}
			s.do("GET", "/a", "", "X-Key: gone").expect(t, 204, "")
			if got := s.do("GET", "/a", "").Header.Values("Vary"); strings.Join(got, ", ") != "Accept, X-Key" {
				t.Errorf("Vary %q", got)
			}
			s.do("OPTIONS", "/absent/..", "")
			told.wait(t, 1)
			want := "PUT /a q=1|GET /absent |GET /a |GET /a |OPTIONS / "
			if got := strings.Join(seen, "|"); got != want {
				t.Errorf("the gate saw %q, want %q", got, want)
			}
		})
	}
}

// The cross-origin rule stands before a program's gate, and does not go away with it.
func TestGateStandsBehindCrossOrigin(t *testing.T) {
	asked := false
	s := start(t, roost.Config{Gate: gateFunc(func(*roost.Head) roost.Verdict { asked = true; return roost.Verdict{} })})
	s.add("/a", all, nil)
	if a := s.do("PUT", "/a", "x", "Origin: http://evil.example"); a.Status != 403 || asked {
		t.Errorf("got %d, asked %t", a.Status, asked)
	}
}

func TestGates(t *testing.T) {
	field := func(name string) []roost.Field { return []roost.Field{{Name: name, Values: []string{"1"}}} }
	gates := roost.Gates(
		gateFunc(func(*roost.Head) roost.Verdict { return roost.Verdict{Fields: field("A")} }),
		gateFunc(func(*roost.Head) roost.Verdict { return roost.Verdict{Fields: field("B"), Status: 401} }),
		gateFunc(func(*roost.Head) roost.Verdict { t.Error("asked after a refusal"); return roost.Verdict{} }),
	)
	v := gates.Admit(&roost.Head{Header: http.Header{}})
	if v.Status != 401 || len(v.Fields) != 2 || v.Fields[0].Name != "A" || v.Fields[1].Name != "B" {
		t.Errorf("got %+v", v)
	}
}

type observed struct {
	mu       sync.Mutex
	requests []roost.RequestRecord
	conns    []roost.ConnectionRecord
	changes  []roost.ChangeRecord
}

func (o *observed) Request(r *roost.RequestRecord) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.requests = append(o.requests, *r)
}

func (o *observed) Connection(r *roost.ConnectionRecord) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.conns = append(o.conns, *r)
}

func (o *observed) Change(r *roost.ChangeRecord) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.changes = append(o.changes, *r)
}

func TestObserver(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			o := new(observed)
			s := tr.start(t, roost.Config{Observer: o})
			r := s.add("/a", all, nil)
			s.do("PUT", "/%61?q=1", "body", "Content-Type: text/plain")
			child := s.do("POST", "/a", "x").Header.Get("Location")
			s.do("DELETE", child, "")
			s.do("FOO", "/absent", "")
			if _, err := r.SetValue(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			s.client.CloseIdleConnections()
			must(s.Shutdown(t.Context()))
			eventually(t, func() bool { o.mu.Lock(); defer o.mu.Unlock(); return len(o.conns) > 0 })

			o.mu.Lock()
			defer o.mu.Unlock()
			if len(o.requests) != 4 {
				t.Fatalf("%d requests", len(o.requests))
			}
			put, post, foo := o.requests[0], o.requests[1], o.requests[3]
			if put.Method != "PUT" || put.URI != "/a" || put.Query != "q=1" || string(put.Body) != "body" || put.Status != 204 ||
				put.Header.Get("Content-Type") != "text/plain" || put.Duration <= 0 || put.Peer == "" || (put.TLS != nil) != tr.tls {
				t.Errorf("PUT is %+v", put)
			}
			if post.NewURI != child || post.Status != 201 || post.Sent != int64(len(child)+1) {
				t.Errorf("POST is %+v", post)
			}
			if foo.Method != "FOO" || foo.URI != "/absent" || foo.Status != 501 || foo.Sent == 0 {
				t.Errorf("FOO is %+v", foo)
			}
			if len(o.conns) == 0 || o.conns[0].Listener != s.Addr().String() || o.conns[0].Received == 0 || o.conns[0].Sent == 0 {
				t.Errorf("connections %+v", o.conns)
			}
			var kinds []string
			last := uint64(0)
			for _, c := range o.changes {
				kinds = append(kinds, string(c.Kind)+" "+c.URI)
				if c.Revision <= last {
					t.Errorf("revision %d after %d", c.Revision, last)
				}
				last = c.Revision
			}
			want := "create /a|put /a|create " + child + "|delete " + child + "|put /a"
			if got := strings.Join(kinds, "|"); got != want {
				t.Errorf("changes %q, want %q", got, want)
			}
		})
	}
}

// A gate that panics is a 500, and holds nothing back.
func TestGatePanics(t *testing.T) {
	s := start(t, roost.Config{MaxConns: 3, Gate: gateFunc(func(h *roost.Head) roost.Verdict {
		if h.URI == "/panic" {
			panic("gate")
		}
		return roost.Verdict{}
	})})
	s.add("/a", all, nil)
	for range 10 {
		if a := s.do("POST", "/panic", "x"); a.Status != 500 || a.problem(t).Type != "urn:roost:problem:internal" {
			t.Errorf("got %d %s", a.Status, a.Body)
		}
	}
	s.do("GET", "/a", "").expect(t, 200, "0")
}

package control_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"roost"
	"roost/control"
	"roost/store"
	"roost/store/memory"
)

// faultyStore fails, or panics, as it is told to.
type faultyStore struct {
	store.Store
	fault any
}

func (s *faultyStore) Commit(ctx context.Context, txn store.Txn) (uint64, error) {
	switch fault := s.fault.(type) {
	case nil:
		return s.Store.Commit(ctx, txn)
	case error:
		return 0, fault
	}
	panic(s.fault)
}

// What a store fails for is told as what it is, and a fault of the code as one of ours.
func TestStoreFaults(t *testing.T) {
	s := &faultyStore{Store: memory.New()}
	defer s.Close()
	c := start(t, config(roost.Config{Store: s}))
	c.running(nil)
	c.call("POST", "/v1/resources", object{"uri": "/a"}).expect(t, 201, "")
	for _, row := range []struct {
		fault   any
		status  int
		problem string
	}{
		{store.ErrFull, 507, "full"},
		{fmt.Errorf("net: %w", store.ErrUnavailable), 503, "store-unavailable"},
		{store.ErrUnknown, 503, "outcome-unknown"},
		{fmt.Errorf("secret"), 500, "internal"},
		{"a panic", 500, "internal"},
	} {
		s.fault = row.fault
		for _, call := range []struct {
			method, path string
			body         any
		}{
			{"POST", "/v1/resources", object{"uri": "/b"}},
			{"PUT", "/v1/resource/value?uri=/a", object{"value": "x"}},
			{"PUT", "/v1/resource/value?uri=/a", object{"value": "x", "content_type": "text/plain"}},
			{"PUT", "/v1/resource/handler?uri=/a", object{"methods": []string{"GET"}}},
			{"DELETE", "/v1/resource?uri=/a", nil},
		} {
			a := c.call(call.method, call.path, call.body)
			a.expect(t, row.status, row.problem)
			if strings.Contains(a.body, "secret") {
				t.Errorf("%s tells what is for the log", a.body)
			}
		}
	}
	s.fault = nil
	if o := c.call("GET", "/v1/resource?uri=/a", nil).object(t); o["value"] != "0" {
		t.Errorf("after all that: %v", o)
	}
}

// The resources that a store keeps are there for the next server.
func TestStoreStays(t *testing.T) {
	s := memory.New()
	defer s.Close()
	c := start(t, config(roost.Config{Store: s}))
	c.running(nil)
	c.call("POST", "/v1/resources", object{"uri": "/a", "value": "kept"}).expect(t, 201, "")
	life := c.call("GET", "/v1/resource?uri=/a", nil).object(t)["life"]
	c.call("DELETE", "/v1/server", nil).expect(t, 204, "")
	c.running(nil)
	if o := c.call("GET", "/v1/resource?uri=/a", nil).object(t); o["value"] != "kept" || o["life"] != life {
		t.Errorf("got %v, want the life %v", o, life)
	}
}

// A client that goes away in the middle of an answer is no fault.
func TestClientGoesAway(t *testing.T) {
	var log lockedBuffer
	engine := control.NewEngine(control.EngineConfig{Listen: []string{"127.0.0.1:0"}})
	api := control.New(engine, control.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if _, err := engine.Start(t.Context(), control.Settings{}, func(ctx context.Context, s *roost.Server) error {
		_, err := s.AddResource(ctx, "/a", roost.WithString(strings.Repeat("x", 8<<20)))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer engine.Stop(context.Background())
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", "/v1/resource?uri=/a", nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &goneWriter{header: make(http.Header), cancel: cancel}
	api.ServeHTTP(w, r)
	if w.heads != 1 || log.String() != "" {
		t.Errorf("%d heads were written; it was logged: %s", w.heads, log.String())
	}
}

// goneWriter is the connection of a client that goes away.
type goneWriter struct {
	header http.Header
	heads  int
	cancel func()
}

func (w *goneWriter) Header() http.Header { return w.header }
func (w *goneWriter) WriteHeader(int)     { w.heads++ }
func (w *goneWriter) Write([]byte) (int, error) {
	w.cancel()
	return 0, fmt.Errorf("broken pipe")
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

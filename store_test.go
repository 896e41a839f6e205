package roost_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"roost"
	"roost/store"
	"roost/store/memory"
)

// storeBetween is a store in which something else happens around the next commit.
type storeBetween struct {
	store.Store
	before, after func() error // each runs once
}

func (s *storeBetween) Commit(ctx context.Context, txn store.Txn) (uint64, error) {
	before, after := s.before, s.after
	s.before, s.after = nil, nil
	if before != nil {
		if err := before(); err != nil {
			return 0, err
		}
	}
	revision, err := s.Store.Commit(ctx, txn)
	if after != nil {
		err = errors.Join(err, after())
	}
	return revision, err
}

func openBetween(t *testing.T, cfg roost.Config) (*roost.Server, *storeBetween) {
	st := &storeBetween{Store: memory.New()}
	t.Cleanup(func() { st.Close() })
	cfg.Store = st
	return newServer(t, cfg), st
}

func ask(s *roost.Server, method, uri, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(method, uri, strings.NewReader(body)))
	return w
}

// Whatever writes to a resource does so in the life that it looked up, even if another
// has begun when the store gets to it.
func TestWritesBelongToOneLife(t *testing.T) {
	s, st := openBetween(t, roost.Config{})
	ctx := t.Context()
	reborn := func() error {
		if err := s.RemoveResource(ctx, "/a"); err != nil {
			return err
		}
		_, err := s.AddResource(ctx, "/a", roost.WithString("reborn"))
		return err
	}
	for name, write := range map[string]func(*roost.Resource) bool{
		"SetValue": func(r *roost.Resource) bool {
			_, err := r.SetValue(ctx, []byte("x"))
			return errors.Is(err, roost.ErrNotExist)
		},
		"RegisterRequestHandler": func(r *roost.Resource) bool {
			return errors.Is(r.RegisterRequestHandler(ctx, roost.GET, nil), roost.ErrNotExist)
		},
		"RemoveResource": func(*roost.Resource) bool { return errors.Is(s.RemoveResource(ctx, "/a"), roost.ErrNotExist) },
		"PUT":            func(*roost.Resource) bool { return ask(s, "PUT", "/a", "x").Code == 404 },
		"POST":           func(*roost.Resource) bool { return ask(s, "POST", "/a", "x").Code == 404 },
		"DELETE":         func(*roost.Resource) bool { return ask(s, "DELETE", "/a", "").Code == 404 },
	} {
		r := add(t, s, "/a", all, nil)
		st.before = reborn
		if !write(r) {
			t.Errorf("%s wrote to another life", name)
		}
		now, err := s.GetResource("/a")
		if err != nil || now.String() != "reborn" || now.Methods() != 0 || len(s.ListResource("")) != 1 {
			t.Errorf("%s: %v, %q, %v, %q", name, err, now, now.Methods(), s.ListResource(""))
		}
		must(s.RemoveResource(ctx, "/a"))
	}
}

// SetValue returns what it stored, even if somebody wrote again since.
func TestSetValueReturnsItsOwn(t *testing.T) {
	s, st := openBetween(t, roost.Config{})
	r := add(t, s, "/a", all, nil)
	st.after = func() error {
		_, err := r.SetValue(t.Context(), []byte("later"))
		return err
	}
	rep, err := r.SetValue(t.Context(), []byte("mine"))
	must(err)
	if string(rep.Value()) != "mine" || r.String() != "later" {
		t.Errorf("got %q, value is %q", rep.Value(), r)
	}
}

// Adopting keeps what is written meanwhile, and can be tried again.
func TestAdoptMeanwhile(t *testing.T) {
	st := &storeBetween{Store: memory.New()}
	t.Cleanup(func() { st.Close() })
	ctx := t.Context()
	first := newServer(t, roost.Config{Store: st})
	add(t, first, "/a", all, nil)
	must(first.Close())

	s := newServer(t, roost.Config{Store: st})
	st.before = func() error { return store.ErrUnavailable } // of AddResource's own transaction
	_, err := s.AddResource(ctx, "/a", roost.WithContentType(roost.Plain))
	wantError(t, err, store.ErrUnavailable, `"/a"`)
	st.before = func() error { // that one fails, and the next is the adoption
		st.before = func() error {
			if code := ask(s, "PUT", "/a", "meanwhile").Code; code != 204 {
				t.Errorf("PUT %d", code)
			}
			return nil
		}
		return nil
	}
	r, err := s.AddResource(ctx, "/a", roost.WithContentType(roost.Plain))
	must(err)
	if rep, _ := r.Representation(); string(rep.Value()) != "meanwhile" || rep.MediaType() != roost.Plain {
		t.Errorf("adopted %q of type %s", rep.Value(), rep.MediaType())
	}
	must(s.Close())

	s = newServer(t, roost.Config{Store: st})
	st.before = func() error {
		st.before = func() error { return store.ErrUnavailable } // the adoption fails
		return nil
	}
	r, err = s.AddResource(ctx, "/a", roost.WithContentType(roost.JSON))
	wantError(t, err, store.ErrUnavailable, `"/a"`)
	if r != nil {
		t.Error("a handle comes with the error")
	}
	if _, err := s.AddResource(ctx, "/a", roost.WithContentType(roost.JSON)); err != nil {
		t.Errorf("then: %v", err)
	}
}

// A registration goes with its resource, for the next run too.
func TestRemovedRegistrationIsGone(t *testing.T) {
	for name, remove := range map[string]func(*roost.Server) error{
		"DELETE": func(s *roost.Server) error {
			if code := ask(s, "DELETE", "/a", "").Code; code != 204 {
				return errors.New("not removed")
			}
			return nil
		},
		"RemoveResource": func(s *roost.Server) error { return s.RemoveResource(context.Background(), "/a") },
	} {
		st := memory.New()
		s := newServer(t, roost.Config{Store: st})
		add(t, s, "/a", all, nil)
		must(remove(s))
		add(t, s, "/a", 0, nil)
		must(s.Close())
		s = newServer(t, roost.Config{Store: st})
		if r, err := s.GetResource("/a"); err != nil || r.Methods() != 0 {
			t.Errorf("%s: %v, %v", name, err, r.Methods())
		}
		must(s.Close())
		st.Close()
	}
}

// What a store's errors become for the program.
func TestStoreErrorsOfCalls(t *testing.T) {
	s, st := openBetween(t, roost.Config{})
	r := add(t, s, "/a", all, nil)
	for failure, kind := range map[error]error{store.ErrFull: roost.ErrFull, store.ErrClosed: roost.ErrClosed, store.ErrUnknown: store.ErrUnknown} {
		fail := func() error { return failure }
		st.before = fail
		_, err := r.SetValue(t.Context(), nil)
		wantError(t, err, kind, `"/a"`)
		st.before = fail
		wantError(t, r.RegisterRequestHandler(t.Context(), roost.GET, nil), kind, `"/a"`)
		st.before = fail
		_, err = s.AddResource(t.Context(), "/b")
		wantError(t, err, kind, `"/b"`)
		st.before = fail
		wantError(t, s.RemoveResource(t.Context(), "/a"), kind, `"/a"`)
	}
}

// A store that panics is a 500, and the callback hears of it.
func TestStorePanics(t *testing.T) {
	for _, tr := range transports {
		st := &storeBetween{Store: memory.New()}
		t.Cleanup(func() { st.Close() })
		s := tr.start(t, roost.Config{Store: st})
		told := newRecorder()
		s.add("/a", all, told.callback)
		st.before = func() error { panic("store") }
		if a := s.do("PUT", "/a", "x"); a.Status != 500 || a.problem(t).Type != "urn:roost:problem:internal" {
			t.Errorf("%s: got %d %q", tr.name, a.Status, a.Body)
		}
		if e := told.wait(t, 1); e[0].Status != 500 {
			t.Errorf("%s: told of %d", tr.name, e[0].Status)
		}
		s.do("GET", "/a", "").expect(t, 200, "0")
	}
}

// panicky is an observer that fails.
type panicky struct{}

func (panicky) Request(*roost.RequestRecord)       { panic("observer") }
func (panicky) Connection(*roost.ConnectionRecord) {}
func (panicky) Change(*roost.ChangeRecord)         {}

// An observer that panics ends its request's connection, and holds nothing back.
func TestObserverPanics(t *testing.T) {
	s := start(t, roost.Config{Observer: panicky{}})
	told := newRecorder()
	s.add("/a", all, told.callback)
	for range 3 {
		c := s.dial()
		c.send("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\ncontent")
		if got := c.rest(); !strings.HasPrefix(got, "HTTP/1.1 204 ") {
			t.Errorf("got %q", got)
		}
	}
	told.wait(t, 3)
	eventually(t, func() bool { return roost.Pending(s.Server) == 0 })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	must(s.Shutdown(ctx))
}

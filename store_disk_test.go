package roost_test

import (
	"log/slog"
	"strings"
	"testing"

	"roost"
	"roost/store/disk"
)

// overStore runs a server over the store in dir, until stop is called.
func overStore(t *testing.T, dir string, cfg roost.Config) (s *site, stop func()) {
	t.Helper()
	d, err := disk.Open(dir, disk.Options{Logger: slog.New(slog.DiscardHandler)})
	must(err)
	cfg.Store = d
	s = start(t, cfg)
	stop = func() {
		must(s.Shutdown(t.Context()))
		must(d.Close())
	}
	return s, stop
}

// What a client was told holds after a restart: tags, ids, keys, methods and children.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	s, stop := overStore(t, dir, roost.Config{Index: true})
	s.add("/d/a", all, nil, roost.WithContentType(roost.Plain), roost.WithString("first"))
	s.do("PUT", "/d/a", "stored")
	post := s.do("POST", "/d/a", "kid", "Idempotency-Key: k")
	child := post.Header.Get("Location")
	e := s.watch("/d/a")
	last := e.expect(event{Data: "stored"})
	of := s.watch("/d/")
	for range 2 {
		_, err := of.next()
		must(err)
	}
	s.do("PUT", child, "grown")
	grown, err := of.next()
	must(err)
	tag := s.tag("/d/a")
	e.cancel()
	of.cancel()
	stop()

	s, stop = overStore(t, dir, roost.Config{Index: true})
	s.do("GET", child, "").expect(t, 200, "grown") // before anybody declares anything
	told := newRecorder()
	r := s.add("/d/a", all, told.callback, roost.WithContentType(roost.Plain), roost.WithString("declared"))
	if r.String() != "stored" {
		t.Errorf("the declared value won: %q", r.String())
	}
	if a := s.do("GET", "/d/a", "", "If-None-Match: "+tag); a.Status != 304 {
		t.Errorf("the tag from before: %d", a.Status)
	}
	if a := s.do("POST", "/d/a", "kid", "Idempotency-Key: k"); a.Status != 201 || a.Header.Get("Location") != child || a.Header.Get("Etag") != post.Header.Get("Etag") {
		t.Errorf("the key from before: %+v", a)
	}
	if a := s.do("PUT", "/d/a", "x", "If-Match: "+tag); a.Status != 204 || a.Header.Get("Etag") == tag {
		t.Errorf("%+v", a)
	}
	if got := told.wait(t, 2); got[1].Status != 204 {
		t.Errorf("%+v", got[1])
	}
	s.do("PUT", child, "again") // calls that of the one it was made under
	if got := told.wait(t, 1); got[len(got)-1].URI != child {
		t.Errorf("%+v", got[len(got)-1])
	}
	e = s.watch("/d/a", "Last-Event-ID: "+last.ID)
	e.expect(event{Data: "x"}) // without a reset: it is the same store
	of = s.watch("/d/", "Last-Event-ID: "+grown.ID)
	if got, err := of.next(); err != nil || got.Name == "reset" && !strings.Contains(got.Data, "") {
		t.Errorf("%+v, %v", got, err)
	}
	e.cancel()
	of.cancel()
	stop()
}

package roost_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"roost"
	"roost/store/disk"
)

// A program that gives a shorter time to live than it did finds what is older than that: it
// lives for that time from then on, as with SetTTL. What a client asked for stays where the program
// changes other things.
func TestAdoptedTTL(t *testing.T) {
	dir := t.TempDir()
	s, stop := overStore(t, dir, roost.Config{})
	s.add("/a", roost.GET|roost.PUT, nil, roost.WithString("kept"))
	s.add("/b", roost.GET|roost.PUT, nil, roost.WithClientTTL(), roost.WithContentType(roost.Plain))
	s.do("PUT", "/b", "for an hour", "Roost-TTL: 3600").expect(t, 204, "")
	stop()
	time.Sleep(time.Second)

	s, stop = overStore(t, dir, roost.Config{})
	defer stop()
	if _, err := s.AddResource(t.Context(), "/a", roost.WithTTL(time.Second)); err != nil {
		t.Error(err)
	}
	if a := s.do("GET", "/a", ""); a.Status != 200 || a.Header.Get("Sunset") == "" {
		t.Errorf("%d, Sunset %q", a.Status, a.Header.Get("Sunset"))
	}
	_, err := s.AddResource(t.Context(), "/b", roost.WithClientTTL(), roost.WithContentType(roost.Plain), roost.WithCacheControl("no-store"))
	if a := s.do("GET", "/b", ""); err != nil || a.Header.Get("Sunset") == "" {
		t.Errorf("%v, no end of what a client gave an hour: %v", err, a.Header)
	}
}

// What a store brings may say that a resource was made under itself.
func TestParentsInACircle(t *testing.T) {
	const export = `{"kind":"roost store export","format":1,"epoch":"e","revision":5,"time":"2026-05-01T12:30:00Z"}
{"space":"resource","name":"/a","meta":{"type":"text/plain","parent":"/a"},"value":"","created":1,"revision":1}
{"space":"resource","name":"/b","meta":{"type":"text/plain","parent":"/c"},"value":"","created":2,"revision":2}
{"space":"resource","name":"/c","meta":{"type":"text/plain","parent":"/b"},"value":"","created":2,"revision":2}
{"items":3}
`
	dir := t.TempDir()
	_, err := disk.Import(dir, strings.NewReader(export), nil, disk.Options{})
	must(err)
	d, err := disk.Open(dir, disk.Options{})
	must(err)
	defer d.Close()
	loaded := make(chan error, 1)
	go func() {
		s, err := roost.New(context.Background(), roost.Config{Store: d, Index: true})
		if err == nil {
			for _, uri := range s.ListResource("") {
				r, _ := s.GetResource(uri)
				r.Methods()
			}
			err = s.Close()
		}
		loaded <- err
	}()
	select {
	case err := <-loaded:
		must(err)
	case <-time.After(10 * time.Second):
		t.Fatal("it goes round")
	}
}

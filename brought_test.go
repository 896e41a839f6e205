package roost_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"roost"
	"roost/store/disk"
)

// brought is a store with what was exported elsewhere.
func brought(t *testing.T, export string) *disk.Store {
	dir := t.TempDir()
	_, err := disk.Import(dir, strings.NewReader(export), nil, disk.Options{})
	must(err)
	d, err := disk.Open(dir, disk.Options{})
	must(err)
	t.Cleanup(func() { d.Close() })
	return d
}

// What a store brings may say that a resource was made under itself.
func TestParentsInACircle(t *testing.T) {
	const export = `{"kind":"roost store export","format":1,"epoch":"e","revision":5,"time":"2026-05-01T12:30:00Z"}
{"space":"resource","name":"/a","meta":{"type":"text/plain","parent":"/a"},"value":"","created":1,"revision":1}
{"space":"resource","name":"/b","meta":{"type":"text/plain","parent":"/c"},"value":"","created":2,"revision":2}
{"space":"resource","name":"/c","meta":{"type":"text/plain","parent":"/b"},"value":"","created":2,"revision":2}
{"items":3}
`
	d := brought(t, export)
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

// What no server writes is left out, and logged: it would be an answer that can't be made.
func TestBroughtNonsense(t *testing.T) {
	const export = `{"kind":"roost store export","format":1,"epoch":"e","revision":7,"time":"2026-05-01T12:30:00Z"}
{"space":"handler","name":"/good","meta":{"methods":255},"value":"","created":2,"revision":2}
{"space":"resource","name":"/cache","meta":{"type":"text/plain","cache":"no-store\r\nX: y"},"value":"","created":5,"revision":5}
{"space":"resource","name":"/good","meta":{"type":"text/plain"},"value":"","created":1,"revision":1}
{"space":"resource","name":"/methods","meta":{"type":"text/plain","methods":255},"value":"","created":4,"revision":4}
{"space":"resource","name":"/ttl","meta":{"type":"text/plain","ttl":-1},"value":"","created":6,"revision":6}
{"space":"resource","name":"/type","meta":{"type":"text/plain\r\nX: y"},"value":"","created":3,"revision":3}
{"items":6}
`
	d := brought(t, export)
	s := start(t, roost.Config{Store: d})
	if got := s.ListResource(""); len(got) != 1 || got[0] != "/good" {
		t.Errorf("%q", got)
	}
	r, err := s.GetResource("/good")
	must(err)
	if m := r.Methods(); m != 0 {
		t.Errorf("it answers %v", m)
	}
}

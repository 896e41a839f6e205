package roost_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"roost"
	"roost/store/disk"
)

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

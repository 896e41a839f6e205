package disk

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Nothing comes through a gate that is shut, by files that were opened before neither, and whoever
// tries waits.
func TestGateShut(t *testing.T) {
	fs, told := vfs.NewMem(), make(chan error)
	g := &gate{FS: fs, fail: func(err error) { told <- err }}
	f, err := g.Create("before", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Lock("lock"); err != nil {
		t.Fatal(err)
	}
	if err := g.close(); err != nil {
		t.Fatal(err)
	}
	for what, try := range map[string]func(){
		"create": func() { g.Create("after", vfs.WriteCategoryUnspecified) },
		"write":  func() { f.Write([]byte("x")) },
		"remove": func() { g.Remove("before") },
		"rename": func() { g.Rename("before", "after") },
	} {
		go func() {
			try()
			t.Errorf("%s came back", what)
		}()
		if err := <-told; !errors.Is(err, errShut) {
			t.Errorf("%s: %v", what, err)
		}
	}
	info, err := fs.Stat("before")
	if err != nil || info.Size() != 0 || exists(fs, "after") {
		t.Error("something came through", err)
	}
	if l, err := fs.Lock("lock"); err != nil {
		t.Error("the lock was kept:", err)
	} else {
		l.Close()
	}
}

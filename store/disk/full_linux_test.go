package disk

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"roost/store"
)

// tiny mounts a file system of some bytes.
func tiny(t *testing.T, bytes int) string {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprint("size=", bytes)); err != nil {
		const why = "SKIPPED: no test of a full disk: mounting one needs root and the right to mount: "
		if os.Getenv("ROOST_REQUIRE_ALL") == "1" {
			t.Fatal(why, err)
		}
		t.Skip(why, err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func value(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

// fill puts values until one is refused, and returns what was acknowledged.
func fill(t *testing.T, s *Store, history *record) error {
	if err := s.Follow(t.Context(), history.apply); err != nil {
		t.Fatal(err)
	}
	for i := range 10_000 {
		_, err := s.Commit(t.Context(), store.Txn{Then: []store.Write{{Key: store.Key{Space: "s", Name: fmt.Sprint(i)}, Value: value(50_000)}}})
		if err != nil {
			return err
		}
	}
	t.Fatal("never full")
	return nil
}

// A disk with a margin is seen to be full before it fails: nothing more is taken until there is
// room again.
func TestFull(t *testing.T) {
	dir := tiny(t, 160<<20)
	if err := os.WriteFile(filepath.Join(dir, "other"), make([]byte, 60<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(filepath.Join(dir, "store"), Options{Logger: silent})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	history := &record{}
	if err := fill(t, s, history); !errors.Is(err, store.ErrFull) {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "other")); err != nil {
		t.Fatal(err)
	}
	w := store.Write{Key: store.Key{Space: "s", Name: "more"}, Value: value(50_000)}
	for err = store.ErrFull; errors.Is(err, store.ErrFull); { // it asks ten times a second
		_, err = s.Commit(t.Context(), store.Txn{Then: []store.Write{w}})
	}
	if err != nil {
		t.Error(err)
	}
}

// Without a margin the disk fails: the store stops, and what it acknowledged is there when there
// is room and it is opened again. Opening takes as much as the log has.
func TestOverfull(t *testing.T) {
	mounted := tiny(t, 80<<20)
	dir, other := filepath.Join(mounted, "store"), filepath.Join(mounted, "other")
	if err := os.WriteFile(other, make([]byte, 40<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, Options{Logger: silent, MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	history := &record{}
	var failed error
	within(t, "Commit", func() { failed = fill(t, s, history) })
	if !errors.Is(failed, store.ErrUnknown) && !errors.Is(failed, ErrFailed) || !errors.Is(failed, syscall.ENOSPC) {
		t.Fatal(failed)
	}
	within(t, "Close", func() { s.Close() })
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir, Options{Logger: silent}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got, revision, err := read(s)
	if err == nil && revision == history.newest() {
		err = same(got, history.at(revision))
	}
	if err != nil || revision < history.newest() || revision > history.newest()+1 {
		t.Errorf("revision %d after %d: %v", revision, history.newest(), err)
	}
}

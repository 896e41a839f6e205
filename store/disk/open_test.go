package disk_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roost/store"
	"roost/store/disk"
)

func open(t testing.TB, dir string) *disk.Store {
	t.Helper()
	s, err := disk.Open(dir, disk.Options{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func key(name string) store.Key { return store.Key{Space: "things", Name: name} }

func commit(t testing.TB, s store.Store, writes ...store.Write) uint64 {
	t.Helper()
	revision, err := s.Commit(context.Background(), store.Txn{Then: writes})
	if err != nil {
		t.Fatal(err)
	}
	return revision
}

// contents is what a store has, by the key's text.
func contents(t testing.TB, s store.Store) (items map[string]store.Item, revision uint64) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	items = map[string]store.Item{}
	err := s.Follow(ctx, func(b store.Batch) {
		revision = b.Revision
		for _, c := range b.Changes {
			items[c.Item.Key.String()] = *c.Item
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return items, revision
}

// What was acknowledged is there again, to the nanosecond, under the same epoch; revisions go
// on rising.
func TestReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "store")
	must(t, os.MkdirAll(filepath.Dir(dir), 0o700))
	s := open(t, dir)
	epoch := s.Info().Epoch
	at := time.Date(2026, 5, 1, 12, 0, 0, 123456789, time.UTC)
	want := map[string]store.Item{}
	for i := range 100 {
		w := store.Write{Key: key(fmt.Sprint("k\x00", i)), Meta: []byte{byte(i % 3)}, Value: []byte(strings.Repeat("v", i)), Modified: at.Add(time.Duration(i))}
		if i%2 == 0 {
			w.Expires = at.Add(time.Hour)
		}
		revision := commit(t, s, w)
		want[w.Key.String()] = store.Item{Key: w.Key, Meta: w.Meta, Value: w.Value, Created: revision, Revision: revision, Modified: w.Modified, Expires: w.Expires}
	}
	commit(t, s, store.Write{Key: key("gone")})
	last := commit(t, s, store.Write{Key: key("gone"), Delete: true})
	must(t, s.Close())

	for range 3 {
		s = open(t, dir)
		got, revision := contents(t, s)
		if s.Info().Epoch != epoch || revision != last || len(got) != len(want) {
			t.Fatalf("epoch %s, revision %d, %d items; want %s, %d, %d", s.Info().Epoch, revision, len(got), epoch, last, len(want))
		}
		for k, w := range want {
			g := got[k]
			if g.Key != w.Key || string(g.Meta) != string(w.Meta) || string(g.Value) != string(w.Value) || g.Created != w.Created || g.Revision != w.Revision ||
				!g.Modified.Equal(w.Modified) || !g.Expires.Equal(w.Expires) || g.Expires.IsZero() != w.Expires.IsZero() {
				t.Errorf("%q: got %+v, want %+v", k, g, w)
			}
		}
		next := commit(t, s, store.Write{Key: key("next")})
		if next <= last {
			t.Errorf("revision %d after %d", next, last)
		}
		last = commit(t, s, store.Write{Key: key("next"), Delete: true})
		must(t, s.Close())
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A second one is told who has the store.
func TestInUse(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	_, err := disk.Open(dir, disk.Options{Logger: quiet})
	if !errors.Is(err, disk.ErrInUse) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), fmt.Sprint("process ", os.Getpid(), " on ")) {
		t.Errorf("opened twice: %v", err)
	}
	must(t, s.Close())
	open(t, dir)
}

// What is no store is left alone.
func TestNotAStore(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "precious"), []byte("x"), 0o600))
	if _, err := disk.Open(dir, disk.Options{Logger: quiet}); !errors.Is(err, disk.ErrNotAStore) {
		t.Errorf("a folder with other files: %v", err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("it has %v now", files)
	}
	file := filepath.Join(dir, "precious")
	if _, err := disk.Open(file, disk.Options{Logger: quiet}); err == nil {
		t.Error("a file was opened")
	}
}

// Stores of other versions, and those of which something is missing, are refused whole.
func TestRefused(t *testing.T) {
	for name, row := range map[string]struct {
		harm func(dir string)
		want error
	}{
		"newer": {func(dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "FORMAT"), []byte("roost store 2\n"), 0o600))
		}, disk.ErrFormat},
		"no format":   {func(dir string) { must(t, os.WriteFile(filepath.Join(dir, "FORMAT"), nil, 0o600)) }, disk.ErrDamaged},
		"other":       {func(dir string) { must(t, os.WriteFile(filepath.Join(dir, "FORMAT"), []byte("x\n"), 0o600)) }, disk.ErrDamaged},
		"no database": {func(dir string) { must(t, os.RemoveAll(filepath.Join(dir, "db"))) }, disk.ErrDamaged},
		"no log": {func(dir string) {
			logs, _ := filepath.Glob(filepath.Join(dir, "db", "*.log"))
			for _, f := range logs {
				must(t, os.Remove(f))
			}
		}, disk.ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			commit(t, s, store.Write{Key: key("a"), Value: []byte("x")})
			must(t, s.Close())
			row.harm(dir)
			_, err := disk.Open(dir, disk.Options{Logger: quiet})
			if !errors.Is(err, row.want) {
				t.Errorf("%v, want %v", err, row.want)
			}
		})
	}
}

// A store that was being made when the process ended is made anew.
func TestHalfMade(t *testing.T) {
	dir := t.TempDir()
	must(t, open(t, dir).Close())
	must(t, os.Remove(filepath.Join(dir, "FORMAT")))
	must(t, os.WriteFile(filepath.Join(dir, "FORMAT.new"), []byte("roo"), 0o600))
	s := open(t, dir)
	commit(t, s, store.Write{Key: key("a")})
	must(t, s.Close())
	if items, _ := contents(t, open(t, dir)); len(items) != 1 {
		t.Errorf("%d items", len(items))
	}
}

// A disk that is nearly full takes nothing more, but removals.
func TestMinFree(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	commit(t, s, store.Write{Key: key("a")})
	must(t, s.Close())
	s, err := disk.Open(dir, disk.Options{Logger: quiet, MinFree: 1 << 60})
	must(t, err)
	defer s.Close()
	if _, err := s.Commit(t.Context(), store.Txn{Then: []store.Write{{Key: key("b")}}}); !errors.Is(err, store.ErrFull) {
		t.Errorf("%v", err)
	}
	commit(t, s, store.Write{Key: key("a"), Delete: true})
}

// A lazy store keeps the contract too.
func TestLazy(t *testing.T) {
	dir := t.TempDir()
	s, err := disk.Open(dir, disk.Options{Logger: quiet, Lazy: true})
	must(t, err)
	commit(t, s, store.Write{Key: key("a")})
	must(t, s.Close())
	if items, _ := contents(t, open(t, dir)); len(items) != 1 {
		t.Errorf("%d items", len(items))
	}
}

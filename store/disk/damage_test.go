package disk

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"roost/store"
)

// whole is a copy of a file system.
func whole(fs *vfs.MemFS) *vfs.MemFS {
	return fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(0, 0))})
}

// written makes a store with tables, a log and a past, and returns its disk before it was
// closed and after.
func written(t *testing.T) (crashed, closed *vfs.MemFS, history *record) {
	t.Helper()
	disk := vfs.NewCrashableMem()
	history = &record{}
	for seed := range uint64(2) {
		s, err := small(disk, "store")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Follow(t.Context(), history.apply); err != nil {
			t.Fatal(err)
		}
		work(s, seed, 15, func(_ store.Txn, _ uint64, err error) {
			if err != nil {
				t.Error(err)
			}
		})
		crashed = whole(disk)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return crashed, disk, history
}

// harm is one thing that is done to a file: flip an octet, cut it off, or remove it.
type harm struct {
	path string
	kind string
	at   int
}

// harms are some of those that can be done to each file of a store.
func harms(t *testing.T, fs vfs.FS, r *rand.Rand, each int) (all []harm) {
	for _, dir := range []string{"store", "store/db"} {
		names, err := fs.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(names)
		for _, name := range names {
			path := dir + "/" + name
			info, err := fs.Stat(path)
			if err != nil || info.IsDir() || strings.HasSuffix(name, lockFile) || name == holderFile {
				continue // what is in those says nothing
			}
			all = append(all, harm{path, "remove", 0})
			for i := range min(int(info.Size()), each) {
				at := i
				if int(info.Size()) > each {
					at = r.IntN(int(info.Size()))
				}
				all = append(all, harm{path, []string{"flip", "flip", "cut"}[r.IntN(3)], at})
			}
		}
	}
	return all
}

func (h harm) do(t *testing.T, fs vfs.FS, r *rand.Rand) {
	f, err := fs.Open(h.path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(f)
	f.Close()
	switch {
	case err != nil:
		t.Fatal(err)
	case h.kind == "remove":
		if err := fs.Remove(h.path); err != nil {
			t.Fatal(err)
		}
		return
	case h.kind == "cut":
		b = b[:h.at]
	default:
		b[h.at] ^= 1 << r.IntN(8)
	}
	if f, err = fs.Create(h.path, vfs.WriteCategoryUnspecified); err == nil {
		_, err = f.Write(b)
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// harmed opens a store that was harmed, and says what it found.
func harmed(fs vfs.FS) (m image, revision uint64, err error) {
	s, err := small(fs, "store")
	if err != nil {
		return nil, 0, err
	}
	m, revision, err = read(s)
	return m, revision, errors.Join(err, s.Close())
}

// TestDamage harms each file of a store that was closed: it is refused, or has all that it had.
func TestDamage(t *testing.T) {
	_, disk, history := written(t)
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	want, refused := history.at(history.newest()), 0
	all := harms(t, disk, r, rounds(25))
	for _, h := range all {
		fs := whole(disk)
		h.do(t, fs, r)
		got, revision, err := harmed(fs)
		if err != nil {
			refused++
			continue
		}
		if err := same(got, want); err != nil || revision != history.newest() {
			t.Errorf("seed %d, %v: opened at revision %d of %d: %v", seed, h, revision, history.newest(), err)
		}
	}
	t.Logf("%d harms, %d refused", len(all), refused)
}

// TestDamageAfterCrash harms the files of a store that was not closed. It may have lost what came
// last where its newest log was harmed, as after a write that the crash cut off; it never
// has anything else, nor less than when it was opened.
func TestDamageAfterCrash(t *testing.T) {
	disk, _, history := written(t)
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	refused, lost := 0, 0
	all := harms(t, disk, r, rounds(25))
	for _, h := range all {
		fs := whole(disk)
		h.do(t, fs, r)
		got, revision, err := harmed(fs)
		if err != nil {
			refused++
			continue
		}
		if err := same(got, history.at(revision)); err != nil {
			t.Errorf("seed %d, %v: opened at revision %d of %d: %v", seed, h, revision, history.newest(), err)
		}
		if revision < history.newest() {
			lost++
			if !strings.HasSuffix(h.path, ".log") && !strings.Contains(h.path, "MANIFEST") {
				t.Errorf("seed %d, %v: opened at revision %d of %d", seed, h, revision, history.newest())
			}
		}
	}
	t.Logf("%d harms, %d refused, %d cost the end", len(all), refused, lost)
}

func (h harm) String() string { return fmt.Sprint(h.kind, " ", h.path, " at ", h.at) }

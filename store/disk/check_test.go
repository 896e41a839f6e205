package disk

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"roost/store"
)

const little = `{"kind":"roost store export","format":1,"epoch":"e","revision":5,"time":"2026-05-01T12:00:00Z"}
{"space":"s","name":"a","value":"x","created":1,"revision":2}
{"space":"s","name":"b","value":"y","created":1,"revision":5}
{"items":2}
`

func imported(t *testing.T, fs vfs.FS, dir string) {
	t.Helper()
	if _, err := Import(dir, strings.NewReader(little), nil, options(fs)); err != nil {
		t.Fatal(err)
	}
}

func options(fs vfs.FS) Options { return Options{fs: fs, Logger: slog.New(slog.DiscardHandler)} }

// checked is what Check finds wrong, a line each.
func checked(t *testing.T, dir string, opts Options) (found string, err error) {
	var b strings.Builder
	_, err = Check(dir, func(problem error) { b.WriteString(problem.Error() + "\n") }, opts)
	return b.String(), err
}

// Each record that is wrong is told with its item, and all of them are.
func TestCheckRecords(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	imported(t, vfs.Default, dir)
	if found, err := checked(t, dir, options(nil)); found != "" || err != nil {
		t.Fatalf("%s %v", found, err)
	}
	tamper(t, dir, func(db *pebble.DB, b *pebble.Batch) {
		set := func(key []byte, item store.Item) {
			b.Set(key, appendRecord(nil, key, &item), nil)
		}
		torn := appendKey(nil, store.Key{Space: "s", Name: "torn"})
		b.Set(torn, []byte("nothing like it"), nil)
		set(appendKey(nil, store.Key{Space: "s", Name: "late"}), store.Item{Created: 1, Revision: 6})
		set(appendKey(nil, store.Key{Space: "s", Name: "born later"}), store.Item{Created: 3, Revision: 2})
		set([]byte("i\x81\x00sa"), store.Item{Created: 1, Revision: 2})
		b.Set([]byte("x"), nil, nil)
		b.Set([]byte("i\x09s"), nil, nil)
	})
	found, err := checked(t, dir, options(nil))
	if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "6 problems") {
		t.Errorf("%v", err)
	}
	for _, want := range []string{
		"item \"torn\" in space \"s\": record is damaged: its checksum is another\n",
		"item \"late\" in space \"s\" has revision 6, and the store 5\n",
		"item \"born later\" in space \"s\" was created at revision 3 and written at 2\n",
		"item \"a\" in space \"s\" has a key that is not the shortest\n",
		"key \"x\": key of no item\n", "key \"i\\ts\": key of no item\n",
	} {
		if !strings.Contains(found, want) {
			t.Errorf("found\n%snot %s", found, want)
		}
	}
}

// tamper changes the database of a store.
func tamper(t *testing.T, dir string, change func(*pebble.DB, *pebble.Batch)) {
	t.Helper()
	db, err := openDatabase(filepath.Join(dir, databaseFolder), host{vfs.Default, slog.New(slog.DiscardHandler), func(error) {}, nil, 0}, present)
	if err != nil {
		t.Fatal(err)
	}
	b := db.NewBatch()
	change(db, b)
	if err := errors.Join(db.Apply(b, pebble.Sync), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// Items that are gone, and a store that lost its end, are told.
func TestCheckLost(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*pebble.DB, *pebble.Batch){
		"1 items are there, or are not those that were, of 2": func(db *pebble.DB, b *pebble.Batch) {
			b.Delete(appendKey(nil, store.Key{Space: "s", Name: "a"}), nil)
		},
		"it ends at revision 4, and had 5": func(db *pebble.DB, b *pebble.Batch) {
			s, _, _ := readState(db)
			b.Set(stateKey, appendState(nil, state{s.epoch, 4, s.tally}), nil)
		},
	} {
		dir := t.TempDir()
		imported(t, vfs.Default, dir)
		tamper(t, dir, change)
		found, err := checked(t, dir, options(nil))
		if !errors.Is(err, ErrDamaged) || !strings.Contains(found, want) {
			t.Errorf("found %s %v, want %s", found, err, want)
		}
		if err := Export(dir, io.Discard, options(nil)); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), want) {
			t.Errorf("exported: %v, want %s", err, want)
		}
	}
}

// A store without its database, or its floor, is damaged, and not waited for.
func TestCheckFiles(t *testing.T) {
	t.Parallel()
	for _, name := range []string{databaseFolder, floorFile} {
		dir := t.TempDir()
		imported(t, vfs.Default, dir)
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if found, err := checked(t, dir, options(nil)); !errors.Is(err, ErrDamaged) {
			t.Errorf("without %s: found %s %v", name, found, err)
		}
		if err := Export(dir, io.Discard, options(nil)); !errors.Is(err, ErrDamaged) {
			t.Errorf("without %s, exported: %v", name, err)
		}
	}
}

// A store without its state is damaged, and its items are looked at all the same.
func TestCheckState(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	imported(t, vfs.Default, dir)
	tamper(t, dir, func(db *pebble.DB, b *pebble.Batch) {
		b.Delete(stateKey, nil)
		b.Set(appendKey(nil, store.Key{Name: "torn"}), nil, nil)
	})
	found, err := checked(t, dir, options(nil))
	if !errors.Is(err, ErrDamaged) || !strings.Contains(found, "its state is not there\n") || !strings.Contains(found, `item "torn"`) {
		t.Errorf("%s %v", found, err)
	}
	if err := Export(dir, io.Discard, options(nil)); !errors.Is(err, ErrDamaged) {
		t.Errorf("exported: %v", err)
	}
}

// A flipped bit anywhere in the values' table is found, told with the file, and never exported.
func TestCheckTables(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	imported(t, vfs.Default, dir)
	tables, _ := filepath.Glob(filepath.Join(dir, databaseFolder, "*.sst"))
	if len(tables) != 1 {
		t.Fatal(tables)
	}
	was, err := os.ReadFile(tables[0])
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(databaseFolder, filepath.Base(tables[0]))
	for at := 0; at < len(was); at += 7 {
		is := bytes.Clone(was)
		is[at] ^= 1 << (at % 8)
		if err := os.WriteFile(tables[0], is, 0o600); err != nil {
			t.Fatal(err)
		}
		found, err := checked(t, dir, options(nil))
		if !errors.Is(err, ErrDamaged) || !strings.Contains(found+err.Error(), filepath.Base(name)) {
			t.Errorf("octet %d of %d: found %q, %v", at, len(was), found, err)
		}
		var out bytes.Buffer
		if err := Export(dir, &out, options(nil)); err == nil && !strings.HasSuffix(out.String(), little[strings.Index(little, "\n"):]) {
			t.Errorf("octet %d: exported %s", at, &out)
		}
	}
}

// A store of which a table is missing is damaged. What is said of damage is one line.
func TestCheckMissing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	imported(t, vfs.Default, dir)
	tables, _ := filepath.Glob(filepath.Join(dir, databaseFolder, "*.sst"))
	if err := os.WriteFile(tables[0], []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Export(dir, io.Discard, options(nil)); !errors.Is(err, ErrDamaged) || strings.Contains(err.Error(), "\n") {
		t.Errorf("a short table: %v", err)
	}
	if err := os.Remove(tables[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, options(nil)); !errors.Is(err, ErrDamaged) || strings.Contains(err.Error(), "\n") {
		t.Errorf("no table: %v", err)
	}
	if found, err := checked(t, dir, options(nil)); !errors.Is(err, ErrDamaged) {
		t.Errorf("no table, checked: %s %v", found, err)
	}
}

// Whenever an import is cut off by a crash, there is no store and it can be run again. When it
// has returned, all is on the disk.
func TestImportCrash(t *testing.T) {
	t.Parallel()
	fs := vfs.NewCrashableMem()
	crash := func() vfs.FS { return fs.CrashClone(vfs.CrashCloneCfg{}) }
	clones := 0
	r := &watchedReader{strings.NewReader(little), func() {
		clone := crash()
		clones++
		if _, err := ReadStat("/store", options(clone)); !errors.Is(err, ErrNoStore) && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("crash %d: there is a store: %v", clones, err)
		}
		imported(t, clone, "/store")
	}}
	if _, err := Import("/store", r, nil, options(fs)); err != nil || clones < len(little) {
		t.Fatalf("after %d crashes: %v", clones, err)
	}
	s, err := ReadStat("/store", options(crash()))
	if err != nil || s.Total().Items != 2 || s.Revision != 5 {
		t.Errorf("%+v, %v", s, err)
	}
}

// watchedReader reads an octet at a time.
type watchedReader struct {
	r    io.Reader
	seen func()
}

func (w *watchedReader) Read(b []byte) (int, error) {
	w.seen()
	return w.r.Read(b[:1])
}

// A store whose file FORMAT was lost is damaged, and nothing of it is removed.
func TestFormatLost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	imported(t, vfs.Default, dir)
	file := filepath.Join(dir, formatFile)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	_, opening := Open(dir, options(nil))
	_, importing := Import(dir, strings.NewReader(little), nil, options(nil))
	_, reading := ReadStat(dir, options(nil))
	for _, err := range []error{opening, importing, reading} {
		if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "the file FORMAT is missing") {
			t.Errorf("%v", err)
		}
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := ReadStat(dir, options(nil)); err != nil || s.Total().Items != 2 {
		t.Errorf("%+v %v", s, err)
	}
}

// A store that another made after the folder was looked at is not made anew.
func TestMadeMeanwhile(t *testing.T) {
	t.Parallel()
	fs := &lockedAfter{FS: vfs.NewMem()}
	fs.before = func() { imported(t, fs.FS, "/store") }
	s, err := Open("/store", options(fs))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got, _ := s.Sync(t.Context()); got != 5 {
		t.Errorf("revision %d: what was there is gone", got)
	}
}

// lockedAfter calls before before something is locked.
type lockedAfter struct {
	vfs.FS
	before func()
}

func (l *lockedAfter) Lock(name string) (io.Closer, error) {
	if before := l.before; before != nil {
		l.before = nil
		before()
	}
	return l.FS.Lock(name)
}

// A crash at any instant of making a store leaves what can be opened.
func TestMakeCrash(t *testing.T) {
	t.Parallel()
	fs := &stopping{MemFS: vfs.NewCrashableMem()}
	s, err := Open("/store", options(fs))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if len(fs.clones) < 5 {
		t.Fatalf("%d crashes", len(fs.clones))
	}
	for i, clone := range fs.clones {
		again, err := Open("/store", options(clone))
		if err != nil {
			t.Errorf("crash %d: %v", i, err)
			continue
		}
		again.Close()
	}
}

// stopping keeps a copy of what is on the disk after a crash before each file is made or renamed, where
// all that was written made it there.
type stopping struct {
	*vfs.MemFS
	clones []vfs.FS
}

func (c *stopping) crash() {
	c.clones = append(c.clones, c.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 2))}))
}

func (c *stopping) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	c.crash()
	return c.MemFS.Create(name, category)
}

func (c *stopping) Rename(from, to string) error {
	c.crash()
	return c.MemFS.Rename(from, to)
}

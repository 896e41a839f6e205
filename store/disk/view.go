package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"roost/store"
)

// ErrNoStore: the folder has no store to be read.
var ErrNoStore = errors.New("folder has no store: name the one that has the file " + formatFile)

// view is a store that is open to be read. Nothing in its folder changes, but for the files
// LOCK and HOLDER.
type view struct {
	dir     string
	opts    Options
	lock    *lock
	gate    *gate
	db      *pebble.DB
	state   state
	failure failure // also damage that was found while reading
}

// reading opens the store in dir for use, under the lock.
func reading(what, dir string, opts Options, use func(*view) error) error {
	v := &view{dir: dir, opts: opts.withDefaults()}
	v.failure.done = make(chan struct{})
	err := v.open()
	if err == nil {
		err = guarded(nil, func() error { return use(v) }) // damage is noted, and does not end it
	}
	if failed := v.failure.get(); failed != nil && !errors.Is(err, ErrDamaged) {
		err = errors.Join(err, failed)
	}
	if err = errors.Join(err, v.close()); err != nil {
		return fmt.Errorf("%s store %q: %w", what, dir, err)
	}
	return nil
}

func (v *view) open() (err error) {
	fs := v.opts.fs
	if _, err := fs.Stat(filepath.Join(v.dir, formatFile)); errors.Is(err, os.ErrNotExist) {
		return v.missing()
	} else if err != nil {
		return err
	}
	if v.lock, err = acquire(fs, v.dir); err != nil {
		return err
	}
	if err := checkFormat(fs, v.dir); err != nil {
		return err
	}
	v.gate = &gate{FS: fs, fail: v.failure.set}
	h := host{v.gate, v.opts.Logger, v.failure.set, nil, 0}
	v.db, err = openDatabase(filepath.Join(v.dir, databaseFolder), h, readOnly)
	return err
}

// missing says why there is no store.
func (v *view) missing() error {
	if _, err := v.opts.fs.Stat(v.dir); err != nil {
		return err
	}
	files, err := v.opts.fs.List(v.dir)
	if err == nil {
		_, err = isFresh(files)
	}
	if err == nil || errors.Is(err, ErrNotAStore) {
		return ErrNoStore
	}
	return err
}

func (v *view) readState() (err error) {
	var found bool
	v.state, found, err = readState(v.db)
	if err == nil && !found {
		err = errNoState
	}
	return err
}

// items reads every item, in the order of the keys. readState goes before.
func (v *view) items(take func(*store.Item) error) error {
	var t tally
	err := readItems(v.db, func(item *store.Item) error {
		if err := v.state.admits(item); err != nil {
			return err
		}
		t.add(item)
		return take(item)
	})
	if err == nil {
		err = v.state.addsUp(t)
	}
	return err
}

// close leaves a database open that Pebble gave up: it may never close.
func (v *view) close() (err error) {
	if failed := v.failure.get(); v.db != nil && (failed == nil || errors.Is(failed, ErrDamaged)) {
		err = closeDatabase(v.db, nil)
	}
	if v.gate != nil {
		err = errors.Join(err, v.gate.close())
	}
	if v.lock != nil {
		err = errors.Join(err, v.lock.release())
	}
	return err
}

// sizeOf is how many bytes the files of a folder have.
func sizeOf(fs vfs.FS, dir string) (size int64, err error) {
	names, err := fs.List(dir)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		path := filepath.Join(dir, name)
		info, err := fs.Stat(path)
		if err != nil {
			return 0, err
		}
		n := info.Size()
		if info.IsDir() {
			if n, err = sizeOf(fs, path); err != nil {
				return 0, err
			}
		}
		size += n
	}
	return size, nil
}

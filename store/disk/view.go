package disk

import (
	"cmp"
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
	failure failure // after which the database can't be used
	damage  failure // that was found while reading
}

// reading opens the store in dir for use, under the lock.
func reading(what, dir string, opts Options, use func(*view) error) error {
	v := &view{dir: dir, opts: opts.withDefaults()}
	v.failure.done, v.damage.done = make(chan struct{}), make(chan struct{})
	err := v.open()
	if err == nil {
		err = guarded(v.failure.done, func() error { return use(v) })
	}
	if errors.Is(err, errGaveUp) {
		err = cmp.Or(v.failure.get(), err)
	}
	if err == nil {
		err = v.damage.get()
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
	database := filepath.Join(v.dir, databaseFolder)
	if _, err := fs.Stat(database); err != nil {
		return damage(err)
	}
	v.gate = &gate{FS: fs, fail: v.fail}
	h := host{v.gate, v.opts.Logger, v.fail, v.failure.done, v.opts.memTable}
	v.db, err = openDatabase(database, h, readOnly)
	return err
}

// fail is told of errors on whatever goroutine they happened. After damage, reading goes on.
func (v *view) fail(err error) {
	if errors.Is(err, ErrDamaged) {
		v.damage.set(err)
		return
	}
	v.failure.set(err)
}

// missing says why there is no store.
func (v *view) missing() error {
	files, err := v.opts.fs.List(v.dir)
	if err == nil {
		_, err = isFresh(files)
	}
	if err == nil || errors.Is(err, ErrNotAStore) {
		return ErrNoStore
	}
	return err
}

// readState reads what is known without the items, and tests it.
func (v *view) readState() (err error) {
	var found bool
	v.state, found, err = readState(v.db)
	if err == nil && !found {
		err = errNoState
	}
	if err == nil {
		_, err = checkFloor(v.opts.fs, v.dir, v.state)
	}
	return err
}

// items reads every item, in the order of the keys. readState goes before.
func (v *view) items(take func(*store.Item) error) error {
	var read tally
	err := readItems(v.db, func(item *store.Item) error {
		if err := v.state.admits(item); err != nil {
			return err
		}
		read.add(item)
		return take(item)
	})
	if err == nil {
		err = v.state.addsUp(read)
	}
	return err
}

// close leaves a database open that Pebble gave up: it may never close.
func (v *view) close() (err error) {
	if v.db != nil && v.failure.get() == nil {
		err = closeDatabase(v.db, v.failure.done)
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

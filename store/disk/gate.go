package disk

import (
	"errors"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// gate is the file system of one database. When it is shut nothing in the folder changes by it
// any more: a database that failed can't be ended, and what its goroutines still try must not
// meet the files of the one that is opened next.
//
// Nor does a database learn of an error of writing. What Pebble does about one depends on where it
// happens: it tries again for ever, or calls Fatalf, or panics with its locks in a state that ends
// the process, or takes back what its other goroutines still use. So the store is told, and who
// met the error waits for ever.
type gate struct {
	vfs.FS
	fail func(error)

	mu    sync.RWMutex // held to read while something is changed
	shut  bool
	locks []io.Closer
}

var errShut = errors.New("database is not used any more")

// change does what changes the folder, while the gate is not shut.
func (g *gate) change(f func() error) error { return g.held(g.whileOpen(f)) }

// held returns if there is no error.
func (g *gate) held(err error) error {
	if err != nil {
		g.fail(err)
		select {}
	}
	return nil
}

func (g *gate) whileOpen(f func() error) error {
	g.mu.RLock()
	if g.shut {
		g.mu.RUnlock()
		return g.held(errShut)
	}
	defer g.mu.RUnlock()
	return f()
}

// close shuts the gate when what is under way has ended, and gives the database's locks back.
func (g *gate) close() (err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = true
	for _, l := range g.locks {
		err = errors.Join(err, l.Close())
	}
	g.locks = nil
	return err
}

// Lock implements vfs.FS. The lock ends with the gate.
func (g *gate) Lock(name string) (io.Closer, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return nil, errShut
	}
	l, err := g.FS.Lock(name)
	if err != nil {
		return nil, err
	}
	g.locks = append(g.locks, l)
	return io.NopCloser(nil), nil
}

// GetDiskUsage implements vfs.FS. The database only reports it, and needs not know.
func (g *gate) GetDiskUsage(path string) (vfs.DiskUsage, error) {
	usage, err := g.FS.GetDiskUsage(path)
	if err != nil {
		err = vfs.ErrUnsupported
	}
	return usage, err
}

// file opens a file that is written to.
func (g *gate) file(open func() (vfs.File, error)) (opened vfs.File, err error) {
	err = g.change(func() error {
		f, err := open()
		if err == nil {
			opened = gatedFile{f, g}
		}
		return err
	})
	return opened, err
}

// Create implements vfs.FS. Pebble's markers name another file of their folder, which must be
// there after a crash where the marker is.
func (g *gate) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return g.file(func() (vfs.File, error) {
		if strings.HasPrefix(g.FS.PathBase(name), "marker.") {
			if err := syncFolder(g.FS, g.FS.PathDir(name)); err != nil {
				return nil, err
			}
		}
		return g.FS.Create(name, category)
	})
}

func (g *gate) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return g.file(func() (vfs.File, error) { return g.FS.OpenReadWrite(name, category, opts...) })
}

func (g *gate) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return g.file(func() (vfs.File, error) { return g.FS.ReuseForWrite(oldname, newname, category) })
}

// OpenDir implements vfs.FS. Folders are opened to be synced.
func (g *gate) OpenDir(name string) (vfs.File, error) {
	f, err := g.FS.OpenDir(name)
	if err != nil {
		return nil, g.held(err)
	}
	return gatedFile{f, g}, nil
}

func (g *gate) Link(oldname, newname string) error {
	return g.change(func() error { return g.FS.Link(oldname, newname) })
}

// Remove implements vfs.FS. What can't be removed is only in the way.
func (g *gate) Remove(name string) error {
	return g.whileOpen(func() error { return g.FS.Remove(name) })
}

func (g *gate) RemoveAll(name string) error {
	return g.whileOpen(func() error { return g.FS.RemoveAll(name) })
}

func (g *gate) Rename(oldname, newname string) error {
	return g.change(func() error { return g.FS.Rename(oldname, newname) })
}

func (g *gate) MkdirAll(dir string, perm os.FileMode) error {
	return g.change(func() error { return g.FS.MkdirAll(dir, perm) })
}

// Unwrap implements vfs.FS.
func (g *gate) Unwrap() vfs.FS { return g.FS }

type gatedFile struct {
	vfs.File
	gate *gate
}

func (f gatedFile) Write(b []byte) (n int, err error) {
	err = f.gate.change(func() (err error) {
		n, err = f.File.Write(b)
		return err
	})
	return n, err
}

func (f gatedFile) WriteAt(b []byte, offset int64) (n int, err error) {
	err = f.gate.change(func() (err error) {
		n, err = f.File.WriteAt(b, offset)
		return err
	})
	return n, err
}

// Preallocate implements vfs.File. It is a hint.
func (f gatedFile) Preallocate(offset, length int64) error {
	return f.gate.whileOpen(func() error { return f.File.Preallocate(offset, length) })
}

func (f gatedFile) Sync() error     { return f.gate.held(f.File.Sync()) }
func (f gatedFile) SyncData() error { return f.gate.held(f.File.SyncData()) }
func (f gatedFile) Close() error    { return f.gate.held(f.File.Close()) }

func (f gatedFile) SyncTo(length int64) (full bool, err error) {
	full, err = f.File.SyncTo(length)
	return full, f.gate.held(err)
}

func (f gatedFile) Stat() (vfs.FileInfo, error) {
	info, err := f.File.Stat()
	return info, f.gate.held(err)
}

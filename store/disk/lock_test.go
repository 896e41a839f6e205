package disk

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// unlockable is a file system that locks nothing.
type unlockable struct {
	vfs.FS
	err error
}

func (u unlockable) Lock(string) (io.Closer, error) { return nil, u.err }

// What keeps a folder from being locked is told as what it is, and not as somebody who has it.
func TestLockErrors(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		err   error
		inUse bool
	}{
		{syscall.EAGAIN, runtime.GOOS != "windows"},
		{syscall.EACCES, runtime.GOOS != "windows"},
		{&os.PathError{Op: "open", Path: lockFile, Err: syscall.EACCES}, false},
		{&os.PathError{Op: "open", Path: lockFile, Err: syscall.EROFS}, false},
		{syscall.ENOLCK, false},
		{errors.New("locks are not implemented"), false},
	} {
		fs := vfs.NewMem()
		imported(t, fs, "/store")
		opts := options(unlockable{fs, row.err})
		_, opening := Open("/store", opts)
		_, reading := ReadStat("/store", opts)
		for _, err := range []error{opening, reading} {
			if errors.Is(err, ErrInUse) != row.inUse || !row.inUse && (!errors.Is(err, row.err) || !strings.Contains(err.Error(), row.err.Error())) {
				t.Errorf("%v: %v", row.err, err)
			}
		}
	}
}

// A folder is one, whatever it is called.
func TestLockNames(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "store")
	s, err := Open(dir, options(nil))
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	names := []string{dir + "/", dir + "/../store"}
	if name, err := filepath.Rel(here, dir); err == nil {
		names = append(names, name)
	}
	if name := filepath.Join(t.TempDir(), "link"); os.Symlink(dir, name) == nil {
		names = append(names, name, name+"/")
	}
	for _, name := range names {
		_, opening := Open(name, options(nil))
		_, reading := ReadStat(name, options(nil))
		for _, err := range []error{opening, reading} {
			if !errors.Is(err, ErrInUse) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if _, err := ReadStat(name, options(nil)); err != nil {
			t.Errorf("%s, closed: %v", name, err)
		}
	}
}

// The note of who has a store decides nothing: a store on a full disk can be read, and so
// exported to another.
func TestHolderThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, holderFile+temporary), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadStat(dir, Options{}); err != nil {
		t.Error(err)
	}
}

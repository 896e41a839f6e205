package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// lock is what keeps others from opening the same folder. The system takes it back when the
// process ends, however it does.
type lock struct {
	file   io.Closer
	fs     vfs.FS
	holder string
	folder os.FileInfo // nil in a file system of tests
}

// locked are the folders that this process has locked. On Unix a lock is the process's: it would
// be given a second time, and both would be lost when either is closed. A folder is told by what it
// is, as it has many names: relative ones, and those of links to it.
var locked struct {
	sync.Mutex
	folders []os.FileInfo
}

var errLocked = errors.New("this process has locked it")

// acquire locks a folder, and notes who has it.
func acquire(fs vfs.FS, dir string) (*lock, error) {
	l := &lock{fs: fs, holder: filepath.Join(dir, holderFile)}
	if err := l.take(dir); err != nil {
		if !isHeld(err) {
			return nil, fmt.Errorf("lock the folder: %w", err)
		}
		note, _ := readSmall(fs, l.holder)
		who := strings.TrimSpace(note)
		if who == "" {
			who = "nobody knows by whom"
		}
		return nil, fmt.Errorf("%w: %s", ErrInUse, who)
	}
	host, _ := os.Hostname()
	note := fmt.Sprintf("process %d on %s, since %s\n", os.Getpid(), host, time.Now().UTC().Format(time.RFC3339))
	writeSmall(fs, dir, holderFile, note) // if it can be: a store on a full disk is to be read
	return l, nil
}

// take locks a folder. It opens LOCK only if this process does not have it open.
func (l *lock) take(dir string) (err error) {
	file := filepath.Join(dir, lockFile)
	if l.fs != vfs.Default {
		l.file, err = l.fs.Lock(file)
		return err
	}
	locked.Lock()
	defer locked.Unlock()
	if l.folder, err = os.Stat(dir); err != nil {
		return err
	}
	if slices.ContainsFunc(locked.folders, l.isOf) {
		return errLocked
	}
	if l.file, err = l.fs.Lock(file); err == nil {
		locked.folders = append(locked.folders, l.folder)
	}
	return err
}

func (l *lock) isOf(folder os.FileInfo) bool { return os.SameFile(l.folder, folder) }

func (l *lock) release() error {
	l.fs.Remove(l.holder) // it is a note only
	locked.Lock()
	defer locked.Unlock()
	err := l.file.Close() // before another may take it: see locked
	if l.folder != nil {
		locked.folders = slices.DeleteFunc(locked.folders, l.isOf)
	}
	return err
}

// isHeld says whether somebody else has what could not be locked. The system tells that without
// the file's name, and what is wrong with the file, which may be EACCES too, with it.
func isHeld(err error) bool {
	if err == errLocked {
		return true
	}
	number, ok := err.(syscall.Errno)
	if runtime.GOOS == "windows" {
		const sharingViolation = 32
		return ok && number == sharingViolation
	}
	return ok && (number == syscall.EAGAIN || number == syscall.EACCES)
}

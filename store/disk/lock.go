package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// lock is what keeps others from opening the same folder. The system takes it back when the
// process ends, however it does.
type lock struct {
	file   io.Closer
	fs     vfs.FS
	holder string
}

// acquire locks a folder, and notes who has it.
func acquire(fs vfs.FS, dir string) (*lock, error) {
	holder := filepath.Join(dir, holderFile)
	file, err := fs.Lock(filepath.Join(dir, lockFile))
	if err != nil {
		who, _ := readSmall(fs, holder)
		if who == "" {
			who = "nobody knows by whom"
		}
		return nil, fmt.Errorf("%w: %s (%w)", ErrInUse, who, err)
	}
	l := &lock{file, fs, holder}
	host, _ := os.Hostname()
	note := fmt.Sprintf("process %d on %s, since %s", os.Getpid(), host, time.Now().UTC().Format(time.RFC3339))
	if err := writeSmall(fs, dir, holderFile, note); err != nil {
		return nil, errors.Join(err, l.release())
	}
	return l, nil
}

func (l *lock) release() error {
	l.fs.Remove(l.holder) // it is a note only
	return l.file.Close()
}

package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// What a store can't be opened for, tested with errors.Is.
var (
	// ErrInUse: another process, or another Store of this one, has it open.
	ErrInUse = errors.New("store is in use")

	// ErrNotAStore: the folder has other files.
	ErrNotAStore = errors.New("folder is not empty and no store: give an empty one, or one that does not exist")

	// ErrFormat: the store is in a format that this version does not know.
	ErrFormat = errors.New("store has another format")

	// ErrDamaged: what is on the disk is not what was written. Nothing of it was used.
	ErrDamaged = errors.New("store is damaged: restore the folder from a copy, or import an export into a new one")
)

// The files of a store's folder. spec/disk-format.md describes them.
const (
	formatFile     = "FORMAT"
	lockFile       = "LOCK"
	holderFile     = "HOLDER"
	databaseFolder = "db"
)

// formatLine is what the file FORMAT has, before the number of the format.
const formatLine = "roost store "

const format = 1

// prepare makes the folder of a store, if it is not there, and says whether the store in it
// is still to be made.
func prepare(fs vfs.FS, dir string) (fresh bool, err error) {
	if _, err := fs.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return true, makeFolder(fs, dir)
	}
	files, err := fs.List(dir)
	if err != nil {
		return false, err
	}
	fresh, err = isFresh(files)
	if err == nil && fresh {
		err = makeFolder(fs, dir) // the attempt may not have come to syncing it
	}
	return fresh, err
}

// isFresh says by the files of a folder whether the store in it is still to be made. One that was
// being made when the process ended has these files, and nothing that was acknowledged.
func isFresh(files []string) (bool, error) {
	has := func(name string) bool { return slices.Contains(files, name) }
	if has(formatFile) {
		return false, nil
	}
	known := []string{lockFile, holderFile, holderFile + temporary, databaseFolder, formatFile + temporary, floorFile, floorFile + temporary}
	for _, name := range files {
		if !slices.Contains(known, name) {
			return false, ErrNotAStore
		}
	}
	if has(databaseFolder) && !has(formatFile+temporary) {
		// Not one that was being made: somebody lost the file, and what is there is precious.
		return false, fmt.Errorf("%w: the file %s is missing", ErrDamaged, formatFile)
	}
	return true, nil
}

// makeFolder makes a folder, and those that it is in, so that all of them outlive a crash.
func makeFolder(fs vfs.FS, dir string) error {
	above := []string{dir}
	for last := dir; filepath.Dir(last) != last; last = above[len(above)-1] {
		above = append(above, filepath.Dir(last))
	}
	made := 1 // the store's own, and those that are not there
	for made < len(above)-1 && !exists(fs, above[made]) {
		made++
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for i, folder := range above[1:] {
		// Those that were there may be closed to us, and were somebody else's to sync.
		if err := syncFolder(fs, folder); err != nil && i < made {
			return err
		}
	}
	return nil
}

func exists(fs vfs.FS, path string) bool {
	_, err := fs.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}

// checkFormat looks whether the store is in the format that this package reads.
func checkFormat(fs vfs.FS, dir string) error {
	text, err := readSmall(fs, filepath.Join(dir, formatFile))
	if err != nil {
		return err
	}
	number, ok := strings.CutPrefix(strings.TrimSuffix(text, "\n"), formatLine)
	switch {
	case !ok || number == "":
		return fmt.Errorf("%w: %s has %q", ErrDamaged, formatFile, text)
	case number != fmt.Sprint(format):
		return fmt.Errorf("%w: it is %s, and this version reads %d: open it with the version that made it, export it there, and import it here", ErrFormat, number, format)
	}
	return nil
}

// beginFormat says that the store is being made: what is in the folder is worth nothing until
// endFormat.
func beginFormat(fs vfs.FS, dir string) error {
	if err := writeTemporary(fs, filepath.Join(dir, formatFile), fmt.Sprintf("%s%d\n", formatLine, format)); err != nil {
		return err
	}
	return syncFolder(fs, dir)
}

// endFormat says that the store was made.
func endFormat(fs vfs.FS, dir string) error {
	return putTemporary(fs, dir, formatFile)
}

const temporary = ".new"

// writeSmall puts a file in its place whole, and syncs it.
func writeSmall(fs vfs.FS, dir, name, text string) error {
	if err := writeTemporary(fs, filepath.Join(dir, name), text); err != nil {
		return err
	}
	return putTemporary(fs, dir, name)
}

func writeTemporary(fs vfs.FS, path, text string) error {
	f, err := fs.Create(path+temporary, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(text))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func putTemporary(fs vfs.FS, dir, name string) error {
	path := filepath.Join(dir, name)
	if err := fs.Rename(path+temporary, path); err != nil {
		return err
	}
	return syncFolder(fs, dir)
}

// readSmall reads the beginning of a file.
func readSmall(fs vfs.FS, path string) (string, error) {
	f, err := fs.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 4<<10))
	return string(b), err
}

func syncFolder(fs vfs.FS, dir string) error {
	f, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

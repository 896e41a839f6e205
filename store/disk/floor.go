package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The file REVISION has a revision that the store certainly had: when it was opened or closed
// last, or ten seconds after a change, whichever came last. It has a checksum. The end of the newest log can't tell damage from a write that a crash cut off: a
// store that is behind its floor has lost what was acknowledged.
const floorFile = "REVISION"

func floorText(epoch string, revision uint64) string {
	text := fmt.Sprintf("%s %d", epoch, revision)
	return fmt.Sprintf("%s %08x\n", text, checksum([]byte(floorFile), []byte(text)))
}

// raiseFloor notes the revision that is certainly on the disk.
func (s *Store) raiseFloor() error {
	if s.failure.get() != nil {
		return nil
	}
	return writeSmall(s.opts.fs, s.dir, floorFile, floorText(s.epoch, s.applied.Load()))
}

// keepFloor looks whether the store is behind its floor, and raises it.
func (s *Store) keepFloor() error {
	st := state{epoch: s.epoch, revision: s.applied.Load()}
	floor, err := checkFloor(s.opts.fs, s.dir, st)
	if err == nil && st.revision > floor {
		err = s.raiseFloor()
	}
	return err
}

// checkFloor looks whether a store with this state is behind its floor, and returns that.
func checkFloor(fs vfs.FS, dir string, st state) (floor uint64, err error) {
	text, err := readSmall(fs, filepath.Join(dir, floorFile))
	if errors.Is(err, os.ErrNotExist) {
		return 0, fmt.Errorf("%w: %w", ErrDamaged, err)
	} else if err != nil {
		return 0, err
	}
	if _, err := fmt.Sscanf(strings.TrimPrefix(text, st.epoch), " %d", &floor); err != nil || text != floorText(st.epoch, floor) {
		return 0, fmt.Errorf("%w: %s has %q", ErrDamaged, floorFile, text)
	}
	if st.revision < floor {
		return 0, fmt.Errorf("%w: it ends at revision %d, and had %d", ErrDamaged, st.revision, floor)
	}
	return floor, nil
}

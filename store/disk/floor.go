package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The file REVISION has the revision that the store had when it was opened or closed last, with
// a checksum. The end of the newest log can't tell damage from a write that a crash cut off: a
// store that is behind its floor has lost what was acknowledged.
const floorFile = "REVISION"

func (s *Store) floorText(revision uint64) string {
	text := fmt.Sprintf("%s %d", s.epoch, revision)
	return fmt.Sprintf("%s %08x\n", text, checksum([]byte(floorFile), []byte(text)))
}

// raiseFloor notes the revision that is certainly on the disk.
func (s *Store) raiseFloor() error {
	if s.failure.get() != nil {
		return nil
	}
	return writeSmall(s.opts.fs, s.dir, floorFile, s.floorText(s.applied.Load()))
}

// checkFloor looks whether the store is behind its floor, and raises it.
func (s *Store) checkFloor() error {
	text, err := readSmall(s.opts.fs, filepath.Join(s.dir, floorFile))
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	} else if err != nil {
		return err
	}
	var floor uint64
	if _, err := fmt.Sscanf(strings.TrimPrefix(text, s.epoch), " %d", &floor); err != nil || text != s.floorText(floor) {
		return fmt.Errorf("%w: %s has %q", ErrDamaged, floorFile, text)
	}
	switch revision := s.applied.Load(); {
	case revision < floor:
		return fmt.Errorf("%w: it ends at revision %d, and had %d", ErrDamaged, revision, floor)
	case revision > floor:
		return s.raiseFloor()
	}
	return nil
}

package disk

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"roost/store"
)

// The sizes of the database. It is written all the time and read once, in order, so it needs
// neither a cache nor filters; what is not in its tables yet is read again when it is opened,
// and bounds how long that takes.
const (
	memTableBytes = 16 << 20
	cacheBytes    = 1 << 20
)

// host is what a database is opened in.
type host struct {
	fs       vfs.FS
	log      *slog.Logger
	fail     func(error)     // is told of what the database can't go on after
	failed   <-chan struct{} // closed when it was
	memTable uint64          // memTableBytes, if 0
}

// openDatabase opens the database in dir.
func openDatabase(dir string, h host, mode mode) (*pebble.DB, error) {
	cache := pebble.NewCache(cacheBytes)
	defer cache.Unref()
	opts := &pebble.Options{
		FS:                 h.fs,
		Cache:              cache,
		MemTableSize:       cmp.Or(h.memTable, memTableBytes),
		FormatMajorVersion: databaseFormat,
		ErrorIfNotExists:   mode != fresh,
		ErrorIfExists:      mode == fresh,
		ReadOnly:           mode == readOnly,
		Logger:             stopLogger{h.log, h.fail},
	}
	opts.EventListener = &pebble.EventListener{
		// Pebble would try again at once and for ever, and let the commits wait.
		BackgroundError: func(err error) { stopLogger{h.log, h.fail}.Fatalf("work in the background: %w", damage(err)) },
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			h.fail(fmt.Errorf("%w: %s: %w", ErrDamaged, info.Path, firstLine{info.Details}))
		},
	}
	var opened *pebble.DB
	err := guarded(h.failed, func() (err error) {
		opened, err = pebble.Open(dir, opts)
		return err
	})
	switch {
	case err == nil:
		return opened, nil
	case errors.Is(err, errGaveUp): // opened may be written to yet
		return nil, err
	case mode != fresh:
		return nil, damage(err)
	}
	return nil, err
}

// mode is how a database is opened.
type mode int

const (
	present  mode = iota // must be there
	fresh                // must not
	readOnly             // must be there, and nothing is written
)

// databaseFormat is that of Pebble's files. From FormatWALSyncChunks on, damage in the log is
// told from a log that was cut off by a crash.
const databaseFormat = pebble.FormatValueSeparation

func closeDatabase(db *pebble.DB, failed <-chan struct{}) error { return guarded(failed, db.Close) }

var errGaveUp = errors.New("the database gave up")

// guarded calls f on a goroutine of its own, as Pebble may end it, or leave it waiting for one
// that it ended: see stopLogger. It panics where it finds what it can't have written.
func guarded(failed <-chan struct{}, f func() error) error {
	result := make(chan error, 1)
	go func() {
		err := errGaveUp
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("%w: %v", ErrDamaged, p)
			}
			result <- err
		}()
		err = f()
	}()
	select {
	case err := <-result:
		return err
	case <-failed:
		return errGaveUp
	}
}

// stopLogger is where Pebble writes to. It calls Fatalf when it can't keep its promises any
// more, and then expects the process to end. We want to go on reading: so the store is told, uses
// the database no more, and the goroutine that met the error ends.
type stopLogger struct {
	log  *slog.Logger
	fail func(error)
}

func (l stopLogger) Infof(string, ...any) {}

func (l stopLogger) Errorf(format string, args ...any) {
	l.log.Error("store: " + fmt.Sprintf(format, args...))
}

func (l stopLogger) Fatalf(format string, args ...any) {
	l.fail(fmt.Errorf(format, args...))
	runtime.Goexit()
}

// readState reads the state of the store; found is false where the database is new.
func readState(db *pebble.DB) (s state, found bool, err error) {
	value, closer, err := db.Get(stateKey)
	if errors.Is(err, pebble.ErrNotFound) {
		return s, false, nil
	}
	if err != nil {
		return s, false, damage(err)
	}
	defer closer.Close()
	s, err = parseState(value)
	return s, true, damage(err)
}

// readItems reads every item, in the order of the keys.
func readItems(db *pebble.DB, take func(*store.Item) error) error {
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte{kindItem}, UpperBound: []byte{kindItem + 1}})
	if err != nil {
		return damage(err)
	}
	defer it.Close()
	shared := sharing{make(map[string][]byte), make(map[string]string)}
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return damage(err)
		}
		item, err := parseRecord(it.Key(), value)
		if err != nil {
			return damage(err)
		}
		if err := take(shared.keep(it.Key(), item)); err != nil {
			return err
		}
	}
	return damage(it.Error())
}

// damage makes an error of reading ErrDamaged if it is one of what was read, or of a file that
// is not there.
func damage(err error) error {
	if isDamage(err) && !errors.Is(err, ErrDamaged) {
		return fmt.Errorf("%w: %w", ErrDamaged, firstLine{err})
	}
	return err
}

func isDamage(err error) bool {
	for _, one := range []error{ErrDamaged, errRecord, errKey, pebble.ErrDBDoesNotExist, os.ErrNotExist} {
		if errors.Is(err, one) {
			return true
		}
	}
	return pebble.IsCorruptionError(err) || err != nil && strings.Contains(err.Error(), "object size mismatch") // which is not marked
}

// firstLine is an error of Pebble's without what stands below its first line, such as stacks.
type firstLine struct{ error }

func (e firstLine) Error() string {
	first, _, _ := strings.Cut(e.error.Error(), "\n")
	return first
}

func (e firstLine) Unwrap() error { return e.error }

// sharing keeps one copy of each Meta and each space, as most items have the same.
type sharing struct {
	metas  map[string][]byte
	spaces map[string]string
}

// maxShared bounds it where they don't.
const maxShared = 4 << 10

// keep makes an item of what was read, which belongs to the database.
func (s *sharing) keep(key []byte, read store.Item) *store.Item {
	space, name, _ := parseKey(key) // was parsed before
	item := read
	item.Key = store.Key{Space: s.space(space), Name: string(name)}
	item.Meta, item.Value = s.meta(read.Meta), bytes.Clone(read.Value)
	return &item
}

func (s *sharing) space(b []byte) string {
	text, ok := s.spaces[string(b)]
	if !ok {
		text = string(b)
		if len(s.spaces) < maxShared {
			s.spaces[text] = text
		}
	}
	return text
}

func (s *sharing) meta(b []byte) []byte {
	meta, ok := s.metas[string(b)]
	if !ok {
		meta = bytes.Clone(b)
		if len(s.metas) < maxShared {
			s.metas[string(meta)] = meta
		}
	}
	return meta
}

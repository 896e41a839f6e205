package disk

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2"

	"roost/store"
)

// ErrExists: the folder to import into has a store.
var ErrExists = errors.New("folder has a store already, and an import makes a new one: give an empty folder, or one that does not exist")

// Imported is how far an import has come.
type Imported struct {
	Items uint64
	Read  int64  // bytes of the export
	Epoch string // of the new store, at the end
}

// importBatch bounds the bytes of what goes to the database at once.
const importBatch = 1 << 20

// Import makes a store in dir of what [Export] wrote. The folder must be empty, or not be
// there, as for [Open]. The items keep their revisions and times, and the store has an epoch of
// its own. It is a store when all is in, and not before: after an error, or a crash, the folder
// has none, and Import can be called again. Unless it is nil, progress is called now and then.
//
// Its errors are [ErrExport], [ErrFormat], [ErrExists], [ErrInUse], [ErrNotAStore],
// [store.ErrFull], and those of the system.
func Import(dir string, r io.Reader, progress func(Imported), opts Options) (done Imported, err error) {
	if progress == nil {
		progress = func(Imported) {}
	}
	in, err := readExport(r) // before anything is made
	if err == nil {
		i := &importer{Store: newStore(dir, opts), in: in, progress: progress}
		if err = i.run(); err == nil { // else fill may be at it yet
			done = i.done()
		}
	}
	if err != nil {
		return done, fmt.Errorf("import into store %q: %w", dir, err)
	}
	return done, nil
}

// importer is a store on its way.
type importer struct {
	*Store
	in       *exportReader
	progress func(Imported)
}

func (i *importer) done() Imported {
	return Imported{Items: i.in.items, Read: i.in.read, Epoch: i.epoch}
}

func (i *importer) run() (err error) {
	fresh, err := i.enter()
	if err == nil && !fresh {
		err = ErrExists
	}
	if err != nil {
		return errors.Join(err, i.release())
	}
	database := filepath.Join(i.dir, databaseFolder)
	if err = i.make(database, i.fill); err != nil {
		return errors.Join(err, i.failure.get(), i.undo(database))
	}
	return i.release()
}

// fill puts the items into the database. They are on the disk before the state is, which make
// writes next.
func (i *importer) fill() error {
	for {
		last, err := i.batch()
		if err != nil {
			return err
		}
		if last {
			break
		}
		i.progress(i.done())
	}
	i.revision = i.in.head.Revision
	return i.db.Flush()
}

// batch puts in what comes next, and says whether it is the last.
func (i *importer) batch() (last bool, err error) {
	b := i.db.NewBatch()
	defer b.Close()
	var key, record []byte
	for b.Len() < importBatch && !last {
		item, err := i.in.item()
		if last = err == io.EOF; last {
			break
		}
		if err != nil {
			return false, err
		}
		key = appendKey(key[:0], item.Key)
		record = appendRecord(record[:0], key, item)
		if err := b.Set(key, record, nil); err != nil {
			return false, err
		}
		i.tally.add(item)
	}
	if i.opts.MinFree > 0 {
		i.free.ask()
		if i.free.less(uint64(i.opts.MinFree) + 2*uint64(b.Len())) {
			return false, fmt.Errorf("%w: the disk must keep %d bytes free", store.ErrFull, i.opts.MinFree)
		}
	}
	return last, i.db.Apply(b, pebble.NoSync)
}

// undo removes what was made.
func (i *importer) undo(database string) error {
	if i.failure.get() == nil {
		if i.db != nil {
			closeDatabase(i.db, i.failure.done) // it is not needed any more
			i.db = nil
		}
		i.opts.fs.RemoveAll(database) // the next attempt does, too
	}
	return i.release()
}

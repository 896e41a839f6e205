// Package disk keeps a store's items in a folder of this machine, by the key-value store
// Pebble. [Open] opens one.
//
// Every item is in memory too, where conditions are tested and the follower has them from.
// The disk is read once, when the store is opened, and written with every transaction: a
// transaction that Commit acknowledged is on the disk, synced, and survives the end of the
// process, of the system and of the current at any instant; one that it did not is there whole or not at
// all. Transactions that come together share a sync.
//
// It refuses to go on where it can't keep that: after an error of the disk, no change is
// accepted until the store is opened again, while what was read stays readable. A disk that is
// nearly full is seen before it comes to that. spec/disk-format.md describes the files.
package disk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"roost/store"
	"roost/store/internal/table"
)

// Options say how a store is kept. The zero value is a store that survives everything.
type Options struct {
	// Lazy acknowledges a transaction before it is synced: it is handed to the system at
	// once, and synced within a second. A change that was acknowledged survives the end of the
	// process mostly, and is lost when the current fails in that time. What is lost is the
	// newest, and whole transactions.
	Lazy bool

	// MinFree is how many bytes the file system must have free for a change to be accepted,
	// beside those of the change itself: 64 MiB by default; negative for none. Beyond it
	// Commit fails with store.ErrFull, until there is room again.
	MinFree int64

	// Logger gets what has no caller to be returned to. Default: slog.Default().
	Logger *slog.Logger

	fs       vfs.FS // the real one by default; tests have others
	memTable uint64 // bytes of the database's table in memory; tests have less
}

const defaultMinFree = 64 << 20

func (o Options) withDefaults() Options {
	if o.fs == nil {
		o.fs = vfs.Default
	}
	if o.MinFree == 0 {
		o.MinFree = defaultMinFree
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// ErrFailed: the disk failed, and the store accepts no change until it is opened again.
var ErrFailed = errors.New("disk failed: the store accepts no change until it is opened again")

// Store implements [store.Store]. Use [Open] to make one.
//
// A transaction is tested against the items and written to them under mu, where it gets its
// revision, and then waits in a queue. One goroutine, the writer, takes whatever is there to the
// disk at once, and when it is synced hands it to the follower, in order, and tells who waits.
// So transactions are tested against ones that are not on the disk yet; the order of the log is
// that of the tests, so none can be on the disk without those that it was tested against. A
// transaction whose condition fails waits for those before it too: what its error shows is then
// what everybody sees. A follower has its place in the queue as well: it begins with the items
// as they were there.
//
// Pebble would sync concurrent commits together by itself. But it would take a goroutine a
// commit to wait for it, and the order in which they return is not that of the log.
type Store struct {
	dir   string
	opts  Options
	lock  *lock
	gate  *gate
	db    *pebble.DB
	ended bool // db was closed
	epoch string

	mu       sync.Mutex
	items    *table.Table // with what is queued
	revision uint64       // of the newest queued
	tally    tally        // of items
	queue    []*pending
	enough   int           // how many the writer waits for
	writing  []*pending    // what the writer took last
	last     *pending      // the newest transaction, wherever it is; never a follower
	closed   bool          // nothing is queued any more
	more     chan struct{} // tells the writer that the queue has something

	applied atomic.Uint64 // revision of what the follower has seen, or would have

	// What the writer holds while it hands a batch over; taken before mu.
	deliver  sync.Mutex
	follower follower

	failure failure
	written chan struct{} // closed when the writer has ended
	end     sync.Once
	opened  atomic.Bool // before that, what fails is Open's error
	free    freeSpace
}

var _ store.AsyncCommitter = (*Store)(nil)

// follower is who gets the batches: nobody while apply is nil.
type follower struct {
	ctx   context.Context
	apply func(store.Batch)
}

func (f follower) live() bool { return f.apply != nil && f.ctx.Err() == nil }

// failure is the error that ended the writing, if there was one.
type failure struct {
	once sync.Once
	done chan struct{} // closed when it has happened
	err  error
}

func (f *failure) set(err error) {
	f.once.Do(func() {
		f.err = err
		close(f.done)
	})
}

func (f *failure) get() error {
	select {
	case <-f.done:
		return f.err
	default:
		return nil
	}
}

// Open opens the store in the folder dir, and makes one if there is none: then the folder must
// be empty, or not be there. It reads everything. Its errors are [ErrInUse], [ErrNotAStore],
// [ErrFormat], [ErrDamaged], and those of the system.
func Open(dir string, opts Options) (*Store, error) {
	s := newStore(dir, opts)
	if err := s.open(); err != nil {
		if failed := s.failure.get(); failed != nil {
			err = failed
		}
		s.release()
		return nil, fmt.Errorf("open store %q: %w", dir, err)
	}
	s.opened.Store(true)
	go s.write()
	return s, nil
}

func newStore(dir string, opts Options) *Store {
	opts = opts.withDefaults()
	s := &Store{dir: dir, opts: opts, items: table.New(), more: make(chan struct{}, 1), written: make(chan struct{})}
	s.failure.done = make(chan struct{})
	s.free.fs, s.free.dir = opts.fs, dir
	return s
}

func (s *Store) open() (err error) {
	fs := s.opts.fs
	isNew, err := s.enter()
	if err != nil {
		return err
	}
	database := filepath.Join(s.dir, databaseFolder)
	if isNew {
		s.opts.Logger.Info("making a new store", "store", s.dir)
		return s.make(database, nil)
	}
	if err := checkFormat(fs, s.dir); err != nil {
		return err
	}
	if s.db, err = openDatabase(database, s.host(), present); err != nil {
		return err
	}
	if err := guarded(s.failure.done, s.load); err != nil {
		return err
	}
	return s.keepFloor()
}

func (s *Store) host() host {
	return host{s.gate, s.opts.Logger, s.fail, s.failure.done, s.opts.memTable}
}

// enter locks the folder, and says whether the store in it is still to be made.
func (s *Store) enter() (fresh bool, err error) {
	fs := s.opts.fs
	if _, err = prepare(fs, s.dir); err != nil {
		return false, err
	}
	if s.lock, err = acquire(fs, s.dir); err != nil {
		return false, err
	}
	s.gate = &gate{FS: fs, fail: s.fail}
	return prepare(fs, s.dir) // another may have made it in the meantime
}

// make makes a store, with what fill puts into it if there is a fill. It is one when the file
// that tells its format is there; what was left of an attempt that did not come so far had
// nothing to lose.
func (s *Store) make(database string, fill func() error) (err error) {
	fs := s.opts.fs
	if err := errors.Join(fs.RemoveAll(database), syncFolder(fs, s.dir)); err != nil {
		return err
	}
	if err := beginFormat(fs, s.dir); err != nil {
		return err
	}
	if s.db, err = openDatabase(database, s.host(), fresh); err != nil {
		return err
	}
	s.epoch = table.NewEpoch()
	err = guarded(s.failure.done, func() error {
		if fill != nil {
			if err := fill(); err != nil {
				return err
			}
		}
		s.applied.Store(s.revision)
		return s.db.Set(stateKey, appendState(nil, state{s.epoch, s.revision, s.tally}), pebble.Sync)
	})
	if err != nil {
		return err
	}
	if err := s.raiseFloor(); err != nil {
		return err
	}
	return endFormat(fs, s.dir)
}

// maxRoom bounds for how many items there is room before they are read.
const maxRoom = 16 << 20

// load reads everything.
func (s *Store) load() error {
	st, found, err := readState(s.db)
	if err == nil && !found {
		err = errNoState
	}
	if err != nil {
		return err
	}
	s.epoch, s.revision = st.epoch, st.revision
	s.applied.Store(st.revision)
	items := make([]store.Change, 0, min(st.tally.count, maxRoom))
	err = readItems(s.db, func(item *store.Item) error {
		if err := st.admits(item); err != nil {
			return err
		}
		items = append(items, store.Change{Item: item})
		s.tally.add(item)
		return nil
	})
	if err == nil {
		err = s.failure.get() // found while reading
	}
	if err == nil {
		err = st.addsUp(s.tally)
	}
	if err == nil {
		s.items = table.Of(items)
	}
	return err
}

// fail is told of what Pebble can't go on after, on whatever goroutine it happened. Nothing that
// is queued comes to the disk any more.
func (s *Store) fail(err error) {
	s.failure.set(err)
	s.mu.Lock()
	lost := slices.Concat(s.writing, s.queue)
	s.writing, s.queue = nil, nil
	s.mu.Unlock()
	for _, p := range lost {
		s.tell(p, fmt.Errorf("%w: %w", ErrFailed, s.failure.err))
	}
	if s.opened.Load() {
		s.opts.Logger.Error("disk failed; no change is accepted until the store is opened again", "store", s.dir, "error", err)
	}
}

// Follow implements [store.Store]. All calls of apply come from a goroutine of the store's. It
// waits for the disk where something is on its way there. After an error of the disk it fails
// with [ErrFailed].
func (s *Store) Follow(ctx context.Context, apply func(store.Batch)) error {
	begun := make(chan error, 1)
	if err := s.enqueueFollower(follower{ctx, apply}, func(failed error) { begun <- failed }); err != nil {
		return err
	}
	var err error
	select {
	case err = <-begun:
	case <-ctx.Done():
		s.deliver.Lock() // a call of apply that is under way ends first, and there is no other
		defer s.deliver.Unlock()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// Sync implements [store.Store]. It does not block.
func (s *Store) Sync(ctx context.Context) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, store.ErrClosed
	}
	return s.applied.Load(), ctx.Err()
}

// Info implements [store.Store].
func (s *Store) Info() store.Info {
	promise := "on disk, synced, before it is acknowledged"
	if s.opts.Lazy {
		promise = "on disk within a second of being acknowledged"
	}
	return store.Info{Epoch: s.epoch, Blocks: true, Promise: promise}
}

// Close implements [store.Store]. What is queued is written first, but where the disk failed:
// then a writer that it left waiting is waited for no more. Its error is that of the disk.
func (s *Store) Close() (err error) {
	s.end.Do(func() { err = s.close() })
	return err
}

func (s *Store) close() error {
	s.mu.Lock()
	s.closed = true
	close(s.more)
	s.mu.Unlock()
	select {
	case <-s.written:
	case <-s.failure.done:
	}
	s.deliver.Lock()
	defer s.deliver.Unlock()
	s.follower, s.items = follower{}, nil
	err := s.closeDatabase()
	if err == nil {
		err = s.raiseFloor()
	}
	return errors.Join(err, s.release(), s.failure.get())
}

// closeDatabase closes the database, if it can be. One that failed may never close; its files
// are left as after a crash.
func (s *Store) closeDatabase() (err error) {
	if s.db != nil && s.failure.get() == nil && !s.ended {
		s.ended = true // and db is left, for those that wait in it
		err = closeDatabase(s.db, s.failure.done)
	}
	return err
}

// release gives back what Open took.
func (s *Store) release() error {
	err := s.closeDatabase()
	if s.gate != nil {
		err = errors.Join(err, s.gate.close())
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.release())
	}
	return err
}

// freeSpace is how much room the file system has, as far as is known: it is asked ten times a
// second at most.
type freeSpace struct {
	fs  vfs.FS
	dir string

	asking sync.Mutex
	known  atomic.Pointer[room]
}

type room struct {
	when  time.Time
	bytes uint64
	told  bool // the file system tells it
}

// isOld says that the file system has to be asked.
func (f *freeSpace) isOld() bool {
	r := f.known.Load()
	return r == nil || time.Since(r.when) > 100*time.Millisecond
}

// ask asks the file system, if what is known is old. It waits for it.
func (f *freeSpace) ask() {
	f.asking.Lock()
	defer f.asking.Unlock()
	if f.isOld() {
		usage, err := f.fs.GetDiskUsage(f.dir)
		f.known.Store(&room{time.Now(), usage.AvailBytes, err == nil})
	}
}

func (f *freeSpace) less(than uint64) bool {
	r := f.known.Load()
	return r != nil && r.told && r.bytes < than
}

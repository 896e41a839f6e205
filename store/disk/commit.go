package disk

import (
	"context"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"roost/store"
	"roost/store/internal/table"
)

// pending is a transaction on its way to the disk, or a follower that begins when what was
// queued before it is there.
type pending struct {
	batch  store.Batch
	tally  tally         // of what is there with it
	begins *follower     // who gets the batch as its first; no one when it gave up
	err    error         // why it did not begin, of done
	done   chan struct{} // closed when it is on the disk and applied
}

// Commit implements [store.Store]. It waits for the disk, and not for ctx: once a transaction
// has its place, it is made.
func (s *Store) Commit(ctx context.Context, txn store.Txn) (uint64, error) {
	if err := table.Validate(txn); err != nil {
		return 0, fmt.Errorf("commit: %w", err)
	}
	p, revision, err := s.enqueue(ctx, txn)
	if p == nil {
		return revision, err
	}
	select {
	case <-p.done:
		return revision, err
	case <-s.failure.done:
	}
	select {
	case <-p.done: // it was on the disk before that failed
		return revision, err
	default:
	}
	if err != nil { // nothing was to be changed
		return 0, fmt.Errorf("%w: %w", ErrFailed, s.failure.err)
	}
	return 0, fmt.Errorf("%w: %w", store.ErrUnknown, s.failure.err)
}

// enqueue tests a transaction and gives it its place. It returns what to wait for, if there is
// something: the transaction itself, or the one before it where nothing is changed.
func (s *Store) enqueue(ctx context.Context, txn store.Txn) (*pending, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return nil, 0, err
	}
	if err := s.items.Test(txn.If); err != nil {
		return s.last, 0, err
	}
	if size(txn) > maxTxn {
		return nil, 0, fmt.Errorf("%w: one transaction takes at most %d bytes", store.ErrFull, maxTxn/2)
	}
	if grows(txn) && s.opts.MinFree > 0 && s.free.less(uint64(s.opts.MinFree)+size(txn)) {
		return nil, 0, store.ErrFull
	}
	for i := range txn.Then {
		if old := s.items.Get(txn.Then[i].Key); old != nil {
			s.tally.remove(old)
		}
	}
	changes := s.items.Write(txn.Then, s.revision+1)
	for _, c := range changes {
		if !c.Deleted {
			s.tally.add(c.Item)
		}
	}
	if len(changes) == 0 {
		return s.last, s.revision, nil
	}
	s.revision++
	s.last = &pending{done: make(chan struct{}), tally: s.tally, batch: store.Batch{Revision: s.revision, Changes: changes, Mark: txn.Mark}}
	s.append(s.last)
	return s.last, s.revision, nil
}

// enqueueFollower gives a follower its place.
func (s *Store) enqueueFollower(ctx context.Context, f follower) (*pending, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	p := &pending{done: make(chan struct{}), tally: s.tally, begins: &f, batch: store.Batch{Revision: s.revision, Reset: true, Changes: s.items.Present()}}
	s.append(p)
	return p, nil
}

// usable returns why nothing can be queued, if that is so. It is called with mu held.
func (s *Store) usable(ctx context.Context) error {
	switch failed := s.failure.get(); {
	case s.closed:
		return store.ErrClosed
	case ctx.Err() != nil:
		return ctx.Err()
	case failed != nil:
		return fmt.Errorf("%w: %w", ErrFailed, failed)
	}
	return nil
}

// append queues what the writer is to take. It is called with mu held.
func (s *Store) append(p *pending) {
	s.queue = append(s.queue, p)
	select {
	case s.more <- struct{}{}:
	default: // the writer knows
	}
}

// grows says whether a transaction writes something; what only deletes makes room.
func grows(txn store.Txn) bool {
	for i := range txn.Then {
		if !txn.Then[i].Delete {
			return true
		}
	}
	return false
}

// size is what a transaction takes on the disk, and once more when it is moved to a table.
func size(txn store.Txn) (n uint64) {
	for i := range txn.Then {
		n += 2 * uint64(len(txn.Then[i].Value)+len(txn.Then[i].Meta))
	}
	return n
}

// maxTxn bounds the size of one transaction: a batch of the database is less than 4 GiB, and
// would end the writing for all.
const maxTxn = 2 << 30

// maxGroup bounds the bytes of the values that go to the disk at once.
const maxGroup = 16 << 20

// write is the writer: it takes what is queued to the disk until the store is closed.
func (s *Store) write() {
	defer close(s.written)
	defer func() {
		// Where Pebble has ended the goroutine, it has told why: see stopLogger.
		if p := recover(); p != nil {
			s.fail(fmt.Errorf("writer: %v", p))
		}
	}()
	var due, floor <-chan time.Time // of what is not synced yet, and not noted
	for {
		select {
		case _, open := <-s.more:
			wrote := s.writeQueue()
			if !open {
				return
			}
			if wrote && s.opts.Lazy && due == nil {
				due = time.After(lazySync)
			}
			if wrote && floor == nil {
				floor = time.After(floorAge)
			}
		case <-due:
			due = nil
			s.syncLog()
		case <-floor:
			floor = nil
			if s.opts.Lazy {
				s.syncLog()
			}
			if err := s.raiseFloor(); err != nil { // the older one is true too
				s.opts.Logger.Warn("store: its revision was not noted", "store", s.dir, "error", err)
			}
		}
	}
}

// syncLog syncs what was written without.
func (s *Store) syncLog() {
	if err := s.db.LogData(nil, pebble.Sync); err != nil {
		s.fail(err)
	}
}

// writeQueue writes what is queued, and says whether there was something.
func (s *Store) writeQueue() (wrote bool) {
	for {
		group := s.take()
		if len(group) == 0 || s.failure.get() != nil {
			return wrote
		}
		some, err := s.writeGroup(group)
		if err != nil {
			s.fail(err)
			return wrote
		}
		for _, p := range group {
			s.hand(p)
		}
		wrote = wrote || some
	}
}

// take takes what goes to the disk at once.
func (s *Store) take() []*pending {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, bytes := 0, 0
	for n < len(s.queue) && bytes < maxGroup {
		for _, c := range s.queue[n].writes() {
			bytes += len(c.Item.Value)
		}
		n++
	}
	group := s.queue[:n:n]
	s.queue = s.queue[n:]
	if len(s.queue) == 0 {
		s.queue = nil
	}
	return group
}

// writes are the changes that go to the disk.
func (p *pending) writes() []store.Change {
	if p.begins != nil {
		return nil
	}
	return p.batch.Changes
}

// writeGroup writes transactions to the disk, all or nothing of them together, and says whether
// there was something to write.
func (s *Store) writeGroup(group []*pending) (wrote bool, err error) {
	b := s.db.NewBatch()
	defer b.Close()
	var key, record []byte
	for _, p := range group {
		for _, c := range p.writes() {
			key = appendKey(key[:0], c.Item.Key)
			if c.Deleted {
				err = b.Delete(key, nil)
			} else {
				record = appendRecord(record[:0], key, c.Item)
				err = b.Set(key, record, nil)
			}
			if err != nil {
				return false, err
			}
		}
	}
	if b.Empty() {
		return false, nil
	}
	newest := group[len(group)-1]
	if err := b.Set(stateKey, appendState(nil, state{s.epoch, newest.batch.Revision, newest.tally}), nil); err != nil {
		return false, err
	}
	return true, s.db.Apply(b, s.durability())
}

func (s *Store) durability() *pebble.WriteOptions {
	if s.opts.Lazy {
		return pebble.NoSync
	}
	return pebble.Sync
}

// hand applies what is on the disk.
func (s *Store) hand(p *pending) {
	s.deliver.Lock()
	defer s.deliver.Unlock()
	switch {
	case p.begins != nil:
		p.err = s.begin(*p.begins, p.batch)
	case s.follower.live():
		s.follower.apply(p.batch)
	default:
		s.follower = follower{}
	}
	s.applied.Store(p.batch.Revision)
	close(p.done)
}

// begin hands a follower its first batch, where it did not give up. It is called with deliver held.
func (s *Store) begin(f follower, first store.Batch) error {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	switch {
	case closed:
		return store.ErrClosed
	case s.follower.live():
		return store.ErrFollowed
	case f.live():
		f.apply(first)
		s.follower = f
	}
	return nil
}

// floorAge is how long after a change its revision is noted, with others that came since.
const floorAge = 10 * time.Second

// lazySync is how long a lazy store may keep what it acknowledged from the disk.
const lazySync = time.Second

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
	tally  tally     // of what is there with it
	begins *follower // who gets the batch as its first

	// Under mu. Who waits is told when it is on the disk and applied, or why that failed.
	waiting []func(failed error)
	over    bool
}

// Commit implements [store.Store]. It waits for the disk, and not for ctx: once a transaction
// has its place, it is made.
func (s *Store) Commit(ctx context.Context, txn store.Txn) (revision uint64, err error) {
	done := make(chan struct{})
	s.CommitAsync(ctx, txn, func(r uint64, e error) {
		revision, err = r, e
		close(done)
	})
	<-done
	return revision, err
}

// CommitAsync implements [store.AsyncCommitter], without a goroutine for the transaction.
func (s *Store) CommitAsync(ctx context.Context, txn store.Txn, done func(revision uint64, err error)) {
	if err := table.Validate(txn); err != nil {
		done(0, fmt.Errorf("commit: %w", err))
		return
	}
	if s.needs(txn) > 0 && s.free.isOld() {
		go func() { // the file system may let us wait
			s.free.ask()
			s.commit(ctx, txn, done)
		}()
		return
	}
	s.commit(ctx, txn, done)
}

func (s *Store) commit(ctx context.Context, txn store.Txn, done func(uint64, error)) {
	if revision, err, waits := s.enqueue(ctx, txn, done); !waits {
		done(revision, err)
	}
}

// enqueue tests a transaction and gives it its place. What is to be waited for is that it is on the
// disk, or the one before it where nothing is changed; done is told then. Or there is nothing
// to wait for.
func (s *Store) enqueue(ctx context.Context, txn store.Txn, done func(uint64, error)) (revision uint64, err error, waits bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return 0, err, false
	}
	if err := s.items.Test(txn.If); err != nil {
		return 0, err, s.wait(func(failed error) {
			if failed != nil { // nothing was to be changed
				err = failed
			}
			done(0, err)
		})
	}
	if size(txn) > maxTxn {
		return 0, fmt.Errorf("%w: one transaction takes at most %d bytes", store.ErrFull, maxTxn/2), false
	}
	if s.free.less(s.needs(txn)) {
		return 0, store.ErrFull, false
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
	if len(changes) > 0 {
		s.revision++
		s.last = &pending{tally: s.tally, batch: store.Batch{Revision: s.revision, Changes: changes, Mark: txn.Mark}}
		s.append(s.last)
	}
	revision = s.revision
	return revision, nil, s.wait(func(failed error) {
		if failed != nil {
			done(0, fmt.Errorf("%w: %w", store.ErrUnknown, s.failure.err))
			return
		}
		done(revision, nil)
	})
}

// enqueueFollower gives a follower its place, after which it is told.
func (s *Store) enqueueFollower(f follower, told func(failed error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(f.ctx); err != nil {
		return err
	}
	first := store.Batch{Revision: s.revision, Reset: true, Changes: s.items.Present()}
	s.append(&pending{tally: s.tally, begins: &f, batch: first, waiting: []func(error){told}})
	return nil
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
	if len(s.queue) < s.enough {
		return // the writer waits for more
	}
	select {
	case s.more <- struct{}{}:
	default: // the writer knows
	}
}

// wait has told called when the transactions that were queued are on the disk, if they are not. It
// is called with mu held.
func (s *Store) wait(told func(failed error)) bool {
	if s.last == nil || s.last.over {
		return false
	}
	s.last.waiting = append(s.last.waiting, told)
	return true
}

// tell ends a pending for those who wait for it.
func (s *Store) tell(p *pending, failed error) {
	s.mu.Lock()
	waiting := p.waiting
	p.waiting, p.over = nil, true
	s.mu.Unlock()
	for _, told := range waiting {
		told(failed)
	}
}

// needs is how much room a transaction needs; none if it makes some.
func (s *Store) needs(txn store.Txn) uint64 {
	if s.opts.MinFree <= 0 || !grows(txn) {
		return 0
	}
	return uint64(s.opts.MinFree) + size(txn)
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
		start := time.Now()
		some, err := s.writeGroup(group)
		if err != nil {
			s.fail(err)
			return wrote
		}
		took := time.Since(start)
		for _, p := range group {
			s.tell(p, s.hand(p))
		}
		wrote = wrote || some
		s.gather(len(group), took)
	}
}

// gather waits until as many are queued as wait for the disk at once, it seems: those of a group
// that is done mostly come again. Without it they would be two halves that take turns, with
// twice the syncs. It waits no longer than the group took, which is what a sync of its own
// would cost those that are queued.
func (s *Store) gather(group int, took time.Duration) {
	s.mu.Lock()
	enough := group + len(s.queue)
	if enough == 1 || s.closed || took < minGather {
		s.mu.Unlock()
		return
	}
	select {
	case <-s.more:
	default:
	}
	s.enough = enough
	s.mu.Unlock()
	timer := time.NewTimer(min(took, maxGather))
	defer timer.Stop()
	select {
	case <-s.more:
	case <-timer.C:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.enough = 1
}

const (
	// minGather: what is written sooner, as it is not synced or the disk is that quick, takes
	// less than a timer does.
	minGather = 200 * time.Microsecond

	// maxGather is enough for a client near by to read an answer and send its next request.
	maxGather = 2 * time.Millisecond
)

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
	s.writing, s.queue = s.queue[:n:n], s.queue[n:]
	if len(s.queue) == 0 {
		s.queue = nil
	}
	return s.writing
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

// hand hands over what is on the disk. It returns why a follower did not begin.
func (s *Store) hand(p *pending) (err error) {
	s.deliver.Lock()
	defer s.deliver.Unlock()
	switch {
	case p.begins != nil:
		err = s.begin(*p.begins, p.batch)
	case s.follower.live():
		s.follower.apply(p.batch)
	default:
		s.follower = follower{}
	}
	s.applied.Store(p.batch.Revision)
	return err
}

// begin hands a follower its first batch, where its ctx has not ended. It is called with deliver held.
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

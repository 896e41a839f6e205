// Package memory keeps a store's items in the memory of this process. [New]
// makes one.
//
// It starts no goroutine and waits for nothing but its own lock, so it suits
// event loops and tests. It refuses to remember: what it held is gone when it is
// closed or the process ends, and its epoch with it.
package memory

import (
	"context"
	"fmt"
	"sync"

	"roost/store"
	"roost/store/internal/table"
)

// Store implements [store.Store]. Use [New] to make one.
//
// One mutex guards everything, and batches are applied while it is held, by the
// goroutine that commits. That alone keeps the promises on order: the next
// transaction can't begin before the follower has seen this one. Handing batches
// to a goroutine of the store's own would let commits run ahead of the follower,
// but a commit has to wait for its batch anyway, so it would buy two switches of
// goroutine a commit and nothing else. The price is that a follower which calls
// the store back, against the contract, never returns.
type Store struct {
	epoch string

	mu       sync.Mutex
	closed   bool
	revision uint64
	items    *table.Table
	follower follower
}

var _ store.Store = (*Store)(nil)

// follower is who gets the batches: nobody while apply is nil.
type follower struct {
	ctx   context.Context
	apply func(store.Batch)
}

// live says that batches are to be handed over. Looking at the context at each
// delivery is what ends following; nothing watches it in between.
func (f follower) live() bool { return f.apply != nil && f.ctx.Err() == nil }

// New returns an empty store at revision 0, under an epoch of its own.
func New() *Store {
	return &Store{epoch: table.NewEpoch(), items: table.New()}
}

// Follow implements [store.Store]. It calls apply before it returns, and later
// calls come from within Commit. The present state comes in no particular order.
func (s *Store) Follow(ctx context.Context, apply func(store.Batch)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usableLocked(ctx); err != nil {
		return err
	}
	if s.follower.live() {
		return store.ErrFollowed
	}
	apply(store.Batch{Revision: s.revision, Reset: true, Changes: s.items.Present()})
	if err := ctx.Err(); err != nil {
		return err
	}
	s.follower = follower{ctx: ctx, apply: apply}
	return nil
}

// Commit implements [store.Store]. It never blocks. A transaction that changes
// nothing, because it writes nothing or only deletes what is absent, takes no
// revision and makes no batch: the present revision is returned.
func (s *Store) Commit(ctx context.Context, txn store.Txn) (uint64, error) {
	if err := table.Validate(txn); err != nil {
		return 0, fmt.Errorf("commit: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usableLocked(ctx); err != nil {
		return 0, err
	}
	if err := s.items.Test(txn.If); err != nil {
		return 0, err
	}
	changes := s.items.Write(txn.Then, s.revision+1)
	if len(changes) > 0 {
		s.revision++
		s.deliverLocked(store.Batch{Revision: s.revision, Changes: changes, Mark: txn.Mark})
	}
	return s.revision, nil
}

// Sync implements [store.Store]. It never blocks.
func (s *Store) Sync(ctx context.Context) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usableLocked(ctx); err != nil {
		return 0, err
	}
	return s.revision, nil
}

// Info implements [store.Store]. It can be called after Close too.
func (s *Store) Info() store.Info {
	return store.Info{Epoch: s.epoch, Promise: "gone with the process"}
}

// Close implements [store.Store]. The follower's function is not running when it
// returns, and is not called again. The error is always nil.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.items = nil
	s.follower = follower{}
	return nil
}

// usableLocked returns why a call can't go ahead, if it can't.
func (s *Store) usableLocked(ctx context.Context) error {
	if s.closed {
		return store.ErrClosed
	}
	return ctx.Err()
}

// deliverLocked hands a batch to the follower, and lets go of one that has ended.
func (s *Store) deliverLocked(b store.Batch) {
	if s.follower.live() {
		s.follower.apply(b)
		return
	}
	s.follower = follower{}
}

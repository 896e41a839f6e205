package storetest

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"roost/store"
)

// mirror is a follower that rebuilds a store's contents from its batches, and
// fails the test at each batch that could not follow from those before it.
type mirror struct {
	t     testing.TB
	busy  atomic.Bool
	ended atomic.Bool // set by a test when nothing may be handed over any more

	// handed counts batches without a lock: two batches applied at once are a
	// race for the race detector, also when busy misses them.
	handed int

	mu       sync.Mutex
	contents contents
	batches  []store.Batch
}

// follow returns a mirror that follows s until ctx is done.
func follow(ctx context.Context, t testing.TB, s store.Store) *mirror {
	t.Helper()
	m := &mirror{t: t, contents: contents{}}
	if err := s.Follow(ctx, m.apply); err != nil {
		t.Fatalf("Follow: %v", err)
	}
	if m.count() == 0 {
		t.Fatal("Follow returned before the present state was applied")
	}
	return m
}

// apply is what the store calls. It yields, so that whoever does not wait for it
// gets ahead of it.
func (m *mirror) apply(b store.Batch) {
	if m.ended.Load() {
		m.t.Errorf("batch %d came after following had ended", b.Revision)
	}
	if !m.busy.CompareAndSwap(false, true) {
		m.t.Errorf("batch %d came while another was being applied", b.Revision)
	}
	m.handed++
	runtime.Gosched()
	m.mu.Lock()
	m.checkLocked(b)
	m.takeLocked(b)
	m.mu.Unlock()
	m.busy.Store(false)
}

// checkLocked checks a batch as a whole, then each of its changes.
func (m *mirror) checkLocked(b store.Batch) {
	if len(m.batches) == 0 && !b.Reset {
		m.t.Errorf("the first batch, %d, is not a reset", b.Revision)
	}
	if last := m.revisionLocked(); len(m.batches) > 0 && b.Revision <= last {
		m.t.Errorf("batch %d came after batch %d", b.Revision, last)
	}
	if b.Reset && b.Mark != nil {
		m.t.Errorf("reset %d has mark %v", b.Revision, b.Mark)
	}
	if !b.Reset && len(b.Changes) == 0 {
		m.t.Errorf("batch %d changes nothing", b.Revision)
	}
	changed := make(map[store.Key]bool)
	for _, c := range b.Changes {
		if changed[c.Item.Key] {
			m.t.Errorf("batch %d changes %q twice", b.Revision, c.Item.Key)
		}
		changed[c.Item.Key] = true
		m.checkChangeLocked(b, c)
	}
}

func (m *mirror) checkChangeLocked(b store.Batch, c store.Change) {
	old, item := m.contents[c.Item.Key], c.Item
	created := b.Revision
	if old != nil {
		created = old.Created
	}
	switch {
	case b.Reset:
		if c.Deleted || item.Created == 0 || item.Created > item.Revision || item.Revision > b.Revision {
			m.t.Errorf("reset %d has deleted=%t %q: %s", b.Revision, c.Deleted, item.Key, describe(item))
		}
	case item.Revision != b.Revision || item.Created != created:
		m.t.Errorf("batch %d has %q: %s; want created %d", b.Revision, item.Key, describe(item), created)
	case c.Deleted && old == nil:
		m.t.Errorf("batch %d deletes %q, which is absent", b.Revision, item.Key)
	case c.Deleted && !sameItem(item, &store.Item{Key: item.Key, Created: created, Revision: b.Revision}):
		m.t.Errorf("batch %d deletes %q with content: %s", b.Revision, item.Key, describe(item))
	}
}

func (m *mirror) takeLocked(b store.Batch) {
	m.batches = append(m.batches, b)
	if b.Reset {
		clear(m.contents)
	}
	for _, c := range b.Changes {
		if c.Deleted {
			delete(m.contents, c.Item.Key)
		} else {
			m.contents[c.Item.Key] = c.Item
		}
	}
}

// revision returns the last revision applied.
func (m *mirror) revision() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.revisionLocked()
}

func (m *mirror) revisionLocked() uint64 {
	if len(m.batches) == 0 {
		return 0
	}
	return m.batches[len(m.batches)-1].Revision
}

// item returns what is stored under k, nil if nothing is.
func (m *mirror) item(k store.Key) *store.Item {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.contents[k]
}

// snapshot returns the contents as they are now.
func (m *mirror) snapshot() contents {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.contents.clone()
}

// history returns the batches so far.
func (m *mirror) history() []store.Batch {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.batches)
}

// count returns the number of batches so far.
func (m *mirror) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.batches)
}

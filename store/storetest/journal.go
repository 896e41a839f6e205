package storetest

import (
	"maps"
	"slices"
	"sync"
	"testing"

	"roost/store"
)

// journal is what was acknowledged: every transaction that changed something, by
// its revision. The zero journal is empty; it may be written to from many goroutines.
type journal struct {
	mu   sync.Mutex
	txns map[uint64]store.Txn
}

// record adds a transaction that was acknowledged at revision.
func (j *journal) record(t testing.TB, revision uint64, txn store.Txn) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.txns == nil {
		j.txns = make(map[uint64]store.Txn)
	}
	if _, twice := j.txns[revision]; twice {
		t.Errorf("revision %d was given twice", revision)
	}
	j.txns[revision] = txn
}

// revisions returns those recorded, in order.
func (j *journal) revisions() []uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Sorted(maps.Keys(j.txns))
}

// contents replays the journal up to a revision, that one included.
func (j *journal) contents(revision uint64) contents {
	c := contents{}
	for _, r := range j.revisions() {
		if r <= revision {
			c.write(j.txns[r].Then, r)
		}
	}
	return c
}

// check compares what a mirror was handed, from its first batch to its last,
// with what was acknowledged. Nothing may be under way.
func (j *journal) check(t testing.TB, m *mirror) {
	t.Helper()
	batches := m.history()
	rest := after(j.revisions(), batches[0].Revision)
	for _, b := range batches[1:] {
		if b.Reset {
			rest = after(rest, b.Revision)
			continue
		}
		if len(rest) == 0 || rest[0] != b.Revision {
			t.Errorf("batch %d came where %v were to follow", b.Revision, rest[:min(1, len(rest))])
			return
		}
		if want := j.txns[b.Revision].Mark; b.Mark != want {
			t.Errorf("batch %d has mark %v, want %v", b.Revision, b.Mark, want)
		}
		rest = rest[1:]
	}
	j.checkState(t, batches[0].Revision, resetContents(batches[0]))
	j.checkState(t, m.revision(), m.snapshot())
}

func (j *journal) checkState(t testing.TB, revision uint64, got contents) {
	t.Helper()
	if diff := j.contents(revision).diff(got); diff != "" {
		t.Errorf("at revision %d: %s", revision, diff)
	}
}

// after returns the part of sorted revisions that comes after one.
func after(revisions []uint64, revision uint64) []uint64 {
	i, found := slices.BinarySearch(revisions, revision)
	if found {
		i++
	}
	return revisions[i:]
}

// resetContents returns what a reset says is stored.
func resetContents(b store.Batch) contents {
	c := contents{}
	for _, change := range b.Changes {
		c[change.Item.Key] = change.Item
	}
	return c
}

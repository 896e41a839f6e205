package disk

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"roost/store"
)

// fault lets the n-th operation of a disk fail, and if it is sticky all that come after it.
type fault struct {
	n      int64
	sticky bool
	only   func(errorfs.Op) bool // which operations; nil: everything but reading and closing
	seen   atomic.Int64
	hit    atomic.Bool
}

func (f *fault) String() string { return fmt.Sprintf("operation %d, sticky %t", f.n, f.sticky) }

func (f *fault) MaybeError(op errorfs.Op) error {
	switch {
	case f.only != nil && !f.only(op), f.only == nil && !fallible(op):
		return nil
	}
	if n := f.seen.Add(1); n != f.n && (n < f.n || !f.sticky) {
		return nil
	}
	f.hit.Store(true)
	return errorfs.ErrInjected
}

func fallible(op errorfs.Op) bool {
	return op.Kind == errorfs.OpOpenDir || op.Kind != errorfs.OpFileClose && op.Kind.ReadOrWrite() == errorfs.OpIsWrite
}

// TestFaults lets each operation of a run fail in turn, until a run comes to its end without.
func TestFaults(t *testing.T) {
	stride := 5
	if rounds(1) > 1 {
		stride = 1
	}
	for _, sticky := range []bool{false, true} {
		t.Run(fmt.Sprint("sticky=", sticky), func(t *testing.T) {
			t.Parallel()
			runs := 0
			for n := 1 + rand.IntN(stride); ; n += stride {
				f := &fault{n: int64(n), sticky: sticky}
				faulty(t, f, uint64(n))
				if t.Failed() {
					t.Fatal(f)
				}
				if runs++; !f.hit.Load() {
					t.Logf("%d runs, %d operations", runs, f.seen.Load())
					return
				}
			}
		})
	}
}

// TestBackgroundFaults fails what the database does on its own: making tables, and noting
// which there are.
func TestBackgroundFaults(t *testing.T) {
	for what, only := range map[string]func(errorfs.Op) bool{
		"table":    func(op errorfs.Op) bool { return fallible(op) && strings.HasSuffix(op.Path, ".sst") },
		"blob":     func(op errorfs.Op) bool { return fallible(op) && strings.HasSuffix(op.Path, ".blob") },
		"manifest": func(op errorfs.Op) bool { return fallible(op) && strings.Contains(op.Path, "MANIFEST") },
		"log":      func(op errorfs.Op) bool { return fallible(op) && strings.HasSuffix(op.Path, ".log") },
		"reading":  func(op errorfs.Op) bool { return op.Kind.ReadOrWrite() == errorfs.OpIsRead },
		"room":     func(op errorfs.Op) bool { return op.Kind == errorfs.OpGetDiskUsage },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			hits := 0
			for n := range int64(rounds(12)) {
				f := &fault{n: 1 + n, sticky: n%2 == 0, only: only}
				faulty(t, f, uint64(n))
				if t.Failed() {
					t.Fatal(f)
				}
				hits += f.hitOnce()
			}
			if hits == 0 && what != "blob" {
				t.Error("nothing failed")
			}
		})
	}
}

func (f *fault) hitOnce() int {
	if f.hit.Load() {
		return 1
	}
	return 0
}

// outcomes is what became of transactions, by the mark that is in each of their writes.
type outcomes struct {
	mu      sync.Mutex
	acked   map[string]uint64
	unknown map[string]store.Txn
	refused map[string]error
}

func (o *outcomes) note(mark string, txn store.Txn, revision uint64, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err == nil:
		o.acked[mark] = revision
	case errors.Is(err, store.ErrUnknown):
		o.unknown[mark] = txn
	default:
		o.refused[mark] = err
	}
}

// faulty does a run with a fault.
func faulty(t *testing.T, f *fault, seed uint64) {
	disk := vfs.NewCrashableMem()
	var s *Store
	var err error
	within(t, "Open", func() { s, err = small(errorfs.Wrap(disk, f), "a/store") })
	history, o := &record{}, &outcomes{acked: map[string]uint64{}, unknown: map[string]store.Txn{}, refused: map[string]error{}}
	if err == nil {
		if err := s.Follow(t.Context(), history.apply); err != nil {
			t.Fatal(err)
		}
		within(t, "Commit", func() { busy(s, o, seed) })
		o.check(t, f, s, history)
		within(t, "Close", func() { err = s.Close() })
		if err != nil && !f.hit.Load() {
			t.Error(err)
		}
	} else if !f.hit.Load() {
		t.Error(err)
	}
	after := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: int(seed*13) % 101, RNG: rand.New(rand.NewPCG(seed, 3))})
	o.reopened(t, disk, history, "a/store")
	o.reopened(t, after, history, "a/store")
}

// busy has some goroutines write, each write with the mark of its transaction.
func busy(s *Store, o *outcomes, seed uint64) {
	var workers sync.WaitGroup
	for i := range uint64(4) {
		workers.Go(func() {
			r := rand.New(rand.NewPCG(seed, i))
			for n := range 12 {
				txn, mark := someTxn(r), fmt.Sprintf("%d-%d", i, n)
				for j := range txn.Then {
					txn.Then[j].Meta = []byte(mark)
				}
				revision, err := s.Commit(context.Background(), txn)
				o.note(mark, txn, revision, err)
			}
		})
	}
	workers.Wait()
}

// check tests what is seen of a store after a fault, before it is closed.
func (o *outcomes) check(t *testing.T, f *fault, s *Store, history *record) {
	t.Helper()
	for mark, err := range o.refused {
		if !errors.Is(err, ErrFailed) {
			t.Errorf("%s was refused with %v", mark, err)
		}
	}
	if failed := len(o.refused)+len(o.unknown) > 0; failed {
		if !f.hit.Load() {
			t.Error("failed for nothing")
		}
		if _, err := s.Commit(context.Background(), someTxn(rand.New(rand.NewPCG(1, 1)))); !errors.Is(err, ErrFailed) {
			t.Errorf("after a failure: %v", err)
		}
		if err := s.Follow(context.Background(), func(store.Batch) { t.Error("followed") }); !errors.Is(err, ErrFailed) {
			t.Errorf("Follow after a failure: %v", err)
		}
	}
	for _, b := range history.batches {
		for _, c := range b.Changes {
			if _, refused := o.refused[string(c.Item.Meta)]; refused {
				t.Errorf("%s was refused, and is seen", c.Item.Meta)
			}
		}
	}
	for mark, revision := range o.acked {
		if revision > history.newest() {
			t.Errorf("%s was acknowledged, and is not seen", mark)
		}
	}
}

// reopened opens the store again: what was acknowledged is there, what was refused is not, and
// the rest whole or not at all.
func (o *outcomes) reopened(t *testing.T, disk vfs.FS, history *record, dir string) {
	t.Helper()
	s, err := small(disk, dir)
	if err != nil {
		t.Errorf("opened again: %v", err)
		return
	}
	defer s.Close()
	var now store.Batch
	if err := s.Follow(t.Context(), func(b store.Batch) {
		if b.Reset {
			now = b
		}
	}); err != nil {
		t.Error(err)
	}
	newest := history.newest()
	if now.Revision < newest {
		t.Errorf("revision %d, %d was handed over", now.Revision, newest)
	}
	got, want, later := image{}, history.at(newest), map[store.Key]*store.Item{}
	got.apply(now)
	for _, c := range now.Changes {
		if c.Item.Revision > newest {
			later[c.Item.Key] = c.Item
		}
	}
	o.take(t, got, want, later)
	if err := same(got, want); err != nil {
		t.Error(err)
	}
	if _, err := s.Commit(t.Context(), store.Txn{Then: []store.Write{{Key: store.Key{Space: "s", Name: "new"}}}}); err != nil {
		t.Error(err)
	}
}

// take puts those of the unknown transactions that were made into want.
func (o *outcomes) take(t *testing.T, got, want image, later map[store.Key]*store.Item) {
	touched := map[store.Key]bool{} // by unknown ones that are there
	for _, item := range later {
		txn, unknown := o.unknown[string(item.Meta)]
		if !unknown {
			t.Errorf("%q is there from %q, which was not even unknown", item.Key, item.Meta)
		}
		for _, w := range txn.Then {
			touched[w.Key] = true
			other := later[w.Key]
			newer := other != nil && other.Revision > item.Revision
			whole := other != nil && string(other.Meta) == string(item.Meta) && other.Revision == item.Revision
			if gone := other == nil; !newer && !whole && !(gone && (w.Delete || o.deletes(w.Key))) {
				t.Errorf("%s is there in part", item.Meta)
			}
		}
	}
	for k := range want {
		if _, there := got[k]; !there && o.deletesText(k) {
			delete(want, k) // by one that leaves nothing else to see
		}
	}
	for k := range touched {
		if v, there := got[k.String()]; there && later[k] != nil {
			want[k.String()] = v
		}
	}
}

func (o *outcomes) deletes(k store.Key) bool { return o.deletesText(k.String()) }

// deletesText says whether an unknown transaction deletes a key.
func (o *outcomes) deletesText(k string) bool {
	for _, txn := range o.unknown {
		for _, w := range txn.Then {
			if w.Delete && w.Key.String() == k {
				return true
			}
		}
	}
	return false
}

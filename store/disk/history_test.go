package disk

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"roost/store"
)

// rounds is n, or as many times that as ROOST_TORTURE says.
func rounds(n int) int {
	var times int
	fmt.Sscan(os.Getenv("ROOST_TORTURE"), &times)
	return n * max(times, 1)
}

// silent is where nobody reads what went wrong on purpose.
var silent = slog.New(slog.DiscardHandler)

// small opens a store that moves what it has to tables all the time.
func small(fs vfs.FS, dir string) (*Store, error) {
	return Open(dir, Options{fs: fs, memTable: 16 << 10, MinFree: -1, Logger: silent})
}

// image is what a store has, by the key's text, with everything that must be kept.
type image map[string]string

func (m image) apply(b store.Batch) {
	for _, c := range b.Changes {
		if i := c.Item; c.Deleted {
			delete(m, i.Key.String())
		} else {
			m[i.Key.String()] = fmt.Sprint(i.Created, i.Revision, i.Modified.UnixNano(), string(i.Meta), string(i.Value))
		}
	}
}

// record is what a follower was handed, which is everything that was acknowledged and perhaps more.
type record struct {
	mu      sync.Mutex
	batches []store.Batch
}

func (r *record) apply(b store.Batch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.batches = append(r.batches, b)
}

func (r *record) newest() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.batches) == 0 {
		return 0
	}
	return r.batches[len(r.batches)-1].Revision
}

// at is what was there at a revision.
func (r *record) at(revision uint64) image {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := image{}
	for _, b := range r.batches {
		if b.Revision <= revision {
			m.apply(b)
		}
	}
	return m
}

// read is what a store has now.
func read(s *Store) (m image, revision uint64, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	m = image{}
	err = s.Follow(ctx, func(b store.Batch) {
		revision = b.Revision
		m.apply(b)
	})
	return m, revision, err
}

// same compares what a store has with what it must.
func same(got, want image) error {
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if got[k] != want[k] {
			return fmt.Errorf("%s is %.60q, want %.60q", k, got[k], want[k])
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d items, want %d", len(got), len(want))
	}
	return nil
}

// someTxn puts and deletes a few items, so that transactions meet on them.
func someTxn(r *rand.Rand) (txn store.Txn) {
	for _, n := range r.Perm(12)[:1+r.IntN(3)] {
		w := store.Write{Key: store.Key{Space: fmt.Sprint("s", n%2), Name: fmt.Sprint("n", n)}, Delete: r.IntN(4) == 0}
		if !w.Delete {
			w.Value = []byte(strings.Repeat(fmt.Sprint(r.Uint64(), " "), r.IntN(cmp.Or(1<<r.IntN(8), 1))))
			w.Meta, w.Modified = []byte{'m', byte('0' + n)}, time.Unix(int64(r.IntN(1e9)), int64(n))
		}
		txn.Then = append(txn.Then, w)
	}
	return txn
}

// work has some goroutines commit n transactions each, and calls done with what came of each.
func work(s store.Store, seed uint64, n int, done func(txn store.Txn, revision uint64, err error)) {
	var workers sync.WaitGroup
	for i := range uint64(4) {
		workers.Go(func() {
			r := rand.New(rand.NewPCG(seed, i))
			for range n {
				txn := someTxn(r)
				revision, err := s.Commit(context.Background(), txn)
				done(txn, revision, err)
			}
		})
	}
	workers.Wait()
}

// within fails the test if f takes longer than anything healthy does.
func within(t testing.TB, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s hangs", what)
	}
}

package disk

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"roost/store"
)

// slowDisk is a store on a disk that takes a time for each sync, and counts them.
func slowDisk(t *testing.T, took time.Duration) (s *Store, syncs *atomic.Int64) {
	t.Helper()
	var slow atomic.Bool
	syncs = new(atomic.Int64)
	before := true
	s, err := Open("/store", Options{MinFree: -1, fs: crashing{vfs.NewMem(), func(sync bool) {
		if !sync || !slow.Load() {
			return
		}
		if before {
			syncs.Add(1)
			time.Sleep(took)
		}
		before = !before
	}}})
	if err != nil {
		t.Fatal(err)
	}
	slow.Store(true)
	t.Cleanup(func() {
		slow.Store(false) // the database has its lock while it closes
		s.Close()
	})
	return s, syncs
}

// put commits a change of an item.
func put(t *testing.T, s *Store, name string) {
	if _, err := s.Commit(context.Background(), store.Txn{Then: []store.Write{{Key: store.Key{Name: name}}}}); err != nil {
		t.Error(err)
	}
}

// Writers that each go on when they were answered share one sync a turn, not two.
func TestWritersShareSyncs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, syncs := slowDisk(t, time.Millisecond)
		const writers, turns = 64, 20
		var all sync.WaitGroup
		for i := range writers {
			all.Go(func() {
				for range turns {
					put(t, s, fmt.Sprint(i))
					time.Sleep(time.Duration(i) * 10 * time.Microsecond) // before its next request comes
				}
			})
		}
		all.Wait()
		if n := syncs.Load(); n > turns*3/2 {
			t.Errorf("%d syncs for %d turns", n, turns)
		}
	})
}

// Who writes alone waits for nobody, and for one that left no longer than once.
func TestWaitForOthers(t *testing.T) {
	const took = 5 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		s, _ := slowDisk(t, took)
		timed := func() time.Duration {
			start := time.Now()
			put(t, s, "mine")
			return time.Since(start)
		}
		for range 3 {
			if d := timed(); d != took {
				t.Errorf("alone: %v", d)
			}
		}
		var others sync.WaitGroup
		for i := range 3 {
			others.Go(func() { put(t, s, fmt.Sprint(i)) })
		}
		others.Wait()
		if d := timed(); d > took+maxGather {
			t.Errorf("with others that left: %v", d)
		}
		time.Sleep(time.Second)
		if d := timed(); d != took {
			t.Errorf("alone again: %v", d)
		}
	})
}

package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"roost/store"
)

// testOneWinner has many writers condition on the same revision, round after round.
func testOneWinner(t *testing.T, s store.Store) {
	tr := begin(t, s)
	a := key("a")
	at := tr.do(put(a, "start"))
	for round := range 50 {
		wins := compete(t, s, store.Txn{
			If: []store.Condition{store.At(a, at)}, Then: []store.Write{put(a, "won")},
		})
		if len(wins) != 1 || wins[0] <= at {
			t.Fatalf("round %d: after revision %d writers were given %v", round, at, wins)
		}
		at = wins[0]
	}
}

// compete commits the same transaction on many goroutines, let go at once, and
// returns the revisions of those that succeed.
func compete(t *testing.T, s store.Store, txn store.Txn) (wins []uint64) {
	var group sync.WaitGroup
	var mu sync.Mutex
	start := make(chan struct{})
	for range 8 {
		group.Go(func() {
			<-start
			revision, err := s.Commit(t.Context(), txn)
			var failed *store.ConditionError
			switch {
			case err == nil:
				mu.Lock()
				wins = append(wins, revision)
				mu.Unlock()
			case !errors.As(err, &failed):
				t.Errorf("Commit: %v", err)
			}
		})
	}
	close(start)
	group.Wait()
	return wins
}

// testIncrements has many writers increment one number, each going by what it
// last saw of it. No increment is lost, and none done twice.
func testIncrements(t *testing.T, s store.Store) {
	const writers, each = 8, 10
	tr := begin(t, s)
	tr.do(put(key("number"), "0"))
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			seen := tr.mirror.item(key("number"))
			for range each {
				if seen = increment(t, s, seen); seen == nil {
					return
				}
			}
		})
	}
	group.Wait()
	if got := string(tr.mirror.item(key("number")).Value); got != strconv.Itoa(writers*each) {
		t.Errorf("%d increments made %s", writers*each, got)
	}
	if got := tr.mirror.count(); got != writers*each+2 {
		t.Errorf("%d increments made %d batches", writers*each, got-2)
	}
}

// increment adds one to the number that seen held last, and returns what it has
// written; nil if it can't.
func increment(t *testing.T, s store.Store, seen *store.Item) *store.Item {
	for {
		n, err := strconv.Atoi(string(seen.Value))
		if err != nil {
			t.Errorf("the number is %q", seen.Value)
			return nil
		}
		w := put(seen.Key, strconv.Itoa(n+1))
		revision, err := s.Commit(t.Context(), store.Txn{
			If: append(lengthy(s, seen.Key), store.At(seen.Key, seen.Revision)), Then: []store.Write{w},
		})
		if err == nil {
			return &store.Item{Key: seen.Key, Value: w.Value, Revision: revision}
		}
		var failed *store.ConditionError
		if !errors.As(err, &failed) || failed.Present == nil {
			t.Errorf("Commit: %v", err)
			return nil
		}
		seen = failed.Present
	}
}

// lengthy returns conditions on a stored key that take long to test. Those who
// wait for a store are then served in turn, not one of them over and over, and
// get in wherever a transaction lets go of the store halfway. A store that blocks
// takes long enough by itself.
func lengthy(s store.Store, stored store.Key) []store.Condition {
	if s.Info().Blocks {
		return nil
	}
	return slices.Repeat([]store.Condition{store.Exists(stored)}, 2000)
}

// testRacingLimits has many writers fill spaces up to their limits.
func testRacingLimits(t *testing.T, s store.Store) {
	limits := []store.Condition{store.CountBelow("counted", 20), store.BytesBelow("weighed", 195)}
	tr := begin(t, s)
	for _, limit := range limits {
		var group sync.WaitGroup
		var made atomic.Uint64
		for writer := range 8 {
			group.Go(func() {
				for i := range 10 {
					k := store.Key{Space: limit.Key.Space, Name: fmt.Sprint(writer, " ", i)}
					_, err := s.Commit(t.Context(), store.Txn{
						If: []store.Condition{limit}, Then: []store.Write{put(k, "ten octets")},
					})
					var failed *store.ConditionError
					switch {
					case err == nil:
						made.Add(1)
					case !errors.As(err, &failed):
						t.Errorf("Commit: %v", err)
					}
				}
			})
		}
		group.Wait()
		count, _ := tr.mirror.snapshot().totals(limit.Key.Space)
		if count != 20 || made.Load() != 20 {
			t.Errorf("%v: %d are stored and %d acknowledged, want 20", limit, count, made.Load())
		}
	}
}

// testCommitWhileFollowed checks one follower's batches against everything that
// concurrent writers were acknowledged.
func testCommitWhileFollowed(t *testing.T, s store.Store) {
	tr := begin(t, s)
	var log journal
	commitConcurrently(t, s, &log, func(revision uint64) {
		if applied := tr.mirror.revision(); applied < revision {
			t.Errorf("Commit returned revision %d when %d was applied", revision, applied)
		}
	})
	log.check(t, tr.mirror)
	revisions := log.revisions()
	if last := revisions[len(revisions)-1]; tr.mirror.revision() < last {
		t.Errorf("%d was applied, %d acknowledged", tr.mirror.revision(), last)
	}
}

// testFollowWhileCommitting follows and stops following, again and again, amid
// commits: whichever moment a follower comes at, it misses nothing.
func testFollowWhileCommitting(t *testing.T, s store.Store) {
	var log journal
	done := make(chan struct{})
	go func() {
		defer close(done)
		commitConcurrently(t, s, &log, func(uint64) {})
	}()
	defer func() { <-done }()
	var mirrors []*mirror
	for committing := true; committing; {
		ctx, cancel := context.WithCancel(t.Context())
		m := follow(ctx, t, s)
		for committing && m.count() < 5 {
			select {
			case <-done:
				committing = false
			default:
				if _, err := s.Sync(t.Context()); err != nil {
					t.Errorf("Sync: %v", err)
				}
			}
		}
		cancel()
		mirrors = append(mirrors, m)
	}
	for _, m := range mirrors {
		log.check(t, m)
	}
}

// commitConcurrently runs writers on a few keys that they share and one that each
// has for itself, and returns when all are done. Each success is recorded with a
// mark of its own, then handed to committed, on the writer's goroutine.
func commitConcurrently(t *testing.T, s store.Store, log *journal, committed func(revision uint64)) {
	var group sync.WaitGroup
	for writer := range 6 {
		group.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(writer)))
			own := put(key(fmt.Sprint("own", writer)), "")
			for range 60 {
				txn := contended(random)
				txn.Then = append(txn.Then, own)
				txn.Mark = new(int)
				revision, err := s.Commit(t.Context(), txn)
				var failed *store.ConditionError
				if errors.As(err, &failed) {
					continue
				}
				if err != nil {
					t.Errorf("Commit: %v", err)
					return
				}
				log.record(t, revision, txn)
				committed(revision)
			}
		})
	}
	group.Wait()
}

// contended returns a transaction that may well fail: it puts or deletes one of
// a few keys if that is there or not.
func contended(random *rand.Rand) store.Txn {
	k := key(fmt.Sprint("shared", random.IntN(4)))
	w := put(k, fmt.Sprint(random.Uint32()))
	switch random.IntN(4) {
	case 0:
		return store.Txn{If: []store.Condition{store.Absent(k)}, Then: []store.Write{w}}
	case 1:
		return store.Txn{If: []store.Condition{store.Exists(k)}, Then: []store.Write{remove(k)}}
	default:
		return store.Txn{Then: []store.Write{w}}
	}
}

// Package storetest is the contract of package store as a test suite. [Run]
// holds an implementation to every promise; [History] repeats one seeded history.
//
// It tests what a caller can see of one store in one process: not what survives
// a crash, and not how two processes share a store. [Durable] adds what survives a restart.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"roost/store"
)

// Run runs the suite, one subtest a promise. open returns a new and empty store
// that nobody else writes to; it may be called several times within one test,
// and fails t if it can't. The suite closes what it opens. The stores may hand
// over batches on any goroutine and give revisions with holes between them, but
// have no cause to skip history: the suite's followers keep up. A [store.AsyncCommitter] is
// held to all of it by CommitAsync too.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	runAll(t, open)
	if _, is := opened(t, open).(store.AsyncCommitter); is {
		t.Run("Async", func(t *testing.T) {
			runAll(t, func(t *testing.T) store.Store { return async{open(t).(store.AsyncCommitter)} })
		})
	}
}

// async commits by CommitAsync.
type async struct{ store.AsyncCommitter }

func (a async) Commit(ctx context.Context, txn store.Txn) (revision uint64, err error) {
	done := make(chan struct{})
	a.CommitAsync(ctx, txn, func(r uint64, e error) {
		revision, err = r, e
		close(done) // which panics the second time
	})
	<-done
	return revision, err
}

func runAll(t *testing.T, open func(t *testing.T) store.Store) {
	promises := []struct {
		name string
		test func(*testing.T, store.Store)
	}{
		{"Conditions", testConditions},
		{"FirstFailingConditionIsReported", testFirstFailure},
		{"ConditionsPrecedeOwnWrites", testConditionsPrecedeWrites},
		{"LimitsCountPerSpace", testLimits},
		{"AllOrNothing", testAllOrNothing},
		{"RevisionsRise", testRevisionsRise},
		{"CreatedIdentifiesALife", testCreated},
		{"DeleteAbsent", testDeleteAbsent},
		{"NoWrites", testNoWrites},
		{"TxnIsLent", testTxnIsLent},
		{"ContentIsKept", testContent},
		{"KeysAreOctets", testKeys},
		{"ManySpaces", testManySpaces},
		{"ItemsAreImmutable", testImmutable},
		{"ContextDone", testContextDone},
		{"Sync", testSync},
		{"FollowBeginsWithReset", testFollowReset},
		{"FollowInOrder", testFollowOrder},
		{"FollowUntilContextDone", testFollowEnds},
		{"FollowCanceledInReset", testFollowCanceled},
		{"OneFollower", testOneFollower},
		{"ReturnsAfterApplied", testReturnsAfterApplied},
		{"Mark", testMark},
		{"Closed", testClosed},
		{"CloseEndsFollowing", testCloseEndsFollowing},
		{"CloseWhileCommitting", testCloseRace},
		{"OneWinnerPerRevision", testOneWinner},
		{"Increments", testIncrements},
		{"RacingLimits", testRacingLimits},
		{"CommitWhileFollowed", testCommitWhileFollowed},
		{"FollowWhileCommitting", testFollowWhileCommitting},
	}
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) { p.test(t, opened(t, open)) })
	}
	t.Run("Info", func(t *testing.T) { testInfo(t, opened(t, open), opened(t, open)) })
	for _, seed := range []uint64{1, 2, 3, rand.Uint64()} {
		t.Run(fmt.Sprintf("History/seed=%d", seed), func(t *testing.T) {
			History(t, opened(t, open), seed)
		})
	}
}

// opened opens a store and sees to its being closed.
func opened(t *testing.T, open func(*testing.T) store.Store) store.Store {
	t.Helper()
	s := open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// trial is a test of a store that a mirror follows.
type trial struct {
	*testing.T
	store  store.Store
	mirror *mirror
	stop   context.CancelFunc // ends the mirror's following
}

// begin follows s until the test ends.
func begin(t *testing.T, s store.Store) *trial {
	t.Helper()
	tr := &trial{T: t, store: s, stop: func() {}}
	tr.refollow()
	return tr
}

// refollow stops following and begins anew, with another mirror.
func (tr *trial) refollow() {
	tr.Helper()
	tr.stop()
	ctx, cancel := context.WithCancel(tr.Context())
	tr.stop = cancel
	tr.Cleanup(cancel)
	tr.mirror = follow(ctx, tr.T, tr.store)
}

// must commits a transaction whose conditions hold.
func (tr *trial) must(txn store.Txn) uint64 {
	tr.Helper()
	revision, err := tr.store.Commit(tr.Context(), txn)
	if err != nil {
		tr.Fatalf("Commit: %v", err)
	}
	return revision
}

// do commits writes that change something, and finds them applied.
func (tr *trial) do(writes ...store.Write) uint64 {
	tr.Helper()
	revision := tr.must(store.Txn{Then: writes})
	if applied := tr.mirror.revision(); applied < revision {
		tr.Errorf("Commit returned revision %d when %d was applied", revision, applied)
	}
	return revision
}

// refused commits a transaction that has to fail on a condition and change nothing.
func (tr *trial) refused(txn store.Txn) *store.ConditionError {
	tr.Helper()
	before, batches := tr.mirror.snapshot(), tr.mirror.count()
	revision, err := tr.store.Commit(tr.Context(), txn)
	var failed *store.ConditionError
	if !errors.As(err, &failed) {
		tr.Fatalf("Commit = %d, %v; want a *ConditionError", revision, err)
	}
	tr.same(before)
	if got := tr.mirror.count(); got != batches {
		tr.Errorf("a refused transaction made %d batches", got-batches)
	}
	return failed
}

// same checks that what was applied adds up to want.
func (tr *trial) same(want contents) {
	tr.Helper()
	if diff := want.diff(tr.mirror.snapshot()); diff != "" {
		tr.Errorf("applied: %s", diff)
	}
}

// key returns a key in the space most tests use.
func key(name string) store.Key { return store.Key{Space: "things", Name: name} }

func put(k store.Key, value string) store.Write {
	return store.Write{Key: k, Value: []byte(value)}
}

func remove(k store.Key) store.Write { return store.Write{Key: k, Delete: true} }

// canceled returns a context that is done.
func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

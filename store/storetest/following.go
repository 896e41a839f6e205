package storetest

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"roost/store"
)

// testFollowReset tests that a follower is given the present state, whole, before
// Follow returns; empty too, and with nothing of what is gone.
func testFollowReset(t *testing.T, s store.Store) {
	first, cancel := context.WithCancel(t.Context())
	empty := follow(first, t, s)
	if got := empty.snapshot(); len(got) != 0 {
		t.Errorf("a new store holds %v", got)
	}
	cancel()

	want := contents{}
	var last uint64
	for _, writes := range [][]store.Write{
		{put(key("a"), "1"), put(key("b"), "1"), put(store.Key{Space: "elsewhere", Name: "a"}, "1")},
		{put(key("a"), "2")},
		{remove(key("b"))},
	} {
		revision, err := s.Commit(t.Context(), store.Txn{Then: writes, Mark: "not for a reset"})
		if err != nil {
			t.Fatalf("Commit: %v", err)
		}
		want.write(writes, revision)
		last = revision
	}
	tr := begin(t, s)
	tr.same(want)
	if got := tr.mirror.revision(); got < last {
		t.Errorf("the reset has revision %d, older than %d, which is in it", got, last)
	}
	if got := tr.mirror.count(); got != 1 {
		t.Errorf("Follow began with %d batches", got)
	}
}

func testFollowOrder(t *testing.T, s store.Store) {
	var log journal
	tr := begin(t, s)
	mirrors := []*mirror{tr.mirror}
	for i := range 60 {
		if i%20 == 19 {
			tr.refollow()
			mirrors = append(mirrors, tr.mirror)
		}
		w := put(key(string(rune('a'+i%7))), "value")
		w.Delete = i%3 == 2 && tr.mirror.item(w.Key) != nil
		txn := store.Txn{Then: []store.Write{w}}
		log.record(t, tr.do(w), txn)
	}
	for _, m := range mirrors {
		log.check(t, m)
	}
	tr.same(log.contents(tr.mirror.revision()))
}

// testFollowEnds tests that a follower whose context is done gets nothing more,
// holds up nobody, and makes room for the next.
func testFollowEnds(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	first := follow(ctx, t, s)
	a := put(key("a"), "1")
	want := contents{}
	revision, err := s.Commit(t.Context(), store.Txn{Then: []store.Write{a}})
	if err != nil {
		t.Fatalf("Commit: %v", err)
	}
	want.write([]store.Write{a}, revision)

	cancel()
	first.ended.Store(true)
	if revision, err = s.Commit(t.Context(), store.Txn{Then: []store.Write{a}}); err != nil {
		t.Fatalf("Commit after the follower's end: %v", err)
	}
	want.write([]store.Write{a}, revision)

	tr := begin(t, s)
	tr.same(want)
	want.write([]store.Write{a}, tr.do(a))
	tr.same(want)
	if got := first.count(); got != 2 {
		t.Errorf("the first follower has %d batches, want 2", got)
	}
}

// testFollowCanceled tests Follow with a context that is done before, and one
// that is done while the reset is applied.
func testFollowCanceled(t *testing.T, s store.Store) {
	var batches atomic.Int32
	err := s.Follow(canceled(t), func(store.Batch) { batches.Add(1) })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Follow = %v, want %v", err, context.Canceled)
	}
	before := batches.Load()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err = s.Follow(ctx, func(store.Batch) {
		batches.Add(1)
		cancel()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Follow = %v, want %v", err, context.Canceled)
	}
	tr := begin(t, s)
	tr.do(put(key("a"), "1"))
	if got := batches.Load() - before; got != 1 {
		t.Errorf("canceled within the first batch, got %d batches", got)
	}
}

// testOneFollower tests that of many followers at once one succeeds, and that it
// keeps its place.
func testOneFollower(t *testing.T, s store.Store) {
	const followers = 8
	var batches [followers]atomic.Int32
	var errs [followers]error
	var group sync.WaitGroup
	for i := range followers {
		group.Go(func() {
			errs[i] = s.Follow(t.Context(), func(store.Batch) { batches[i].Add(1) })
		})
	}
	group.Wait()
	if _, err := s.Commit(t.Context(), store.Txn{Then: []store.Write{put(key("a"), "1")}}); err != nil {
		t.Fatalf("Commit: %v", err)
	}
	following := 0
	for i, err := range errs {
		got := batches[i].Load()
		switch {
		case err == nil && got == 2:
			following++
		case !errors.Is(err, store.ErrFollowed):
			t.Errorf("Follow = %v, then %d batches", err, got)
		case got != 0:
			t.Errorf("%d batches came in spite of %v", got, err)
		}
	}
	if following != 1 {
		t.Errorf("%d followers at once", following)
	}
}

// testReturnsAfterApplied lets a follower take its time, and sees that Follow and
// Commit return after it is done and not before.
func testReturnsAfterApplied(t *testing.T, s store.Store) {
	var returned atomic.Bool
	linger := func(b store.Batch) {
		for range 1000 {
			runtime.Gosched()
		}
		if returned.Load() {
			t.Errorf("the call that waits for batch %d returned before it was applied", b.Revision)
		}
	}
	if err := s.Follow(t.Context(), linger); err != nil {
		t.Fatalf("Follow: %v", err)
	}
	returned.Store(true)
	for range 5 {
		returned.Store(false)
		if _, err := s.Commit(t.Context(), store.Txn{Then: []store.Write{put(key("a"), "1")}}); err != nil {
			t.Fatalf("Commit: %v", err)
		}
		returned.Store(true)
	}
	// A batch that is still on its way would be handed over during Close.
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// testMark tests that each writer's mark comes back in its own batch alone.
func testMark(t *testing.T, s store.Store) {
	tr := begin(t, s)
	marks := []any{new(int), nil, "text", new(int)}
	for _, mark := range marks {
		tr.must(store.Txn{Then: []store.Write{put(key("a"), "1")}, Mark: mark})
	}
	batches := tr.mirror.history()
	if len(batches) != len(marks)+1 {
		t.Fatalf("%d batches, want %d", len(batches), len(marks)+1)
	}
	for i, mark := range marks {
		if got := batches[i+1].Mark; got != mark {
			t.Errorf("mark of batch %d is %v, want %v", batches[i+1].Revision, got, mark)
		}
	}
}

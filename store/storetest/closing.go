package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"roost/store"
)

// testClosed tests every call on a closed store.
func testClosed(t *testing.T, s store.Store) {
	if _, err := s.Commit(t.Context(), store.Txn{Then: []store.Write{put(key("a"), "1")}}); err != nil {
		t.Fatalf("Commit: %v", err)
	}
	for _, which := range []string{"first", "second"} {
		if err := s.Close(); err != nil {
			t.Errorf("%s Close: %v", which, err)
		}
	}
	calls := map[string]func(context.Context) error{
		"Commit": func(ctx context.Context) error {
			_, err := s.Commit(ctx, store.Txn{Then: []store.Write{put(key("a"), "1")}})
			return err
		},
		"Commit with a condition": func(ctx context.Context) error {
			_, err := s.Commit(ctx, store.Txn{If: []store.Condition{store.Absent(key("a"))}})
			return err
		},
		"Commit of nothing": func(ctx context.Context) error {
			_, err := s.Commit(ctx, store.Txn{})
			return err
		},
		"Sync": func(ctx context.Context) error {
			_, err := s.Sync(ctx)
			return err
		},
		"Follow": func(ctx context.Context) error {
			return s.Follow(ctx, func(store.Batch) { t.Error("a closed store hands over a batch") })
		},
	}
	for name, call := range calls {
		if err := call(t.Context()); !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s = %v, want %v", name, err, store.ErrClosed)
		}
	}
}

func testCloseEndsFollowing(t *testing.T, s store.Store) {
	tr := begin(t, s)
	tr.do(put(key("a"), "1"))
	before := tr.mirror.count()
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	tr.mirror.ended.Store(true)
	s.Commit(t.Context(), store.Txn{Then: []store.Write{put(key("a"), "2")}}) // fails: see testClosed
	if got := tr.mirror.count() - before; got != 0 {
		t.Errorf("%d batches came with Close or after it", got)
	}
}

// testCloseRace closes a store amid commits: what was acknowledged was applied,
// and everybody returns.
func testCloseRace(t *testing.T, s store.Store) {
	tr := begin(t, s)
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			k := key(fmt.Sprint(i))
			for {
				revision, err := s.Commit(t.Context(), store.Txn{Then: []store.Write{put(k, "1")}})
				if err != nil {
					// A change that Close overtook may have been made.
					if !errors.Is(err, store.ErrClosed) && !errors.Is(err, store.ErrUnknown) {
						t.Errorf("Commit amid Close: %v", err)
					}
					return
				}
				if item := tr.mirror.item(k); item == nil || item.Revision != revision {
					t.Errorf("revision %d was acknowledged, applied is %s", revision, describe(item))
				}
			}
		})
	}
	for range 20 {
		tr.do(put(key("busy"), "1"))
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	tr.mirror.ended.Store(true)
	group.Wait()
}

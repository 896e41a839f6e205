package roost_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"roost"
	"roost/store"
	"roost/store/memory"
)

// slow is a store that takes its time, as a disk does, for all that come together.
type slow struct {
	store.Store
	took atomic.Int64
}

func (s *slow) Commit(ctx context.Context, txn store.Txn) (uint64, error) {
	time.Sleep(time.Duration(s.took.Load()))
	return s.Store.Commit(ctx, txn)
}

// What expires is deleted as fast as it can be made: not one sync after the other.
func TestExpiriesShareTheStore(t *testing.T) {
	st := &slow{Store: memory.New()}
	s := start(t, roost.Config{Store: st, MaxURI: -1})
	for i := range 200 {
		_, err := s.AddResource(t.Context(), fmt.Sprintf("/%d", i), roost.WithTTL(300*time.Millisecond))
		must(err)
	}
	st.took.Store(int64(50 * time.Millisecond))
	for end := time.Now().Add(5 * time.Second); s.CountResources() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of 200 are still there", s.CountResources())
		}
	}
}

package roost_test

import (
	"context"
	"testing"

	"roost"
	"roost/store"
	"roost/store/memory"
)

// A program that declares what its store has already can start where the store is full.
func TestDeclareToAFullStore(t *testing.T) {
	st := memory.New()
	s := start(t, roost.Config{Store: st})
	s.add("/a", roost.GET, nil)
	must(s.Shutdown(t.Context()))
	again := start(t, roost.Config{Store: &fullStore{st}})
	r, err := again.AddResource(t.Context(), "/a")
	if err == nil {
		err = r.RegisterRequestHandler(t.Context(), roost.GET, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// fullStore tests conditions, and has room for nothing.
type fullStore struct{ store.Store }

func (f *fullStore) Commit(ctx context.Context, txn store.Txn) (uint64, error) {
	if _, err := f.Store.Commit(ctx, store.Txn{If: txn.If}); err != nil {
		return 0, err
	}
	return 0, store.ErrFull
}

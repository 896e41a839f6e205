package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"roost/store"
)

// History runs a random history of transactions on an empty store, and compares
// each outcome and each state with a plain model. Run calls it with a few seeds;
// call it with the seed of a failure to see that again. It does not close s.
func History(t *testing.T, s store.Store, seed uint64) {
	t.Logf("seed %d", seed)
	tr := begin(t, s)
	h := &history{Rand: rand.New(rand.NewPCG(seed, 0)), contents: contents{}}
	for step := range 250 {
		if h.IntN(25) == 0 {
			tr.refollow()
			tr.same(h.contents)
		}
		h.step(tr)
		if t.Failed() {
			t.Fatalf("seed %d, step %d", seed, step)
		}
	}
}

// history is a model and where its transactions come from. They name few keys,
// so that they meet.
type history struct {
	*rand.Rand
	contents contents
	revision uint64
}

// step commits one transaction to store and model.
func (h *history) step(tr *trial) {
	tr.Helper()
	txn := h.txn()
	want := h.contents.failing(txn.If)
	revision, err := tr.store.Commit(tr.Context(), txn)
	var failed *store.ConditionError
	switch {
	case errors.As(err, &failed) && want != nil:
		tr.sameFailure(failed, want)
	case err != nil || want != nil:
		tr.Errorf("%v: error %v, want %v", txn, err, want)
	case h.contents.changedBy(txn.Then):
		h.advance(tr, revision, txn)
	case revision < h.revision:
		tr.Errorf("%v: changed nothing at revision %d, after %d", txn, revision, h.revision)
	}
	tr.same(h.contents)
}

// advance does to the model what the store says it has done.
func (h *history) advance(tr *trial, revision uint64, txn store.Txn) {
	tr.Helper()
	if revision <= h.revision {
		tr.Errorf("%v: revision %d came after %d", txn, revision, h.revision)
	}
	h.revision = revision
	h.contents.write(txn.Then, revision)
}

func (h *history) txn() store.Txn {
	var txn store.Txn
	for range h.IntN(3) {
		txn.If = append(txn.If, h.condition())
	}
	written := make(map[store.Key]bool)
	for range h.IntN(4) {
		if w := h.write(); !written[w.Key] {
			written[w.Key] = true
			txn.Then = append(txn.Then, w)
		}
	}
	return txn
}

func (h *history) key() store.Key {
	return store.Key{Space: fmt.Sprint("space", h.IntN(3)), Name: fmt.Sprint("name", h.IntN(4))}
}

func (h *history) write() store.Write {
	w := store.Write{Key: h.key()}
	if h.IntN(3) == 0 {
		w.Delete = true
		return w
	}
	w.Meta = fmt.Append(nil, h.Uint32())
	w.Value = make([]byte, h.IntN(6))
	for i := range w.Value {
		w.Value[i] = byte(h.Uint32())
	}
	w.Modified = time.Unix(h.Int64N(1<<32), h.Int64N(1e9))
	if h.IntN(2) == 0 {
		w.Expires = w.Modified.Add(time.Hour)
	}
	return w
}

// condition returns a condition that is about as likely to hold as not.
func (h *history) condition() store.Condition {
	k := h.key()
	count, size := h.contents.totals(k.Space)
	var item store.Item
	if h.contents[k] != nil {
		item = *h.contents[k]
	}
	more := uint64(h.IntN(2))
	return []store.Condition{
		store.Exists(k),
		store.Absent(k),
		store.At(k, item.Revision+more),
		store.Born(k, item.Created+more),
		store.CountBelow(k.Space, count+more),
		store.BytesBelow(k.Space, size+more),
	}[h.IntN(6)]
}

package storetest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"roost/store"
)

// Durable holds a store that keeps what it has to what Run can't see: after Close, what was
// acknowledged is there for whoever opens it again. open returns a new and empty store, and
// what opens that one again once it is closed; it fails t if it can't. What a crash leaves is the
// store's own to test.
func Durable(t *testing.T, open func(t *testing.T) (s store.Store, again func() store.Store)) {
	t.Run("Empty", func(t *testing.T) {
		testReopened(t, open, func(*history, *trial) {})
	})
	t.Run("Emptied", func(t *testing.T) {
		testReopened(t, open, func(h *history, tr *trial) {
			for _, w := range []store.Write{put(key("a"), "1"), remove(key("a"))} {
				h.advance(tr, tr.do(w), store.Txn{Then: []store.Write{w}})
			}
		})
	})
	for _, seed := range []uint64{1, 2, rand.Uint64()} {
		t.Run(fmt.Sprintf("History/seed=%d", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			testReopened(t, open, func(h *history, tr *trial) {
				h.Rand = r
				for range 1 + r.IntN(25) {
					h.step(tr)
				}
			})
		})
	}
}

// testReopened closes and opens a store many times, and does something in between.
func testReopened(t *testing.T, open func(*testing.T) (store.Store, func() store.Store), do func(*history, *trial)) {
	s, again := open(t)
	h, epoch := &history{contents: contents{}}, s.Info().Epoch
	for turn := range 8 {
		tr := begin(t, s)
		tr.same(h.contents)
		if got := s.Info().Epoch; got != epoch {
			t.Errorf("epoch is %s, was %s", got, epoch)
		}
		if got := tr.mirror.revision(); got < h.revision {
			t.Errorf("revision is %d, was %d", got, h.revision)
		}
		do(h, tr)
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if t.Failed() {
			t.Fatalf("in turn %d", turn)
		}
		s = again()
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

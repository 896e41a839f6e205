package disk_test

import (
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"roost/store"
	"roost/store/disk"
	"roost/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		s, err := disk.Open(t.TempDir(), disk.Options{Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

package disk_test

import (
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"roost/store"
	"roost/store/disk"
	"roost/store/storetest"
)

// TestMain looks for goroutines that were left behind. Those of a database that failed are: Pebble
// can't be closed then.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("roost/store/disk.(*gate).held"),
		goleak.IgnoreAnyFunction("github.com/cockroachdb/pebble/v2.(*commitPipeline).Commit"),
		goleak.IgnoreAnyFunction("github.com/cockroachdb/pebble/v2.(*DB).collectTableStats"),
		goleak.IgnoreAnyFunction("github.com/cockroachdb/pebble/v2.(*DB).compact"),
		goleak.IgnoreAnyFunction("github.com/cockroachdb/pebble/v2.(*DB).flush"),
		goleak.IgnoreAnyFunction("github.com/cockroachdb/pebble/v2/record.(*LogWriter).flushLoop"),
		goleak.IgnoreAnyFunction("github.com/cockroachdb/pebble/v2.(*cleanupManager).mainLoop"),
		goleak.IgnoreAnyFunction("github.com/cockroachdb/pebble/v2.(*ConcurrencyLimitScheduler).periodicGranter"),
		goleak.IgnoreAnyFunction("github.com/cockroachdb/pebble/v2/internal/genericcache.(*shard[...]).releaseLoop"),
		goleak.IgnoreAnyFunction("github.com/cockroachdb/pebble/v2.Open"),
		goleak.IgnoreAnyFunction("github.com/cockroachdb/pebble/v2.(*DB).Close"),
	)
}

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

func TestDurable(t *testing.T) {
	storetest.Durable(t, func(t *testing.T) (store.Store, func() store.Store) {
		dir := t.TempDir()
		again := func() store.Store { return open(t, dir) }
		return again(), again
	})
}

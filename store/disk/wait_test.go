package disk

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"roost/store"
)

// Nobody learns of a change before it is on the disk: not by a condition that fails because of it, a
// deletion that it made needless, Sync, or following.
func TestNothingBeforeDisk(t *testing.T) {
	t.Parallel()
	var slow atomic.Bool
	syncing, synced := make(chan struct{}, 100), make(chan struct{})
	s, err := small(crashing{vfs.NewMem(), func(sync bool) {
		if sync && slow.Load() {
			syncing <- struct{}{}
			<-synced
		}
	}}, "/store")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	key := store.Key{Space: "s", Name: "a"}
	put := store.Txn{Then: []store.Write{{Key: key}}}
	commit := func(txn store.Txn) error {
		_, err := s.Commit(context.Background(), txn)
		return err
	}
	if err := commit(put); err != nil {
		t.Fatal(err)
	}

	slow.Store(true)
	release := sync.OnceFunc(func() {
		slow.Store(false)
		close(synced)
	})
	defer release()
	remove := store.Txn{Then: []store.Write{{Key: key, Delete: true}}}
	done := make(chan error, 4)
	go func() { done <- commit(remove) }()
	<-syncing
	go func() { done <- commit(remove) }()
	go func() {
		var failed *store.ConditionError
		if err := commit(store.Txn{If: []store.Condition{store.Exists(key)}}); !errors.As(err, &failed) {
			t.Errorf("%v", err)
		}
		done <- nil
	}()
	go func() {
		_, _, err := read(s)
		done <- err
	}()
	awaitQueue(t, s)
	if revision, err := s.Sync(t.Context()); err != nil || revision != 1 {
		t.Errorf("Sync: revision %d, %v", revision, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	within(t, "Follow", func() {
		if err := s.Follow(ctx, func(store.Batch) { t.Error("followed") }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Follow: %v", err)
		}
	})
	select {
	case err := <-done:
		t.Error("told before it was on the disk")
		done <- err
	case <-time.After(50 * time.Millisecond):
	}
	release()
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// awaitQueue returns when something waits in the queue.
func awaitQueue(t *testing.T, s *Store) {
	t.Helper()
	within(t, "what is to be queued", func() {
		for n := 0; n == 0; time.Sleep(time.Millisecond) {
			s.mu.Lock()
			n = len(s.queue)
			s.mu.Unlock()
		}
	})
}

// When the disk fails, nobody who waits for it waits on: whose change may be there is told so, and
// who changes nothing that nothing was changed.
func TestWaitingWhileDiskFails(t *testing.T) {
	t.Parallel()
	var failing atomic.Bool
	syncing, goOn := make(chan struct{}, 1), make(chan struct{})
	s, err := small(errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if failing.Load() && fallible(op) && strings.Contains(op.Path, ".log") {
			select {
			case syncing <- struct{}{}:
			default:
			}
			<-goOn
			return errorfs.ErrInjected
		}
		return nil
	})), "/store")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	key := store.Key{Name: "a"}
	outcomes := make(chan string, 3)
	commit := func(what string, txn store.Txn, want error) {
		s.CommitAsync(context.Background(), txn, func(_ uint64, err error) {
			if !errors.Is(err, want) || errors.As(err, new(*store.ConditionError)) {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
			outcomes <- what
		})
	}
	failing.Store(true)
	commit("a change", store.Txn{Then: []store.Write{{Key: key}}}, store.ErrUnknown)
	<-syncing
	commit("a condition that fails because of it", store.Txn{If: []store.Condition{store.Absent(key)}}, ErrFailed)
	go func() {
		if err := s.Follow(context.Background(), func(store.Batch) { t.Error("followed") }); !errors.Is(err, ErrFailed) {
			t.Errorf("Follow: %v, want %v", err, ErrFailed)
		}
		outcomes <- "a follower"
	}()
	awaitQueue(t, s)
	close(goOn)
	within(t, "who waits", func() {
		for range cap(outcomes) {
			<-outcomes
		}
	})
}

// Who closes a second time while the first is under way, after an error of the disk, is not told
// that apply has ended before it has.
func TestCloseTwiceAfterFailure(t *testing.T) {
	s, err := small(vfs.NewMem(), "/store")
	if err != nil {
		t.Fatal(err)
	}
	applying, goOn := make(chan struct{}), make(chan struct{})
	first := true
	if err := s.Follow(t.Context(), func(store.Batch) {
		if first {
			first = false
			return
		}
		close(applying)
		<-goOn
	}); err != nil {
		t.Fatal(err)
	}
	s.CommitAsync(context.Background(), store.Txn{Then: []store.Write{{Key: store.Key{Name: "a"}}}}, func(uint64, error) {})
	<-applying
	s.fail(errors.New("in the background"))
	go s.Close()
	within(t, "Close", func() {
		for closing := false; !closing; time.Sleep(time.Millisecond) {
			s.mu.Lock()
			closing = s.closed
			s.mu.Unlock()
		}
	})
	closed := make(chan struct{})
	go func() { s.Close(); close(closed) }()
	select {
	case <-closed:
		t.Error("Close returned while apply ran")
	case <-time.After(200 * time.Millisecond):
	}
	close(goOn)
	<-closed
}

// CommitAsync does not wait for a file system that says nothing of its room.
func TestAsyncDoesNotAsk(t *testing.T) {
	t.Parallel()
	fs := hanging{FS: vfs.NewMem(), asked: make(chan struct{}, 10), goOn: make(chan struct{})}
	s, err := Open("/store", options(fs))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	goOn := sync.OnceFunc(func() { close(fs.goOn) })
	defer goOn()
	done := make(chan error, 2)
	within(t, "CommitAsync", func() {
		for range cap(done) {
			s.CommitAsync(t.Context(), store.Txn{Then: []store.Write{{Key: store.Key{Name: "a"}}}}, func(_ uint64, err error) { done <- err })
		}
		s.Sync(t.Context())
	})
	<-fs.asked
	goOn()
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// hanging is a file system that is slow to tell its room.
type hanging struct {
	vfs.FS
	asked, goOn chan struct{}
}

func (h hanging) GetDiskUsage(path string) (vfs.DiskUsage, error) {
	if path == "/store" { // for the store, not its database
		h.asked <- struct{}{}
		<-h.goOn
	}
	return vfs.DiskUsage{AvailBytes: 1 << 40}, nil
}

// A lazy store syncs what it acknowledged within a second.
func TestLazyIsSynced(t *testing.T) {
	t.Parallel()
	disk := vfs.NewCrashableMem()
	opts := options(disk)
	opts.Lazy, opts.MinFree = true, -1
	s, err := Open("/store", opts)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 2 { // the second time as the first
		acked, err := s.Commit(t.Context(), store.Txn{Then: []store.Write{{Key: store.Key{Name: "a"}}}})
		if err != nil {
			t.Fatal(err)
		}
		if revisionAfterCrash(t, disk) == acked {
			t.Error("it was not lazy")
		}
		for start := time.Now(); revisionAfterCrash(t, disk) < acked; time.Sleep(lazySync / 10) {
			if time.Since(start) > 10*lazySync {
				t.Fatal("never synced")
			}
		}
	}
}

// revisionAfterCrash is that of the store in /store when all that was not synced is gone.
func revisionAfterCrash(t *testing.T, disk *vfs.MemFS) uint64 {
	t.Helper()
	s, err := ReadStat("/store", options(disk.CrashClone(vfs.CrashCloneCfg{})))
	if err != nil {
		t.Fatal(err)
	}
	return s.Revision
}

// A folder that was made by an attempt that did not come to syncing it is synced by the next.
func TestFolderIsSynced(t *testing.T) {
	t.Parallel()
	disk := vfs.NewCrashableMem()
	if err := disk.MkdirAll("/store", 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := Open("/store", options(disk))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	acked, err := s.Commit(t.Context(), store.Txn{Then: []store.Write{{Key: store.Key{Name: "a"}}}})
	if got := revisionAfterCrash(t, disk); err != nil || got != acked {
		t.Errorf("revision %d of %d, %v", got, acked, err)
	}
}

// Close says what the disk said: while it was written to, and at the end.
func TestCloseFails(t *testing.T) {
	t.Parallel()
	for what, part := range map[string]string{"the log": ".log", "the floor": floorFile} {
		var failing atomic.Bool
		inject := errorfs.InjectorFunc(func(op errorfs.Op) error {
			if failing.Load() && fallible(op) && strings.Contains(op.Path, part) {
				return errorfs.ErrInjected
			}
			return nil
		})
		s, err := small(errorfs.Wrap(vfs.NewMem(), inject), "/store")
		if err != nil {
			t.Fatal(err)
		}
		failing.Store(true)
		s.Commit(t.Context(), store.Txn{Then: []store.Write{{Key: store.Key{Name: "a"}}}})
		within(t, "Close", func() { err = s.Close() })
		if !errors.Is(err, errorfs.ErrInjected) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// What a store has is for its owner alone.
func TestPrivate(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: a folder has no mode on Windows")
	}
	dir := filepath.Join(t.TempDir(), "not", "there")
	s, err := Open(dir, options(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, path := range []string{filepath.Dir(dir), dir} {
		if info, err := os.Stat(path); err != nil || info.Mode() != fs.ModeDir|0o700 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

// What a store had ten seconds after a change is known even if it never closes.
func TestFloorRises(t *testing.T) {
	for _, lazy := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			disk := vfs.NewCrashableMem()
			s, err := Open("/store", Options{fs: disk, MinFree: -1, Lazy: lazy})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for range 3 {
				if _, err := s.Commit(t.Context(), store.Txn{Then: []store.Write{{Key: store.Key{Space: "s", Name: "a"}}}}); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(floorAge + time.Second)
			crashed := disk.CrashClone(vfs.CrashCloneCfg{})
			if text, err := readSmall(crashed, "/store/"+floorFile); err != nil || text != floorText(s.epoch, 3) {
				t.Errorf("lazy %v: %q (%v)", lazy, text, err)
			}
			again, err := Open("/store", Options{fs: crashed, MinFree: -1})
			if err != nil {
				t.Fatal(err)
			}
			if again.revision != 3 {
				t.Errorf("lazy %v: the store has revision %d, and noted 3", lazy, again.revision)
			}
			again.Close()
		})
	}
}

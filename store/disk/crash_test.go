package disk

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"roost/store"
)

// crashing is a file system that tells of the instants at which a crash may matter.
type crashing struct {
	vfs.FS
	at func(sync bool) // before and after each sync, and before each change
}

func (c crashing) file(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return crashingFile{f, c.at}, nil
}

func (c crashing) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	c.at(false)
	return c.file(c.FS.Create(name, category))
}

func (c crashing) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	c.at(false)
	return c.file(c.FS.ReuseForWrite(oldname, newname, category))
}

func (c crashing) OpenDir(name string) (vfs.File, error) { return c.file(c.FS.OpenDir(name)) }

func (c crashing) Rename(oldname, newname string) error {
	c.at(false)
	return c.FS.Rename(oldname, newname)
}

func (c crashing) Remove(name string) error {
	c.at(false)
	return c.FS.Remove(name)
}

type crashingFile struct {
	vfs.File
	at func(sync bool)
}

func (f crashingFile) around(sync func() error) error {
	f.at(true)
	defer f.at(true)
	return sync()
}

func (f crashingFile) Sync() error     { return f.around(f.File.Sync) }
func (f crashingFile) SyncData() error { return f.around(f.File.SyncData) }

func (f crashingFile) SyncTo(length int64) (full bool, err error) {
	err = f.around(func() (err error) {
		full, err = f.File.SyncTo(length)
		return err
	})
	return full, err
}

func (f crashingFile) Write(b []byte) (int, error) {
	f.at(false)
	return f.File.Write(b)
}

// crash is a disk as a crash may have left it, and what was acknowledged before.
type crash struct {
	fs     *vfs.MemFS
	acked  uint64
	epoch  string // "" while the store was being made
	unsync int    // percent of what was not synced that is there
}

// crashes takes crashes of one disk.
type crashes struct {
	disk  *vfs.MemFS
	rare  int // one in so many instants beside the syncs
	acked func() uint64
	epoch atomic.Value

	mu    sync.Mutex
	rand  *rand.Rand
	taken []crash
}

func (c *crashes) at(sync bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !sync && c.rand.IntN(c.rare) != 0 {
		return
	}
	epoch, _ := c.epoch.Load().(string)
	k := crash{acked: c.acked(), epoch: epoch}
	if c.rand.IntN(2) == 0 {
		k.unsync = c.rand.IntN(101)
	}
	k.fs = c.disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: k.unsync, RNG: rand.New(rand.NewPCG(c.rand.Uint64(), 0))})
	c.taken = append(c.taken, k)
}

const crashDir = "not/yet/there" // three folders that are to be made

// TestCrashes crashes a store at every sync while it is made, written to by several and closed.
// What comes back is a beginning of its history: whole transactions, at least what was
// acknowledged.
func TestCrashes(t *testing.T) {
	for seed := range uint64(rounds(2)) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			c, history := crashed(t, seed)
			t.Logf("%d crashes", len(c.taken))
			for i, k := range c.taken {
				epoch, err := recovered(k, history)
				if err != nil {
					t.Fatalf("crash %d of %d, acknowledged %d, %d%% of what was not synced: %v", i, len(c.taken), k.acked, k.unsync, err)
				}
				if i%40 == 0 {
					again(t, k, epoch, history, seed)
				}
			}
		})
	}
}

// crashed runs a history.
func crashed(t *testing.T, seed uint64) (*crashes, *record) {
	history := &record{}
	c := &crashes{disk: vfs.NewCrashableMem(), rare: 10, acked: history.newest, rand: rand.New(rand.NewPCG(seed, 1))}
	s, err := small(crashing{c.disk, c.at}, crashDir)
	if err != nil {
		t.Fatal(err)
	}
	c.epoch.Store(s.Info().Epoch)
	if err := s.Follow(t.Context(), history.apply); err != nil {
		t.Fatal(err)
	}
	work(s, seed, 20, func(_ store.Txn, _ uint64, err error) {
		if err != nil {
			t.Error(err)
		}
	})
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	c.at(true)
	return c, history
}

// recovered opens what a crash left.
func recovered(k crash, history *record) (epoch string, err error) {
	s, err := small(k.fs, crashDir)
	if err != nil {
		return "", err
	}
	defer s.Close()
	got, revision, err := read(s)
	epoch = s.Info().Epoch
	switch {
	case err != nil:
		return epoch, err
	case revision < k.acked:
		return epoch, fmt.Errorf("revision %d", revision)
	case k.epoch != "" && epoch != k.epoch:
		return epoch, fmt.Errorf("epoch %s, was %s", epoch, k.epoch)
	}
	return epoch, same(got, history.at(revision))
}

// again crashes what came back from a crash while it is opened.
func again(t *testing.T, k crash, epoch string, history *record, seed uint64) {
	s, err := small(k.fs, crashDir) // of what recovered has closed
	if err != nil {
		t.Fatal(err)
	}
	_, revision, err := read(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	c := &crashes{disk: k.fs, rare: 3, acked: func() uint64 { return revision }, rand: rand.New(rand.NewPCG(seed, 2))}
	c.epoch.Store(epoch)
	if s, err = small(crashing{k.fs, c.at}, crashDir); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for i, k := range c.taken {
		if _, err := recovered(k, history); err != nil {
			t.Fatalf("crash %d of %d while opening again: %v", i, len(c.taken), err)
		}
	}
}

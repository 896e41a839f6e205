package roost_test

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/cockroachdb/pebble/v2/vfs"

	"roost"
	"roost/store"
	"roost/store/disk"
)

var diskHistories = flag.Uint64("disk-histories", 60, "how many random histories there are on a disk")

// onDisk is a store on a disk in memory that can crash, under a history.
type onDisk struct {
	fs    *vfs.MemFS
	store *disk.Store
}

const historyDir = "data"

func (d *onDisk) open() store.Store {
	opts := disk.Options{MinFree: -1, Logger: slog.New(slog.DiscardHandler)}
	hidden(&opts, "fs", vfs.FS(d.fs))
	hidden(&opts, "memTable", uint64(64<<10)) // so that it is moved to tables at times
	s, err := disk.Open(historyDir, opts)
	must(err)
	d.store = s
	return s
}

// hidden sets what only the tests of the disk store should: exported, it would be a promise
// that its files can be anywhere.
func hidden[T any](opts *disk.Options, name string, value T) {
	f := reflect.ValueOf(opts).Elem().FieldByName(name)
	*(*T)(unsafe.Pointer(f.UnsafeAddr())) = value
}

// Random histories on a disk: among the operations the server ends, or crashes and loses what
// was not synced, and is started again on what is there.
// To repeat one: go test -run HistoriesOnDisk -seed N -disk-histories 1.
func TestHistoriesOnDisk(t *testing.T) {
	const parts = 2
	for part := range uint64(parts) {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			t.Parallel()
			for seed := *firstSeed + part; seed < *firstSeed+*diskHistories && !t.Failed(); seed += parts {
				checkHistory(t, seed, func(skip map[int]bool) (h *history) {
					synctest.Test(t, func(t *testing.T) {
						d := &onDisk{fs: vfs.NewCrashableMem()}
						c := course{store: d.open, clock: true, room: 1 << 20, more: []operation{{10, d.restart}}}
						c.longest = 20 * time.Second // Pebble wakes every 100 ms; days pass while it is closed
						h = c.history(seed, skip)
						must(d.store.Close())
					})
					return h
				})
			}
		})
	}
}

// restart ends the server, in order or by a crash, and starts another on what is there.
func (d *onDisk) restart(h *history) {
	crash, down := h.chance(50), h.downtime()
	watchers, polls := h.watchers, h.polls
	revision, err := d.store.Sync(h.ctx)
	must(err)
	after := d.fs
	if crash {
		after = d.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: pick(h, 0, 0, h.rng.IntN(101)), RNG: rand.New(rand.NewPCG(h.rng.Uint64(), 0))})
	}
	h.note("restart at revision %d, crash: %v, %v later", revision, crash, down)
	h.stop()
	if err := d.store.Close(); err != nil {
		h.fail("close: %v", err)
	}
	time.Sleep(down)
	d.fs = after
	h.cfg.Store = d.open()
	if now, err := d.store.Sync(h.ctx); err != nil || now != revision || d.store.Info().Epoch != h.epochOr(d.store) {
		h.fail("opened at revision %d of %s, want %d of %s: %v", now, d.store.Info().Epoch, revision, h.epoch, err)
	}
	h.server, err = roost.New(h.ctx, h.cfg)
	must(err)
	h.restarted(revision)
	if h.revision, err = d.store.Sync(h.ctx); err != nil { // with the removals of what expired meanwhile
		h.fail("sync: %v", err)
	}
	h.loaded()
	d.checkTotals(h)
	h.settle()
	h.declareAgain()
	h.comeBack(watchers, polls)
}

func (h *history) downtime() time.Duration {
	d := pick(h, 0, time.Second, time.Minute, time.Hour, 23*time.Hour, 25*time.Hour)
	if next := h.next(); !next.IsZero() && h.chance(30) {
		d = max(0, time.Until(next)+pick[time.Duration](h, -1, 0, 1))
	}
	return d
}

func (h *history) epochOr(s store.Store) string {
	if h.epoch == "" { // nothing told it yet
		return s.Info().Epoch
	}
	return h.epoch
}

// stop ends the server. Who waits is answered, and streams end.
func (h *history) stop() {
	if h.chance(50) {
		must(h.server.Shutdown(h.ctx))
	}
	h.server.Close()
	h.tasks.Wait()
	for _, p := range h.polls {
		got, w := <-p.done, h.answer(p.question)
		w.with("Preference-Applied", fmt.Sprintf("wait=%d", p.hold/time.Second))
		if wrong := h.compare(p.question, w, got); wrong != "" {
			h.fail("when the server stopped: %s", wrong)
		}
	}
	for _, w := range h.watchers {
		w.cancel()
		if w.read(); len(w.got) > 0 {
			h.fail("stream of %s: %q when the server stopped", w.uri, w.got)
		}
	}
	h.watchers, h.polls = nil, nil
}

// restarted has the model forget what only the process knew.
func (m *model) restarted(revision uint64) {
	m.log, m.calls, m.mayReset, m.floor, m.revision = nil, nil, false, revision, revision
	for _, t := range m.things {
		t.calledBack, t.adoptable = false, true
	}
	m.expire()
	for _, f := range m.folders {
		*f = folderTag{revision: revision, open: true, free: true}
	}
}

// loaded compares what the program sees, and begins to follow.
func (h *history) loaded() {
	synctest.Wait()
	h.mu.Lock()
	h.called, h.changes = nil, nil
	h.mu.Unlock()
	h.mayReset, h.calls, h.seen = false, nil, len(h.log)
	h.tasks.Go(h.follow)
	synctest.Wait()
	for _, c := range h.changes {
		t := h.things[c.URI]
		if r := c.Representation; c.Kind != roost.Present || t == nil || string(r.Value()) != t.value || r.MediaType() != t.mediaType || !r.Modified().Equal(t.modified) || !r.Expires().Equal(t.expires) {
			h.fail("after the restart %s %s: %+v, want %+v", c.Kind, c.URI, r, t)
		}
	}
	if wrong := h.checkPresent(h.changes); wrong != "" {
		h.fail("after the restart: %s", wrong)
	}
	h.changes = nil
	before := h.handles
	h.handles = nil
	for _, uri := range h.uris {
		t := h.things[uri]
		r, err := h.server.GetResource(uri)
		if t == nil {
			h.expectError(err, roost.ErrNotExist)
			continue
		}
		h.expectError(err, nil)
		if r.Methods() != t.answers() {
			h.fail("after the restart %s answers %v, want %v", uri, r.Methods(), t.answers())
		}
		h.handles = append(h.handles, handle{r, t})
	}
	for _, x := range before { // those of the server that has ended
		if _, err := x.SetValue(h.ctx, nil); err == nil {
			h.fail("a handle of before the restart wrote %s", x.thing.uri)
		}
	}
}

// checkTotals compares what the store's limits count.
func (d *onDisk) checkTotals(h *history) {
	for _, limit := range []struct {
		holds, fails store.Condition
	}{
		{store.CountBelow("resource", uint64(len(h.things))+1), store.CountBelow("resource", uint64(len(h.things)))},
		{store.BytesBelow("resource", uint64(h.bytes())+1), store.BytesBelow("resource", uint64(h.bytes()))},
		{store.CountBelow("reply", uint64(len(h.kept))+1), store.CountBelow("reply", uint64(len(h.kept)))},
	} {
		if _, err := d.store.Commit(h.ctx, store.Txn{If: []store.Condition{limit.holds}}); err != nil {
			h.fail("after the restart: %v", err)
		}
		if _, err := d.store.Commit(h.ctx, store.Txn{If: []store.Condition{limit.fails}}); !errors.As(err, new(*store.ConditionError)) {
			h.fail("after the restart: %v holds", limit.fails)
		}
	}
}

// declareAgain is what a program does when it starts.
func (h *history) declareAgain() {
	for _, uri := range slices.Sorted(maps.Keys(h.things)) {
		t := h.things[uri]
		if t == nil || t.gone || !h.chance(60) {
			continue
		}
		h.pass(1)
		if t.own && h.chance(60) {
			h.declare(uri) // and maybe once too often later
		} else if i := slices.IndexFunc(h.handles, func(x handle) bool { return x.thing == t }); t.own && i >= 0 {
			h.registers(h.handles[i], t.methods)
		}
	}
}

// comeBack has those who watched and waited do so again, from where they were.
func (h *history) comeBack(watchers []*watching, polls []*poll) {
	for _, w := range watchers {
		if w.lastID == "" || h.chance(20) {
			continue
		}
		h.pass(1)
		if h.chance(30) {
			pick(h, (*history).put, (*history).setValue, (*history).delete)(h)
			h.pass(1)
		}
		if (h.things[w.uri] == nil) == (w.thing == nil) {
			h.open(h.request("GET", w.uri), &place{w.lastID, w.view})
		}
	}
	for _, p := range polls {
		h.pass(1)
		h.do(p.question)
	}
}

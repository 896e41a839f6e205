package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"roost/store"
)

func testAllOrNothing(t *testing.T, s store.Store) {
	tr := begin(t, s)
	a, b, c := key("a"), key("b"), store.Key{Space: "elsewhere", Name: "c"}
	tr.do(put(a, "1"), put(c, "1"))
	before := tr.mirror.snapshot()

	txn := store.Txn{
		If:   []store.Condition{store.Exists(b)},
		Then: []store.Write{put(a, "2"), put(b, "2"), remove(c)},
	}
	tr.refused(txn)
	txn.If = []store.Condition{store.Absent(b)}
	batches := tr.mirror.count()
	revision := tr.must(txn)

	if got := tr.mirror.count() - batches; got != 1 {
		t.Errorf("one transaction made %d batches", got)
	}
	want := before.clone()
	want.write(txn.Then, revision)
	tr.same(want)
}

// testTxnIsLent uses the slices of a transaction again after Commit.
func testTxnIsLent(t *testing.T, s store.Store) {
	tr := begin(t, s)
	a, b := key("a"), key("b")
	ifs := []store.Condition{store.Absent(a)}
	thens := []store.Write{put(a, "1")}
	revision := tr.must(store.Txn{If: ifs, Then: thens})
	want := tr.mirror.snapshot()
	want.write([]store.Write{put(a, "1")}, revision)

	ifs[0], thens[0] = store.Exists(b), put(b, "another's")
	tr.same(want)
	tr.do(put(key("c"), "1"))
	if _, err := s.Commit(t.Context(), store.Txn{If: []store.Condition{store.Absent(b)}}); err != nil {
		t.Errorf("a write that came after Commit was made: %v", err)
	}
}

func testRevisionsRise(t *testing.T, s store.Store) {
	tr := begin(t, s)
	last := uint64(0)
	for i := range 20 {
		w := put(key("same"), "same value each time")
		if i%5 == 4 {
			w = remove(w.Key)
		}
		revision := tr.do(w)
		if revision <= last {
			t.Errorf("revision %d came after %d", revision, last)
		}
		if applied := tr.mirror.revision(); applied != revision {
			t.Errorf("Commit returned %d, its batch has %d", revision, applied)
		}
		last = revision
	}
}

func testCreated(t *testing.T, s store.Store) {
	tr := begin(t, s)
	a := key("a")
	lives := make(map[uint64]bool)
	for range 3 {
		created := tr.do(put(a, "1"))
		tr.do(put(a, "2"))
		written := tr.must(store.Txn{If: []store.Condition{store.Born(a, created)}, Then: []store.Write{put(a, "3")}})
		item := tr.mirror.item(a)
		if item.Created != created || item.Revision != written {
			t.Errorf("made at %d and written at %d: %s", created, written, describe(item))
		}
		if lives[created] {
			t.Errorf("life %d came twice", created)
		}
		lives[created] = true
		tr.do(remove(a))
		tr.refused(store.Txn{If: []store.Condition{store.Born(a, created)}})
	}
}

// testDeleteAbsent tests that nothing comes of deleting nothing, alone or beside
// other writes.
func testDeleteAbsent(t *testing.T, s store.Store) {
	tr := begin(t, s)
	a, none := key("a"), key("none")
	last := tr.do(put(a, "1"))
	before, batches := tr.mirror.snapshot(), tr.mirror.count()

	revision := tr.must(store.Txn{Then: []store.Write{remove(none)}, Mark: "nothing"})
	if revision < last {
		t.Errorf("deleting what is absent returned revision %d after %d", revision, last)
	}
	if got := tr.mirror.count() - batches; got != 0 {
		t.Errorf("deleting what is absent made %d batches", got)
	}
	tr.same(before)

	tr.do(put(a, "2"), remove(none))
	history := tr.mirror.history()
	if changes := history[len(history)-1].Changes; len(changes) != 1 {
		t.Errorf("deletion of what is absent is among the %d changes", len(changes))
	}
	tr.do(remove(a))
	tr.must(store.Txn{Then: []store.Write{remove(a)}})
}

// testNoWrites tests transactions that only test conditions, or not even that.
func testNoWrites(t *testing.T, s store.Store) {
	tr := begin(t, s)
	a := key("a")
	last := tr.do(put(a, "1"))
	before, batches := tr.mirror.snapshot(), tr.mirror.count()
	for _, txn := range []store.Txn{
		{},
		{Mark: "unused"},
		{If: []store.Condition{store.At(a, last), store.Absent(key("b"))}},
	} {
		if revision := tr.must(txn); revision < last {
			t.Errorf("conditions were tested at revision %d, older than %d", revision, last)
		}
	}
	tr.refused(store.Txn{If: []store.Condition{store.Absent(a)}})
	tr.same(before)
	if got := tr.mirror.count() - batches; got != 0 {
		t.Errorf("transactions without writes made %d batches", got)
	}
	if next := tr.do(put(a, "2")); next <= last {
		t.Errorf("revision %d came after %d", next, last)
	}
}

// testContent writes odd content and finds it unchanged in its batch, in a
// ConditionError and in a new follower's reset.
func testContent(t *testing.T, s store.Store) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	zone := time.FixedZone("east", 5*60*60+30*60)
	tr := begin(t, s)
	writes := []store.Write{
		{Key: key("nil")},
		{Key: key("empty"), Meta: []byte{}, Value: []byte{}},
		{Key: key("octets"), Meta: every, Value: bytes.Repeat(every, 4)},
		{Key: key("large"), Meta: bytes.Repeat(every, 16), Value: bytes.Repeat(every, 4096)},
		{Key: key("nanoseconds"), Modified: time.Unix(1700000000, 123456789), Expires: time.Unix(1700000001, 987654321)},
		{Key: key("zone"), Modified: time.Date(2024, 2, 29, 23, 59, 59, 1, zone), Expires: time.Date(2024, 3, 1, 0, 0, 0, 0, zone)},
		{Key: key("long ago"), Modified: time.Date(1601, 1, 1, 0, 0, 0, 7, time.UTC), Expires: time.Unix(-1, 0)},
		{Key: key("far"), Modified: time.Unix(0, 0), Expires: time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)},
	}
	want := contents{}
	want.write(writes[:4], tr.do(writes[:4]...))
	for _, w := range writes[4:] {
		want.write([]store.Write{w}, tr.do(w))
	}
	tr.same(want)
	for k, item := range want {
		failed := tr.refused(store.Txn{If: []store.Condition{store.Absent(k)}})
		if !sameItem(failed.Present, item) {
			t.Errorf("%q: present is %s, want %s", k, describe(failed.Present), describe(item))
		}
	}
	tr.refollow()
	tr.same(want)
}

// testKeys tests that keys which are easily mistaken for each other are not.
func testKeys(t *testing.T, s store.Store) {
	tr := begin(t, s)
	keys := []store.Key{
		{Space: "a", Name: "b:c"}, {Space: "a:b", Name: "c"}, {Space: "a/b", Name: "c"}, {Space: "a", Name: "b/c"},
		{Space: "a", Name: ""}, {Space: "a", Name: "/"}, {Space: "a", Name: "//"}, {Space: "a", Name: "."},
		{Space: "a", Name: ".."}, {Space: "a", Name: "x"}, {Space: "a", Name: "X"}, {Space: "a", Name: "x "},
		{Space: "a", Name: "x\x00"}, {Space: "a", Name: "x\x00y"}, {Space: "a", Name: "%78"}, {Space: "a", Name: "*"},
		{Space: "a", Name: "\u00e9"}, {Space: "a", Name: "e\u0301"}, {Space: "a", Name: "\n"}, {Space: "A", Name: "x"},
		{Space: "a", Name: strings.Repeat("long", 500)}, {Space: "a", Name: strings.Repeat("long", 500) + "x"},
	}
	want := contents{}
	for i, k := range keys {
		w := put(k, fmt.Sprint(i))
		txn := store.Txn{If: []store.Condition{store.Absent(k)}, Then: []store.Write{w}}
		want.write(txn.Then, tr.must(txn))
		tr.same(want)
	}
	for _, k := range keys {
		w := remove(k)
		want.write([]store.Write{w}, tr.do(w))
		tr.same(want)
	}
}

func testManySpaces(t *testing.T, s store.Store) {
	tr := begin(t, s)
	var writes []store.Write
	for i := range 300 {
		space := fmt.Sprint("space", i)
		writes = append(writes, put(store.Key{Space: space, Name: "a"}, "123"), put(store.Key{Space: space, Name: "b"}, "45"))
	}
	want := contents{}
	want.write(writes, tr.do(writes...))
	tr.same(want)
	emptied := []store.Write{remove(writes[0].Key), remove(writes[1].Key)}
	want.write(emptied, tr.do(emptied...))
	tr.same(want)
	tr.expect("space0", 0, 0)
	tr.expect("space1", 2, 5)
	tr.expect("space299", 2, 5)
}

// testImmutable keeps items that were handed out while their keys are rewritten
// and deleted.
func testImmutable(t *testing.T, s store.Store) {
	tr := begin(t, s)
	a := key("a")
	w := store.Write{Key: a, Meta: []byte("meta"), Value: []byte("first"), Modified: time.Unix(1, 0)}
	want := contents{}
	want.write([]store.Write{w}, tr.do(w))
	kept := []*store.Item{
		tr.mirror.item(a),
		tr.refused(store.Txn{If: []store.Condition{store.Absent(a)}}).Present,
	}
	tr.do(store.Write{Key: a, Meta: []byte("atem"), Value: []byte("other"), Modified: time.Unix(2, 0)})
	tr.do(remove(a))
	tr.do(put(a, "again"))
	for _, item := range kept {
		if !sameItem(item, want[a]) {
			t.Errorf("an item changed after it was handed out: %s, want %s", describe(item), describe(want[a]))
		}
	}
}

func testContextDone(t *testing.T, s store.Store) {
	tr := begin(t, s)
	a := key("a")
	tr.do(put(a, "1"))
	before := tr.mirror.snapshot()
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	for _, ctx := range []context.Context{canceled(t), late} {
		for _, txn := range []store.Txn{{}, {Then: []store.Write{put(a, "2")}}, {Then: []store.Write{remove(a)}}} {
			if _, err := s.Commit(ctx, txn); !errors.Is(err, ctx.Err()) {
				t.Errorf("Commit = %v, want %v", err, ctx.Err())
			}
		}
		if _, err := s.Sync(ctx); !errors.Is(err, ctx.Err()) {
			t.Errorf("Sync = %v, want %v", err, ctx.Err())
		}
	}
	tr.do(put(key("b"), "1")) // whatever was done in spite of it is applied by now
	before.write([]store.Write{put(key("b"), "1")}, tr.mirror.revision())
	tr.same(before)
}

// testSync tests Sync with a follower and without.
func testSync(t *testing.T, s store.Store) {
	if _, err := s.Sync(t.Context()); err != nil {
		t.Fatalf("Sync of an empty store: %v", err)
	}
	acknowledged, err := s.Commit(t.Context(), store.Txn{Then: []store.Write{put(key("a"), "1")}})
	if err != nil {
		t.Fatalf("Commit without a follower: %v", err)
	}
	tr := begin(t, s)
	for range 3 {
		revision, err := s.Sync(t.Context())
		if err != nil {
			t.Fatalf("Sync: %v", err)
		}
		if revision < acknowledged {
			t.Errorf("Sync = %d, older than %d, which was acknowledged", revision, acknowledged)
		}
		acknowledged = tr.do(put(key("a"), "2"))
	}
}

// testInfo tests that two stores differ in their epochs, and that nothing which
// happens to one changes its own.
func testInfo(t *testing.T, a, b store.Store) {
	before := a.Info()
	if !regexp.MustCompile(`^[a-z0-9]{1,32}$`).MatchString(before.Epoch) {
		t.Errorf("epoch is %q", before.Epoch)
	}
	if before.Epoch == b.Info().Epoch {
		t.Errorf("two stores share epoch %q", before.Epoch)
	}
	if before.Promise == "" || strings.Contains(before.Promise, "\n") {
		t.Errorf("promise is %q, want one line", before.Promise)
	}
	tr := begin(t, a)
	tr.do(put(key("a"), "1"))
	tr.do(remove(key("a")))
	if after := a.Info(); after != before {
		t.Errorf("Info changed from %v to %v", before, after)
	}
}

package storetest

import (
	"fmt"
	"testing"

	"roost/store"
)

// testConditions tests each condition true and false, in transactions with a
// write and without.
func testConditions(t *testing.T, s store.Store) {
	tr := begin(t, s)
	here, none, other := key("here"), key("none"), store.Key{Space: "elsewhere", Name: "other"}
	born := tr.do(put(here, "abc"))
	last := tr.do(put(here, "abcd"))
	tr.do(put(key("there"), "123456"), put(other, "123"))
	item := tr.mirror.item(here)

	tests := []struct {
		condition store.Condition
		holds     bool
		present   *store.Item
	}{
		{store.Exists(here), true, nil},
		{store.Exists(none), false, nil},
		{store.Exists(key("other")), false, nil},
		{store.Exists(store.Key{Space: "elsewhere", Name: "here"}), false, nil},
		{store.Absent(none), true, nil},
		{store.Absent(here), false, item},
		{store.At(here, last), true, nil},
		{store.At(here, born), false, item},
		{store.At(here, last+1), false, item},
		{store.At(here, 0), false, item},
		{store.At(none, last), false, nil},
		{store.At(none, 0), false, nil},
		{store.Born(here, born), true, nil},
		{store.Born(here, last), false, item},
		{store.Born(here, 0), false, item},
		{store.Born(none, born), false, nil},
		{store.Born(none, 0), false, nil},
		{store.CountBelow("things", 3), true, nil},
		{store.CountBelow("things", 2), false, nil},
		{store.CountBelow("things", 0), false, nil},
		{store.CountBelow("empty", 1), true, nil},
		{store.CountBelow("empty", 0), false, nil},
		{store.BytesBelow("things", 11), true, nil},
		{store.BytesBelow("things", 10), false, nil},
		{store.BytesBelow("things", 0), false, nil},
		{store.BytesBelow("empty", 1), true, nil},
		{store.BytesBelow("empty", 0), false, nil},
		{store.Condition{Op: store.OpCountBelow, Key: here, N: 2}, false, nil}, // the name does not matter
		{store.Condition{Op: store.OpBytesBelow, Key: here, N: 10}, false, nil},
	}
	for i, test := range tests {
		for _, then := range [][]store.Write{nil, {put(store.Key{Space: "made", Name: fmt.Sprint(i)}, "x")}} {
			txn := store.Txn{If: []store.Condition{store.Exists(here), test.condition}, Then: then}
			t.Run(fmt.Sprintf("%v/writes=%d", test.condition, len(then)), func(t *testing.T) {
				tr := &trial{T: t, store: s, mirror: tr.mirror}
				if test.holds {
					tr.must(txn)
					return
				}
				want := store.ConditionError{Index: 1, Condition: test.condition, Present: test.present}
				tr.sameFailure(tr.refused(txn), &want)
			})
		}
	}
	for i, test := range tests {
		made := tr.mirror.item(store.Key{Space: "made", Name: fmt.Sprint(i)})
		if (made != nil) != test.holds {
			t.Errorf("%v: its write was done = %t, want %t", test.condition, made != nil, test.holds)
		}
	}
}

// sameFailure compares what Commit reported with what it should have.
func (tr *trial) sameFailure(got, want *store.ConditionError) {
	tr.Helper()
	if got.Index != want.Index || got.Condition != want.Condition {
		tr.Errorf("failed condition is %d, %v; want %d, %v", got.Index, got.Condition, want.Index, want.Condition)
	}
	if !sameItem(got.Present, want.Present) {
		tr.Errorf("%v: present is %s, want %s", want.Condition, describe(got.Present), describe(want.Present))
	}
}

func testFirstFailure(t *testing.T, s store.Store) {
	tr := begin(t, s)
	a, b := key("a"), key("b")
	tr.do(put(a, "1"))
	item := tr.mirror.item(a)

	conditions := []store.Condition{
		store.Exists(a), store.CountBelow("things", 2), store.Absent(a), store.Exists(b), store.CountBelow("things", 0),
	}
	failed := tr.refused(store.Txn{If: conditions, Then: []store.Write{put(b, "2")}})
	tr.sameFailure(failed, &store.ConditionError{Index: 2, Condition: conditions[2], Present: item})

	failed = tr.refused(store.Txn{If: conditions[3:]})
	tr.sameFailure(failed, &store.ConditionError{Index: 0, Condition: conditions[3]})

	failed = tr.refused(store.Txn{If: []store.Condition{conditions[4], conditions[3]}})
	tr.sameFailure(failed, &store.ConditionError{Index: 0, Condition: conditions[4]})
}

// testConditionsPrecedeWrites tests that conditions see the store without the
// transaction's own writes.
func testConditionsPrecedeWrites(t *testing.T, s store.Store) {
	tr := begin(t, s)
	a, b, c := key("a"), key("b"), key("c")
	tr.must(store.Txn{
		If: []store.Condition{
			store.Absent(a), store.Absent(b), store.CountBelow("things", 1), store.BytesBelow("things", 1),
		},
		Then: []store.Write{put(a, "123"), put(b, "456")},
	})
	tr.must(store.Txn{
		If:   []store.Condition{store.Exists(a), store.Absent(c)},
		Then: []store.Write{remove(a), put(c, "7")},
	})
	// Its own deletion makes no room.
	limited := store.Txn{
		If:   []store.Condition{store.CountBelow("things", 2)},
		Then: []store.Write{remove(b), put(a, "8")},
	}
	tr.refused(limited)
	limited.If = []store.Condition{store.BytesBelow("things", 4)}
	tr.refused(limited)
	tr.expect("things", 2, 4)
}

// expect finds a space's count and bytes by the limits that hold.
func (tr *trial) expect(space string, count, size uint64) {
	tr.Helper()
	tr.must(store.Txn{If: []store.Condition{store.CountBelow(space, count+1), store.BytesBelow(space, size+1)}})
	tr.refused(store.Txn{If: []store.Condition{store.CountBelow(space, count)}})
	tr.refused(store.Txn{If: []store.Condition{store.BytesBelow(space, size)}})
}

// testLimits follows a space's count and bytes through every kind of change.
func testLimits(t *testing.T, s store.Store) {
	tr := begin(t, s)
	a, b, c := key("a"), key("b"), key("c")
	meta := store.Write{Key: c, Meta: []byte("meta does not count")}
	steps := []struct {
		name        string
		writes      []store.Write
		count, size uint64
	}{
		{"first", []store.Write{put(a, "123")}, 1, 3},
		{"second", []store.Write{put(b, "12345")}, 2, 8},
		{"longer", []store.Write{put(a, "1234567")}, 2, 12},
		{"same length", []store.Write{put(a, "7654321")}, 2, 12},
		{"empty", []store.Write{put(a, "")}, 2, 5},
		{"meta only", []store.Write{meta}, 3, 5},
		{"in another space", []store.Write{put(store.Key{Space: "elsewhere", Name: "a"}, "12")}, 3, 5},
		{"swap", []store.Write{remove(b), put(a, "12")}, 2, 2},
		{"absent deleted", []store.Write{remove(b)}, 2, 2},
		{"all deleted", []store.Write{remove(a), remove(c)}, 0, 0},
		{"again", []store.Write{put(b, "1")}, 1, 1},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			tr := &trial{T: t, store: s, mirror: tr.mirror}
			tr.must(store.Txn{Then: step.writes})
			tr.expect("things", step.count, step.size)
			tr.refused(store.Txn{
				If:   []store.Condition{store.CountBelow("things", 0)},
				Then: []store.Write{put(key("refused"), "123")},
			})
			tr.expect("things", step.count, step.size)
		})
	}
	tr.expect("elsewhere", 1, 2)
}

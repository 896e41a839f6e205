package memory_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"roost/store"
	"roost/store/memory"
	"roost/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return memory.New() })
}

func TestInfo(t *testing.T) {
	info := memory.New().Info()
	if info.Blocks || info.Promise != "gone with the process" {
		t.Errorf("Info = %+v", info)
	}
	if len(info.Epoch) != 13 || strings.Trim(info.Epoch, "abcdefghijklmnopqrstuvwxyz234567") != "" {
		t.Errorf("epoch is %q, want 64 bits in base32", info.Epoch)
	}
}

// TestRevisions finds them counted from one, without holes: what changes nothing
// takes none.
func TestRevisions(t *testing.T) {
	s := memory.New()
	a, b := store.Key{Space: "s", Name: "a"}, store.Key{Space: "s", Name: "b"}
	steps := []struct {
		name string
		txn  store.Txn
		want uint64
	}{
		{"nothing stored", store.Txn{}, 0},
		{"first", store.Txn{Then: []store.Write{{Key: a}}}, 1},
		{"absent deleted", store.Txn{Then: []store.Write{{Key: b, Delete: true}}}, 1},
		{"two writes", store.Txn{Then: []store.Write{{Key: a}, {Key: b}}}, 2},
		{"refused", store.Txn{If: []store.Condition{store.Absent(a)}, Then: []store.Write{{Key: a}}}, 0},
		{"no writes", store.Txn{If: []store.Condition{store.Exists(a)}}, 2},
		{"deleted", store.Txn{Then: []store.Write{{Key: a, Delete: true}}}, 3},
	}
	for _, step := range steps {
		if got, _ := s.Commit(t.Context(), step.txn); got != step.want {
			t.Errorf("%s: revision %d, want %d", step.name, got, step.want)
		}
	}
}

// TestProgrammersErrors finds them refused before anything else is looked at.
func TestProgrammersErrors(t *testing.T) {
	s := memory.New()
	a, b := store.Key{Space: "s", Name: "a"}, store.Key{Space: "s", Name: "b"}
	tests := []struct {
		txn  store.Txn
		want string
	}{
		{store.Txn{Then: []store.Write{{Key: a}, {Key: b}, {Key: a}}}, `"a" in space "s" is written twice`},
		{store.Txn{Then: []store.Write{{Key: a}, {Key: a, Delete: true}}}, `"a" in space "s" is written twice`},
		{store.Txn{If: []store.Condition{{Key: a}}, Then: []store.Write{{Key: a}}}, "condition 0 has unknown op 0"},
		{store.Txn{If: []store.Condition{store.Absent(a), {Op: 7}}}, "condition 1 has unknown op 7"},
	}
	for _, test := range tests {
		_, err := s.Commit(t.Context(), test.txn)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Commit = %v, want %s", err, test.want)
		}
		if failed := new(store.ConditionError); errors.As(err, &failed) {
			t.Errorf("Commit = %v, which blames a condition that was not tested", err)
		}
	}
	if revision, err := s.Sync(t.Context()); revision != 0 || err != nil {
		t.Errorf("Sync = %d, %v; want nothing changed", revision, err)
	}
}

// BenchmarkCommit rewrites one item under one condition, with a follower. The
// transaction's slices are made once: what is counted is the store's own.
func BenchmarkCommit(b *testing.B) {
	s := memory.New()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var last uint64
	if err := s.Follow(ctx, func(batch store.Batch) { last = batch.Revision }); err != nil {
		b.Fatal(err)
	}
	key := store.Key{Space: "resources", Name: "/a/resource"}
	txn := store.Txn{Then: []store.Write{{Key: key, Meta: []byte("meta"), Value: []byte("value")}}}
	if _, err := s.Commit(ctx, txn); err != nil {
		b.Fatal(err)
	}
	txn.If = make([]store.Condition, 1)
	b.ReportAllocs()
	for b.Loop() {
		txn.If[0] = store.At(key, last)
		if _, err := s.Commit(ctx, txn); err != nil {
			b.Fatal(err)
		}
	}
}

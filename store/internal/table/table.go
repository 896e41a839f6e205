// Package table keeps the items of a store in memory, with the totals of each space: what
// stores that hold everything in memory, whatever else they do with it, test their
// conditions by. It is not safe for concurrent use.
package table

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"strings"

	"roost/store"
)

// Table is what is stored now. Items are replaced, never changed: others hold them too.
type Table struct {
	spaces map[string]*space
	loaded []store.Change // what Of was given, until something is written
}

// space is the items of one space, by name.
type space struct {
	items map[string]*store.Item
	bytes uint64 // of values only
}

func New() *Table { return &Table{spaces: make(map[string]*space)} }

// Of makes a table of items with different keys, given as [Table.Present] returns them. It keeps
// the slice.
func Of(items []store.Change) *Table {
	t := New()
	counts := make(map[string]int)
	for _, c := range items {
		counts[c.Item.Key.Space]++
	}
	for name, n := range counts {
		t.spaces[name] = &space{items: make(map[string]*store.Item, n)}
	}
	for _, c := range items {
		t.Set(c.Item)
	}
	t.loaded = items
	return t
}

// Len is how many items there are.
func (t *Table) Len() int {
	n := 0
	for _, s := range t.spaces {
		n += len(s.items)
	}
	return n
}

// Totals yields each space that has items, with their number and the bytes of their values.
func (t *Table) Totals(yield func(space string, count, bytes uint64) bool) {
	for name, s := range t.spaces {
		if !yield(name, uint64(len(s.items)), s.bytes) {
			return
		}
	}
}

// Present returns every item as a change. They are in the order that Of had them in while
// nothing has been written since, and then in no particular one.
func (t *Table) Present() []store.Change {
	if t.loaded != nil {
		return t.loaded
	}
	changes := make([]store.Change, 0, t.Len())
	for _, s := range t.spaces {
		for _, item := range s.items {
			changes = append(changes, store.Change{Item: item})
		}
	}
	return changes
}

// Get returns the item under key; nil if there is none.
func (t *Table) Get(key store.Key) *store.Item {
	if s := t.spaces[key.Space]; s != nil {
		return s.items[key.Name]
	}
	return nil
}

// Set takes an item in, in place of the one under its key.
func (t *Table) Set(item *store.Item) {
	t.loaded = nil
	s := t.spaces[item.Key.Space]
	if s == nil {
		s = &space{items: make(map[string]*store.Item)}
		t.spaces[item.Key.Space] = s
	}
	if old := s.items[item.Key.Name]; old != nil {
		s.bytes -= uint64(len(old.Value))
	}
	s.bytes += uint64(len(item.Value))
	s.items[item.Key.Name] = item
}

// Drop takes the item under a key out.
func (t *Table) Drop(key store.Key) {
	t.loaded = nil
	s := t.spaces[key.Space]
	if s == nil || s.items[key.Name] == nil {
		return
	}
	s.bytes -= uint64(len(s.items[key.Name].Value))
	delete(s.items, key.Name)
	if len(s.items) == 0 {
		delete(t.spaces, key.Space)
	}
}

// Test returns a *store.ConditionError of the first condition that does not hold.
func (t *Table) Test(conditions []store.Condition) error {
	for i, c := range conditions {
		if holds, found := t.holds(c); !holds {
			return &store.ConditionError{Index: i, Condition: c, Present: found}
		}
	}
	return nil
}

// holds tests one condition, and returns the item it looked at, if any.
func (t *Table) holds(c store.Condition) (bool, *store.Item) {
	if c.Op == store.OpCountBelow || c.Op == store.OpBytesBelow {
		s := t.spaces[c.Key.Space]
		switch {
		case s == nil:
			return c.N > 0, nil
		case c.Op == store.OpCountBelow:
			return uint64(len(s.items)) < c.N, nil
		}
		return s.bytes < c.N, nil
	}
	item := t.Get(c.Key)
	switch c.Op {
	case store.OpExists:
		return item != nil, item
	case store.OpAbsent:
		return item == nil, item
	case store.OpRevision:
		return item != nil && item.Revision == c.N, item
	case store.OpCreated:
		return item != nil && item.Created == c.N, item
	}
	return false, item
}

// Write does all writes at revision and returns what they changed, which is
// nothing if they only delete what is absent.
func (t *Table) Write(writes []store.Write, revision uint64) []store.Change {
	if len(writes) == 0 {
		return nil
	}
	changes := make([]store.Change, 0, len(writes))
	for i := range writes {
		w := &writes[i]
		switch old := t.Get(w.Key); {
		case !w.Delete:
			changes = append(changes, store.Change{Item: t.put(w, old, revision)})
		case old != nil:
			t.Drop(w.Key)
			gone := &store.Item{Key: old.Key, Created: old.Created, Revision: revision}
			changes = append(changes, store.Change{Deleted: true, Item: gone})
		}
	}
	return changes
}

// put stores a new item in the place of old, which is nil if there is none.
func (t *Table) put(w *store.Write, old *store.Item, revision uint64) *store.Item {
	item := &store.Item{
		Key:      w.Key,
		Meta:     w.Meta,
		Value:    w.Value,
		Created:  revision,
		Revision: revision,
		Modified: w.Modified,
		Expires:  w.Expires,
	}
	if old != nil {
		item.Created = old.Created
	}
	t.Set(item)
	return item
}

// Validate finds a programmer's errors in a transaction: an unknown condition,
// or a key written twice.
func Validate(txn store.Txn) error {
	for i, c := range txn.If {
		if c.Op < store.OpExists || c.Op > store.OpBytesBelow {
			return fmt.Errorf("condition %d has unknown op %d", i, c.Op)
		}
	}
	if len(txn.Then) < 2 {
		return nil
	}
	written := make(map[store.Key]struct{}) // unsized, so that a small one stays on the stack
	for _, w := range txn.Then {
		if _, twice := written[w.Key]; twice {
			return fmt.Errorf("%q in space %q is written twice in one transaction", w.Key.Name, w.Key.Space)
		}
		written[w.Key] = struct{}{}
	}
	return nil
}

// NewEpoch returns 64 random bits as text: enough that two stores which ever
// meet the same client don't share one.
func NewEpoch() string {
	var bits [8]byte
	rand.Read(bits[:]) // never fails
	text := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(bits[:])
	return strings.ToLower(text)
}

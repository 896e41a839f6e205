package memory

import "roost/store"

// items is what is stored now, with the totals of each space kept along. Items
// are replaced, never changed: the follower and ConditionErrors hold them too.
type items struct {
	byKey  map[store.Key]*store.Item
	totals map[string]total // of the spaces that hold something
}

type total struct {
	count uint64
	bytes uint64 // of values only
}

func newItems() items {
	return items{byKey: make(map[store.Key]*store.Item), totals: make(map[string]total)}
}

// present returns every item as a change.
func (s items) present() []store.Change {
	changes := make([]store.Change, 0, len(s.byKey))
	for _, item := range s.byKey {
		changes = append(changes, store.Change{Item: item})
	}
	return changes
}

// test returns a *store.ConditionError of the first condition that does not hold.
func (s items) test(conditions []store.Condition) error {
	for i, c := range conditions {
		if holds, found := s.holds(c); !holds {
			return &store.ConditionError{Index: i, Condition: c, Present: found}
		}
	}
	return nil
}

// holds tests one condition, and returns the item it looked at, if any.
func (s items) holds(c store.Condition) (bool, *store.Item) {
	switch c.Op {
	case store.OpCountBelow:
		return s.totals[c.Key.Space].count < c.N, nil
	case store.OpBytesBelow:
		return s.totals[c.Key.Space].bytes < c.N, nil
	}
	item := s.byKey[c.Key]
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

// write does all writes at revision and returns what they changed, which is
// nothing if they only delete what is absent.
func (s items) write(writes []store.Write, revision uint64) []store.Change {
	if len(writes) == 0 {
		return nil
	}
	changes := make([]store.Change, 0, len(writes))
	for i := range writes {
		w := &writes[i]
		switch old := s.byKey[w.Key]; {
		case !w.Delete:
			changes = append(changes, store.Change{Item: s.put(w, old, revision)})
		case old != nil:
			changes = append(changes, store.Change{Deleted: true, Item: s.remove(old, revision)})
		}
	}
	return changes
}

// put stores a new item in the place of old, which is nil if there is none.
func (s items) put(w *store.Write, old *store.Item, revision uint64) *store.Item {
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
	s.byKey[w.Key] = item
	s.account(w.Key.Space, old, item)
	return item
}

// remove drops an item and returns what its deletion is announced with.
func (s items) remove(old *store.Item, revision uint64) *store.Item {
	delete(s.byKey, old.Key)
	s.account(old.Key.Space, old, nil)
	return &store.Item{Key: old.Key, Created: old.Created, Revision: revision}
}

// account moves the totals of a space from an item to the one that takes its
// place; either may be nil.
func (s items) account(space string, from, to *store.Item) {
	sum := s.totals[space]
	if from != nil {
		sum.count--
		sum.bytes -= uint64(len(from.Value))
	}
	if to != nil {
		sum.count++
		sum.bytes += uint64(len(to.Value))
	}
	if sum.count == 0 {
		delete(s.totals, space)
		return
	}
	s.totals[space] = sum
}

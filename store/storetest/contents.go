package storetest

import (
	"bytes"
	"fmt"
	"maps"

	"roost/store"
)

// contents is what a store holds. Written to by transactions it is the plain
// model that stores are compared with: it keeps no totals and no order.
type contents map[store.Key]*store.Item

// failing returns what Commit must report of conditions, nil if all hold.
func (c contents) failing(conditions []store.Condition) *store.ConditionError {
	for i, condition := range conditions {
		if c.holds(condition) {
			continue
		}
		failed := &store.ConditionError{Index: i, Condition: condition}
		if condition.Op != store.OpCountBelow && condition.Op != store.OpBytesBelow {
			failed.Present = c[condition.Key]
		}
		return failed
	}
	return nil
}

func (c contents) holds(condition store.Condition) bool {
	item := c[condition.Key]
	count, size := c.totals(condition.Key.Space)
	switch condition.Op {
	case store.OpExists:
		return item != nil
	case store.OpAbsent:
		return item == nil
	case store.OpRevision:
		return item != nil && item.Revision == condition.N
	case store.OpCreated:
		return item != nil && item.Created == condition.N
	case store.OpCountBelow:
		return count < condition.N
	case store.OpBytesBelow:
		return size < condition.N
	}
	panic("unknown " + condition.String())
}

// totals counts the items of a space and the bytes of their values.
func (c contents) totals(space string) (count, size uint64) {
	for k, item := range c {
		if k.Space == space {
			count++
			size += uint64(len(item.Value))
		}
	}
	return count, size
}

// changedBy says whether writes would change anything.
func (c contents) changedBy(writes []store.Write) bool {
	for _, w := range writes {
		if !w.Delete || c[w.Key] != nil {
			return true
		}
	}
	return false
}

// write does writes at revision.
func (c contents) write(writes []store.Write, revision uint64) {
	for _, w := range writes {
		if w.Delete {
			delete(c, w.Key)
			continue
		}
		created := revision
		if old := c[w.Key]; old != nil {
			created = old.Created
		}
		c[w.Key] = &store.Item{
			Key: w.Key, Meta: w.Meta, Value: w.Value, Created: created, Revision: revision,
			Modified: w.Modified, Expires: w.Expires,
		}
	}
}

func (c contents) clone() contents { return maps.Clone(c) }

// diff describes a difference of got from c, "" if there is none.
func (c contents) diff(got contents) string {
	for k, item := range c {
		if !sameItem(item, got[k]) {
			return fmt.Sprintf("%q is %s, want %s", k, describe(got[k]), describe(item))
		}
	}
	for k, item := range got {
		if c[k] == nil {
			return fmt.Sprintf("%q is %s, want nothing", k, describe(item))
		}
	}
	return ""
}

// sameItem compares items, either of which may be nil. Empty bytes equal nil
// ones, and times are equal as instants.
func sameItem(a, b *store.Item) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Key == b.Key && bytes.Equal(a.Meta, b.Meta) && bytes.Equal(a.Value, b.Value) &&
		a.Created == b.Created && a.Revision == b.Revision &&
		a.Modified.Equal(b.Modified) && a.Expires.Equal(b.Expires)
}

func describe(item *store.Item) string {
	if item == nil {
		return "nothing"
	}
	return fmt.Sprintf("{created %d, revision %d, meta %.40q, value %.40q, modified %v, expires %v}",
		item.Created, item.Revision, item.Meta, item.Value, item.Modified, item.Expires)
}

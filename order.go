package roost

import (
	"slices"
	"strings"
)

// order keeps entries sorted by one of their names. It is guarded by the registry.
type order struct {
	name   func(*entry) string
	sorted []*entry // what is gone is dropped at the next listing
	fresh  []*entry // added since the last listing
}

// maxGone is how many entries that are gone an order may hold beyond as many as
// are live, before they are dropped without a listing.
const maxGone = 1024

// expect makes room for n more.
func (o *order) expect(n int) { o.fresh = slices.Grow(o.fresh, n) }

func (o *order) add(e *entry) { o.fresh = append(o.fresh, e) }

// tidy drops what is gone once it is too much.
func (o *order) tidy(live int) {
	if len(o.sorted)+len(o.fresh) > 2*live+maxGone {
		o.sorted = slices.DeleteFunc(o.sorted, isGone)
		o.fresh = slices.DeleteFunc(o.fresh, isGone)
	}
}

func isGone(e *entry) bool { return e.gone.Load() }

// list returns up to most entries whose names start with prefix and come after the name
// after.
func (o *order) list(prefix, after string, most int) []*entry {
	o.sort()
	from, _ := slices.BinarySearchFunc(o.sorted, max(prefix, after), func(e *entry, s string) int { return strings.Compare(o.name(e), s) })
	var listed []*entry
	for _, e := range o.sorted[from:] {
		if !strings.HasPrefix(o.name(e), prefix) || len(listed) == most {
			break
		}
		if !isGone(e) && o.name(e) != after {
			listed = append(listed, e)
		}
	}
	return listed
}

// sort merges what is fresh into the order: listing after k changes costs one pass and
// the sorting of k, and the changes themselves cost nothing.
func (o *order) sort() {
	if len(o.fresh) == 0 {
		return
	}
	by := func(a, b *entry) int { return strings.Compare(o.name(a), o.name(b)) }
	slices.SortFunc(o.fresh, by)
	merged := make([]*entry, 0, len(o.sorted)+len(o.fresh))
	old, fresh := o.sorted, o.fresh
	for len(old) > 0 || len(fresh) > 0 {
		var next *entry
		if len(fresh) == 0 || len(old) > 0 && by(old[0], fresh[0]) <= 0 {
			next, old = old[0], old[1:]
		} else {
			next, fresh = fresh[0], fresh[1:]
		}
		if !isGone(next) {
			merged = append(merged, next)
		}
	}
	o.sorted, o.fresh = merged, nil
}

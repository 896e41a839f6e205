package roost

import "sort"

// change is what happened to a resource, as those who watch are told of it.
type change struct {
	entry    *entry
	kind     ChangeKind
	rep      *Representation // nil when the resource was removed
	revision uint64
	shown    bool // the index could tell of the resource then
}

// Changes that only those who may see a resource by GET are told of: its registration
// began or ceased to have it.
const (
	shownKind  ChangeKind = "shown"
	hiddenKind ChangeKind = "hidden"
)

// Bounds of the history: it is enough for a client that reconnects, or reads slowly, not
// to start over, and is all the memory that slow readers cost together.
const (
	maxHistory      = 4 << 10
	maxHistoryBytes = 16 << 20 // as size counts
)

// history is the newest changes, numbered one after the other. It is guarded by the hub.
type history struct {
	ring  []change // a change is at its number modulo the length, which is a power of two
	first uint64   // number of the oldest
	next  uint64   // number of the one that comes next
	bytes int
	floor uint64 // revision of the newest change that is not here any more
}

func (h *history) at(number uint64) *change { return &h.ring[number%uint64(len(h.ring))] }

func (h *history) add(c change) {
	if n := h.next - h.first; n == maxHistory {
		h.drop()
	} else if n == uint64(len(h.ring)) {
		h.grow()
	}
	*h.at(h.next) = c
	h.next++
	h.bytes += size(&c)
	for h.bytes > maxHistoryBytes && h.next-h.first > 1 {
		h.drop()
	}
}

func (h *history) grow() {
	larger := make([]change, max(16, 2*len(h.ring)))
	for n := h.first; n < h.next; n++ {
		larger[n%uint64(len(larger))] = *h.at(n)
	}
	h.ring = larger
}

// drop forgets the oldest.
func (h *history) drop() {
	c := h.at(h.first)
	h.bytes -= size(c)
	h.floor = c.revision
	*c = change{}
	h.first++
}

// size is what a change may keep in memory beside itself: the value, coded as well, and as an
// event.
func size(c *change) int {
	if c.rep == nil {
		return 0
	}
	return 4*len(c.rep.item.Value) + len(c.rep.item.Meta)
}

// restart forgets everything. No place from before is one in the new history.
func (h *history) restart(revision uint64) {
	h.first = h.next + 1
	h.next = h.first
	h.ring, h.bytes, h.floor = nil, 0, revision
}

// newest is the revision of the newest change.
func (h *history) newest() uint64 {
	if h.next == h.first {
		return h.floor
	}
	return h.at(h.next - 1).revision
}

// after is the number of the first change after a revision, if all of them are here.
func (h *history) after(revision uint64) (number uint64, ok bool) {
	if revision < h.floor || revision > h.newest() {
		return 0, false
	}
	n := sort.Search(int(h.next-h.first), func(i int) bool { return h.at(h.first+uint64(i)).revision > revision })
	return h.first + uint64(n), true
}

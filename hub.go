package roost

import "sync"

// hub keeps the newest changes, and wakes those who wait for more. A watcher has
// nothing but its place in this history, a cursor: what is told to it is read from there
// when it has room for it, so that a slow one costs no more than a quick one, and one
// whose place is in the history no more goes on with what is there now. Queues of each watcher's
// own were the alternative; ten thousand slow ones would each hold theirs.
//
// Changes are published in the order of their revisions, by the store's one follower.
type hub struct {
	limit int // of watchers that come by requests; none if not positive

	mu      sync.RWMutex // taken after a store's own lock; nothing is taken after it
	history history
	byKey   map[string]map[*watcher]struct{}
	wide    map[*watcher]func(*entry) bool
	guests  int // watchers that count against limit
	stopped bool
}

// watched is what a watcher waits for changes of: one resource, or all that fit.
type watched struct {
	key  string
	fits func(*entry) bool // where key is empty; may not block, or call the hub
}

// watcher waits for changes. There are thousands, so it is small.
type watcher struct {
	waker waker
	key   string // of the one resource, if it is one
	guest bool   // came by a request
}

// A waker has its watcher look at what has changed. Wake may not block, or call the hub.
type waker interface{ Wake() }

func (h *hub) prepare(limit int) {
	h.limit = limit
	h.byKey, h.wide = make(map[string]map[*watcher]struct{}), make(map[*watcher]func(*entry) bool)
}

// add begins to wake w. It is false where there is no room for another.
func (h *hub) add(w *watcher, what watched) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if w.guest && h.limit > 0 && h.guests >= h.limit {
		return false
	}
	if w.guest {
		h.guests++
	}
	if w.key = what.key; w.key == "" {
		h.wide[w] = what.fits
		return true
	}
	if h.byKey[w.key] == nil {
		h.byKey[w.key] = make(map[*watcher]struct{})
	}
	h.byKey[w.key][w] = struct{}{}
	return true
}

// remove ends that. Wake is not called any more when it returns.
func (h *hub) remove(w *watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if w.guest {
		h.guests--
	}
	delete(h.wide, w)
	if of := h.byKey[w.key]; of != nil {
		delete(of, w)
		if len(of) == 0 {
			delete(h.byKey, w.key)
		}
	}
}

// publish adds a change to the history and wakes those whom it concerns. They can read
// while others are still being woken.
func (h *hub) publish(c change) {
	h.mu.Lock()
	h.history.add(c)
	h.mu.Unlock()
	h.mu.RLock()
	defer h.mu.RUnlock()
	h.wakeLocked(c.entry)
	if c.kind == Deleted && c.entry.own.Load() != nil {
		h.wakeAllLocked() // what was made under it answers otherwise now
	}
}

func (h *hub) wakeLocked(e *entry) {
	for w := range h.byKey[e.key] {
		w.waker.Wake()
	}
	for w, fits := range h.wide {
		if fits(e) {
			w.waker.Wake()
		}
	}
}

// wakeKey wakes those who watch the resource under key.
func (h *hub) wakeKey(key string) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for w := range h.byKey[key] {
		w.waker.Wake()
	}
}

func (h *hub) wakeAll() {
	h.mu.RLock()
	defer h.mu.RUnlock()
	h.wakeAllLocked()
}

func (h *hub) wakeAllLocked() {
	for _, of := range h.byKey {
		for w := range of {
			w.waker.Wake()
		}
	}
	for w := range h.wide {
		w.waker.Wake()
	}
}

// restart forgets the history, so that everybody starts over with what is there at
// a revision.
func (h *hub) restart(revision uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.restartLocked(revision)
}

// startOver is restart with what is there now.
func (h *hub) startOver() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.restartLocked(h.history.newest())
}

func (h *hub) restartLocked(revision uint64) {
	h.history.restart(revision)
	h.wakeAllLocked()
}

// stop wakes everybody for the last time.
func (h *hub) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopped = true
	h.wakeAllLocked()
}

func (h *hub) isStopped() bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.stopped
}

// present is a place after all changes so far, and the revision of the newest.
func (h *hub) present() (cursor, uint64) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return cursor(h.history.next), h.history.newest()
}

// after is the place behind the changes up to a revision, if all later ones are in the
// history.
func (h *hub) after(revision uint64) (cursor, bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	seq, ok := h.history.after(revision)
	return cursor(seq), ok
}

// cursor is a place in the history: the number of the change that comes next.
type cursor uint64

// reading is what a cursor found.
type reading int

const (
	nothing reading = iota // no more changes for now
	found
	behind // there are more than the reader may be behind, or they are not in the history any more
)

// read goes on to the next change that fits. Where more than most of them wait, unless
// most is negative, or some are lost, it goes to the end instead.
func (h *hub) read(c *cursor, fits func(*entry) bool, most int) (next change, r reading) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	from, end := uint64(*c), h.history.next
	if from < h.history.first {
		*c = cursor(end)
		return change{}, behind
	}
	at, waiting := end, 0
	for seq := from; seq < end && (waiting == 0 || most >= 0); seq++ {
		ch := h.history.at(seq)
		if !fits(ch.entry) {
			continue
		}
		if waiting++; waiting == 1 {
			next, at = *ch, seq+1
		}
		if most >= 0 && waiting > most {
			*c = cursor(end)
			return change{}, behind
		}
	}
	*c = cursor(at)
	if waiting == 0 {
		return change{}, nothing
	}
	return next, found
}

//go:build linux

package reactor

import (
	"math/bits"
	"time"
)

// The wheel has the connections by when their time is over, in steps of tick. A connection whose
// time is put off, as with every request, stays where it is, and is moved when its place comes
// by: so putting off costs one assignment. Those without a time are in a list of their own; every
// connection is in one.
type wheel struct {
	start time.Time
	now   uint32 // ticks since start that are done with
	slots [wheelSlots]list
	used  [wheelSlots / 64]uint64 // a bit for each slot that is not empty
	none  list
}

const (
	tick       = 64 * time.Millisecond
	wheelSlots = 1024 // a power of two; times beyond 65 s come by more than once
)

// maxTime is less than half of what ticks are counted to.
const maxTime = 365 * 24 * time.Hour

// list is a ring of connections; the zero value is empty.
type list struct{ first *Conn }

func (l *list) add(c *Conn) {
	if l.first == nil {
		l.first, c.next, c.prev = c, c, c
		return
	}
	last := l.first.prev
	c.prev, c.next = last, l.first
	last.next, l.first.prev = c, c
}

func (l *list) remove(c *Conn) {
	if c.next == c {
		l.first = nil
	} else {
		c.prev.next, c.next.prev = c.next, c.prev
		if l.first == c {
			l.first = c.next
		}
	}
	c.next, c.prev = nil, nil
}

// tickOf is the first tick at which a time is over.
func (w *wheel) tickOf(t time.Time) uint32 {
	return uint32((t.Sub(w.start) + tick - 1) / tick)
}

// The slots of connections that are in the list none, and in no list.
const (
	noTime = wheelSlots + iota
	noList
)

func (w *wheel) listOf(slot uint16) *list {
	if slot == noTime {
		return &w.none
	}
	return &w.slots[slot]
}

// add takes a connection in, without a time.
func (w *wheel) add(c *Conn) {
	c.slot, c.due = noTime, 0
	w.none.add(c)
}

func (w *wheel) remove(c *Conn) {
	l := w.listOf(c.slot)
	l.remove(c)
	if c.slot != noTime && l.first == nil {
		w.used[c.slot/64] &^= 1 << (c.slot % 64)
	}
	c.slot = noList
}

// set gives c until at. place is the tick in whose slot it stands.
func (w *wheel) set(c *Conn, at time.Time) {
	due := max(w.tickOf(at), w.now+1)
	c.due = due
	if c.slot != noTime && int32(c.place-due) <= 0 && int32(c.place-w.now) > 0 {
		return // it comes by before
	}
	w.move(c, due)
}

// clear takes its time away. It stays where it is.
func (w *wheel) clear(c *Conn) { c.due = 0 }

func (w *wheel) move(c *Conn, place uint32) {
	w.remove(c)
	c.place = place
	c.slot = uint16(place % wheelSlots)
	w.slots[c.slot].add(c)
	w.used[c.slot/64] |= 1 << (c.slot % 64)
}

// next is how long the loop may sleep; negative for any time.
func (w *wheel) next(now time.Time) time.Duration {
	from := w.now + 1
	for i := uint32(0); i <= wheelSlots; {
		slot := (from + i) % wheelSlots
		word := w.used[slot/64] >> (slot % 64)
		if word == 0 {
			i += 64 - slot%64
			continue
		}
		at := w.start.Add(time.Duration(from+i+uint32(bits.TrailingZeros64(word))) * tick)
		return max(0, at.Sub(now))
	}
	return -1
}

// expire calls over with each connection whose time is over.
func (w *wheel) expire(now time.Time, over func(*Conn)) {
	present := uint32(now.Sub(w.start) / tick)
	if present-w.now > wheelSlots { // it slept for long: each slot once is enough
		w.now = present - wheelSlots
	}
	for w.now != present {
		w.now++
		slot := w.now % wheelSlots
		// What is put back into this slot is of a later round.
		var round []*Conn
		for c := w.slots[slot].first; c != nil; {
			round = append(round, c)
			if c = c.next; c == w.slots[slot].first {
				break
			}
		}
		for _, c := range round {
			switch {
			case c.slot != uint16(slot): // moved or closed by one before it
			case c.due == 0:
				w.remove(c)
				w.add(c)
			case int32(c.due-w.now) > 0:
				w.move(c, c.due)
			default:
				w.remove(c)
				w.add(c)
				over(c)
			}
		}
	}
}

package roost

import (
	"hash/maphash"
	"sync"
)

// directory finds the resource under a key. It is a map in parts with a lock each: readers of
// different resources seldom meet, and a writer keeps only a part of them waiting, for as long
// as it takes to write one entry. The zero value is empty, but for what prepare makes.
type directory struct {
	seed  maphash.Seed
	parts [directoryParts]directoryPart
}

const directoryParts = 64 // a power of two

type directoryPart struct {
	mu      sync.RWMutex
	entries map[string]*entry
	_       [32]byte // the next lock is in another cache line
}

func (d *directory) prepare() { d.seed = maphash.MakeSeed() }

func (d *directory) part(key string) *directoryPart {
	return &d.parts[maphash.String(d.seed, key)%directoryParts]
}

// expect makes room for n entries, in an empty directory.
func (d *directory) expect(n int) {
	for i := range d.parts {
		d.parts[i].entries = make(map[string]*entry, n/directoryParts)
	}
}

// get returns nil if there is none.
func (d *directory) get(key string) *entry {
	p := d.part(key)
	p.mu.RLock()
	e := p.entries[key]
	p.mu.RUnlock()
	return e
}

// getBytes is get of a key that is no string yet.
func (d *directory) getBytes(key []byte) *entry {
	p := &d.parts[maphash.Bytes(d.seed, key)%directoryParts]
	p.mu.RLock()
	e := p.entries[string(key)]
	p.mu.RUnlock()
	return e
}

func (d *directory) put(e *entry) {
	p := d.part(e.key)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.entries == nil {
		p.entries = make(map[string]*entry)
	}
	p.entries[e.key] = e
}

func (d *directory) drop(key string) {
	p := d.part(key)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.entries, key)
}

// all returns every entry, in no particular order.
func (d *directory) all() []*entry {
	var all []*entry
	for i := range d.parts {
		p := &d.parts[i]
		p.mu.RLock()
		for _, e := range p.entries {
			all = append(all, e)
		}
		p.mu.RUnlock()
	}
	return all
}

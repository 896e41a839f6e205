package disk

import (
	"encoding/binary"
	"fmt"

	"roost/store"
)

// state is what the store knows beside its items: its epoch, the revision of the newest
// transaction, and what all items add up to. It is written with every transaction, so items
// that went missing, or are older than they were, are noticed.
type state struct {
	epoch    string
	revision uint64
	tally    tally
}

var stateKey = []byte{kindState}

// appendState encodes the state: a checksum of the key and of what follows, the revision, the
// tally, the epoch.
func appendState(b []byte, s state) []byte {
	b = append(b, 0, 0, 0, 0)
	b = binary.AppendUvarint(b, s.revision)
	b = binary.AppendUvarint(b, s.tally.count)
	b = binary.LittleEndian.AppendUint64(b, s.tally.sum)
	b = append(b, s.epoch...)
	binary.LittleEndian.PutUint32(b, checksum(stateKey, b[4:]))
	return b
}

func parseState(b []byte) (s state, err error) {
	if len(b) < 4 || binary.LittleEndian.Uint32(b) != checksum(stateKey, b[4:]) {
		return s, fmt.Errorf("state of the store: %w", errRecord)
	}
	r := reader{rest: b[4:]}
	s.revision, s.tally.count = r.uint(), r.uint()
	if sum := r.octets(8); !r.short {
		s.tally.sum = binary.LittleEndian.Uint64(sum)
	}
	s.epoch = string(r.rest)
	if r.short || s.epoch == "" {
		return s, fmt.Errorf("state of the store: %w", errRecord)
	}
	return s, nil
}

var errNoState = fmt.Errorf("%w: its state is not there", ErrDamaged)

// admits says whether an item can be one of the store's.
func (s state) admits(item *store.Item) error {
	if item.Revision > s.revision {
		return fmt.Errorf("%w: item %q in space %q has revision %d, the store %d", ErrDamaged, item.Key.Name, item.Key.Space, item.Revision, s.revision)
	}
	return nil
}

// addsUp says whether items with this tally are all of the store's, as they were last.
func (s state) addsUp(t tally) error {
	if t != s.tally {
		return fmt.Errorf("%w: %d items are there, or are not those that were, of %d", ErrDamaged, t.count, s.tally.count)
	}
	return nil
}

// tally is how many items there are, and the sum of one number of each, by its key and
// revision.
type tally struct {
	count uint64
	sum   uint64
}

func (t *tally) add(item *store.Item) {
	t.count++
	t.sum += number(item)
}

func (t *tally) remove(item *store.Item) {
	t.count--
	t.sum -= number(item)
}

// number is FNV-1a of the item's space, an octet that is in no UTF-8, its name and its revision.
func number(item *store.Item) uint64 {
	const prime = 1099511628211
	h := uint64(14695981039346656037)
	for _, text := range []string{item.Key.Space, "\xff", item.Key.Name} {
		for i := range len(text) {
			h = (h ^ uint64(text[i])) * prime
		}
	}
	for shift := 0; shift < 64; shift += 8 {
		h = (h ^ item.Revision>>shift&0xff) * prime
	}
	return h
}

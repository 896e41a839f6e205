package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"roost/store"
)

// The first octet of a key of the database says what stands under it.
const (
	kindItem  = 'i' // one item: see appendKey and appendRecord
	kindState = 's' // the state of the store: see state
)

// appendKey encodes the key of an item: the length of its space, the space, the name.
func appendKey(b []byte, k store.Key) []byte {
	b = append(b, kindItem)
	b = binary.AppendUvarint(b, uint64(len(k.Space)))
	b = append(b, k.Space...)
	return append(b, k.Name...)
}

var errKey = errors.New("key of no item")

func parseKey(b []byte) (space, name []byte, err error) {
	if len(b) == 0 || b[0] != kindItem {
		return nil, nil, errKey
	}
	n, size := binary.Uvarint(b[1:])
	rest := b[1+max(size, 0):]
	if size <= 0 || n > uint64(len(rest)) {
		return nil, nil, errKey
	}
	return rest[:n], rest[n:], nil
}

// castagnoli is the polynomial that processors compute themselves.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendRecord encodes an item without its key: a checksum of the key and of what follows,
// Created, Revision, Modified, Expires, the length of Meta, Meta, Value.
func appendRecord(b, key []byte, item *store.Item) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	b = binary.AppendUvarint(b, item.Created)
	b = binary.AppendUvarint(b, item.Revision)
	b = appendTime(b, item.Modified)
	b = appendTime(b, item.Expires)
	b = binary.AppendUvarint(b, uint64(len(item.Meta)))
	b = append(b, item.Meta...)
	b = append(b, item.Value...)
	binary.LittleEndian.PutUint32(b[start:], checksum(key, b[start+4:]))
	return b
}

func checksum(key, rest []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, rest)
}

// appendTime encodes an instant as seconds since 1970 and nanoseconds. The zero time is one
// of them.
func appendTime(b []byte, t time.Time) []byte {
	b = binary.AppendVarint(b, t.Unix())
	return binary.AppendUvarint(b, uint64(t.Nanosecond()))
}

var errRecord = errors.New("record is damaged")

// parseRecord decodes what appendRecord made of an item under key. Its Meta and Value are
// parts of record.
func parseRecord(key, record []byte) (item store.Item, err error) {
	space, name, err := parseKey(key)
	if err != nil {
		return item, err
	}
	fail := func(what string) (store.Item, error) {
		return item, fmt.Errorf("item %q in space %q: %w: %s", name, space, errRecord, what)
	}
	if len(record) < 4 || binary.LittleEndian.Uint32(record) != checksum(key, record[4:]) {
		return fail("its checksum is another")
	}
	r := reader{rest: record[4:]}
	item.Created, item.Revision = r.uint(), r.uint()
	item.Modified, item.Expires = r.time(), r.time()
	item.Meta = r.octets(r.uint())
	item.Value = r.rest
	if r.short {
		return fail("it is too short")
	}
	return item, nil
}

// reader takes numbers and octets off the start of a record.
type reader struct {
	rest  []byte
	short bool
}

func (r *reader) uint() uint64 {
	n, size := binary.Uvarint(r.rest)
	r.skip(size)
	return n
}

func (r *reader) time() time.Time {
	seconds, size := binary.Varint(r.rest)
	r.skip(size)
	nanoseconds := r.uint()
	return time.Unix(seconds, int64(nanoseconds)).UTC()
}

func (r *reader) octets(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.short = true
		return nil
	}
	octets := r.rest[:n:n]
	r.rest = r.rest[n:]
	return octets
}

func (r *reader) skip(size int) {
	if size <= 0 {
		r.short = true
		return
	}
	r.rest = r.rest[size:]
}

package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"roost/store"
)

// FuzzExport reads what may be an export: what is taken is the same when it is recorded and
// read again.
func FuzzExport(f *testing.F) {
	f.Add([]byte(little))
	head, rest, _ := strings.Cut(little, "\n")
	f.Add([]byte(head + "\n" + `{"space_base64":"/w==","name":"\ud83d\ude00","meta":{"a": 1},"value_base64":"","created":1,"revision":2,"modified":"2026-05-01T12:00:00.5+01:00","expires":"9999-12-31T23:59:59Z"}` + "\n{\"items\":1}"))
	f.Add([]byte(head + "\n" + strings.ReplaceAll(rest, "x", `\ud800`)))
	f.Fuzz(func(t *testing.T, text []byte) {
		items, err := readAll(text)
		if err != nil {
			if !errors.Is(err, ErrExport) && !errors.Is(err, ErrFormat) {
				t.Fatal(err)
			}
			return
		}
		again, err := readAll(recorded(t, head, items))
		if err != nil || len(again) != len(items) {
			t.Fatalf("%d items, recorded and read %d, %v", len(items), len(again), err)
		}
		for i := range items {
			sameItem(t, items[i], again[i])
		}
	})
}

func readAll(text []byte) (items []*store.Item, err error) {
	e, err := readExport(bytes.NewReader(text))
	for err == nil {
		var item *store.Item
		if item, err = e.item(); err == nil {
			items = append(items, item)
		}
	}
	if err == io.EOF {
		err = nil
	}
	return items, err
}

func recorded(t *testing.T, head string, items []*store.Item) []byte {
	var b bytes.Buffer
	b.WriteString(strings.Replace(head, `"revision":5`, `"revision":9223372036854775807`, 1) + "\n")
	out := newExportWriter(&b)
	for _, item := range items {
		if err := out.item(item); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.end(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func sameItem(t *testing.T, a, b *store.Item) {
	t.Helper()
	if a.Key != b.Key || !bytes.Equal(a.Meta, b.Meta) || !bytes.Equal(a.Value, b.Value) || a.Created != b.Created || a.Revision != b.Revision ||
		!a.Modified.Equal(b.Modified) || !a.Expires.Equal(b.Expires) {
		t.Errorf("%+v became %+v", a, b)
	}
}

// FuzzRecord reads what may be an item, with the right checksum: what is taken is the same when it is
// recorded and read again. With another checksum nothing is taken.
func FuzzRecord(f *testing.F) {
	item := store.Item{Key: store.Key{Space: "s", Name: "n"}, Meta: []byte("m"), Value: []byte("v"), Created: 1, Revision: 300, Modified: time.Unix(1e9, 5), Expires: time.Time{}}
	key := appendKey(nil, item.Key)
	f.Add(key, appendRecord(nil, key, &item)[4:])
	f.Add([]byte("i\x81\x00s"), []byte{1, 1})
	f.Add([]byte("i\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01s"), bytes.Repeat([]byte{0xff}, 30))
	f.Fuzz(func(t *testing.T, key, rest []byte) {
		record := binary.LittleEndian.AppendUint32(nil, checksum(key, rest))
		record = append(record, rest...)
		item, err := parseRecord(key, record)
		if err == nil {
			space, name, _ := parseKey(key)
			item.Key = store.Key{Space: string(space), Name: string(name)}
			shortest := appendKey(nil, item.Key)
			again, err := parseRecord(shortest, appendRecord(nil, shortest, &item))
			again.Key = item.Key
			if err != nil {
				t.Fatal(err)
			}
			sameItem(t, &item, &again)
		} else if !errors.Is(err, errKey) && !errors.Is(err, errRecord) {
			t.Fatal(err)
		}
		record[len(record)/2] ^= 1
		if _, err := parseRecord(key, record); err == nil {
			t.Error("a flipped bit was not seen")
		}
	})
}

// FuzzState reads what may be the state of a store, as FuzzRecord does items.
func FuzzState(f *testing.F) {
	f.Add(appendState(nil, state{"epoch", 300, tally{2, 77}})[4:])
	f.Add([]byte{0x80})
	f.Fuzz(func(t *testing.T, rest []byte) {
		value := binary.LittleEndian.AppendUint32(nil, checksum(stateKey, rest))
		value = append(value, rest...)
		s, err := parseState(value)
		if err == nil {
			if again, err := parseState(appendState(nil, s)); err != nil || again != s {
				t.Errorf("%+v became %+v, %v", s, again, err)
			}
		} else if !errors.Is(err, errRecord) {
			t.Fatal(err)
		}
		value[len(value)/2] ^= 1
		if _, err := parseState(value); err == nil {
			t.Error("a flipped bit was not seen")
		}
	})
}

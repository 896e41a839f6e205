package table

import (
	"slices"
	"testing"

	"roost/store"
)

func item(space, name, value string) *store.Item {
	return &store.Item{Key: store.Key{Space: space, Name: name}, Value: []byte(value), Revision: 1}
}

func names(t *Table) (all []string) {
	for _, c := range t.Present() {
		all = append(all, c.Item.Key.Space+" "+c.Item.Key.Name)
	}
	return all
}

// TestOf: what was loaded comes in its order, with its totals, until something is written.
func TestOf(t *testing.T) {
	load := func() *Table {
		return Of([]store.Change{{Item: item("b", "2", "xx")}, {Item: item("b", "1", "x")}, {Item: item("a", "3", "xxx")}})
	}
	loaded := load()
	if got, want := names(loaded), []string{"b 2", "b 1", "a 3"}; !slices.Equal(got, want) {
		t.Errorf("present: %q, not %q", got, want)
	}
	totals := make(map[string][2]uint64)
	loaded.Totals(func(space string, count, bytes uint64) bool {
		totals[space] = [2]uint64{count, bytes}
		return true
	})
	if totals["a"] != [2]uint64{1, 3} || totals["b"] != [2]uint64{2, 3} || len(totals) != 2 {
		t.Error("totals:", totals)
	}
	for what, write := range map[string]store.Write{
		"set":    {Key: store.Key{Space: "b", Name: "1"}, Value: []byte("new")},
		"delete": {Key: store.Key{Space: "b", Name: "1"}, Delete: true},
	} {
		table := load()
		table.Write([]store.Write{write}, 2)
		for _, c := range table.Present() {
			if c.Item.Key == write.Key && string(c.Item.Value) != "new" {
				t.Errorf("%s: what was loaded is present still", what)
			}
		}
	}
}

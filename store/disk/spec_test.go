package disk

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"roost/store"
)

// The examples of the page that describes the format are what is written.
func TestSpec(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../spec/disk-format.md")
	if err != nil {
		t.Fatal(err)
	}
	item := store.Item{
		Key: store.Key{Space: "resource", Name: "/a"}, Meta: []byte("{}"), Value: []byte("Hi"),
		Created: 1, Revision: 300, Modified: time.Date(2026, 5, 1, 12, 0, 0, 500000000, time.UTC),
	}
	key := appendKey(nil, item.Key)
	var all tally
	all.add(&item)
	for _, want := range []string{
		fmt.Sprintf("key    %x\nvalue  %x\n", key, appendRecord(nil, key, &item)),
		fmt.Sprintf("key    %x\nvalue  %x\n", stateKey, appendState(nil, state{"e6nts3vqpbhgu", 300, all})),
		"\n" + floorText("e6nts3vqpbhgu", 300),
		fmt.Sprintf("`%s%d` and a line feed", formatLine, format),
		fmt.Sprintf("format major version %d (", databaseFormat),
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page does not have\n%s", want)
		}
	}
}

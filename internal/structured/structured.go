// Package structured reads the request fields of this server that hold one item
// (RFC 9651 §3.3): Roost-TTL and Idempotency-Key. White space around an item is skipped,
// and its parameters mean nothing.
package structured

import (
	"strings"

	"github.com/dunglas/httpsfv"
)

// maxKey is how long a key may be.
const maxKey = 255

// Integer reads an Integer: at most 15 digits, perhaps after a minus.
func Integer(line string) (int64, bool) {
	item, err := httpsfv.UnmarshalItem([]string{line})
	if err != nil {
		return 0, false
	}
	n, ok := item.Value.(int64)
	return n, ok
}

// Key reads an idempotency key of 1 to 255 characters. It is a String; but many clients
// send it without quotes, so that visible ASCII without quotes, commas and semicolons is
// taken too, as it stands. "k" and k are the same key.
func Key(line string) (string, bool) {
	key := strings.Trim(line, " ")
	if strings.HasPrefix(key, `"`) {
		item, err := httpsfv.UnmarshalItem([]string{key})
		if err != nil {
			return "", false
		}
		key, _ = item.Value.(string)
	} else if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == ',' || r == ';' }) {
		return "", false
	}
	return key, 1 <= len(key) && len(key) <= maxKey
}

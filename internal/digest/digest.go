// Package digest checks and writes digests of content: Content-Digest, Repr-Digest and
// the fields that ask for them (RFC 9530; docs/http-rules.md, rule 35). SHA-256 and
// SHA-512 are known; other algorithms, the insecure ones among them, are as if they were
// not there.
package digest

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/dunglas/httpsfv"
)

// What can be wrong with a digest; the text of the error names the algorithm.
var (
	// ErrMalformed: the field is no dictionary, or a digest in it no byte sequence.
	ErrMalformed = errors.New("not a dictionary of byte sequences")

	// ErrInvalid: a digest is shorter or longer than its algorithm makes it.
	ErrInvalid = errors.New("a digest of the wrong length")

	// ErrMismatch: a digest is not that of the content.
	ErrMismatch = errors.New("not the digest of the content")
)

// Algorithm is a hash algorithm.
type Algorithm int

const (
	SHA256 Algorithm = iota
	SHA512
)

// String is the algorithm's key in the fields.
func (a Algorithm) String() string {
	if a == SHA512 {
		return "sha-512"
	}
	return "sha-256"
}

// Field is the value of Content-Digest or Repr-Digest for content.
func (a Algorithm) Field(content []byte) string {
	return a.String() + "=:" + base64.StdEncoding.EncodeToString(a.sum(content)) + ":"
}

func (a Algorithm) sum(content []byte) []byte {
	if a == SHA512 {
		sum := sha512.Sum512(content)
		return sum[:]
	}
	sum := sha256.Sum256(content)
	return sum[:]
}

func (a Algorithm) size() int {
	if a == SHA512 {
		return sha512.Size
	}
	return sha256.Size
}

// Check compares content with the digests in the lines of a Content-Digest or Repr-Digest
// field. It is nil where each of a known algorithm agrees, and where there is none. Of
// one algorithm given twice the last counts (RFC 9651 §3.2), so that content is hashed at
// most twice, and not at all if a digest cannot be one. Parameters mean nothing.
func Check(lines []string, content []byte) error {
	if len(lines) == 0 {
		return nil
	}
	fields, err := httpsfv.UnmarshalDictionary(lines)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	var given [2][]byte
	for a := range Algorithm(len(given)) {
		m, ok := fields.Get(a.String())
		if !ok {
			continue
		}
		item, _ := m.(httpsfv.Item) // else an inner list
		if given[a], ok = item.Value.([]byte); !ok {
			return fmt.Errorf("%s: %w", a, ErrMalformed)
		}
		if len(given[a]) != a.size() {
			return fmt.Errorf("%s: %w: %d octets, not %d", a, ErrInvalid, len(given[a]), a.size())
		}
	}
	for a := range Algorithm(len(given)) {
		if given[a] != nil && !bytes.Equal(given[a], a.sum(content)) {
			return fmt.Errorf("%s: %w", a, ErrMismatch)
		}
	}
	return nil
}

// Wanted is the algorithm that the lines of a Want-Content-Digest or Want-Repr-Digest
// field give the most weight, 1 to 10 (RFC 9530 §4). If both have the same it is SHA-256,
// the shorter one. An algorithm with weight 0, or one that is no weight, is not wanted;
// in a field that is no dictionary, none is.
func Wanted(lines []string) (Algorithm, bool) {
	fields, err := httpsfv.UnmarshalDictionary(lines)
	if err != nil {
		return 0, false
	}
	short, long := weight(fields, SHA256), weight(fields, SHA512)
	if long > short {
		return SHA512, true
	}
	return SHA256, short > 0
}

// weight is 0 where the field has none for a.
func weight(fields *httpsfv.Dictionary, a Algorithm) int64 {
	m, _ := fields.Get(a.String())
	item, _ := m.(httpsfv.Item)
	if w, ok := item.Value.(int64); ok && 0 <= w && w <= 10 {
		return w
	}
	return 0
}

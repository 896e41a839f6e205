package http1

import (
	"encoding/binary"
	"math/bits"
)

// lower maps letters to small ones, and every other octet to itself.
var lower = func() (t [256]byte) {
	for c := range 256 {
		t[c] = byte(c)
		if 'A' <= c && c <= 'Z' {
			t[c] |= 0x20
		}
	}
	return t
}()

// isToken holds the octets of a token (RFC 9110 §5.6.2).
var isToken = func() (t [256]bool) {
	const marks = "!#$%&'*+-.^_`|~"
	for c := '0'; c <= '9'; c++ {
		t[c] = true
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c&^0x20] = true, true
	}
	for i := range len(marks) {
		t[marks[i]] = true
	}
	return t
}()

// isBlank is white space within a line: OWS, BWS (RFC 9110 §5.6.3).
func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// isText are the octets of a value: all but controls, of which HTAB alone is allowed
// (rule 5; RFC 9110 §5.5).
func isText(c byte) bool { return c >= 0x20 && c != 0x7f || c == '\t' }

// equalFold compares b with s, which is in small letters.
func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if lower[c] != s[i] {
			return false
		}
	}
	return true
}

// trim takes the white space around a value away.
func trim(b []byte) []byte {
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isBlank(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// below marks the octets of x that are below least, which is at most 0x80, or DEL. Only the
// lowest mark can be relied upon.
func below(x uint64, least uint64) uint64 {
	del := x ^ 0x7f*ones
	return ((x-least*ones)&^x | (del-ones)&^del) & highs
}

// skip is the place of the first octet of b from i on that is below least, or DEL; len(b)
// where there is none.
func skip(b []byte, i int, least byte) int {
	for len(b)-i >= 8 {
		if m := below(binary.LittleEndian.Uint64(b[i:]), uint64(least)); m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
	}
	for i < len(b) && b[i] >= least && b[i] != 0x7f {
		i++
	}
	return i
}

// skipText is the place of the first octet of b from i on that no value may have (rule 5);
// len(b) where there is none.
func skipText(b []byte, i int) int {
	for {
		i = skip(b, i, 0x20)
		if i == len(b) || b[i] != '\t' {
			return i
		}
		i++
	}
}

// Package byterange reads the Range field (RFC 9110 §14): one range of octets of a
// representation, as nobody is served several.
package byterange

import (
	"math"
	"strconv"
	"strings"
)

// Result says what a Range field comes to.
type Result int

const (
	// Ignored: the field is malformed, of another unit, or asks for several ranges
	// (§14.2 allows to ignore it).
	Ignored Result = iota

	// Satisfiable: the range is there, perhaps cut short by the end.
	Satisfiable

	// Unsatisfiable: the range begins after the end, or is of no octets (§15.5.17).
	Unsatisfiable
)

// Parse reads a Range field for a representation of size octets, which is not empty. The
// range is from first to last, both included.
func Parse(field string, size int64) (first, last int64, r Result) {
	unit, set, ok := strings.Cut(field, "=")
	if !ok || !strings.EqualFold(strings.TrimRight(unit, " \t"), "bytes") {
		return 0, 0, Ignored
	}
	spec := only(set)
	from, to, ok := strings.Cut(spec, "-")
	switch {
	case !ok:
		return 0, 0, Ignored
	case from == "":
		return suffix(to, size)
	}
	first, ok = position(from)
	if !ok {
		return 0, 0, Ignored
	}
	last = math.MaxInt64
	if to != "" {
		if last, ok = position(to); !ok || last < first {
			return 0, 0, Ignored
		}
	}
	if first >= size {
		return 0, 0, Unsatisfiable
	}
	return first, min(last, size-1), Satisfiable
}

// suffix is the range of the last octets.
func suffix(length string, size int64) (first, last int64, r Result) {
	n, ok := position(length)
	switch {
	case !ok:
		return 0, 0, Ignored
	case n == 0:
		return 0, 0, Unsatisfiable
	}
	return max(0, size-n), size - 1, Satisfiable
}

// only is the one member of a list that is not empty; empty where there are more.
func only(list string) string {
	found := ""
	for member := range strings.SplitSeq(list, ",") {
		if member = strings.Trim(member, " \t"); member == "" {
			continue
		}
		if found != "" {
			return ""
		}
		found = member
	}
	return found
}

// position reads digits; more than fit are as many as there can be.
func position(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return math.MaxInt64, true
	}
	return n, true
}

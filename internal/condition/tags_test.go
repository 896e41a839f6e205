package condition

import (
	"strings"
	"testing"
	"time"
)

func TestTags(t *testing.T) {
	for _, row := range []struct {
		lines        string // each ends in "|"
		strong, weak bool   // names "a"
	}{
		{`"a"`, true, true},
		{`W/"a"`, false, true},
		{`w/"a"`, false, false}, // the prefix is case-sensitive
		{`"b", "a"`, true, true},
		{`"b" ,	"a"	`, true, true},
		{`,,"b",,"a",`, true, true},
		{`"b"|"a"`, true, true},
		{`"b"`, false, false},
		{`""`, false, false},
		{`"A"`, false, false},
		{`a`, false, false},
		{`'a'`, false, false},
		{`"a`, false, false},
		{`a"`, false, false},
		{`*`, false, false},
		{`"a" x`, false, false},
		{`x "a"`, false, false},
		{`x, "a"`, true, true},
		{`"a""b"`, false, false},
		{`"b,"a"`, false, false},
		{`"b,", "a"`, true, true},
		{`"b\", "a"`, true, true}, // a backslash is a character of a tag
		{`" a", "a"`, true, true}, // a space is none
		{`"b c", "a"`, true, true},
		{`W/ "a"`, false, false},
		{`W/W/"a"`, false, false},
		{`W/"b", "a"`, true, true},
		{``, false, false},
		{`,`, false, false},
	} {
		lines := strings.Split(row.lines, "|")
		if got := Strong(lines, `"a"`); got != row.strong {
			t.Errorf("%s: strong %v", row.lines, got)
		}
		if got := Weak(lines, `"a"`); got != row.weak {
			t.Errorf("%s: weak %v", row.lines, got)
		}
		if Strong(lines, `W/"a"`) {
			t.Errorf("%s fits a weak tag strongly", row.lines)
		}
		if got := Weak(lines, `W/"a"`); got != row.weak {
			t.Errorf("%s: weak %v of a weak tag", row.lines, got)
		}
	}
}

func TestSole(t *testing.T) {
	for field, want := range map[string]bool{`"a"`: true, `W/"a"`: false, `"b"`: false, `"a", "b"`: false, ``: false, `Sun, 06 Nov 1994 08:49:37 GMT`: false} {
		if got := Sole(field, `"a"`); got != want {
			t.Errorf("%s: %v", field, got)
		}
	}
	if Sole(`W/"a"`, `W/"a"`) {
		t.Error("a weak tag fits")
	}
}

func TestAny(t *testing.T) {
	for lines, want := range map[string]bool{
		`*`: true, ` * `: true, `*,`: true, `|*`: true,
		``: false, `"*"`: false, `*, "a"`: false, `"a", *`: false, `*|*`: false, `*, *`: false, `**`: false,
	} {
		if got := Any(strings.Split(lines, "|")); got != want {
			t.Errorf("%q: %v", lines, got)
		}
	}
}

func TestDate(t *testing.T) {
	want := time.Date(1994, 11, 6, 8, 49, 37, 0, time.UTC)
	for _, s := range []string{"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"} {
		if got, ok := Date([]string{s}); !ok || !got.Equal(want) {
			t.Errorf("%q: %v, %v", s, got, ok)
		}
	}
	for _, lines := range [][]string{nil, {""}, {"yesterday"}, {"1994-11-06T08:49:37Z"}, {"Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT"}} {
		if got, ok := Date(lines); ok {
			t.Errorf("%q: %v", lines, got)
		}
	}
}

// Whatever comes, a tag that stands in the list by the grammar is found.
func FuzzTags(f *testing.F) {
	for _, s := range []string{`"a"`, `W/"a", "b"`, `*`, `x, "`, `"b,"a"`, `"\"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		lines := []string{s}
		strong, weak := Strong(lines, `"a"`), Weak(lines, `"a"`)
		if strong && !weak {
			t.Errorf("%q fits strongly and not weakly", s)
		}
		if Any(lines) && weak {
			t.Errorf("%q is both * and a tag", s)
		}
		if !Strong([]string{s, `"a"`}, `"a"`) {
			t.Errorf("a line after %q is not read", s)
		}
	})
}

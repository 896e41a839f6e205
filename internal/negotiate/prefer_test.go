package negotiate

import (
	"strings"
	"testing"
)

func TestPreference(t *testing.T) {
	for _, row := range []struct {
		lines string // each ends in "|"
		value string
		ok    bool
	}{
		{`return=minimal`, "minimal", true},
		{`Return=minimal`, "minimal", true},
		{`return="minimal"`, "minimal", true},
		{`return="mini\mal"`, "minimal", true},
		{`return = minimal`, "minimal", true},
		{`return`, "", true},
		{`return=""`, "", true},
		{`return; a=b`, "", true},
		{`return=minimal; foo="a, b"`, "minimal", true},
		{`wait=5, return=minimal`, "minimal", true},
		{`wait=5|return=minimal`, "minimal", true},
		{`foo="return=x", return=minimal`, "minimal", true},
		{`return=minimal, return=representation`, "minimal", true},
		{`return=minimal|return=representation`, "minimal", true},
		{`return=, return=minimal`, "minimal", true},
		{`return="x, return=minimal`, "", false},
		{`returns=minimal`, "", false},
		{`=minimal`, "", false},
		{`return=min imal`, "", false},
		{``, "", false},
	} {
		value, ok := Preference(strings.Split(row.lines, "|"), "return")
		if value != row.value || ok != row.ok {
			t.Errorf("%s: %q, %v, want %q, %v", row.lines, value, ok, row.value, row.ok)
		}
	}
	if _, ok := Preference(nil, "return"); ok {
		t.Error("without a field there is a preference")
	}
}

// A line after another is read, whatever stands in that.
func FuzzPreference(f *testing.F) {
	for _, s := range []string{`return=minimal`, `a="b`, `wait=5;x="y,z"`, `return=`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if _, ok := Preference([]string{s, "last=x"}, "last"); !ok {
			t.Errorf("the line after %q is not read", s)
		}
	})
}

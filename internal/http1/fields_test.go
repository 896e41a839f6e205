package http1

import (
	"net/textproto"
	"strings"
	"testing"
)

func TestLookup(t *testing.T) {
	for id := Other + 1; id < numIDs; id++ {
		name := id.String()
		if name == "" || name != textproto.CanonicalMIMEHeaderKey(name) {
			t.Errorf("%d is %q", id, name)
		}
		for _, written := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			if got := Lookup([]byte(written)); got != id {
				t.Errorf("%q is %q", written, got)
			}
			if got := Canonical([]byte(written)); got != name {
				t.Errorf("%q is written %q", written, got)
			}
		}
		if n := testing.AllocsPerRun(10, func() { Canonical([]byte(name)) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
		for i := range name { // another octet, or the one that a letter becomes when only a bit is looked at
			other := []byte(name)
			if other[i] = '~'; Lookup(other) == id {
				t.Errorf("%q is %q", other, name)
			}
			if other[i] = name[i] ^ 0x20; name[i] == '-' && Lookup(other) == id {
				t.Errorf("%q is %q", other, name)
			}
		}
	}
	for _, name := range []string{"", "x", "a", "Etag", "Www-Authenticate", "Content_Length", "Hos", "Hostt", strings.Repeat("a", 300)} {
		if got := Lookup([]byte(name)); got != Other {
			t.Errorf("%q is %q", name, got)
		}
		if got, want := Canonical([]byte(name)), textproto.CanonicalMIMEHeaderKey(name); got != want {
			t.Errorf("%q is written %q, want %q", name, got, want)
		}
	}
}

func TestSet(t *testing.T) {
	if numIDs > 64 {
		t.Fatal("too many for a Set")
	}
	s := SetOf(Host, Accept)
	if !s.Has(Host) || s.Has(Other) || s.Within(Harmless) || !SetOf(Host, Referer).Within(Harmless) || SetOf(Other).Within(Harmless) {
		t.Errorf("%x", s)
	}
}

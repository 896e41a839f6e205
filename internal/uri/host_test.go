package uri_test

import (
	"net/netip"
	"strings"
	"testing"

	"roost/internal/uri"
)

// hosts is rule 6: what a Host field may hold and what not.
var hosts = []struct {
	host string
	want bool
}{
	{"example.org", true},
	{"localhost:8080", true},
	{"a", true},
	{"a.", true},
	{"under_score", true},
	{"ex%41mple", true},
	{"a!$&'()*+;=b", true},
	{"192.0.2.1", true},
	{"192.0.2.1:80", true},
	{"999.0.2.1", true}, // a name by the grammar
	{"a:", true},        // an empty port is the scheme's own
	{"a:0", true},
	{"a:65535", true},
	{"a:00080", true},
	{"[::1]", true},
	{"[::1]:443", true},
	{"[::1]:", true},
	{"[v7.a:b]", true},
	{"[V1F.x]:1", true},

	{"", false},
	{":80", false},
	{"a:65536", false},
	{"a:99999999999999999999", false},
	{"a:-1", false},
	{"a:+1", false},
	{"a:8O", false},
	{"a:80:81", false},
	{"a,b", false},
	{"a, a", false},
	{"user@a", false},
	{"a/", false},
	{"a/b", false},
	{"a?", false},
	{"a#", false},
	{"a b", false},
	{" a", false},
	{"a ", false},
	{"a\t", false},
	{"a\x00", false},
	{"é", false},
	{"a%", false},
	{"a%4", false},
	{"a%zz", false},
	{`a"`, false},
	{"::1", false},
	{"[]", false},
	{"[", false},
	{"[::1", false},
	{"[::1]a", false},
	{"[::1]80", false},
	{"a[::1]", false},
	{"[[::1]]", false},
	{"[192.0.2.1]", false},
	{"[fe80::1%25eth0]", false},
	{"[v7.]", false},
	{"[v.a]", false},
	{"[vg.a]", false},
	{"[v7]", false},
	{"[v7.a,b]", false},
	{"[v7.a/b]", false},
}

func TestValidHost(t *testing.T) {
	for _, tt := range hosts {
		if got := uri.ValidHost(tt.host); got != tt.want {
			t.Errorf("rule 6: ValidHost(%q) = %v", tt.host, got)
		}
		if n := testing.AllocsPerRun(10, func() { uri.ValidHost(tt.host) }); n != 0 {
			t.Errorf("ValidHost(%q): %v allocations, want 0", tt.host, n)
		}
	}
}

var addresses = []string{
	"::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::8", "2001:DB8::a", "::ffff:192.0.2.1",
	"1:2:3:4:5:6:192.0.2.1", "1:2:3:4:5::192.0.2.1", "::192.0.2.1",
	"", ":", ":::", "1", "1:", ":1", "1:2", "1:::2", "1::2::3", "::1::", "12345::", "g::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::",
	"1:2:3:4::5:6:7:8", "::1.2.3", "::1.2.3.256", "::01.2.3.4", "::1.2.3.4.5", "::1.2.3.4:5", "1.2.3.4::", "1:2:3:4:5:6:7:1.2.3.4", "::1.2..3", "::a.2.3.4",
}

func FuzzValidHost(f *testing.F) {
	for _, tt := range hosts {
		f.Add(tt.host)
	}
	for _, address := range addresses {
		f.Add("[" + address + "]")
	}
	f.Fuzz(func(t *testing.T, host string) {
		valid := uri.ValidHost(host)
		if valid && strings.ContainsAny(host, " ,@/?#\\\"<>{}^`|\r\n\t\x00\x7f") {
			t.Errorf("ValidHost(%q) is true", host)
		}
		inner, ok := strings.CutPrefix(host, "[")
		inner, ok2 := strings.CutSuffix(inner, "]")
		if !ok || !ok2 || inner != "" && inner[0]|0x20 == 'v' {
			return
		}
		address, err := netip.ParseAddr(inner)
		if want := err == nil && address.Is6() && address.Zone() == ""; valid != want {
			t.Errorf("ValidHost(%q) = %v; net/netip says %v", host, valid, want)
		}
	})
}

func BenchmarkValidHost(b *testing.B) {
	for _, host := range []string{"kitchen.example.org:8080", "[2001:db8::1]:8080"} {
		b.Run(host[:1], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !uri.ValidHost(host) {
					b.Fatal(host)
				}
			}
		})
	}
}

package uri_test

import (
	"strings"
	"testing"

	"roost/internal/uri"
)

// targets is rule 16: every form, taken apart.
var targets = []struct {
	raw  string
	want uri.Target
}{
	{"/", uri.Target{Form: uri.Origin, Path: "/"}},
	{"/a/b?c=d", uri.Target{Form: uri.Origin, Path: "/a/b", Query: "c=d"}},
	{"/a?", uri.Target{Form: uri.Origin, Path: "/a"}},
	{"/a?b?c", uri.Target{Form: uri.Origin, Path: "/a", Query: "b?c"}},
	{"/?{\"[é|", uri.Target{Form: uri.Origin, Path: "/", Query: "{\"[é|"}},
	{"//a/b", uri.Target{Form: uri.Origin, Path: "//a/b"}},
	{"/../%41", uri.Target{Form: uri.Origin, Path: "/../%41"}},
	{"/http://a/", uri.Target{Form: uri.Origin, Path: "/http://a/"}},
	{"http://example.org/a?b", uri.Target{Form: uri.Absolute, Scheme: "http", Authority: "example.org", Path: "/a", Query: "b"}},
	{"HTTPS://Example.org:8443", uri.Target{Form: uri.Absolute, Scheme: "https", Authority: "Example.org:8443"}},
	{"http://example.org?b", uri.Target{Form: uri.Absolute, Scheme: "http", Authority: "example.org", Query: "b"}},
	{"http://example.org?b/c", uri.Target{Form: uri.Absolute, Scheme: "http", Authority: "example.org", Query: "b/c"}},
	{"http://[::1]:80/", uri.Target{Form: uri.Absolute, Scheme: "http", Authority: "[::1]:80", Path: "/"}},
	{"ftp://example.org/a", uri.Target{Form: uri.Absolute, Scheme: "ftp", Authority: "example.org", Path: "/a"}},
	{"coap+tcp://a//b", uri.Target{Form: uri.Absolute, Scheme: "coap+tcp", Authority: "a", Path: "//b"}},
	{"*", uri.Target{Form: uri.Asterisk}},
	{"example.org:443", uri.Target{Form: uri.Authority, Authority: "example.org:443"}},
	{"[2001:db8::1]:443", uri.Target{Form: uri.Authority, Authority: "[2001:db8::1]:443"}},
}

func TestParseTarget(t *testing.T) {
	for _, tt := range targets {
		got, err := uri.ParseTarget(tt.raw)
		if got != tt.want || err != nil {
			t.Errorf("rule 16: ParseTarget(%q) = %+v, %v; want %+v", tt.raw, got, err, tt.want)
		}
	}
}

var noTargets = []string{
	"", "a", "a/b", "?a", "**", "*?a", "*/", " /",
	"http:", "http:/a", "http:a", "://a/", "1a://b/", "a_b://c/", "mailto:a@b",
	"http://", "http:///a", "http://?a", "http://:80/", // empty host
	"http://user@example.org/", "http://user:secret@example.org/", "http://@a/", // userinfo
	"http://a,b/", "http://a b/", "http://a#b", "http://a:b/", "http://a:65536/", `http://a\b/`, "http://[::1/",
	"example.org", "example.org:", ":443", "example.org:99999", "user@example.org:443", "a,b:1", "a:1/", "a:1?b",
	"/a?b c", "/a?b#c", "/a?b\x00", "/a?\n", "/a?\x7f", "http://a/?b c",
}

func TestParseTargetRefuses(t *testing.T) {
	for _, raw := range noTargets {
		if got, err := uri.ParseTarget(raw); err == nil || got != (uri.Target{}) {
			t.Errorf("rule 16: ParseTarget(%q) = %+v, %v; want an error", raw, got, err)
		}
	}
}

func TestParseTargetDoesNotAllocate(t *testing.T) {
	for _, raw := range []string{"/sensors/kitchen?unit=K", "http://example.org/a", "*", "example.org:443"} {
		if n := testing.AllocsPerRun(100, func() { uri.ParseTarget(raw) }); n != 0 {
			t.Errorf("ParseTarget(%q): %v allocations, want 0", raw, n)
		}
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, tt := range targets {
		f.Add(tt.raw)
	}
	for _, raw := range noTargets {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := uri.ParseTarget(raw)
		if err != nil {
			if got != (uri.Target{}) {
				t.Errorf("ParseTarget(%q) = %+v and %v", raw, got, err)
			}
			return
		}
		whole := got.Authority + got.Path
		switch got.Form {
		case uri.Origin:
			if !strings.HasPrefix(got.Path, "/") || got.Authority != "" || got.Scheme != "" {
				t.Errorf("ParseTarget(%q) = %+v", raw, got)
			}
		case uri.Absolute:
			if got.Scheme == "" || got.Scheme != strings.ToLower(got.Scheme) ||
				!uri.ValidHost(got.Authority) || got.Path != "" && got.Path[0] != '/' {
				t.Errorf("ParseTarget(%q) = %+v", raw, got)
			}
			whole = raw[:len(got.Scheme)] + "://" + whole
		case uri.Asterisk:
			whole = "*"
		case uri.Authority:
			if !uri.ValidHost(got.Authority) {
				t.Errorf("ParseTarget(%q) = %+v", raw, got)
			}
		}
		if got.Query != "" || strings.HasSuffix(raw, "?") {
			whole += "?" + got.Query
		}
		if whole != raw || strings.Contains(got.Path, "?") {
			t.Errorf("ParseTarget(%q) = %+v, together %q", raw, got, whole)
		}
	})
}

func BenchmarkParseTarget(b *testing.B) {
	for _, bb := range []struct{ name, raw string }{
		{"origin", "/sensors/kitchen/temperature"},
		{"query", "/sensors/kitchen/temperature?unit=K&digits=3"},
		{"absolute", "http://example.org:8080/sensors/kitchen"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := uri.ParseTarget(bb.raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

package uri_test

import (
	"strings"
	"testing"

	"roost/internal/uri"
)

// normalForms is rule 17: a path as it is received, and its normal form.
var normalForms = []struct{ path, want string }{
	{"", "/"},
	{"/", "/"},
	{"/a/b", "/a/b"},

	// Case, empty segments, the last slash and %2F are kept.
	{"/A/a", "/A/a"},
	{"/a/", "/a/"},
	{"//a", "//a"},
	{"/a//b", "/a//b"},
	{"/a%2Fb", "/a%2Fb"},

	// Hex digits in upper case.
	{"/%c3%a9", "/%C3%A9"},
	{"/a%2fb", "/a%2Fb"},
	{"/%5b%5D%7c", "/%5B%5D%7C"},
	{"/%ff", "/%FF"},

	// Unreserved characters decoded, all others not.
	{"/%41%5A%61%7A%30%39%2D%2E%5F%7E", "/AZaz09-._~"},
	{"/%2d%5f%7e", "/-_~"},
	{"/%21%24%26%27%28%29%2A%2B%2C%3B%3D%3A%40", "/%21%24%26%27%28%29%2A%2B%2C%3B%3D%3A%40"},
	{"/!$&'()*+,;=:@", "/!$&'()*+,;=:@"},
	{"/%20%22%23%25%3F", "/%20%22%23%25%3F"},
	{"/%2541", "/%2541"}, // once, not twice

	// Dot segments removed, after decoding.
	{"/.", "/"},
	{"/..", "/"},
	{"/./", "/"},
	{"/../", "/"},
	{"/a/.", "/a/"},
	{"/a/..", "/"},
	{"/a/../", "/"},
	{"/a/b/..", "/a/"},
	{"/a/./b", "/a/b"},
	{"/a/../b", "/b"},
	{"/../../a", "/a"},
	{"/a/%2e%2E/b", "/b"},
	{"/a/.%2e/b", "/b"},
	{"/a/%2e/b", "/a/b"},
	{"/a/b/c/./../../g", "/a/g"},
	{"/mid/content=5/../6", "/mid/6"},
	{"//..", "/"},
	{"/a//..", "/a/"},
	{"/a//../b", "/a/b"},
	{"/a/..//b", "//b"},
	{"/a/..%2Fb", "/a/..%2Fb"},

	// Dots that are no dot segments.
	{"/...", "/..."},
	{"/.a", "/.a"},
	{"/..a/a..", "/..a/a.."},
	{"/a./b.", "/a./b."},

	// What browsers send raw.
	{"/[a]|b", "/%5Ba%5D%7Cb"},
}

func TestNormalize(t *testing.T) {
	for _, tt := range normalForms {
		got, err := uri.Normalize(tt.path)
		if got != tt.want || err != nil {
			t.Errorf("rule 17: Normalize(%q) = %q, %v; want %q", tt.path, got, err, tt.want)
		}
	}
}

func TestNormalizeRefuses(t *testing.T) {
	for _, path := range []string{
		"a", "a/b", "?", "*", "%2F", ".", "/a?b",
		"/%", "/%4", "/%4g", "/%g4", "/a%", "/%%41", "/% 41", "/%+1",
		"/%00", "/%0a", "/%1F", "/%7F", "/%7f",
	} {
		if got, err := uri.Normalize(path); err == nil {
			t.Errorf("rule 17: Normalize(%q) = %q, want an error", path, got)
		}
	}
}

// Every octet, raw and as a percent form, is kept, rewritten or refused as rule 17
// lists it.
func TestNormalizeOctets(t *testing.T) {
	const (
		unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
		others     = "/:@!$&'()*+,;="
		encoded    = "[]|"
		hex        = "0123456789ABCDEF"
	)
	for c := range 256 {
		octet := string([]byte{byte(c)})
		form := "%" + string(hex[c>>4]) + string(hex[c&15])

		raw := ""
		switch {
		case strings.Contains(unreserved+others, octet):
			raw = "/x" + octet
		case strings.Contains(encoded, octet):
			raw = "/x" + form
		}
		if got, err := uri.Normalize("/x" + octet); got != raw || (err == nil) != (raw != "") {
			t.Errorf("rule 17: raw octet %02X: %q, %v; want %q", c, got, err, raw)
		}

		decoded := "/x" + form
		switch {
		case strings.Contains(unreserved, octet):
			decoded = "/x" + octet
		case c < 0x20 || c == 0x7f:
			decoded = ""
		}
		if got, err := uri.Normalize("/x" + form); got != decoded || (err == nil) != (decoded != "") {
			t.Errorf("rule 17: percent form %s: %q, %v; want %q", form, got, err, decoded)
		}
	}
}

func TestNormalizeKeepsLongPaths(t *testing.T) {
	long := strings.Repeat("/a%20b", 2000)
	if got, err := uri.Normalize(long + "/%41"); got != long+"/A" || err != nil {
		t.Errorf("a path of %d octets comes back with %d, %v", len(long)+4, len(got), err)
	}
}

func TestNormalizeDoesNotAllocate(t *testing.T) {
	for _, path := range []string{"/", "/sensors/kitchen/temperature", "/Z%C3%A4hler/.well-known/..."} {
		if n := testing.AllocsPerRun(100, func() { uri.Normalize(path) }); n != 0 {
			t.Errorf("Normalize(%q): %v allocations, want 0", path, n)
		}
	}
}

// normalizeByTheBook is rule 17 in the words of the RFC, one step after another.
func normalizeByTheBook(path string) (string, bool) {
	const kept = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
	if path == "" {
		return "/", true
	}
	if !strings.HasPrefix(path, "/") {
		return "", false
	}
	in := ""
	for path != "" {
		c := path[:1]
		path = path[1:]
		switch {
		case c == "%":
			if len(path) < 2 {
				return "", false
			}
			form := strings.ToUpper(path[:2])
			high, low := strings.Index("0123456789ABCDEF", form[:1]), strings.Index("0123456789ABCDEF", form[1:])
			if len(form) != 2 || high < 0 || low < 0 || high < 2 || form == "7F" {
				return "", false
			}
			path = path[2:]
			if c = string([]byte{byte(16*high + low)}); !strings.Contains(kept, c) {
				c = "%" + form
			}
		case c == "[":
			c = "%5B"
		case c == "]":
			c = "%5D"
		case c == "|":
			c = "%7C"
		case !strings.Contains(kept+"/:@!$&'()*+,;=", c):
			return "", false
		}
		in += c
	}
	out := "" // RFC 3986 §5.2.4, step 2
	for in != "" {
		switch {
		case strings.HasPrefix(in, "/./"): // B
			in = in[2:]
		case in == "/.":
			in = "/"
		case strings.HasPrefix(in, "/../"): // C
			in = in[3:]
			out = out[:max(strings.LastIndex(out, "/"), 0)]
		case in == "/..":
			in = "/"
			out = out[:max(strings.LastIndex(out, "/"), 0)]
		default: // E
			end := strings.Index(in[1:], "/") + 1
			if end == 0 {
				end = len(in)
			}
			out += in[:end]
			in = in[end:]
		}
	}
	return out, true
}

func FuzzNormalize(f *testing.F) {
	for _, tt := range normalForms {
		f.Add(tt.path)
	}
	for _, path := range []string{"a", "/%4", "/%0a", "/ ", "/\x80", "/a?b"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if len(path) > 4096 {
			t.Skip("the slow way takes too long")
		}
		got, err := uri.Normalize(path)
		want, ok := normalizeByTheBook(path)
		if got != want || (err == nil) != ok {
			t.Fatalf("Normalize(%q) = %q, %v; by the book %q, %v", path, got, err, want, ok)
		}
		if err != nil {
			return
		}
		if again, err := uri.Normalize(got); again != got || err != nil {
			t.Fatalf("%q is normalized to %q, that to %q, %v", path, got, again, err)
		}
	})
}

func BenchmarkNormalize(b *testing.B) {
	for _, bb := range []struct{ name, path string }{
		{"normal", "/sensors/kitchen/temperature"},
		{"percent", "/Z%C3%A4hler/K%C3%BCche"},
		{"rewritten", "/sensors/%6bitchen/./temperature"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := uri.Normalize(bb.path); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

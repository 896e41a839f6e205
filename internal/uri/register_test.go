package uri_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"roost/internal/uri"
)

// keys is rule 18: what a program writes, and the key of the resource.
var keys = []struct{ written, want string }{
	{"/", "/"},
	{"/a", "/a"},
	{"/a/", "/a/"},
	{"/a//b", "/a//b"},
	{"/A", "/A"},
	{"/%41", "/A"},
	{"/%7euser", "/~user"},
	{"/%2Fa", "/%2Fa"},
	{"/a%2fb", "/a%2Fb"},
	{"/a b", "/a%20b"},
	{"/a%20b", "/a%20b"},
	{"/é", "/%C3%A9"},
	{"/%c3%a9", "/%C3%A9"},
	{"/日本/🐔", "/%E6%97%A5%E6%9C%AC/%F0%9F%90%94"},
	{`/{"a"}`, "/%7B%22a%22%7D"},
	{"/<>^`\\", "/%3C%3E%5E%60%5C"},
	{"/[a]|b", "/%5Ba%5D%7Cb"},
	{"/a%3Fb%23c%25", "/a%3Fb%23c%25"},
	{"/!$&'()*+,;=:@", "/!$&'()*+,;=:@"},
	{"/...", "/..."},
	{"/.well-known/a.b", "/.well-known/a.b"},
	{"/..%2Fa", "/..%2Fa"},
	{"/\u00a0", "/%C2%A0"},
}

func TestRegister(t *testing.T) {
	for _, tt := range keys {
		got, err := uri.Register(tt.written)
		if got != tt.want || err != nil {
			t.Errorf("rule 18: Register(%q) = %q, %v; want %q", tt.written, got, err, tt.want)
		}
	}
}

// refusedURIs is the list of what rule 18 refuses, and a part of the error.
var refusedURIs = []struct{ written, because string }{
	{"", `must start with "/"`},
	{"a", `must start with "/"`},
	{"*", `must start with "/"`},
	{"http://example.org/a", `must start with "/"`},
	{"%2Fa", `must start with "/"`},
	{"//", `must not start with "//"`},
	{"//a/b", `must not start with "//"`},
	{"/a?", `must not hold "?"`},
	{"/a?b=c", "write %3F for a literal one"},
	{"/a#b", "write %23 for a literal one"},
	{"/a\nb", "control characters"},
	{"/\x00", "U+0000"},
	{"/\t", "control characters"},
	{"/\x7f", "U+007F"},
	{"/\u0085", "U+0085"},
	{"/%0A", "U+000A"},
	{"/%00", "control characters"},
	{"/%7f", "U+007F"},
	{"/%c2%85", "U+0085"},
	{"/100%", "write %25 for a literal one"},
	{"/%4", "write %25 for a literal one"},
	{"/%zz", "write %25 for a literal one"},
	{"/%é", "write %25 for a literal one"},
	{"/%E9", "percent forms that are not UTF-8"},
	{"/%C3", "percent forms that are not UTF-8"},
	{"/%C3é", "percent forms that are not UTF-8"},
	{"/%C3/%A9", "percent forms that are not UTF-8"},
	{"/%C0%AF", "percent forms that are not UTF-8"},
	{"/%ED%A0%80", "percent forms that are not UTF-8"},
	{"/\xe9", "must be UTF-8"},
	{"/\xc3%A9", "must be UTF-8"},
	{"/.", `"." or ".."`},
	{"/..", `"." or ".."`},
	{"/a/./b", `"." or ".."`},
	{"/a/../b", `"." or ".."`},
	{"/a/%2e%2E", `"." or ".."`},
	{"/%2e/a", `"." or ".."`},
	{"/.%2e", `"." or ".."`},
	{"/" + strings.Repeat("a", uri.MaxLength), "longer than 2048 octets"},
	{"/" + strings.Repeat("é", uri.MaxLength/6+1), "longer than 2048 octets"},
}

func TestRegisterRefuses(t *testing.T) {
	for _, tt := range refusedURIs {
		got, err := uri.Register(tt.written)
		if err == nil || got != "" || !strings.Contains(err.Error(), tt.because) {
			t.Errorf("rule 18: Register(%.40q) = %q, %v; want an error with %q", tt.written, got, err, tt.because)
		}
	}
}

// The limit of rule 18 is on the normal form, not on what is written.
func TestRegisterLength(t *testing.T) {
	longest := "/" + strings.Repeat("a", uri.MaxLength-1)
	for _, written := range []string{longest, "/" + strings.Repeat("%61", uri.MaxLength-1)} {
		if got, err := uri.Register(written); got != longest || err != nil {
			t.Errorf("rule 18: %d octets with a normal form of %d: %v", len(written), uri.MaxLength, err)
		}
	}
}

// A program's URI and a request for it meet: the key is a fixed point of
// Normalize, and so is every key of random text.
func TestRegisterMeetsNormalize(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 17))
	pieces := []string{"/", "a", "B", ".", "..", "%2e", "%2F", "%41", "%c3%a9", "é", "🐔", " ", "[", "{", "~", "+", "%25", "%"}
	valid := 0
	for range 20_000 {
		written := "/"
		for range random.IntN(8) {
			written += pieces[random.IntN(len(pieces))]
		}
		key, err := uri.Register(written)
		if err != nil {
			continue
		}
		valid++
		checkKey(t, written, key)
	}
	if valid < 1000 {
		t.Errorf("only %d URIs were valid", valid)
	}
}

func checkKey(t *testing.T, written, key string) {
	t.Helper()
	if got, err := uri.Normalize(key); got != key || err != nil {
		t.Errorf("Register(%q) = %q, but Normalize makes that %q, %v", written, key, got, err)
	}
	if got, err := uri.Register(key); got != key || err != nil {
		t.Errorf("Register(%q) = %q, but Register makes that %q, %v", written, key, got, err)
	}
	// What is written without octets that need encoding is itself a path on the wire.
	if got, err := uri.Normalize(written); err == nil && got != key {
		t.Errorf("Register(%q) = %q, Normalize = %q", written, key, got)
	}
	if len(key) > uri.MaxLength || strings.HasPrefix(key, "//") || strings.ContainsAny(key, "?#") {
		t.Errorf("Register(%q) = %q", written, key)
	}
}

func FuzzRegister(f *testing.F) {
	for _, tt := range keys {
		f.Add(tt.written)
	}
	for _, tt := range refusedURIs {
		f.Add(tt.written)
	}
	f.Fuzz(func(t *testing.T, written string) {
		key, err := uri.Register(written)
		if err != nil {
			if key != "" {
				t.Errorf("Register(%q) = %q and %v", written, key, err)
			}
			return
		}
		checkKey(t, written, key)
	})
}

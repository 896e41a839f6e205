package structured

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var integers = []struct {
	line string
	want int64
	ok   bool
}{
	{"0", 0, true},
	{"60", 60, true},
	{"-1", -1, true},
	{"-0", 0, true},
	{"007", 7, true},
	{"999999999999999", 999999999999999, true},
	{"-999999999999999", -999999999999999, true},
	{"  60  ", 60, true},
	{"60;a", 60, true},
	{`60; a=1;b="x, y";c=?0;d=1.5;e=:AAAA:;f=tok ;`, 0, false},
	{`60; a=1;b="x, y";c=?0;d=1.5;e=:AAAA:;f=tok;g=@1`, 60, true},

	{"", 0, false},
	{" ", 0, false},
	{"-", 0, false},
	{"+1", 0, false},
	{"--1", 0, false},
	{"1.0", 0, false},
	{"1.", 0, false},
	{"1e3", 0, false},
	{"0x10", 0, false},
	{"1000000000000000", 0, false},
	{"0000000000000001", 0, false}, // 16 digits
	{"1 2", 0, false},
	{"1, 2", 0, false},
	{"\t1", 0, false},
	{"1\t", 0, false},
	{"1 ;a", 0, false},
	{"1;", 0, false},
	{"1;A", 0, false},
	{"?1", 0, false},
	{"@1", 0, false},
	{`"1"`, 0, false},
	{"(1)", 0, false},
	{"sixty", 0, false},
	{"١", 0, false},
	{"1\x00", 0, false},
}

func TestInteger(t *testing.T) {
	for _, tt := range integers {
		if got, ok := Integer(tt.line); got != tt.want || ok != tt.ok {
			t.Errorf("Integer(%q) = %d, %v, want %d, %v", tt.line, got, ok, tt.want, tt.ok)
		}
		if got, ok := slowInteger(tt.line); got != tt.want || ok != tt.ok {
			t.Errorf("the slow way, %q: %d, %v, want %d, %v", tt.line, got, ok, tt.want, tt.ok)
		}
	}
}

var keys = []struct {
	line, want string // want is empty for false
}{
	// Two spellings.
	{`"k"`, "k"},
	{`k`, "k"},
	{`"8e03978e-40d5-43dd-bc93-6894a57f9324"`, "8e03978e-40d5-43dd-bc93-6894a57f9324"},
	{`8e03978e-40d5-43dd-bc93-6894a57f9324`, "8e03978e-40d5-43dd-bc93-6894a57f9324"},
	{" k  ", "k"},
	{` "k"  `, "k"},
	{`"a/b+c=="`, "a/b+c=="},
	{`a/b+c==`, "a/b+c=="},
	{`"?1"`, "?1"},
	{`?1`, "?1"},
	{`"a:(b)"`, "a:(b)"},
	{`a:(b)`, "a:(b)"},
	{`"a\\b"`, `a\b`},
	{`a\b`, `a\b`},

	// Only in quotes.
	{`"a b, c;d"`, "a b, c;d"},
	{`"a\"b"`, `a"b`},
	{`" "`, " "},
	{`"k";a=1`, "k"},
	{`"k"; a;b="x"`, "k"},

	// As long as allowed, and longer.
	{strings.Repeat("k", 255), strings.Repeat("k", 255)},
	{strings.Repeat("k", 256), ""},
	{`"` + strings.Repeat("k", 255) + `"`, strings.Repeat("k", 255)},
	{`"` + strings.Repeat("k", 256) + `"`, ""},
	{`"` + strings.Repeat(`\"`, 255) + `"`, strings.Repeat(`"`, 255)},

	{``, ""},
	{` `, ""},
	{`""`, ""},
	{`"`, ""},
	{`"k`, ""},
	{`k"`, ""},
	{`"k"x`, ""},
	{`"k" x`, ""},
	{`"a", "b"`, ""},
	{`"a""b"`, ""},
	{`"a\b"`, ""},
	{`"a\`, ""},
	{`"k";`, ""},
	{`"k" ;a`, ""},
	{`a b`, ""},
	{`a,b`, ""},
	{`a;b`, ""},
	{"a\tb", ""},
	{"\tk", ""},
	{"\"a\tb\"", ""},
	{"a\x00", ""},
	{"a\x7f", ""},
	{"\"a\x7f\"", ""},
	{"é", ""},
	{`"é"`, ""},
	{"\xff", ""},
}

func TestKey(t *testing.T) {
	for _, tt := range keys {
		got, ok := Key(tt.line)
		if ok != (tt.want != "") || ok && got != tt.want {
			t.Errorf("Key(%q) = %q, %v, want %q", tt.line, got, ok, tt.want)
		}
		if slow, _ := slowKey(tt.line); slow != tt.want {
			t.Errorf("the slow way, %q: %q, want %q", tt.line, slow, tt.want)
		}
	}
}

// The slow way: the grammar of RFC 9651 as regular expressions, but for display strings.
const (
	str  = `"(?:[ !#-\[\]-~]|\\["\\])*"`
	bare = `(?:-?[0-9]{1,15}|-?[0-9]{1,12}\.[0-9]{1,3}|@-?[0-9]{1,15}|\?[01]|` + str +
		`|:(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?:` +
		"|[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*)"
	parameters = `(?:; *[a-z*][a-z0-9_.*-]*(?:=` + bare + `)?)*`
)

var (
	integerSyntax = regexp.MustCompile(`^ *(-?[0-9]{1,15})` + parameters + ` *$`)
	keySyntax     = regexp.MustCompile(`^ *(?:(` + str + `)` + parameters + `|([!#-+\--:<-~]+)) *$`)
)

func slowInteger(line string) (int64, bool) {
	m := integerSyntax.FindStringSubmatch(line)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	return n, err == nil
}

func slowKey(line string) (string, bool) {
	m := keySyntax.FindStringSubmatch(line)
	if m == nil {
		return "", false
	}
	key := m[2]
	if m[1] != "" {
		key = regexp.MustCompile(`\\(.)`).ReplaceAllString(m[1][1:len(m[1])-1], "$1")
	}
	if key == "" || len(key) > 255 {
		return "", false
	}
	return key, true
}

func FuzzInteger(f *testing.F) {
	for _, tt := range integers {
		f.Add(tt.line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		got, ok := Integer(line)
		if strings.Contains(line, `%"`) {
			return
		}
		if want, wantOK := slowInteger(line); got != want || ok != wantOK {
			t.Errorf("Integer(%q) = %d, %v, want %d, %v", line, got, ok, want, wantOK)
		}
	})
}

// What is read is what the slow way reads, and is the same key when it is written as a
// String.
func FuzzKey(f *testing.F) {
	for _, tt := range keys {
		f.Add(tt.line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		got, ok := Key(line)
		if ok {
			quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(got) + `"`
			if again, ok := Key(quoted); !ok || again != got {
				t.Errorf("Key(%q) = %q, Key(%q) = %q, %v", line, got, quoted, again, ok)
			}
		}
		if strings.Contains(line, `%"`) {
			return
		}
		if want, wantOK := slowKey(line); ok != wantOK || ok && got != want {
			t.Errorf("Key(%q) = %q, %v, want %q, %v", line, got, ok, want, wantOK)
		}
	})
}

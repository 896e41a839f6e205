package digest

import (
	"encoding/base64"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The content of RFC 9530's examples, and its digests there.
const (
	content = `{"hello": "world"}` + "\n"
	good256 = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
	good512 = "sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==:"
	bad256  = "sha-256=:AAAAqy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
	bad512  = "sha-512=:AAAAm51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==:"
)

var checks = []struct {
	lines string // each ends in "\n"
	want  error
	names string // what the text names
}{
	{good256, nil, ""},
	{good512, nil, ""},
	{good256 + ", " + good512, nil, ""},
	{good256 + "\n" + good512, nil, ""},
	{"  " + good256 + "\t,\t" + good512 + " ", nil, ""},
	{good256 + ";a;b=1", nil, ""},

	// What is not known is as if it were not there.
	{"", nil, ""},
	{"md5=:AAAA:", nil, ""},
	{"md5, unixsum=1, a=(1 2);b, b=?0, c=tok, d=\"s\", e=1.5, f=@1", nil, ""},
	{"md5=:AAAA:, " + good256, nil, ""},

	{bad256, ErrMismatch, "sha-256"},
	{bad512, ErrMismatch, "sha-512"},
	{good256 + ", " + bad512, ErrMismatch, "sha-512"},
	{bad256 + ", " + good512, ErrMismatch, "sha-256"},
	{good512 + "\n" + bad256, ErrMismatch, "sha-256"},

	// Given twice, the last counts, wherever it is.
	{bad256 + ", " + good256, nil, ""},
	{good256 + ", " + bad256, ErrMismatch, "sha-256"},
	{good256 + "\n" + bad256, ErrMismatch, "sha-256"},
	{"sha-256=1, " + good256, nil, ""},
	{good256 + ", sha-256=1", ErrMalformed, "sha-256"},
	{good256 + ", sha-256", ErrMalformed, "sha-256"},

	// As many octets as the algorithm makes.
	{"sha-256=::", ErrInvalid, "sha-256"},
	{"sha-256=:AAAA:", ErrInvalid, "sha-256"},
	{strings.Replace(good512, "512", "256", 1), ErrInvalid, "sha-256"},
	{strings.Replace(good256, "256", "512", 1), ErrInvalid, "sha-512"},
	{bad256 + ", sha-512=:AAAA:", ErrInvalid, "sha-512"},

	// Byte sequences, each alone.
	{"sha-256", ErrMalformed, "sha-256"},
	{"sha-256=1", ErrMalformed, "sha-256"},
	{"sha-512=tok", ErrMalformed, "sha-512"},
	{`sha-256="RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg="`, ErrMalformed, "sha-256"},
	{"sha-256=(:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:)", ErrMalformed, "sha-256"},

	// Dictionaries: all of the field is read, also what is not known.
	{"SHA-256=:AAAA:", ErrMalformed, ""},
	{"sha-256=", ErrMalformed, ""},
	{"sha-256=:AAA", ErrMalformed, ""},
	{"sha-256=:A:", ErrMalformed, ""},
	{"sha-256=:AA-_:", ErrMalformed, ""},
	{"sha-256=RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=", ErrMalformed, ""}, // as the old Digest field had it
	{good256 + ",", ErrMalformed, ""},
	{good256 + " " + good512, ErrMalformed, ""},
	{good256 + ", md5=:A:", ErrMalformed, ""},
	{good256 + "\n", ErrMalformed, ""},
	{"\x00", ErrMalformed, ""},
	{"é", ErrMalformed, ""},
}

func TestCheck(t *testing.T) {
	for _, tt := range checks {
		err := Check(strings.Split(tt.lines, "\n"), []byte(content))
		if !errors.Is(err, tt.want) || err != nil && !strings.Contains(err.Error(), tt.names) {
			t.Errorf("rule 35: Check(%q) = %v, want %v of %q", tt.lines, err, tt.want, tt.names)
		}
		if slow := slowCheck(tt.lines); slow != tt.want {
			t.Errorf("rule 35: the slow way, %q: %v, want %v", tt.lines, slow, tt.want)
		}
	}
	if err := Check(nil, []byte(content)); err != nil {
		t.Errorf("without a field: %v", err)
	}
}

var wants = []struct {
	lines string // each ends in "\n"
	want  string // empty: none
}{
	{"sha-256=1", "sha-256"},
	{"sha-512=10", "sha-512"},
	{"sha-512=3, sha-256=10, unixsum=0", "sha-256"},
	{"sha-512=10, sha-256=3", "sha-512"},
	{"sha-256=3\nsha-512=4", "sha-512"},
	{"sha-512=5, sha-256=5", "sha-256"},
	{"sha-256=0, sha-512=1", "sha-512"},
	{"sha-256=1, sha-256=0", ""},
	{"sha-256=9;a, sha-512=1, sha-256=0", "sha-512"},
	{"sha-256=9;a=1", "sha-256"},
	{"sha-256=0", ""},
	{"md5=10", ""},
	{"md5=(1 2), sha=tok, sha-256=2", "sha-256"},
	{"", ""},

	// No weights: the other one counts.
	{"sha-256=11, sha-512=1", "sha-512"},
	{"sha-256=-1, sha-512=1", "sha-512"},
	{"sha-256=1.0, sha-512=1", "sha-512"},
	{"sha-256, sha-512=1", "sha-512"},
	{"sha-256=(9), sha-512=1", "sha-512"},
	{"sha-256=11", ""},
	{"sha-256=-0", ""},

	// No dictionaries.
	{"sha-256=1,", ""},
	{"sha-256;q=1, sha-512=1 x", ""},
	{"SHA-256=1", ""},
	{"sha-256=1000000000000000", ""},
	{"sha-256=1\n", ""},
}

func TestWanted(t *testing.T) {
	for _, tt := range wants {
		a, ok := Wanted(strings.Split(tt.lines, "\n"))
		if got := a.String(); ok != (tt.want != "") || ok && got != tt.want {
			t.Errorf("rule 35: Wanted(%q) = %s, %v, want %q", tt.lines, got, ok, tt.want)
		}
		if slow := slowWanted(tt.lines); slow != tt.want {
			t.Errorf("rule 35: the slow way, %q: %q, want %q", tt.lines, slow, tt.want)
		}
	}
	if a, ok := Wanted(nil); ok {
		t.Errorf("without a field: %s", a)
	}
}

func TestField(t *testing.T) {
	for a, want := range []string{good256, good512} {
		if got := Algorithm(a).Field([]byte(content)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// As much as a head may hold, of the kinds that cost most, takes no time that anybody
// could notice.
func TestLongFields(t *testing.T) {
	for _, s := range []string{good256 + ", ", bad512 + ",", "a,", "a;a;b;", "a=(", "a=(1 ", "sha-256=:", "(", ";", `a="\\`, "a=:AAAA:,"} {
		long := strings.Repeat(s, 16<<10/len(s))
		begin := time.Now()
		Check([]string{long + good256}, []byte(content))
		Check(strings.SplitAfter(long, ","), []byte(content))
		Wanted([]string{long + "a"})
		if d := time.Since(begin); d > time.Second {
			t.Errorf("many %q: %v", s, d)
		}
	}
}

// The slow way: the grammar of RFC 9651 as regular expressions, but for display strings.
const (
	key       = `[a-z*][a-z0-9_.*-]*`
	bytesItem = `:(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?:`
	bare      = `(?:-?[0-9]{1,15}|-?[0-9]{1,12}\.[0-9]{1,3}|@-?[0-9]{1,15}|\?[01]|"(?:[ !#-\[\]-~]|\\["\\])*"|` +
		bytesItem + "|[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*)"
	parameters = `(?:; *` + key + `(?:=` + bare + `)?)*`
	item       = bare + parameters
	innerList  = `\( *(?:` + item + `(?: +` + item + `)* *)?\)` + parameters
	member     = `(?:` + key + `)(?:=(?:` + item + `|` + innerList + `)|` + parameters + `)`
)

var (
	dictionarySyntax = regexp.MustCompile(`^ *(?:` + member + `(?:[ \t]*,[ \t]*` + member + `)*[ \t]*)?$`)
	memberSyntax     = regexp.MustCompile(`^[ \t,]*(` + key + `)(?:=(` + bare + `)|=` + innerList + `)?` + parameters + `(?:[ \t]*(?:,|$))`)
)

// slowDictionary is the values without parameters; nil if lines are no dictionary.
func slowDictionary(lines string) map[string]string {
	field := strings.ReplaceAll(lines, "\n", ", ")
	if !dictionarySyntax.MatchString(field) {
		return nil
	}
	values := map[string]string{}
	for strings.Trim(field, " \t") != "" {
		m := memberSyntax.FindStringSubmatch(field)
		values[m[1]] = m[2]
		field = field[len(m[0]):]
	}
	return values
}

func slowCheck(lines string) error {
	values := slowDictionary(lines)
	if values == nil {
		return ErrMalformed
	}
	result := error(nil)
	for _, good := range []string{good256, good512} {
		name, want, _ := strings.Cut(good, "=")
		value, ok := values[name]
		if !ok {
			continue
		}
		if !strings.HasPrefix(value, ":") {
			return ErrMalformed
		}
		given, _ := base64.StdEncoding.DecodeString(strings.Trim(value, ":"))
		is, _ := base64.StdEncoding.DecodeString(strings.Trim(want, ":"))
		if len(given) != len(is) {
			return ErrInvalid
		}
		if string(given) != string(is) {
			result = ErrMismatch
		}
	}
	return result
}

func slowWanted(lines string) string {
	best, wanted := 0, ""
	values := slowDictionary(lines)
	for _, name := range []string{"sha-256", "sha-512"} {
		if n, err := strconv.Atoi(values[name]); err == nil && n <= 10 && n > best {
			best, wanted = n, name
		}
	}
	return wanted
}

// slowly tells whether the slow way knows what is in lines.
func slowly(lines string) bool {
	return !strings.Contains(lines, `%"`) && len(lines) < 1<<12
}

func FuzzCheck(f *testing.F) {
	for _, tt := range checks {
		f.Add(tt.lines)
	}
	f.Fuzz(func(t *testing.T, lines string) {
		err := Check(strings.Split(lines, "\n"), []byte(content))
		if !slowly(lines) {
			return
		}
		if want := slowCheck(lines); !errors.Is(err, want) {
			t.Errorf("Check(%q) = %v, want %v", lines, err, want)
		}
	})
}

func FuzzWanted(f *testing.F) {
	for _, tt := range wants {
		f.Add(tt.lines)
	}
	f.Fuzz(func(t *testing.T, lines string) {
		a, ok := Wanted(strings.Split(lines, "\n"))
		if !slowly(lines) {
			return
		}
		got := ""
		if ok {
			got = a.String()
		}
		if want := slowWanted(lines); got != want {
			t.Errorf("Wanted(%q) = %q, want %q", lines, got, want)
		}
	})
}

package negotiate_test

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"roost/internal/negotiate"
)

// codings is rule 33: the lines of an Accept-Encoding field, and the weights.
var codings = []struct {
	lines          []string
	identity, gzip negotiate.Weight
}{
	// Absent, empty or nothing parsable: identity.
	{nil, 1000, 0},
	{[]string{""}, 1000, 0},
	{[]string{" ", "\t, ,,", ""}, 1000, 0},
	{[]string{"gzip;q=2, gzip x, ;q=1"}, 1000, 0},

	// Named, or not.
	{[]string{"gzip"}, 1, 1000},
	{[]string{"x-gzip"}, 1, 1000},
	{[]string{"GZip"}, 1, 1000},
	{[]string{"X-GZIP;Q=0.5"}, 1, 500},
	{[]string{"identity"}, 1000, 0},
	{[]string{"Identity;q=0.5"}, 500, 0},
	{[]string{"br"}, 1, 0},
	{[]string{"gzip, identity"}, 1000, 1000},
	{[]string{"gzip;q=0.5, identity;q=0.7"}, 700, 500},
	{[]string{"gzip;q=0.001"}, 1, 1},
	{[]string{"gzip;q=0"}, 1, 0},
	{[]string{"identity;q=0"}, 0, 0},
	{[]string{"identity;q=0, gzip;q=0"}, 0, 0},
	{[]string{"gzip, identity;q=0"}, 0, 1000},
	{[]string{"gzipped, xgzip, x-identity, *gzip"}, 1, 0},

	// "*" is for those that are not named, wherever it stands.
	{[]string{"*"}, 1000, 1000},
	{[]string{"*;q=0"}, 0, 0},
	{[]string{"*;q=0.3"}, 300, 300},
	{[]string{"*;q=0, gzip"}, 0, 1000},
	{[]string{"gzip, *;q=0"}, 0, 1000},
	{[]string{"*;q=0, identity;q=0.1"}, 100, 0},
	{[]string{"*;q=0, identity"}, 1000, 0},
	{[]string{"*, gzip;q=0"}, 1000, 0},
	{[]string{"br, *;q=0.1"}, 100, 100},
	{[]string{"*;q=0.1, *;q=0.2, *;q=0"}, 200, 200},

	// Named twice: the highest weight.
	{[]string{"gzip;q=0.2, gzip;q=0.4, x-gzip;q=0.3"}, 1, 400},
	{[]string{"x-gzip, gzip;q=0"}, 1, 1000},
	{[]string{"identity;q=0", "identity;q=0.1"}, 100, 0},

	// Malformed members are skipped; the others count.
	{[]string{"gzip;q=1.001, identity;q=0.5"}, 500, 0},
	{[]string{"gzip;q=, br"}, 1, 0},
	{[]string{"gzip;q=1;q=1, br"}, 1, 0},
	{[]string{"gzip;level=9, br"}, 1, 0},
	{[]string{"gzip; q = 1, br"}, 1, 0},
	{[]string{`gzip;q="1", br`}, 1, 0},
	{[]string{"gzip/x, br"}, 1, 0},
	{[]string{`"gzip", br`}, 1, 0},
	{[]string{`"br, gzip`, "gzip;q=0.1"}, 1, 100},
	{[]string{"gzip\x00, é, br"}, 1, 0},
	{[]string{"*;q=x, gzip;q=0.5"}, 1, 500},

	// White space, and semicolons without a parameter.
	{[]string{"\tgzip ; q=0.5 "}, 1, 500},
	{[]string{"gzip;;q=0.5;"}, 1, 500},
	{[]string{"gzip;q=.5"}, 1, 500},

	// Lines are joined in order (rule 7).
	{[]string{"br", "", "gzip;q=0.5,"}, 1, 500},

	// Real clients.
	{[]string{"gzip, deflate, br, zstd"}, 1, 1000},
	{[]string{"gzip, deflate"}, 1, 1000},
	{[]string{"deflate, gzip, br, zstd"}, 1, 1000}, // curl --compressed
	{[]string{"identity;q=1, *;q=0"}, 1000, 0},     // media in browsers
	{[]string{"br;q=1.0, gzip;q=0.6, *;q=0.1"}, 100, 600},
}

func TestCodings(t *testing.T) {
	for _, tt := range codings {
		if identity, gzip := negotiate.Codings(tt.lines); identity != tt.identity || gzip != tt.gzip {
			t.Errorf("rule 33: Codings(%q) = %d, %d, want %d, %d", tt.lines, identity, gzip, tt.identity, tt.gzip)
		}
		if identity, gzip := slowCodings(tt.lines); identity != tt.identity || gzip != tt.gzip {
			t.Errorf("rule 33: the slow way, %q: %d, %d, want %d, %d", tt.lines, identity, gzip, tt.identity, tt.gzip)
		}
		if n := testing.AllocsPerRun(10, func() { negotiate.Codings(tt.lines) }); n != 0 {
			t.Errorf("Codings(%q): %v allocations, want 0", tt.lines, n)
		}
	}
}

var codingSyntax = regexp.MustCompile("^(" + token + ")(?:[ \t]*;)*(?:[ \t]*;[ \t]*[qQ]=([0-9.]+)(?:[ \t]*;)*)?$")

// slowCodings lists every member before it asks for the weights.
func slowCodings(lines []string) (identity, gzip negotiate.Weight) {
	weights := map[string][]negotiate.Weight{}
	for _, line := range lines {
		for more := true; more; {
			member := memberSyntax.FindString(line)
			if more = len(member) < len(line); more {
				line = line[len(member)+1:]
			}
			m := codingSyntax.FindStringSubmatch(strings.Trim(member, " \t"))
			if m == nil || m[2] != "" && !weightSyntax.MatchString(m[2]) {
				continue
			}
			weight := negotiate.MaxWeight
			if m[2] != "" {
				q, _ := strconv.ParseFloat("0"+m[2], 64)
				weight = negotiate.Weight(q*1000 + 0.5)
			}
			name := strings.ToLower(m[1])
			if name == "x-gzip" {
				name = "gzip"
			}
			weights[name] = append(weights[name], weight)
		}
	}
	if len(weights) == 0 {
		return 1000, 0
	}
	of := func(name string, otherwise negotiate.Weight) negotiate.Weight {
		for _, name := range []string{name, "*"} {
			if given := weights[name]; given != nil {
				return slices.Max(given)
			}
		}
		return otherwise
	}
	return of("identity", 1), of("gzip", 0)
}

func FuzzCodings(f *testing.F) {
	for _, tt := range codings {
		f.Add(strings.Join(tt.lines, "\n"))
	}
	f.Fuzz(func(t *testing.T, field string) {
		lines := strings.Split(field, "\n")
		identity, gzip := negotiate.Codings(lines)
		if slowIdentity, slowGzip := slowCodings(lines); identity != slowIdentity || gzip != slowGzip {
			t.Fatalf("Codings(%q) = %d, %d, want %d, %d", lines, identity, gzip, slowIdentity, slowGzip)
		}
	})
}

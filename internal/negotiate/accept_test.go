package negotiate_test

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"roost/internal/negotiate"
)

// What clients really send.
const (
	chrome = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"
	// Firefox until version 127; from 132 on it sends fewer types.
	firefox      = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
	firefox132   = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	firefoxImage = "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"
	curl         = "*/*"
	java         = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"
	eventSource  = "text/event-stream"
)

// accepts is rule 26: the lines of an Accept field, a media type, its weight, and
// whether it is named (rules 28 and 42).
var accepts = []struct {
	lines []string
	media string
	want  negotiate.Weight
	named bool
}{
	// Absent, empty or nothing parsable: everything.
	{nil, "text/plain", 1000, false},
	{[]string{""}, "text/plain", 1000, false},
	{[]string{" ", "\t, ,,", ""}, "text/plain", 1000, false},
	{[]string{"text", "*", "*/html, text/plain;q=2"}, "text/plain", 1000, false},

	// The rule's own examples.
	{[]string{"*/*"}, "text/plain", 1000, false},
	{[]string{"text/*"}, "text/plain", 1000, false},
	{[]string{"text/plain;q=0, */*"}, "text/plain", 0, false},
	{[]string{"text/html"}, "text/plain", 0, false},

	// The most specific range decides, whatever the order.
	{[]string{"*/*;q=0.1, text/*;q=0.2, text/plain;q=0.3, text/plain;a=b;q=0.4"}, "text/plain;a=b", 400, true},
	{[]string{"text/plain;a=b;q=0.4, text/plain;q=0.3, text/*;q=0.2, */*;q=0.1"}, "text/plain;a=b", 400, true},
	{[]string{"*/*;q=0.1, text/*;q=0.2, text/plain;q=0.3, text/plain;a=b;q=0.4"}, "text/plain", 300, true},
	{[]string{"*/*;q=0.1, text/*;q=0.2, text/plain;q=0.3"}, "text/html", 200, false},
	{[]string{"*/*;q=0.1, text/*;q=0.2"}, "image/png", 100, false},
	{[]string{"*/*, text/*;q=0"}, "text/plain", 0, false},
	{[]string{"*/*;q=0, text/plain;q=0.001"}, "text/plain", 1, true},
	{[]string{"*/*;q=0"}, "text/plain", 0, false},
	{[]string{"text/plain;a=1, text/plain;a=1;b=2;q=0.5"}, "text/plain;a=1;b=2", 500, true},
	{[]string{"text/*;a=1;q=0.5, text/*"}, "text/plain;a=1", 500, false},
	{[]string{"*/*;a=1;q=0.5, text/*"}, "text/plain;a=1", 1000, false},
	{[]string{"text/plain;a=1;q=0, text/plain"}, "text/plain;a=1", 0, false},

	// Equally specific: the highest weight.
	{[]string{"text/plain;q=0.2, text/plain;q=0.4, text/plain;q=0.3"}, "text/plain", 400, true},
	{[]string{"text/plain;q=0, text/plain;q=0.1"}, "text/plain", 100, true},
	{[]string{"text/plain;charset=utf-16;q=0, text/plain"}, "text/plain", 1000, true},

	// Parameters but q and charset must be equal.
	{[]string{"text/plain;a=b"}, "text/plain", 0, false},
	{[]string{"text/plain;a=b"}, "text/plain;a=c", 0, false},
	{[]string{"text/plain;a=b"}, "text/plain;a=B", 0, false},
	{[]string{"text/plain;a=b"}, "text/plain;a=bb", 0, false},
	{[]string{"text/plain;a=b"}, "text/plain;c=d;a=b", 1000, true},
	{[]string{"text/plain"}, "text/plain;a=b", 1000, true},
	{[]string{"text/plain;a=b;c=d"}, "text/plain;a=b", 0, false},
	{[]string{"text/plain;charset=latin1"}, "text/plain;charset=utf-8", 1000, true},
	{[]string{"text/plain;CHARSET=utf-8"}, "text/plain", 1000, true},
	{[]string{"text/plain;A=b"}, "text/plain;a=b", 1000, true},
	{[]string{`text/plain;a="b"`}, "text/plain;a=b", 1000, true},
	{[]string{`text/plain;a="\b"`}, "text/plain;a=b", 1000, true},
	{[]string{`text/plain;a=""`}, "text/plain;a=b", 0, false},
	{[]string{`text/plain;a=b`}, `text/plain;a=""`, 0, false},
	{[]string{"*/*;a=b"}, "text/plain", 0, false},

	// A weight stands anywhere among the parameters.
	{[]string{"text/plain;q=0.5;a=b"}, "text/plain;a=b", 500, true},
	{[]string{"text/plain;Q=0.5"}, "text/plain", 500, true},
	{[]string{"text/plain ; q=0.5"}, "text/plain", 500, true},
	{[]string{"text/plain;;q=0.5;"}, "text/plain", 500, true},

	// Weights.
	{[]string{"*/*;q=1"}, "a/b", 1000, false},
	{[]string{"*/*;q=1."}, "a/b", 1000, false},
	{[]string{"*/*;q=1.000"}, "a/b", 1000, false},
	{[]string{"*/*;q=0.999"}, "a/b", 999, false},
	{[]string{"*/*;q=0.05"}, "a/b", 50, false},
	{[]string{"*/*;q=0."}, "a/b", 0, false},
	{[]string{"*/*;q=.2"}, "a/b", 200, false},

	// Malformed members are skipped; the others count.
	{[]string{"a/b;q=0.5, text/plain;q=1.001"}, "text/plain", 0, false},
	{[]string{"*/*;q=0.5, text/plain;q=1.1"}, "text/plain", 500, false},
	{[]string{"*/*;q=0.5, text/plain;q=2"}, "text/plain", 500, false},
	{[]string{"*/*;q=0.5, text/plain;q=0.1234"}, "text/plain", 500, false},
	{[]string{"*/*;q=0.5, text/plain;q=-1"}, "text/plain", 500, false},
	{[]string{"*/*;q=0.5, text/plain;q=0,5"}, "text/plain", 0, false}, // two members: q=0, and "5"
	{[]string{"*/*;q=0.5, text/plain;q=1e0"}, "text/plain", 500, false},
	{[]string{"*/*;q=0.5, text/plain;q=."}, "text/plain", 500, false},
	{[]string{"*/*;q=0.5, text/plain;q=00.1"}, "text/plain", 500, false},
	{[]string{"*/*;q=0.5, text/plain;q="}, "text/plain", 500, false},
	{[]string{"*/*;q=0.5, text/plain;q"}, "text/plain", 500, false},
	{[]string{"*/*;q=0.5, text/plain; q = 1"}, "text/plain", 500, false},
	{[]string{`*/*;q=0.5, text/plain;q="1"`}, "text/plain", 500, false},
	{[]string{"*/*;q=0.5, text/plain;q=1;q=1"}, "text/plain", 500, false},
	{[]string{"*/*;q=0.5, text/plain;charset"}, "text/plain", 500, false},
	{[]string{"*/*;q=0.5, text/plain x"}, "text/plain", 500, false},
	{[]string{"*/*;q=0.5, text /plain"}, "text/plain", 500, false},
	{[]string{"*/*;q=0.5, */plain"}, "text/plain", 500, false},
	{[]string{"*/*;q=0.5, text/"}, "text/plain", 500, false},
	{[]string{"*/*;q=0.5, *"}, "text/plain", 500, false},
	{[]string{"*/*;q=0.5, té/plain, \x00"}, "text/plain", 500, false},

	// Any case; "*" inside a name is no wildcard.
	{[]string{"TEXT/Plain"}, "text/plain", 1000, true},
	{[]string{"Text/*"}, "text/plain", 1000, false},
	{[]string{"t*/plain, text/p*"}, "text/plain", 0, false},

	// A comma inside quotes does not split; quotes end with their line.
	{[]string{`text/plain;a="b, text/html"`}, "text/html", 0, false},
	{[]string{`text/plain;a="b, c";q=0.5`}, `text/plain;a="b, c"`, 500, true},
	{[]string{`text/plain;a="\", text/html, \""`}, "text/html", 0, false},
	{[]string{`text/plain;a="b\\", text/html;q=0.5`}, "text/html", 500, true},
	{[]string{`text/plain;a="b, text/html`, "image/png"}, "text/html", 0, false},
	{[]string{`text/plain;a="b`, `c", text/html, "`, "*/*;q=0.1"}, "text/html", 100, false},

	// Lines are joined in order (rule 7).
	{[]string{"text/html", "", "text/plain;q=0.5"}, "text/plain", 500, true},
	{[]string{"text/html,", ",text/plain;q=0.5"}, "text/plain", 500, true},
	{[]string{"*/*", "text/plain;q=0"}, "text/plain", 0, false},

	// Real clients.
	{[]string{chrome}, "text/html;charset=utf-8", 1000, true},
	{[]string{chrome}, "application/xml", 900, true},
	{[]string{chrome}, "text/plain", 800, false},
	{[]string{chrome}, "application/signed-exchange;v=b3", 700, true},
	{[]string{chrome}, "application/signed-exchange", 800, false},
	{[]string{chrome}, "text/event-stream", 800, false},
	{[]string{firefox}, "text/html", 1000, true},
	{[]string{firefox}, "application/problem+json", 800, false},
	{[]string{firefox132}, "application/json", 800, false},
	{[]string{firefoxImage}, "image/svg+xml", 1000, true},
	{[]string{firefoxImage}, "image/bmp", 800, false},
	{[]string{firefoxImage}, "text/html", 500, false},
	{[]string{curl}, "application/octet-stream", 1000, false},
	{[]string{java}, "text/html", 1000, true},
	{[]string{java}, "text/plain", 200, false},
	{[]string{eventSource}, "text/event-stream", 1000, true},
	{[]string{eventSource}, "text/plain", 0, false},
	{[]string{"application/json, text/plain, */*"}, "text/plain", 1000, true},
}

func TestAccept(t *testing.T) {
	for _, tt := range accepts {
		m := mustParse(t, tt.media)
		if got := negotiate.Accept(tt.lines, m); got != tt.want {
			t.Errorf("rule 26: Accept(%q, %s) = %d, want %d", tt.lines, tt.media, got, tt.want)
		}
		if got := negotiate.Named(tt.lines, m); got != tt.named {
			t.Errorf("rules 28, 42: Named(%q, %s) = %v", tt.lines, tt.media, got)
		}
		if got, named := slowAccept(tt.lines, m); got != tt.want || named != tt.named {
			t.Errorf("rule 26: the slow way, %q, %s: %d, %v; want %d, %v", tt.lines, tt.media, got, named, tt.want, tt.named)
		}
		if n := testing.AllocsPerRun(10, func() { negotiate.Accept(tt.lines, m); negotiate.Named(tt.lines, m) }); n != 0 {
			t.Errorf("Accept and Named(%q, %s): %v allocations, want 0", tt.lines, tt.media, n)
		}
	}
}

// The slow way: the grammar as regular expressions, and every range listed before
// one is chosen.
const (
	token  = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+"
	quoted = `"(?:[\t !#-\[\]-~]|[^\x00-\x7f]|\\[\t -~]|\\[^\x00-\x7f])*"`
	param  = "[ \t]*;[ \t]*(?:(" + token + ")=(" + token + "|" + quoted + "))?"
)

var (
	rangeSyntax  = regexp.MustCompile("^(" + token + ")/(" + token + ")((?:" + param + ")*)$")
	paramSyntax  = regexp.MustCompile("^" + param)
	weightSyntax = regexp.MustCompile(`^(0?\.[0-9]{1,3}|0\.?|1(\.0{0,3})?)$`)
	memberSyntax = regexp.MustCompile(`^(?s:[^",]|"(?:[^"\\]|\\.)*(?:"|\\?$))*`)
)

type parsedRange struct {
	typ, subtype string
	params       params
	rawQ         []string
}

func slowRange(member string) (r parsedRange, ok bool) {
	parts := rangeSyntax.FindStringSubmatch(member)
	if parts == nil {
		return r, false
	}
	r.typ, r.subtype = strings.ToLower(parts[1]), strings.ToLower(parts[2])
	for rest := parts[3]; rest != ""; {
		p := paramSyntax.FindStringSubmatch(rest)
		rest = rest[len(p[0]):]
		if p[1] == "" {
			continue
		}
		value := p[2]
		if strings.HasPrefix(value, `"`) {
			value = regexp.MustCompile(`(?s)\\(.)`).ReplaceAllString(value[1:len(value)-1], "$1")
		}
		if strings.EqualFold(p[1], "q") {
			r.rawQ = append(r.rawQ, p[2])
		}
		r.params = append(r.params, negotiate.Param{Name: strings.ToLower(p[1]), Value: value})
	}
	return r, true
}

func slowAccept(lines []string, m *negotiate.MediaType) (negotiate.Weight, bool) {
	type rank struct{ wildcards, params, weight int }
	var fitting []rank
	found := false
	for _, line := range lines {
		for more := true; more; {
			member := memberSyntax.FindString(line)
			if more = len(member) < len(line); more {
				line = line[len(member)+1:]
			}
			r, ok := slowRange(strings.Trim(member, " \t"))
			if !ok || r.typ == "*" && r.subtype != "*" || len(r.rawQ) > 1 ||
				len(r.rawQ) == 1 && !weightSyntax.MatchString(r.rawQ[0]) {
				continue
			}
			found = true
			fits := (r.typ == "*" || r.typ == m.Type) && (r.subtype == "*" || r.subtype == m.Subtype)
			this := rank{weight: 1000}
			for _, name := range []string{r.typ, r.subtype} {
				if name == "*" {
					this.wildcards++
				}
			}
			for _, p := range r.params {
				switch p.Name {
				case "q":
					whole, digits, _ := strings.Cut(r.rawQ[0], ".")
					this.weight, _ = strconv.Atoi("0" + whole + (digits + "000")[:3])
				case "charset":
				default:
					this.params++
					first := slices.IndexFunc(m.Params, func(q negotiate.Param) bool { return q.Name == p.Name })
					fits = fits && first >= 0 && m.Params[first].Value == p.Value
				}
			}
			if fits {
				fitting = append(fitting, this)
			}
		}
	}
	if !found {
		return 1000, false
	}
	if len(fitting) == 0 {
		return 0, false
	}
	slices.SortFunc(fitting, func(a, b rank) int {
		if a.wildcards != b.wildcards {
			return a.wildcards - b.wildcards
		}
		if a.params != b.params {
			return b.params - a.params
		}
		return b.weight - a.weight
	})
	return negotiate.Weight(fitting[0].weight), fitting[0].wildcards == 0 && fitting[0].weight > 0
}

func FuzzAccept(f *testing.F) {
	for _, tt := range accepts {
		f.Add(strings.Join(tt.lines, "\n"), tt.media)
	}
	f.Fuzz(func(t *testing.T, field, media string) {
		m, err := negotiate.ParseMediaType(media)
		if err != nil {
			t.Skip("no media type")
		}
		var lines []string
		if field != "" {
			lines = strings.Split(field, "\n")
		}
		got, named := negotiate.Accept(lines, &m), negotiate.Named(lines, &m)
		if got < 0 || got > negotiate.MaxWeight || named && got == 0 {
			t.Fatalf("Accept(%q, %q) = %d, named %v", lines, media, got, named)
		}
		if want, wantNamed := slowAccept(lines, &m); got != want || named != wantNamed {
			t.Fatalf("Accept(%q, %q) = %d, %v; the slow way %d, %v", lines, media, got, named, want, wantNamed)
		}
	})
}

func BenchmarkAccept(b *testing.B) {
	for _, bb := range []struct {
		name  string
		lines []string
		media string
	}{
		{"absent", nil, "text/plain"},
		{"curl", []string{curl}, "text/plain"},
		{"json", []string{"application/json"}, "application/json"},
		{"firefox", []string{firefox132}, "text/plain"},
		{"chrome", []string{chrome}, "text/plain"},
		{"params", []string{`text/plain;a="b, c";q=0.5`}, `text/plain;a="b, c"`},
	} {
		b.Run(bb.name, func(b *testing.B) {
			m := mustParse(b, bb.media)
			b.ReportAllocs()
			for b.Loop() {
				if negotiate.Accept(bb.lines, m) == 0 {
					b.Fatal("not acceptable")
				}
			}
		})
	}
}

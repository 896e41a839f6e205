//go:build linux

package main

import (
	"fmt"
	"html"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}

func spread(format string, values []float64) string {
	if len(values) == 0 {
		return "not measured"
	}
	return fmt.Sprintf(format+" ("+format+" to "+format+")", median(values), slices.Min(values), slices.Max(values))
}

// report prints the results, and writes them where they are wanted.
func (m *measurement) report() error {
	text := m.text()
	if m.out == "" {
		fmt.Print("\n", text)
		return nil
	}
	if err := os.MkdirAll(m.out, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(m.out, "RESULTS.md"), []byte(text), 0o644); err != nil {
		return err
	}
	for _, c := range cases {
		for _, l := range c.loads {
			var bars []bar
			for _, s := range servers {
				if r := m.results[key{l.name, s.name}]; r != nil && len(r.cpu) > 0 {
					bars = append(bars, bar{s.name, median(r.cpu), slices.Min(r.cpu), slices.Max(r.cpu)})
				}
			}
			if len(bars) == 0 {
				continue
			}
			if err := os.WriteFile(filepath.Join(m.out, "cpu-"+l.name+".svg"), []byte(plot(l.what+": processor time of the server, µs", bars)), 0o644); err != nil {
				return err
			}
		}
	}
	fmt.Print("\n", text)
	return nil
}

func (m *measurement) text() string {
	var b strings.Builder
	gogc := os.Getenv("GOGC")
	if gogc == "" {
		gogc = "100"
	}
	fmt.Fprintf(&b, "# What a request costs Roost's planes\n\n    go run ./bench/plane %s\n\n", strings.Join(os.Args[1:], " "))
	fmt.Fprintf(&b, "%s. %s. Versions: %s. GOGC=%s.\n", machine(), runtime.Version(), strings.Join(m.versions, "; "), gogc)
	fmt.Fprintf(&b, "The load of the machine was %s before and %s after. Servers on processor %d, the load, wrk with one thread, on %d; %d rounds of %v in turns. Median (least to most) of these.\n\n",
		m.loadBefore, m.loadAfter, m.serverCPU, m.loadCPU, m.rounds, m.length)
	b.WriteString("The answers have the same fields, but those of nginx and h2o have Server and Connection too. `loop`, `bench/plane/loop/loop.c`, answers fixed octets, and is the limit.\n")
	for _, n := range m.notes {
		fmt.Fprintf(&b, "\n- **%s**", strings.TrimSpace(n))
	}
	if len(m.notes) > 0 {
		b.WriteString("\n")
	}
	m.aims(&b)
	for _, c := range cases {
		for _, l := range c.loads {
			m.table(&b, l.name, l.what, []string{"requests a second", "processor time a request, µs", "p50, µs", "p99, µs"}, func(r *result) []string {
				return []string{spread("%.0f", r.rate), spread("%.2f", r.cpu), spread("%.0f", r.p50), spread("%.0f", r.p99)}
			})
		}
	}
	m.table(&b, "idle", "A silent connection that made one GET", []string{"octets, Rss and swap"}, func(r *result) []string {
		return []string{spread("%.0f", r.memory)}
	})
	m.table(&b, "watchers", "10,000 event streams and one PUT", []string{"octets a silent one, Rss and swap", "PUT answered, ms", "last told, ms", "processor time each, µs"}, func(r *result) []string {
		return []string{spread("%.0f", r.memory), spread("%.1f", r.answered), spread("%.1f", r.last), spread("%.1f", r.each)}
	})
	return b.String()
}

func (m *measurement) table(b *strings.Builder, load, what string, heads []string, cells func(*result) []string) {
	first := true
	for _, s := range servers {
		r := m.results[key{load, s.name}]
		if r == nil {
			continue
		}
		if first {
			fmt.Fprintf(b, "\n## %s\n\n| server | %s |\n|%s\n", what, strings.Join(heads, " | "), strings.Repeat(" --- |", len(heads)+1))
			first = false
		}
		fmt.Fprintf(b, "| %s | %s |\n", s.name, strings.Join(cells(r), " | "))
	}
}

// Fields of a result that aims are about.
func ofCPU(r *result) []float64    { return r.cpu }
func ofP99(r *result) []float64    { return r.p99 }
func ofMemory(r *result) []float64 { return r.memory }

// aim is a figure of Roost, over another where there is one, and the most it may be.
type aim struct {
	what       string
	load       string
	of         func(*result) []float64
	toLoad, to string // of Roost itself where to is empty; alone where both are
	most       float64
	unit       float64
}

var aims = []aim{
	{"GET, 64 connections: processor time to nginx's", "get-64", ofCPU, "get-64", "nginx", 1, 1},
	{"GET, 64 connections: processor time to the loop's", "get-64", ofCPU, "get-64", "loop", 1.25, 1},
	{"GET, 64 connections: p99 to nginx's", "get-64", ofP99, "get-64", "nginx", 1, 1},
	{"pipelined by 16: processor time to fasthttp's", "pipelined", ofCPU, "pipelined", "fasthttp", 0.7, 1},
	{"a silent connection, KiB", "idle", ofMemory, "", "", 0.15, 1024},
	{"a silent watcher, KiB", "watchers", ofMemory, "", "", 0.5, 1024},
	{"GET among 1,000,000 resources: processor time to that of one", "resources-1000000", ofCPU, "resources-1", "", 1.3, 1},
	{"PUT: processor time to GET's", "put", ofCPU, "get-64", "", 1.5, 1},
}

func (m *measurement) middle(load, server string, of func(*result) []float64) (float64, bool) {
	r := m.results[key{load, server}]
	if r == nil || len(of(r)) == 0 {
		return 0, false
	}
	return median(of(r)), true
}

// measured is the figure of an aim.
func (m *measurement) measured(a aim, subject string) (float64, bool) {
	f, ok := m.middle(a.load, subject, a.of)
	if !ok || a.toLoad == "" {
		return f / a.unit, ok
	}
	if a.to == "" {
		a.to = subject
	}
	to, ok := m.middle(a.toLoad, a.to, a.of)
	return f / to, ok
}

func (m *measurement) aims(b *strings.Builder) {
	subject := "roost-fast"
	if !slices.Contains(m.servers, subject) {
		subject = "roost-reference"
	}
	fmt.Fprintf(b, "\n## Aims\n\nOf %s; ratios are of medians.\n\n| aim | at most | measured | |\n| --- | --- | --- | --- |\n", subject)
	for _, a := range aims {
		f, ok := m.measured(a, subject)
		switch {
		case !ok:
			fmt.Fprintf(b, "| %s | %g | not measured | |\n", a.what, a.most)
		case f <= a.most:
			fmt.Fprintf(b, "| %s | %g | %.2f | met |\n", a.what, a.most, f)
		default:
			fmt.Fprintf(b, "| %s | %g | %.2f | **missed** |\n", a.what, a.most, f)
		}
	}
}

// bar is a server in a plot, with the least and the most.
type bar struct {
	name            string
	value, min, max float64
}

// plot draws bars as SVG.
func plot(title string, bars []bar) string {
	const left, width, row, top = 130, 480.0, 26, 40
	most := 0.0
	for _, c := range bars {
		most = max(most, c.max)
	}
	if most == 0 {
		most = 1
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="720" height="%d" font-family="sans-serif" font-size="13">`+"\n", top+row*len(bars)+10)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/><text x="10" y="22" font-size="14">%s</text>`+"\n", html.EscapeString(title))
	for i, c := range bars {
		y, x := top+row*i, func(f float64) float64 { return left + width*f/most }
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`, left-8, y+14, html.EscapeString(c.name))
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="18" fill="#4878a8"/>`, left, y, width*c.value/most)
		fmt.Fprintf(&b, `<path d="M%.1f %dH%.1f" stroke="black"/>`, x(c.min), y+9, x(c.max))
		fmt.Fprintf(&b, `<text x="%.1f" y="%d">%.2f</text>`+"\n", x(c.max)+6, y+14, c.value)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

//go:build linux

// Command watch measures how long one PUT takes to reach all who watch the resource by
// event streams, and what memory one who watches costs the server: Roost's beside that of
// the simplest handler of net/http that does so.
//
// Each server is a process of its own, of this same program; those who watch are goroutines
// here, each with a connection of the loopback interface. They share the processors with the
// server, so the times have in them what they take to read; the processor time of the server
// does not, and depends less on what else the machine does. The servers take turns. In each
// turn one process serves silent connections that have made a GET, and the next those of
// watchers: the difference is what watching adds to a connection.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"roost/bench"
)

func main() {
	log.SetFlags(0)
	var m measurement
	flag.IntVar(&m.watchers, "watchers", 10_000, "connections that watch")
	flag.IntVar(&m.few, "few", 1_000, "connections from which on memory is counted")
	flag.IntVar(&m.turns, "turns", 3, "turns of each server")
	flag.IntVar(&m.rounds, "rounds", 3, "PUTs in each turn, after one that does not count")
	names := flag.String("servers", "roost,bare", "what to compare")
	profiles := flag.String("profile", "", "folder to write profiles of the processor, the heap and the goroutines to")
	serve := flag.String("serve", "", "be the server of that name (for this program's own use)")
	flag.Parse()
	m.profiles = *profiles
	var err error
	if *serve != "" {
		err = beServer(*serve, *profiles)
	} else {
		err = m.run(strings.Split(*names, ","))
	}
	if err != nil {
		log.Fatal("watch: ", err)
	}
}

// measurement is a run of this program.
type measurement struct {
	watchers, few, turns, rounds int
	profiles                     string
}

// result is what was measured of a server.
type result struct {
	name           string
	rounds         []round
	idle, watching []memory // of a connection, of each turn
}

// round is one PUT: how long it took to be answered, to reach the median watcher and the
// last, and what processor time it cost the server for each.
type round struct{ answered, middle, last, each time.Duration }

func (m *measurement) run(names []string) error {
	if err := m.checkFiles(); err != nil {
		return err
	}
	results := make([]*result, len(names))
	for i, name := range names {
		results[i] = &result{name: name}
	}
	turns := slices.Clone(results)
	for range m.turns {
		for _, r := range turns {
			if err := m.turn(r); err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
		}
		slices.Reverse(turns) // who comes first has no advantage
	}
	m.report(results)
	return nil
}

// checkFiles says whether this process may open enough. Go has raised the limit already.
func (m *measurement) checkFiles() error {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return err
	}
	if want := uint64(m.watchers) + 100; files.Cur < want {
		return fmt.Errorf("%d watchers need %d open files; the limit is %d (ulimit -Hn)", m.watchers, want, files.Cur)
	}
	return nil
}

func (m *measurement) turn(r *result) error {
	idle, err := m.idle(r.name)
	if err != nil {
		return err
	}
	r.idle = append(r.idle, idle)
	return m.watch(r)
}

// idle is what a silent connection costs.
func (m *measurement) idle(name string) (memory, error) {
	c, err := startContender(name, "")
	if err != nil {
		return memory{}, err
	}
	defer c.stop()
	return c.slope(m.few, m.watchers, (*bench.Client).Get)
}

func (m *measurement) watch(r *result) error {
	c, err := startContender(r.name, m.profiles)
	if err != nil {
		return err
	}
	defer c.stop()
	watching, err := c.slope(m.few, m.watchers, (*bench.Client).Watch)
	if err != nil {
		return err
	}
	r.watching = append(r.watching, watching)
	c.watchers = bench.Listen(c.conns)
	writer, err := bench.Dial(c.Addr)
	if err != nil {
		return err
	}
	defer writer.Close()
	for i := range m.rounds + 1 {
		value := fmt.Sprintf("%0*d", len(bench.Value), i)
		round, err := c.change(writer, value)
		if err != nil {
			return err
		}
		if i > 0 {
			r.rounds = append(r.rounds, round)
		}
	}
	return nil
}

func (m *measurement) report(results []*result) {
	gogc := os.Getenv("GOGC")
	if gogc == "" {
		gogc = "100"
	}
	fmt.Printf("%s %s/%s, %d processors, GOGC=%s; %d watchers, %d turns of %d rounds\n\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), gogc, m.watchers, m.turns, m.rounds)
	fmt.Print("| PUT to all watchers, median (least to most) | ", heads(results), "\n")
	row("its answer, ms", results, func(r *result) string { return r.spread(func(r round) time.Duration { return r.answered / 1000 }) })
	row("the median watcher has the event, ms", results, func(r *result) string { return r.spread(func(r round) time.Duration { return r.middle / 1000 }) })
	row("the last watcher has it, ms", results, func(r *result) string { return r.spread(func(r round) time.Duration { return r.last / 1000 }) })
	row("processor time of the server for each watcher, µs", results, func(r *result) string { return r.spread(func(r round) time.Duration { return r.each }) })
	fmt.Print("\n| octets a connection, median | ", heads(results), "\n")
	for _, of := range accounts {
		row(of.name+", silent", results, func(r *result) string { return octets(of.pick, r.idle) })
		row(of.name+", watching", results, func(r *result) string { return octets(of.pick, r.watching) })
		row(of.name+", what watching adds", results, func(r *result) string { return octets(of.pick, r.added()) })
	}
}

// accounts are the ways to count memory.
var accounts = []struct {
	name string
	pick func(memory) float64
}{
	{"Rss", func(m memory) float64 { return m.rss }},
	{"Pss", func(m memory) float64 { return m.pss }},
	{"Go's heap and stacks in use", func(m memory) float64 { return m.heap + m.stack }},
	{"of these stacks", func(m memory) float64 { return m.stack }},
}

// added is the difference in each turn.
func (r *result) added() []memory {
	added := make([]memory, len(r.idle))
	for i, idle := range r.idle {
		w := r.watching[i]
		added[i] = memory{w.rss - idle.rss, w.pss - idle.pss, w.heap - idle.heap, w.stack - idle.stack}
	}
	return added
}

func heads(results []*result) string {
	var names, lines strings.Builder
	for _, r := range results {
		names.WriteString("`" + r.name + "` | ")
		lines.WriteString(" --- |")
	}
	return strings.TrimSpace(names.String()) + "\n| --- |" + lines.String()
}

func row(name string, results []*result, cell func(*result) string) {
	fmt.Printf("| %s |", name)
	for _, r := range results {
		fmt.Printf(" %s |", cell(r))
	}
	fmt.Println()
}

// spread is of times in thousandths.
func (r *result) spread(pick func(round) time.Duration) string {
	values := make([]float64, len(r.rounds))
	for i, round := range r.rounds {
		values[i] = float64(pick(round)) / 1000
	}
	return fmt.Sprintf("%.1f (%.1f to %.1f)", median(values), slices.Min(values), slices.Max(values))
}

func octets(pick func(memory) float64, of []memory) string {
	values := make([]float64, len(of))
	for i, m := range of {
		values[i] = pick(m)
	}
	return fmt.Sprintf("%.0f", median(values))
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}

//go:build linux

package main

import (
	"bufio"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"roost/bench"
)

// load is what wrk sends.
type load struct {
	name, what        string
	connections, size int
	script            string
	path              string
	resources         int // with a store of so many
}

// benchCase is what is measured in the same turns.
type benchCase struct {
	name   string
	serves func(server) bool
	loads  []load
	run    func(*measurement, benchCase) error
}

const (
	putScript = `wrk.method = "PUT"
wrk.body = string.rep("0123456789", 10)
wrk.headers["Content-Type"] = "text/plain"
`
	pipelineScript = `local all
init = function(args)
  local one = {}
  for i = 1, 16 do one[i] = wrk.format(nil, wrk.path) end
  all = table.concat(one)
end
request = function() return all end
`
	randomScript = `math.randomseed(os.time())
request = function()
  return "GET /r/" .. math.random(0, %d) .. " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
end
`
)

func everyone(server) bool     { return true }
func whoKeeps(s server) bool   { return s.keeps }
func whoIsRoost(s server) bool { return s.roost }
func whoStreams(s server) bool { return s.roost || s.name == "bare" }

var cases = []benchCase{
	{"get-1", everyone, []load{{"get-1", "GET of 100 octets, 1 connection", 1, small, "", bench.URI, 0}}, contest},
	{"get-64", everyone, []load{{"get-64", "GET of 100 octets, 64 connections", 64, small, "", bench.URI, 0}}, contest},
	{"get-1000", everyone, []load{{"get-1000", "GET of 100 octets, 1,000 connections", 1000, small, "", bench.URI, 0}}, contest},
	{"get-64k", everyone, []load{{"get-64k", "GET of 64 KiB, 64 connections", 64, 64 << 10, "", bench.URI, 0}}, contest},
	{"put", whoKeeps, []load{{"put", "PUT of 100 octets, 64 connections", 64, small, putScript, bench.URI, 0}}, contest},
	{"pipelined", everyone, []load{{"pipelined", "GET of 100 octets, pipelined by 16, 64 connections; for each of the 16 answers", 64, small, pipelineScript, bench.URI, 0}}, contest},
	{"resources", whoIsRoost, []load{among(1), among(1000), among(1_000_000)}, contest},
	{"idle", everyone, nil, idle},
	{"watchers", whoStreams, nil, watchers},
}

func among(n int) load {
	name := fmt.Sprint("resources-", n)
	return load{name, fmt.Sprintf("GET of 100 octets at random among %d resources, 64 connections", n), 64, small, fmt.Sprintf(randomScript, n-1), "/r/0", n}
}

func caseNames() (names []string) {
	for _, c := range cases {
		names = append(names, c.name)
	}
	return names
}

// key is a server in a case.
type key struct{ load, server string }

// result is what the turns gave.
type result struct {
	rate, cpu, p50, p99  []float64 // µs
	memory               []float64 // of a connection, octets
	answered, last, each []float64 // of a change: ms, ms, µs of the server for each watcher
}

func (m *measurement) result(load, server string) *result {
	k := key{load, server}
	if m.results[k] == nil {
		m.results[k] = new(result)
	}
	return m.results[k]
}

// entry is a server that runs for a load.
type entry struct {
	load
	*running
	name, script string
}

// contest measures requests.
func contest(m *measurement, c benchCase) (err error) {
	var entries []*entry
	defer func() {
		for _, e := range entries {
			e.Stop()
		}
	}()
	for _, l := range c.loads {
		script := ""
		if l.script != "" {
			script = filepath.Join(m.dir, l.name+".lua")
			if err := os.WriteFile(script, []byte(l.script), 0o600); err != nil {
				return err
			}
		}
		for _, name := range m.servers {
			s := find(name)
			if !c.serves(s) {
				continue
			}
			r, err := m.startFor(s, l)
			if err != nil {
				m.note(fmt.Sprintf("%s is left out of %s: %v", name, l.name, err))
				continue
			}
			entries = append(entries, &entry{l, r, name, script})
		}
	}
	if m.rounds > 1 { // to warm up
		for _, e := range entries {
			_, err := m.wrk(e.Addr, e.path, e.script, e.connections, time.Second)
			if err := m.failed(e.load.name, e.name, err); err != nil {
				return err
			}
		}
	}
	turns := slices.Clone(entries)
	for range m.rounds {
		for _, e := range turns {
			if err := m.failed(e.load.name, e.name, m.turn(e)); err != nil {
				return err
			}
		}
		slices.Reverse(turns) // who comes first has no advantage
	}
	return nil
}

// failed notes that a turn failed; the others go on, unless all are to end.
func (m *measurement) failed(load, server string, err error) error {
	if m.ctx.Err() != nil {
		return m.ctx.Err()
	}
	if err != nil {
		m.note(fmt.Sprintf("%s, %s: a turn failed and is not in the figures: %v", load, server, err))
	}
	return nil
}

// startFor starts a server and gives it what it is asked for.
func (m *measurement) startFor(s server, l load) (*running, error) {
	with := setting{size: l.size}
	if l.resources > 0 {
		with.store = filepath.Join(m.dir, s.name+"-"+l.name)
		if err := m.fill(with.store, l.resources); err != nil {
			return nil, err
		}
	}
	r, err := s.start(m, with)
	if err != nil {
		return nil, err
	}
	if s.keeps && l.size > small {
		if err := putOne(r.Addr, value(l.size)); err != nil {
			r.Stop()
			return nil, err
		}
	}
	return r, nil
}

func putOne(addr, value string) error {
	c, err := bench.Dial(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Put(value)
}

func (m *measurement) turn(e *entry) error {
	before, err := bench.ProcessorTime(e.pid)
	if err != nil {
		return err
	}
	t, err := m.wrk(e.Addr, e.path, e.script, e.connections, m.length)
	if err != nil {
		return err
	}
	after, err := bench.ProcessorTime(e.pid)
	if err != nil {
		return err
	}
	if t.errors != "" {
		m.note(fmt.Sprintf("%s, %s: %s", e.load.name, e.name, t.errors))
	}
	cpu := float64((after - before).Microseconds()) / float64(t.requests)
	r := m.result(e.load.name, e.name)
	r.rate, r.cpu = append(r.rate, t.rate), append(r.cpu, cpu)
	if t.p50 > 0 && t.p99 > 0 {
		r.p50, r.p99 = append(r.p50, float64(t.p50)/1e3), append(r.p99, float64(t.p99)/1e3)
	} else {
		m.note(fmt.Sprintf("%s, %s: wrk told no latency in a turn, which is missing in p50 and p99", e.load.name, e.name))
	}
	log.Printf("%-18s %-16s %8.0f/s %7.2f µs p50 %v p99 %v", e.load.name, e.name, t.rate, cpu, t.p50, t.p99)
	return nil
}

// fill makes a store by an import.
func (m *measurement) fill(dir string, n int) error {
	export := dir + ".ndjson"
	f, err := os.Create(export)
	if err != nil {
		return err
	}
	defer os.Remove(export)
	defer f.Close()
	out := bufio.NewWriter(f)
	const at = "2026-01-01T00:00:00Z"
	fmt.Fprintf(out, `{"kind":"roost store export","format":1,"epoch":"aaaaaaaaaaaaa","revision":%d,"time":"%s"}`+"\n", n+2, at)
	fmt.Fprintf(out, `{"space":"handler","name":"/r","meta":{"methods":7},"value":"","created":2,"revision":2,"modified":"%s"}`+"\n", at)
	fmt.Fprintf(out, `{"space":"resource","name":"/r","meta":{"type":"text/plain"},"value":"x","created":1,"revision":1,"modified":"%s"}`+"\n", at)
	for i := range n {
		fmt.Fprintf(out, `{"space":"resource","name":"/r/%d","meta":{"type":"text/plain","client":true,"parent":"/r","methods":7},"value":"%s","created":%d,"revision":%[3]d,"modified":"%s"}`+"\n", i, bench.Value, i+3, at)
	}
	fmt.Fprintf(out, `{"items":%d}`+"\n", n+2)
	if err := out.Flush(); err != nil {
		return err
	}
	if said, err := exec.CommandContext(m.ctx, m.roost, "store", "import", dir, export).CombinedOutput(); err != nil {
		return fmt.Errorf("roost store import: %w: %s", err, said)
	}
	return nil
}

const few, many, most = 1_000, 9_000, 10_000

// settle is how long a server may take to be at rest before its memory is read.
const settle = 300 * time.Millisecond

// connected has connections until there are n.
func (m *measurement) connected(r *running, conns *[]*bench.Client, n int, begin func(*bench.Client) error) error {
	for len(*conns) < n {
		if err := m.ctx.Err(); err != nil {
			return err
		}
		c, err := bench.Dial(r.Addr)
		if err != nil {
			return err
		}
		*conns = append(*conns, c)
		if err := begin(c); err != nil {
			return fmt.Errorf("connection %d: %w", len(*conns), err)
		}
	}
	return nil
}

func (m *measurement) slope(r *running, conns *[]*bench.Client, begin func(*bench.Client) error) (float64, error) {
	var used [2]float64
	for i, n := range []int{few, many} {
		if err := m.connected(r, conns, n, begin); err != nil {
			return 0, err
		}
		time.Sleep(settle)
		var err error
		if used[i], err = memory(r.pid); err != nil {
			return 0, err
		}
	}
	return slope(few, many, used[0], used[1]), nil
}

func closeAll(conns []*bench.Client) {
	for _, c := range conns {
		c.Close()
	}
}

// inTurns measures something of a server that is started for it.
func (m *measurement) inTurns(c benchCase, with setting, measure func(*running, *result) error) error {
	for range m.rounds {
		for _, name := range m.servers {
			s := find(name)
			if !c.serves(s) {
				continue
			}
			r, err := s.start(m, with)
			if err != nil {
				m.note(fmt.Sprintf("%s is left out of %s: %v", name, c.name, err))
				continue
			}
			got := m.result(c.name, name)
			err = measure(r, got)
			r.Stop()
			if stop := m.failed(c.name, name, err); stop != nil {
				return stop
			}
			if err != nil {
				continue
			}
			log.Printf("%-18s %-16s %8.0f octets each; last told %v ms", c.name, name, got.memory[len(got.memory)-1], got.last)
		}
	}
	return nil
}

// idle measures what a silent connection that made one GET takes.
func idle(m *measurement, c benchCase) error {
	return m.inTurns(c, setting{size: small}, func(r *running, got *result) error {
		var conns []*bench.Client
		defer func() { closeAll(conns) }()
		each, err := m.slope(r, &conns, (*bench.Client).Get)
		if err == nil {
			got.memory = append(got.memory, each)
		}
		return err
	})
}

// watchers measures what a silent watcher takes, and how long a change to all.
func watchers(m *measurement, c benchCase) error {
	return m.inTurns(c, setting{size: small, watch: true}, func(r *running, got *result) error {
		var conns []*bench.Client
		defer func() { closeAll(conns) }()
		each, err := m.slope(r, &conns, (*bench.Client).Watch)
		if err != nil {
			return err
		}
		got.memory = append(got.memory, each)
		if err := m.connected(r, &conns, most, (*bench.Client).Watch); err != nil {
			return err
		}
		writer, err := bench.Dial(r.Addr)
		if err != nil {
			return err
		}
		defer writer.Close()
		w := bench.Listen(conns)
		before, err := bench.ProcessorTime(r.pid)
		if err != nil {
			return err
		}
		answered, at, err := w.Change(writer, "told "+value(small-5))
		if err != nil {
			return err
		}
		after, err := bench.ProcessorTime(r.pid)
		got.answered = append(got.answered, float64(answered)/1e6)
		got.last = append(got.last, float64(slices.Max(at))/1e6)
		got.each = append(got.each, float64((after-before).Microseconds())/most)
		return err
	})
}

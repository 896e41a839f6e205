//go:build unix

// Command cpu measures the processor time that a request costs a server, user and
// system together: Roost's beside that of bare net/http with the same answer.
//
// Each server is a process of its own, of this same program, and the load comes
// from here over keep-alive connections of the loopback interface. The servers
// take turns in rounds, so that what changes on the machine meets them alike, and a
// round is compared with the one beside it. A server tells its own getrusage, whose
// sum the Linux kernel keeps to the nanosecond.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"runtime"
	"slices"
	"strings"
)

func main() {
	log.SetFlags(0)
	var m measurement
	flag.IntVar(&m.rounds, "rounds", 9, "rounds of each server")
	flag.IntVar(&m.requests, "requests", 20_000, "requests a round")
	flag.IntVar(&m.connections, "connections", 64, "connections that send them")
	servers := flag.String("servers", "roost,bare", "what to compare: "+strings.Join(serverNames(), ", ")+"; the last is the measure")
	flag.StringVar(&m.profiles, "profile", "", "folder to write a processor profile of each server and request to")
	serve := flag.String("serve", "", "be the server of that name (for this program's own use)")
	profile := flag.String("serve-profile", "", "write a processor profile there (for this program's own use)")
	flag.Parse()
	m.servers = strings.Split(*servers, ",")
	var err error
	if *serve != "" {
		err = beServer(*serve, *profile)
	} else {
		err = m.run()
	}
	if err != nil {
		log.Fatal("cpu: ", err)
	}
}

// measurement is a run of this program.
type measurement struct {
	servers                       []string
	rounds, requests, connections int
	profiles                      string
}

func (m *measurement) run() error {
	fmt.Printf("%s %s/%s, %d processors; %d rounds of %d requests over %d connections\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), m.rounds, m.requests, m.connections)
	for _, request := range requests {
		if err := m.compare(request); err != nil {
			return err
		}
	}
	return nil
}

// compare measures one kind of request at every server.
func (m *measurement) compare(r request) error {
	var contenders []*contender
	defer func() {
		for _, c := range contenders {
			c.stop()
		}
	}()
	for _, name := range m.servers {
		c, err := startContender(name, m.profile(name, r), m.connections)
		if err != nil {
			return fmt.Errorf("start %s: %w", name, err)
		}
		contenders = append(contenders, c)
		if _, err := c.round(r, m.requests); err != nil { // to warm up
			return fmt.Errorf("%s %s: %w", name, r.name, err)
		}
	}
	turns := slices.Clone(contenders)
	for range m.rounds {
		slices.Reverse(turns) // who comes first has no advantage
		for _, c := range turns {
			cost, err := c.round(r, m.requests)
			if err != nil {
				return fmt.Errorf("%s %s: %w", c.name, r.name, err)
			}
			c.costs = append(c.costs, cost)
		}
	}
	report(r, contenders)
	return nil
}

func (m *measurement) profile(server string, r request) string {
	if m.profiles == "" {
		return ""
	}
	return m.profiles + string(os.PathSeparator) + server + "-" + r.name + ".cpu"
}

func report(r request, contenders []*contender) {
	fmt.Printf("\n%s\n", r.what)
	measure := contenders[len(contenders)-1]
	for _, c := range contenders {
		fmt.Printf("  %-14s median %6.2f µs a request", c.name, median(c.costs))
		if c != measure {
			ratios := make([]float64, len(c.costs))
			for i := range ratios {
				ratios[i] = c.costs[i] / measure.costs[i]
			}
			fmt.Printf("; to %s: median %.3f of%s", measure.name, median(ratios), list(" %.3f", ratios))
		}
		fmt.Println()
	}
}

func list(format string, values []float64) string {
	var b strings.Builder
	for _, v := range values {
		fmt.Fprintf(&b, format, v)
	}
	return b.String()
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}

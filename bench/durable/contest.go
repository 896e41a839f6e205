//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"roost/bench"
)

// contender is a server under load.
type contender interface {
	name() string

	// turn sends changes by so many connections, for about a time, and returns how many were
	// made a second.
	turn(connections int, length time.Duration) (float64, error)
	pid() int
	stop()
}

// result is what the turns of a contender with one number of connections gave.
type result struct{ rates, cpu []float64 }

// contest measures the contenders in turns, and the disk before each.
func (m *measurement) contest() error {
	var contenders []contender
	for _, start := range []func() (contender, error){m.startRoost, m.startRedis} {
		c, err := start()
		if err != nil {
			return err
		}
		defer c.stop()
		contenders = append(contenders, c)
	}
	var syncs []time.Duration
	results := make(map[string]*result)
	for range m.rounds {
		for _, n := range connections {
			took, err := syncTimes(m.dir)
			if err != nil {
				return err
			}
			syncs = append(syncs, took...)
			for _, c := range contenders {
				if err := m.turn(c, n, results); err != nil {
					return fmt.Errorf("%s with %d connections: %w", c.name(), n, err)
				}
			}
		}
	}
	m.report(contenders, results, syncs)
	return nil
}

func (m *measurement) turn(c contender, n int, results map[string]*result) error {
	r := results[key(c, n)]
	if r == nil {
		r = new(result)
		results[key(c, n)] = r
	}
	before, err := bench.ProcessorTime(c.pid())
	if err != nil {
		return err
	}
	start := time.Now()
	rate, err := c.turn(n, m.length)
	if err != nil {
		return err
	}
	took := time.Since(start).Seconds()
	after, err := bench.ProcessorTime(c.pid())
	r.rates = append(r.rates, rate)
	r.cpu = append(r.cpu, (after-before).Seconds()/took*1e6/rate)
	return err
}

func key(c contender, connections int) string { return fmt.Sprint(c.name(), " ", connections) }

func (m *measurement) report(contenders []contender, results map[string]*result, syncs []time.Duration) {
	fmt.Printf("\nfdatasync of 4 KiB: %s, %d of them\n", spread(syncs, func(d time.Duration) string { return fmt.Sprintf("%.0f µs", float64(d)/1e3) }), len(syncs))
	fmt.Print("\n| connections | server | changes a second, median (least to most) | processor time of the server for each, µs |\n| --- | --- | --- | --- |\n")
	whole := func(f float64) string { return fmt.Sprintf("%.0f", f) }
	for _, n := range connections {
		for _, c := range contenders {
			r := results[key(c, n)]
			fmt.Printf("| %d | %s | %s | %.1f |\n", n, c.name(), spread(r.rates, whole), median(r.cpu))
		}
	}
}

// syncTimes appends 4 KiB to a file and syncs it, again and again.
func syncTimes(dir string) (took []time.Duration, err error) {
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	block := make([]byte, 4<<10)
	for range 200 {
		start := time.Now()
		if _, err := f.Write(block); err != nil {
			return nil, err
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			return nil, err
		}
		took = append(took, time.Since(start))
	}
	return took, nil
}

//go:build linux

// Command durable measures how many changes a second are on the disk when they are answered:
// those of roost serve --data, beside Redis with appendfsync always; and how long a store
// with many resources takes to open, and what memory.
//
// Redis gets its load from redis-benchmark, and Roost from wrk: two programs in C with one
// thread each, and not the same. Both servers have their files on one file system, and take
// turns. It installs nothing unless -install is given: what is missing it says, and leaves out.
package main

import (
	"flag"
	"fmt"
	"log"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"roost/bench"
)

func main() {
	log.SetFlags(0)
	var m measurement
	flag.StringVar(&m.dir, "dir", "", "folder for the files of the servers (a temporary one by default)")
	flag.StringVar(&m.roost, "roost", "", "program to measure (built by default)")
	flag.IntVar(&m.rounds, "rounds", 5, "turns of each server with each number of connections; none if 0")
	flag.DurationVar(&m.length, "length", 4*time.Second, "of a turn, about")
	flag.IntVar(&m.resources, "resources", 1_000_000, "resources in the store that is opened; none if 0")
	flag.IntVar(&m.openings, "openings", 3, "how often it is opened")
	flag.StringVar(&m.profile, "profile", "", "file to write a profile of the memory of the opened store to")
	install := flag.Bool("install", false, "install what is missing, with apt-get")
	open := flag.String("open", "", "open the store in that folder (for this program's own use)")
	flag.Parse()
	var err error
	if *install {
		err = bench.Install(slices.Sorted(maps.Values(packages))...)
	}
	switch {
	case err != nil:
	case *open != "":
		err = beOpened(*open, m.profile)
	default:
		err = m.run()
	}
	if err != nil {
		log.Fatal("durable: ", err)
	}
}

// measurement is a run of this program.
type measurement struct {
	dir, roost, profile         string
	rounds, resources, openings int
	length                      time.Duration
}

// connections are how many clients there are at once.
var connections = []int{1, 64, 512}

func (m *measurement) run() error {
	dir, err := os.MkdirTemp(m.dir, "durable-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if m.dir = dir; m.roost == "" {
		m.roost = filepath.Join(dir, "roost")
		build := exec.Command("go", "build", "-o", m.roost, "roost/cmd/roost")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return err
		}
	}
	fmt.Printf("%s %s/%s, %d processors; files in %s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), dir)
	if m.rounds > 0 && installed("redis-server", "redis-benchmark", "wrk") {
		if err := m.contest(); err != nil {
			return err
		}
	}
	if m.resources > 0 {
		return m.load()
	}
	return nil
}

// packages of Debian have what is needed beside Go.
var packages = map[string]string{"redis-server": "redis-server", "redis-benchmark": "redis-tools", "wrk": "wrk"}

func installed(programs ...string) bool {
	all := true
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			log.Printf("%s is missing, so changes are not measured: apt-get install %s", program, packages[program])
			all = false
		}
	}
	return all
}

func median[T int | float64 | time.Duration](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}

func spread[T int | float64 | time.Duration](values []T, format func(T) string) string {
	return fmt.Sprintf("%s (%s to %s)", format(median(values)), format(slices.Min(values)), format(slices.Max(values)))
}

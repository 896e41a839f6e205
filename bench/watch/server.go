//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"syscall"

	"roost/bench"
)

// servers are what can be measured, by name. Each listens at a port of the loopback
// interface that the system chose.
var servers = map[string]func() (net.Addr, error){
	"roost": bench.StartRoost,
	"bare": func() (net.Addr, error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		go http.Serve(l, bench.BareHub())
		return l.Addr(), nil
	},
}

// beServer serves until its standard input ends. It says its address on the first line
// of its output, and answers each line of its input: "memory" with its [memory], another
// with the processor time that it took so far, in nanoseconds.
func beServer(name, profiles string) error {
	start, ok := servers[name]
	if !ok {
		return fmt.Errorf("no server is called %q", name)
	}
	if profiles != "" {
		f, err := os.Create(filepath.Join(profiles, name+".cpu"))
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
	}
	addr, err := start()
	if err != nil {
		return err
	}
	fmt.Println(addr)
	for in := bufio.NewReader(os.Stdin); ; {
		line, err := in.ReadString('\n')
		if err == io.EOF {
			return profile(name, profiles)
		}
		if err == nil {
			err = answer(strings.TrimSpace(line))
		}
		if err != nil {
			return err
		}
	}
}

func answer(question string) error {
	if question == "memory" {
		m, err := readMemory()
		fmt.Println(m.rss, m.pss, m.heap, m.stack)
		return err
	}
	var u syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	fmt.Println(u.Utime.Nano() + u.Stime.Nano())
	return err
}

// memory is what a process uses, in octets: by the kernel's account, and by Go's.
type memory struct{ rss, pss, heap, stack float64 }

// readMemory collects garbage first, twice as a stack shrinks by half each time. What
// that frees stays in the process, and so in rss.
func readMemory() (m memory, err error) {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	m.heap, m.stack = float64(s.HeapInuse), float64(s.StackInuse)
	rollup, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		return m, err
	}
	m.rss, m.pss = field(rollup, "\nRss:"), field(rollup, "\nPss:")
	if m.rss == 0 || m.pss == 0 {
		return m, errors.New("/proc/self/smaps_rollup does not tell Rss and Pss")
	}
	return m, nil
}

// field is a number of kilobytes that follows name.
func field(rollup []byte, name string) (octets float64) {
	_, rest, _ := bytes.Cut(rollup, []byte(name))
	fmt.Sscan(string(rest), &octets)
	return octets * 1024
}

// profile writes what the heap and the goroutines were at the end, and ends the profile of
// the processor.
func profile(name, folder string) error {
	if folder == "" {
		return nil
	}
	pprof.StopCPUProfile()
	for _, kind := range []string{"heap", "goroutine"} {
		f, err := os.Create(filepath.Join(folder, name+"."+kind))
		if err != nil {
			return err
		}
		if err := pprof.Lookup(kind).WriteTo(f, 0); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

//go:build unix

package main

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"runtime/pprof"
	"slices"
	"syscall"
	"time"

	"roost/bench"
)

// servers are what can be measured. Each listens at a port of the loopback
// interface that the system chose, and serves in the background.
var servers = map[string]func() (net.Addr, error){
	"roost": bench.StartRoost,
	// Its rules alone, without what its own listeners do.
	"roost-mounted": func() (net.Addr, error) {
		s, err := bench.Roost("127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		return serveBare(&http.Server{Handler: s})
	},
	"bare": func() (net.Addr, error) {
		return serveBare(&http.Server{Handler: bench.Bare()})
	},
	// What the limits of time cost when net/http keeps them.
	"bare-timeouts": func() (net.Addr, error) {
		return serveBare(&http.Server{
			Handler:           bench.Bare(),
			ReadHeaderTimeout: 5 * time.Second,
			WriteTimeout:      15 * time.Second,
			IdleTimeout:       60 * time.Second,
		})
	},
}

func serverNames() []string { return slices.Sorted(maps.Keys(servers)) }

func serveBare(s *http.Server) (net.Addr, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go s.Serve(l)
	return l.Addr(), nil
}

// beServer serves until its standard input ends. It says its address on the first
// line of its output, and answers each line of its input with the processor time
// that it took so far, in microseconds.
func beServer(name, profile string) error {
	start, ok := servers[name]
	if !ok {
		return fmt.Errorf("no server is called %q; there are %q", name, serverNames())
	}
	if profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	addr, err := start()
	if err != nil {
		return err
	}
	fmt.Println(addr)
	for in := bufio.NewReader(os.Stdin); ; {
		if _, err := in.ReadString('\n'); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			return err
		}
		fmt.Println((u.Utime.Nano() + u.Stime.Nano()) / 1000)
	}
}

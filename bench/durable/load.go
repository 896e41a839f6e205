//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	library "roost"
	"roost/bench"
	"roost/store/disk"
)

// perParent is how many of the resources one has below it.
const perParent = 50_000

// load measures how long a store with many resources takes until it is served, and what
// memory.
func (m *measurement) load() error {
	full, empty := filepath.Join(m.dir, "full"), filepath.Join(m.dir, "empty")
	start := time.Now()
	if err := fill(full, m.resources); err != nil {
		return err
	}
	if err := fill(empty, 0); err != nil {
		return err
	}
	fmt.Printf("\n%d resources made in %.1f s, not synced one by one; GOGC=%s\n", m.resources, time.Since(start).Seconds(), gogc())
	var took, used []time.Duration
	var rss, after, heap []float64
	for range m.openings {
		t, cpu, resident, err := m.startWith(full)
		if err != nil {
			return err
		}
		took, used, rss = append(took, t), append(used, cpu), append(rss, resident/float64(m.resources))
		with, err := m.memory(full, m.profile)
		if err != nil {
			return err
		}
		without, err := m.memory(empty, "")
		if err != nil {
			return err
		}
		after, heap = append(after, m.each(with.rss, without.rss)), append(heap, m.each(with.heap, without.heap))
	}
	octets := func(f float64) string { return fmt.Sprintf("%.0f", f) }
	fmt.Printf("\n| %d resources of %d octets | median (least to most) |\n| --- | --- |\n", m.resources, len(bench.Value))
	seconds := func(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()) }
	fmt.Printf("| `roost serve`, from its start until it listens, s | %s |\n", spread(took, seconds))
	fmt.Printf("| its processor time until then, all threads, s | %s |\n", spread(used, seconds))
	fmt.Printf("| memory a resource beside the value: Go's heap in use after a collection | %s |\n", spread(heap, octets))
	fmt.Printf("| the same, Rss after a collection and its return to the system | %s |\n", spread(after, octets))
	fmt.Printf("| Rss of `roost serve` a resource, all, when it listens | %s |\n", spread(rss, octets))
	return nil
}

// each is what a resource takes beside its value.
func (m *measurement) each(with, without float64) float64 {
	return (with-without)/float64(m.resources) - float64(len(bench.Value))
}

func gogc() string {
	if s := os.Getenv("GOGC"); s != "" {
		return s
	}
	return "100"
}

// startWith starts roost serve with a store, and stops it again.
func (m *measurement) startWith(dir string) (took, cpu time.Duration, rss float64, err error) {
	start := time.Now()
	p, _, err := serve(m.roost, "--data", dir, "--max-uri", "-1")
	if err != nil {
		return 0, 0, 0, err
	}
	took = time.Since(start)
	defer p.stop()
	if cpu, err = bench.ProcessorTime(p.pid()); err != nil {
		return 0, 0, 0, err
	}
	rss, err = rssOf(fmt.Sprint(p.pid()))
	return took, cpu, rss, err
}

// rssOf is what a process has in memory.
func rssOf(pid string) (float64, error) {
	status, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return 0, err
	}
	var kilobytes float64
	_, rest, _ := bytes.Cut(status, []byte("\nVmRSS:"))
	_, err = fmt.Sscan(string(rest), &kilobytes)
	return kilobytes * 1024, err
}

// memory is what a process uses.
type memory struct{ heap, rss float64 }

// memory opens a store in a process of this program.
func (m *measurement) memory(dir, profile string) (used memory, err error) {
	program, err := os.Executable()
	if err != nil {
		return used, err
	}
	cmd := exec.Command(program, "-open", dir, "-profile", profile)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return used, err
	}
	_, err = fmt.Sscan(string(out), &used.heap, &used.rss)
	return used, err
}

// beOpened opens a store as roost serve does, and says what memory that takes.
func beOpened(dir, profile string) error {
	s, closeAll, err := openServer(dir, disk.Options{})
	if err != nil {
		return err
	}
	defer closeAll()
	debug.FreeOSMemory() // collects first
	debug.FreeOSMemory()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	rss, err := rssOf("self")
	if err != nil {
		return err
	}
	fmt.Println(stats.HeapInuse, rss)
	if profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.Lookup("heap").WriteTo(f, 0); err != nil {
			return err
		}
	}
	runtime.KeepAlive(s)
	return nil
}

func openServer(dir string, opts disk.Options) (*library.Server, func(), error) {
	opts.Logger = slog.New(slog.DiscardHandler)
	kept, err := disk.Open(dir, opts)
	if err != nil {
		return nil, nil, err
	}
	s, err := library.New(context.Background(), library.Config{Store: kept, MaxURI: -1, Index: true, Addr: "127.0.0.1:0", Logger: opts.Logger})
	if err != nil {
		kept.Close()
		return nil, nil, err
	}
	return s, func() {
		s.Shutdown(context.Background())
		kept.Close()
	}, nil
}

// fill makes a store with resources that POST makes.
func fill(dir string, n int) error {
	s, closeAll, err := openServer(dir, disk.Options{Lazy: true})
	if err != nil {
		return err
	}
	defer closeAll()
	for i := range (n + perParent - 1) / perParent {
		r, err := s.AddResource(context.Background(), fmt.Sprint("/parent", i), library.WithContentType(library.Plain), library.WithString(bench.Value))
		if err != nil {
			return err
		}
		if err := r.RegisterRequestHandler(context.Background(), library.GET|library.PUT|library.POST|library.DELETE, nil); err != nil {
			return err
		}
	}
	return post(s, n)
}

// post makes resources from many goroutines.
func post(s http.Handler, n int) error {
	var next, failed atomic.Int64
	var posting sync.WaitGroup
	for range 256 {
		posting.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				r, _ := http.NewRequest(http.MethodPost, fmt.Sprint("http://127.0.0.1/parent", i/perParent), strings.NewReader(bench.Value))
				r.RequestURI, r.RemoteAddr = r.URL.Path, "127.0.0.1:1"
				r.Header.Set("Content-Type", "text/plain")
				w := &sink{header: make(http.Header)}
				s.ServeHTTP(w, r)
				if w.status != http.StatusCreated {
					failed.Store(int64(w.status))
				}
			}
		})
	}
	posting.Wait()
	if status := failed.Load(); status != 0 {
		return fmt.Errorf("POST: %d", status)
	}
	return nil
}

// sink takes an answer.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header              { return s.header }
func (s *sink) WriteHeader(status int)           { s.status = status }
func (s *sink) Write(b []byte) (int, error)      { return len(b), nil }
func (s *sink) SetReadDeadline(time.Time) error  { return nil }
func (s *sink) SetWriteDeadline(time.Time) error { return nil }

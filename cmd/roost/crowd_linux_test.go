package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// crowd are connections that keep a server busy with waiting.
type crowd struct {
	silent  int // that sent one request
	senders int // that send a byte of a content in each period
	readers int // that read a byte of a long value in each period
	period  time.Duration
	periods int
	churn   int // connections that come, ask and go, by a reset
}

// TestCrowd has one client among a crowd notice nothing, and sees that the crowd leaves nothing
// behind. With ROOST_TORTURE the crowd is 16,000 connections and a million that come and go.
func TestCrowd(t *testing.T) {
	c := crowd{silent: 200, senders: 100, readers: 20, period: 20 * time.Millisecond, periods: 10, churn: 2000}
	if os.Getenv("ROOST_TORTURE") != "" {
		c = crowd{silent: 10_000, senders: 5_000, readers: 1_000, period: time.Second, periods: 10, churn: 1_000_000}
	}
	big := filepath.Join(t.TempDir(), "big.txt")
	if err := os.WriteFile(big, make([]byte, 8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	p := launch(t, "serve", "--listen", "127.0.0.1:0", "--plane", "fast", "--methods", "GET,PUT", "--resource", "/small=value", "--resource", "/big=@"+big)
	found := p.find(&p.stdout, listens)
	if found == nil {
		t.Fatal("it does not start")
	}
	addr := strings.TrimPrefix(found[1], "http://")
	measure(t, addr, over) // opens what is opened once
	before := descriptors(t, p)

	all := c.come(t, addr)
	ended := make(chan struct{})
	measured := make(chan []time.Duration)
	go func() { measured <- measure(t, addr, ended) }()
	c.behave(t, all)
	close(ended)
	took := <-measured
	for _, conn := range all {
		conn.Close()
	}
	slices.Sort(took)
	t.Logf("among %d connections: %d requests, median %v, p99 %v, longest %v",
		len(all), len(took), took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
	c.comeAndGo(t, addr)
	for range 200 {
		if descriptors(t, p) <= before {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if after := descriptors(t, p); after > before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
	measure(t, addr, over)
	t.Logf("after %d more that came and went: %s", c.churn, resident(t, p))
}

// come opens the crowd: first the silent ones, then those who send, then those who read.
func (c *crowd) come(t *testing.T, addr string) []net.Conn {
	var all []net.Conn
	for i := range c.silent + c.senders + c.readers {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, conn)
		switch {
		case i < c.silent:
			io.WriteString(conn, "GET /small HTTP/1.1\r\nHost: a\r\n\r\n")
			expectStatus(t, conn, 200)
		case i < c.silent+c.senders:
			fmt.Fprintf(conn, "PUT /small HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", c.periods)
		default:
			io.WriteString(conn, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
		}
	}
	return all
}

func expectStatus(t *testing.T, conn net.Conn, status int) {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(patience))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != status {
		t.Errorf("got %d, not %d", resp.StatusCode, status)
	}
}

// behave sends and reads a byte in each period, and sees that everybody who sent is answered.
func (c *crowd) behave(t *testing.T, all []net.Conn) {
	senders, readers := all[c.silent:c.silent+c.senders], all[c.silent+c.senders:]
	tick := time.NewTicker(c.period)
	defer tick.Stop()
	one := make([]byte, 1)
	for range c.periods {
		<-tick.C
		for _, conn := range senders {
			conn.Write([]byte("x"))
		}
		for _, conn := range readers {
			conn.SetReadDeadline(time.Now().Add(patience))
			if _, err := conn.Read(one); err != nil {
				t.Error("one who reads slowly:", err)
			}
		}
	}
	for _, conn := range senders {
		expectStatus(t, conn, 204)
	}
}

var over = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// measure is the client that should notice nothing: it asks until ended, and a hundred times at
// least.
func measure(t *testing.T, addr string, ended <-chan struct{}) (took []time.Duration) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return []time.Duration{0}
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	for n := 0; ; n++ {
		select {
		case <-ended:
			if n >= 100 {
				return took
			}
		default:
		}
		start := time.Now()
		conn.SetDeadline(start.Add(patience))
		io.WriteString(conn, "GET /small HTTP/1.1\r\nHost: a\r\n\r\n")
		resp, err := http.ReadResponse(in, nil)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
		}
		if err != nil || resp.StatusCode != 200 {
			t.Errorf("request %d: %v", n, err)
			return append(took, 0)
		}
		took = append(took, time.Since(start))
	}
}

// stages are where those who come and go do so: they send this, and the answer to the first is
// read.
var stages = []string{
	"GET /small HTTP/1.1\r\nHost: a\r\n\r\n", "", "GET /small HT", "PUT /small HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx",
	"GET /big HTTP/1.1\r\nHost: a\r\n\r\n", "GET /small HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n",
}

// comeAndGo opens connections that are reset.
func (c *crowd) comeAndGo(t *testing.T, addr string) {
	var left atomic.Int64
	left.Store(int64(c.churn))
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			answer := make([]byte, 4<<10)
			for n := left.Add(-1); n >= 0; n = left.Add(-1) {
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				conn.SetDeadline(time.Now().Add(patience))
				stage := int(n) % len(stages)
				io.WriteString(conn, stages[stage])
				if stage == 0 {
					if n, err := conn.Read(answer); err != nil || !strings.HasPrefix(string(answer[:n]), "HTTP/1.1 200 ") {
						t.Errorf("%v after %q", err, answer[:n])
					}
				}
				conn.(*net.TCPConn).SetLinger(0) // leaves no port behind
				conn.Close()
			}
		})
	}
	clients.Wait()
}

func descriptors(t *testing.T, p *process) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// resident is how much of the process is in memory.
func resident(t *testing.T, p *process) string {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line) + " in memory"
}

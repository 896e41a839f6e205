package roost_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"roost"
)

// descriptors is how many the process has open.
func descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	must(err)
	return len(entries)
}

// A client between many slow ones notices nothing, and those that come and go leave nothing
// behind. With ROOST_TORTURE set there are many more.
func TestLoad(t *testing.T) {
	silent, sending, reading, churn := 200, 100, 20, 2_000
	if os.Getenv("ROOST_TORTURE") != "" {
		silent, sending, reading, churn = 10_000, 5_000, 1_000, 1_000_000
		var limit syscall.Rlimit
		must(syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
		if need := 2*(silent+sending+reading) + 1_000; uint64(need) > limit.Cur {
			t.Logf("of %d descriptors, which all take, there are %d: fewer connections", need, limit.Cur)
			part := func(n int) int { return int(uint64(n) * limit.Cur / uint64(need)) }
			silent, sending, reading = part(silent), part(sending), part(reading)
		}
	}
	s := start(t, roost.Config{MaxConns: -1, Timeouts: roost.Timeouts{Head: -1, Idle: -1, Write: -1}})
	s.add("/a", all, nil)
	s.add("/long", roost.GET, nil, roost.WithValue(bytes.Repeat([]byte("x"), 8<<20)))
	s.do("GET", "/a", "").expect(t, 200, "0")
	s.client.CloseIdleConnections()
	eventually(t, func() bool { return roost.FastConns(s.Server) == 0 })
	before := descriptors(t)

	var conns []net.Conn
	dial := func(n int, first string) (some []net.Conn) {
		for range n {
			c, err := net.Dial("tcp", s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			c.(*net.TCPConn).SetReadBuffer(4 << 10)
			io.WriteString(c, first)
			some = append(some, c)
		}
		conns = append(conns, some...)
		return some
	}
	dial(silent, "")
	senders := dial(sending, "GET /a HTTP/1.1\r\nHost: a\r\nX-Slow: ")
	readers := dial(reading, "GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
	stop := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		one := make([]byte, 1)
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Second):
			}
			for _, c := range senders {
				c.Write([]byte("x"))
			}
			for _, c := range readers {
				c.SetReadDeadline(time.Now().Add(time.Millisecond))
				c.Read(one)
			}
		}
	})
	var took []time.Duration
	c := s.dial()
	c.SetDeadline(time.Time{})
	answer := make([]byte, 4<<10)
	for range 2_000 {
		begun := time.Now()
		c.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
		if _, err := c.Read(answer); err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(begun))
		time.Sleep(time.Millisecond)
	}
	slices.Sort(took)
	p50, p99, most := took[len(took)/2], took[len(took)*99/100], took[len(took)-1]
	t.Logf("between %d silent, %d sending and %d reading: p50 %v, p99 %v, max %v", silent, sending, reading, p50, p99, most)
	if p50 > 50*time.Millisecond {
		t.Errorf("half of the answers took more than %v", p50)
	}
	close(stop)
	group.Wait()
	c.Close()
	for _, c := range conns {
		c.Close()
	}
	for i := range 4 {
		group.Go(func() {
			for j := range churn / 4 {
				c, err := net.Dial("tcp", s.Addr().String())
				if err != nil {
					t.Error(err)
					return
				}
				fmt.Fprint(c, []string{"", "GET /a HT", "GET /a HTTP/1.1\r\nHost: a\r\n\r\n", "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx",
					"GET /long HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n"}[(i+j)%6])
				c.(*net.TCPConn).SetLinger(0) // or the ports of this machine would soon be used up
				c.Close()
			}
		})
	}
	group.Wait()
	eventually(t, func() bool {
		return roost.FastConns(s.Server) == 0 && roost.Watchers(s.Server) == 0 && roost.Pending(s.Server) == 0 && descriptors(t) <= before
	})
}

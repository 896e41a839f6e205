package roost_test

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"testing"

	"roost"
)

// descriptors is how many the process has open.
func descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	must(err)
	return len(entries)
}

// Clients that go at any stage leave nothing behind.
func TestComeAndGo(t *testing.T) {
	s := start(t, roost.Config{MaxConns: -1})
	s.add("/a", all, nil)
	s.add("/long", roost.GET, nil, roost.WithValue(bytes.Repeat([]byte("x"), 8<<20)))
	s.do("GET", "/a", "").expect(t, 200, "0")
	s.client.CloseIdleConnections()
	eventually(t, func() bool { return roost.FastConns(s.Server) == 0 })
	before := descriptors(t)
	stages := []string{
		"", "GET /a HT", "GET /a HTTP/1.1\r\nHost: a\r\n\r\n", "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx",
		"GET /long HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n",
	}
	var clients sync.WaitGroup
	for i := range 4 {
		clients.Go(func() {
			for j := range 500 {
				c, err := net.Dial("tcp", s.Addr().String())
				if err != nil {
					t.Error(err)
					return
				}
				io.WriteString(c, stages[(i+j)%len(stages)])
				c.(*net.TCPConn).SetLinger(0) // or the ports of this machine would soon be used up
				c.Close()
			}
		})
	}
	clients.Wait()
	eventually(t, func() bool {
		return roost.FastConns(s.Server) == 0 && roost.Watchers(s.Server) == 0 && roost.Pending(s.Server) == 0 && descriptors(t) <= before
	})
}

package roost_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"roost"
)

// Rule 13: ten bodies of 1 MiB that come too slowly each get their 408 in full, though
// their clients go on sending.
func TestSlowBodies(t *testing.T) {
	s := start(t, roost.Config{Timeouts: roost.Timeouts{Content: 300 * time.Millisecond, ContentRate: 1 << 20}})
	told := newRecorder()
	s.add("/a", all, told.callback)
	const size = 1 << 20
	var group sync.WaitGroup
	for range 10 {
		c := s.dial()
		group.Go(func() {
			c.send(fmt.Sprintf("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n", size))
			stop := make(chan struct{})
			sent := make(chan int)
			go func() { sent <- drip(c, size, stop) }()
			got := c.rest()
			close(stop)
			if n := <-sent; n == size {
				t.Error("the whole content was sent in time")
			}
			checkWhole(t, got, 408, `"type":"urn:roost:problem:late-content"`)
		})
	}
	group.Wait()
	for _, e := range told.wait(t, 10) {
		if e.Status != 408 || len(e.Body) != 0 {
			t.Errorf("told of %d with %d octets", e.Status, len(e.Body))
		}
	}
	s.do("GET", "/a", "").expect(t, 200, "0")
}

// drip writes size octets slowly, until it is stopped or the other end is gone.
func drip(w io.Writer, size int, stop chan struct{}) int {
	sent := 0
	for sent < size {
		n, err := w.Write(bytes.Repeat([]byte("x"), 8<<10))
		sent += n
		if err != nil {
			return sent
		}
		select {
		case <-stop:
			return sent
		case <-time.After(20 * time.Millisecond):
		}
	}
	return sent
}

// checkWhole checks that got is one whole answer that closes the connection.
func checkWhole(t *testing.T, got string, status int, part string) {
	t.Helper()
	head, body, ok := strings.Cut(got, "\r\n\r\n")
	if !ok || !strings.HasPrefix(head, fmt.Sprintf("HTTP/1.1 %d ", status)) || !strings.Contains(head, "Connection: close") ||
		!strings.Contains(head, fmt.Sprintf("Content-Length: %d", len(body))) || !strings.Contains(body, part) {
		t.Errorf("answer is %.400q", got)
	}
}

// A body gets a second more for each ContentRate octets.
func TestContentRate(t *testing.T) {
	s := start(t, roost.Config{Timeouts: roost.Timeouts{Content: 200 * time.Millisecond, ContentRate: 100}})
	s.add("/a", all, nil)
	c := s.dial()
	c.send("PUT /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 110\r\n\r\n" + strings.Repeat("x", 100))
	time.Sleep(500 * time.Millisecond) // over Content, and within the second that 100 octets earn
	c.send(strings.Repeat("x", 10))
	if got := c.rest(); !strings.HasPrefix(got, "HTTP/1.1 204 ") {
		t.Errorf("got %.200q", got)
	}
}

// The 408 of one stream of HTTP/2 leaves the connection to the others.
func TestSlowBodyHTTP2(t *testing.T) {
	s := overHTTP2.start(t, roost.Config{Timeouts: roost.Timeouts{Content: 200 * time.Millisecond}})
	s.add("/a", all, nil)
	body, feed := io.Pipe()
	defer feed.Close()
	req, err := http.NewRequest("PUT", s.base+"/a", body)
	must(err)
	go io.WriteString(feed, "begun")
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 408 || resp.Proto != "HTTP/2.0" {
		t.Errorf("got %d by %s", resp.StatusCode, resp.Proto)
	}
	s.do("GET", "/a", "").expect(t, 200, "0")
}

// An upload over HTTP/2 may take longer than a client may take for its answer.
func TestLongUploadHTTP2(t *testing.T) {
	s := overHTTP2.start(t, roost.Config{Timeouts: roost.Timeouts{Write: 200 * time.Millisecond}})
	s.add("/a", all, nil)
	body, feed := io.Pipe()
	go func() {
		for range 6 {
			io.WriteString(feed, "x")
			time.Sleep(100 * time.Millisecond)
		}
		feed.Close()
	}()
	req, err := http.NewRequest("PUT", s.base+"/a", body)
	must(err)
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 204 {
		t.Errorf("got %d", resp.StatusCode)
	}
}

// Rule 13: a head that is not whole in time, and a connection that is idle, are
// closed.
func TestSlowHeads(t *testing.T) {
	for _, tr := range []transport{reference, fast} {
		t.Run(tr.name, func(t *testing.T) { testSlowHeads(t, tr) })
	}
}

func testSlowHeads(t *testing.T, tr transport) {
	s := tr.start(t, roost.Config{Timeouts: roost.Timeouts{Head: 100 * time.Millisecond, Idle: 150 * time.Millisecond}})
	s.add("/a", all, nil)
	wanted := map[string]string{
		"":                                       "",
		"GET /a HT":                              "HTTP/1.1 408 ",
		"GET /a HTTP/1.1\r\nHost: a\r\nX-Slow: ": "HTTP/1.1 408 ",
	}
	if tr == reference {
		// net/http closes in silence, but reads the first half of a request line as a
		// malformed one.
		wanted = map[string]string{
			"":                                       "",
			"GET /a HT":                              "HTTP/1.1 400 ",
			"GET /a HTTP/1.1\r\nHost: a\r\nX-Slow: ": "",
		}
	}
	for octets, want := range wanted {
		c := s.dial()
		c.send(octets)
		if got := c.rest(); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%q got %q", octets, got)
		}
	}
	c := s.dial()
	c.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
	if got := c.rest(); strings.Count(got, "HTTP/1.1 ") != 1 || !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Errorf("an idle connection got %q", got)
	}
}

// Rule 13: a reader that takes nothing is closed, and holds up nobody.
func TestReaderWithoutProgress(t *testing.T) {
	for _, tr := range transports {
		s := tr.start(t, roost.Config{Timeouts: roost.Timeouts{Write: 200 * time.Millisecond}})
		told := newRecorder()
		s.add("/large", roost.GET, told.callback, roost.WithValue(bytes.Repeat([]byte("x"), 32<<20)))
		s.add("/small", roost.GET, nil)
		resp, err := s.client.Get(s.base + "/large")
		must(err)
		s.do("GET", "/small", "").expect(t, 200, "0")
		told.wait(t, 1) // only once the answer failed, while nothing was read
		n, err := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err == nil || n == 32<<20 {
			t.Errorf("%s: the reader got %d octets, %v", tr.name, n, err)
		}
	}
}

// A slow but steady reader gets everything.
func TestSlowReader(t *testing.T) {
	s := start(t, roost.Config{Timeouts: roost.Timeouts{Write: 300 * time.Millisecond}})
	s.add("/large", roost.GET, nil, roost.WithValue(bytes.Repeat([]byte("x"), 16<<20)))
	resp, err := s.client.Get(s.base + "/large")
	must(err)
	defer resp.Body.Close()
	total, buf := 0, make([]byte, 1<<20)
	for {
		n, err := io.ReadFull(resp.Body, buf)
		total += n
		if err != nil {
			break
		}
		time.Sleep(50 * time.Millisecond) // 0.8 s in all
	}
	if total != 16<<20 {
		t.Errorf("got %d octets", total)
	}
}

// All contents being received together stay in the budget; what is beyond it gets
// 503, and its room is free again afterwards.
func TestPendingBytes(t *testing.T) {
	s := start(t, roost.Config{MaxBodyBytes: 60_000, MaxPendingBytes: 64 << 10})
	s.add("/a", all, nil)
	head := "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 60000\r\n\r\n"
	half := strings.Repeat("x", 30_000)
	holding := s.dial()
	holding.send(head + half) // holds 32 KiB, and will want 60,001
	eventually(t, func() bool { return roost.Pending(s.Server) > 30_000 })

	beyond := s.dial()
	beyond.send(head + half + half + "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	got := beyond.rest()
	if !strings.HasPrefix(got, "HTTP/1.1 503 ") || !strings.Contains(got, "Retry-After: 1\r\n") ||
		!strings.Contains(got, `"limit":65536`) || !strings.Contains(got, `"setting":"max-pending"`) ||
		!strings.Contains(got, "HTTP/1.1 200 ") { // the rest was read and dropped: the connection is kept
		t.Errorf("beyond the budget: %q", got)
	}
	holding.send(half + "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	if got := holding.rest(); !strings.HasPrefix(got, "HTTP/1.1 204 ") {
		t.Errorf("within the budget: %.200q", got)
	}
	eventually(t, func() bool { return roost.Pending(s.Server) == 0 })
}

// A large Content-Length alone takes no room.
func TestDeclaredLengthReservesNothing(t *testing.T) {
	s := start(t, roost.Config{MaxBodyBytes: 1_000_000, MaxPendingBytes: 1 << 20})
	s.add("/a", all, nil)
	for range 50 {
		s.dial().send("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 1000000\r\n\r\n")
	}
	s.do("PUT", "/a", strings.Repeat("x", 400_000), "Content-Type: text/plain").expect(t, 204, "")
}

func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come to that")
		}
	}
}

// Beyond the cap connections wait; they are served when another closes.
func TestMaxConns(t *testing.T) {
	s := start(t, roost.Config{MaxConns: 2})
	s.add("/a", all, nil)
	first, second, third := s.dial(), s.dial(), s.dial()
	get := "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
	buf := make([]byte, 4<<10)
	for _, c := range []*raw{first, second} {
		c.send(get)
		if _, err := c.Read(buf); err != nil {
			t.Fatal(err)
		}
	}
	third.send(get)
	third.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := third.Read(buf); err == nil {
		t.Errorf("a third connection got %q", buf[:n])
	}
	first.Close()
	third.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := third.Read(buf); err != nil || !strings.HasPrefix(string(buf[:n]), "HTTP/1.1 200 ") {
		t.Errorf("then it got %q, %v", buf[:n], err)
	}
	// A server whose slots are all taken can be shut down, at once: nobody has to
	// wait for clients that keep their connections.
	begun := time.Now()
	must(s.Shutdown(t.Context()))
	if took := time.Since(begun); took > time.Second {
		t.Errorf("Shutdown took %v", took)
	}
	eventually(t, func() bool { return roost.OpenConns(s.Server) == 0 })
}

// A cap of one serves more than one listener.
func TestMaxConnsOfListeners(t *testing.T) {
	s := start(t, roost.Config{MaxConns: 1})
	s.add("/a", roost.GET, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	served := make(chan error)
	go func() { served <- s.Serve(l) }()
	for _, addr := range []string{l.Addr().String(), s.Addr().String(), l.Addr().String()} {
		s.base = "http://" + addr
		s.do("GET", "/a", "", "Connection: close").expect(t, 200, "0")
	}
	must(s.Shutdown(t.Context()))
	must(<-served)
}

// Rule 14: what is refused early, and is still being sent, is answered in full.
func TestLargeBodyGetsIts413(t *testing.T) {
	s := start(t, roost.Config{MaxBodyBytes: 1000})
	told := newRecorder()
	s.add("/a", all, told.callback)
	big := strings.Repeat("x", 200<<10)
	for name, octets := range map[string]string{
		"declared": "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 204800\r\n\r\n" + big,
		"chunked":  "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n32000\r\n" + big + "\r\n0\r\n\r\n",
		"expected": "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nExpect: 100-continue\r\nContent-Length: 204800\r\n\r\n",
	} {
		c := s.dial()
		c.send(octets)
		got := c.rest()
		checkWhole(t, got, 413, `"limit":1000`)
		if strings.Contains(got, "Retry-After") {
			t.Errorf("%s: %q", name, got)
		}
		if e := told.wait(t, 1)[0]; e.Status != 413 || len(e.Body) != 0 {
			t.Errorf("%s: told of %d with %d octets", name, e.Status, len(e.Body))
		}
	}
}

// Rule 15: 100 (Continue) only when the head would be accepted.
func TestExpectContinue(t *testing.T) {
	s := start(t, roost.Config{})
	s.add("/a", roost.PUT, nil)
	ask := func(uri, mediaType string) (string, *raw) {
		c := s.dial()
		c.send("PUT " + uri + " HTTP/1.1\r\nHost: a\r\nContent-Type: " + mediaType + "\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
		buf := make([]byte, 4<<10)
		n, err := c.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n]), c
	}
	got, c := ask("/a", roost.Plain)
	if got != "HTTP/1.1 100 Continue\r\n\r\n" {
		t.Errorf("got %q", got)
	}
	c.send("new")
	buf := make([]byte, 4<<10)
	if n, _ := c.Read(buf); !strings.HasPrefix(string(buf[:n]), "HTTP/1.1 204 ") {
		t.Errorf("then %q", buf[:n])
	}
	for uri, mediaType := range map[string]string{"/absent": roost.Plain, "/a": "image/png"} {
		got, c := ask(uri, mediaType)
		if !strings.HasPrefix(got, "HTTP/1.1 4") || !strings.Contains(got, "Connection: close") {
			t.Errorf("%s %s got %q", uri, mediaType, got)
		}
		c.rest()
	}
}

// Close does not wait for connections that are draining.
func TestCloseWhileDraining(t *testing.T) {
	s := start(t, roost.Config{MaxBodyBytes: 10})
	s.add("/a", all, nil)
	for range 5 {
		c := s.dial()
		c.send("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n")
		if got := c.rest(); !strings.HasPrefix(got, "HTTP/1.1 413 ") { // the server's side has ended; ours has not
			t.Fatalf("got %q", got)
		}
	}
	begun := time.Now()
	must(s.Close())
	if took := time.Since(begun); took > time.Second {
		t.Errorf("Close took %v", took)
	}
}

// A client that goes away in the middle stores nothing.
func TestIncompleteBody(t *testing.T) {
	s := start(t, roost.Config{})
	told := newRecorder()
	s.add("/a", all, told.callback)
	for _, octets := range []string{
		"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\nabc",
		"POST /a HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
	} {
		c := s.dial()
		c.send(octets)
		must(c.Conn.(*net.TCPConn).CloseWrite())
		checkWhole(t, c.rest(), 400, "incomplete-content")
		if e := told.wait(t, 1)[0]; e.Status != 400 || e.NewURI != "" {
			t.Errorf("told of %d %s", e.Status, e.NewURI)
		}
	}
	if got := s.ListResource(""); len(got) != 1 {
		t.Errorf("resources %q", got)
	}
	s.do("GET", "/a", "").expect(t, 200, "0")
}

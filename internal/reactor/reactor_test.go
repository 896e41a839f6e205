//go:build linux

package reactor

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A connection that is silent costs its Conn, which has to stay in its size class.
func TestConnSize(t *testing.T) {
	if size := unsafe.Sizeof(Conn{}); size > 128 {
		t.Errorf("a Conn has %d bytes: more than 128 cost 144", size)
	}
}

// lines is a handler that answers each line. Some lines have a meaning of their own.
type lines struct {
	mu     sync.Mutex
	events []string
	long   []byte
	time   time.Duration
	conn   atomic.Pointer[Conn]
	ended  chan string // the events that end a connection
}

func newLines() *lines {
	return &lines{long: bytes.Repeat([]byte("0123456789abcdef"), 1<<19), ended: make(chan string, 100)}
}

func (h *lines) note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, fmt.Sprintf(format, args...))
}

func (h *lines) Opened(c *Conn) {
	h.conn.Store(c)
	if h.time > 0 {
		c.SetTime(h.time)
	}
}

func (h *lines) Received(c *Conn, b []byte) int {
	used := 0
	for c.Ready() {
		line, _, ok := bytes.Cut(b[used:], []byte("\n"))
		if !ok {
			return used
		}
		used += len(line) + 1
		switch string(line) {
		case "long":
			c.WriteShared(h.long)
			continue
		case "last":
			c.Write([]byte("bye\n"))
			c.Finish()
			return used
		case "wait":
			c.Pause()
			go func() {
				time.Sleep(10 * time.Millisecond)
				c.Do(func(open bool) {
					if open {
						c.Write([]byte("waited\n"))
						c.Resume()
					}
				})
			}()
			return used
		case "long sleep":
			c.WriteShared(h.long)
			c.Pause()
			return used
		case "sleep":
			c.Pause()
			return used
		case "close":
			c.Close()
			return used
		}
		c.Write(append([]byte("got "), append(bytes.Clone(line), '\n')...))
	}
	return used
}

func (h *lines) Ended(c *Conn) {
	h.ended <- "ended"
	c.Finish()
}
func (h *lines) Left(*Conn)      { h.ended <- "left" }
func (h *lines) Flushed(*Conn)   { h.note("flushed") }
func (h *lines) Expired(c *Conn) { h.note("expired"); c.Close() }
func (h *lines) Woken(c *Conn)   { c.Write([]byte("woken\n")); c.Resume() }
func (h *lines) Closed(c *Conn)  { h.ended <- fmt.Sprintf("closed %d %d", c.Received(), c.Sent()) }

func serve(t testing.TB, h Handler, opts Options) (*Reactor, string) {
	t.Helper()
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	r, err := New(h, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if _, err := r.Listen(l); err != nil {
		t.Fatal(err)
	}
	return r, l.Addr().String()
}

func dial(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(30 * time.Second))
	return c.(*net.TCPConn)
}

func expect(t testing.TB, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(r, got); err != nil || string(got) != want {
		t.Fatalf("got %.200q (%v), want %.200q", got[:n], err, want)
	}
}

func send(t testing.TB, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
}

func next(t testing.TB, events <-chan string) string {
	t.Helper()
	select {
	case e := <-events:
		return e
	case <-time.After(20 * time.Second):
		t.Fatal("nothing happened")
		return ""
	}
}

// What comes in pieces is kept until it is whole, and what comes at once is answered at once.
func TestPieces(t *testing.T) {
	h := newLines()
	_, addr := serve(t, h, Options{})
	c := dial(t, addr)
	for _, piece := range []string{"o", "n", "e", "\n", "two\nth", "ree\n"} {
		send(t, c, piece)
		time.Sleep(time.Millisecond)
	}
	expect(t, c, "got one\ngot two\ngot three\n")
	long := strings.Repeat("x", 3*readSize)
	send(t, c, long+"\n")
	expect(t, c, "got "+long+"\n")
	send(t, c, "last\nnot read\n")
	if rest, err := io.ReadAll(c); string(rest) != "bye\n" || err != nil {
		t.Errorf("%q, %v", rest, err)
	}
	if e := next(t, h.ended); !strings.HasPrefix(e, "closed ") {
		t.Error(e)
	}
}

// A slow reader gets everything, in order, and is asked for no more meanwhile.
func TestSlowReader(t *testing.T) {
	h := newLines()
	r, addr := serve(t, h, Options{Write: 10 * time.Second})
	c := dial(t, addr)
	send(t, c, "long\nlong\nafter\n")
	time.Sleep(50 * time.Millisecond)
	blocked := make(chan bool, 1)
	r.Each(func(c *Conn) { blocked <- c.waiting != nil })
	if !<-blocked {
		t.Error("16 MiB went to a reader that takes none")
	}
	expect(t, c, string(h.long)+string(h.long)+"got after\n")
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.events) == 0 || h.events[0] != "flushed" {
		t.Error(h.events)
	}
}

// A reader that takes nothing is closed after a while, one that takes a little is not.
func TestReaderWithoutProgress(t *testing.T) {
	h := newLines()
	_, addr := serve(t, h, Options{Write: 300 * time.Millisecond})
	slow, stuck := dial(t, addr), dial(t, addr)
	send(t, slow, "long\nlong\n") // more than what the system holds between the two
	send(t, stuck, "long\nlong\n")
	done := make(chan error, 1)
	go func() {
		b := make([]byte, 512<<10)
		left := 2 * len(h.long)
		for left > 0 {
			n, err := io.ReadFull(slow, b[:min(len(b), left)])
			if err != nil {
				done <- err
				return
			}
			left -= n
			time.Sleep(20 * time.Millisecond)
		}
		done <- nil
	}()
	if e := next(t, h.ended); !strings.HasPrefix(e, "closed ") {
		t.Error(e)
	}
	if err := <-done; err != nil {
		t.Error("a reader with progress:", err)
	}
}

// While a handler waits, nothing is given to it, and nothing is lost.
func TestPause(t *testing.T) {
	h := newLines()
	_, addr := serve(t, h, Options{})
	c := dial(t, addr)
	send(t, c, "wait\na\n")
	time.Sleep(2 * time.Millisecond)
	send(t, c, "b\nwait\nc\n")
	expect(t, c, "waited\ngot a\ngot b\nwaited\ngot c\n")
	send(t, c, "sleep\nd\n")
	time.Sleep(5 * time.Millisecond)
	for range 100 {
		h.conn.Load().Wake()
	}
	expect(t, c, "woken\n")
	got := make([]byte, 100)
	for !bytes.Contains(got, []byte("got d\n")) { // beside more that is woken
		if _, err := c.Read(got); err != nil {
			t.Fatal(err)
		}
	}
}

// The other end may end its side, or go, while the handler waits.
func TestLeft(t *testing.T) {
	for name, leave := range map[string]func(*net.TCPConn){
		"half": func(c *net.TCPConn) { c.CloseWrite() },
		"gone": func(c *net.TCPConn) { c.Close() },
	} {
		h := newLines()
		_, addr := serve(t, h, Options{})
		c := dial(t, addr)
		send(t, c, "sleep\n")
		time.Sleep(5 * time.Millisecond)
		leave(c)
		if e := next(t, h.ended); e != "left" {
			t.Error(name, e)
		}
		h.conn.Load().Wake()
		if e := next(t, h.ended); e != "ended" && !strings.HasPrefix(e, "closed") {
			t.Error(name, e)
		}
	}
	h := newLines()
	_, addr := serve(t, h, Options{})
	c := dial(t, addr)
	send(t, c, "sleep\n")
	time.Sleep(5 * time.Millisecond)
	c.SetLinger(0)
	c.Close() // a reset
	if e := next(t, h.ended); e != "left" {
		t.Error(e)
	}
	if e := next(t, h.ended); !strings.HasPrefix(e, "closed") {
		t.Error(e)
	}
}

// The last answer arrives though the client goes on sending.
func TestLinger(t *testing.T) {
	for _, sent := range []int{0, 100 << 10} {
		h := newLines()
		_, addr := serve(t, h, Options{Linger: 2 * time.Second, Drop: 256 << 10})
		c := dial(t, addr)
		send(t, c, "last\n"+strings.Repeat("x", sent))
		if rest, err := io.ReadAll(c); string(rest) != "bye\n" || err != nil {
			t.Errorf("%d: %q, %v", sent, rest, err)
		}
		c.Close()
		next(t, h.ended)
	}
	for name, opts := range map[string]Options{
		"time":   {Linger: 100 * time.Millisecond, Drop: 1 << 40},
		"octets": {Linger: time.Hour, Drop: 1 << 10},
	} {
		h := newLines()
		_, addr := serve(t, h, opts)
		c := dial(t, addr)
		send(t, c, "last\n")
		send(t, c, strings.Repeat("x", 4<<10))
		if e := next(t, h.ended); !strings.HasPrefix(e, "closed ") {
			t.Error(name, e)
		}
	}
}

func TestTime(t *testing.T) {
	h := newLines()
	h.time = 100 * time.Millisecond
	_, addr := serve(t, h, Options{})
	c := dial(t, addr)
	start := time.Now()
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Error(err)
	}
	if d := time.Since(start); d < 90*time.Millisecond {
		t.Error("over after", d)
	}
}

// Connections beyond the room wait until one closes.
func TestRoom(t *testing.T) {
	h := newLines()
	var mu sync.Mutex
	room, retries := 2, []func(){}
	opts := Options{
		Take: func(retry func()) bool {
			mu.Lock()
			defer mu.Unlock()
			if room == 0 {
				retries = append(retries, retry)
				return false
			}
			room--
			return true
		},
		Release: func() {
			mu.Lock()
			room++
			again := retries
			retries = nil
			mu.Unlock()
			for _, retry := range again {
				retry()
			}
		},
	}
	r, addr := serve(t, h, opts)
	first, second, third := dial(t, addr), dial(t, addr), dial(t, addr)
	for _, c := range []net.Conn{first, second, third} {
		send(t, c, "a\n")
	}
	expect(t, first, "got a\n")
	expect(t, second, "got a\n")
	third.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := third.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("a third one is served:", err)
	}
	first.Close()
	third.SetReadDeadline(time.Now().Add(20 * time.Second))
	expect(t, third, "got a\n")
	if n := r.Len(); n != 2 {
		t.Error(n, "connections")
	}
}

func TestUnix(t *testing.T) {
	h := newLines()
	r, err := New(h, Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := r.Listen(l)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	send(t, c, "a\n")
	expect(t, c, "got a\n")
	if h.conn.Load().Peer().IsValid() {
		t.Error("its other end has an address")
	}
	listener.Close()
	l.Close()
	<-listener.Done()
	send(t, c, "b\n")
	expect(t, c, "got b\n")
	if _, err := net.Dial("unix", path); err == nil {
		t.Error("a closed listener takes connections")
	}
}

// Close ends every connection, and nothing is left.
func TestClose(t *testing.T) {
	before := descriptors(t)
	h := newLines()
	h.ended = make(chan string, 1000)
	r, err := New(h, Options{Logger: slog.New(slog.DiscardHandler), Loops: 3, Linger: time.Hour, Drop: 1 << 40})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Listen(l); err != nil {
		t.Fatal(err)
	}
	var clients []net.Conn
	for i := range 90 {
		c := dial(t, l.Addr().String())
		clients = append(clients, c)
		send(t, c, []string{"a\n", "sleep\n", "long\nlong\nlong\n", "last\n", "part"}[i%5])
	}
	deadline := time.Now().Add(20 * time.Second)
	for r.Len() < len(clients) && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	counts := make([]int64, 3)
	for i, l := range r.loops {
		counts[i] = l.count.Load()
	}
	if counts[0] != 30 || counts[1] != 30 || counts[2] != 30 {
		t.Error("connections are unevenly on the loops:", counts)
	}
	r.Close()
	l.Close()
	if _, err := r.Listen(l); err == nil {
		t.Error("a closed reactor takes a listener")
	}
	if len(h.ended) != len(clients) {
		t.Errorf("%d of %d connections were told to be closed", len(h.ended), len(clients))
	}
	for _, c := range clients {
		c.Close()
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
	if h.conn.Load().Do(func(bool) { t.Error("something is done on a loop that has ended") }) {
		t.Error("Do is true after Close")
	}
}

func descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// Clients that come and go in every way leave nothing behind.
func TestChurn(t *testing.T) {
	h := newLines()
	h.ended = make(chan string, 1<<20)
	r, addr := serve(t, h, Options{Write: time.Second, Linger: time.Second, Drop: 1 << 20})
	before := descriptors(t)
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() {
			for j := range 250 {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				io.WriteString(c, []string{"a\n", "sleep\n", "long\nlong\n", "last\n", "part", "close\n", "wait\nb\n"}[(i+j)%7])
				switch j % 3 {
				case 0:
					c.(*net.TCPConn).SetLinger(0)
				case 1:
					c.(*net.TCPConn).CloseWrite()
					c.SetReadDeadline(time.Now().Add(time.Millisecond))
					io.Copy(io.Discard, c)
				}
				c.Close()
			}
		})
	}
	clients.Wait()
	deadline := time.Now().Add(20 * time.Second)
	for r.Len() > 0 && time.Now().Before(deadline) {
		r.Each(func(c *Conn) { c.Resume() }) // those that sleep
		time.Sleep(10 * time.Millisecond)
	}
	if n := r.Len(); n > 0 {
		t.Error(n, "connections are left")
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

// A connection that is closed while its input is handled gets no more of it handled.
func TestReadyIsFalseWhenClosed(t *testing.T) {
	h := newLines()
	_, addr := serve(t, h, Options{})
	c := dial(t, addr)
	send(t, c, "a\n")
	expect(t, c, "got a\n")
	conn, ready := h.conn.Load(), make(chan bool)
	conn.Do(func(bool) { conn.Close(); ready <- conn.Ready() })
	if <-ready {
		t.Error("a closed connection is ready for answers")
	}
}

// A connection's place can outlive it.
func TestKeepPlace(t *testing.T) {
	h := newLines()
	var taken atomic.Int64
	_, addr := serve(t, h, Options{
		Take:    func(func()) bool { taken.Add(1); return true },
		Release: func() { taken.Add(-1) },
	})
	c := dial(t, addr)
	send(t, c, "a\n")
	expect(t, c, "got a\n")
	conn := h.conn.Load()
	kept := make(chan bool)
	conn.Do(func(bool) { conn.KeepPlace(); conn.Close(); conn.KeepPlace(); conn.GivePlace(); close(kept) })
	<-kept
	base := taken.Load()
	given := make(chan bool)
	conn.Do(func(open bool) { conn.GivePlace(); given <- open })
	if open := <-given; open || taken.Load() != base-1 {
		t.Errorf("open %v, %d places before, %d after", open, base, taken.Load())
	}
}

var _ syscall.Conn = (*net.TCPListener)(nil)

// The time of a slow reader is not the handler's to clear.
func TestClearTimeOfSlowReader(t *testing.T) {
	h := newLines()
	r, addr := serve(t, h, Options{Write: 300 * time.Millisecond})
	send(t, dial(t, addr), "long\nlong\n")
	for range 20 { // as long as the system still takes some
		time.Sleep(10 * time.Millisecond)
		r.Each(func(c *Conn) { c.ClearTime() })
	}
	if e := next(t, h.ended); !strings.HasPrefix(e, "closed ") {
		t.Error(e)
	}
}

// closing has the other connections asked for something while the first one is closed.
type closing struct {
	*lines
	mu    sync.Mutex
	conns []*Conn
	over  map[*Conn]bool
	done  chan string
}

func (h *closing) Opened(c *Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.conns = append(h.conns, c)
}

func (h *closing) Closed(c *Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over[c] = true
	if len(h.over) > 1 {
		return
	}
	for _, other := range h.conns {
		if other != c {
			go func() {
				called := other.Do(func(bool) {})
				other.Loop().Wait()
				h.mu.Lock()
				defer h.mu.Unlock()
				h.done <- fmt.Sprintf("called %v, closed %v", called, h.over[other])
			}()
		}
	}
	h.mu.Unlock()
	time.Sleep(50 * time.Millisecond) // for Do to come
	h.mu.Lock()
}

// When Do is false the connection was closed: whoever asked has what belongs to it alone.
func TestDoWhileLoopEnds(t *testing.T) {
	h := &closing{lines: newLines(), over: make(map[*Conn]bool), done: make(chan string, 1)}
	r, addr := serve(t, h, Options{Loops: 1})
	for range 2 {
		dial(t, addr)
	}
	for r.Len() < 2 {
		time.Sleep(time.Millisecond)
	}
	r.Close()
	if got := next(t, h.done); !strings.HasSuffix(got, "closed true") {
		t.Error(got)
	}
}

// Times that are longer than ticks are counted are not over early.
func TestLongTime(t *testing.T) {
	for _, ticks := range []time.Duration{1<<31 + 4, 1<<32 + 4} {
		h := newLines()
		h.time = ticks * tick
		_, addr := serve(t, h, Options{})
		c := dial(t, addr)
		time.Sleep(8 * tick)
		send(t, c, "a\n")
		expect(t, c, "got a\n")
	}
}

// A slow reader gets all, though its connection is paused and it sends nothing.
func TestPausedSlowReader(t *testing.T) {
	h := newLines()
	_, addr := serve(t, h, Options{})
	c := dial(t, addr)
	send(t, c, "long sleep\n")
	expect(t, c, string(h.long))
}

// What comes for a connection that is paused, be it the end, does not keep its loop busy.
func TestPausedIsQuiet(t *testing.T) {
	h := newLines()
	_, addr := serve(t, h, Options{Loops: 1})
	for _, then := range []func(*net.TCPConn){
		func(c *net.TCPConn) { send(t, c, "more\n") },
		func(c *net.TCPConn) { c.CloseWrite() },
	} {
		c := dial(t, addr)
		send(t, c, "sleep\n")
		time.Sleep(10 * time.Millisecond)
		then(c)
		used, begun := processorTime(t), time.Now()
		time.Sleep(200 * time.Millisecond)
		if used, passed := processorTime(t)-used, time.Since(begun); used > passed/10 {
			t.Errorf("%v of processor time in %v", used, passed)
		}
	}
}

func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Each Wake after the last was heard is heard, and each Pause is told that the client has left.
func TestAgain(t *testing.T) {
	h := newLines()
	_, addr := serve(t, h, Options{})
	c := dial(t, addr)
	send(t, c, "sleep\nsleep\nsleep\nend\n")
	c.CloseWrite()
	for range 3 {
		if got := next(t, h.ended); got != "left" {
			t.Fatal(got)
		}
		h.conn.Load().Wake()
		expect(t, c, "woken\n")
	}
	expect(t, c, "got end\n")
}

// What a reader does not take is not handed to the system, but for a little.
func TestLittleWaitsInSystem(t *testing.T) {
	h := newLines()
	_, addr := serve(t, h, Options{})
	c := dial(t, addr)
	c.SetReadBuffer(16 << 10)
	send(t, c, "long\n")
	time.Sleep(100 * time.Millisecond)
	handed := make(chan int64, 1)
	conn := h.conn.Load()
	conn.Do(func(bool) { handed <- conn.Sent() })
	if n := <-handed; n == 0 || n > 1<<20 {
		t.Errorf("%d octets are with the system", n)
	}
	expect(t, c, string(h.long))
}

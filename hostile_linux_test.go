package roost_test

import (
	"bytes"
	"context"
	cryptorand "crypto/rand"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"roost"
	"roost/store"
	"roost/store/memory"
)

// reset ends a connection so that the other end's next write fails.
func (c *raw) reset() {
	c.Conn.(*net.TCPConn).SetLinger(0)
	c.Close()
}

// What is pipelined behind answers to a client that has reset its connection ends with it, and
// Shutdown has nothing to wait for.
func TestPipelinedBehindReset(t *testing.T) {
	told := newRecorder()
	s := start(t, roost.Config{})
	s.add("/long", roost.GET, nil, roost.WithValue(bytes.Repeat([]byte("x"), 64<<10)))
	a := s.add("/a", all, nil)
	s.add("/told", all, told.callback)
	r, err := a.Representation()
	must(err)
	tag := r.ETag()
	const long = "GET /long HTTP/1.1\r\nHost: a\r\n\r\n"
	for _, next := range []string{
		"GET /a HTTP/1.1\r\nHost: a\r\nIf-None-Match: " + tag + "\r\nPrefer: wait=50\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n",
		"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nxxx",
		"PUT /told HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nxxx",
	} {
		for range 50 {
			c := s.dial()
			c.send(long + long + next)
			c.reset()
		}
	}
	eventually(t, func() bool { return roost.Watchers(s.Server) == 0 && roost.Pending(s.Server) == 0 })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error("Shutdown:", err)
	}
}

// Shutdown lets a reader have the whole of the answer that it is taking.
func TestShutdownDuringLongAnswer(t *testing.T) {
	const size = 16 << 20
	for _, tr := range []transport{reference, fast} {
		t.Run(tr.name, func(t *testing.T) {
			s := tr.start(t, roost.Config{})
			s.add("/long", roost.GET, nil, roost.WithValue(bytes.Repeat([]byte("x"), size)))
			resp, err := s.client.Get(s.base + "/long")
			must(err)
			defer resp.Body.Close()
			ended := make(chan error, 1)
			go func() { ended <- s.Shutdown(context.Background()) }()
			time.Sleep(200 * time.Millisecond)
			if n, err := io.Copy(io.Discard, resp.Body); n != size || err != nil {
				t.Errorf("got %d octets, %v", n, err)
			}
			must(<-ended)
		})
	}
}

// A listener can be added while connections of another end.
func TestServeWhileObserved(t *testing.T) {
	s := start(t, roost.Config{Observer: new(observed)})
	s.add("/a", roost.GET, nil)
	stop := make(chan struct{})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if c, err := net.Dial("tcp", s.Addr().String()); err == nil {
					c.Close()
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 100 {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			must(err)
			group.Go(func() { s.Serve(l) })
			if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
				c.Close()
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("it hangs")
	}
	close(stop)
	ended := make(chan error, 1)
	go func() { ended <- s.Close() }()
	select {
	case err := <-ended:
		must(err)
	case <-time.After(20 * time.Second):
		t.Fatal("Close hangs")
	}
	group.Wait()
}

// However clients end their connections, those whose callbacks there is no room for hold their places.
func TestQueueOfCallbacksIsBounded(t *testing.T) {
	ways := map[string]func(c *raw){
		"close":  func(c *raw) { c.send("PUT /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx") },
		"1.0":    func(c *raw) { c.send("PUT /a HTTP/1.0\r\nContent-Length: 1\r\n\r\nx") },
		"reset":  func(c *raw) { c.send("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"); c.reset() },
		"broken": func(c *raw) { c.send("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx"); c.reset() },
		"stream": func(c *raw) {
			c.send("GET /a HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n")
			c.Read(make([]byte, 1))
			c.reset()
		},
	}
	for name, send := range ways {
		t.Run(name, func(t *testing.T) {
			const most, conns = 3, 4
			s := start(t, roost.Config{MaxQueuedCallbacks: most, MaxConns: conns})
			goOn := make(chan struct{})
			var called atomic.Int64
			s.add("/a", all, func(*roost.Exchange) { <-goOn; called.Add(1) })
			var group sync.WaitGroup
			for range 40 {
				c := s.dial()
				c.SetDeadline(time.Now().Add(200 * time.Millisecond))
				group.Go(func() { send(c); io.Copy(io.Discard, c); c.Close() })
			}
			group.Wait()
			time.Sleep(100 * time.Millisecond)
			if n := roost.QueuedCallbacks(s.Server); n > most+conns {
				t.Errorf("%d callbacks are due: %d may be, and as many as there are connections, %d", n, most, conns)
			}
			close(goOn)
			must(s.Shutdown(t.Context()))
			if called.Load() == 0 {
				t.Error("nobody was called")
			}
		})
	}
}

// A hook's requests hold their connections' places, be the clients gone.
func TestHookHoldsPlace(t *testing.T) {
	const conns = 4
	s := start(t, roost.Config{MaxConns: conns, MaxHooks: -1})
	goOn := make(chan struct{})
	var asked atomic.Int64
	a := s.add("/a", all, nil)
	must(a.RegisterHook(roost.GET, func(context.Context, *roost.Exchange) roost.Decision {
		asked.Add(1)
		<-goOn
		return roost.Decision{}
	}))
	for range 40 {
		c := s.dial()
		c.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
		time.Sleep(3 * time.Millisecond)
		c.reset()
	}
	time.Sleep(100 * time.Millisecond)
	if n := asked.Load(); n > conns {
		t.Errorf("%d hooks run for %d connections", n, conns)
	}
	close(goOn)
	for range 2 * conns {
		s.do("GET", "/a", "", "Connection: close").expect(t, 200, "0")
	}
}

// A long poll ends in time though the answers before it had to wait for their reader.
func TestPollBehindSlowReader(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds")
	}
	s := start(t, roost.Config{})
	a := s.add("/a", roost.GET, nil, roost.WithValue(bytes.Repeat([]byte("x"), 1000)))
	r, err := a.Representation()
	must(err)
	get := "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
	poll := "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nIf-None-Match: " + r.ETag() + "\r\nPrefer: wait=1\r\n\r\n"
	// At one of these counts the answers before the poll are just too many for the system.
	var group sync.WaitGroup
	for i := range 40 {
		c := s.dial()
		c.Conn.(*net.TCPConn).SetReadBuffer(64 << 10)
		group.Go(func() {
			for range i {
				io.WriteString(c, strings.Repeat(get, 180))
				time.Sleep(2 * time.Millisecond)
			}
			io.WriteString(c, strings.Repeat(get, 180)+poll)
			time.Sleep(500 * time.Millisecond)
			c.SetReadDeadline(time.Now().Add(time.Minute))
			b, err := io.ReadAll(c)
			if err != nil || !bytes.Contains(b, []byte("HTTP/1.1 304 ")) {
				t.Errorf("%d: %v after %d octets", i, err, len(b))
			}
		})
	}
	group.Wait()
}

// An observer that panics at the end of a stream ends nothing else.
func TestObserverOfStreamPanics(t *testing.T) {
	s := start(t, roost.Config{Observer: panicky{}, Logger: slog.New(slog.DiscardHandler)})
	s.add("/a", all, nil)
	for range 2 {
		c := s.dial()
		c.send("GET /a HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n")
		c.Read(make([]byte, 1))
		c.Close()
	}
	eventually(t, func() bool { return roost.Watchers(s.Server) == 0 })
	c := s.dial()
	c.send("GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	if got := c.rest(); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Errorf("got %q", got)
	}
}

// Answers that take long to make hold up no other connection.
func TestCostlyAnswers(t *testing.T) {
	s := start(t, roost.Config{})
	long := make([]byte, 8<<20)
	cryptorand.Read(long)
	s.add("/long", roost.GET, nil, roost.WithValue(long))
	s.add("/a", roost.GET, nil)
	var bystanders []*raw
	for range 8 {
		bystanders = append(bystanders, s.dial())
	}
	c := s.dial()
	c.send(strings.Repeat("HEAD /long HTTP/1.1\r\nHost: a\r\nAccept-Encoding: identity;q=0, gzip\r\n\r\n", 30))
	time.Sleep(20 * time.Millisecond)
	begun := time.Now()
	for _, c := range bystanders {
		c.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
		if _, err := c.Read(make([]byte, 4<<10)); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(begun); took > time.Second {
		t.Errorf("others waited %v", took)
	}
	c.reset()
}

// Empty lines are no request, and earn no time.
func TestEmptyLinesEarnNoTime(t *testing.T) {
	s := start(t, roost.Config{Timeouts: roost.Timeouts{Head: 200 * time.Millisecond, Idle: 10 * time.Second}})
	c := s.dial()
	c.send("\r\n")
	begun := time.Now()
	c.rest()
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("closed after %v", took)
	}
}

// Up to eight empty lines before a request are skipped, however they come (rule 2).
func TestEmptyLinesCount(t *testing.T) {
	s := start(t, roost.Config{})
	s.add("/a", all, nil)
	const request = "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
	for lines, want := range map[int]string{8: "HTTP/1.1 200 ", 9: "HTTP/1.1 400 "} {
		octets := strings.Repeat("\r\n", lines)
		for cut := range len(octets) + 1 {
			c := s.dial()
			for _, piece := range []string{octets[:cut], octets[cut:] + request} {
				c.send(piece)
				time.Sleep(2 * time.Millisecond) // until it is read
			}
			if got := c.rest(); !strings.HasPrefix(got, want) {
				t.Errorf("%d lines, cut at %d: %q", lines, cut, got)
			}
		}
	}
	c := s.dial()
	for range 20 { // each request has its own
		c.send("\r\n\r\n")
		time.Sleep(time.Millisecond)
		c.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
	}
	c.send("\r\n" + request)
	if got := strings.Count(c.rest(), "HTTP/1.1 200 "); got != 21 {
		t.Errorf("%d answers of 21", got)
	}
}

// holding is a Gate that lets everything pass after f.
func holding(f func()) roost.Gate {
	return gateFunc(func(*roost.Head) roost.Verdict { f(); return roost.Verdict{} })
}

// ended is an Observer that notes that a connection ended.
type ended chan struct{}

func (ended) Request(*roost.RequestRecord)         {}
func (o ended) Connection(*roost.ConnectionRecord) { o <- struct{}{} }
func (ended) Change(*roost.ChangeRecord)           {}

// A client that goes before its content was asked for, while a goroutine looks at its head, leaves nothing.
func TestGoneBeforeContent(t *testing.T) {
	asked, goOn := make(chan struct{}), make(chan struct{})
	told := make(chan *roost.Exchange, 1)
	gone := make(ended, 1)
	s := start(t, roost.Config{MaxConns: 1, Observer: gone, Gate: holding(func() { asked <- struct{}{}; <-goOn })})
	s.add("/a", all, func(e *roost.Exchange) { told <- e })
	c := s.dial()
	c.send("PUT /a HTTP/1.1\r\nHost: a\r\nAccept-Encoding: identity;q=0, gzip\r\nContent-Length: 5\r\n\r\n")
	<-asked
	c.reset()
	<-gone
	goOn <- struct{}{}
	select {
	case e := <-told:
		if e.Status != 400 {
			t.Error("status", e.Status)
		}
	case <-time.After(5 * time.Second):
		t.Error("the request never ends")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error("Shutdown:", err)
	}
}

// A gate that gives up and an observer that panics about it end one connection.
func TestAbortAndObserverPanics(t *testing.T) {
	s := start(t, roost.Config{Observer: panicky{}, Gate: holding(func() { panic(http.ErrAbortHandler) }), Logger: slog.New(slog.DiscardHandler)})
	s.add("/a", all, nil)
	for range 2 {
		c := s.dial()
		c.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
		if got := c.rest(); got != "" {
			t.Errorf("got %q", got)
		}
	}
}

// What follows a trailer section that is too large is no request.
func TestLargeTrailerEnds(t *testing.T) {
	for _, tr := range []transport{reference, fast} {
		s := tr.start(t, roost.Config{})
		s.add("/a", all, nil)
		s.add("/b", all, nil)
		c := s.dial()
		c.send("PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: " + strings.Repeat("x", 40<<10) +
			"\r\n\r\nDELETE /b HTTP/1.1\r\nHost: a\r\n\r\n")
		c.Conn.(*net.TCPConn).CloseWrite()
		if got := c.rest(); strings.Count(got, "HTTP/1.1 ") != 1 || !strings.Contains(got, "Connection: close") {
			t.Errorf("%s: got %q", tr.name, got)
		}
	}
}

// Who ends its side has no poll or stream go on behind what came before and had to wait: an
// answer for its reader, or a hook.
func TestHalfClosedBehindWait(t *testing.T) {
	s := start(t, roost.Config{})
	long := bytes.Repeat([]byte("x"), 16<<20)
	s.add("/long", roost.GET, nil, roost.WithValue(long))
	must(s.add("/hook", roost.GET, nil).RegisterHook(roost.GET, func(context.Context, *roost.Exchange) roost.Decision {
		time.Sleep(100 * time.Millisecond)
		return roost.Decision{}
	}))
	a := s.add("/a", all, nil)
	r, err := a.Representation()
	must(err)
	for _, before := range []string{"/long", "/hook"} {
		for name, next := range map[string]string{
			"poll":   "GET /a HTTP/1.1\r\nHost: a\r\nIf-None-Match: " + r.ETag() + "\r\nPrefer: wait=50\r\n\r\n",
			"stream": "GET /a HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n",
		} {
			c := s.dial()
			c.send("GET " + before + " HTTP/1.1\r\nHost: a\r\n\r\n" + next)
			c.Conn.(*net.TCPConn).CloseWrite()
			time.Sleep(50 * time.Millisecond)
			c.SetDeadline(time.Now().Add(5 * time.Second))
			b, err := io.ReadAll(c)
			if n := bytes.Count(b, []byte("HTTP/1.1 ")); n != 2 || err != nil {
				t.Errorf("%s behind %s: %d answers, %v", name, before, n, err)
			}
		}
	}
	eventually(t, func() bool { return roost.Watchers(s.Server) == 0 })
}

// Wherever in its requests a client goes, and however, it leaves nothing behind.
func TestGoneAnywhere(t *testing.T) {
	const conns = 8
	s := start(t, roost.Config{MaxConns: conns, MaxQueuedCallbacks: 4})
	s.add("/long", roost.GET, nil, roost.WithValue(bytes.Repeat([]byte("x"), 4<<20)))
	a := s.add("/a", all, func(*roost.Exchange) {})
	must(s.add("/hook", all, func(*roost.Exchange) { time.Sleep(time.Millisecond) }).RegisterHook(roost.GET|roost.PUT, func(context.Context, *roost.Exchange) roost.Decision {
		time.Sleep(time.Millisecond)
		return roost.Decision{}
	}))
	r, err := a.Representation()
	must(err)
	const coded = "Accept-Encoding: identity;q=0, gzip\r\n"
	parts := []string{
		"GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: a\r\n" + coded + "\r\n",
		"GET /long HTTP/1.1\r\nHost: a\r\n\r\n",
		"PUT /hook HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345",
		"PUT /hook HTTP/1.1\r\nHost: a\r\n" + coded + "Transfer-Encoding: chunked\r\n\r\n3\r\n123\r\n0\r\n\r\n",
		"PUT /none HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345",
		"GET /hook HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n12",
		"GET /a HTTP/1.1\r\nHost: a\r\nIf-None-Match: " + r.ETag() + "\r\nPrefer: wait=1\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n",
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 600 {
		var script strings.Builder
		for range 1 + random.IntN(3) {
			script.WriteString(parts[random.IntN(len(parts))])
		}
		octets := script.String()
		c := s.dial()
		c.send(octets[:random.IntN(len(octets)+1)])
		time.Sleep(time.Duration(random.IntN(1500)) * time.Microsecond)
		switch i % 3 {
		case 0:
			c.reset()
		case 1:
			c.Close()
		case 2:
			c.Conn.(*net.TCPConn).CloseWrite()
			time.AfterFunc(time.Duration(random.IntN(3000))*time.Microsecond, func() { c.Close() })
		}
	}
	eventually(t, func() bool {
		return roost.FastConns(s.Server) == 0 && roost.Watchers(s.Server) == 0 && roost.Pending(s.Server) == 0 && roost.QueuedCallbacks(s.Server) == 0
	})
	var all []*raw
	for range conns { // each has a place
		c := s.dial()
		all = append(all, c)
		c.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
		c.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range all {
		c.Close()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error("Shutdown:", err)
	}
}

// A value that is coded for the first time holds up no other connection.
func TestFirstCoding(t *testing.T) {
	s := start(t, roost.Config{})
	random := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, 64<<10) // more than gzip looks back, so its repetition is no quicker
	for i := range text {
		text[i] = "abcdefgh"[random.IntN(8)]
	}
	s.add("/text", roost.GET, nil, roost.WithValue(bytes.Repeat(text, 128)))
	s.add("/a", roost.GET, nil)
	var bystanders []*raw
	for range 8 {
		bystanders = append(bystanders, s.dial())
	}
	c := s.dial()
	answered := make(chan time.Time, 1)
	c.send("HEAD /text?x HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
	go func() {
		c.Read(make([]byte, 4<<10))
		answered <- time.Now()
	}()
	time.Sleep(20 * time.Millisecond)
	for _, c := range bystanders {
		c.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
		if _, err := c.Read(make([]byte, 4<<10)); err != nil {
			t.Fatal(err)
		}
	}
	if now := time.Now(); !now.Before(<-answered) {
		t.Error("others waited for it")
	}
}

// promptStore says that it blocks, and calls back before CommitAsync returns, which it may.
type promptStore struct{ store.Store }

func (s promptStore) Info() store.Info {
	i := s.Store.Info()
	i.Blocks = true
	return i
}

func (s promptStore) CommitAsync(ctx context.Context, txn store.Txn, done func(uint64, error)) {
	done(s.Commit(ctx, txn))
}

// A call whose loop has ended while its hook ran goes on on one goroutine at a time.
func TestAloneCommits(t *testing.T) {
	told := make(requests, 20)
	s := start(t, roost.Config{Store: promptStore{memory.New()}, Observer: told})
	goOn, asked := make(chan struct{}), make(chan struct{})
	r := s.add("/a", all, nil)
	must(r.RegisterHook(all, func(context.Context, *roost.Exchange) roost.Decision {
		asked <- struct{}{}
		<-goOn
		return roost.Decision{}
	}))
	for range cap(told) {
		c := s.dial()
		c.send("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
		<-asked
	}
	s.Close()
	close(goOn)
	for range cap(told) {
		select {
		case <-told:
		case <-time.After(10 * time.Second):
			t.Fatal("a request never ends")
		}
	}
}

// requests is an Observer that notes that a request ended.
type requests chan struct{}

func (o requests) Request(*roost.RequestRecord)     { o <- struct{}{} }
func (requests) Connection(*roost.ConnectionRecord) {}
func (requests) Change(*roost.ChangeRecord)         {}

// A request that was begun elsewhere, as its answer may have to be coded, gets its content.
func TestContentOfRequestBegunElsewhere(t *testing.T) {
	s := start(t, roost.Config{})
	r := s.add("/a", all, nil)
	c := s.dial()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	c.send("PUT /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAccept-Encoding: gzip, identity;q=0\r\nContent-Length: 3\r\n\r\n")
	time.Sleep(50 * time.Millisecond)
	c.send("new")
	if got := c.rest(); !strings.HasPrefix(got, "HTTP/1.1 204 ") || r.String() != "new" {
		t.Errorf("%.100q", got)
	}
}

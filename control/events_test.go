package control_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"roost"
	"roost/control"
)

// An event has the document's six arguments.
func TestEvent(t *testing.T) {
	c := start(t, config(roost.Config{MaxBodyBytes: 10}))
	base := c.running(nil)
	c.add("/a", "me", "the callback", "GET", "PUT", "POST", "DELETE")
	s := c.stream("subscriber=me")

	visit(t, "PUT", base+"/a?q=1", "grüße")
	e := s.want("request", "1")
	headers := e["headers"].(object)
	for name, want := range map[string]string{"Host": strings.TrimPrefix(base, "http://"), "Content-Type": "text/plain", "Content-Length": "7"} {
		if got := fmt.Sprint(headers[name]); got != "["+want+"]" {
			t.Errorf("the field %s is %s, want [%s]", name, got, want)
		}
	}
	delete(e, "headers")
	if _, err := time.Parse(time.RFC3339, e["time"].(string)); err != nil {
		t.Error(err)
	}
	delete(e, "time")
	if !strings.HasPrefix(e["peer"].(string), "127.0.0.1:") {
		t.Errorf("peer %v", e["peer"])
	}
	delete(e, "peer")
	want := object{"number": 1.0, "callback": "the callback", "uri": "/a", "method": "PUT", "body": "grüße", "new_uri": "", "status": 204.0, "query": "q=1"}
	if fmt.Sprint(e) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", e, want)
	}

	visit(t, "PUT", base+"/a", "\xff\x00")
	if e := s.want("request", "2"); e["base64"] != "/wA=" || e["body"] != nil {
		t.Errorf("octets that are no text: %v", e)
	}
	visit(t, "PUT", base+"/a", "more than ten")
	if e := s.want("request", "3"); e["status"] != 413.0 || e["body"] != "" {
		t.Errorf("a content that is too long: %v", e)
	}
	child := visit(t, "POST", base+"/a", "x").header.Get("Location")
	if e := s.want("request", "4"); e["new_uri"] != child || e["status"] != 201.0 {
		t.Errorf("POST made %q: %v", child, e)
	}
	visit(t, "GET", base+child, "")
	if e := s.want("request", "5"); e["uri"] != child || e["callback"] != "the callback" {
		t.Errorf("a request for the child: %v", e)
	}

	// Octets that are no UTF-8 in fields and in the query are told, each as a character.
	r, err := http.NewRequestWithContext(t.Context(), "GET", base+child, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header["X-Name"] = []string{"caf\xe9", "café"}
	r.URL.RawQuery = "q=\xe9"
	resp, err := visitor.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if e := s.want("request", "6"); fmt.Sprint(e["headers"].(object)["X-Name"]) != "[café café]" || e["query"] != "q=é" {
		t.Errorf("got %v", e)
	}

	// A later registration has its own callback, or none.
	c.register("/a", "me", "another", "GET")
	visit(t, "PUT", base+"/a", "x")
	visit(t, "GET", base+"/a", "")
	if e := s.want("request", "7"); e["callback"] != "another" || e["method"] != "GET" {
		t.Errorf("after another registration: %v", e)
	}
	c.register("/a", "", "", "GET")
	visit(t, "GET", base+"/a", "")
	c.register("/a", "me", "", "GET")
	visit(t, "GET", base+"/a", "")
	if e := s.want("request", "8"); e["callback"] != "" {
		t.Errorf("after a registration without a callback: %v", e)
	}
}

// Each subscriber gets the requests it registered for, numbered by itself.
func TestSubscribers(t *testing.T) {
	c := start(t, control.EngineConfig{})
	base := c.running(nil)
	for _, name := range []string{"a", "b"} {
		c.add("/"+name, name, name, "GET")
	}
	for range 3 {
		visit(t, "GET", base+"/a", "")
		visit(t, "GET", base+"/b", "")
	}
	for _, name := range []string{"b", "a"} {
		s := c.stream("subscriber=" + name)
		for i := 1; i <= 3; i++ {
			if e := s.want("request", strconv.Itoa(i)); e["uri"] != "/"+name || e["callback"] != name {
				t.Errorf("%s got %v", name, e)
			}
		}
	}
	got := c.call("GET", "/v1/subscribers", nil).object(t)["subscribers"].([]any)
	for i, name := range []string{"a", "b"} {
		want := object{"name": name, "connected": true, "hold": false, "held": 3.0, "newest": 3.0, "sent": 3.0}
		if fmt.Sprint(got[i]) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v", got[i], want)
		}
	}
}

// A stream that comes back goes on where it was, while the events are held.
func TestResume(t *testing.T) {
	c := start(t, control.EngineConfig{MaxHeldEvents: 4})
	base := c.running(nil)
	c.add("/a", "me", "", "GET")
	get := func(n int) {
		for range n {
			visit(t, "GET", base+"/a", "")
		}
	}
	get(2)
	first := c.stream("subscriber=me")
	first.want("request", "1")
	first.want("request", "2")
	first.end()

	// Without a number it begins with what no stream was given.
	get(1)
	second := c.stream("subscriber=me")
	second.want("request", "3")

	// Another stream takes over, and the first one ends.
	third := c.stream("subscriber=me", "Last-Event-ID: 1")
	if e, ok := second.next(); ok {
		t.Errorf("the stream before got %v", e)
	}
	third.want("request", "2")
	third.want("request", "3")
	third.end()

	// What is not held any more is lost, and counted.
	waitUntil(t, func() bool { return !c.info(t, "me")["connected"].(bool) })
	get(7)
	waitUntil(t, func() bool { return c.info(t, "me")["newest"] == 10.0 })
	fourth := c.stream("subscriber=me", "Last-Event-ID: 3")
	if e := fourth.want("lost", "6"); e["lost"] != 3.0 {
		t.Errorf("got %v", e)
	}
	for i := 7; i <= 10; i++ {
		fourth.want("request", strconv.Itoa(i))
	}
	fourth.end()

	// A number that was never given begins with all that is held.
	fifth := c.stream("subscriber=me", "Last-Event-ID: 11")
	fifth.want("reset", "6")
	fifth.want("request", "7")
	fifth.end()

	// Nor was one that is still to be given: what it skips would be lost in silence.
	get(2)
	waitUntil(t, func() bool { return c.info(t, "me")["newest"] == 12.0 })
	early := c.stream("subscriber=me&hold=true", "Last-Event-ID: 12")
	early.want("reset", "8")
	for i := 9; i <= 12; i++ {
		early.want("request", strconv.Itoa(i))
	}
	get(1)
	early.want("request", "13")
	early.end()

	// Zero is everything from the first on.
	sixth := c.stream("subscriber=me", "Last-Event-ID: 0")
	if e := sixth.want("lost", "9"); e["lost"] != 9.0 {
		t.Errorf("got %v", e)
	}
	sixth.want("request", "10")
}

func (c *controlled) info(t testing.TB, name string) object {
	for _, s := range c.call("GET", "/v1/subscribers", nil).object(t)["subscribers"].([]any) {
		if s.(object)["name"] == name {
			return s.(object)
		}
	}
	t.Fatalf("no subscriber %q", name)
	return nil
}

// waitUntil looks again until the thing is so.
func waitUntil(t testing.TB, so func() bool) {
	t.Helper()
	for limit := time.Now().Add(20 * time.Second); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("it never came to be")
		}
	}
}

// A subscriber that falls behind without holding loses the oldest, and nobody waits.
func TestFallingBehind(t *testing.T) {
	c := start(t, config(roost.Config{MaxQueuedCallbacks: 2}))
	base := c.running(nil)
	c.add("/a", "slow", "", "PUT")
	s := c.stream("subscriber=slow") // and reads nothing
	body := strings.Repeat("x", 1<<20)
	const times = 64 // more than sockets and the memory for a subscriber take
	for range times {
		if a := visit(t, "PUT", base+"/a", body); a.status != 204 {
			t.Fatalf("status %d", a.status)
		}
	}
	waitUntil(t, func() bool { return c.info(t, "slow")["newest"] == float64(times) })
	last, lost := 0, 0
	for last < times {
		e, ok := s.next()
		if !ok {
			t.Fatal("the stream ended")
		}
		id, _ := strconv.Atoi(e.id)
		switch {
		case e.kind == "lost":
			lost += int(e.data["lost"].(float64))
			if id != last+int(e.data["lost"].(float64)) {
				t.Errorf("lost %v up to %d after %d", e.data["lost"], id, last)
			}
		case id != last+1:
			t.Errorf("event %d after %d", id, last)
		}
		last = id
	}
	if lost == 0 {
		t.Error("nothing was lost")
	}
}

// A stream that holds gets every event, however slowly it reads, and the clients wait.
func TestHolding(t *testing.T) {
	c := start(t, control.EngineConfig{Base: roost.Config{MaxQueuedCallbacks: 4}, MaxHeldEvents: 4, MaxHeldBytes: 64 << 10})
	base := c.running(nil)
	c.add("/a", "careful", "", "POST")
	c.call("POST", "/v1/resources", object{"uri": "/quiet"}).expect(t, 201, "")
	c.register("/quiet", "", "", "GET")
	s := c.stream("subscriber=careful&hold=true")
	body := strings.Repeat("x", 256<<10)

	const clients, each = 4, 24
	var answered sync.WaitGroup
	done := make(chan struct{})
	for range clients {
		answered.Go(func() {
			client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}, Timeout: 60 * time.Second}
			defer client.CloseIdleConnections()
			for range each {
				resp, err := client.Post(base+"/a", "text/plain", strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
	}
	go func() { answered.Wait(); close(done) }()

	// They come to wait for the stream, which others don't.
	held := func() float64 { return c.info(t, "careful")["newest"].(float64) }
	for before := -1.0; before != held(); {
		before = held()
		if a := visit(t, "GET", base+"/quiet", ""); a.status != 200 {
			t.Fatalf("status %d", a.status)
		}
		select {
		case <-done:
			t.Fatal("every request was answered while the stream read nothing")
		case <-time.After(300 * time.Millisecond):
		}
	}
	for i := 1; i <= clients*each; i++ {
		s.want("request", strconv.Itoa(i))
	}
	<-done
}

// The events of callbacks that are due when the server stops are held for a holding
// stream, however many, and the stop does not wait for it. The next server holds back
// again.
func TestStopWhileHolding(t *testing.T) {
	c := start(t, control.EngineConfig{MaxHeldEvents: 2, Base: roost.Config{MaxQueuedCallbacks: 1000}})
	base := c.running(nil)
	c.add("/a", "me", "", "PUT")
	s := c.stream("subscriber=me&hold=true") // and reads nothing
	body := strings.Repeat("x", 256<<10)
	const times = 40 // more than the sockets take
	for range times {
		visit(t, "PUT", base+"/a", body)
	}
	start := time.Now()
	c.call("DELETE", "/v1/server", nil).expect(t, 204, "")
	if waited := time.Since(start); waited > control.StopTime/2 {
		t.Errorf("the stop took %v", waited)
	}
	for i := 1; i <= times; i++ {
		s.want("request", strconv.Itoa(i))
	}
	base = c.running(nil)
	c.add("/a", "me", "", "PUT")
	for range times {
		visit(t, "PUT", base+"/a", body)
	}
	for before := -1.0; ; {
		now := c.info(t, "me")["newest"].(float64)
		if now == before {
			break
		}
		before = now
		time.Sleep(300 * time.Millisecond)
	}
	if info := c.info(t, "me"); info["newest"] == float64(2*times) {
		t.Errorf("nothing is held back after a stop: %v", info)
	}
	for i := times + 1; i <= 2*times; i++ {
		s.want("request", strconv.Itoa(i))
	}
}

// A stream that stands in a write ends when another takes over, and when its subscriber
// is forgotten.
func TestStalledStreamEnds(t *testing.T) {
	c := start(t, control.EngineConfig{})
	base := c.running(nil)
	c.add("/a", "me", "", "PUT")
	ended := func(s *stream) {
		t.Helper()
		done := make(chan struct{})
		go func() {
			io.Copy(io.Discard, s.body)
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Error("it goes on")
		}
	}
	stalled := func() *stream {
		s := c.stream("subscriber=me")
		for range 20 {
			visit(t, "PUT", base+"/a", strings.Repeat("x", 512<<10))
		}
		return s
	}
	first := stalled()
	second := c.stream("subscriber=me")
	ended(first)
	second.end()
	third := stalled()
	c.call("DELETE", "/v1/subscribers/me", nil).expect(t, 204, "")
	ended(third)
}

// Changes of one resource come in the order of their revisions.
func TestOrder(t *testing.T) {
	c := start(t, control.EngineConfig{MaxHeldEvents: 8})
	base := c.running(nil)
	c.add("/a", "me", "", "GET", "PUT")
	s := c.stream("subscriber=me&hold=true")
	const clients, each = 8, 50
	var writers sync.WaitGroup
	for w := range clients {
		writers.Go(func() {
			for i := range each {
				if a, err := tryVisit("PUT", base+"/a", fmt.Sprint(w, " ", i)); err != nil || a.status != 204 {
					t.Errorf("%d, %v", a.status, err)
				}
			}
		})
	}
	last := ""
	next := make([]int, clients)
	for range clients * each {
		e, ok := s.next()
		if !ok {
			t.Fatal("the stream ended")
		}
		last = e.data["body"].(string)
		var w, i int
		fmt.Sscan(last, &w, &i)
		if i != next[w] {
			t.Errorf("writer %d: %d, want %d", w, i, next[w])
		}
		next[w]++
	}
	writers.Wait()
	if now := visit(t, "GET", base+"/a", "").body; now != last {
		t.Errorf("the last event has %q, the resource %q", last, now)
	}
}

func TestForget(t *testing.T) {
	c := start(t, control.EngineConfig{})
	base := c.running(nil)
	c.add("/a", "me", "", "GET")
	s := c.stream("subscriber=me&hold=true")
	c.call("DELETE", "/v1/subscribers/me", nil).expect(t, 204, "")
	if e, ok := s.next(); ok {
		t.Errorf("got %v from a subscriber that was forgotten", e)
	}
	visit(t, "GET", base+"/a", "") // tells nobody
	if got := c.call("GET", "/v1/subscribers", nil).body; got != `{"subscribers":[]}`+"\n" {
		t.Errorf("got %s", got)
	}
	// The registration still names it, if it comes again.
	again := c.stream("subscriber=me")
	visit(t, "GET", base+"/a", "")
	again.want("request", "1")
}

// HEAD opens nothing.
func TestHead(t *testing.T) {
	c := start(t, control.EngineConfig{})
	base := c.running(nil)
	c.add("/a", "me", "", "GET")
	s := c.stream("subscriber=me")
	a := c.call("HEAD", "/v1/events?subscriber=me", nil)
	if a.status != 200 || a.header.Get("Content-Type") != "text/event-stream" || a.body != "" {
		t.Errorf("got %d %v %q", a.status, a.header, a.body)
	}
	visit(t, "GET", base+"/a", "")
	s.want("request", "1")
	c.call("HEAD", "/v1/events", nil).expect(t, 422, "")
	c.call("HEAD", "/v1/resource?uri=/a", nil).expect(t, 200, "")
}

// There is an end to what clients with new names can make the engine keep.
func TestTooManySubscribers(t *testing.T) {
	c := start(t, control.EngineConfig{})
	c.running(nil)
	c.call("POST", "/v1/resources", object{"uri": "/a"}).expect(t, 201, "")
	for i := range 256 {
		c.register("/a", fmt.Sprint("s", i), "", "GET")
	}
	c.call("PUT", "/v1/resource/handler?uri=/a", object{"methods": []string{"GET"}, "subscriber": "more"}).expect(t, 507, "full")
	c.call("GET", "/v1/events?subscriber=more", nil).expect(t, 507, "full")
	c.call("DELETE", "/v1/subscribers/s7", nil).expect(t, 204, "")
	c.register("/a", "more", "", "GET")
}

// Shutdown ends streams after they sent what is held.
func TestShutdown(t *testing.T) {
	c := start(t, control.EngineConfig{})
	base := c.running(nil)
	c.add("/a", "me", "", "PUT")
	s := c.stream("subscriber=me&hold=true")
	body := strings.Repeat("x", 100<<10)
	const times = 30 // more than the sockets take
	for range times {
		visit(t, "PUT", base+"/a", body)
	}
	waitUntil(t, func() bool { return c.info(t, "me")["newest"] == float64(times) })
	if err := c.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.api.Shutdown(t.Context()) }()
	var ids []string
	for e, ok := s.next(); ok; e, ok = s.next() {
		ids = append(ids, e.id)
	}
	if len(ids) != times || !slices.Contains(ids, strconv.Itoa(times)) {
		t.Errorf("%d events came, want %d", len(ids), times)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// When its time is over, Shutdown cuts off a stream that takes nothing. Another API over
// the engine goes on.
func TestShutdownCutsOff(t *testing.T) {
	c := start(t, control.EngineConfig{})
	base := c.running(nil)
	c.add("/a", "me", "", "PUT")
	s := c.stream("subscriber=me")
	for range 20 {
		visit(t, "PUT", base+"/a", strings.Repeat("x", 512<<10))
	}
	waitUntil(t, func() bool { return c.info(t, "me")["newest"] == 20.0 })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := c.api.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	if _, err := io.Copy(io.Discard, s.body); err == nil {
		t.Error("the stream came to an end as if it was whole")
	}

	next := control.New(c.Engine, control.Config{})
	server := httptest.NewServer(next)
	defer server.Close()
	resp, err := server.Client().Get(server.URL + "/v1/events?subscriber=other")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if line, err := bufio.NewReader(resp.Body).ReadString('\n'); line != ":\n" {
		t.Errorf("the stream of another API begins with %q, %v", line, err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, resp.Body)
		close(ended)
	}()
	select {
	case <-ended:
		t.Error("it ended with the first API")
	case <-ctx.Done():
	}
	next.Close()
	server.CloseClientConnections()
	<-ended
}

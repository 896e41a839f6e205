package roost

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// Exchange is a request and its answer, as a callback is told of them.
type Exchange struct {
	URI    string      // of the resource, as the program registered it
	Method Method      // GET, PUT, POST or DELETE
	Header http.Header // every field line; Host and Content-Length are among them
	Body   []byte      // read-only; empty where the content was too large
	NewURI string      // of the resource that a POST created, else empty
	Status int

	Query string // of the target, without the "?"
	Peer  string // the client's address
	TLS   *tls.ConnectionState
	Time  time.Time // when the head of the request was read
}

// Callback is told of each request for a resource, of the methods that it was
// registered with, whatever the answer was. It runs after the answer was
// written. A server runs its callbacks one at a time, apart from its
// connections: for one URI in the order of the changes, for one connection in
// the order of the responses, otherwise as they finish. So a program that keeps a
// copy of a value by its callback ends with the newest.
//
// A callback may use the server in every way, Shutdown included. What it should
// not do is to wait for a request of its own to this server: while the queue of
// callbacks is full, that request's connection waits for the callback to return.
// A panic is logged, and the next callback runs.
type Callback func(*Exchange)

// courier brings exchanges to their callbacks.
//
// Each request that will have a callback is a delivery, from the moment its
// resource is found. It joins the queue, from which one goroutine calls back, as
// soon as nothing holds it back any more: its own answer, which must be on the wire;
// for a change, the deliveries of earlier changes of the same URIs, whose order is that
// of the store's batches; and those answered earlier on the same connection. A
// delivery only ever waits for ones that were answered before it began or whose
// change came before its own, so that no two wait for each other. A single
// queue in the order of changes would be simpler, but there one slow reader
// would hold up every callback of the server.
type courier struct {
	maxQueued int
	maxBytes  int64
	log       *slog.Logger

	mu     sync.Mutex
	open   int                    // begun and not yet queued
	lines  map[string]*delivery   // by key: the newest placed and not yet queued
	behind map[string][]*delivery // by peer: answered, and held back by others
	queue  []*delivery
	bytes  int64         // content of queue and of the running callback
	room   chan struct{} // closed when there is room again; nil while there is
	worker bool          // a goroutine is calling back
	id     uint64        // of that goroutine
	closed bool          // no connection waits for room any more
	idle   chan struct{} // closed when nothing is open, queued or running; nil while nobody waits
}

// delivery is one exchange on its way to its callback. Its fields belong to the
// courier's lock, but for exchange before answered is called.
type delivery struct {
	callback Callback
	exchange *Exchange
	key      string // of the resource that was asked
	peer     string

	placed []string    // the keys in whose line it stands
	waits  int         // what holds it back
	after  []*delivery // what it holds back
}

func newCourier(maxQueued int, maxBytes int64, log *slog.Logger) *courier {
	return &courier{
		maxQueued: maxQueued, maxBytes: maxBytes, log: log,
		lines: make(map[string]*delivery), behind: make(map[string][]*delivery),
	}
}

// begin opens the delivery of a request for the resource under key. Whoever begins
// one must call answered.
func (c *courier) begin(callback Callback, key, peer string) *delivery {
	d := &delivery{callback: callback, key: key, peer: peer, waits: 1}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open++
	for _, earlier := range c.behind[peer] {
		d.follow(earlier)
	}
	return d
}

// place takes d's place among the changes of key. It is called in the order of
// the store's batches, before d is answered.
func (c *courier) place(d *delivery, key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := c.lines[key]
	if last == d {
		return
	}
	if last != nil {
		d.follow(last)
	}
	c.lines[key] = d
	d.placed = append(d.placed, key)
}

func (d *delivery) follow(earlier *delivery) {
	d.waits++
	earlier.after = append(earlier.after, d)
}

// answered says that the answer of d is on the wire, or never will be.
func (c *courier) answered(d *delivery, e *Exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d.exchange = e
	d.waits--
	if d.waits > 0 {
		c.behind[d.peer] = append(c.behind[d.peer], d)
		return
	}
	c.enqueueLocked(d)
}

// enqueueLocked queues d and whatever only waited for it.
func (c *courier) enqueueLocked(d *delivery) {
	for ready := []*delivery{d}; len(ready) > 0; ready = ready[1:] {
		d := ready[0]
		c.leaveLocked(d)
		c.open--
		c.queue = append(c.queue, d)
		c.bytes += int64(len(d.exchange.Body))
		for _, next := range d.after {
			next.waits--
			if next.waits == 0 {
				ready = append(ready, next)
			}
		}
		d.after = nil
	}
	if c.room == nil && !c.closed && c.fullLocked() {
		c.room = make(chan struct{})
	}
	if !c.worker {
		c.worker = true
		go c.run()
	}
}

// leaveLocked takes d out of the lines that later deliveries would join.
func (c *courier) leaveLocked(d *delivery) {
	for _, key := range d.placed {
		if c.lines[key] == d {
			delete(c.lines, key)
		}
	}
	rest := slices.DeleteFunc(c.behind[d.peer], func(o *delivery) bool { return o == d })
	if len(rest) == 0 {
		delete(c.behind, d.peer)
	} else {
		c.behind[d.peer] = rest
	}
}

func (c *courier) fullLocked() bool {
	return c.maxQueued > 0 && len(c.queue) >= c.maxQueued || c.maxBytes > 0 && c.bytes >= c.maxBytes
}

// run calls back until the queue is empty. The courier starts it when there is
// something to do, so an idle server has no goroutine for it.
func (c *courier) run() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.id = goroutineID()
	for len(c.queue) > 0 {
		d := c.queue[0]
		c.queue[0] = nil
		c.queue = c.queue[1:]
		c.mu.Unlock()
		c.call(d)
		c.mu.Lock()
		c.bytes -= int64(len(d.exchange.Body))
		if c.room != nil && !c.fullLocked() {
			close(c.room)
			c.room = nil
		}
	}
	c.queue = nil
	c.worker, c.id = false, 0
	c.restLocked()
}

func (c *courier) call(d *delivery) {
	defer func() {
		if r := recover(); r != nil {
			c.log.Error("callback panicked", "uri", d.exchange.URI, "method", d.exchange.Method.String(),
				"panic", r, "stack", string(debug.Stack()))
		}
	}()
	d.callback(d.exchange)
}

// pause returns when the queue has room, or nobody shall wait for it any more.
func (c *courier) pause(ctx context.Context) {
	for {
		c.mu.Lock()
		room := c.room
		if c.closed {
			room = nil
		}
		c.mu.Unlock()
		if room == nil {
			return
		}
		select {
		case <-room:
		case <-ctx.Done():
			return
		}
	}
}

// release lets every paused connection go on, now and later.
func (c *courier) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.room != nil {
		close(c.room)
		c.room = nil
	}
}

// drain waits until every delivery that was begun has been called back. Inside a
// callback it returns at once: what is left follows when that callback returns.
func (c *courier) drain(ctx context.Context) error {
	c.mu.Lock()
	if c.restingLocked() || c.worker && c.id == goroutineID() {
		c.mu.Unlock()
		return nil
	}
	if c.idle == nil {
		c.idle = make(chan struct{})
	}
	idle := c.idle
	c.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *courier) restingLocked() bool { return c.open == 0 && !c.worker }

func (c *courier) restLocked() {
	if c.idle != nil && c.restingLocked() {
		close(c.idle)
		c.idle = nil
	}
}

package roost

import (
	"context"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
)

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

	mu     sync.Mutex             // taken after a store's own lock
	open   int                    // begun and not yet queued
	lines  map[string]*delivery   // by key: the newest placed and not yet queued
	behind map[string][]*delivery // by peer: answered, held back, and not followed by another such
	queue  []*delivery
	due    int           // answered and not yet called back, held back or queued
	bytes  int64         // their content
	room   chan struct{} // closed when there is room again; nil while there is
	worker bool          // a goroutine is calling back
	id     uint64        // of that goroutine
	closed bool          // no connection waits for room any more
	sealed bool          // nothing begins any more
	idle   chan struct{} // closed when nothing is open, queued or running; nil while nobody waits
}

// delivery is one exchange on its way to its callback. Its fields belong to the
// courier's lock, but for exchange before answered is called.
type delivery struct {
	callback Callback
	exchange *Exchange
	key      string // of the resource that was asked
	peer     string

	placed  []string    // the keys in whose line it stands
	follows []*delivery // earlier ones of its peer
	waits   int         // what holds it back
	after   []*delivery // what it holds back
}

func newCourier(maxQueued int, maxBytes int64, log *slog.Logger) *courier {
	return &courier{
		maxQueued: maxQueued, maxBytes: maxBytes, log: log,
		lines: make(map[string]*delivery), behind: make(map[string][]*delivery),
	}
}

// begin opens the delivery of a request for the resource under key. Whoever begins
// one must call answered. It is nil when the server has ended. A peer without a
// name of its own is in nobody's order.
func (c *courier) begin(callback Callback, key, peer string) *delivery {
	d := &delivery{callback: callback, key: key, peer: peer, waits: 1}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sealed {
		return nil
	}
	c.open++
	d.follows = slices.Clone(c.behind[peer])
	for _, earlier := range d.follows {
		d.follow(earlier)
	}
	return d
}

// place takes d's place among the changes of key. It is called in the order of
// the store's batches. A batch that comes after d was answered finds no place any
// more: its Commit said that the outcome is unknown.
func (c *courier) place(d *delivery, key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := c.lines[key]
	if last == d || d.exchange != nil {
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
	c.due++
	c.bytes += int64(len(e.Body))
	if c.room == nil && !c.closed && c.fullLocked() {
		c.room = make(chan struct{})
	}
	d.waits--
	if d.waits == 0 {
		c.enqueueLocked(d)
	} else if d.peer != "" {
		c.holdLocked(d)
	}
	d.follows = nil
}

// holdLocked makes later deliveries of d's peer follow d, and through it whatever d
// follows.
func (c *courier) holdLocked(d *delivery) {
	held := slices.DeleteFunc(c.behind[d.peer], func(o *delivery) bool { return slices.Contains(d.follows, o) })
	c.behind[d.peer] = append(held, d)
}

// enqueueLocked queues d and whatever only waited for it.
func (c *courier) enqueueLocked(d *delivery) {
	for ready := []*delivery{d}; len(ready) > 0; ready = ready[1:] {
		d := ready[0]
		c.leaveLocked(d)
		c.open--
		c.queue = append(c.queue, d)
		for _, next := range d.after {
			next.waits--
			if next.waits == 0 {
				ready = append(ready, next)
			}
		}
		d.after = nil
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
	return c.maxQueued > 0 && c.due >= c.maxQueued || c.maxBytes > 0 && c.bytes >= c.maxBytes
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
		c.due--
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

// pause returns when the queue has room, or nobody shall wait for it any more. That
// the client went away is no reason: clients that come, ask and go would fill the
// queue without bound, where now each holds its connection's place.
func (c *courier) pause() {
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
		<-room
	}
}

// crowded says whether pause would wait.
func (c *courier) crowded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.room != nil && !c.closed
}

// seal lets nothing begin any more. What has begun is still delivered.
func (c *courier) seal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sealed = true
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

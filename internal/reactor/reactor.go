//go:build linux

// Package reactor runs thousands of connections on a few event loops, one for each processor: a
// connection has no goroutine, and no buffer while it is silent. It moves octets and knows no
// protocol; a [Handler] does.
//
// Everything about one connection happens on the goroutine of its loop, so a Handler needs no lock
// for it, and must not block. What has to wait does so elsewhere, and comes back by [Conn.Wake]
// or [Conn.Do].
package reactor

import (
	"cmp"
	"errors"
	"log/slog"
	"math"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Handler is told of connections, each on the goroutine of its loop.
type Handler interface {
	// Opened is called first.
	Opened(c *Conn)

	// Received is given all that has come and was not used yet, good until it returns, and says
	// how much of it is used. What is left is given again, with more: when there is
	// more, or, after Pause, or while the answers wait for a slow reader, when that is over.
	Received(c *Conn, b []byte) (used int)

	// Ended is called once, when the other end sends no more, and Received has had everything.
	Ended(c *Conn)

	// Left is called once for each Pause, if the other end ends its side, or is gone, meanwhile
	// or did so while something before kept its input waiting.
	Left(c *Conn)

	// Flushed is called when what a slow reader kept waiting is with the system. The
	// connection's time, which was the loop's meanwhile, is to be set again.
	Flushed(c *Conn)

	// Expired is called when the time that was set with SetTime is over.
	Expired(c *Conn)

	// Woken is called after Wake, once for any number of calls.
	Woken(c *Conn)

	// Closed is called last, whoever closed the connection.
	Closed(c *Conn)
}

// Options are what all connections have in common. Zero and negative times mean none.
type Options struct {
	Loops  int           // as many as GOMAXPROCS if zero
	Write  time.Duration // that a reader may take nothing of what is written to it
	Linger time.Duration // that input is dropped for after the last answer
	Drop   int64         // octets of it at most
	Logger *slog.Logger

	// Scratch makes what a handler keeps for each loop; nil for nothing.
	Scratch func() any

	// Take asks for room for another connection, and Release gives it back. Where there is none,
	// Take is false and calls retry, on any goroutine, when there may be. Nil for no limit.
	Take    func(retry func()) bool
	Release func()
}

// Reactor is a set of loops. Use [New] to make one.
type Reactor struct {
	opts    Options
	handler Handler
	loops   []*Loop
	table   table
	running sync.WaitGroup
	rushed  atomic.Bool

	addrs     atomic.Pointer[[]net.Addr] // of all listeners that there were; changed under mu
	mu        sync.Mutex                 // held while loops are waited for: not to be taken on one
	listeners map[*Listener]struct{}
	closed    bool
}

// ErrClosed: the reactor was closed.
var ErrClosed = errors.New("reactor closed")

// New makes a reactor and starts its loops.
func New(h Handler, opts Options) (*Reactor, error) {
	r := &Reactor{opts: opts, handler: h, listeners: make(map[*Listener]struct{})}
	r.addrs.Store(new([]net.Addr))
	for range cmp.Or(opts.Loops, runtime.GOMAXPROCS(0)) {
		l, err := newLoop(r)
		if err != nil {
			for _, l := range r.loops {
				l.free()
			}
			return nil, err
		}
		r.loops = append(r.loops, l)
	}
	for _, l := range r.loops {
		r.running.Go(l.run)
	}
	return r, nil
}

// Len is how many connections there are.
func (r *Reactor) Len() int {
	n := 0
	for _, l := range r.loops {
		n += int(l.count.Load())
	}
	return n
}

// Each calls f with every connection, on its loop, and returns when that is done. Connections
// that begin meanwhile may be left out. It is not called on a loop.
func (r *Reactor) Each(f func(*Conn)) {
	var done sync.WaitGroup
	for _, l := range r.loops {
		done.Add(1)
		if !l.post(func() {
			defer done.Done()
			l.each(f)
		}) {
			done.Done()
		}
	}
	done.Wait()
}

// Close closes the listeners and every connection, and ends the loops. It is not called on one.
func (r *Reactor) Close() {
	r.rushed.Store(true) // ends all lingering
	r.mu.Lock()
	again := r.closed
	r.closed = true
	var all []*Listener
	for l := range r.listeners {
		all = append(all, l)
	}
	r.mu.Unlock()
	if again {
		return
	}
	for _, l := range all {
		l.Close()
	}
	for _, l := range r.loops {
		l.post(l.stop)
	}
	r.running.Wait()
	for _, l := range r.loops {
		l.free()
	}
}

func (r *Reactor) addrOf(number uint16) net.Addr { return (*r.addrs.Load())[number] }

func (r *Reactor) release() {
	if r.opts.Release != nil {
		r.opts.Release()
	}
}

// quietest is the loop with the fewest connections.
func (r *Reactor) quietest() *Loop {
	best := r.loops[0]
	for _, l := range r.loops[1:] {
		if l.count.Load() < best.count.Load() {
			best = l
		}
	}
	return best
}

// Listener is a listening socket whose connections are the reactor's.
type Listener struct {
	Addr net.Addr

	reactor *Reactor
	number  uint16 // in the reactor's list
	fd      int
	done    chan struct{}
	retry   func() // has the first loop accept again
	waiting bool   // for room or descriptors; of the first loop
	closed  bool   // of the first loop
}

// Listen takes the connections of l from now on, and l with them: Close closes both. It is for
// listeners of TCP and of Unix sockets.
func (r *Reactor) Listen(l net.Listener) (*Listener, error) {
	fd, err := duplicate(l)
	if err != nil {
		return nil, err
	}
	setUp(fd)
	listener := &Listener{Addr: l.Addr(), reactor: r, fd: fd, done: make(chan struct{})}
	first := r.loops[0]
	listener.retry = func() { first.post(func() { first.acceptAgain(listener) }) }
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		unix.Close(fd)
		return nil, ErrClosed
	}
	addrs := *r.addrs.Load()
	if len(addrs) > math.MaxUint16 {
		unix.Close(fd)
		return nil, errors.New("too many listeners, one after the other")
	}
	listener.number = uint16(len(addrs))
	addrs = append(addrs, listener.Addr)
	r.addrs.Store(&addrs)
	added := make(chan error, 1)
	if !first.post(func() { added <- first.listen(listener) }) {
		unix.Close(fd)
		return nil, ErrClosed
	}
	if err := <-added; err != nil {
		unix.Close(fd)
		return nil, err
	}
	r.listeners[listener] = struct{}{}
	return listener, nil
}

// Done is closed when the listener is.
func (l *Listener) Done() <-chan struct{} { return l.done }

// Close takes no more connections. Those that there are stay. It is not called on a loop.
func (l *Listener) Close() {
	l.reactor.mu.Lock()
	_, open := l.reactor.listeners[l]
	delete(l.reactor.listeners, l)
	l.reactor.mu.Unlock()
	if !open {
		return
	}
	closed := make(chan struct{})
	if l.reactor.loops[0].post(func() {
		l.reactor.loops[0].unlisten(l)
		close(closed)
	}) {
		<-closed
	}
	close(l.done)
}

package roost

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// connections are those of all listeners of a server together: counted, observed,
// and closed so that the last answer arrives.
type connections struct {
	slots    chan struct{} // one for each connection that may be open; nil for no limit
	observer Observer
	write    time.Duration // that a client may take none of what is written; none if not positive
	rushed   atomic.Bool   // no more lingering
	number   atomic.Uint64 // of connections that have no address

	mu      sync.Mutex
	open    map[*conn]struct{}
	waiting []func() // to be called when there is a slot again
}

func newConnections(cfg *Config) *connections {
	c := &connections{observer: cfg.Observer, write: cfg.Timeouts.Write, open: make(map[*conn]struct{})}
	if cfg.MaxConns > 0 {
		c.slots = make(chan struct{}, cfg.MaxConns)
	}
	return c
}

// changed notes that a first request came by a connection, and whether it is idle. net/http
// calls it for every change of a connection's state.
func (c *connections) changed(nc net.Conn, state http.ConnState) {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	conn, ok := nc.(*conn)
	if !ok || state == http.StateClosed {
		return
	}
	conn.idle.Store(state == http.StateIdle)
	if state == http.StateActive && !conn.requested.Load() {
		conn.requested.Store(true)
	}
}

// closeUnused closes the connections that no request has come by. Clients open some
// ahead of need, and net/http's Shutdown would wait five seconds for them.
func (c *connections) closeUnused() {
	c.mu.Lock()
	var unused []*conn
	for conn := range c.open {
		if !conn.requested.Load() {
			unused = append(unused, conn)
		}
	}
	c.mu.Unlock()
	for _, conn := range unused {
		conn.Close()
	}
}

// hurry lets connections close at once from now on, those too that are draining, and
// ends what waits to be written.
func (c *connections) hurry() {
	c.rushed.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		conn.Conn.SetDeadline(time.Now())
	}
}

func (c *connections) listener(l net.Listener) net.Listener {
	return &listener{Listener: l, all: c, done: make(chan struct{})}
}

// listener serves a connection only while there is a slot for it: one waits
// accepted, further ones in the system's queue, and the listener can be closed
// meanwhile.
type listener struct {
	net.Listener
	all  *connections
	done chan struct{}
	once sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if l.all.slots != nil {
		select {
		case l.all.slots <- struct{}{}:
		case <-l.done:
			c.Close()
			return nil, net.ErrClosed
		}
	}
	conn := &conn{Conn: c, all: l.all, listener: l.Addr().String(), start: time.Now()}
	if _, ok := c.(*net.UnixConn); ok {
		conn.peer = unixPeer(l.all.number.Add(1))
	}
	l.all.mu.Lock()
	l.all.open[conn] = struct{}{}
	l.all.mu.Unlock()
	return conn, nil
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.Listener.Close()
}

// take takes the slot of a connection, if there is one; else retry is called once there may be.
func (c *connections) take(retry func()) bool {
	if c.slots == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case c.slots <- struct{}{}:
		return true
	default:
		c.waiting = append(c.waiting, retry)
		return false
	}
}

// release gives back the slot of a connection.
func (c *connections) release() {
	if c.slots == nil {
		return
	}
	<-c.slots
	c.mu.Lock()
	waiting := c.waiting
	c.waiting = nil
	c.mu.Unlock()
	for _, retry := range waiting {
		retry()
	}
}

// unixPeer names the other end of a connection by a Unix socket, which has no
// address of its own.
type unixPeer uint64

func (unixPeer) Network() string  { return "unix" }
func (p unixPeer) String() string { return fmt.Sprintf("unix#%d", uint64(p)) }

// The bounds of a lingering close (RFC 9112 §9.6).
const (
	lingerTime  = 2 * time.Second
	lingerBytes = 256 << 10
)

// conn is an accepted connection below TLS and net/http. When net/http closes it
// after an answer while the client may still be sending, the system would
// answer what arrives with a reset, which can overtake the answer. So Close ends
// the sending side first, and drains what comes for a while.
type conn struct {
	net.Conn
	all      *connections
	listener string
	peer     net.Addr // where the connection itself knows none
	start    time.Time

	received, sent atomic.Int64
	writeUntil     atomic.Pointer[time.Time] // the deadline of writes in force
	requested      atomic.Bool               // a request came
	idle           atomic.Bool               // the last answer is written, and no request has begun
	reading        atomic.Bool               // another goroutine waits for input
	ended          atomic.Bool               // input is at its end
	closeOnce      sync.Once
	closeErr       error
}

func (c *conn) RemoteAddr() net.Addr {
	if c.peer != nil {
		return c.peer
	}
	return c.Conn.RemoteAddr()
}

func (c *conn) Read(p []byte) (int, error) {
	c.reading.Store(true)
	n, err := c.Conn.Read(p)
	c.reading.Store(false)
	c.received.Add(int64(n))
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.ended.Store(true)
	}
	return n, err
}

// writeSlack is how much less than its time a write may get, so that a busy
// connection moves its timer about once a second and not with each answer.
const writeSlack = time.Second

func (c *conn) Write(p []byte) (int, error) {
	if c.all.rushed.Load() {
		return 0, net.ErrClosed
	}
	if limit := c.all.write; limit > 0 {
		until := time.Now().Add(limit)
		if before := c.writeUntil.Load(); before == nil || until.Sub(*before) > min(writeSlack, limit/8) {
			c.writeUntil.Store(&until)
			c.Conn.SetWriteDeadline(until)
		}
	}
	n, err := c.Conn.Write(p)
	c.sent.Add(int64(n))
	return n, err
}

// SetWriteDeadline does nothing: each write gets its own deadline, and net/http sets
// none that is earlier but for the handshake of TLS, whose reads end it too.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline is SetReadDeadline, as SetWriteDeadline does nothing.
func (c *conn) SetDeadline(t time.Time) error { return c.Conn.SetReadDeadline(t) }

// CloseWrite is what net/http and crypto/tls ask for to end the sending side.
func (c *conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

func (c *conn) Close() error {
	c.closeOnce.Do(func() {
		if c.lingers() {
			c.linger()
		}
		c.closeErr = c.Conn.Close()
		c.all.mu.Lock()
		delete(c.all.open, c)
		c.all.mu.Unlock()
		c.all.release()
		if o := c.all.observer; o != nil {
			o.Connection(&ConnectionRecord{
				Listener: c.listener, Peer: c.RemoteAddr().String(),
				Start: c.start, Duration: time.Since(c.start),
				Received: c.received.Load(), Sent: c.sent.Load(),
			})
		}
	})
	return c.closeErr
}

// lingers says whether an answer may still be on its way to a client that has not
// ended its side. A connection that is idle has none, nor has one that somebody is reading
// from, which the program closed.
func (c *conn) lingers() bool {
	return c.sent.Load() > 0 && !c.idle.Load() && !c.ended.Load() && !c.reading.Load() && !c.all.rushed.Load()
}

func (c *conn) linger() {
	if err := c.CloseWrite(); err != nil {
		return
	}
	c.Conn.SetReadDeadline(time.Now().Add(lingerTime))
	if c.all.rushed.Load() { // only now, as hurry sets the deadline after it
		return
	}
	io.Copy(io.Discard, io.LimitReader(c.Conn, lingerBytes))
}

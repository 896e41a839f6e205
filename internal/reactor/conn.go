//go:build linux

package reactor

import (
	"encoding/binary"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Conn is a connection. But for Wake and Do it is used on its loop only.
//
// There may be thousands that are silent, so its size counts: see TestConnSize.
type Conn struct {
	// State is the handler's. While it is nil a connection takes no more than its Conn.
	State any

	loop       *Loop
	kept       *[]byte  // that came and was not used; nil for nothing
	waiting    *waiting // that was written and not taken by the system; nil for nothing
	next, prev *Conn    // in a list of the wheel

	start    int64 // nanoseconds since 1970
	received int64
	sent     int64

	due, place uint32 // ticks; see wheel
	turn       uint32 // tells the events of this connection from those of one before it
	interest   uint32 // what epoll watches for
	fd         int32
	slot       uint16
	port       uint16
	listener   uint16 // in the reactor's list
	addr       [16]byte
	flags      flags
	family     family
	waking     bool  // Woken will be called; under the lock of the loop
	places     uint8 // KeepPlace without GivePlace so far
}

type flags uint8

const (
	isPaused  flags = 1 << iota // by the handler
	hasEnded                    // the other end's side; everything was read
	hasLeft                     // the other end's side has ended, with input unread
	isLast                      // nothing more is served: what is written goes out, then it lingers
	isLingers                   // the sending side is shut, and input is dropped
	isClosed
	hasNews // what was kept is to be offered again
	wasTold // of hasLeft, in this pause
)

type family uint8

const (
	unixSocket family = iota
	ip4
	ip6
)

// waiting is what a slow reader has not taken yet. Pieces of it may be shared with others.
type waiting struct {
	pieces [][]byte
	drop   int64 // while c lingers: octets of input that may still be dropped
}

var turns atomic.Uint32

func newConn(fd int, listener *Listener, addr *unix.RawSockaddrAny, now time.Time) *Conn {
	c := &Conn{fd: int32(fd), listener: listener.number, start: now.UnixNano(), turn: turns.Add(1)}
	switch addr.Addr.Family {
	case unix.AF_INET:
		a := (*unix.RawSockaddrInet4)(unsafe.Pointer(addr))
		c.family, c.port = ip4, bigEndian(a.Port)
		copy(c.addr[:], a.Addr[:])
	case unix.AF_INET6:
		a := (*unix.RawSockaddrInet6)(unsafe.Pointer(addr))
		c.family, c.port, c.addr = ip6, bigEndian(a.Port), a.Addr
	}
	return c
}

// bigEndian reads a port, which the system has in the order of the network.
func bigEndian(port uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], port)
	return binary.BigEndian.Uint16(b[:])
}

// Peer is the other end's address; not valid for a Unix socket, whose other end has none.
func (c *Conn) Peer() netip.AddrPort {
	switch c.family {
	case ip4:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(c.addr[:4])), c.port)
	case ip6:
		return netip.AddrPortFrom(netip.AddrFrom16(c.addr), c.port)
	}
	return netip.AddrPort{}
}

func (c *Conn) Loop() *Loop      { return c.loop }
func (c *Conn) Start() time.Time { return time.Unix(0, c.start) }

// ID tells c from other connections that there are.
func (c *Conn) ID() uint32 { return c.turn }

// Listener is the address of the listener that c came by.
func (c *Conn) Listener() net.Addr { return c.loop.reactor.addrOf(c.listener) }

// Received and Sent count the octets so far.
func (c *Conn) Received() int64 { return c.received }
func (c *Conn) Sent() int64     { return c.sent }

// Busy says that c still has something to hand to its reader, or lingers after that.
func (c *Conn) Busy() bool { return c.waiting != nil }

func (c *Conn) has(f flags) bool { return c.flags&f != 0 }
func (c *Conn) closed() bool     { return c.has(isClosed) }

// Wake has the handler's Woken called, from any goroutine. It may be called with locks held.
func (c *Conn) Wake() { c.loop.wake(c) }

// Do has f called on the loop of c, from any goroutine, and tells it whether c is open still. It
// is false when the loop ends: f is not called, and Closed was, or will be before the loop's Wait
// returns.
func (c *Conn) Do(f func(open bool)) bool {
	return c.loop.post(func() {
		f(!c.closed())
		c.settle()
	})
}

// SetTime has Expired called after d, in place of what was set before.
func (c *Conn) SetTime(d time.Duration) {
	if c.waiting == nil && !c.closed() {
		c.loop.wheel.set(c, c.loop.after(d))
	}
}

// ClearTime takes that back.
func (c *Conn) ClearTime() {
	if c.waiting == nil { // else the time is the reader's
		c.loop.wheel.clear(c)
	}
}

// Pause gives the handler nothing of what comes until Resume.
func (c *Conn) Pause() { c.flags = c.flags&^wasTold | isPaused }

// Resume gives the handler again what comes, and what has come, after it returns.
func (c *Conn) Resume() {
	if c.has(isPaused) {
		c.flags = c.flags&^isPaused | hasNews
	}
}

// Write writes b, which it copies.
func (c *Conn) Write(b []byte) {
	c.loop.out = append(c.loop.out, b...)
}

// Buffer is what was written and not handed to the system yet. What is appended to it is given
// to SetBuffer: so answers are made in place.
func (c *Conn) Buffer() []byte     { return c.loop.out }
func (c *Conn) SetBuffer(b []byte) { c.loop.out = b }

// WriteShared writes b, which never changes, and is not copied where it is long.
func (c *Conn) WriteShared(b []byte) {
	if len(b) < copySize {
		c.Write(b)
		return
	}
	if c.waiting != nil || c.closed() || len(c.loop.out) == 0 {
		c.Flush()
		c.push(b)
		return
	}
	n, errno := write2(c.fd, c.loop.out, b)
	n = c.wrote(n, errno)
	head := len(c.loop.out)
	switch {
	case c.closed():
	case n < head:
		c.keep(c.loop.out[n:])
		c.waiting.pieces = append(c.waiting.pieces, b)
	case n < head+len(b):
		c.keepShared(b[n-head:])
	}
	c.loop.out = c.loop.out[:0]
}

// Flush hands what was written to the system, and says whether it took everything.
func (c *Conn) Flush() bool {
	if b := c.loop.out; len(b) > 0 {
		c.loop.out = b[:0]
		if c.waiting != nil {
			c.keep(b)
		} else if !c.closed() {
			n, errno := write(c.fd, b)
			if n = c.wrote(n, errno); n < len(b) && !c.closed() {
				c.keep(b[n:])
			}
		}
	}
	return c.waiting == nil
}

// Ready says whether there is room for another answer: what is written so far is not too
// much, the reader has taken it, and none was the last. It is false when c is closed: nothing
// would end what is begun for it then.
func (c *Conn) Ready() bool {
	if c.has(isLast | isClosed) {
		return false
	}
	if c.waiting == nil && len(c.loop.out) < writeSize {
		return true
	}
	return c.Flush() && !c.closed()
}

// push hands a shared piece to the system.
func (c *Conn) push(b []byte) {
	if c.waiting != nil {
		c.waiting.pieces = append(c.waiting.pieces, b)
		return
	}
	if c.closed() {
		return
	}
	n, errno := write(c.fd, b)
	if n = c.wrote(n, errno); n < len(b) && !c.closed() {
		c.keepShared(b[n:])
	}
}

// wrote takes what came of a write: what was taken is counted, and after an error the connection
// is closed.
func (c *Conn) wrote(n int, errno unix.Errno) int {
	switch {
	case errno == 0:
		c.sent += int64(n)
		return n
	case errno == unix.EAGAIN || errno == unix.EINTR:
		return 0
	}
	c.Close()
	return 0
}

func (c *Conn) keep(b []byte) { c.keepShared(append([]byte(nil), b...)) }

func (c *Conn) keepShared(b []byte) {
	if c.waiting == nil {
		c.waiting = new(waiting)
		c.boundWrite()
	}
	c.waiting.pieces = append(c.waiting.pieces, b)
}

func (c *Conn) boundWrite() {
	if limit := c.loop.reactor.opts.Write; limit > 0 {
		c.loop.wheel.set(c, c.loop.after(limit))
	} else {
		c.loop.wheel.clear(c)
	}
}

// Finish ends the connection after what was written: the sending side is shut, and input dropped
// for a while, as what is unread when a socket is closed can make the system take the last
// answer back (RFC 9112 §9.6).
func (c *Conn) Finish() { c.flags |= isLast }

// Close ends the connection at once.
func (c *Conn) Close() {
	if c.closed() {
		return
	}
	c.flags |= isClosed
	c.loop.wheel.remove(c)
	c.loop.reactor.table.set(int(c.fd), nil)
	unix.Close(int(c.fd))
	c.kept, c.waiting = nil, nil
	c.loop.count.Add(-1)
	c.KeepPlace()
	c.loop.reactor.handler.Closed(c)
	c.State = nil
	c.GivePlace()
}

// KeepPlace has c count as a connection even when it is closed, until GivePlace. It may be
// called again, and also by Closed, and counts.
func (c *Conn) KeepPlace() { c.places++ }

// GivePlace takes back one KeepPlace.
func (c *Conn) GivePlace() {
	if c.places--; c.places == 0 && c.closed() {
		c.loop.reactor.release()
	}
}

func (c *Conn) epollEvent() *unix.EpollEvent {
	return &unix.EpollEvent{Events: c.interest, Fd: c.fd, Pad: int32(c.turn)}
}

// watch tells epoll what is of interest now, if that has changed.
func (c *Conn) watch() {
	interest := uint32(0)
	if !c.has(hasEnded | hasLeft) {
		interest |= unix.EPOLLRDHUP
	}
	if !c.has(hasEnded) && (c.has(isLingers) || c.waiting == nil && !c.has(isPaused)) {
		interest |= unix.EPOLLIN
	}
	if c.waiting != nil && !c.has(isLingers) {
		interest |= unix.EPOLLOUT
	}
	if interest != c.interest {
		c.interest = interest
		unix.EpollCtl(c.loop.epoll, unix.EPOLL_CTL_MOD, int(c.fd), c.epollEvent())
	}
}

// ready handles what epoll tells.
func (c *Conn) ready(events uint32) {
	const gone = unix.EPOLLHUP | unix.EPOLLERR
	switch {
	case c.has(isLingers):
		c.drain()
		return
	case events&unix.EPOLLOUT != 0 && c.waiting != nil:
		c.flushWaiting()
		c.settle()
		if c.closed() || events&gone == 0 {
			return
		}
	case c.has(isPaused) || c.waiting != nil:
		if events&(unix.EPOLLRDHUP|gone) != 0 && !c.has(hasLeft|hasEnded) {
			c.flags |= hasLeft
			c.settle()
		}
		if !c.closed() {
			c.watch() // no more of what nobody takes
		}
	case events&unix.EPOLLIN != 0 || events&unix.EPOLLRDHUP != 0 && !c.has(hasEnded):
		c.read()
		c.settle()
		return
	}
	if events&gone != 0 && !c.closed() {
		c.Close()
	}
}

// read reads once, and gives what came to the handler.
func (c *Conn) read() {
	if c.kept == nil {
		n, errno := read(c.fd, c.loop.in[:])
		if n = c.came(n, errno); n > 0 {
			c.keepInput(c.loop.in[:n], c.loop.reactor.handler.Received(c, c.loop.in[:n]))
		}
		return
	}
	b := *c.kept
	if cap(b)-len(b) < minRead {
		grown := make([]byte, len(b), max(2*cap(b), len(b)+minRead))
		copy(grown, b)
		b = grown
	}
	n, errno := read(c.fd, b[len(b):min(cap(b), len(b)+readSize)])
	if n = c.came(n, errno); n > 0 {
		*c.kept = b[:len(b)+n]
		c.offer()
	}
}

// minRead is the room that there is for reading at least.
const minRead = 512

// came takes what came of a read, and returns how much is there.
func (c *Conn) came(n int, errno unix.Errno) int {
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
		return 0
	case errno != 0:
		c.Close()
		return 0
	case n == 0:
		c.flags |= hasEnded
		c.loop.reactor.handler.Ended(c)
		return 0
	}
	c.received += int64(n)
	return n
}

// offer gives the handler what was kept.
func (c *Conn) offer() {
	b := *c.kept
	used := c.loop.reactor.handler.Received(c, b)
	switch {
	case c.closed():
	case used == len(b):
		c.kept = nil
	case used > 0:
		*c.kept = b[:copy(b, b[used:])]
	}
}

// keepInput keeps what the handler did not use.
func (c *Conn) keepInput(b []byte, used int) {
	if used == len(b) || c.closed() {
		return
	}
	rest := b[used:]
	kept := append(make([]byte, 0, len(rest)+minRead/2), rest...)
	c.kept = &kept
}

// flushWaiting hands what waited to the system.
func (c *Conn) flushWaiting() {
	w := c.waiting
	for len(w.pieces) > 0 {
		n, errno := write(c.fd, w.pieces[0])
		n = c.wrote(n, errno)
		if c.closed() {
			return
		}
		if n > 0 {
			c.boundWrite()
		}
		if n < len(w.pieces[0]) {
			w.pieces[0] = w.pieces[0][n:]
			return
		}
		w.pieces[0] = nil
		w.pieces = w.pieces[1:]
	}
	c.waiting = nil
	c.flags |= hasNews
	c.loop.wheel.clear(c)
	if !c.has(isLast) {
		c.loop.reactor.handler.Flushed(c)
	}
}

// settle ends whatever was done with c: what was written goes out, what has come is offered
// again where the handler, or a slow reader, had kept it waiting, and the handler is told that
// the other end has left.
func (c *Conn) settle() {
	for more := true; more; {
		c.Flush()
		switch {
		case c.closed() || c.has(isLast):
			more = false
		case c.has(isPaused):
			if more = c.has(hasLeft) && !c.has(wasTold); more {
				c.flags |= wasTold
				c.loop.reactor.handler.Left(c)
			}
		case c.waiting != nil || c.kept == nil || !c.has(hasNews):
			more = false
		default:
			c.flags &^= hasNews
			c.offer()
		}
	}
	switch {
	case c.closed():
		c.loop.out = c.loop.out[:0]
		return
	case c.has(isLast) && c.waiting == nil:
		c.linger()
	}
	if !c.closed() && !c.calm() {
		c.watch()
	}
}

// calm says that c is paused and nothing else is the matter. It is mostly resumed before anything
// comes, and epoll is told only if something does.
func (c *Conn) calm() bool {
	return c.has(isPaused) && !c.has(hasEnded|hasLeft) && c.waiting == nil
}

// linger shuts the sending side, and drops what comes.
func (c *Conn) linger() {
	opts := &c.loop.reactor.opts
	if opts.Linger <= 0 || c.loop.reactor.rushed.Load() || unix.Shutdown(int(c.fd), unix.SHUT_WR) != nil {
		c.Close()
		return
	}
	c.flags |= isLingers
	c.waiting = &waiting{drop: opts.Drop}
	if c.kept != nil {
		c.waiting.drop -= int64(len(*c.kept))
		c.kept = nil
	}
	c.loop.wheel.set(c, c.loop.after(opts.Linger))
	c.drain()
}

func (c *Conn) drain() {
	if c.has(hasEnded) || c.waiting.drop <= 0 || c.loop.reactor.rushed.Load() {
		c.Close()
		return
	}
	n, errno := read(c.fd, c.loop.in[:])
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
		return
	case errno != 0 || n == 0:
		c.Close()
		return
	}
	c.received += int64(n)
	if c.waiting.drop -= int64(n); c.waiting.drop <= 0 {
		c.Close()
	}
}

// expired is called when the time of c is over.
func (c *Conn) expired() {
	switch before := c.sent; {
	case c.has(isLingers):
		c.Close()
		return
	case c.waiting != nil:
		// Epoll tells of room only when a third of the system's buffer is free, which a steady
		// reader may take longer to make: any room is progress.
		c.flushWaiting()
		if c.sent == before {
			c.Close()
		}
		c.settle()
		return
	}
	c.loop.reactor.handler.Expired(c)
	c.settle()
}

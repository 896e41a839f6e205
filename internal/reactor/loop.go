//go:build linux

package reactor

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Loop is one event loop: an epoll instance and the goroutine that waits at it.
type Loop struct {
	// Scratch is the handler's, for the connections of this loop: see Options.
	Scratch any

	reactor *Reactor
	epoll   int
	waiter  waiter
	event   int // an eventfd, by which others wake it
	count   atomic.Int64

	now   time.Time // when the events under way came
	wheel wheel
	in    [readSize]byte
	out   []byte // what the connection that is being served has written
	ended bool
	over  chan struct{} // closed when run returns

	listeners map[int]*Listener // of the first loop

	accepted unix.RawSockaddrAny // the address of the connection that was accepted last

	mu     sync.Mutex
	tasks  []func()
	woken  []*Conn
	come   []*Conn // to be served
	told   bool    // event was written
	closed bool    // no task is taken any more

	// What doTasks took out of these, to be used again.
	running []func()
	waking  []*Conn
	coming  []*Conn
}

const (
	// readSize is how much is read at once, so that no connection keeps the others waiting.
	readSize = 16 << 10

	// writeSize is how much is gathered before it is written.
	writeSize = 64 << 10

	// copySize is from which length on an answer that stays as it is is not copied.
	copySize = 8 << 10

	// eventsAtOnce is how many connections are served between two looks at what else has
	// come. One that is not ready when epoll looks at it comes after all others the next time,
	// and so may wait for the rest of these and for all others: with 256 of them twice as
	// long as with few.
	eventsAtOnce = 16
	acceptAtOnce = 64
)

func newLoop(r *Reactor) (*Loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	event, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err == nil {
		err = unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, event, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(event)})
	}
	now := time.Now()
	l := &Loop{reactor: r, epoll: epoll, event: event, now: now, wheel: wheel{start: now}, over: make(chan struct{}), listeners: make(map[int]*Listener)}
	if err == nil {
		err = l.waiter.prepare(epoll)
	}
	if err != nil {
		l.free()
		return nil, err
	}
	if r.opts.Scratch != nil {
		l.Scratch = r.opts.Scratch()
	}
	return l, nil
}

func (l *Loop) free() {
	l.waiter.close(l.epoll)
	if l.event > 0 {
		unix.Close(l.event)
	}
}

// Now is when the events that are being handled came.
func (l *Loop) Now() time.Time { return l.now }

// Wait returns when the loop has ended. It is not called on the loop.
func (l *Loop) Wait() { <-l.over }

// after is when d is over. What is too far away for the wheel, which would take it for past, is
// as far as it can be.
func (l *Loop) after(d time.Duration) time.Time { return l.now.Add(min(d, maxTime)) }

// post has f called on the loop. It is false when the loop has ended.
func (l *Loop) post(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.tasks = append(l.tasks, f)
	l.tellLocked()
	return true
}

func (l *Loop) wake(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed && !c.waking {
		c.waking = true
		l.woken = append(l.woken, c)
		l.tellLocked()
	}
}

// give has l serve a connection. It is false when the loop has ended.
func (l *Loop) give(c *Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.count.Add(1)
	l.come = append(l.come, c)
	l.tellLocked()
	return true
}

var one = [8]byte{1}

func (l *Loop) tellLocked() {
	if !l.told {
		l.told = true
		unix.Write(l.event, one[:])
	}
}

// run serves until stop.
func (l *Loop) run() {
	defer close(l.over)
	events := make([]unix.EpollEvent, eventsAtOnce)
	for !l.ended {
		n, err := l.waiter.wait(events, l.wheel.next(l.now), l.now)
		l.now = time.Now()
		if err != nil {
			l.reactor.opts.Logger.Error("epoll failed; the connections of a loop are closed", "error", err)
			l.stop()
			break
		}
		told := false
		for i := range n {
			e := &events[i]
			if c := l.reactor.table.get(int(e.Fd)); c != nil && c.loop == l && c.turn == uint32(e.Pad) {
				c.ready(e.Events)
				continue
			}
			if int(e.Fd) == l.event {
				told = true
			} else if listener := l.listeners[int(e.Fd)]; listener != nil {
				l.accept(listener)
			}
		}
		if told {
			l.doTasks()
		}
		l.wheel.expire(l.now, (*Conn).expired)
	}
}

// doTasks does what others have asked for.
func (l *Loop) doTasks() {
	var drop [8]byte
	unix.Read(l.event, drop[:])
	l.mu.Lock()
	l.told = false
	tasks, woken, come := l.tasks, l.woken, l.come
	for _, c := range woken {
		c.waking = false
	}
	l.tasks, l.woken, l.come = l.running[:0], l.waking[:0], l.coming[:0]
	l.mu.Unlock()
	for i, c := range come {
		come[i] = nil
		l.adopt(c)
	}
	for i, f := range tasks {
		tasks[i] = nil
		f()
	}
	for i, c := range woken {
		woken[i] = nil
		if !c.closed() {
			l.reactor.handler.Woken(c)
			c.settle()
		}
	}
	l.running, l.waking, l.coming = reuse(tasks), reuse(woken), reuse(come)
}

// reuse keeps a slice, unless it has grown by a crowd that is over.
func reuse[T any](s []T) []T {
	const most = 1 << 10
	if cap(s) > most {
		return nil
	}
	return s[:0]
}

// each calls f with every connection.
func (l *Loop) each(f func(*Conn)) {
	var all []*Conn
	collect := func(list *list) {
		for c := list.first; c != nil; {
			all = append(all, c)
			if c = c.next; c == list.first {
				break
			}
		}
	}
	collect(&l.wheel.none)
	for i := range l.wheel.slots {
		collect(&l.wheel.slots[i])
	}
	for _, c := range all {
		if !c.closed() {
			f(c)
			c.settle()
		}
	}
}

// stop closes every connection and ends the loop.
func (l *Loop) stop() {
	l.mu.Lock()
	l.closed = true
	tasks, come := l.tasks, l.come
	l.tasks, l.come = nil, nil
	l.mu.Unlock()
	for _, c := range come {
		l.adopt(c)
	}
	for _, f := range tasks {
		f()
	}
	l.each((*Conn).Close)
	l.ended = true
}

func (l *Loop) listen(listener *Listener) error {
	if err := unix.SetNonblock(listener.fd, true); err != nil {
		return err
	}
	l.listeners[listener.fd] = listener
	return l.watchListener(listener, unix.EPOLL_CTL_ADD)
}

func (l *Loop) watchListener(listener *Listener, op int) error {
	return unix.EpollCtl(l.epoll, op, listener.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(listener.fd)})
}

func (l *Loop) unlisten(listener *Listener) {
	if !listener.waiting {
		l.watchListener(listener, unix.EPOLL_CTL_DEL)
	}
	listener.closed = true
	delete(l.listeners, listener.fd)
	unix.Close(listener.fd)
}

// acceptPause is how long a listener rests when the process has no descriptors left.
const acceptPause = 100 * time.Millisecond

// accept takes connections while there are some, and room for them.
func (l *Loop) accept(listener *Listener) {
	r := l.reactor
	for range acceptAtOnce {
		if r.opts.Take != nil && !r.opts.Take(listener.retry) {
			l.rest(listener)
			return
		}
		fd, errno := accept(listener.fd, &l.accepted)
		if errno != 0 {
			r.release()
			switch errno {
			case unix.EINTR, unix.ECONNABORTED, unix.EPROTO, unix.EPERM:
				continue
			case unix.EAGAIN:
				return
			}
			r.opts.Logger.Error("connection not accepted", "address", listener.Addr.String(), "error", errno)
			l.rest(listener)
			time.AfterFunc(acceptPause, listener.retry)
			return
		}
		if fd >= maxDescriptor {
			unix.Close(fd)
			r.release()
			continue
		}
		boundUnsent(fd)
		c := newConn(fd, listener, &l.accepted, l.now)
		if to := r.quietest(); to == l {
			l.count.Add(1)
			l.adopt(c)
		} else if !to.give(c) {
			unix.Close(fd)
			r.release()
		}
	}
}

// rest takes no connections of a listener for now.
func (l *Loop) rest(listener *Listener) {
	if !listener.waiting && !listener.closed {
		listener.waiting = true
		l.watchListener(listener, unix.EPOLL_CTL_DEL)
	}
}

func (l *Loop) acceptAgain(listener *Listener) {
	if listener.waiting && !listener.closed {
		listener.waiting = false
		l.watchListener(listener, unix.EPOLL_CTL_ADD)
	}
}

// adopt begins to serve a connection, which is counted already.
func (l *Loop) adopt(c *Conn) {
	c.loop = l
	l.wheel.add(c)
	l.reactor.table.set(int(c.fd), c)
	c.interest = unix.EPOLLIN | unix.EPOLLRDHUP
	err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, int(c.fd), c.epollEvent())
	l.reactor.handler.Opened(c)
	if err != nil || l.ended {
		c.Close()
		return
	}
	c.settle()
}

// table finds connections by their descriptors, of which a process has each once.
type table struct {
	parts [1 << 10]atomic.Pointer[tablePart]
}

const maxDescriptor = 1 << (10 + 12)

type tablePart [1 << 12]atomic.Pointer[Conn]

func (t *table) get(fd int) *Conn {
	if part := t.parts[fd>>12].Load(); part != nil {
		return part[fd&(1<<12-1)].Load()
	}
	return nil
}

func (t *table) set(fd int, c *Conn) {
	part := &t.parts[fd>>12]
	if part.Load() == nil {
		part.CompareAndSwap(nil, new(tablePart))
	}
	part.Load()[fd&(1<<12-1)].Store(c)
}

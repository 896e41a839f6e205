//go:build linux

package reactor

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// waiter waits for the events of an epoll instance. It asks without waiting, and where there are none
// it leaves the waiting to the runtime, whose poller knows the instance as one more descriptor: a
// thread that waited in the system call itself would have to be told from one that works, which
// the runtime does by looking at it every 20 microseconds, and that costs more than this.
type waiter struct {
	file *os.File
	raw  syscall.RawConn
	fd   int

	until time.Time // that the file's deadline is set to

	// What ask works on: it is made once, as it escapes.
	ask    func(fd uintptr) bool
	events []unix.EpollEvent
	n      int
	errno  unix.Errno
}

func (w *waiter) prepare(epoll int) error {
	if err := unix.SetNonblock(epoll, true); err != nil {
		return err
	}
	w.fd = epoll
	w.file = os.NewFile(uintptr(epoll), "epoll")
	raw, err := w.file.SyscallConn()
	w.raw = raw
	w.ask = func(uintptr) bool {
		w.n, w.errno = epollNow(w.fd, w.events)
		return w.n > 0 || w.errno != 0 && w.errno != unix.EINTR
	}
	return err
}

func (w *waiter) close(epoll int) {
	if w.file != nil {
		w.file.Close()
		return
	}
	unix.Close(epoll)
}

// wait returns how many events there are; none after d, unless that is negative.
func (w *waiter) wait(events []unix.EpollEvent, d time.Duration, now time.Time) (int, error) {
	w.events = events
	if w.ask(0) || d == 0 {
		return w.n, asError(w.errno)
	}
	if err := w.setDeadline(d, now); err != nil {
		return 0, err
	}
	err := w.raw.Read(w.ask)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.until = now // it has to be set anew
		return 0, nil
	}
	if err == nil {
		err = asError(w.errno)
	}
	return w.n, err
}

func asError(errno unix.Errno) error {
	if errno == 0 || errno == unix.EINTR {
		return nil
	}
	return errno
}

// setDeadline bounds the wait, where the bound is another than before.
func (w *waiter) setDeadline(d time.Duration, now time.Time) error {
	until := time.Time{}
	if d > 0 {
		until = now.Add(d)
	}
	if until.Equal(w.until) {
		return nil
	}
	w.until = until
	return w.file.SetReadDeadline(until)
}

//go:build linux && race

package reactor

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// The race detector learns from package syscall that what was written comes before what is read.

func read(fd int32, b []byte) (int, unix.Errno) { return result(syscall.Read(int(fd), b)) }

func write(fd int32, b []byte) (int, unix.Errno) { return result(syscall.Write(int(fd), b)) }

func result(n int, err error) (int, unix.Errno) {
	errno, _ := err.(unix.Errno)
	return n, errno
}

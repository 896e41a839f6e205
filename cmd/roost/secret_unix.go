//go:build unix

package main

import (
	"fmt"
	"os"
	"syscall"
)

// openSecret opens a file that nobody but the user may have written or can read. Anything
// else that could stand there, a pipe say, is refused and not waited for.
func openSecret(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if err := checkSecret(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func checkSecret(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	owner, _ := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no file", f.Name())
	case owner != nil && int(owner.Uid) != os.Getuid():
		return fmt.Errorf("%s belongs to another user (%d): give a file of your own", f.Name(), owner.Uid)
	case info.Mode()&0o077 != 0:
		return fmt.Errorf("%s can be used by other users of this machine (mode %04o): take that away with chmod 600 %[1]s", f.Name(), info.Mode().Perm())
	}
	return nil
}

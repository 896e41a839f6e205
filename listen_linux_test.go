package roost

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Nobody else can connect to a Unix socket, from the moment it is there, whatever the
// process allows for its files.
func TestSocketIsPrivateFromTheStart(t *testing.T) {
	before := syscall.Umask(0)
	defer syscall.Umask(before)
	path := filepath.Join(t.TempDir(), "s")
	l, err := bindUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
}

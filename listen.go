package roost

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
)

const unixPrefix = "unix://"

func isUnixAddr(addr string) bool { return strings.HasPrefix(addr, unixPrefix) }

// Listen opens the listener that addr names as Config.Addr does: "host:port" or
// "unix:///path". A Unix socket that a process left behind, and nobody listens at,
// is replaced. Errors name the address and the way out.
func Listen(addr string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(addr, unixPrefix); ok {
		return listenUnix(addr, path)
	}
	l, err := net.Listen(network(addr), addr)
	if err != nil {
		return nil, listenError(addr, err)
	}
	return l, nil
}

// network keeps an IPv4 address to IPv4: "tcp" would take 0.0.0.0 for every address
// of IPv6 too.
func network(addr string) string {
	host, _, _ := net.SplitHostPort(addr)
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
		return "tcp4"
	}
	return "tcp"
}

func listenError(addr string, err error) error {
	hint := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		hint = ": another program listens there; stop it or choose another port"
	case errors.Is(err, fs.ErrPermission):
		hint = ": ports below 1024 need a privilege; choose a higher one or grant it"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		hint = ": no interface of this machine has that address"
	}
	return &Error{Op: "listen on", URI: addr, Err: fmt.Errorf("%w%s", err, hint)}
}

func listenUnix(addr, path string) (net.Listener, error) {
	if err := removeStale(path); err != nil {
		return nil, &Error{Op: "listen on", URI: addr, Err: err}
	}
	l, err := bindUnix(path)
	if err != nil {
		return nil, &Error{Op: "listen on", URI: addr, Err: err}
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, &Error{Op: "listen on", URI: addr, Err: err}
	}
	return l, nil
}

func bindUnix(path string) (net.Listener, error) {
	c := net.ListenConfig{Control: privateSocket}
	return c.Listen(context.Background(), "unix", path)
}

// removeStale removes a socket that nobody listens at. Anything else at path is left
// alone, for Listen to stumble over.
func removeStale(path string) error {
	info, err := os.Stat(path)
	if err != nil || info.Mode()&fs.ModeSocket == 0 {
		return nil
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
		return errors.New("another program listens there; stop it or choose another path")
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return os.Remove(path)
	}
	return nil
}

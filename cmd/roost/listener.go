package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/url"

	"roost"
)

// listener is bound, and knows how clients reach it.
type listener struct {
	net.Listener
	scheme string // http or https
}

// bind opens every listener, or none.
func (s *settings) bind() ([]listener, error) {
	scheme := "http"
	if s.tls() {
		scheme = "https"
	}
	var bound []listener
	for _, addr := range s.listen {
		l, err := roost.Listen(addr)
		if err != nil {
			closeAll(bound)
			return nil, fmt.Errorf("%s: %w", s.source("listen"), err)
		}
		bound = append(bound, listener{l, scheme})
	}
	return bound, nil
}

func closeAll(listeners []listener) {
	for _, l := range listeners {
		l.Close()
	}
}

// socket returns the path of a Unix socket; it is empty for any other listener.
func (l listener) socket() string {
	if addr, ok := l.Addr().(*net.UnixAddr); ok {
		return addr.Name
	}
	return ""
}

// String is the address with its scheme.
func (l listener) String() string {
	if path := l.socket(); path != "" {
		return "unix://" + path
	}
	u := url.URL{Scheme: l.scheme, Host: l.Addr().String()}
	return u.String()
}

// ip returns the address that l is bound to; nil for a socket.
func (l listener) ip() net.IP {
	if addr, ok := l.Addr().(*net.TCPAddr); ok {
		return addr.IP
	}
	return nil
}

// public says that l can be reached from other machines.
func (l listener) public() bool { return l.ip() != nil && !l.ip().IsLoopback() }

// warn tells of listeners by which anybody on the network can read along.
func warn(log *slog.Logger, listeners []listener) {
	for _, l := range listeners {
		if l.public() && l.scheme == "http" {
			log.Warn("listening in the clear on an address that other machines can reach; "+
				"give --tls-cert and --tls-key, or listen on 127.0.0.1", "address", l.String())
		}
	}
}

package main

import (
	"log/slog"
	"net"

	"roost/control"
)

// listener knows how clients reach a listener of the server.
type listener struct{ control.Listener }

func listenersOf(run *control.Running) []listener {
	var all []listener
	for _, l := range run.Listeners {
		all = append(all, listener{l})
	}
	return all
}

// String is the address with its scheme.
func (l listener) String() string { return l.URL() }

// socket returns the path of a Unix socket; it is empty for any other listener.
func (l listener) socket() string {
	if addr, ok := l.Addr().(*net.UnixAddr); ok {
		return addr.Name
	}
	return ""
}

// scheme is that of the URLs behind l.
func (l listener) scheme() string {
	if l.TLS {
		return "https"
	}
	return "http"
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
		if l.public() && !l.TLS {
			log.Warn("listening in the clear on an address that other machines can reach; "+
				"give --tls-cert and --tls-key, or listen on 127.0.0.1", "address", l.String())
		}
	}
}

package main

import (
	"log/slog"
	"net"
	"net/url"

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

// try is the beginning of a URL that reaches l from this machine.
func (l listener) try() string {
	u := url.URL{Scheme: l.scheme(), Host: l.Addr().String()}
	switch {
	case l.socket() != "":
		u.Host = "localhost"
	case l.ip().IsUnspecified():
		_, port, _ := net.SplitHostPort(u.Host)
		u.Host = net.JoinHostPort("localhost", port)
	}
	return u.String()
}

// reach is the beginning of a URL that reaches l from other machines too, if any does.
func (l listener) reach() string {
	if !l.ip().IsUnspecified() {
		return l.String()
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return l.scheme() + "://" + net.JoinHostPort(ownAddress(), port)
}

// ownAddress is an address of this machine for others, or else for itself.
func ownAddress() string {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return "localhost"
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	return "localhost"
}

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strconv"
	"strings"

	"roost"
)

// portMapping says that a script's port is another one here; 0 is one that the system
// chooses.
type portMapping struct{ asked, used int }

func parsePortMapping(s string) (portMapping, error) {
	asked, used, _ := strings.Cut(s, "=")
	from, err := strconv.ParseUint(asked, 10, 16)
	to, err2 := strconv.ParseUint(used, 10, 16)
	if err != nil || err2 != nil || from == 0 {
		return portMapping{}, errors.New("give the script's port and the one to listen on, such as 80=8080; =0 lets the system choose")
	}
	return portMapping{int(from), int(to)}, nil
}

// unprivileged are the mappings of ports that this user may not listen on.
var unprivileged = []portMapping{{80, 8080}, {443, 8443}}

// ports opens listeners where scripts ask for them, or where their ports are mapped.
type ports struct{ mapped []portMapping }

// mappedListener listens on another port than was asked for.
type mappedListener struct {
	net.Listener
	why string
}

func (l mappedListener) Unwrap() net.Listener { return l.Listener }

// mappedPort is where a port is mapped, if it is.
func mappedPort(mappings []portMapping, asked int) (used int, ok bool) {
	for _, m := range mappings {
		if m.asked == asked {
			return m.used, true
		}
	}
	return 0, false
}

func (p ports) open(addr string) (net.Listener, error) {
	host, name, err := net.SplitHostPort(addr)
	if err != nil {
		return roost.Listen(addr)
	}
	asked, _ := net.LookupPort("tcp", name)
	if used, ok := mappedPort(p.mapped, asked); ok {
		return openMapped(host, asked, used, "")
	}
	l, err := roost.Listen(addr)
	if used, ok := mappedPort(unprivileged, asked); ok && errors.Is(err, fs.ErrPermission) {
		return openMapped(host, asked, used, ", as this user may not listen on it")
	}
	if err != nil && asked != 0 {
		err = fmt.Errorf("%w; or listen on another than the script asks for: --port-map %d=PORT", err, asked)
	}
	return l, err
}

func openMapped(host string, asked, used int, why string) (net.Listener, error) {
	l, err := roost.Listen(net.JoinHostPort(host, strconv.Itoa(used)))
	if err != nil {
		return nil, fmt.Errorf("port %d is mapped to %d%s: %w; or map it elsewhere: --port-map %[1]d=PORT", asked, used, why, err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return mappedListener{l, fmt.Sprintf("port %d is mapped to %s%s", asked, port, why)}, nil
}

package control

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"roost"
)

var errNotLoopback = errors.New("the control API is for this machine only: give a loopback address, such as 127.0.0.1:8081, or unix:///path")

// CheckAddr says whether addr is one that Listen takes: "unix:///path", or "host:port"
// where host is an address of the loopback interface, or "localhost", and port 0
// lets the system choose.
func CheckAddr(addr string) error {
	if strings.HasPrefix(addr, "unix://") {
		return nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf(`%w: give "unix:///path", or an address of this machine alone such as 127.0.0.1:8081`, err)
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return errNotLoopback
	}
	return nil
}

// Listen opens the listener that addr names, in one of CheckAddr's forms. A Unix socket
// is made with mode 0600.
func Listen(addr string) (net.Listener, error) {
	if err := CheckAddr(addr); err != nil {
		return nil, fmt.Errorf("control address %q: %w", addr, err)
	}
	return roost.Listen(addr)
}

// NewToken makes a token that nobody can guess.
func NewToken() string { return rand.Text() }

// refuseTime is how long what a refused request still sends is waited for.
const refuseTime = time.Second

// serveGuarded answers a request that anybody on this machine may have sent, a browser
// with somebody else's page too.
func (a *API) serveGuarded(w http.ResponseWriter, r *http.Request) {
	p := a.admit(r)
	if p == nil {
		a.ServeHTTP(w, r)
		return
	}
	prepare(w)
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(refuseTime))
	w.Header().Set("Connection", "close")
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	p.write(w)
}

// admit says what keeps a request out; nil lets it in. The name in Host must be one of
// this machine's own, so that a page whose name was pointed at the loopback address
// (DNS rebinding) reaches nothing.
func (a *API) admit(r *http.Request) *Problem {
	if !isLoopback(r.Host) {
		return problemHost.with("The control API answers to localhost and the addresses of the loopback interface only, not to the name in Host")
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare([]byte(strings.TrimSpace(token)), []byte(a.token)) != 1 {
		return problemToken.with(`Send the server's token: "Authorization: Bearer TOKEN"`)
	}
	return nil
}

// isLoopback says whether the Host field names the loopback interface.
func isLoopback(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	if strings.EqualFold(name, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.IsLoopback()
}

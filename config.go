package roost

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"roost/internal/uri"
	"roost/store"
)

// Config is every setting of a server. The zero value is a server with the
// document's defaults. Where a field is a limit or a duration, zero means the
// default that its comment names and a negative value means none. A server copies
// its Config; changing it later has no effect.
type Config struct {
	// Port is where Start listens, on every interface: 80 by default. Port 443
	// needs KeyFile and CertFile. Leave it zero where Addr is given.
	Port int

	// Addr is where Start listens instead: "host:port", where an empty host is
	// every interface and port 0 lets the system choose, or "unix:///path" for a
	// Unix socket, made with mode 0600.
	Addr string

	// KeyFile and CertFile are PEM files with a private key and its certificate
	// chain. With both, Start and Serve speak TLS, on any port, and never
	// answer in the clear. One without the other is an error.
	KeyFile, CertFile string

	// Prefix is the path under which the server is reached, such as "/api",
	// when another router stands before it. It precedes every URI in what
	// clients see; resources and callbacks are without it. The router may
	// strip it from the request (as http.StripPrefix does) or leave it.
	Prefix string

	// Hosts, where not empty, are the only names and addresses the server answers
	// to, without ports and brackets: the Host of a request must be one of them
	// (rule 6), else 421. It is the defence against DNS rebinding.
	Hosts []string

	// CORS lists the origins whose pages may read and write, such as
	// "https://app.example", or "*" for all. By default no foreign page can
	// read an answer, nor change anything (rule 22).
	CORS []string

	// MaxURI is the number of resources the server holds at most, whoever made
	// them: 100 by default.
	MaxURI int

	// MaxBytes is how long all values are together at most, whoever made them: no limit by
	// default. A change beyond it is answered 507. What a store has already stays, however
	// much it is.
	MaxBytes int64

	// MaxBodyBytes is the longest content a request may bring: 1 MiB by default.
	MaxBodyBytes int64

	// MaxPendingBytes bounds the contents being received together, with the pages of the
	// index being sent: by default 64
	// MiB, or four times MaxBodyBytes where that is more. A request beyond it is
	// answered 503. It must be more than MaxBodyBytes.
	MaxPendingBytes int64

	// MaxConns is how many connections are open together on all listeners:
	// 16,384 by default. Others wait until one closes.
	MaxConns int

	// MaxQueuedCallbacks and MaxQueuedBytes bound the callbacks that wait for
	// their turn, in number and in content: 1,024 and 16 MiB by default. Nothing is
	// dropped beyond them: a connection whose resource has a callback is then
	// not read from, after its response, until there is room.
	MaxQueuedCallbacks int
	MaxQueuedBytes     int64

	// MaxWatchers is how many requests wait for changes together, as long polls and event
	// streams: 16,384 by default, no limit if negative. Another is answered 503.
	MaxWatchers int

	// MaxHooks is how many hooks run at once: 64 by default, no limit if negative. Others wait for one to return,
	// and their requests no longer than Timeouts.Hook.
	MaxHooks int

	// MaxRemembered is how many answers are remembered for their Idempotency-Key, each for
	// a day: 16,384 by default, no limit if negative. A further POST with a key is answered 507.
	MaxRemembered int

	// Index has the server answer GET of a path that ends in "/" and is no resource with
	// what is below it (rule 47), to everybody who may GET that: what has GET registered and
	// no hook for it. A Gate is asked about the path alone, so one that refuses a resource has to
	// refuse the paths above it too.
	Index bool

	// Timeouts bound how long a client may take.
	Timeouts Timeouts

	// Plane says what serves the connections of the server's own listeners: PlaneAuto by default.
	Plane Plane

	// MediaTypes are accepted in PUT and POST beside the document's six.
	MediaTypes []string

	// ContentSecurityPolicy, where set, is sent with every HTML and XML value.
	// By default those that came in a request are sandboxed and those of the
	// program are not (rule 30).
	ContentSecurityPolicy string

	// BareChildren makes the resources that POST creates start with no method
	// registered. By default they answer as the resource they were made under.
	BareChildren bool

	// Store keeps the representations. By default they are in memory and gone
	// with the server. A store given here serves one server at a time, and is not
	// closed by it. What it has is there after New.
	Store store.Store

	// Gate, where set, is asked about each request after the cross-origin rule
	// let it pass.
	Gate Gate

	// Observer, where set, is told of each request, connection and change.
	Observer Observer

	// Logger gets what has no caller to be returned to: panics of callbacks,
	// failures of the store, errors of connections. Default: slog.Default().
	Logger *slog.Logger
}

// Plane is one of the two servers that carry the same rules out.
type Plane string

const (
	// PlaneAuto is the fast plane where there can be one, else the reference plane.
	PlaneAuto Plane = "auto"

	// PlaneFast serves HTTP/1 in the clear on event loops, on Linux: thousands of silent
	// connections take little memory there, and what is malformed is refused by the letter of RFC
	// 9112. It can't be asked for with TLS, nor on other systems.
	PlaneFast Plane = "fast"

	// PlaneReference serves by net/http, as a server that is mounted in a router always is.
	PlaneReference Plane = "reference"
)

// Timeouts bound how long a client may take (rule 13).
type Timeouts struct {
	// Idle is how long a connection may be silent between requests: 60 s.
	Idle time.Duration

	// Head is how long a request's head may take from its first octet, and the
	// first one from the opening of its connection: 5 s.
	Head time.Duration

	// Content is how long a request's content may take: 15 s, and one second
	// more for each ContentRate octets received, 8,192 by default.
	Content     time.Duration
	ContentRate int64

	// Write is how long a client may take none of a response: 15 s. Progress
	// is seen in steps of 16 KiB.
	Write time.Duration

	// Hook is how long the client waits for a hook of the program: 5 s, for ever if negative.
	Hook time.Duration
}

const (
	defaultPort               = 80
	tlsPort                   = 443
	defaultMaxURI             = 100
	defaultMaxBodyBytes       = 1 << 20
	defaultMaxPendingBytes    = 64 << 20
	defaultMaxConns           = 1 << 14
	defaultMaxQueuedCallbacks = 1 << 10
	defaultMaxQueuedBytes     = 16 << 20
	defaultMaxWatchers        = 1 << 14
	defaultMaxHooks           = 64
	defaultMaxRemembered      = 1 << 14
	defaultContentRate        = 8 << 10
)

// withDefaults fills in what was left zero.
func (c Config) withDefaults() Config {
	if c.Addr == "" {
		c.Addr = fmt.Sprintf(":%d", cmp.Or(c.Port, defaultPort))
	}
	c.MaxURI = cmp.Or(c.MaxURI, defaultMaxURI)
	c.MaxBodyBytes = cmp.Or(c.MaxBodyBytes, defaultMaxBodyBytes)
	c.MaxPendingBytes = cmp.Or(c.MaxPendingBytes, max(defaultMaxPendingBytes, 4*c.MaxBodyBytes))
	c.MaxConns = cmp.Or(c.MaxConns, defaultMaxConns)
	c.MaxQueuedCallbacks = cmp.Or(c.MaxQueuedCallbacks, defaultMaxQueuedCallbacks)
	c.MaxQueuedBytes = cmp.Or(c.MaxQueuedBytes, defaultMaxQueuedBytes)
	c.MaxWatchers = cmp.Or(c.MaxWatchers, defaultMaxWatchers)
	c.MaxHooks = cmp.Or(c.MaxHooks, defaultMaxHooks)
	c.MaxRemembered = cmp.Or(c.MaxRemembered, defaultMaxRemembered)
	c.Timeouts.Idle = cmp.Or(c.Timeouts.Idle, 60*time.Second)
	c.Timeouts.Head = cmp.Or(c.Timeouts.Head, 5*time.Second)
	c.Timeouts.Content = cmp.Or(c.Timeouts.Content, 15*time.Second)
	c.Timeouts.ContentRate = cmp.Or(c.Timeouts.ContentRate, defaultContentRate)
	c.Timeouts.Write = cmp.Or(c.Timeouts.Write, 15*time.Second)
	c.Timeouts.Hook = cmp.Or(c.Timeouts.Hook, 5*time.Second)
	c.Plane = cmp.Or(c.Plane, PlaneAuto)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	return c
}

// Validate says whether a server can be made of c. Its error names the field
// and is ErrConfig. Files and addresses are looked at only when they are used.
func (c Config) Validate() error {
	for _, check := range []func() error{c.checkAddr, c.checkTLS, c.checkPrefix, c.checkHosts, c.checkOrigins, c.checkSizes, c.checkTypes, c.checkPolicy, c.checkPlane} {
		if err := check(); err != nil {
			return &Error{Op: "configure", Kind: ErrConfig, Err: err}
		}
	}
	return nil
}

func (c Config) checkAddr() error {
	if c.Port < 0 || c.Port > 65535 {
		return fmt.Errorf("Port %d is not a port: give 1 to 65535", c.Port)
	}
	if c.Addr == "" {
		return nil
	}
	if c.Port != 0 {
		return fmt.Errorf("Addr %q and Port %d both say where to listen: give one", c.Addr, c.Port)
	}
	if isUnixAddr(c.Addr) {
		return nil
	}
	_, port, err := net.SplitHostPort(c.Addr)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return fmt.Errorf(`Addr %q: %w: give "host:port" or "unix:///path"`, c.Addr, err)
	}
	return nil
}

func (c Config) checkTLS() error {
	switch {
	case c.KeyFile != "" && c.CertFile == "":
		return fmt.Errorf("KeyFile %q without CertFile: give both, or neither", c.KeyFile)
	case c.CertFile != "" && c.KeyFile == "":
		return fmt.Errorf("CertFile %q without KeyFile: give both, or neither", c.CertFile)
	case c.KeyFile == "" && c.port() == tlsPort:
		return errors.New("port 443 is for HTTPS: give KeyFile and CertFile, or another port")
	}
	return nil
}

func (c Config) port() int {
	_, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return c.Port
	}
	n, _ := net.LookupPort("tcp", port)
	return n
}

func (c Config) checkPrefix() error {
	if c.Prefix == "" {
		return nil
	}
	key, err := uri.Register(c.Prefix)
	switch {
	case err != nil:
		return fmt.Errorf("Prefix %q: %w", c.Prefix, err)
	case strings.HasSuffix(key, "/"):
		return fmt.Errorf(`Prefix %q ends in "/": leave it away`, c.Prefix)
	case key != c.Prefix:
		return fmt.Errorf("Prefix %q is not in normal form: write %q", c.Prefix, key)
	}
	return nil
}

func (c Config) checkHosts() error {
	for _, h := range c.Hosts {
		if _, err := netip.ParseAddr(h); err == nil {
			continue
		}
		if strings.Contains(h, ":") || !uri.ValidHost(h) {
			return fmt.Errorf(`Hosts %q: give a name or an address alone, without scheme, port and brackets, such as "roost.example"`, h)
		}
	}
	return nil
}

func (c Config) checkSizes() error {
	d := c.withDefaults()
	if d.MaxPendingBytes > 0 && d.MaxBodyBytes >= d.MaxPendingBytes {
		return fmt.Errorf("MaxPendingBytes %d leaves no room for a content of MaxBodyBytes %d: give more", d.MaxPendingBytes, d.MaxBodyBytes)
	}
	return nil
}

func (c Config) checkOrigins() error {
	_, err := newCrossOrigin(c.CORS)
	return err
}

func (c Config) checkPlane() error {
	switch c.Plane {
	case "", PlaneAuto, PlaneReference:
		return nil
	case PlaneFast:
		switch {
		case !hasFastPlane:
			return errors.New("Plane fast is there on Linux only: give auto or reference")
		case c.CertFile != "" || c.KeyFile != "":
			return errors.New("Plane fast speaks no TLS: give auto or reference, or leave CertFile and KeyFile away")
		}
		return nil
	}
	return fmt.Errorf("Plane %q is none of auto, fast and reference", c.Plane)
}

func (c Config) checkPolicy() error {
	if c.ContentSecurityPolicy == "" {
		return nil
	}
	if err := checkFieldValue(c.ContentSecurityPolicy); err != nil {
		return fmt.Errorf("ContentSecurityPolicy %q: %w", c.ContentSecurityPolicy, err)
	}
	return nil
}

// checkFieldValue says whether s can be the value of a response's field (RFC 9110
// §5.5).
func checkFieldValue(s string) error {
	if s == "" || strings.TrimSpace(s) != s || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return errors.New("a field's value is not empty, and has no control characters and no white space around it")
	}
	return nil
}

func (c Config) checkTypes() error {
	_, err := acceptTypes(c.MediaTypes)
	if err != nil {
		return fmt.Errorf("MediaTypes: %w", err)
	}
	return nil
}

package roost

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// listening is a server's own listeners and the net/http server behind them.
type listening struct {
	server *Server
	http   *http.Server
	tls    bool
	conns  *connections

	mu    sync.Mutex
	first net.Addr // of Start's listener
	ended sync.WaitGroup
}

// The settings of HTTP/2, which protect memory and notice peers that are gone.
const (
	http2Streams      = 100
	http2FrameBytes   = 16 << 10
	http2TableBytes   = 4 << 10
	http2BufferBytes  = 64 << 10 // of content that nobody has read yet, a connection
	http2PingAfter    = 30 * time.Second
	http2PingTimeout  = 15 * time.Second
	http2WriteTimeout = 15 * time.Second
)

// maxHeadBytes is what net/http reads of a head before it gives up by itself: above
// the limits of rule 4, so that the rules get to answer.
const maxHeadBytes = maxTarget + maxFieldBytes + 8<<10

func (l *listening) prepare(s *Server) error {
	l.server = s
	l.conns = newConnections(s.cfg.MaxConns, s.cfg.Observer)
	tlsConfig, err := tlsConfig(s.cfg)
	if err != nil {
		return err
	}
	l.tls = tlsConfig != nil
	t := &s.cfg.Timeouts
	l.http = &http.Server{
		Handler:                      &referencePlane{server: s, own: true},
		DisableGeneralOptionsHandler: true,
		TLSConfig:                    tlsConfig,
		ReadHeaderTimeout:            max(0, t.Head),
		IdleTimeout:                  max(0, t.Idle),
		WriteTimeout:                 max(0, t.Write),
		MaxHeaderBytes:               maxHeadBytes,
		ErrorLog:                     slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelWarn),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          http2Streams,
			MaxReadFrameSize:              http2FrameBytes,
			MaxDecoderHeaderTableSize:     http2TableBytes,
			MaxReceiveBufferPerConnection: http2BufferBytes,
			MaxReceiveBufferPerStream:     http2BufferBytes,
			SendPingTimeout:               http2PingAfter,
			PingTimeout:                   http2PingTimeout,
			WriteByteTimeout:              http2WriteTimeout,
		},
		ConnState: l.conns.requested,
	}
	l.http.RegisterOnShutdown(l.conns.closeUnused)
	return nil
}

// Start is the document's init: it binds the address of the Config, then serves in
// the background until Shutdown or Close. An address that is in use or not
// allowed, and a server that was closed, are errors.
func (s *Server) Start() error {
	if s.closing.Load() {
		return &Error{Op: "start", Kind: ErrClosed}
	}
	return s.listening.start(s.cfg.Addr)
}

// Serve serves on one more listener, in the same way as Start's: in TLS if the
// Config has a key and a certificate, else in the clear. It returns when the
// server is closed, with nil, or when l fails. It closes l.
func (s *Server) Serve(l net.Listener) error {
	if s.closing.Load() {
		l.Close()
		return &Error{Op: "serve", URI: l.Addr().String(), Kind: ErrClosed}
	}
	return s.listening.serve(l)
}

func (l *listening) start(addr string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first != nil {
		return &Error{Op: "start", URI: addr, Err: errors.New("started already; Serve adds a listener")}
	}
	listener, err := Listen(addr)
	if err != nil {
		return err
	}
	l.first = listener.Addr()
	l.ended.Go(func() {
		if err := l.serve(listener); err != nil {
			l.server.cfg.Logger.Error("listener failed", "address", addr, "error", err)
		}
	})
	return nil
}

func (l *listening) serve(listener net.Listener) error {
	counted := l.conns.listener(listener)
	var err error
	if l.tls {
		err = l.http.ServeTLS(counted, "", "")
	} else {
		err = l.http.Serve(counted)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return &Error{Op: "serve", URI: listener.Addr().String(), Err: err}
}

func (l *listening) addr() net.Addr {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first
}

func (l *listening) shutdown(ctx context.Context) error {
	err := l.http.Shutdown(ctx)
	if err == nil {
		l.ended.Wait()
	}
	return err
}

func (l *listening) close() error {
	l.conns.hurry()
	err := l.http.Close()
	l.ended.Wait()
	return err
}

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
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, &Error{Op: "listen on", URI: addr, Err: err}
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, &Error{Op: "listen on", URI: addr, Err: err}
	}
	return l, nil
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

// tlsSuites are the suites of TLS 1.2 with forward secrecy and authenticated
// encryption; those of TLS 1.3 all have both.
var tlsSuites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// tlsConfig loads the key pair; nil where the Config names none.
func tlsConfig(cfg *Config) (*tls.Config, error) {
	if cfg.KeyFile == "" {
		return nil, nil
	}
	cert, err := loadKeyPair(cfg.CertFile, cfg.KeyFile)
	if err != nil {
		return nil, &Error{Op: "load TLS key pair", Kind: ErrConfig, Err: err}
	}
	return &tls.Config{
		Certificates: []tls.Certificate{cert},
		MinVersion:   tls.VersionTLS12,
		CipherSuites: tlsSuites,
		NextProtos:   []string{"h2", "http/1.1"},
	}, nil
}

func loadKeyPair(certFile, keyFile string) (tls.Certificate, error) {
	certPEM, err := os.ReadFile(certFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("CertFile: %w", err)
	}
	keyPEM, err := os.ReadFile(keyFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("KeyFile: %w", err)
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return cert, fmt.Errorf("KeyFile %q and CertFile %q: %w%s", keyFile, certFile, err, keyPairHint(certPEM, keyPEM))
	}
	return cert, nil
}

func keyPairHint(certPEM, keyPEM []byte) string {
	cert, key := string(certPEM), string(keyPEM)
	switch {
	case strings.Contains(key, "ENCRYPTED"):
		return "; the key has a passphrase: write it without one (openssl pkey -in KEY -out NEWKEY)"
	case !strings.Contains(cert, "BEGIN CERTIFICATE") && strings.Contains(key, "BEGIN CERTIFICATE"):
		return "; are the two files swapped?"
	}
	return ""
}

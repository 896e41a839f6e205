package roost

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// listening is a server's own listeners and the net/http server behind them.
type listening struct {
	server *Server
	http   *http.Server
	tls    bool
	conns  *connections
	fast   fastPlane

	mu     sync.Mutex
	first  net.Addr // of Start's listener
	closed bool     // nothing starts any more
	ended  sync.WaitGroup
}

// The settings of HTTP/2, which protect memory and notice peers that are gone.
const (
	http2Streams     = 100
	http2FrameBytes  = 16 << 10
	http2TableBytes  = 4 << 10
	http2BufferBytes = 64 << 10 // of content that nobody has read yet, a connection
	http2PingAfter   = 30 * time.Second
)

// maxHeadBytes is what net/http reads of a head before it gives up by itself: above
// the limits of rule 4, so that the rules get to answer.
const maxHeadBytes = maxTarget + maxFieldBytes + 8<<10

func (l *listening) prepare(s *Server) error {
	l.server = s
	l.conns = newConnections(s.cfg)
	l.fast.prepare(s)
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
		MaxHeaderBytes:               maxHeadBytes,
		ErrorLog:                     slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelWarn),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          http2Streams,
			MaxReadFrameSize:              http2FrameBytes,
			MaxDecoderHeaderTableSize:     http2TableBytes,
			MaxReceiveBufferPerConnection: http2BufferBytes,
			MaxReceiveBufferPerStream:     http2BufferBytes,
			SendPingTimeout:               http2PingAfter,
			PingTimeout:                   max(0, t.Write),
			WriteByteTimeout:              max(0, t.Write),
		},
		ConnState: l.conns.changed,
	}
	l.http.RegisterOnShutdown(l.conns.closeUnused)
	return nil
}

// Start is the document's init: it binds the address of the Config, then serves in
// the background until Shutdown or Close. An address that is in use or not
// allowed, and a server that was closed, are errors.
func (s *Server) Start() error {
	return s.listening.start(s.cfg.Addr)
}

// Serve serves on one more listener, in the same way as Start's: in TLS if the
// Config has a key and a certificate, else in the clear. It returns when the
// server is closed, with nil, or when l fails. It closes l.
func (s *Server) Serve(l net.Listener) error {
	if s.site.stopping.Load() {
		l.Close()
		return &Error{Op: "serve", URI: l.Addr().String(), Kind: ErrClosed}
	}
	return s.listening.serve(l)
}

func (l *listening) start(addr string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return &Error{Op: "start", URI: addr, Kind: ErrClosed}
	}
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
	if l.fast.takes(listener) {
		if err := l.fast.serve(listener); err != nil {
			return &Error{Op: "serve", URI: listener.Addr().String(), Err: err}
		}
		return nil
	}
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

// stop lets nothing start any more.
func (l *listening) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}

func (l *listening) shutdown(ctx context.Context) error {
	l.stop()
	l.fast.stopListening()
	drained := make(chan error, 1)
	go func() { drained <- l.fast.drain(ctx) }()
	err := l.http.Shutdown(ctx)
	if drainErr := <-drained; err == nil {
		err = drainErr
	}
	if err == nil {
		l.ended.Wait()
	}
	return err
}

func (l *listening) close() error {
	l.stop()
	l.conns.hurry()
	l.fast.close()
	err := l.http.Close()
	l.ended.Wait()
	return err
}

package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"roost"
)

// Engine is the place where a server runs, one at a time: it is started, stopped, and
// started again, while the API over it, and those who wait for events, stay. Make one
// with NewEngine. All methods may be called from many goroutines at once.
type Engine struct {
	cfg         EngineConfig
	subscribers *subscribers
	failed      chan error

	mu      sync.Mutex // held while the server starts or stops
	running atomic.Pointer[Running]
}

// EngineConfig says what servers an engine makes.
type EngineConfig struct {
	// Base is the configuration where Settings leave something out. Its Port and Addr
	// don't count; Listen and Host below stand for them. Its Store, if it has one, is used
	// by each server in turn.
	Base roost.Config

	// Listen are the addresses of a server whose Settings name neither addresses nor
	// a port, in the form of roost.Config.Addr. Without any, port 80 of Host.
	Listen []string

	// Host is where a server listens whose Settings name a port alone: every interface
	// if it is empty.
	Host string

	// Open opens a listener for an address; roost.Listen by default. It may open another
	// address than it was asked for. Where a listener has a method Unwrap, which returns another, that
	// one is served.
	Open func(addr string) (net.Listener, error)

	// Started, where set, is told of each server that was started, before the call that
	// started it returns. It must not start or stop another.
	Started func(*Running)

	// MaxHeldEvents and MaxHeldBytes bound what is held for one subscriber: 1,024 events
	// and 16 MiB by default.
	MaxHeldEvents int
	MaxHeldBytes  int64
}

// Running is a server that was started. It is read-only.
type Running struct {
	Server    *roost.Server
	Listeners []Listener
	Since     time.Time

	serving sync.WaitGroup
}

// Listener is a listener of a running server.
type Listener struct {
	net.Listener

	// Asked is the address that was to be opened. The listener's own differs where
	// port 0 or EngineConfig.Open chose another.
	Asked string

	// TLS says that it speaks TLS.
	TLS bool
}

// What starting and stopping can fail for beside what roost.New does, tested with
// errors.Is.
var (
	// ErrRunning: a server runs already.
	ErrRunning = errors.New("the server is running: stop it first")

	// ErrNotRunning: there is no server at present.
	ErrNotRunning = errors.New("the server is not running: start it first")

	// ErrListen: an address can't be opened. It comes with the cause.
	ErrListen = errors.New("cannot listen")
)

// listenError makes an error of EngineConfig.Open ErrListen, and leaves its text.
type listenError struct{ error }

func (e listenError) Unwrap() []error { return []error{ErrListen, e.error} }

// NewEngine makes an engine in which no server runs.
func NewEngine(cfg EngineConfig) *Engine {
	if cfg.Open == nil {
		cfg.Open = roost.Listen
	}
	return &Engine{cfg: cfg, subscribers: newSubscribers(cfg.MaxHeldEvents, cfg.MaxHeldBytes), failed: make(chan error, 1)}
}

// Start is the document's init: it makes a server, opens its listeners, and serves in
// the background until Stop. ctx bounds the start alone. prepare, unless it is nil, is
// given the server before anything listens, so that the first request finds what it
// makes. An error means that nothing was started: one server runs already, a setting is
// wrong (roost.ErrConfig), prepare failed, or an address can't be opened.
func (e *Engine) Start(ctx context.Context, s Settings, prepare func(context.Context, *roost.Server) error) (*Running, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.running.Load() != nil {
		return nil, ErrRunning
	}
	cfg := s.apply(e.cfg.Base)
	addrs, err := e.addresses(s)
	if err != nil {
		return nil, err
	}
	for _, addr := range addrs {
		cfg.Addr = addr
		if err := cfg.Validate(); err != nil {
			return nil, err
		}
	}
	server, err := roost.New(ctx, cfg)
	if err != nil {
		return nil, err
	}
	run := &Running{Server: server, Since: time.Now()}
	if prepare != nil {
		err = prepare(ctx, server)
	}
	if err == nil {
		err = e.open(run, addrs, cfg.KeyFile != "")
	}
	if err != nil {
		return nil, errors.Join(err, server.Close())
	}
	for _, l := range run.Listeners {
		run.serving.Go(func() { e.serve(server, l) })
	}
	e.running.Store(run)
	if e.cfg.Started != nil {
		e.cfg.Started(run)
	}
	return run, nil
}

// addresses are where a server listens by its settings.
func (e *Engine) addresses(s Settings) ([]string, error) {
	switch {
	case s.Port != nil && s.Listen != nil:
		return nil, &roost.Error{Op: "configure", Kind: roost.ErrConfig, Err: errors.New("port and listen both say where to listen: give one")}
	case s.Port != nil:
		return []string{net.JoinHostPort(e.cfg.Host, fmt.Sprint(*s.Port))}, nil
	case s.Listen != nil:
		return s.Listen, nil
	case e.cfg.Listen != nil:
		return e.cfg.Listen, nil
	}
	return []string{net.JoinHostPort(e.cfg.Host, "80")}, nil
}

// open opens the listeners, all or none.
func (e *Engine) open(run *Running, addrs []string, tls bool) error {
	for _, addr := range addrs {
		l, err := e.cfg.Open(addr)
		if err != nil {
			for _, opened := range run.Listeners {
				opened.Close()
			}
			return listenError{err}
		}
		run.Listeners = append(run.Listeners, Listener{Listener: l, Asked: addr, TLS: tls})
	}
	return nil
}

func (e *Engine) serve(server *roost.Server, l Listener) {
	listener := l.Listener
	if wrapper, ok := listener.(interface{ Unwrap() net.Listener }); ok {
		listener = wrapper.Unwrap()
	}
	if err := server.Serve(listener); err != nil && !errors.Is(err, roost.ErrClosed) {
		select {
		case e.failed <- err:
		default: // one was told of already
		}
	}
}

// Failed gets the error of a listener that failed while its server ran.
func (e *Engine) Failed() <-chan error { return e.failed }

// Stop is the document's deinit: the listeners close, open requests finish, the
// callbacks that are due are delivered, and the resources are gone, but for those that a
// store keeps. When ctx is done first, what is still open is cut off, and the error is
// ctx's; the server has stopped all the same. Without a server it is ErrNotRunning.
func (e *Engine) Stop(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	run := e.running.Load()
	if run == nil {
		return ErrNotRunning
	}
	// A subscriber that holds callbacks back may itself be waiting for this call.
	e.subscribers.release(true)
	defer e.subscribers.release(false)
	err := run.Server.Shutdown(ctx)
	run.serving.Wait()
	e.running.Store(nil)
	return err
}

// Running returns what runs at present; nil if nothing does.
func (e *Engine) Running() *Running { return e.running.Load() }

// server is the server that runs at present.
func (e *Engine) server() (*roost.Server, error) {
	if run := e.running.Load(); run != nil {
		return run.Server, nil
	}
	return nil, ErrNotRunning
}

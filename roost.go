// Package roost is an HTTP/S server of resources. A program registers a URI with
// a value and says which methods it answers; Roost serves, updates, creates and
// deletes the value, answers every wrong request properly, and calls the program
// back.
//
//	srv, err := roost.New(ctx, roost.Config{Port: 8080})
//	res, err := srv.AddResource(ctx, "/greeting", roost.WithString("Hello Client!"))
//	err = res.RegisterRequestHandler(ctx, roost.GET|roost.PUT, nil)
//	err = srv.Start()
//
// A [Server] listens by itself (Start, Serve) or is mounted in another router as an
// http.Handler, or both. What a request gets is decided by the rules of
// docs/http-rules.md. "Resource" is meant as in RFC 9110; this is not the resource
// server of OAuth.
//
// # The document's names
//
// Roost implements the interface of the MicroPython module HTTP_Server:
//
//	HTTP_Server.init(port, max_uri, keyfile, certfile)      New(ctx, Config{Port, MaxURI, KeyFile, CertFile}), then Server.Start
//	HTTP_Server.deinit()                                    Server.Shutdown
//	HTTP_Server.add_resource(uri, content_type, value)      Server.AddResource(ctx, uri, WithContentType, WithValue or WithString)
//	HTTP_Server.get_resource(uri)                           Server.GetResource
//	HTTP_Server.list_resource(uri_start)                    Server.ListResource
//	HTTP_Server.remove_resource(uri)                        Server.RemoveResource
//	resource.value()                                        Resource.Value, Resource.String
//	resource.value(value)                                   Resource.SetValue
//	resource.register_request_handler(method, callback)     Resource.RegisterRequestHandler
//	callback(uri, method, headers, body, new_uri, status)   Callback(*Exchange{URI, Method, Header, Body, NewURI, Status})
//	HTTP_Server.GET PUT POST DELETE                         GET PUT POST DELETE
//	HTTP_Server.TEXT XML PLAIN JSON OCTET APP_XML           Text XML Plain JSON Octet AppXML
//
// A call that changes something takes a context, because a store may be a network
// away, and returns when the change is visible to every reader.
package roost

import (
	"context"
	"errors"
	"iter"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"roost/store"
	"roost/store/memory"
)

// Server is a set of resources and the ways to reach them. Make one with New. A
// program may have many. All methods may be called from many goroutines at once.
type Server struct {
	site        site
	cfg         *Config // of site
	store       store.Store
	storeBlocks bool
	ownStore    bool
	courier     *courier
	pending     budget
	mounted     referencePlane
	listening   listening
	hooks       hooks

	life     context.Context // ends with the server
	die      context.CancelFunc
	unfollow context.CancelFunc
	closed   atomic.Bool // the program is turned away too
	end      sync.Once
}

// New makes a server, and loads what its store holds before it returns. ctx
// bounds that loading only. Nothing listens yet: Start does, or mount the server
// in a router.
func New(ctx context.Context, cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{site: site{cfg: cfg.withDefaults()}}
	s.cfg = &s.site.cfg
	s.store = s.cfg.Store
	if s.store == nil {
		s.store, s.ownStore = memory.New(), true
	}
	s.storeBlocks = s.store.Info().Blocks
	s.pending.limit = s.cfg.MaxPendingBytes
	s.site.pending = &s.pending
	s.mounted.server = s
	s.courier = newCourier(s.cfg.MaxQueuedCallbacks, s.cfg.MaxQueuedBytes, s.cfg.Logger)
	s.site.registry = newRegistry(s.store.Info().Epoch, s.courier, s.cfg)
	s.site.expiries.due = s.expire
	s.hooks.prepare(s.cfg)
	s.life, s.die = context.WithCancel(context.WithoutCancel(ctx))
	s.prepareSite()
	if err := s.listening.prepare(s); err != nil {
		return nil, err
	}
	if err := s.load(ctx); err != nil {
		s.die()
		s.site.expiries.stop()
		s.closeStore()
		return nil, &Error{Op: "load store", Err: err}
	}
	return s, nil
}

// prepareSite makes what Validate has found possible.
func (s *Server) prepareSite() {
	s.site.accepted, _ = acceptTypes(s.cfg.MediaTypes)
	cross, _ := newCrossOrigin(s.cfg.CORS)
	s.site.gate = cross
	if s.cfg.Gate != nil {
		s.site.gate = Gates(cross, s.cfg.Gate)
	}
}

// load follows the store until the server ends; ctx counts until all is loaded.
func (s *Server) load(ctx context.Context) error {
	follow, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.unfollow = cancel
	stop := context.AfterFunc(ctx, cancel)
	err := s.store.Follow(follow, s.site.apply)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		cancel()
	}
	return err
}

// ServeHTTP answers a request that another server received. See Config.Prefix for
// a server that is not at the root of its router.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mounted.ServeHTTP(w, r) }

// GetResource returns the resource at uri, in any of its spellings, whoever made it.
// Its error is ErrNotExist, ErrURI or ErrClosed.
func (s *Server) GetResource(uri string) (*Resource, error) {
	const op = "get resource"
	key, err := keyOf(uri)
	if err != nil {
		return nil, &Error{Op: op, URI: uri, Kind: ErrURI, Err: err}
	}
	if s.closed.Load() {
		return nil, &Error{Op: op, URI: uri, Kind: ErrClosed}
	}
	e := s.site.lookup(key)
	if e == nil {
		return nil, &Error{Op: op, URI: uri, Kind: ErrNotExist}
	}
	return &Resource{s, e}, nil
}

// ListResource returns the URIs that begin with prefix, sorted; all for "". A URI
// is compared as the program wrote it.
func (s *Server) ListResource(prefix string) []string {
	uris := []string{}
	for r := range s.Resources(prefix, "") {
		uris = append(uris, r.URI())
	}
	return uris
}

// listStep is how many resources a listing takes at once, while changes wait.
const listStep = 1024

// Resources yields the resources whose URIs begin with prefix, sorted by URI, from
// the one that comes next after the URI after on; all for "" and "". What is made or
// removed meanwhile may be among them or not.
func (s *Server) Resources(prefix, after string) iter.Seq[*Resource] {
	return func(yield func(*Resource) bool) {
		for {
			step := s.site.list(prefix, after, listStep)
			for _, e := range step {
				if !yield(&Resource{s, e}) {
					return
				}
			}
			if len(step) < listStep {
				return
			}
			after = step[len(step)-1].uri()
		}
	}
}

// RemoveResource removes the resource at uri and its registration, if all conditions
// hold. Resources below it stay. Its errors are ErrNotExist, ErrPrecondition, ErrURI,
// ErrClosed, and those of the store as in SetValue.
func (s *Server) RemoveResource(ctx context.Context, uri string, conditions ...Condition) error {
	r, err := s.GetResource(uri)
	if err != nil {
		var e *Error
		errors.As(err, &e)
		e.Op = removeOp
		return e
	}
	return r.Remove(ctx, conditions...)
}

// CountResources returns how many resources there are, which Config.MaxURI limits.
func (s *Server) CountResources() int { return s.site.count() }

// Config returns the settings in force: those that New was given, with the defaults
// in place of what was left zero.
func (s *Server) Config() Config {
	cfg := *s.cfg
	cfg.Hosts, cfg.CORS, cfg.MediaTypes = slices.Clone(cfg.Hosts), slices.Clone(cfg.CORS), slices.Clone(cfg.MediaTypes)
	return cfg
}

// commit is the way of every change that the program itself makes.
func (s *Server) commit(ctx context.Context, txn store.Txn) (uint64, error) {
	if s.closed.Load() {
		return 0, store.ErrClosed
	}
	return s.store.Commit(ctx, txn)
}

// Shutdown is the document's deinit. It closes the listeners, lets open requests
// finish, ends event streams and answers those who wait for a change, delivers the
// callbacks that are due, and ends the server for good. When ctx is done first, what is
// still open is cut off as by Close, and the error is ctx's. Inside a callback it returns
// without waiting for callbacks; those that are due run after that one has returned. A
// Gate and an Observer may not call it, nor Close: it would wait for them.
func (s *Server) Shutdown(ctx context.Context) error {
	s.site.stopping.Store(true)
	s.site.hub.stop()
	s.courier.release()
	err := s.listening.shutdown(ctx)
	if err == nil {
		err = s.hooks.drain(ctx)
	}
	if err == nil {
		err = s.courier.drain(ctx)
		s.courier.seal()
	}
	if closeErr := s.Close(); err == nil {
		err = closeErr
	}
	return err
}

// Close ends the server at once: listeners and connections are closed, and
// callbacks that wait for their turn may not run. Closing again does nothing.
func (s *Server) Close() error {
	s.site.stopping.Store(true)
	s.site.hub.stop()
	s.courier.release()
	var err error
	s.end.Do(func() {
		s.closed.Store(true)
		s.die()
		s.site.expiries.stop()
		s.site.hub.stop() // those who watch from the program see that it is closed
		s.courier.seal()
		err = s.listening.close()
		s.unfollow()
		err = errors.Join(err, s.closeStore())
	})
	return err
}

func (s *Server) closeStore() error {
	if !s.ownStore {
		return nil
	}
	return s.store.Close()
}

// Addr returns where Start listens, with the port that the system chose; nil before.
func (s *Server) Addr() net.Addr { return s.listening.addr() }

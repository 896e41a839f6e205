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
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"roost/internal/uri"
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

	unfollow context.CancelFunc
	closing  atomic.Bool // requests are turned away
	closed   atomic.Bool // so is the program
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
	s.mounted.server = s
	s.courier = newCourier(s.cfg.MaxQueuedCallbacks, s.cfg.MaxQueuedBytes, s.cfg.Logger)
	s.site.registry = newRegistry(s.store.Info().Epoch, s.courier, s.cfg)
	s.prepareSite()
	if err := s.listening.prepare(s); err != nil {
		return nil, err
	}
	if err := s.load(ctx); err != nil {
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

// Option says how a new resource differs from the document's defaults.
type Option func(*definition)

type definition struct {
	value        []byte
	contentType  string
	cacheControl string
}

// WithValue gives the resource a copy of value to begin with. Without it the value
// is the text "0".
func WithValue(value []byte) Option {
	return func(d *definition) { d.value = append([]byte{}, value...) }
}

// WithString is WithValue for text.
func WithString(value string) Option {
	return func(d *definition) { d.value = []byte(value) }
}

// WithContentType gives the media type; Text without it. PUT and POST accept this
// type for the resource too.
func WithContentType(mediaType string) Option {
	return func(d *definition) { d.contentType = mediaType }
}

// WithCacheControl gives the Cache-Control field of the resource's answers, and of
// those made under it; "no-cache" without it, which lets caches keep a value but
// ask each time whether it is still the present one.
func WithCacheControl(directives string) Option {
	return func(d *definition) { d.cacheControl = directives }
}

// AddResource makes a resource that answers no method yet. Its errors are ErrURI,
// ErrExist (another spelling of the same URI counts), ErrFull (Config.MaxURI),
// ErrConfig (a content type that is none) and ErrClosed.
//
// A resource that the store brought, from an earlier run or another node, is
// adopted the first time: its stored value stays, and the type given here holds.
func (s *Server) AddResource(ctx context.Context, uri string, options ...Option) (*Resource, error) {
	const op = "add resource"
	key, d, err := define(uri, options)
	if err != nil {
		return nil, &Error{Op: op, URI: uri, Kind: kindOfDefinition(err), Err: err}
	}
	meta := resourceMeta{Type: d.contentType, CacheControl: d.cacheControl}
	if uri != key {
		meta.URI = uri
	}
	txn := store.Txn{
		If:   []store.Condition{store.Absent(resourceKey(key))},
		Then: []store.Write{{Key: resourceKey(key), Meta: encodeMeta(meta), Value: d.value, Modified: time.Now()}},
		Mark: made{},
	}
	if s.cfg.MaxURI > 0 {
		txn.If = append(txn.If, store.CountBelow(resourceSpace, uint64(s.cfg.MaxURI)))
	}
	_, err = s.commit(ctx, txn)
	var failed *store.ConditionError
	switch {
	case err == nil:
		return s.GetResource(uri)
	case !errors.As(err, &failed):
		return nil, &Error{Op: op, URI: uri, Kind: kindOf(err), Err: err}
	case failed.Condition.Op == store.OpCountBelow:
		return nil, &Error{Op: op, URI: uri, Kind: ErrFull,
			Err: fmt.Errorf("it holds %d resources: remove one or raise MaxURI", s.cfg.MaxURI)}
	}
	return s.adopt(ctx, uri, key, meta)
}

func define(u string, options []Option) (key string, d definition, err error) {
	key, err = uri.Register(u)
	if err != nil {
		return "", d, errURI{err}
	}
	d = definition{value: []byte("0"), contentType: Text}
	for _, o := range options {
		o(&d)
	}
	return key, d, checkType(d.contentType)
}

// errURI marks an error of internal/uri among those of a definition.
type errURI struct{ error }

func kindOfDefinition(err error) error {
	if errors.As(err, new(errURI)) {
		return ErrURI
	}
	return ErrConfig
}

// adopt takes over a resource that is there already, if the store brought it and
// nobody here took it before. Its value stays.
func (s *Server) adopt(ctx context.Context, uri, key string, declared resourceMeta) (*Resource, error) {
	e := s.site.lookup(key)
	if e == nil || !e.adoptable.CompareAndSwap(true, false) {
		return nil, &Error{Op: "add resource", URI: uri, Kind: ErrExist, Err: s.existing(e, uri)}
	}
	r := &Resource{s, e}
	rep := e.current.Load()
	meta := *rep.meta
	meta.Type, meta.CacheControl = declared.Type, declared.CacheControl
	if meta == *rep.meta {
		return r, nil
	}
	_, err := r.commit(ctx, "adopt resource", made{}, store.Write{
		Key: resourceKey(key), Meta: encodeMeta(meta), Value: rep.value, Modified: rep.modified,
	})
	return r, err
}

func (s *Server) existing(e *entry, uri string) error {
	if e != nil && e.uri != uri {
		return fmt.Errorf("it is another spelling of %q; GetResource returns that", e.uri)
	}
	return errors.New("GetResource returns it, RemoveResource makes room for another")
}

// GetResource returns the resource at uri, in any of its spellings, whoever made it.
// Its error is ErrNotExist, or ErrURI.
func (s *Server) GetResource(u string) (*Resource, error) {
	const op = "get resource"
	key, err := uri.Register(u)
	if err != nil {
		return nil, &Error{Op: op, URI: u, Kind: ErrURI, Err: err}
	}
	if s.closed.Load() {
		return nil, &Error{Op: op, URI: u, Kind: ErrClosed}
	}
	e := s.site.lookup(key)
	if e == nil {
		return nil, &Error{Op: op, URI: u, Kind: ErrNotExist}
	}
	return &Resource{s, e}, nil
}

// ListResource returns the URIs that begin with prefix, sorted; all for "". A URI
// is compared as the program wrote it.
func (s *Server) ListResource(prefix string) []string { return s.site.list(prefix) }

// RemoveResource removes the resource at uri and its registration. Resources below
// it stay. Its error is ErrNotExist, ErrURI or ErrClosed.
func (s *Server) RemoveResource(ctx context.Context, uri string) error {
	const op = "remove resource"
	r, err := s.GetResource(uri)
	if err != nil {
		var e *Error
		errors.As(err, &e)
		e.Op = op
		return e
	}
	_, err = r.commit(ctx, op, made{},
		store.Write{Key: resourceKey(r.entry.key), Delete: true},
		store.Write{Key: handlerKey(r.entry.key), Delete: true})
	return err
}

// commit is the way of every change that the program itself makes.
func (s *Server) commit(ctx context.Context, txn store.Txn) (uint64, error) {
	if s.closed.Load() {
		return 0, store.ErrClosed
	}
	return s.store.Commit(ctx, txn)
}

// Shutdown is the document's deinit. It closes the listeners, lets open requests
// finish, delivers the callbacks that are due, and ends the server for good. When
// ctx is done first, what is still open is cut off as by Close, and the error is
// ctx's. Inside a callback it returns without waiting for callbacks; those that
// are due run after that one has returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.closing.Store(true)
	s.courier.release()
	err := s.listening.shutdown(ctx)
	if err == nil {
		err = s.courier.drain(ctx)
	}
	if closeErr := s.Close(); err == nil {
		err = closeErr
	}
	return err
}

// Close ends the server at once: listeners and connections are closed, and
// callbacks that wait for their turn may not run. Closing again does nothing.
func (s *Server) Close() error {
	s.closing.Store(true)
	s.courier.release()
	var err error
	s.end.Do(func() {
		s.closed.Store(true)
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

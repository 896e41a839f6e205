package roost

import (
	"context"
	"errors"
	"fmt"
	"time"

	"roost/internal/uri"
	"roost/store"
)

// Option says how a new resource differs from the document's defaults.
type Option func(*definition)

type definition struct {
	value        []byte
	contentType  string
	cacheControl string
	ttl          time.Duration
	clientTTL    bool
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

// WithTTL has each value of the resource live for ttl from its writing, the first one too:
// when nobody writes it again in that time, the resource is removed as by DELETE. Zero, and no
// option, is for ever. What POST makes under it lives as long.
func WithTTL(ttl time.Duration) Option {
	return func(d *definition) { d.ttl = ttl }
}

// WithClientTTL lets clients give the time to live of what they PUT and POST, in the field
// Roost-TTL (rule 56), also for what POST makes under the resource. Without it they can't, as it
// is a way to have things removed.
func WithClientTTL() Option {
	return func(d *definition) { d.clientTTL = true }
}

// AddResource makes a resource that answers no method yet. Its errors are ErrURI,
// ErrExist (another spelling of the same URI counts), ErrFull (Config.MaxURI),
// ErrConfig (a content type that is none) and ErrClosed.
//
// Beside these it fails with ctx's error and those of the store, as SetValue does.
//
// A resource that the store brought, from an earlier run or another node, is
// adopted the first time: its stored value stays, and the type given here holds.
func (s *Server) AddResource(ctx context.Context, uri string, options ...Option) (*Resource, error) {
	const op = "add resource"
	key, d, err := define(uri, options)
	if err != nil {
		return nil, &Error{Op: op, URI: uri, Kind: kindOfDefinition(err), Err: err}
	}
	meta := resourceMeta{Type: d.contentType, CacheControl: d.cacheControl, TTL: d.ttl, ClientTTL: d.clientTTL}
	if uri != key {
		meta.URI = uri
	}
	now := time.Now()
	if err := s.sweep(ctx, key, now); err != nil {
		return nil, &Error{Op: op, URI: uri, Kind: kindOf(err), Err: err}
	}
	txn := store.Txn{
		If:   []store.Condition{store.Absent(resourceKey(key))},
		Then: []store.Write{{Key: resourceKey(key), Meta: mustJSON(meta), Value: d.value, Modified: now, Expires: until(now, d.ttl)}},
		Mark: made{},
	}
	txn.If = append(txn.If, s.site.roomFor(1, int64(len(d.value)))...)
	_, err = s.commit(ctx, txn)
	var failed *store.ConditionError
	switch {
	case err == nil:
		r, err := s.GetResource(uri)
		if err == nil {
			r.entry.adoptable.Store(false) // even if a batch without its mark brought it
		}
		return r, err
	case !errors.As(err, &failed):
		return nil, &Error{Op: op, URI: uri, Kind: kindOf(err), Err: err}
	case isLimit(failed.Condition.Op):
		return nil, &Error{Op: op, URI: uri, Kind: ErrFull, Err: s.site.roomError(failed.Condition)}
	}
	return s.adopt(ctx, uri, key, meta)
}

// keyOf is the normal form by which a URI of the program is found (rule 18).
func keyOf(s string) (string, error) { return uri.Register(s) }

func define(uri string, options []Option) (key string, d definition, err error) {
	key, err = keyOf(uri)
	if err != nil {
		return "", d, errURI{err}
	}
	d = definition{value: []byte("0"), contentType: Text}
	for _, o := range options {
		o(&d)
	}
	if d.cacheControl != "" {
		if err := checkFieldValue(d.cacheControl); err != nil {
			return "", d, fmt.Errorf("cache control %q: %w", d.cacheControl, err)
		}
	}
	if err := checkTTL(d.ttl); err != nil {
		return "", d, err
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
	for {
		err := s.declare(ctx, e, declared)
		if err == nil {
			return &Resource{s, e}, nil
		}
		if errors.As(err, new(*store.ConditionError)) && !e.gone.Load() {
			continue // somebody wrote meanwhile; that value stays then
		}
		e.adoptable.Store(true)
		return nil, &Error{Op: "add resource", URI: uri, Kind: kindOf(err), Err: err}
	}
}

// declare gives e the declared type, with the value that it has.
func (s *Server) declare(ctx context.Context, e *entry, declared resourceMeta) error {
	rep := e.current.Load()
	meta := *rep.meta
	meta.Type, meta.CacheControl, meta.Declared = declared.Type, declared.CacheControl, ""
	meta.TTL, meta.ClientTTL = declared.TTL, declared.ClientTTL
	if meta == *rep.meta {
		return nil
	}
	expires := rep.item.Expires
	if meta.TTL != rep.meta.TTL {
		expires = until(time.Now(), meta.TTL) // as SetTTL: what was there longer is not gone by that
	}
	_, err := s.commit(ctx, store.Txn{
		If: []store.Condition{store.At(resourceKey(e.key), rep.item.Revision)},
		Then: []store.Write{{
			Key: resourceKey(e.key), Meta: mustJSON(meta), Value: rep.item.Value,
			Modified: rep.item.Modified, Expires: expires,
		}},
		Mark: made{},
	})
	return err
}

func (s *Server) existing(e *entry, uri string) error {
	if e != nil && e.uri() != uri {
		return fmt.Errorf("it is another spelling of %q; GetResource returns that", e.uri())
	}
	return errors.New("GetResource returns it, RemoveResource makes room for another")
}

package roost

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"roost/store"
)

// Resource is a handle on one life of a resource. After the resource was
// removed its calls fail with ErrNotExist, even if its URI has one again. It may be
// used from many goroutines at once.
type Resource struct {
	server *Server
	entry  *entry
}

// URI returns the resource's URI as the program wrote it, without the server's
// prefix.
func (r *Resource) URI() string { return r.entry.uri() }

// Created returns the store's revision that began the life of the resource which
// this handle belongs to. It orders resources by age.
func (r *Resource) Created() uint64 { return r.entry.created }

// Life names the life of the resource which this handle belongs to: letters, digits
// and "-", given once and never again, to this URI or another.
func (r *Resource) Life() string {
	return r.server.site.epoch + "-" + strconv.FormatUint(r.entry.created, 10)
}

// Methods returns what the resource answers at present: by its own registration, or
// that of the resource under which POST made it.
func (r *Resource) Methods() Method { return r.server.site.registered(r.entry).methods }

// Value returns a copy of the present value.
func (r *Resource) Value() ([]byte, error) {
	rep, err := r.Representation()
	if err != nil {
		return nil, err
	}
	return slices.Clone(rep.item.Value), nil
}

// String returns the present value as text, and "" if the resource was removed.
func (r *Resource) String() string {
	rep, err := r.Representation()
	if err != nil {
		return ""
	}
	return string(rep.item.Value)
}

// Representation returns the present representation, shared and read-only.
func (r *Resource) Representation() (*Representation, error) {
	rep := r.entry.current.Load()
	if r.entry.gone.Load() || !rep.item.Expires.IsZero() && rep.expired(time.Now()) {
		return nil, r.fail("read resource", ErrNotExist, nil)
	}
	return rep, nil
}

// SetValue stores a copy of value, of any length, and returns the new representation
// when it is visible, and durable as the store promises. Readers see the old value
// or the new one, whole, and wait for neither.
//
// The media type stays the one that the resource had when SetValue was called, which
// a PUT may have changed since the program gave it. Where a request made HTML or XML
// of a resource that the program declared as neither, the program's values are
// sandboxed too (rule 30).
//
// With conditions it stores the value only while all of them hold: of many callers that
// hold one entity-tag exactly one succeeds.
//
// Its errors are ErrNotExist, ErrPrecondition, ErrFull, ErrClosed, ctx's, and those of the
// store: store.ErrUnavailable, and store.ErrUnknown after which nobody knows whether the
// value was stored.
func (r *Resource) SetValue(ctx context.Context, value []byte, conditions ...Condition) (*Representation, error) {
	return r.set(ctx, value, conditions, func(before *Representation) []byte { return before.metaWith(before.meta.Type, false) })
}

// SetRepresentation is SetValue that gives the media type too, in the same change. The
// type is then the program's, as if AddResource had given it. Beside SetValue's errors
// there is ErrConfig, for a media type that is none.
func (r *Resource) SetRepresentation(ctx context.Context, value []byte, mediaType string, conditions ...Condition) (*Representation, error) {
	if err := checkType(mediaType); err != nil {
		return nil, r.fail(setOp, ErrConfig, err)
	}
	return r.set(ctx, value, conditions, func(before *Representation) []byte {
		meta := *before.meta
		meta.Type, meta.Declared, meta.Client = mediaType, "", false
		return mustJSON(meta)
	})
}

const setOp = "set value of"

// set stores a value of the program's, with the Meta that follows from what was there
// before.
func (r *Resource) set(ctx context.Context, value []byte, conditions []Condition, meta func(before *Representation) []byte) (*Representation, error) {
	write := store.Write{Key: resourceKey(r.entry.key), Value: slices.Clone(value), Modified: time.Now()}
	revision, err := r.change(ctx, setOp, made{}, conditions, func(before *Representation) []store.Write {
		write.Meta, write.Expires = meta(before), until(write.Modified, before.meta.TTL)
		return []store.Write{write}
	})
	if err != nil {
		return nil, err
	}
	if now := r.entry.current.Load(); now.item.Revision == revision {
		return now, nil
	}
	// Somebody wrote again since. What this call stored is still its answer.
	item := store.Item{
		Key: write.Key, Meta: write.Meta, Value: write.Value,
		Created: r.entry.created, Revision: revision, Modified: write.Modified, Expires: write.Expires,
	}
	return r.server.site.represent(r.entry, &item)
}

// SetTTL has the resource's values live for ttl from their writing, the present one from now;
// for ever if zero. It is WithTTL for a resource that is there, such as one that a POST made.
// Its errors are those of SetValue, and ErrConfig.
func (r *Resource) SetTTL(ctx context.Context, ttl time.Duration) error {
	const op = "set time to live of"
	if err := checkTTL(ttl); err != nil {
		return r.fail(op, ErrConfig, err)
	}
	present := func(*Representation) bool { return true } // has it written as it is, or anew
	_, err := r.change(ctx, op, made{}, []Condition{present}, func(before *Representation) []store.Write {
		meta := *before.meta
		meta.TTL = ttl
		return []store.Write{{
			Key: resourceKey(r.entry.key), Meta: mustJSON(meta), Value: before.item.Value,
			Modified: before.item.Modified, Expires: until(time.Now(), ttl),
		}}
	})
	return err
}

// RegisterRequestHandler makes the resource answer methods, and those only. It
// replaces what was registered, methods and callback both. With no method at all the
// resource answers none, also where it answered as the one it was made under.
// callback may be nil. A request under way keeps the callback that it found. Methods are
// kept in the store, and a callback is this process's: where the resource was there already
// it is registered again, best before Start. Its
// errors are those of SetValue, and ErrConfig.
func (r *Resource) RegisterRequestHandler(ctx context.Context, methods Method, callback Callback) error {
	const op = "register request handler of"
	if err := methods.check(); err != nil {
		return r.fail(op, ErrConfig, err)
	}
	if own := r.entry.own.Load(); callback == nil && own != nil && own.callback == nil && own.methods == methods && !r.server.closed.Load() {
		// It is so already, as after a restart: a store that is full need not take it again.
		if _, err := r.Representation(); err == nil {
			return nil
		}
	}
	_, err := r.change(ctx, op, &registration{methods: methods, callback: callback}, nil, func(*Representation) []store.Write {
		return []store.Write{{
			Key:      handlerKey(r.entry.key),
			Meta:     mustJSON(handlerMeta{Methods: methods}),
			Modified: time.Now(),
		}}
	})
	return err
}

const removeOp = "remove resource"

// Remove removes the resource and its registration, as Server.RemoveResource does, if it
// is still in the life of this handle.
func (r *Resource) Remove(ctx context.Context, conditions ...Condition) error {
	_, err := r.change(ctx, removeOp, made{}, conditions, func(*Representation) []store.Write {
		writes := removal(r.entry.key)
		return writes[:]
	})
	return err
}

// change writes what follows from the representation before, while the resource is in the
// life of this handle, and conditions hold.
func (r *Resource) change(ctx context.Context, op string, mark any, conditions []Condition, writes func(before *Representation) []store.Write) (uint64, error) {
	key := resourceKey(r.entry.key)
	for {
		before, err := r.Representation()
		if err != nil {
			return 0, r.fail(op, ErrNotExist, nil)
		}
		guard := store.Born(key, r.entry.created)
		if len(conditions) > 0 {
			if !holdAll(conditions, before) {
				return 0, r.fail(op, ErrPrecondition, fmt.Errorf("the present entity-tag is %s", before.etag()))
			}
			guard = store.At(key, before.item.Revision)
		}
		then := writes(before)
		grows := growth(before, then)
		if r.server.site.limited(grows) {
			guard = store.At(key, before.item.Revision)
		}
		ifs := append([]store.Condition{guard}, r.server.site.roomFor(0, grows)...)
		revision, err := r.server.commit(ctx, store.Txn{If: ifs, Then: then, Mark: mark})
		var failed *store.ConditionError
		switch {
		case err == nil:
			return revision, nil
		case !errors.As(err, &failed):
			return 0, r.fail(op, kindOf(err), err)
		case isLimit(failed.Condition.Op):
			return 0, r.fail(op, ErrFull, r.server.site.roomError(failed.Condition))
		case failed.Present == nil || failed.Present.Created != r.entry.created:
			return 0, r.fail(op, ErrNotExist, nil)
		}
		// Somebody wrote meanwhile: the conditions are judged by that.
	}
}

// growth is by how much writes make the resource's value longer.
func growth(before *Representation, writes []store.Write) int64 {
	for i := range writes {
		if w := &writes[i]; w.Key.Space == resourceSpace && !w.Delete {
			return int64(len(w.Value) - len(before.item.Value))
		}
	}
	return 0
}

func holdAll(conditions []Condition, present *Representation) bool {
	for _, holds := range conditions {
		if !holds(present) {
			return false
		}
	}
	return true
}

func (r *Resource) fail(op string, kind, err error) error {
	return &Error{Op: op, URI: r.entry.uri(), Kind: kind, Err: err}
}

// kindOf is the sentinel that a store's error stands for, if there is one.
func kindOf(err error) error {
	switch {
	case errors.Is(err, store.ErrFull):
		return ErrFull
	case errors.Is(err, store.ErrClosed):
		return ErrClosed
	}
	return nil
}

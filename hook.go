package roost

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"
	"time"
)

// Hook is asked about a request before it is carried out, where [Callback] is told of it
// after. It gets the same Exchange, whose Status and NewURI are still empty. For PUT, POST
// and DELETE it runs when nothing but the store can refuse the request any more; for GET, and
// HEAD, which it can't tell from GET, before the value is looked at.
//
// It runs on a goroutine of its own, and several at once. The client waits for it at most
// Timeouts.Hook, and ctx ends then: the answer is 503, and what it decides later counts for
// nothing. A panic is answered 500 and changes nothing. A request is asked about once.
type Hook func(ctx context.Context, e *Exchange) Decision

// Decision is what a hook says of a request. The zero value lets it go on as it is.
type Decision struct {
	// Status, 400 to 599, refuses the request, and Text says why. The answer has the
	// problem type urn:roost:problem:refused. Any other but 0 is a fault of the hook: 500.
	Status int
	Text   string

	// Value, where it is not nil, and be it empty, takes the place of the value: for PUT and POST of the one to
	// be stored, for GET of the one to be served. What a GET is served so has an entity-tag made of
	// its content, and can't be watched. It belongs to the server from then on.
	Value []byte

	// ContentType is the media type of Value; if empty, what it would be without.
	ContentType string
}

// hooked is a hook and the methods that it is asked about.
type hooked struct {
	methods Method
	hook    Hook
}

// RegisterHook has hook asked about requests of these methods for the resource, and, like
// its registration, for those that POST made under it and that have no registration of their
// own. It replaces what was registered before; nil, or no method, takes it away. A hook is of
// this process and not kept in a store. Its errors are ErrNotExist and ErrConfig.
func (r *Resource) RegisterHook(methods Method, hook Hook) error {
	const op = "register hook of"
	if err := methods.check(); err != nil {
		return r.fail(op, ErrConfig, err)
	}
	if _, err := r.Representation(); err != nil {
		return r.fail(op, ErrNotExist, nil)
	}
	var now *hooked
	if hook != nil && methods != 0 {
		r.server.site.hooks.Store(true)
		now = &hooked{methods, hook}
	}
	before := r.entry.hooked.Swap(now)
	if before.has(GET) || now.has(GET) {
		// Others may see it by the index now, or not any more, and what was made under it.
		r.server.site.hub.startOver()
	}
	return nil
}

func (h *hooked) has(m Method) bool { return h != nil && h.methods.Has(m) }

// hookOf is the hook to be asked about a method of e; nil if there is none.
func (g *registry) hookOf(e *entry, m Method) *hooked {
	if !g.hooks.Load() {
		return nil
	}
	for {
		if h := e.hooked.Load(); h != nil {
			if h.methods.Has(m) {
				return h
			}
			return nil
		}
		if e.own.Load() != nil {
			return nil
		}
		if e = g.parentOf(e); e == nil {
			return nil
		}
	}
}

// ask says whether the program's hook is still to be asked: once, unless it is another one
// by now.
func (q *request) ask() bool {
	h := q.site.hookOf(q.entry, verbs[q.head.Method].method)
	if h == nil || h == q.asked {
		return false
	}
	q.hook = h
	return true
}

// What comes of a hook beside its decision.
var (
	errHookLate  = errors.New("hook did not decide in time")
	errHookBusy  = errors.New("as many hooks run as may")
	errHookPanic = errors.New("hook panicked")
)

// decided takes the hook's decision, and carries the request on.
func (q *request) decided(d Decision, err error, now time.Time) step {
	q.now, q.asked, q.decision = now, q.hook, Decision{}
	limit := int64(q.site.cfg.Timeouts.Hook / time.Second)
	switch {
	case errors.Is(err, errHookBusy):
		return q.refuse(problemBusy.withLimit(int64(q.site.cfg.MaxHooks), 0, "max-hooks", "The program is deciding about as many requests as it may; nothing was changed."))
	case errors.Is(err, errHookLate):
		return q.refuse(problemHookLate.withLimit(limit, 0, "", "The program did not decide in time about this request; nothing was changed. limit is in seconds."))
	case err != nil:
		return q.hookFault(err)
	case d.Status != 0 && (d.Status < 400 || d.Status > 599):
		return q.hookFault(fmt.Errorf("it refuses with the status %d: give 400 to 599", d.Status))
	case d.Status != 0:
		return q.refuse(refusal(d.Status).with(d.Text))
	}
	if d.Value != nil && d.ContentType != "" {
		if err := checkType(d.ContentType); err != nil {
			return q.hookFault(err)
		}
	}
	q.decision = d
	return q.act()
}

// refusal is the kind of a hook's refusal.
func refusal(status int) problemKind {
	k := kind(problemRefused.name, status, http.StatusText(status))
	if k.title == "" {
		k.title = problemRefused.title
	}
	return k
}

func (q *request) hookFault(err error) step {
	q.site.log.Error("hook failed", "uri", q.entry.uri(), "method", q.head.Method, "error", err)
	return q.refuse(problemInternal.with("The program failed on this request; nothing was changed. The server's log has the details."))
}

// toStore is the value that the request stores: what came, or what the hook made of it.
func (q *request) toStore() []byte {
	if q.decision.Value != nil {
		return q.decision.Value
	}
	return q.content
}

// toStoreType is the media type of toStore.
func (q *request) toStoreType() string {
	if q.decision.Value != nil && q.decision.ContentType != "" {
		return q.decision.ContentType
	}
	return q.mediaType
}

// hooks runs hooks: at most so many at once, each for at most so long.
type hooks struct {
	slots   chan struct{} // nil for no limit
	limit   time.Duration // none if not positive
	running sync.WaitGroup
}

func (h *hooks) prepare(cfg *Config) {
	if cfg.MaxHooks > 0 {
		h.slots = make(chan struct{}, cfg.MaxHooks)
	}
	h.limit = cfg.Timeouts.Hook
}

// run asks a hook, and returns what it decided in time.
func (h *hooks) run(ctx context.Context, hook Hook, e *Exchange) (Decision, error) {
	if h.limit > 0 {
		limited, cancel := context.WithTimeout(ctx, h.limit)
		defer cancel()
		ctx = limited
	}
	if h.slots != nil {
		select {
		case h.slots <- struct{}{}:
		case <-ctx.Done():
			return Decision{}, errHookBusy
		}
	}
	type outcome struct {
		Decision
		err error
	}
	made := make(chan outcome, 1)
	h.running.Go(func() {
		o := outcome{err: errHookPanic} // unless it returns
		defer func() {
			if r := recover(); r != nil {
				o.err = fmt.Errorf("%w: %v\n%s", errHookPanic, r, debug.Stack())
			}
			if h.slots != nil {
				<-h.slots
			}
			made <- o
		}()
		o.Decision = hook(ctx, e)
		o.err = nil
	})
	select {
	case o := <-made:
		return o.Decision, o.err
	case <-ctx.Done():
		return Decision{}, errHookLate
	}
}

// drain waits for the hooks that run longer than anybody waited for them.
func (h *hooks) drain(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		h.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

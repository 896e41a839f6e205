package roost

import (
	"context"
	"iter"
	"strings"
)

// Change is what Watch tells of a resource.
type Change struct {
	Kind     ChangeKind
	URI      string // as the program wrote it
	Revision uint64 // of the change; for Present that of the representation, for Reset none

	// Representation is what the change made; nil for Deleted and Reset. It is shared and
	// read-only.
	Representation *Representation
}

// What Watch yields beside changes.
const (
	// Present tells of a resource that is there already.
	Present ChangeKind = "present"

	// Reset says that some changes could not be told. What is there follows, as Present;
	// what does not follow is gone.
	Reset ChangeKind = "reset"
)

// Watch yields first what is there below prefix, as Present, sorted by URI, then every
// change, whoever makes it, in the order of revisions; all resources for "". Nothing is missed
// between. What changes while the first are told may be told twice, as Present and as a change.
//
// A loop that takes longer than the changes take to come is told Reset, when more than some
// thousand changes, or some mebibytes of values, wait for it; it costs the server nothing
// more. The last pair has ctx's error or ErrClosed. Each range over the iterator begins anew.
func (s *Server) Watch(ctx context.Context, prefix string) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		signal := make(signal, 1)
		w := &watcher{waker: signal}
		fits := func(e *entry) bool { return strings.HasPrefix(e.uri(), prefix) }
		s.site.hub.add(w, watched{fits: fits})
		defer s.site.hub.remove(w)
		for {
			cursor, _ := s.site.hub.present()
			if !s.yieldPresent(ctx, prefix, yield) || !s.yieldChanges(ctx, cursor, fits, signal, yield) {
				return
			}
			if !yield(Change{Kind: Reset}, nil) {
				return
			}
		}
	}
}

// yieldPresent is false when nothing more is to be yielded.
func (s *Server) yieldPresent(ctx context.Context, prefix string, yield func(Change, error) bool) bool {
	for r := range s.Resources(prefix, "") {
		if err := s.watchable(ctx); err != nil {
			yield(Change{}, err)
			return false
		}
		rep, err := r.Representation()
		if err != nil {
			continue // removed meanwhile
		}
		if !yield(Change{Kind: Present, URI: r.URI(), Revision: rep.item.Revision, Representation: rep}, nil) {
			return false
		}
	}
	return true
}

// yieldChanges is true when some were lost, false when nothing more is to be yielded.
func (s *Server) yieldChanges(ctx context.Context, from cursor, fits func(*entry) bool, signal signal, yield func(Change, error) bool) bool {
	for {
		if err := ctx.Err(); err != nil {
			yield(Change{}, err)
			return false
		}
		c, read := s.site.hub.read(&from, fits, -1)
		switch {
		case read == behind:
			return true
		case read == found && (c.kind == shownKind || c.kind == hiddenKind):
		case read == found:
			if !yield(Change{Kind: c.kind, URI: c.entry.uri(), Revision: c.revision, Representation: c.rep}, nil) {
				return false
			}
		default:
			if err := s.watchable(ctx); err != nil {
				yield(Change{}, err)
				return false
			}
			select {
			case <-signal:
			case <-ctx.Done():
			}
		}
	}
}

func (s *Server) watchable(ctx context.Context) error {
	if s.closed.Load() {
		return &Error{Op: "watch", Kind: ErrClosed}
	}
	return ctx.Err()
}

// signal wakes one goroutine: a waker. It has room for one value.
type signal chan struct{}

func (s signal) Wake() {
	select {
	case s <- struct{}{}:
	default: // it is awake already
	}
}

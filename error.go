package roost

import (
	"errors"
	"strconv"
)

// What a call can fail for, tested with [errors.Is]. Each comes inside an [*Error] that
// names the resource.
var (
	// ErrExist: the URI, in this or another spelling, has a resource already.
	ErrExist = errors.New("exists already")

	// ErrNotExist: there is no such resource, or the handle's resource was
	// removed since; one made later at the same URI doesn't revive it.
	ErrNotExist = errors.New("does not exist")

	// ErrFull: the server holds as many resources as Config.MaxURI allows, or the
	// store has no more room.
	ErrFull = errors.New("server is full")

	// ErrPrecondition: a Condition of the call does not hold.
	ErrPrecondition = errors.New("precondition failed")

	// ErrURI: the URI can't name a resource.
	ErrURI = errors.New("invalid URI")

	// ErrConfig: a setting or an argument is wrong.
	ErrConfig = errors.New("invalid setting")

	// ErrClosed: the server was shut down. New makes another.
	ErrClosed = errors.New("server is closed")
)

// Error tells what a call on a server could not do.
type Error struct {
	Op   string // "add resource", "listen", …
	URI  string // the resource's or listener's; may be empty
	Kind error  // one of the sentinels above, or nil
	Err  error  // the cause in detail, or nil
}

func (e *Error) Error() string {
	s := e.Op
	if e.URI != "" {
		s += " " + strconv.Quote(e.URI)
	}
	if e.Kind != nil {
		s += ": " + e.Kind.Error()
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap makes both the kind and the cause visible to errors.Is and errors.As.
func (e *Error) Unwrap() []error {
	var errs []error
	if e.Kind != nil {
		errs = append(errs, e.Kind)
	}
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	return errs
}

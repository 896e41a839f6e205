package roost

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"roost/internal/condition"
	"roost/store"
)

// judgement is what the preconditions of a request come to (RFC 9110 §13.2.2).
type judgement int

const (
	holds       judgement = iota
	notModified           // 304: the client has the representation already
	failed                // 412
)

// isCondition says whether a field is a precondition. If-Range is none: it goes with
// Range.
func isCondition(name string) bool {
	return strings.HasPrefix(name, "If-") && name != "If-Range"
}

// judge applies the preconditions to the present representation (rules 36 to 38). They
// are about the resource that was asked for, and at a POST so about the parent. selected is
// the variant that a GET or HEAD would be answered with, and nil for a change.
func (h *Head) judge(rep *Representation, selected *variant) judgement {
	if !h.lines.conditional {
		return holds
	}
	modified := rep.item.Modified.Unix()
	if lines := h.Header.Values("If-Match"); len(lines) > 0 {
		if !condition.Any(lines) && !condition.Strong(lines, rep.etag()) && !condition.Strong(lines, rep.codedTag()) {
			return failed
		}
	} else if since, ok := condition.Date(h.Header.Values("If-Unmodified-Since")); ok && modified > since.Unix() {
		return failed
	}
	if lines := h.Header.Values("If-None-Match"); len(lines) > 0 {
		switch {
		case condition.Any(lines):
		case selected != nil && condition.Weak(lines, selected.etag):
		case selected == nil && (condition.Weak(lines, rep.etag()) || condition.Weak(lines, rep.codedTag())):
		default:
			return holds
		}
		if selected != nil {
			return notModified
		}
		return failed
	}
	if selected == nil || rep.item.Modified.IsZero() {
		return holds
	}
	if since, ok := condition.Date(h.Header.Values("If-Modified-Since")); ok && modified <= since.Unix() {
		return notModified
	}
	return holds
}

// codedTag is the entity-tag of the coded variant, whether there is one or not.
func (r *Representation) codedTag() string { return strings.TrimSuffix(r.etag(), `"`) + gzipTag }

// Condition says whether a change that the program makes may be made, by the
// representation that it would replace: a precondition like those of a request. It must
// not block, and may be asked again with a newer one: the condition and the change are
// one transaction.
type Condition func(present *Representation) bool

// IfMatch holds where the present entity-tag is one of etags, as Representation.ETag gives
// them, so that nobody else's change is overwritten (RFC 9110 §13.1.1).
func IfMatch(etags ...string) Condition {
	return func(present *Representation) bool { return slices.Contains(etags, present.etag()) }
}

// IfNoneMatch holds where the present entity-tag is none of etags (RFC 9110 §13.1.2).
func IfNoneMatch(etags ...string) Condition {
	return func(present *Representation) bool { return !slices.Contains(etags, present.etag()) }
}

// IfUnmodifiedSince holds where the present representation was made at t or before (RFC
// 9110 §13.1.4), here to the nanosecond.
func IfUnmodifiedSince(t time.Time) Condition {
	return func(present *Representation) bool { return !present.item.Modified.After(t) }
}

// admitChange judges the preconditions of a change of the resource that was asked for, and
// returns the condition under which it may be made: with preconditions, that the
// resource is still at the revision that they were judged by.
func (q *request) admitChange() (store.Condition, bool) {
	e := q.entry
	if !q.head.lines.conditional {
		return store.Born(resourceKey(e.key), e.created), true
	}
	rep := e.current.Load()
	if q.head.judge(rep, nil) != holds {
		q.refusePrecondition(rep)
		return store.Condition{}, false
	}
	return store.At(resourceKey(e.key), rep.item.Revision), true
}

func (q *request) refusePrecondition(rep *Representation) step {
	return q.refuse(problemPrecondition.with("A condition of the request does not hold: the resource has another representation than it asks for, which ETag names."),
		Field{"Etag", []string{rep.etag()}})
}

// answerNotModified tells that the client has the representation (rule 48).
func (q *request) answerNotModified(v *variant) step {
	fields := []Field{nosniff}
	for _, f := range v.fields {
		if f.Name == "Etag" || f.Name == "Cache-Control" || f.Name == "Vary" {
			fields = append(fields, f)
		}
	}
	return q.send(reply{status: http.StatusNotModified, fields: fields})
}

package roost

import (
	"net/http"

	"roost/internal/negotiate"
	"roost/store"
)

// The values of the preference return (RFC 7240 §4.2), and how it is told that one was
// met (rule 54).
const (
	returnMinimal        = "minimal"
	returnRepresentation = "representation"
)

var (
	appliedMinimal        = Field{"Preference-Applied", []string{"return=minimal"}}
	appliedRepresentation = Field{"Preference-Applied", []string{"return=representation"}}
)

// returning is what the client prefers to get back from a change.
func (h *Head) returning() string {
	value, _ := negotiate.Preference(h.Header.Values("Prefer"), "return")
	return value
}

// sendStored answers a change with the representation that it stored in e at revision, and
// with fields.
func (q *request) sendStored(status int, e *entry, revision uint64, fields []Field) step {
	rep, err := q.stored(e, revision)
	if err != nil {
		return q.failed() // what was stored a moment ago can't be read
	}
	for _, f := range rep.serve(q.site.cfg.ContentSecurityPolicy).plain.fields {
		switch f.Name {
		case "Content-Type", "Content-Length", "Content-Security-Policy":
			fields = append(fields, f)
		}
	}
	if status == http.StatusOK {
		fields = q.withDigests(fields, rep.serve(q.site.cfg.ContentSecurityPolicy).plain, rep.item.Value)
	}
	return q.send(reply{status: status, fields: append(fields, appliedRepresentation), body: rep.item.Value})
}

// stored is the representation that the request's write made, which mostly is the
// present one of e; somebody may have changed or removed that since.
func (q *request) stored(e *entry, revision uint64) (*Representation, error) {
	if e != nil {
		if now := e.current.Load(); now.item.Revision == revision {
			return now, nil
		}
	}
	w := &q.thens[0]
	return q.site.represent(nil, &store.Item{Key: w.Key, Meta: w.Meta, Value: w.Value, Revision: revision, Modified: w.Modified, Expires: w.Expires})
}

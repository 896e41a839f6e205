package roost

import (
	"cmp"
	"crypto/tls"
	"net/http"
	"time"
)

// Gate decides about a request before its resource is looked up: access rules,
// origins, limits and faults on demand stand behind it, whatever the request
// came in by. Admit is called once for each request, also for one that will be
// refused for its message or its target, so that its fields are on every answer.
// It is called from many goroutines at once, and must not block. If it panics, the
// request is answered 500.
type Gate interface {
	// Admit looks at a head, which it must not keep or change, and says how to
	// go on. The zero Verdict lets the request pass.
	Admit(*Head) Verdict
}

// Verdict is a gate's decision.
type Verdict struct {
	// Status, where not zero, is the final answer: the request goes no further.
	// From 400 on it is explained by Title and Detail; below it has no content.
	Status int

	// Problem names the kind of a refusal: the last part of its type
	// urn:roost:problem:NAME, lower-case words joined by "-". It is not empty where
	// Status is 400 or more.
	Problem, Title, Detail string

	// Caller names who asks, where the gate knows: an Idempotency-Key of one caller is not
	// that of another. Of several gates the last that knows counts.
	Caller string

	// Fields are added to the answer, whatever it will be; values of a field
	// that it has already are added to it. They are shared and never changed.
	Fields []Field
}

// Field is a field of a response: its name in the canonical form of
// http.CanonicalHeaderKey, and a value for each of its lines.
type Field struct {
	Name   string
	Values []string
}

// Gates asks each gate in turn. The first refusal decides; the fields of all who
// were asked are added.
func Gates(gates ...Gate) Gate { return gateList(gates) }

type gateList []Gate

func (l gateList) Admit(h *Head) Verdict {
	var all Verdict
	for _, g := range l {
		v := g.Admit(h)
		all.Caller = cmp.Or(v.Caller, all.Caller)
		if len(all.Fields) == 0 {
			all.Fields = v.Fields
		} else {
			all.Fields = append(all.Fields[:len(all.Fields):len(all.Fields)], v.Fields...)
		}
		if v.Status != 0 {
			v.Fields, v.Caller = all.Fields, all.Caller
			return v
		}
	}
	return all
}

// Observer is told what happened: logs, metrics and traces stand behind it. Its
// methods are called from many goroutines at once, on the way of the thing they
// tell of, so they must be quick; what they are given is theirs for the call only.
type Observer interface {
	// Request is called once for each request that reached the rules, after its answer
	// was written.
	Request(*RequestRecord)

	// Connection is called when a connection of the server's own listeners ended.
	Connection(*ConnectionRecord)

	// Change is called for each change of a resource, whoever made it, in the
	// order of revisions, before anyone can see the next. The store waits for it:
	// it must not change anything in the server, nor in its store.
	Change(*ChangeRecord)
}

// RequestRecord tells of one request and its answer.
type RequestRecord struct {
	Method string // as it was sent
	URI    string // as in Exchange; the normal form where no resource was found
	Query  string
	Header http.Header // read-only
	Body   []byte      // what was received whole; none with an event stream
	NewURI string      // of the resource that a POST created
	Status int
	Proto  string // "HTTP/1.1"
	Peer   string
	TLS    *tls.ConnectionState // nil in the clear

	Start    time.Time
	Duration time.Duration // until the answer was handed to the system
	Sent     int64         // octets of the answer's content
}

// ConnectionRecord tells of a connection that ended.
type ConnectionRecord struct {
	Listener       string // the address it came in on
	Peer           string
	Start          time.Time
	Duration       time.Duration
	Received, Sent int64 // octets, with what TLS adds
}

// ChangeRecord tells of a change of a resource.
type ChangeRecord struct {
	URI      string
	Kind     ChangeKind
	Revision uint64
}

// ChangeKind says what a change did.
type ChangeKind string

const (
	Created ChangeKind = "create"
	Updated ChangeKind = "put"
	Deleted ChangeKind = "delete"
)

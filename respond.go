package roost

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"roost/internal/negotiate"
	"roost/store"
)

// site is what the rules look at beside the request: the settings, made ready,
// and the registry.
type site struct {
	*registry
	cfg      Config
	accepted acceptedTypes
	gate     Gate
	stopping atomic.Bool // no resource is found any more
}

// A step is what a request needs next.
type step int

const (
	// stepReply: send request.reply, which is the final answer.
	stepReply step = iota

	// stepRead: read the content, request.maxContent octets of it at most
	// (no limit if negative), and go on with received.
	stepRead

	// stepCommit: commit request.txn and go on with committed.
	stepCommit
)

// request takes one request through the rules of HTTP, which all stand here and
// in what it calls. It waits for nothing, reads no clock and knows no connection: a
// plane feeds it a head, then what each step asks for, until it has an answer. What
// it does beside is to ask the gate, to guess free URIs, and to log what no client
// is told.
//
// Its doc comments name the rules of docs/http-rules.md; the order of the checks is
// rule 1.
type request struct {
	site    *site
	head    *Head
	now     time.Time
	verdict Verdict

	// What was found, once it is found. callback is nil where nobody is to be
	// told.
	entry    *entry
	methods  Method
	callback Callback

	maxContent int64
	whole      bool // the content was received, or there is none
	content    []byte
	mediaType  string // of content, as it will be stored

	txn    store.Txn
	ifs    [3]store.Condition
	thens  [2]store.Write
	child  string
	tries  int
	newURI string

	reply reply
}

// reply is an answer. Its fields' values may be shared by many answers.
type reply struct {
	status int
	fields []Field // each name once
	body   []byte
	close  bool // the connection ends with it
}

// maxTries bounds how often a POST looks for another free URI after others took the one
// it had chosen, and how often preconditions are judged again after others made a change.
const maxTries = 64

// begin takes a head up to the point where content, a store or nobody is needed.
func (q *request) begin(s *site, h *Head, now time.Time) step {
	q.site, q.head, q.now, q.whole = s, h, now, !h.hasContent()
	badTarget := h.resolve(s.cfg.Prefix)
	q.verdict = s.gate.Admit(h)
	if p := h.judgeMessage(s.cfg.Hosts); p != nil {
		return q.refuse(p)
	}
	if h.Method == "CONNECT" {
		return q.refuse(problemUnknownMethod.closing().with("This is not a proxy."))
	}
	v, known := verbs[h.Method]
	if !known {
		return q.refuse(problemUnknownMethod.with("Methods are case-sensitive; served are GET, HEAD, PUT, POST, DELETE and OPTIONS."))
	}
	if badTarget != nil {
		return q.refuse(badTarget)
	}
	if q.verdict.Status != 0 {
		return q.turnAway()
	}
	if h.URI == "*" {
		return q.admitContent()
	}
	return q.find(v)
}

// turnAway answers for the gate.
func (q *request) turnAway() step {
	v := &q.verdict
	if v.Status < http.StatusBadRequest {
		return q.finish(v.Status, nosniff)
	}
	return q.refuse(kind(v.Problem, v.Status, v.Title).with(v.Detail))
}

// find looks the resource up and sees whether it takes the method (rules 20, 21).
func (q *request) find(v verb) step {
	if q.site.stopping.Load() {
		return q.refuse(problemStopping.with("The server is stopping; nothing was changed."))
	}
	q.entry = q.site.lookup(q.head.URI)
	if q.entry == nil {
		return q.refuse(q.notFound())
	}
	reg := q.site.registered(q.entry)
	q.methods = reg.methods
	if q.head.Method == "OPTIONS" {
		return q.admitContent()
	}
	if v.method == 0 || !q.methods.Has(v.method) {
		return q.refuse(q.notRegistered(), Field{"Allow", allow[q.methods]})
	}
	if v.callback {
		q.callback = reg.callback
	}
	return q.admitContent()
}

func (q *request) notFound() *Problem {
	switch {
	case q.head.URI == "":
		return problemNotFound.withSetting("prefix", "Everything here is below "+q.site.cfg.Prefix+".")
	case q.head.Method == "PUT":
		return problemNotFound.with("PUT changes a resource that exists; it creates none. POST to the parent does, and the server chooses the URI.")
	}
	return problemNotFound.with("There is no resource at this URI. Case, empty segments and a last slash distinguish URIs.")
}

func (q *request) notRegistered() *Problem {
	if q.methods == 0 {
		return problemMethod.with("No method is registered for this resource. The program can register some with register_request_handler (RegisterRequestHandler in Go).")
	}
	return problemMethod.with("This resource answers " + strings.Join(allowed(q.methods), ", ") + ".")
}

// admitContent judges what the head says of the content (rules 14, 31, 34, 40), and
// asks for it if there is some.
func (q *request) admitContent() step {
	h := q.head
	if h.Method == "PUT" || h.Method == "POST" {
		if h.Method == "PUT" && h.Header.Get("Content-Range") != "" {
			return q.refuse(problemContentRange.with("A PUT replaces the whole value; Content-Range asks to change a part."))
		}
		if !q.admitType() {
			return q.refuse(problemMediaType.with("The value's media type is not one that this server takes; Accept lists those."),
				Field{"Accept", q.site.accepted.line})
		}
		if !onlyIdentity(h.Header.Values("Content-Encoding")) {
			return q.refuse(problemCoding.with("Values are stored as they come: send them without a content coding."),
				Field{"Accept-Encoding", []string{"identity"}})
		}
	}
	q.maxContent = q.site.cfg.MaxBodyBytes
	if q.maxContent >= 0 && h.Length > q.maxContent {
		return q.tooLarge(h.Length)
	}
	if h.hasContent() {
		return stepRead
	}
	return q.act()
}

// admitType decides the media type of what PUT or POST brings (rule 31).
func (q *request) admitType() bool {
	own := q.entry.current.Load().meta.Type
	sent := q.head.Header.Get("Content-Type")
	q.mediaType = sent
	if sent == "" || sent == own {
		q.mediaType = own
		return true
	}
	if q.site.accepted.essences[sent] {
		return true
	}
	m, err := negotiate.ParseMediaType(sent)
	if err != nil {
		return false
	}
	essence := m.Essence()
	if q.site.accepted.essences[essence] {
		return true
	}
	if essence == formType {
		q.mediaType = own
		return true
	}
	o, err := negotiate.ParseMediaType(own)
	return err == nil && essence == o.Essence()
}

// onlyIdentity says whether a Content-Encoding names no coding at all (rule 34).
func onlyIdentity(lines []string) bool {
	for _, line := range lines {
		for coding := range strings.SplitSeq(line, ",") {
			if c := strings.Trim(coding, " \t"); c != "" && !strings.EqualFold(c, "identity") {
				return false
			}
		}
	}
	return true
}

func (q *request) tooLarge(length int64) step {
	return q.refuse(problemTooLarge.withLimit(q.maxContent, length, "max-body", "The content is larger than this server takes."))
}

// contentFault says why content could not be had.
type contentFault int

const (
	contentWhole  contentFault = iota
	contentLarge               // more than the limit; received counts the octets so far
	contentLate                // not whole within its time
	contentBroken              // ended too soon, or its framing is wrong
	contentNoRoom              // too much is being received already
)

// received takes the content, which belongs to the request from now on, at the time
// when it was whole or failed to be; count is how many octets came.
func (q *request) received(content []byte, fault contentFault, count int64, now time.Time) step {
	q.now = now
	switch fault {
	case contentLarge:
		return q.tooLarge(count)
	case contentLate:
		return q.late(count)
	case contentBroken:
		return q.refuse(problemIncomplete.with("The content ended before it was whole, or its chunks are malformed."))
	case contentNoRoom:
		return q.refuse(problemBusy.withLimit(q.site.cfg.MaxPendingBytes, 0, "max-pending", "Too much content is being received at once."))
	}
	q.content, q.whole = content, true
	return q.act()
}

func (q *request) late(count int64) step {
	limit := q.site.cfg.Timeouts
	detail := "The content was not whole in time: it may take " + limit.Content.String()
	if limit.ContentRate > 0 {
		detail += ", and a second more for each " + strconv.FormatInt(limit.ContentRate, 10) + " octets"
	}
	seconds := int64((limit.Content + time.Second - 1) / time.Second)
	return q.refuse(problemLate.withLimit(seconds, count, "", detail+"; value counts those that came."))
}

// act does what the method is for, now that nothing of the request is missing.
func (q *request) act() step {
	switch q.head.Method {
	case "PUT":
		return q.put()
	case "POST":
		return q.post()
	case "DELETE":
		return q.delete()
	case "OPTIONS":
		return q.options()
	}
	return q.get()
}

func (q *request) options() step {
	if q.entry == nil { // the server as a whole
		return q.finish(http.StatusNoContent, nosniff, Field{"Allow", allow[allMethods]})
	}
	return q.finish(http.StatusNoContent, q.withCapacity(nosniff, Field{"Allow", allow[q.methods]})...)
}

func (q *request) get() step {
	rep := q.entry.current.Load()
	served := rep.serve(q.site.cfg.ContentSecurityPolicy)
	accept := q.head.Header.Values("Accept")
	if len(accept) > 0 && negotiate.Accept(accept, &served.mediaType) == 0 {
		p := problemNotAcceptable.with("The resource is there, in another media type than Accept asks for.")
		p.Available = []string{rep.meta.Type}
		return q.refuse(p, varies)
	}
	switch q.head.judge(rep) {
	case failed:
		return q.refusePrecondition(rep)
	case notModified:
		return q.answerNotModified(served)
	}
	fields := served.fields
	if served.modified > q.now.Unix() {
		fields = q.withModified(fields)
	}
	if q.part(rep, fields) {
		return stepReply
	}
	return q.send(reply{status: http.StatusOK, fields: fields, body: rep.value})
}

// withModified replaces a Last-Modified of the future, which another node's clock
// may have made: it is never later than Date (rule 39).
func (q *request) withModified(fields []Field) []Field {
	fields = append([]Field(nil), fields...)
	for i := range fields {
		if fields[i].Name == "Last-Modified" {
			fields[i].Values = []string{httpDate(q.now)}
		}
	}
	return fields
}

func (q *request) put() step {
	e := q.entry
	condition, ok := q.admitChange()
	if !ok {
		return stepReply
	}
	meta := e.current.Load().metaWith(q.mediaType, true)
	q.ifs[0] = condition
	q.thens[0] = store.Write{Key: resourceKey(e.key), Meta: meta, Value: q.content, Modified: q.now}
	return q.commit(1, 1)
}

func (q *request) post() step {
	parent := q.entry
	name, ok := q.site.freeChild(parent.key)
	if !ok {
		return q.refuse(problemFull.with("Every URI that could be made below this one is in use, or would be too long."), q.withCapacity()...)
	}
	if limit := q.site.cfg.MaxURI; limit > 0 && q.site.count() >= limit {
		return q.refuse(q.noMoreResources(), q.withCapacity()...)
	}
	condition, ok := q.admitChange()
	if !ok {
		return stepReply
	}
	q.child = name
	q.newURI = childURI(parent.uri, name[len(name)-childDigits:])
	like := parent.current.Load().meta
	meta := resourceMeta{Type: like.Type, Declared: like.Declared, CacheControl: like.CacheControl, Client: true}
	meta.retype(q.mediaType)
	if q.newURI != name {
		meta.URI = q.newURI
	}
	if !q.site.cfg.BareChildren {
		meta.Parent, meta.Methods = parent.key, q.methods
	}
	q.ifs[0] = condition
	q.ifs[1] = store.Absent(resourceKey(name))
	q.thens[0] = store.Write{Key: resourceKey(name), Meta: encodeMeta(meta), Value: q.content, Modified: q.now}
	ifs := 2
	if q.site.cfg.MaxURI > 0 {
		q.ifs[2] = store.CountBelow(resourceSpace, uint64(q.site.cfg.MaxURI))
		ifs = 3
	}
	return q.commit(ifs, 1)
}

func (q *request) delete() step {
	e := q.entry
	condition, ok := q.admitChange()
	if !ok {
		return stepReply
	}
	q.ifs[0] = condition
	q.thens[0] = store.Write{Key: resourceKey(e.key), Delete: true}
	q.thens[1] = store.Write{Key: handlerKey(e.key), Delete: true}
	return q.commit(1, 2)
}

func (q *request) commit(ifs, thens int) step {
	q.txn = store.Txn{If: q.ifs[:ifs], Then: q.thens[:thens]}
	return stepCommit
}

// committed takes the store's answer.
func (q *request) committed(revision uint64, err error) step {
	if err != nil {
		return q.notCommitted(err)
	}
	wire := q.site.cfg.Prefix
	switch q.head.Method {
	case "PUT":
		return q.updated(wire+q.entry.key, revision)
	case "POST":
		return q.created(wire+q.child, revision)
	}
	return q.finish(http.StatusNoContent, q.withCapacity(nosniff)...)
}

// etagOf is the validator of what a PUT stored, which mostly is the present value.
func (q *request) etagOf(revision uint64) string {
	if now := q.entry.current.Load(); now.revision == revision {
		return now.etag
	}
	return etag(q.site.epoch, revision)
}

// updated answers a PUT (rule 49).
func (q *request) updated(location string, revision uint64) step {
	values := [...]string{location, q.etagOf(revision), httpDate(q.now)}
	fields := []Field{nosniff,
		{"Content-Location", values[0:1:1]}, {"Etag", values[1:2:2]}, {"Last-Modified", values[2:3:3]}}
	switch q.head.returning() {
	case returnRepresentation:
		return q.sendStored(http.StatusOK, q.entry, revision, fields)
	case returnMinimal:
		fields = append(fields, appliedMinimal)
	}
	return q.finish(http.StatusNoContent, fields...)
}

// created answers a POST (rule 50).
func (q *request) created(location string, revision uint64) step {
	lines := []string{location}
	fields := q.withCapacity(nosniff,
		Field{"Location", lines},
		Field{"Etag", []string{etag(q.site.epoch, revision)}},
		Field{"Last-Modified", []string{httpDate(q.now)}})
	switch q.head.returning() {
	case returnRepresentation:
		return q.sendStored(http.StatusCreated, q.site.lookup(q.child), revision, append(fields, Field{"Content-Location", lines}))
	case returnMinimal:
		return q.finish(http.StatusCreated, append(fields, appliedMinimal, Field{"Content-Length", []string{"0"}})...)
	}
	return q.send(reply{
		status: http.StatusCreated,
		fields: append(fields,
			Field{"Content-Type", []string{"text/plain; charset=utf-8"}},
			Field{"Content-Length", []string{strconv.Itoa(len(location) + 1)}}),
		body: append([]byte(location), '\n'),
	})
}

// notCommitted says why nothing was changed, or goes on with another try.
func (q *request) notCommitted(err error) step {
	var failed *store.ConditionError
	if errors.As(err, &failed) {
		return q.conditionFailed(failed)
	}
	q.newURI = ""
	switch {
	case errors.Is(err, store.ErrFull):
		return q.refuse(problemFull.with("The store has no room for this change."), q.withCapacity()...)
	case errors.Is(err, store.ErrUnknown):
		q.site.log.Error("outcome of a change is unknown", "uri", q.entry.uri, "method", q.head.Method, "error", err)
		return q.refuse(problemUnknownOutcome.with("Whether the change was made could not be learned. Look before you send it again."))
	case errors.Is(err, store.ErrUnavailable):
		q.site.log.Error("store is unavailable", "uri", q.entry.uri, "method", q.head.Method, "error", err)
		return q.refuse(problemUnavailable.with("The store can't be reached; nothing was changed."))
	case errors.Is(err, store.ErrClosed):
		return q.refuse(problemStopping.with("The server is stopping; nothing was changed."))
	}
	q.site.log.Error("store failed", "uri", q.entry.uri, "method", q.head.Method, "error", err)
	return q.refuse(problemInternal.with("The store failed; nothing was changed. The server's log has the details."))
}

func (q *request) conditionFailed(failed *store.ConditionError) step {
	q.newURI = ""
	switch failed.Condition.Op {
	case store.OpCountBelow:
		return q.refuse(q.noMoreResources(), q.withCapacity()...)
	case store.OpCreated:
		return q.refuse(q.removed())
	case store.OpRevision:
		if now := failed.Present; now == nil || now.Created != q.entry.created {
			return q.refuse(q.removed())
		}
		return q.again() // the preconditions, against what is there now
	case store.OpAbsent:
		return q.again() // with another URI
	}
	q.site.log.Error("store failed a condition that was not asked for", "uri", q.entry.uri, "error", failed)
	return q.refuse(problemInternal.with("The store failed; nothing was changed. The server's log has the details."))
}

func (q *request) again() step {
	if q.tries++; q.tries < maxTries {
		return q.act()
	}
	return q.refuse(problemBusy.with("Others were first each time that this was tried."))
}

func (q *request) removed() *Problem {
	return problemNotFound.with("The resource was removed while the request was on its way.")
}

func (q *request) noMoreResources() *Problem {
	limit := int64(q.site.cfg.MaxURI)
	return problemFull.withLimit(limit, limit, "max-uri", "The server holds as many resources as it may. DELETE one, or have the limit raised.")
}

var retrySoon = Field{"Retry-After", []string{"1"}}

// finish answers without content.
func (q *request) finish(status int, fields ...Field) step {
	return q.send(reply{status: status, fields: fields})
}

// send makes r the final answer.
func (q *request) send(r reply) step {
	r.fields = withFields(r.fields, q.verdict.Fields)
	if q.head.Method == "HEAD" {
		r.body = nil // rule 24
	}
	// A client that waits for 100 (Continue) may send the content after all, or
	// the next request instead: nobody can tell which (rule 14).
	r.close = r.close || !q.whole && q.head.expectsContinue()
	q.reply = r
	return stepReply
}

// withFields is fields with more; lines of one name are joined into one field.
func withFields(fields, more []Field) []Field {
	if len(more) == 0 {
		return fields
	}
	all := append(make([]Field, 0, len(fields)+len(more)), fields...)
	for _, f := range more {
		i := slices.IndexFunc(all, func(o Field) bool { return o.Name == f.Name })
		if i < 0 {
			all = append(all, f)
		} else {
			all[i].Values = slices.Concat(all[i].Values, f.Values)
		}
	}
	return all
}

// failed answers for what panicked on the way (rule 53).
func (q *request) failed() step {
	return q.refuse(problemInternal.closing().with("The server failed on this request. Its log has the details."))
}

// refuse answers with a problem (rules 28, 52).
func (q *request) refuse(p *Problem, fields ...Field) step {
	body, mediaType := p.render(q.head.Header.Values("Accept"))
	all := append([]Field{
		nosniff, noStore,
		{"Content-Type", []string{mediaType}},
		{"Content-Length", []string{strconv.Itoa(len(body))}},
	}, fields...)
	if strings.HasPrefix(mediaType, Text) {
		all = append(all, noScripts)
	}
	if p.Status == http.StatusServiceUnavailable && q.verdict.Status == 0 {
		all = append(all, retrySoon)
	}
	return q.send(reply{status: p.Status, fields: all, body: body, close: p.close})
}

// withCapacity adds what is left of the server's room (rule 55).
func (q *request) withCapacity(fields ...Field) []Field {
	limit := q.site.cfg.MaxURI
	if limit <= 0 {
		return fields
	}
	left := max(0, limit-q.site.count())
	return append(fields, Field{"Roost-Capacity", []string{"resources=" + strconv.Itoa(left) + ";limit=" + strconv.Itoa(limit)}})
}

package roost

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
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
	pending  *budget
	stopping atomic.Bool // no resource is found any more
	failures sparse      // of the store
}

// sparse says when a message that would be repeated with every request is to be logged: once a
// second.
type sparse struct{ next atomic.Int64 }

func (s *sparse) due(now time.Time) bool {
	next := s.next.Load()
	return now.UnixNano() >= next && s.next.CompareAndSwap(next, now.Add(time.Second).UnixNano())
}

// A step is what a request needs next.
type step int

const (
	// stepReply: send request.reply, which is the final answer.
	stepReply step = iota

	// stepRead: read the content, request.maxContent octets of it at most
	// (no limit if negative), and go on with received.
	stepRead

	// stepAsk: ask request.hook and go on with decided.
	stepAsk

	// stepCommit: commit request.txn and go on with committed.
	stepCommit

	// stepWait: wait for what request.watch is about, request.patience long at most. Go on
	// with changed as soon as it is watched, at each change, and when the time is over.
	stepWait

	// stepStream: watch what request.watch is about, send the head of request.reply, then
	// what request.feed gives, now and at each change.
	stepStream
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

	ttl       time.Duration // that Roost-TTL gives
	replyName string        // of the record for Idempotency-Key
	claimed   bool          // no other POST has that key; end gives it back

	index bool // of what is below the target, which is no resource

	hook     *hooked // to be asked
	asked    *hooked // that was asked
	decision Decision

	reserved int64 // of the budget for what is held, by the answer

	txn    store.Txn
	ifs    [6]store.Condition
	thens  [2]store.Write
	child  string
	tries  int
	newURI string

	watched  watched
	held     bool // a change is waited for
	over     bool // no longer
	patience time.Duration
	feed     feed
	opening  []byte // of the stream

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
	if q.site.stopping.Load() && !q.held {
		return q.refuse(problemStopping.with("The server is stopping; nothing was changed."))
	}
	e := q.site.find(q.head.URI, q.now)
	if e == nil {
		if step, ok := q.findIndex(); ok {
			return step
		}
		return q.refuse(q.notFound())
	}
	if q.entry != e {
		q.asked, q.decision = nil, Decision{} // a request that was held came to another life
	}
	q.entry, q.index = e, false
	reg := q.site.registered(q.entry)
	q.methods = reg.methods
	if q.head.Method == "OPTIONS" {
		return q.admitContent()
	}
	if v.method == 0 || !q.methods.Has(v.method) {
		return q.refuse(q.notRegistered(), Field{"Allow", allow[q.methods]})
	}
	if v.callback && !q.held {
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
	if p := q.admitHelp(); p != nil {
		return q.refuse(p)
	}
	if q.whole {
		return q.complete()
	}
	if h.expectsContinue() && q.foresee() {
		return stepReply
	}
	return stepRead
}

// admitHelp reads Roost-TTL and Idempotency-Key.
func (q *request) admitHelp() *Problem {
	if q.entry == nil {
		return nil
	}
	if p := q.admitTTL(); p != nil {
		return p
	}
	if q.head.Method == http.MethodPost {
		return q.admitKey()
	}
	return nil
}

// foresee refuses a request whose client waits for 100 (Continue) where the head alone
// decides that (rule 15). What is judged here is judged again with the content.
func (q *request) foresee() bool {
	switch q.head.Method {
	case http.MethodOptions:
		return false
	case http.MethodGet, http.MethodHead:
		return q.foreseeGet()
	}
	if m := q.replyName; m != "" && q.site.replies.lookup(m) != nil {
		return false // the content decides
	}
	if q.head.Method == http.MethodPost && q.fullUp() {
		return true
	}
	rep := q.entry.current.Load()
	if q.head.judge(rep, nil) != failed {
		return false
	}
	q.refusePrecondition(rep)
	return true
}

// foreseeGet refuses what get would, for which the content has no meaning. Where a hook
// decides what is served, that is not known yet.
func (q *request) foreseeGet() bool {
	if q.get() == stepReply && q.reply.status >= http.StatusBadRequest {
		return true
	}
	q.held = false // it begins to wait when it is whole
	return false
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
	if err != nil || len(sent) > maxMediaType {
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
	return q.complete()
}

// complete goes on with a request that is whole, be it without content (rule 35).
func (q *request) complete() step {
	if q.head.lines.digested && (q.head.Method == http.MethodPut || q.head.Method == http.MethodPost) {
		if p := q.checkDigests(); p != nil {
			return q.refuse(p)
		}
	}
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
	if q.index {
		return q.readIndex()
	}
	if q.ask() {
		return stepAsk
	}
	rep := q.entry.current.Load()
	computed := q.decision.Value != nil
	if computed {
		rep = q.compute(rep)
	}
	served := rep.serve(q.site.cfg.ContentSecurityPolicy)
	accept := q.head.Header.Values("Accept")
	if !computed && len(accept) > 0 && wantsStream(accept, &served.mediaType) {
		return q.stream(watched{key: q.entry.key}, q.site.feedValue(q.entry))
	}
	if len(accept) > 0 && negotiate.Accept(accept, &served.mediaType) == 0 {
		p := problemNotAcceptable.with("The resource is there, in another media type than Accept asks for.")
		p.Available = []string{rep.meta.Type}
		return q.refuse(p, served.varies())
	}
	v := served.choose(q.head)
	if v == nil {
		p := problemNotAcceptable.with("Accept-Encoding excludes the value as it is, and every coding that there is; gzip is one.")
		return q.refuse(p, variesCoded)
	}
	switch q.head.judge(rep, v) {
	case failed:
		return q.refusePrecondition(rep)
	case notModified:
		if !computed && q.hold(q.site.watchPath(q.entry.key)) {
			return stepWait
		}
		return q.answerNotModified(v)
	}
	fields := v.fields
	if served.modified > q.now.Unix() {
		fields = q.withModified(fields)
	}
	if q.part(v, fields) {
		return stepReply
	}
	return q.send(reply{status: http.StatusOK, fields: q.withDigests(fields, v, v.value), body: v.value})
}

// compute is the representation that a hook gives in place of rep. Its entity-tag is a hash
// of it, and nobody knows since when it is so.
func (q *request) compute(rep *Representation) *Representation {
	meta := *rep.meta
	if d := &q.decision; d.ContentType != "" {
		meta.Type, meta.Declared = d.ContentType, ""
	}
	meta.Client = false
	hash := sha256.Sum256(q.decision.Value)
	return &Representation{
		item: &store.Item{Value: q.decision.Value}, meta: &meta,
		tag: `"` + hex.EncodeToString(hash[:16]) + `"`,
	}
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
	if q.ask() {
		return stepAsk
	}
	before := e.current.Load()
	grows := int64(len(q.toStore()) - len(before.item.Value))
	if q.site.limited(grows) {
		condition = store.At(resourceKey(e.key), before.item.Revision)
	}
	ifs := append(append(q.ifs[:0], condition), q.site.roomFor(0, grows)...)
	q.thens[0] = store.Write{
		Key: resourceKey(e.key), Meta: before.metaWith(q.toStoreType(), true), Value: q.toStore(),
		Modified: q.now, Expires: until(q.now, q.lifetime(before.meta)),
	}
	return q.commit(len(ifs), 1)
}

func (q *request) post() step {
	if step, ok := q.recall(); ok {
		return step
	}
	parent := q.entry
	if q.fullUp() {
		return stepReply
	}
	condition, ok := q.admitChange()
	if !ok {
		return stepReply
	}
	if q.ask() {
		return stepAsk
	}
	like := parent.current.Load().meta
	meta := resourceMeta{Type: like.Type, Declared: like.Declared, CacheControl: like.CacheControl, TTL: like.TTL, ClientTTL: like.ClientTTL, Client: true}
	meta.retype(q.toStoreType())
	if q.newURI != q.child {
		meta.URI = q.newURI
	}
	if !q.site.cfg.BareChildren {
		meta.Parent, meta.Methods = parent.key, q.methods
	}
	expires := until(q.now, q.lifetime(like))
	ifs, thens := append(q.ifs[:0], condition, store.Absent(resourceKey(q.child))), q.thens[:1]
	thens[0] = store.Write{Key: resourceKey(q.child), Meta: mustJSON(meta), Value: q.toStore(), Modified: q.now, Expires: expires}
	ifs = append(ifs, q.site.roomFor(1, int64(len(q.toStore())))...)
	if q.replyName != "" {
		ifs = append(ifs, store.Absent(replyKey(q.replyName)))
		if limit := q.site.cfg.MaxRemembered; limit > 0 {
			ifs = append(ifs, store.CountBelow(replySpace, uint64(limit)))
		}
		thens = append(thens, q.remember(expires))
	}
	return q.commit(len(ifs), len(thens))
}

// fullUp chooses the URI of the child that a POST makes, or refuses it where there is no
// room for one.
func (q *request) fullUp() bool {
	name, ok := q.site.freeChild(q.entry.key)
	if !ok {
		q.refuse(problemFull.with("Every URI that could be made below this one is in use, or would be too long."), q.withCapacity()...)
		return true
	}
	if limit := q.site.cfg.MaxURI; limit > 0 && q.site.count() >= limit {
		q.refuse(q.noMoreResources(), q.withCapacity()...)
		return true
	}
	if limit := q.site.cfg.MaxRemembered; limit > 0 && q.replyName != "" && q.site.replies.count() >= limit {
		q.refuse(q.noMoreKeys(), q.withCapacity()...)
		return true
	}
	q.child, q.newURI = name, q.childWritten(name)
	return false
}

// childWritten is the URI of a child as the program would write it, which begins as that
// of its parent.
func (q *request) childWritten(key string) string {
	return childURI(q.entry.uri(), key[len(key)-childDigits:])
}

func (q *request) delete() step {
	e := q.entry
	condition, ok := q.admitChange()
	if !ok {
		return stepReply
	}
	if q.ask() {
		return stepAsk
	}
	q.ifs[0] = condition
	q.thens = removal(e.key)
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
		return q.created(&made201{child: q.child, revision: revision, modified: q.now, expires: q.thens[0].Expires})
	}
	return q.finish(http.StatusNoContent, q.withCapacity(nosniff)...)
}

// etagOf is the validator of what a PUT stored, which mostly is the present value.
func (q *request) etagOf(revision uint64) string {
	if now := q.entry.current.Load(); now.item.Revision == revision {
		return now.etag()
	}
	return etag(q.site.epoch, revision)
}

// updated answers a PUT (rule 49). Where a hook changed what came, the client does not have
// what was stored, and gets no validator for it.
func (q *request) updated(location string, revision uint64) step {
	values := [...]string{location, q.etagOf(revision), httpDate(q.now)}
	fields := append(make([]Field, 0, 6), nosniff, Field{"Content-Location", values[0:1:1]})
	if q.decision.Value == nil || q.head.returning() == returnRepresentation {
		fields = append(fields, Field{"Etag", values[1:2:2]}, Field{"Last-Modified", values[2:3:3]})
	}
	fields = withSunset(fields, q.thens[0].Expires)
	switch q.head.returning() {
	case returnRepresentation:
		return q.sendStored(http.StatusOK, q.entry, revision, fields)
	case returnMinimal:
		fields = append(fields, appliedMinimal)
	}
	return q.finish(http.StatusNoContent, fields...)
}

// made201 is what the answer to a POST tells of the child, now or when the POST is repeated.
type made201 struct {
	child             string // its key
	revision          uint64
	modified, expires time.Time
}

// created answers a POST (rule 50).
func (q *request) created(m *made201) step {
	location := q.site.cfg.Prefix + m.child
	lines := []string{location}
	fields := withSunset(q.withCapacity(nosniff,
		Field{"Location", lines},
		Field{"Etag", []string{etag(q.site.epoch, m.revision)}},
		Field{"Last-Modified", []string{httpDate(m.modified)}}), m.expires)
	switch q.head.returning() {
	case returnRepresentation:
		child := q.site.lookup(m.child)
		if q.txn.Then == nil && (child == nil || child.current.Load().item.Revision != m.revision) {
			break // repeated, and what was stored then is not there any more
		}
		return q.sendStored(http.StatusCreated, child, m.revision, append(fields, Field{"Content-Location", lines}))
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
	switch {
	case errors.Is(err, store.ErrFull):
		return q.refuse(problemFull.with("The store has no room for this change."), q.withCapacity()...)
	case errors.Is(err, store.ErrUnknown):
		q.site.log.Error("outcome of a change is unknown", "uri", q.entry.uri(), "method", q.head.Method, "error", err)
		return q.refuse(problemUnknownOutcome.with("Whether the change was made could not be learned. Look before you send it again."))
	case errors.Is(err, store.ErrUnavailable):
		q.logFailure("store is unavailable", err)
		return q.refuse(problemUnavailable.with("The store can't be reached; nothing was changed."))
	case errors.Is(err, store.ErrClosed):
		return q.refuse(problemStopping.with("The server is stopping; nothing was changed."))
	}
	q.logFailure("store failed", err)
	return q.refuse(problemInternal.with("The store failed; nothing was changed. The server's log has the details."))
}

// logFailure tells of the first of the requests of a second that failed so.
func (q *request) logFailure(what string, err error) {
	if q.site.failures.due(time.Now()) {
		q.site.log.Error(what, "uri", q.entry.uri(), "method", q.head.Method, "error", err)
	}
}

func (q *request) conditionFailed(failed *store.ConditionError) step {
	switch failed.Condition.Op {
	case store.OpCountBelow:
		if failed.Condition.Key.Space == replySpace {
			return q.refuse(q.noMoreKeys(), q.withCapacity()...)
		}
		return q.refuse(q.noMoreResources(), q.withCapacity()...)
	case store.OpBytesBelow:
		return q.refuse(q.noMoreBytes(), q.withCapacity()...)
	case store.OpCreated:
		return q.refuse(q.removed())
	case store.OpRevision:
		if now := failed.Present; now == nil || now.Created != q.entry.created {
			return q.refuse(q.removed())
		}
		return q.again() // the preconditions, against what is there now
	case store.OpAbsent:
		return q.again() // with another URI, or what another node remembers
	}
	q.site.log.Error("store failed a condition that was not asked for", "uri", q.entry.uri(), "error", failed)
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

var retrySoon = Field{"Retry-After", []string{"1"}}

// finish answers without content.
func (q *request) finish(status int, fields ...Field) step {
	return q.send(reply{status: status, fields: fields})
}

// send makes r the final answer.
func (q *request) send(r reply) step {
	r.fields = withFields(q.applied(r.fields), q.verdict.Fields)
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
	q.newURI = "" // of a child that was not made
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

// exchange is the request as the program is told of it, with all its field lines; start is
// when its head was read.
func (q *request) exchange(fields http.Header, start time.Time) *Exchange {
	h := q.head
	return &Exchange{
		URI: q.entry.uri(), Method: verbs[h.Method].method, Header: fields, Body: q.content,
		Query: h.Query, Peer: h.Peer, TLS: h.TLS, Time: start,
	}
}

// uri is that of the resource as the program wrote it, else the normal form of the target.
func (q *request) uri() string {
	if q.entry != nil {
		return q.entry.uri()
	}
	return q.head.URI
}

// status is that of the answer; where http.ErrAbortHandler kept one from being made, the
// client saw the connection end.
func (q *request) status() int { return cmp.Or(q.reply.status, http.StatusInternalServerError) }

package roost

import (
	"bytes"
	"context"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"roost/internal/http1"
	"roost/internal/negotiate"
	"roost/internal/reactor"
	"roost/store"
)

// fastCall is one request on the fast plane, from its head on until its answer is with the
// system, and what is due because of it done.
type fastCall struct {
	plane *fastPlane
	conn  *reactor.Conn
	start time.Time

	phase   phase
	patient time.Time // until when it waits for a change
	head    Head
	fields  fieldList
	request request

	body    http1.Body
	content contentBuffer
	begun   time.Time // the content
	until   int64     // octets that the time in force was set for
	dropped int64     // octets of content that came after the answer

	last      bool // no request after this one
	keepAlive bool // is to be told
	replied   bool
	gone      bool // the connection is closed
	busy      bool // do is under way
	alone     bool // the loop has ended
	settled   bool // see settle
	arrived   bool // all of the content was seen
	watching  bool
	watch     watcher

	becomes *fastStream // what the connection goes on as, if not for more requests

	delivery *delivery // where the resource has a callback
	called   bool      // it was handed on
	all      http.Header
}

// phase is what a call waits for.
type phase uint8

const (
	phaseBegun     phase = iota // nothing
	phaseContent                // the content
	phaseElsewhere              // a store or a hook, on a goroutine
	phaseWatch                  // a change
	phaseFlush                  // a slow reader, before others are told of the answer
	phaseDrop                   // the rest of content that nobody wants
	phaseRoom                   // room in the queue of callbacks
	phaseOver
)

// do does something for the call, whatever panics, and ends it when it is over. What closes the
// connection meanwhile is noted only: see closed.
func (k *fastCall) do(f func()) {
	k.busy = true
	k.guard(f)
	k.busy = false
	if k.phase == phaseOver && !k.alone {
		k.release()
	}
}

// guard answers for a gate or a store that panicked. After the answer was begun there is
// nothing left to say, and the connection ends.
func (k *fastCall) guard(f func()) {
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		if r != http.ErrAbortHandler {
			k.plane.server.cfg.Logger.Error("request panicked", "method", k.head.Method, "uri", k.head.URI,
				"panic", r, "stack", string(debug.Stack()))
		}
		if k.replied || r == http.ErrAbortHandler {
			k.replied, k.phase = true, phaseOver
			if !k.gone {
				k.gone = true
				k.conn.Close()
			}
			k.guard(k.settle) // the observer may panic too
			return
		}
		k.unwatch()
		k.guard(func() {
			k.request.failed()
			k.reply()
		})
	}()
	f()
}

// release gives the call back. Its connection goes on, with its stream if it became one, or ends.
func (k *fastCall) release() {
	defer k.conn.GivePlace()
	p, c, stream, last, gone := k.plane, k.conn, k.becomes, k.last, k.gone
	l := laneOf(c)
	*k = fastCall{fields: k.fields.emptied()}
	if len(l.free) < maxFree {
		l.free = append(l.free, k)
	}
	if gone {
		if stream != nil {
			stream.end()
		}
		return
	}
	if stream != nil {
		c.State = stream
		c.Pause()
		stream.pump()
		return
	}
	c.State = nil
	c.Resume()
	if last {
		c.Finish()
	} else {
		setTime(c, p.timeouts().Idle)
	}
}

// takesMore says whether c takes more of what has come.
func (k *fastCall) takesMore(c *reactor.Conn) bool {
	if c.State == nil {
		return c.Ready()
	}
	return c.State == k && (k.phase == phaseContent || k.phase == phaseDrop)
}

func (k *fastCall) begin() {
	q, site := &k.request, &k.plane.server.site
	if k.codes() {
		k.elsewhere(func() func() step {
			first := q.begin(site, &k.head, k.start)
			return func() step { return k.begunWith(first) }
		})
		return
	}
	k.run(k.begunWith(q.begin(site, &k.head, k.start)))
}

// begunWith is the first step, or another where the server has ended.
func (k *fastCall) begunWith(first step) step {
	if q := &k.request; q.callback != nil && !k.beginDelivery() {
		return q.refuse(problemStopping.with("The server is stopping; nothing was changed."))
	}
	return first
}

// codes says whether the answer may have to be coded first, which for a long value is too long
// for a loop: for this request alone, where identity is refused, or to be kept.
func (k *fastCall) codes() bool {
	if !k.head.lines.coding {
		return false
	}
	identity, coding := negotiate.Codings(k.fields.Values("Accept-Encoding"))
	if identity == 0 {
		return true
	}
	if coding <= 0 || k.head.Method != http.MethodGet && k.head.Method != http.MethodHead {
		return false
	}
	e := k.plane.server.site.entries.get(k.head.Target)
	return e == nil || e.current.Load().codes() // another spelling of something, maybe
}

// longCoding is the length of values that take a millisecond or two to code.
const longCoding = 64 << 10

// codes says whether r may have to be coded before it is answered so.
func (r *Representation) codes() bool {
	if len(r.item.Value) < longCoding {
		return false
	}
	s := r.served.Load()
	if s == nil || s == servedOnce {
		return true
	}
	c := s.coded.Load()
	return s.codable && (c == nil || !c.done.Load())
}

// beginDelivery opens the delivery of a request that will have a callback.
func (k *fastCall) beginDelivery() bool {
	k.head.Peer = peerOf(k.conn)
	k.delivery = k.plane.server.courier.begin(k.request.callback, k.request.entry.key, k.head.Peer)
	return k.delivery != nil
}

// run carries steps out until there is an answer, or something to wait for.
func (k *fastCall) run(step step) {
	q, s := &k.request, k.plane.server
	k.phase = phaseBegun
	for {
		switch step {
		case stepReply:
			k.reply()
			return
		case stepRead:
			k.beginContent()
			return
		case stepAsk:
			k.ask()
			return
		case stepCommit:
			q.txn.Mark = made{}
			if k.delivery != nil {
				q.txn.Mark = k.delivery
			}
			if s.storeBlocks {
				k.commit()
				return
			}
			step = q.committed(s.store.Commit(context.Background(), q.txn))
		case stepWait:
			if step = k.beginWatch(); step == stepWait {
				return
			}
		case stepStream:
			if k.stream() {
				return
			}
			step = stepReply
		}
	}
}

// elsewhere has work done on a goroutine, and goes on with what it returns.
func (k *fastCall) elsewhere(work func() func() step) {
	if k.alone { // on such a goroutine already
		k.run(work()())
		return
	}
	k.leave()
	go func() {
		var next func() step
		defer func() {
			p := recover()
			k.comeBack(func() step {
				if p != nil {
					panic(p)
				}
				return next()
			})
		}()
		next = work()
	}()
}

// leave has the connection wait until comeBack.
func (k *fastCall) leave() {
	k.phase = phaseElsewhere
	k.conn.Pause()
	k.conn.ClearTime()
}

// comeBack goes on, from any goroutine, with what next says.
func (k *fastCall) comeBack(next func() step) {
	goOn := func() { k.do(func() { k.run(next()) }) }
	if k.conn.Do(func(bool) { goOn() }) {
		return
	}
	go func() {
		k.conn.Loop().Wait()         // it may be closing connections still
		k.gone, k.alone = true, true // nobody else has the call
		goOn()
	}()
}

// commit makes the change. The request is whole, so it is made even if the client is not there
// any more.
func (k *fastCall) commit() {
	q, st := &k.request, k.plane.server.store
	if async, ok := st.(store.AsyncCommitter); ok && !k.alone {
		k.leave()
		async.CommitAsync(context.Background(), q.txn, func(revision uint64, err error) {
			k.comeBack(func() step { return q.committed(revision, err) })
		})
		return
	}
	k.elsewhere(func() func() step {
		revision, err := st.Commit(context.Background(), q.txn)
		return func() step { return q.committed(revision, err) }
	})
}

// ask has the program's hook decide.
func (k *fastCall) ask() {
	q, hooks := &k.request, &k.plane.server.hooks
	hook, e := q.hook.hook, k.exchange()
	k.elsewhere(func() func() step {
		d, err := hooks.run(context.Background(), hook, e)
		return func() step { return q.decided(d, err, time.Now()) }
	})
}

// beginContent waits for the content.
func (k *fastCall) beginContent() {
	if k.gone { // while the call was elsewhere: nothing would tell of it again
		k.received(contentBroken)
		return
	}
	k.phase = phaseContent
	k.conn.Resume() // if it was begun elsewhere
	k.begun = k.conn.Loop().Now()
	k.content = contentBuffer{budget: &k.plane.server.pending}
	k.body.Reset(k.head.Length, nil)
	if k.head.expectsContinue() {
		k.conn.Write(continues)
	}
	setTime(k.conn, k.plane.timeouts().Content)
}

var continues = []byte("HTTP/1.1 100 Continue\r\n\r\n")

// receive takes content in.
func (k *fastCall) receive(b []byte) (used int, more bool) {
	c := k.conn
	k.do(func() {
		switch k.phase {
		case phaseContent:
			used = k.read(b)
		case phaseDrop:
			used = k.drop(b)
		}
	})
	return used, k.takesMore(c)
}

// read takes a piece of the content.
func (k *fastCall) read(b []byte) int {
	q := &k.request
	content, used, done, err := k.body.Next(b)
	switch {
	case err != nil && err.Kind == http1.KindLargeFields:
		k.run(q.refuse(malformed(err)))
		return len(b)
	case err != nil:
		k.received(contentBroken)
		return len(b)
	}
	k.arrived = done
	limit, room := q.maxContent, &k.content
	if count := int64(len(room.buf) + len(content)); limit >= 0 && count > limit {
		k.run(q.received(nil, contentLarge, count, k.conn.Loop().Now()))
		return used
	}
	if !room.add(content, limit, k.head.Length) {
		k.received(contentNoRoom)
		return used
	}
	switch {
	case done:
		k.conn.ClearTime()
		k.run(q.received(slices.Clip(room.trim()), contentWhole, int64(len(room.buf)), k.conn.Loop().Now()))
	case k.plane.timeouts().ContentRate > 0 && int64(len(room.buf))-k.until >= k.plane.timeouts().ContentRate:
		k.setContentTime()
	}
	return used
}

// setContentTime sets the time by which the content must be whole, for what came so far.
func (k *fastCall) setContentTime() {
	t := k.plane.timeouts()
	if t.Content < 0 {
		k.conn.ClearTime()
		return
	}
	k.until = int64(len(k.content.buf))
	k.conn.SetTime(max(time.Nanosecond, k.begun.Add(t.content(k.until)).Sub(k.conn.Loop().Now())))
}

// received goes on without content that could not be had.
func (k *fastCall) received(fault contentFault) {
	k.run(k.request.received(nil, fault, int64(len(k.content.buf)), k.conn.Loop().Now()))
}

// add adds a piece of content of a length of up to limit, or declared, if they are known.
func (c *contentBuffer) add(piece []byte, limit, declared int64) bool {
	if c.buf == nil && int64(len(piece)) == declared { // it came at once
		if !c.budget.take(declared) {
			return false
		}
		c.reserved, c.buf = declared, bytes.Clone(piece)
		return true
	}
	for cap(c.buf)-len(c.buf) < len(piece) {
		if !c.grow(limit, declared) {
			return false
		}
	}
	c.buf = append(c.buf, piece...)
	return true
}

// reply writes the answer, and goes on as far as it can without waiting.
func (k *fastCall) reply() {
	q := &k.request
	a := &q.reply
	k.phase = phaseBegun
	k.last = k.last || a.close || k.plane.server.site.stopping.Load() || !q.whole && k.head.Length > maxDropped
	k.replied = true
	if !k.gone {
		k.plane.write(k.conn, a, k.head.Method, k.connection())
	}
	if k.delivery == nil && k.plane.server.cfg.Observer == nil || k.gone {
		k.told()
		return
	}
	k.phase = phaseFlush
	if k.conn.Flush() {
		k.told()
	}
}

// connection is the value of the field Connection, if it is sent (RFC 9112 §9.3).
func (k *fastCall) connection() string {
	switch {
	case k.last:
		return "close"
	case k.keepAlive:
		return "keep-alive"
	}
	return ""
}

// told goes on when the answer is with the system, or nobody cares.
func (k *fastCall) told() {
	k.settle()
	switch {
	case k.gone || k.last:
		k.phase = phaseOver
		k.plane.keepPlace(k.conn, k.called)
	case k.request.whole || k.arrived:
		k.rest()
	default:
		if k.begun.IsZero() {
			k.body.Reset(k.head.Length, nil)
		}
		k.phase = phaseDrop
		k.conn.Resume()
		setTime(k.conn, k.plane.timeouts().Content)
	}
}

// keepPlace has a connection that ends hold its place while there is no room in the queue of
// callbacks, if one of them is its own: clients that come, ask and go would fill the queue
// without bound.
func (p *fastPlane) keepPlace(c *reactor.Conn, called bool) {
	courier := p.server.courier
	if !called || !courier.crowded() {
		return
	}
	c.KeepPlace()
	go func() {
		courier.pause()
		c.Do(func(bool) { c.GivePlace() })
	}()
}

// rest ends the call, when there is room in the queue of callbacks (rule 57).
func (k *fastCall) rest() {
	courier := k.plane.server.courier
	if !k.called || !courier.crowded() {
		k.phase = phaseOver
		return
	}
	k.phase = phaseRoom
	c := k.conn
	c.Pause()
	c.ClearTime()
	c.KeepPlace() // as in keepPlace: longer than the call, if the client goes
	go func() {
		courier.pause()
		c.Do(func(open bool) {
			c.GivePlace()
			if open {
				k.do(func() { k.phase = phaseOver })
			}
		})
	}()
}

// settle tells the observer and the callback, once, and gives back what the call held.
func (k *fastCall) settle() {
	if k.settled {
		return
	}
	k.settled = true
	defer k.giveBack()
	k.callBack()
	if o := k.plane.server.cfg.Observer; o != nil {
		q := &k.request
		rec := k.record(q.status(), int64(len(q.reply.body)))
		rec.Body, rec.NewURI = q.content, q.newURI
		o.Request(rec)
	}
}

// callBack hands the exchange to the courier.
func (k *fastCall) callBack() {
	q := &k.request
	if k.delivery == nil {
		return
	}
	if q.callback == nil {
		k.delivery.callback = func(*Exchange) {} // a POST that was answered before
	}
	e := k.exchange()
	e.NewURI, e.Status = q.newURI, q.status()
	k.plane.server.courier.answered(k.delivery, e)
	k.delivery, k.called = nil, true
}

func (k *fastCall) giveBack() {
	q := &k.request
	q.end()
	k.plane.server.pending.give(k.content.reserved + q.reserved)
	k.content.reserved, q.reserved = 0, 0
}

// record is what the observer is told.
func (k *fastCall) record(status int, sent int64) *RequestRecord {
	q := &k.request
	return &RequestRecord{
		Method: k.head.Method, URI: q.uri(), Query: k.head.Query, Header: k.allFields(), Status: status,
		Proto: k.fields.proto, Peer: peerOf(k.conn),
		Start: k.start, Duration: time.Since(k.start), Sent: sent,
	}
}

func (k *fastCall) exchange() *Exchange {
	if k.head.Peer == "" {
		k.head.Peer = peerOf(k.conn)
	}
	return k.request.exchange(k.allFields(), k.start)
}

// allFields are the request's field lines.
func (k *fastCall) allFields() http.Header {
	if k.all == nil {
		k.all = k.fields.header()
	}
	return k.all
}

// maxDropped is how much content is read and dropped to keep a connection (rule 14).
const maxDropped = 256 << 10

// drop drops content that nobody wants.
func (k *fastCall) drop(b []byte) int {
	content, used, done, err := k.body.Next(b)
	k.dropped += int64(len(content))
	switch {
	case err != nil || k.dropped > maxDropped:
		k.last = true
		k.phase = phaseOver
	case done:
		k.rest()
	}
	return used
}

// ended goes on when the client has ended its side in the middle of its request.
func (k *fastCall) ended() {
	switch k.phase {
	case phaseContent:
		k.received(contentBroken)
	case phaseDrop:
		k.last = true
		k.phase = phaseOver
	}
}

// left goes on when the client has ended its side while it waits.
func (k *fastCall) left() {
	if k.phase == phaseWatch {
		k.endWatch()
	}
}

func (k *fastCall) flushed() {
	switch k.phase {
	case phaseFlush:
		k.told()
	case phaseContent:
		k.setContentTime()
	case phaseDrop:
		setTime(k.conn, k.plane.timeouts().Content)
	case phaseWatch: // the answers before it had to wait
		k.setPatience()
	}
}

func (k *fastCall) expired() {
	switch k.phase {
	case phaseContent:
		k.received(contentLate)
	case phaseDrop:
		k.last = true
		k.phase = phaseOver
	case phaseWatch:
		k.endWatch()
	}
}

func (k *fastCall) woken() {
	if k.phase == phaseWatch {
		k.changed(false)
	}
}

// closed goes on without a connection. Where the connection is closed by what the call does
// itself, gone is noted before that goes on.
func (k *fastCall) closed() {
	switch k.phase {
	case phaseContent:
		k.received(contentBroken)
	case phaseWatch:
		k.endWatch()
	case phaseFlush:
		k.told()
	case phaseDrop, phaseRoom:
		k.phase = phaseOver
	}
}

// beginWatch holds a long poll (rule 41). It returns stepWait, or what to do instead.
func (k *fastCall) beginWatch() step {
	q, hub := &k.request, &k.plane.server.site.hub
	// A poll may go on as a stream, which watches something else: what the hub has is not
	// the request's.
	k.watch = watcher{waker: k.conn, guest: true}
	if !hub.add(&k.watch, q.watched) {
		return q.noRoomToWatch()
	}
	k.watching = true
	// A change may have come before it was watched.
	if step := q.changed(k.conn.Loop().Now(), hub.isStopped() || k.gone); step != stepWait {
		k.unwatch()
		return step
	}
	k.phase = phaseWatch
	k.conn.Pause()
	k.patient = k.conn.Loop().Now().Add(q.patience)
	k.setPatience()
	return stepWait
}

// setPatience sets the time that is left of a long poll.
func (k *fastCall) setPatience() {
	k.conn.SetTime(max(time.Nanosecond, k.patient.Sub(k.conn.Loop().Now())))
}

// endWatch answers with what there is.
func (k *fastCall) endWatch() { k.changed(true) }

// changed judges again, and goes on unless there is nothing else to say.
func (k *fastCall) changed(over bool) {
	q, hub := &k.request, &k.plane.server.site.hub
	step := q.changed(time.Now(), over || hub.isStopped())
	if step == stepWait {
		return
	}
	k.unwatch()
	k.run(step)
}

func (k *fastCall) unwatch() {
	if k.watching {
		k.plane.server.site.hub.remove(&k.watch)
		k.watching = false
	}
}

// setHead fills in the head from what was parsed, which stands at the start of b.
func (k *fastCall) setHead(h *http1.Head, b []byte) {
	k.last, k.keepAlive = h.Close, h.KeepAlive
	k.fields.set(h, b)
	k.head = Head{
		Method: methodName(h.Method), Target: string(h.Target), Host: k.fields.host,
		Header: &k.fields, Length: h.Length, Major: 1, Minor: h.Minor,
	}
	if k.plane.server.cfg.Gate != nil {
		k.head.Peer = peerOf(k.conn)
	}
	seen := h.Seen
	k.head.lines = fieldLines{
		twice:       h.Twice != 0,
		conditional: seen&conditions != 0,
		ranged:      seen.Has(http1.Range),
		coding:      seen.Has(http1.AcceptEncoding),
		wants:       seen.Has(http1.WantReprDigest) || seen.Has(http1.WantContentDigest),
		digested:    seen.Has(http1.ReprDigest) || seen.Has(http1.ContentDigest),
	}
}

const conditions = http1.Set(1<<http1.IfMatch | 1<<http1.IfNoneMatch | 1<<http1.IfModifiedSince | 1<<http1.IfUnmodifiedSince)

// methodName is the method as a string, which for those that are served is made already.
func methodName(b []byte) string {
	for i := range methodTokens {
		if string(b) == methodTokens[i] {
			return methodTokens[i]
		}
	}
	return string(b)
}

var methodTokens = [...]string{"GET", "PUT", "POST", "HEAD", "DELETE", "OPTIONS"}

// fieldList are the field lines of a request: a Header.
type fieldList struct {
	ids           []http1.ID
	names, values []string
	seen          http1.Set
	host          string
	proto         string
}

// set takes the lines of h, which stands at the start of b.
func (l *fieldList) set(h *http1.Head, b []byte) {
	text := string(b[:h.Size])
	l.seen, l.proto = h.Seen, protos[h.Sent]
	for i := range h.Fields {
		f := &h.Fields[i]
		_, at := f.At()
		value := text[at : at+len(f.Value)]
		name := f.ID.String()
		if f.ID == http1.Other {
			name = http1.Canonical(f.Name)
		}
		if f.ID == http1.Host {
			l.host = value
		}
		l.ids, l.names, l.values = append(l.ids, f.ID), append(l.names, name), append(l.values, value)
	}
}

var protos = [...]string{"HTTP/1.0", "HTTP/1.1", "HTTP/1.2", "HTTP/1.3", "HTTP/1.4", "HTTP/1.5", "HTTP/1.6", "HTTP/1.7", "HTTP/1.8", "HTTP/1.9"}

// emptied is the list without its lines, and the room that they took.
func (l *fieldList) emptied() fieldList {
	clear(l.names)
	clear(l.values)
	return fieldList{ids: l.ids[:0], names: l.names[:0], values: l.values[:0]}
}

// find is the place of the next line of a name, after the place before; negative if there is
// none. For most names that are asked for the set of those that came says so.
func (l *fieldList) find(name string, id http1.ID, before int) int {
	if !l.seen.Has(id) {
		return -1
	}
	for i := before + 1; i < len(l.ids); i++ {
		if l.ids[i] == id && (id != http1.Other || strings.EqualFold(l.names[i], name)) {
			return i
		}
	}
	return -1
}

// Get implements [Header].
func (l *fieldList) Get(name string) string {
	if i := l.find(name, http1.Lookup(name), -1); i >= 0 {
		return l.values[i]
	}
	return ""
}

// Values implements [Header].
func (l *fieldList) Values(name string) []string {
	id := http1.Lookup(name)
	first := l.find(name, id, -1)
	if first < 0 {
		return nil
	}
	second := l.find(name, id, first)
	if second < 0 {
		return l.values[first : first+1 : first+1]
	}
	all := []string{l.values[first]}
	for i := second; i >= 0; i = l.find(name, id, i) {
		all = append(all, l.values[i])
	}
	return all
}

// header is the list as others take it, to keep.
func (l *fieldList) header() http.Header {
	h := make(http.Header, len(l.names))
	for i, name := range l.names {
		h[name] = append(h[name], l.values[i])
	}
	return h
}

package roost

import (
	"context"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
)

// referencePlane carries the steps of a request out on net/http. What it can't do
// there by the letter is listed in docs/http.md.
type referencePlane struct {
	server *Server

	// own says that the requests come by the server's own listeners, whose
	// connections bound their writes themselves.
	own bool
}

// wire is what a request came by, and its answer goes by.
type wire struct {
	plane *referencePlane
	w     http.ResponseWriter
	r     *http.Request
	start time.Time
	sent  int64 // octets of the answer's content
}

// call is one request on the reference plane.
type call struct {
	wire
	head    Head
	request request
	content contentReader
	replied bool       // the answer was begun
	stream  *streaming // that the answer is, if it is one

	delivery *delivery   // where the resource has a callback
	called   bool        // the delivery was handed on
	fields   http.Header // allFields of the request, once needed
}

var calls = sync.Pool{New: func() any { return new(call) }}

func (p *referencePlane) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := calls.Get().(*call)
	c.plane, c.w, c.r, c.start = p, w, r, time.Now()
	c.serve()
	stream := c.stream
	*c = call{}
	calls.Put(c)
	if stream != nil {
		stream.serve()
	}
}

func (c *call) serve() {
	s := c.plane.server
	defer c.settle()
	defer c.recover()
	readHead(&c.head, c.r)
	q := &c.request
	step := q.begin(&s.site, &c.head, c.start)
	if q.callback != nil && !c.beginDelivery() {
		step = q.refuse(problemStopping.with("The server is stopping; nothing was changed."))
	}
	for step != stepReply {
		switch step {
		case stepRead:
			step = c.read()
		case stepAsk:
			step = c.ask()
		case stepCommit:
			step = c.commit()
		case stepWait:
			step = c.wait()
		case stepStream:
			if c.beginStream() {
				return
			}
			step = stepReply
		}
	}
	c.reply(&q.reply)
}

// beginDelivery opens the delivery of a request that will have a callback. It is
// false when the server has ended.
func (c *call) beginDelivery() bool {
	q := &c.request
	courier := c.plane.server.courier
	if c.r.ProtoMajor > 1 {
		// A stream can't pause after its answer, which ends with the handler.
		courier.pause()
	}
	c.delivery = courier.begin(q.callback, q.entry.key, c.peer())
	return c.delivery != nil
}

// peer is whose callbacks come in the order of the answers; empty where the address
// does not tell one connection from another.
func (c *call) peer() string {
	if c.r.RemoteAddr == "@" {
		return ""
	}
	return c.r.RemoteAddr
}

// read receives the content.
func (c *call) read() step {
	s := c.plane.server
	c.content = contentReader{
		contentBuffer: contentBuffer{budget: &s.pending},
		body:          c.r.Body, conn: http.NewResponseController(c.w), timeouts: &s.cfg.Timeouts,
	}
	content, count, fault := c.content.read(c.request.maxContent, c.head.Length)
	return c.request.received(content, fault, count, time.Now())
}

// commit makes the change. The request is whole, so it is made even if the client is
// not there any more, or only ended its side.
func (c *call) commit() step {
	s, q := c.plane.server, &c.request
	ctx := context.Background()
	if s.storeBlocks {
		ctx = context.WithoutCancel(c.r.Context())
	}
	q.txn.Mark = made{}
	if c.delivery != nil {
		q.txn.Mark = c.delivery
	}
	return q.committed(s.store.Commit(ctx, q.txn))
}

// ask has the program's hook decide, also for a client that only ended its side.
func (c *call) ask() step {
	q := &c.request
	c.unbind()
	d, err := c.plane.server.hooks.run(context.WithoutCancel(c.r.Context()), q.hook.hook, c.exchange())
	return q.decided(d, err, time.Now())
}

// recover answers for a gate or a store that panicked. After the answer was begun
// there is nothing left to say, and net/http ends the connection.
func (c *call) recover() {
	r := recover()
	if r == nil {
		return
	}
	if c.replied || r == http.ErrAbortHandler {
		panic(r)
	}
	c.plane.server.cfg.Logger.Error("request panicked", "method", c.head.Method, "uri", c.head.URI,
		"panic", r, "stack", string(debug.Stack()))
	c.request.failed()
	c.reply(&c.request.reply)
}

// settle ends the call: it tells the observer and the callback, and gives back
// what the call held, whatever panics. The content stays in the budget while the
// connection waits for callbacks. A stream has told its callback, and ends by itself.
func (c *call) settle() {
	defer func() { c.plane.server.pending.give(c.content.reserved + c.request.reserved) }()
	defer c.request.end()
	if c.stream != nil {
		return
	}
	defer c.deliver()
	if c.plane.server.cfg.Observer != nil {
		c.observe()
	}
}

// writeStep is the most that is written at once, and so under one deadline: a reader
// makes progress if it takes as much within Timeouts.Write.
const writeStep = 16 << 10

// reply sends the answer.
func (c *call) reply(a *reply) {
	c.sendHead(a)
	c.write(a.body)
}

func (c *call) sendHead(a *reply) {
	h := c.w.Header()
	for i := range a.fields {
		f := &a.fields[i]
		if f.Name == "Vary" && len(h["Vary"]) > 0 { // a router's before this server
			h["Vary"] = slices.Concat(h["Vary"], f.Values)
			continue
		}
		h[f.Name] = f.Values
	}
	if a.close && c.r.ProtoMajor == 1 {
		h["Connection"] = closeLine
	}
	if !c.request.whole {
		c.boundDrain(a.close)
	}
	c.boundWrite()
	c.replied = true
	c.w.WriteHeader(a.status)
}

var closeLine = []string{"close"}

// write is false when the client is gone, or takes nothing; net/http closes the connection
// then.
func (o *wire) write(body []byte) bool {
	for len(body) > 0 {
		part := body[:min(len(body), writeStep)]
		n, err := o.w.Write(part)
		o.sent += int64(n)
		if err != nil {
			return false
		}
		if body = body[len(part):]; len(body) > 0 {
			o.boundWrite()
		}
	}
	return true
}

// boundWrite gives the client Timeouts.Write to take what is written next. A stream
// of HTTP/2 can stand still while its connection does not.
func (o *wire) boundWrite() {
	if o.plane.own && o.r.ProtoMajor == 1 {
		return
	}
	if limit := o.plane.server.cfg.Timeouts.Write; limit > 0 {
		http.NewResponseController(o.w).SetWriteDeadline(time.Now().Add(limit))
	}
}

// boundDrain bounds the time in which net/http reads and drops the rest of the
// content, which it does without any limit of its own: to keep the connection
// (rule 14), or before it closes one. The server's own connections drain by
// themselves when they close.
func (c *call) boundDrain(closing bool) {
	limit := c.plane.server.cfg.Timeouts.Content
	switch {
	case closing && c.r.ProtoMajor > 1:
		return // net/http resets the stream
	case closing && c.plane.own:
		limit = 0
	case closing:
		limit = lingerTime
	case limit < 0:
		return
	}
	http.NewResponseController(c.w).SetReadDeadline(time.Now().Add(limit))
}

// deliver hands the exchange to the courier when the answer is on the wire, and
// keeps the connection from its next request while the queue is full.
func (c *call) deliver() {
	if !c.called {
		c.callBack()
	}
	if c.called && c.r.ProtoMajor == 1 {
		c.plane.server.courier.pause()
	}
}

// callBack hands the exchange to the courier.
func (c *call) callBack() {
	if c.delivery == nil {
		return
	}
	if c.replied {
		http.NewResponseController(c.w).Flush()
	}
	if c.request.callback == nil {
		c.delivery.callback = func(*Exchange) {} // a POST that was answered before
	}
	e := c.exchange()
	e.NewURI, e.Status = c.request.newURI, c.request.status()
	c.plane.server.courier.answered(c.delivery, e)
	c.delivery, c.called = nil, true
}

func (c *call) exchange() *Exchange { return c.request.exchange(c.allFields(), c.start) }

func (c *call) observe() {
	q := &c.request
	rec := c.record(q.uri(), c.head.Query, q.status())
	rec.Header, rec.Body, rec.NewURI = c.allFields(), q.content, q.newURI
	c.plane.server.cfg.Observer.Request(&rec)
}

// record begins what the observer is told.
func (o *wire) record(uri, query string, status int) RequestRecord {
	return RequestRecord{
		Method: o.r.Method, URI: uri, Query: query, Status: status,
		Proto: o.r.Proto, Peer: o.r.RemoteAddr, TLS: o.r.TLS,
		Start: o.start, Duration: time.Since(o.start), Sent: o.sent,
	}
}

// allFields are the request's field lines, with those that net/http keeps apart
// (rule 57).
func (c *call) allFields() http.Header {
	if c.fields == nil {
		c.fields = allFields(c.r)
	}
	return c.fields
}

func allFields(r *http.Request) http.Header {
	all := r.Header.Clone()
	if all == nil {
		all = make(http.Header)
	}
	if r.Host != "" {
		all["Host"] = []string{r.Host}
	}
	if len(r.TransferEncoding) > 0 {
		all["Transfer-Encoding"] = r.TransferEncoding
	}
	return all
}

// readHead fills in h from what net/http parsed.
func readHead(h *Head, r *http.Request) {
	h.Method, h.Target, h.Host, h.Header = r.Method, r.RequestURI, r.Host, r.Header
	h.Length, h.Major, h.Minor = r.ContentLength, r.ProtoMajor, r.ProtoMinor
	h.Peer, h.TLS = r.RemoteAddr, r.TLS
	if h.Target == "" { // made in this process, not read from a connection
		h.Target = r.URL.RequestURI()
		if h.Host == "" {
			h.Host = "localhost"
		}
	}
	h.rewritten = rewritten(h.Target, r.URL)
	if h.rewritten {
		h.router = r.URL.EscapedPath()
	}
	h.lines.count(r.Header)
}

// rewritten says whether a router changed the path of a request since target was
// read. Both are alike to the letter but for odd targets.
func rewritten(target string, u *url.URL) bool {
	path, _, _ := strings.Cut(target, "?")
	if path == u.Path || path == "*" {
		return false
	}
	if _, rest, ok := strings.Cut(path, "://"); ok && !strings.HasPrefix(path, "/") {
		slash := strings.IndexByte(rest, '/')
		if slash < 0 {
			return u.Path != ""
		}
		path = rest[slash:]
	}
	decoded, err := url.PathUnescape(path)
	return err == nil && decoded != u.Path
}

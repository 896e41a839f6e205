package roost

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"roost/internal/http1"
	"roost/internal/reactor"
)

const hasFastPlane = true

// fastPlane carries the steps of requests out on event loops: a complete server of HTTP/1.0 and
// 1.1 for listeners in the clear (RFC 9112). Nothing on a loop waits: a change waits for a store
// that blocks, and a hook for its program, on a goroutine.
type fastPlane struct {
	server *Server
	plain  bool // a plain GET concerns nobody but its resource: see quick

	mu        sync.Mutex
	reactor   *reactor.Reactor // made with the first listener
	listeners []*reactor.Listener
	stopped   bool // no listener is taken any more
}

// lane is what the connections of one loop share.
type lane struct {
	plane  *fastPlane
	parser http1.Parser
	head   http1.Head
	date   http1.Date
	first  firstAnswers
	free   []*fastCall // at rest
}

// maxFree bounds the calls that a lane keeps at rest.
const maxFree = 64

func laneOf(c *reactor.Conn) *lane { return c.Loop().Scratch.(*lane) }

func (p *fastPlane) prepare(s *Server) {
	cfg := s.cfg
	p.server = s
	p.plain = cfg.Gate == nil && cfg.Observer == nil && len(cfg.CORS) == 0 && len(cfg.Hosts) == 0 && cfg.Prefix == ""
}

// listen takes the connections of a listener. It returns nil when no more are taken at all.
func (p *fastPlane) listen(l net.Listener) (*reactor.Listener, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return nil, nil
	}
	if p.reactor == nil {
		conns := p.server.listening.conns
		loops, err := reactor.New(p, reactor.Options{
			Write: p.server.cfg.Timeouts.Write, Linger: lingerTime, Drop: lingerBytes,
			Logger: p.server.cfg.Logger, Scratch: func() any { return &lane{plane: p} },
			Take: conns.take, Release: conns.release,
		})
		if err != nil {
			return nil, err
		}
		p.reactor = loops
	}
	listener, err := p.reactor.Listen(l)
	if err == nil {
		p.listeners = append(p.listeners, listener)
	}
	return listener, err
}

// present is nil where there are no loops.
func (p *fastPlane) present() *reactor.Reactor {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reactor
}

// takes says whether the plane serves a listener.
func (p *fastPlane) takes(l net.Listener) bool {
	if cfg := p.server.cfg; cfg.Plane == PlaneReference || p.server.listening.tls {
		return false
	}
	switch l.(type) {
	case *net.TCPListener, *net.UnixListener:
		return true
	}
	return false
}

// serve serves a listener until it or the plane is closed.
func (p *fastPlane) serve(l net.Listener) error {
	defer l.Close()
	listener, err := p.listen(l)
	if listener == nil || err != nil {
		return err
	}
	<-listener.Done()
	return nil
}

// stopListening closes the listeners.
func (p *fastPlane) stopListening() {
	p.mu.Lock()
	all := p.listeners
	p.listeners, p.stopped = nil, true
	p.mu.Unlock()
	for _, l := range all {
		l.Close()
	}
}

// closeIdle closes the connections that have no request under way, and no answer: a reader may
// still be taking one whose request is over.
func (p *fastPlane) closeIdle() {
	if loops := p.present(); loops != nil {
		loops.Each(func(c *reactor.Conn) {
			if isIdle(c) && !c.Busy() {
				c.Close()
			}
		})
	}
}

// open is how many connections there are.
func (p *fastPlane) open() int {
	if loops := p.present(); loops != nil {
		return loops.Len()
	}
	return 0
}

// drain returns when no connection is open any more.
func (p *fastPlane) drain(ctx context.Context) error {
	const most = 50 * time.Millisecond
	for pause := time.Millisecond; ; pause = min(2*pause, most) {
		p.closeIdle()
		if p.open() == 0 {
			return nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (p *fastPlane) close() {
	p.stopListening()
	if loops := p.present(); loops != nil {
		loops.Close()
	}
}

// partial is a head that has come in part.
type partial struct {
	parser http1.Parser
	head   http1.Head
}

// setTime sets the time of a connection; none if d is not positive.
func setTime(c *reactor.Conn, d time.Duration) {
	if d > 0 {
		c.SetTime(d)
	} else {
		c.ClearTime()
	}
}

func (p *fastPlane) timeouts() *Timeouts { return &p.server.cfg.Timeouts }

// Opened implements [reactor.Handler].
func (p *fastPlane) Opened(c *reactor.Conn) { setTime(c, p.timeouts().Head) }

// Received implements [reactor.Handler].
func (p *fastPlane) Received(c *reactor.Conn, b []byte) int {
	used := 0
	for more := true; more && used < len(b); {
		var n int
		n, more = p.take(c, b[used:])
		used += n
	}
	if c.State == nil { // else a request is under way, or there was none
		setTime(c, p.timeouts().Idle)
	}
	return used
}

// take takes in what comes next, and says whether more may be taken now.
func (p *fastPlane) take(c *reactor.Conn, b []byte) (used int, more bool) {
	switch s := c.State.(type) {
	case nil:
		return p.begin(c, b, 0)
	case emptyLines:
		c.State = nil
		return p.begin(c, b, s)
	case *partial:
		done, err := s.parser.Parse(b, &s.head)
		switch {
		case err != nil:
			p.refuse(c, malformed(err), s.head.Method)
			return len(b), false
		case !done:
			return 0, false
		}
		c.State = nil
		return s.head.Size, p.request(c, &s.head, b)
	case *fastCall:
		return s.receive(b)
	}
	return 0, false
}

// begin takes the head of a request, after some empty lines.
func (p *fastPlane) begin(c *reactor.Conn, b []byte, before emptyLines) (used int, more bool) {
	l := laneOf(c)
	l.parser.Before = uint8(before)
	done, err := l.parser.Parse(b, &l.head)
	switch {
	case err != nil:
		l.parser.Reset()
		p.refuse(c, malformed(err), l.head.Method)
		return len(b), false
	case !done && areEmptyLines(b): // rule 2: they begin no request
		l.parser.Reset()
		c.State = before + emptyLines(len(b)/len("\r\n"))
		return len(b), true
	case !done:
		c.State = &partial{l.parser, l.head}
		l.parser, l.head = http1.Parser{}, http1.Head{}
		setTime(c, p.timeouts().Head)
		return 0, false
	}
	if p.quick(c, l, &l.head) {
		return l.head.Size, c.Ready()
	}
	return l.head.Size, p.request(c, &l.head, b)
}

// emptyLines is how many have come since the last request. It is the state of a connection that
// is silent otherwise: they earn no time.
type emptyLines uint8

// areEmptyLines says whether b has nothing but whole ones.
func areEmptyLines(b []byte) bool {
	rest := bytes.TrimLeft(b, "\r\n") // of which the parser has seen that each is one
	return len(rest) == 0 && b[len(b)-1] == '\n'
}

// isIdle says whether no request is under way.
func isIdle(c *reactor.Conn) bool {
	switch c.State.(type) {
	case nil, emptyLines:
		return true
	}
	return false
}

// quickFields are those that change nothing of the answer to a GET that nobody is asked or told
// about, with Accept where it takes everything.
const quickFields = http1.Harmless | 1<<http1.Other | 1<<http1.Cookie | 1<<http1.Accept |
	1<<http1.Forwarded | 1<<http1.XForwardedFor | 1<<http1.XForwardedProto

// quick answers a plain GET with what is ready made. It is the way that request takes, without
// the steps that decide nothing here; where it is false nothing was done.
func (p *fastPlane) quick(c *reactor.Conn, l *lane, h *http1.Head) bool {
	site := &p.server.site
	switch {
	case !p.plain, string(h.Method) != "GET", h.Length != 0, h.Minor == 0, h.Close, !h.Seen.Within(quickFields), site.stopping.Load():
		return false
	case h.Seen.Has(http1.Accept) && (h.Twice.Has(http1.Accept) || string(h.Get(http1.Accept)) != "*/*"):
		return false
	}
	e := site.entries.getBytes(h.Target) // a target that is a key is its own normal form
	if e == nil {
		return false
	}
	reg := site.registered(e)
	if reg.callback != nil || !reg.methods.Has(GET) || site.hookOf(e, GET) != nil {
		return false
	}
	rep := e.current.Load()
	now := c.Loop().Now()
	if rep.expired(now) {
		return false
	}
	if rep.served.Load() == nil {
		if b, ok := l.first.append(c.Buffer(), rep, now, &l.date); ok {
			rep.served.CompareAndSwap(nil, servedOnce)
			c.SetBuffer(b)
			c.WriteShared(rep.item.Value)
			return true
		}
	}
	served := rep.serve(site.cfg.ContentSecurityPolicy)
	if served.modified > now.Unix() {
		return false
	}
	a := served.ready()
	b := c.Buffer()
	at := len(b) + a.date
	b = append(b, a.octets...)
	copy(b[at:], l.date.At(now.Unix()))
	c.SetBuffer(b)
	if a.body != nil {
		c.WriteShared(a.body)
	}
	return true
}

// request begins a request whose head is whole and stands at the start of b. It is true where
// more of what comes can be taken.
func (p *fastPlane) request(c *reactor.Conn, h *http1.Head, b []byte) bool {
	k := laneOf(c).call()
	k.plane, k.conn, k.start = p, c, c.Loop().Now()
	c.KeepPlace() // as long as the call goes on: clients that ask and go would make goroutines without bound
	k.setHead(h, b)
	c.State = k
	k.do(k.begin)
	return k.takesMore(c)
}

// call returns a call at rest.
func (l *lane) call() *fastCall {
	if n := len(l.free); n > 0 {
		k := l.free[n-1]
		l.free = l.free[:n-1]
		return k
	}
	return new(fastCall)
}

// refuse answers a request whose head can't be had, and ends the connection. method is what is known
// of it: an answer to HEAD has no content.
func (p *fastPlane) refuse(c *reactor.Conn, problem *Problem, method []byte) {
	h := Head{Method: methodName(method), Header: http.Header{}}
	q := request{site: &p.server.site, head: &h, now: c.Loop().Now()}
	q.refuse(problem)
	p.write(c, &q.reply, h.Method, "close")
	c.State = nil
	c.Finish()
}

// malformed is the problem that a message is.
func malformed(err *http1.Error) *Problem {
	k := problemMalformed
	switch err.Kind {
	case http1.KindHost:
		k = problemBadHost
	case http1.KindLongMethod:
		return problemUnknownMethod.closing().withLimit(err.Limit, err.Value, "", err.Text)
	case http1.KindLongTarget:
		return problemLongTarget.withLimit(err.Limit, err.Value, "", err.Text)
	case http1.KindLargeFields:
		return problemLargeFields.withLimit(err.Limit, err.Value, "", err.Text)
	case http1.KindVersion:
		k = problemVersion
	case http1.KindUnknownCoding:
		k = problemTransferCoding
	}
	return k.closing().with(err.Text)
}

// write writes an answer; connection is the value of Connection, if it is sent.
func (p *fastPlane) write(c *reactor.Conn, a *reply, method, connection string) {
	b := appendHead(c, a, connection)
	if len(a.body) == 0 && hasBody(a.status, method) && !hasField(a.fields, "Content-Length") {
		b = http1.AppendIntField(b, "Content-Length", 0)
	}
	c.SetBuffer(http1.AppendEnd(b))
	c.WriteShared(a.body)
}

// appendHead appends the head of an answer, but for its end, to what c has to write.
func appendHead(c *reactor.Conn, a *reply, connection string) []byte {
	b := http1.AppendStatusLine(c.Buffer(), a.status)
	b = laneOf(c).date.AppendDate(b, c.Loop().Now().Unix())
	b = appendFields(b, a.fields)
	if connection != "" {
		b = http1.AppendField(b, "Connection", connection)
	}
	return b
}

// hasBody says whether an answer has content, be it of no octets (RFC 9110 §6.4.1).
func hasBody(status int, method string) bool {
	return method != http.MethodHead && status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

func hasField(fields []Field, name string) bool {
	for i := range fields {
		if fields[i].Name == name {
			return true
		}
	}
	return false
}

// Ended implements [reactor.Handler].
func (p *fastPlane) Ended(c *reactor.Conn) {
	if k, ok := c.State.(*fastCall); ok {
		k.do(k.ended)
		return
	}
	c.Close() // between requests, or in a head, which nobody can answer yet
}

// Left implements [reactor.Handler].
func (p *fastPlane) Left(c *reactor.Conn) {
	switch s := c.State.(type) {
	case *fastCall:
		s.do(s.left)
	case *fastStream:
		s.finish() // what was pipelined behind it is answered
	}
}

// Flushed implements [reactor.Handler].
func (p *fastPlane) Flushed(c *reactor.Conn) {
	switch s := c.State.(type) {
	case nil, emptyLines:
		setTime(c, p.timeouts().Idle)
	case *partial:
		setTime(c, p.timeouts().Head)
	case *fastCall:
		s.do(s.flushed)
	case *fastStream:
		s.pump()
	}
}

// Expired implements [reactor.Handler].
func (p *fastPlane) Expired(c *reactor.Conn) {
	switch s := c.State.(type) {
	case nil, emptyLines:
		c.Close() // rule 13: in silence
	case *partial:
		p.refuse(c, problemLateHead.with(fmt.Sprintf("The head of the request was not whole within %v.", p.timeouts().Head)), s.head.Method)
	case *fastCall:
		s.do(s.expired)
	case *fastStream:
		s.pump()
	}
}

// Woken implements [reactor.Handler].
func (p *fastPlane) Woken(c *reactor.Conn) {
	switch s := c.State.(type) {
	case *fastCall:
		s.do(s.woken)
	case *fastStream:
		s.pump()
	}
}

// Closed implements [reactor.Handler].
func (p *fastPlane) Closed(c *reactor.Conn) {
	switch s := c.State.(type) {
	case *fastCall:
		s.gone = true
		if !s.busy {
			s.do(s.closed)
		}
	case *fastStream:
		s.end()
	}
	p.observe(c)
}

// observe tells the observer of a connection that has ended.
func (p *fastPlane) observe(c *reactor.Conn) {
	o := p.server.cfg.Observer
	if o == nil {
		return
	}
	defer p.guardObserver()
	o.Connection(&ConnectionRecord{
		Listener: c.Listener().String(), Peer: peerOf(c),
		Start: c.Start(), Duration: time.Since(c.Start()),
		Received: c.Received(), Sent: c.Sent(),
	})
}

// guardObserver is deferred around an observer that is called on a loop, with nobody else to
// answer for it.
func (p *fastPlane) guardObserver() {
	if r := recover(); r != nil {
		p.server.cfg.Logger.Error("observer panicked", "panic", r, "stack", string(debug.Stack()))
	}
}

// peerOf is the other end's address, as package net writes it.
func peerOf(c *reactor.Conn) string {
	peer := c.Peer()
	if !peer.IsValid() {
		return unixPeer(c.ID()).String()
	}
	return net.TCPAddrFromAddrPort(peer).String()
}

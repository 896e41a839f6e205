package roost

import (
	"encoding/base64"
	"html"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"roost/internal/condition"
	"roost/internal/negotiate"
)

// The bounds of a page of the index (rule 47).
const (
	defaultPage  = 100
	maxPage      = 1000
	maxPageBytes = 1 << 20 // of values; one is on a page whatever its length
)

// page is what a request asks of the index.
type page struct {
	limit int
	after string
	depth int // 0 for any
	value bool
}

// listed is a resource in the index, and in events about several.
type listed struct {
	Change      ChangeKind `json:"change,omitempty"`
	URI         string     `json:"uri"`
	ETag        string     `json:"etag,omitempty"`
	ContentType string     `json:"content_type,omitempty"`
	Methods     []string   `json:"methods,omitempty"`
	Size        *int       `json:"size,omitempty"`
	Modified    *time.Time `json:"modified,omitempty"`
	Value       *string    `json:"value,omitempty"`
	Base64      *string    `json:"base64,omitempty"`
}

// withValue adds the value as text, or in Base64 where it is none.
func (l *listed) withValue(rep *Representation) {
	if rep.isText() {
		text := string(rep.item.Value)
		l.Value = &text
		return
	}
	text := base64.StdEncoding.EncodeToString(rep.item.Value)
	l.Base64 = &text
}

// findIndex looks for what is below a path that is no resource. It is false where there is
// no index, or nothing to show.
func (q *request) findIndex() (step, bool) {
	h := q.head
	if q.site.tree == nil || !strings.HasSuffix(h.URI, "/") {
		return 0, false
	}
	if any, _ := q.site.shown(h.URI, page{limit: 1}, q.now); len(any) == 0 {
		return 0, false
	}
	switch h.Method {
	case http.MethodOptions:
		return q.finish(http.StatusNoContent, q.withCapacity(nosniff, Field{"Allow", allow[GET]})...), true
	case http.MethodGet, http.MethodHead:
		q.index = true
		return q.admitContent(), true
	}
	return q.refuse(problemMethod.with("This is the index of what is below; it answers GET, HEAD and OPTIONS."), Field{"Allow", allow[GET]}), true
}

// shown lists what a client may GET below path, up to what fits a page, and says whether
// there is more.
func (s *site) shown(path string, p page, now time.Time) (all []*entry, more bool) {
	bytes := 0
	for after := p.after; ; {
		step := s.below(path, after)
		for _, e := range step {
			rep := e.current.Load()
			switch {
			case rep.expired(now), !s.visible(e):
				continue
			case p.depth > 0 && depth(path, e.key) > p.depth:
				continue
			}
			bytes += len(rep.item.Value)
			if len(all) == p.limit || p.value && bytes > maxPageBytes && len(all) > 0 {
				return all, true
			}
			all = append(all, e)
		}
		if len(step) < listStep {
			return all, false
		}
		after = step[len(step)-1].key
	}
}

// visible says whether the index may tell of e: GET is registered, and no hook of the
// program's decides about it, which the index would bypass.
func (g *registry) visible(e *entry) bool {
	return g.registered(e).methods.Has(GET) && g.hookOf(e, GET) == nil
}

// below lists up to listStep entries below path whose keys come after another.
func (g *registry) below(path, after string) []*entry {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.tree.below(path) == nil {
		return nil
	}
	return g.tree.byKey.list(path, max(path, after), listStep) // path itself is not below
}

// indexTag is the validator of the index at path, and weak, as its form does not count.
func (g *registry) indexTag(path string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	last, ok := g.tree.last(path)
	if !ok {
		return ""
	}
	return "W/" + etag(g.epoch, last)
}

// readIndex answers GET and HEAD of the index.
func (q *request) readIndex() step {
	h := q.head
	p, problem := parsePage(h.Query)
	if problem != nil {
		return q.refuse(problem)
	}
	accept := h.Header.Values("Accept")
	path := h.URI
	if wantsStream(accept, plainJSON) && !prefersPage(accept) {
		return q.stream(watched{fits: func(e *entry) bool { return isBelow(path, e.key) }}, q.site.feedTree(path))
	}
	json, page := negotiate.Accept(accept, plainJSON), prefersPage(accept)
	if json == 0 && !page {
		problem := problemNotAcceptable.with("The index is there as JSON, as a page and as an event stream.")
		problem.Available = []string{JSON, Text, streamType}
		return q.refuse(problem, varies)
	}
	tag := q.site.indexTag(path)
	switch judgeWeak(h, tag) {
	case failed:
		return q.refuse(problemPrecondition.with("A condition of the request does not hold for the index, whose entity-tag is weak."), Field{"Etag", []string{tag}})
	case notModified:
		if q.hold(q.site.watchPath(path)) {
			return stepWait
		}
		return q.finish(http.StatusNotModified, nosniff, Field{"Etag", []string{tag}}, Field{"Cache-Control", noCache}, varies)
	}
	return q.sendIndex(path, p, tag, page)
}

// watchPath watches for another answer at path: one that ends in "/" may become a resource,
// and cease to be one, where there is an index.
func (s *site) watchPath(path string) watched {
	if s.tree == nil || !strings.HasSuffix(path, "/") {
		return watched{key: path}
	}
	return watched{fits: func(e *entry) bool { return e.key == path || isBelow(path, e.key) }}
}

func isBelow(path, key string) bool { return len(key) > len(path) && strings.HasPrefix(key, path) }

// prefersPage says whether the index is wanted as a page: HTML is named, and weighs as
// much as JSON or more, or JSON is not acceptable at all.
func prefersPage(accept []string) bool {
	if len(accept) == 0 {
		return false
	}
	html, json := negotiate.Accept(accept, htmlPage), negotiate.Accept(accept, plainJSON)
	return html > 0 && (json == 0 || html >= json && negotiate.Named(accept, htmlPage))
}

// judgeWeak applies the preconditions to a representation with a weak tag and no date.
func judgeWeak(h *Head, tag string) judgement {
	if !h.lines.conditional {
		return holds
	}
	if lines := h.Header.Values("If-Match"); len(lines) > 0 && !condition.Any(lines) {
		return failed
	}
	if lines := h.Header.Values("If-None-Match"); condition.Any(lines) || condition.Weak(lines, tag) {
		return notModified
	}
	return holds
}

// parsePage reads the query of the index. What it does not know it leaves alone.
func parsePage(query string) (page, *Problem) {
	p := page{limit: defaultPage}
	values, err := url.ParseQuery(query)
	if err != nil {
		return p, problemQuery.with("The query can't be read: " + err.Error() + ".")
	}
	number := func(name string, least, most, otherwise int) (int, *Problem) {
		if !values.Has(name) {
			return otherwise, nil
		}
		n, err := strconv.Atoi(values.Get(name))
		if err != nil || n < least || n > most || len(values[name]) > 1 {
			return 0, problemQuery.withLimit(int64(most), int64(n), "", name+" is one number from "+strconv.Itoa(least)+" to limit.")
		}
		return n, nil
	}
	var problem *Problem
	if p.limit, problem = number("limit", 1, maxPage, defaultPage); problem != nil {
		return p, problem
	}
	if p.depth, problem = number("depth", 1, maxTarget, 0); problem != nil {
		return p, problem
	}
	value, problem := number("value", 0, 1, 0)
	if problem != nil {
		return p, problem
	}
	p.value = value == 1
	if len(values["after"]) > 1 {
		return p, problemQuery.with("after is one URI, the last of the page before.")
	}
	p.after = values.Get("after")
	return p, nil
}

// next is the query of the page that follows.
func (p page) next(last string) string {
	q := url.Values{"after": {last}, "limit": {strconv.Itoa(p.limit)}}
	if p.depth > 0 {
		q.Set("depth", strconv.Itoa(p.depth))
	}
	if p.value {
		q.Set("value", "1")
	}
	return q.Encode()
}

func (q *request) sendIndex(path string, p page, tag string, asPage bool) step {
	entries, more := q.site.shown(path, p, q.now)
	wire, next := q.site.cfg.Prefix, ""
	if more {
		next = wire + path + "?" + p.next(entries[len(entries)-1].key)
	}
	all := make([]listed, 0, len(entries))
	for _, e := range entries {
		all = append(all, q.site.tell(e, p.value))
	}
	body, mediaType := jsonIndex(all), JSON
	if asPage {
		body, mediaType = htmlIndex(wire, path, all, next), "text/html; charset=utf-8"
	}
	if q.reserved = int64(len(body)); !q.site.pending.take(q.reserved) {
		q.reserved = 0
		return q.refuse(problemBusy.withLimit(q.site.cfg.MaxPendingBytes, 0, "max-pending", "Too many pages of the index are being sent at once."))
	}
	fields := []Field{
		nosniff, varies,
		{"Content-Type", []string{mediaType}}, {"Content-Length", []string{strconv.Itoa(len(body))}},
		{"Etag", []string{tag}}, {"Cache-Control", noCache},
	}
	if next != "" {
		fields = append(fields, Field{"Link", []string{"<" + next + `>; rel="next"`}})
	}
	if asPage {
		fields = append(fields, noScripts)
	}
	return q.send(reply{status: http.StatusOK, fields: q.withDigests(fields, newVariant(body, "", nil), body), body: body})
}

// tell is what the index says of a resource.
func (s *site) tell(e *entry, value bool) listed {
	rep := e.current.Load()
	size, modified := len(rep.item.Value), rep.item.Modified.UTC()
	l := listed{
		URI: e.key, ETag: rep.etag(), ContentType: rep.meta.Type,
		Methods: s.registered(e).methods.Names(), Size: &size, Modified: &modified,
	}
	if value {
		l.withValue(rep)
	}
	return l
}

func jsonIndex(all []listed) []byte {
	return append(mustJSON(struct {
		Resources []listed `json:"resources"`
	}{all}), '\n')
}

func htmlIndex(wire, path string, all []listed, next string) []byte {
	var b strings.Builder
	b.WriteString(beginHTML(wire+path) + "<table>\n")
	b.WriteString("<tr><th>URI<th>type<th>octets<th>changed\n")
	for i := range all {
		l := &all[i]
		uri := html.EscapeString(l.URI)
		b.WriteString(`<tr><td><a href="` + html.EscapeString(wire) + uri + `">` + uri + "</a><td>" + html.EscapeString(l.ContentType) + "<td>" + strconv.Itoa(*l.Size) +
			"<td>" + l.Modified.Format(time.RFC3339) + "\n")
		if l.Value != nil {
			b.WriteString("<tr><td colspan=\"4\"><pre>" + html.EscapeString(*l.Value) + "</pre>\n")
		}
	}
	b.WriteString("</table>\n")
	if next != "" {
		b.WriteString(`<p><a rel="next" href="` + html.EscapeString(next) + "\">next</a></p>\n")
	}
	b.WriteString("</html>\n")
	return []byte(b.String())
}

// treeFeed tells of all that is below a path: first what is there, then each change
// (rule 47). It has no memory of what it told: while it tells what is there, changes wait
// in the history, and where they wait too long it starts over.
type treeFeed struct {
	site   *site
	path   string
	cursor cursor

	telling bool // what is there
	page    []*entry
	after   string // key of the last one of the page
	begun   uint64 // revision at which telling began
	event   event  // that is being sent
}

func (s *site) feedTree(path string) opener {
	return func(lastEventID string) (feed, []byte) {
		f := &treeFeed{site: s, path: path}
		return f, append(retryLine(), f.open(lastEventID)...)
	}
}

func (f *treeFeed) fits(e *entry) bool { return isBelow(f.path, e.key) }

// pageOfFeed is how many resources are looked up at once.
const pageOfFeed = 64

func (f *treeFeed) next(now time.Time) ([]byte, bool) {
	switch {
	case f.site.hub.isStopped():
		return nil, true
	case !f.event.over():
		return f.event.next(), false
	case f.telling:
		return f.tell(now), false
	}
	for {
		c, read := f.site.hub.read(&f.cursor, f.fits, -1)
		switch read {
		case behind:
			f.startOver()
			return resetEvent, false
		case nothing:
			return nil, false
		}
		if f.begin(&c) {
			return f.event.next(), false
		}
	}
}

// open goes on where the client was, or starts over, which it is told.
func (f *treeFeed) open(lastEventID string) []byte {
	if revision, ok := parseEventID(f.site.epoch, lastEventID); ok {
		if f.cursor, ok = f.site.hub.after(revision); ok {
			return heartbeat
		}
	}
	f.startOver()
	if lastEventID == "" {
		return nil
	}
	return resetEvent
}

func (f *treeFeed) startOver() {
	f.telling, f.page, f.after = true, nil, f.path
	f.cursor, f.begun = f.site.hub.present()
}

// tell tells of what is there. Only when all is told comes an id: a client that is cut off
// before starts over.
func (f *treeFeed) tell(now time.Time) []byte {
	if len(f.page) == 0 {
		f.page, _ = f.site.shown(f.path, page{limit: pageOfFeed, after: f.after}, now)
	}
	if len(f.page) == 0 {
		f.telling, f.page = false, nil
		return []byte(eventID(etag(f.site.epoch, f.begun)) + "\n")
	}
	e := f.page[0]
	f.page, f.after = f.page[1:], e.key
	f.event = eventOf(e, e.current.Load(), Created, "")
	return f.event.next()
}

// begin makes an event of a change. It is false where the client does not see it: what was hidden
// when it happened is not told later either.
func (f *treeFeed) begin(c *change) bool {
	kind := c.kind
	switch {
	case kind == shownKind:
		kind = Created
	case kind == hiddenKind:
		kind = Deleted
	case !c.shown, kind != Deleted && !f.site.visible(c.entry):
		return false
	}
	f.event = eventOf(c.entry, c.rep, kind, eventID(etag(f.site.epoch, c.revision)))
	return true
}

func eventOf(e *entry, rep *Representation, kind ChangeKind, id string) event {
	l := listed{Change: kind, URI: e.key}
	if kind == Deleted {
		return lineEvent(id, l, nil)
	}
	l.ETag, l.ContentType = rep.etag(), rep.meta.Type
	return lineEvent(id, l, rep)
}

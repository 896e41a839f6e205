package roost_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"roost"
)

// A model is what docs/http-rules.md makes of a server, written plainly and slowly: it says
// what the next answer will be, and is told what only the server can choose, which are
// revisions and the URIs of children.
type model struct {
	epoch    string
	revision uint64 // the newest that is known
	things   map[string]*thing
	kept     map[string]*kept // POSTs, by the parent's life and the key
	folders  map[string]*folderTag
	lives    int

	maxThings, maxKept int
	maxBytes           int    // 0 for any
	floor              uint64 // the revision up to which the server knows no history

	log      []*happened
	calls    []string // callbacks that are due
	mayReset bool     // watchers may start over in this step
}

// thing is a resource in one life.
type thing struct {
	uri       string
	life      int
	value     string
	mediaType string
	revision  uint64
	modified  time.Time
	expires   time.Time // zero for never
	ttl       time.Duration
	clientTTL bool

	parent     *thing
	own        bool // it has a registration of its own
	methods    roost.Method
	calledBack bool
	made       roost.Method // what the parent answered when this was made
	adoptable  bool         // the store brought it, and the program has not declared it since
	gone       bool
}

// kept is a POST with an Idempotency-Key.
type kept struct {
	body, sentType string
	answer         *want
	until          time.Time
}

// happened is a change that watchers are told of.
type happened struct {
	kind     roost.ChangeKind
	uri      string
	thing    *thing
	revision uint64 // 0 while it is not known
	visible  bool   // to those who may GET
	expired  bool   // it is the end of its time
	reshaped bool   // what is visible changed by a registration, or by a parent's end
	etag     string
	value    string
	typ      string
}

// folderTag is what is known of the index's tag at a path.
type folderTag struct {
	revision uint64
	// open: by a registration the tag became newer, or, if free, may have.
	open, free bool
}

const (
	shownThing  roost.ChangeKind = "shown"
	hiddenThing roost.ChangeKind = "hidden"
)

func newModel(maxThings, maxKept int) *model {
	return &model{things: map[string]*thing{}, kept: map[string]*kept{}, folders: map[string]*folderTag{}, maxThings: maxThings, maxKept: maxKept}
}

// answers is what a thing is registered for: itself, or as what it was made under, while
// that is there.
func (t *thing) answers() roost.Method {
	switch {
	case t.own:
		return t.methods
	case t.parent != nil && !t.parent.gone:
		return t.parent.answers()
	}
	return t.made
}

func (t *thing) callsBack() bool {
	if t.own || t.parent == nil {
		return t.calledBack
	}
	return !t.parent.gone && t.parent.callsBack()
}

func (m *model) tag(t *thing) string     { return fmt.Sprintf(`"%s-%d"`, m.epoch, t.revision) }
func (m *model) gzipTag(t *thing) string { return fmt.Sprintf(`"%s-%d-gzip"`, m.epoch, t.revision) }

// allow is the field Allow (rule 21).
func allow(methods roost.Method) string {
	var all []string
	for _, name := range methods.Names() {
		if all = append(all, name); name == "GET" {
			all = append(all, "HEAD")
		}
	}
	return strings.Join(append(all, "OPTIONS"), ", ")
}

// question is a request.
type question struct {
	method, uri, query, body string
	fields                   map[string]string
}

func (a question) String() string {
	s := a.method + " " + a.uri + a.query
	for _, name := range slices.Sorted(maps.Keys(a.fields)) {
		s += fmt.Sprintf(" [%s: %.60s]", name, a.fields[name])
	}
	if a.body != "" {
		s += fmt.Sprintf(" %.20q", a.body)
	}
	return s
}

func (a question) has(name string) bool { _, ok := a.fields[name]; return ok }

// list is the members of a list field.
func (a question) list(name string) []string { return strings.Split(a.fields[name], ", ") }

// prefers is the value of a preference, of which the first counts.
func (a question) prefers(name string) string {
	for _, p := range a.list("Prefer") {
		if n, value, _ := strings.Cut(p, "="); n == name {
			return value
		}
	}
	return ""
}

// want is the answer that the rules call for.
type want struct {
	status int
	fields map[string]string // the compared ones that it must have; it must have no other of them
	body   string
	any    bool // content is not compared
	coded  bool // with gzip
	page   []indexed
	hold   time.Duration       // a long poll that waits so long
	then   func(answer) string // takes over what the server chose, or says what is wrong with it
}

// compared are the fields that every answer is compared by.
var compared = []string{
	"Accept-Ranges", "Allow", "Cache-Control", "Content-Encoding", "Content-Length", "Content-Location", "Content-Range", "Content-Type", "Etag",
	"Last-Modified", "Link", "Location", "Preference-Applied", "Retry-After", "Roost-Capacity", "Sunset",
}

// chosen stands for a field's value that only the server knows.
const chosen = "(chosen)"

func answerOf(status int, fields ...string) *want {
	w := &want{status: status, fields: map[string]string{}}
	for i := 0; i < len(fields); i += 2 {
		w.fields[fields[i]] = fields[i+1]
	}
	if status >= 400 {
		w.any = true
		w.fields["Cache-Control"], w.fields["Content-Type"], w.fields["Content-Length"] = "no-store", chosen, chosen
	}
	return w
}

func (w *want) with(name, value string) *want {
	if value != "" {
		w.fields[name] = value
	}
	return w
}

func (m *model) capacity() string { return m.capacityWith(0, 0) }

// capacityWith is the capacity with so many more things and octets.
func (m *model) capacityWith(things, octets int) string {
	s := fmt.Sprintf("resources=%d;limit=%d", m.maxThings-len(m.things)-things, m.maxThings)
	if m.maxBytes > 0 {
		s += fmt.Sprintf(", bytes=%d;limit=%d", m.maxBytes-m.bytes()-octets, m.maxBytes)
	}
	return s
}

// bytes is how long all values are together.
func (m *model) bytes() (n int) {
	for _, t := range m.things {
		n += len(t.value)
	}
	return n
}

func dateOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(http.TimeFormat)
}

// answer says what a request gets, in the order of rule 1.
func (m *model) answer(a question) *want {
	t := m.things[a.uri]
	if t == nil {
		if len(m.shown(a.uri, "", 0)) > 0 {
			return m.index(a)
		}
		return answerOf(404)
	}
	if a.method == "OPTIONS" {
		return answerOf(204, "Allow", allow(t.answers()), "Roost-Capacity", m.capacity())
	}
	method, err := roost.ParseMethod(strings.Replace(a.method, "HEAD", "GET", 1))
	if err != nil || !t.answers().Has(method) {
		return answerOf(405, "Allow", allow(t.answers()))
	}
	w := m.refusedHead(a, t)
	if w == nil {
		switch a.method {
		case "GET", "HEAD":
			w = m.get(a, t)
		case "PUT":
			w = m.put(a, t)
		case "POST":
			w = m.post(a, t)
		case "DELETE":
			w = m.delete(a, t)
		}
	}
	return w
}

// refusedHead is what is wrong with the head (rules 31, 34, 40, 50, 56).
func (m *model) refusedHead(a question, t *thing) *want {
	changes := a.method == "PUT" || a.method == "POST"
	ttl, err := strconv.Atoi(a.fields["Roost-Ttl"])
	switch {
	case a.method == "PUT" && a.has("Content-Range"):
		return answerOf(400)
	case changes && !accepted(a.fields["Content-Type"], t):
		return answerOf(415)
	case changes && a.has("Content-Encoding") && a.fields["Content-Encoding"] != "identity":
		return answerOf(415)
	case a.has("Roost-Ttl") && (!changes || !t.clientTTL || err != nil || ttl < 1):
		return answerOf(400)
	case a.method == "POST" && a.has("Idempotency-Key") && strings.Trim(a.fields["Idempotency-Key"], `"`) == "":
		return answerOf(400)
	}
	return nil
}

const form = "application/x-www-form-urlencoded"

func bare(mediaType string) string {
	name, _, _ := strings.Cut(mediaType, ";")
	return strings.ToLower(strings.TrimSpace(name))
}

func accepted(mediaType string, t *thing) bool {
	six := []string{"", form, roost.Text, roost.XML, roost.Plain, roost.JSON, roost.Octet, roost.AppXML, bare(t.mediaType)}
	return slices.Contains(six, bare(mediaType))
}

// typeOf is the type of what a request stores.
func typeOf(a question, t *thing) string {
	if sent := a.fields["Content-Type"]; sent != "" && bare(sent) != form {
		return sent
	}
	return t.mediaType
}

// sentType is the field that a type is sent in (rule 29).
func sentType(mediaType, value string) string {
	if b := bare(mediaType); (b == roost.Text || b == roost.Plain) && b == strings.ToLower(mediaType) && utf8.ValidString(value) {
		return mediaType + "; charset=utf-8"
	}
	return mediaType
}

// weigh is the weight that a list gives to the first of names that it has.
func weigh(list []string, names ...string) (weight float64, named bool) {
	for _, name := range names {
		for _, member := range list {
			member, q, weighted := strings.Cut(member, ";q=")
			if member != name {
				continue
			}
			if weight = 1; weighted {
				weight, _ = strconv.ParseFloat(q, 64)
			}
			return weight, true
		}
	}
	return 0, false
}

// acceptable is the weight that Accept gives to a type (rule 26), and if it is by name.
func acceptable(a question, mediaType string) (weight float64, byName bool) {
	if a.fields["Accept"] == "" {
		return 1, false
	}
	kind, _, _ := strings.Cut(mediaType, "/")
	if w, ok := weigh(a.list("Accept"), mediaType); ok {
		return w, true
	}
	weight, _ = weigh(a.list("Accept"), kind+"/*", "*/*")
	return weight, false
}

// coding is the variant that a request selects (rule 33).
func coding(a question, t *thing) (gzip, none bool) {
	if a.fields["Accept-Encoding"] == "" {
		return false, false
	}
	list := a.list("Accept-Encoding")
	coded, _ := weigh(list, "gzip", "*")
	plain, said := weigh(list, "identity", "*")
	worth := bare(t.mediaType) != roost.Octet && bare(t.mediaType) != "image/png" && t.value == prose
	switch {
	case said && plain == 0:
		return coded > 0, coded == 0
	case coded > 0 && worth && (!said || coded >= plain):
		return true, false
	}
	return false, false
}

// failedConditions are rules 36 to 38: 412, 304, or 0 where they hold. By tag says that the
// 304 is of If-None-Match.
func (m *model) failedConditions(a question, t *thing, gzip bool) (status int, byTag bool) {
	reads := a.method == "GET" || a.method == "HEAD"
	modified := t.modified.Truncate(time.Second)
	since, err := http.ParseTime(a.fields["If-Unmodified-Since"])
	if a.has("If-Match") {
		if !slices.ContainsFunc(a.list("If-Match"), func(tag string) bool { return tag == "*" || tag == m.tag(t) || tag == m.gzipTag(t) }) {
			return 412, false
		}
	} else if err == nil && modified.After(since) {
		return 412, false
	}
	variants := []string{m.tag(t), m.gzipTag(t)}
	if reads && gzip {
		variants = variants[1:]
	} else if reads {
		variants = variants[:1]
	}
	matches := func(tag string) bool { return tag == "*" || slices.Contains(variants, strings.TrimPrefix(tag, "W/")) }
	since, err = http.ParseTime(a.fields["If-Modified-Since"])
	switch {
	case a.has("If-None-Match") && slices.ContainsFunc(a.list("If-None-Match"), matches):
		if reads {
			return 304, true
		}
		return 412, true
	case !a.has("If-None-Match") && reads && err == nil && !modified.After(since):
		return 304, false
	}
	return 0, false
}

// waits is how long a poll is held (rule 41).
func waits(a question) time.Duration {
	seconds, err := strconv.Atoi(a.prefers("wait"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds), 55) * time.Second
}

func (m *model) get(a question, t *thing) *want {
	gzip, none := coding(a, t)
	if weight, _ := acceptable(a, bare(t.mediaType)); weight == 0 || none {
		return answerOf(406)
	}
	tag := m.tag(t)
	if gzip {
		tag = m.gzipTag(t)
	}
	switch status, byTag := m.failedConditions(a, t, gzip); {
	case status == 412:
		return answerOf(412, "Etag", m.tag(t))
	case status == 304:
		w := answerOf(304, "Etag", tag, "Cache-Control", "no-cache")
		if byTag {
			w.hold = waits(a)
		}
		return w
	}
	w := answerOf(200, "Etag", tag, "Last-Modified", dateOf(t.modified), "Content-Type", sentType(t.mediaType, t.value),
		"Cache-Control", "no-cache", "Accept-Ranges", "bytes").with("Sunset", dateOf(t.expires))
	w.body = t.value
	if gzip {
		w.coded = true
		w.with("Content-Encoding", "gzip")
	}
	if a.method == "GET" && (!a.has("If-Range") || a.fields["If-Range"] == tag) {
		if part := w.part(a.fields["Range"]); part != nil {
			return part
		}
	}
	return w
}

// part is the range of an answer (rule 40); nil where the range is ignored.
func (w *want) part(asked string) *want {
	size := len(w.body)
	spec, ok := strings.CutPrefix(asked, "bytes=")
	first, last, dash := strings.Cut(spec, "-")
	if !ok || !dash || size == 0 || strings.Contains(spec, ",") {
		return nil
	}
	from, err1 := strconv.Atoi(first)
	to, err2 := strconv.Atoi(last)
	switch {
	case first == "" && err2 == nil:
		from, to = max(0, size-to), size-1
	case err1 == nil && last == "":
		to = size - 1
	case err1 != nil || err2 != nil || to < from:
		return nil
	}
	if from >= size {
		return answerOf(416, "Content-Range", fmt.Sprintf("bytes */%d", size))
	}
	to = min(to, size-1)
	w.status, w.body = 206, w.body[from:to+1]
	return w.with("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, size))
}

// stores gives t what a request, or the program, writes into it at a revision.
func (m *model) stores(t *thing, value, mediaType string, ttl time.Duration, kind roost.ChangeKind, tag string) string {
	if wrong := m.learn(t, tag); wrong != "" {
		return wrong
	}
	now := time.Now()
	t.value, t.mediaType, t.modified, t.expires = value, mediaType, now, time.Time{}
	if ttl == 0 {
		ttl = t.ttl
	}
	if ttl > 0 {
		t.expires = now.Add(ttl)
	}
	m.happens(kind, t, t.revision)
	return ""
}

// learn takes over the revision in a new entity-tag.
func (m *model) learn(t *thing, tag string) string {
	epoch, digits, ok := strings.Cut(strings.Trim(tag, `"`), "-")
	revision, err := strconv.ParseUint(digits, 10, 64)
	if m.epoch == "" {
		m.epoch = epoch
	}
	if !ok || err != nil || epoch != m.epoch || tag != fmt.Sprintf(`"%s-%d"`, epoch, revision) || revision <= m.revision {
		return fmt.Sprintf("tag %s after revision %d", tag, m.revision)
	}
	t.revision, m.revision = revision, revision
	return ""
}

func (m *model) asksTTL(a question) time.Duration {
	seconds, _ := strconv.Atoi(a.fields["Roost-Ttl"])
	return time.Duration(seconds) * time.Second
}

func (t *thing) sunset(asked time.Duration) string {
	if asked == 0 {
		asked = t.ttl
	}
	if asked == 0 {
		return ""
	}
	return dateOf(time.Now().Add(asked))
}

func (m *model) put(a question, t *thing) *want {
	if status, _ := m.failedConditions(a, t, false); status != 0 {
		return answerOf(412, "Etag", m.tag(t))
	}
	ttl, mediaType := m.asksTTL(a), typeOf(a, t)
	w := answerOf(204, "Content-Location", t.uri, "Etag", chosen, "Last-Modified", dateOf(time.Now())).with("Sunset", t.sunset(ttl))
	if a.prefers("return") == "representation" {
		w.status, w.body = 200, a.body
		w.with("Content-Type", sentType(mediaType, a.body)).with("Preference-Applied", "return=representation")
	}
	if a.prefers("return") == "minimal" {
		w.with("Preference-Applied", "return=minimal")
	}
	w.then = func(got answer) string {
		return m.stores(t, a.body, mediaType, ttl, roost.Updated, got.Header.Get("Etag"))
	}
	return w
}

func (m *model) post(a question, t *thing) *want {
	key := fmt.Sprint(t.life, " ", strings.Trim(a.fields["Idempotency-Key"], `"`))
	mediaType, ttl, keyed := typeOf(a, t), m.asksTTL(a), a.has("Idempotency-Key")
	if k := m.kept[key]; keyed && k != nil {
		if k.body != a.body || k.sentType != a.fields["Content-Type"] {
			return answerOf(422)
		}
		again := *k.answer
		again.then = nil
		again.fields = maps.Clone(k.answer.fields)
		return again.with("Roost-Capacity", m.capacity())
	}
	if len(m.things) >= m.maxThings || keyed && len(m.kept) >= m.maxKept {
		return answerOf(507, "Roost-Capacity", m.capacity())
	}
	if status, _ := m.failedConditions(a, t, false); status != 0 {
		return answerOf(412, "Etag", m.tag(t))
	}
	child := &thing{parent: t, made: t.answers(), ttl: t.ttl, clientTTL: t.clientTTL}
	w := answerOf(201, "Location", chosen, "Etag", chosen, "Last-Modified", dateOf(time.Now()), "Content-Type", "text/plain; charset=utf-8",
		"Roost-Capacity", m.capacityWith(1, len(a.body))).with("Sunset", t.sunset(ttl))
	w.body = chosen
	switch a.prefers("return") {
	case "minimal":
		w.body = ""
		delete(w.fields, "Content-Type")
		w.with("Preference-Applied", "return=minimal")
	case "representation":
		w.body = a.body
		w.with("Content-Type", sentType(mediaType, a.body)).with("Preference-Applied", "return=representation").with("Content-Location", chosen)
	}
	w.then = func(got answer) string {
		child.uri = got.Header.Get("Location")
		if wrong := m.badChild(t, child.uri); wrong != "" {
			return wrong
		}
		if at := got.Header.Get("Content-Location"); at != "" && at != child.uri {
			return "Content-Location " + at
		}
		m.add(child)
		for _, name := range []string{"Location", "Etag"} {
			w.fields[name] = got.Header.Get(name)
		}
		if w.body == chosen {
			if w.body = child.uri + "\n"; got.Body != w.body {
				return "not the URI of the child"
			}
		}
		if keyed {
			m.kept[key] = &kept{a.body, a.fields["Content-Type"], w, time.Now().Add(24 * time.Hour)}
		}
		return m.stores(child, a.body, mediaType, ttl, roost.Created, w.fields["Etag"])
	}
	return w
}

// badChild checks a URI that the server chose (rule 50).
func (m *model) badChild(parent *thing, uri string) string {
	digits, below := strings.CutPrefix(uri, strings.TrimSuffix(parent.uri, "/")+"/")
	n, err := strconv.Atoi(digits)
	for _, k := range m.kept {
		if k.answer.fields["Location"] == uri {
			return "child remembered: " + uri
		}
	}
	if !below || err != nil || n < 10000 || n > 99999 || len(digits) != 5 || m.things[uri] != nil {
		return "child " + uri
	}
	return ""
}

func (m *model) add(t *thing) {
	m.lives++
	t.life = m.lives
	m.things[t.uri] = t
}

func (m *model) delete(a question, t *thing) *want {
	if status, _ := m.failedConditions(a, t, false); status != 0 {
		return answerOf(412, "Etag", m.tag(t))
	}
	w := answerOf(204, "Roost-Capacity", m.capacityWith(-1, -len(t.value)))
	w.then = func(answer) string { m.remove(t); return "" }
	return w
}

// remove ends the life of t. What was made under it may answer otherwise from then on.
func (m *model) remove(t *thing) {
	visible := t.answers().Has(roost.GET)
	m.reshape(func() {
		t.gone = true
		delete(m.things, t.uri)
	}, t)
	c := m.happens(roost.Deleted, t, 0)
	c.visible, c.expired = visible, !t.expires.IsZero() && !t.expires.After(time.Now())
}

// register gives t methods of its own.
func (m *model) register(t *thing, methods roost.Method, calledBack bool) {
	before := t.answers().Has(roost.GET)
	m.reshape(func() { t.own, t.methods, t.calledBack = true, methods, calledBack }, t)
	for _, path := range foldersAbove(t.uri) {
		if f := m.folder(path); !f.open {
			f.open, f.free = true, true
		}
	}
	kind := shownThing
	switch now := methods.Has(roost.GET); {
	case now == before:
		return
	case before:
		kind = hiddenThing
	}
	if m.anyBelow(t.uri) {
		m.mayReset = true
	}
	m.happens(kind, t, 0).reshaped = true
}

func (m *model) anyBelow(uri string) bool {
	for other := range m.things {
		if strings.HasPrefix(other, strings.TrimSuffix(uri, "/")+"/") && other != uri {
			return true
		}
	}
	return false
}

// happens notes a change for those who watch.
func (m *model) happens(kind roost.ChangeKind, t *thing, revision uint64) *happened {
	c := &happened{kind: kind, uri: t.uri, thing: t, revision: revision, visible: t.answers().Has(roost.GET), etag: m.tag(t), value: t.value, typ: t.mediaType}
	m.log = append(m.log, c)
	if revision != 0 {
		m.touch(c)
	}
	return c
}

func foldersAbove(uri string) (paths []string) {
	for i := range len(uri) - 1 {
		if uri[i] == '/' {
			paths = append(paths, uri[:i+1])
		}
	}
	return paths
}

func (m *model) folder(path string) *folderTag {
	if m.folders[path] == nil {
		m.folders[path] = &folderTag{}
	}
	return m.folders[path]
}

// touch has the index's tags above a change be those of the change.
func (m *model) touch(c *happened) {
	for _, path := range foldersAbove(c.uri) {
		*m.folder(path) = folderTag{revision: c.revision}
	}
}

// reshape makes a change that may show or hide several things, and notes whose index is
// another one since, beside that of t itself.
func (m *model) reshape(change func(), t *thing) {
	before, pages := m.visible(t), map[string]string{}
	for path := range m.folders {
		pages[path] = m.outline(path)
	}
	change()
	if !maps.Equal(before, m.visible(t)) {
		m.mayReset = true
		m.log = append(m.log, &happened{reshaped: true})
	}
	for path, f := range m.folders {
		if pages[path] != m.outline(path) {
			f.open, f.free = true, false
		} else if !f.open && strings.HasPrefix(path, strings.TrimSuffix(t.uri, "/")+"/") {
			f.open, f.free = true, true // a weak tag may be newer than it has to be
		}
	}
}

// visible is what everybody may GET, but for one thing.
func (m *model) visible(but *thing) map[string]bool {
	all := map[string]bool{}
	for uri, t := range m.things {
		if t != but && t.answers().Has(roost.GET) {
			all[uri] = true
		}
	}
	return all
}

func (m *model) outline(path string) (s string) {
	for _, t := range m.shown(path, "", 0) {
		s += fmt.Sprintln(t.uri, t.answers())
	}
	return s
}

// shown is what the index has below a path (rule 47).
func (m *model) shown(path, after string, depth int) (all []*thing) {
	if !strings.HasSuffix(path, "/") {
		return nil
	}
	for _, uri := range slices.Sorted(maps.Keys(m.things)) {
		t := m.things[uri]
		rest, below := strings.CutPrefix(uri, path)
		if below && rest != "" && uri > after && t.answers().Has(roost.GET) && (depth == 0 || strings.Count(strings.TrimSuffix(rest, "/"), "/") < depth) {
			all = append(all, t)
		}
	}
	return all
}

func (m *model) index(a question) *want {
	const methods = "GET, HEAD, OPTIONS"
	switch a.method {
	case "OPTIONS":
		return answerOf(204, "Allow", methods, "Roost-Capacity", m.capacity())
	case "GET", "HEAD":
	default:
		return answerOf(405, "Allow", methods)
	}
	query, err := url.ParseQuery(strings.TrimPrefix(a.query, "?"))
	must(err)
	limit, _ := strconv.Atoi(query.Get("limit"))
	depth, _ := strconv.Atoi(query.Get("depth"))
	json, _ := acceptable(a, roost.JSON)
	html, named := acceptable(a, roost.Text)
	page := html > 0 && (json == 0 || html >= json && named)
	if json == 0 && !page {
		return answerOf(406)
	}
	tag := fmt.Sprintf(`W/"%s-%d"`, m.epoch, m.folder(a.uri).revision)
	if m.folder(a.uri).open {
		tag = chosen
	}
	same := func(t string) bool { return t == "*" || strings.TrimPrefix(t, "W/") == strings.TrimPrefix(tag, "W/") }
	switch {
	case a.has("If-Match") && a.fields["If-Match"] != "*":
		return answerOf(412, "Etag", tag)
	case a.has("If-None-Match") && slices.ContainsFunc(a.list("If-None-Match"), same):
		w := answerOf(304, "Etag", tag, "Cache-Control", "no-cache")
		w.hold = waits(a)
		return w
	}
	w := answerOf(200, "Etag", tag, "Cache-Control", "no-cache", "Content-Length", chosen, "Content-Type", roost.JSON)
	w.any = true
	all := m.shown(a.uri, query.Get("after"), depth)
	if limit > 0 && len(all) > limit {
		all = all[:limit]
		w.with("Link", chosen)
	}
	if page {
		return w.with("Content-Type", "text/html; charset=utf-8")
	}
	w.page = []indexed{}
	for _, t := range all {
		size := len(t.value)
		i := indexed{URI: t.uri, ETag: m.tag(t), ContentType: t.mediaType, Methods: t.answers().Names(), Size: size}
		if query.Has("value") {
			i.withValue(t.mediaType, t.value)
		}
		w.page = append(w.page, i)
	}
	return w
}

func textual(mediaType, value string) bool {
	b := bare(mediaType)
	return b != roost.Octet && b != "image/png" && utf8.ValidString(value)
}

func (i *indexed) withValue(mediaType, value string) {
	if textual(mediaType, value) {
		i.Value = &value
		return
	}
	coded := base64.StdEncoding.EncodeToString([]byte(value))
	i.Base64 = &coded
}

// call notes the callback of a final answer (rule 57).
func (m *model) call(a question, t *thing, w *want, again bool, newURI string) {
	method, err := roost.ParseMethod(a.method)
	if err != nil || t == nil || again || !t.callsBack() || !t.answers().Has(method) {
		return
	}
	m.calls = append(m.calls, callOf(t.uri, method, w.status, newURI, a.body))
}

func callOf(uri string, method roost.Method, status int, newURI, body string) string {
	if status == 400 || status == 415 {
		body = "" // mostly refused before it was read
	}
	return fmt.Sprintf("%s %s %d %s %.20q", method, uri, status, newURI, body)
}

// next is when time changes something: a life ends, or a key is forgotten.
func (m *model) next() (first time.Time) {
	sooner := func(t time.Time) {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	for _, t := range m.things {
		sooner(t.expires)
	}
	for _, k := range m.kept {
		sooner(k.until)
	}
	return first
}

// expire does what is due.
func (m *model) expire() {
	now := time.Now()
	for _, uri := range slices.Sorted(maps.Keys(m.things)) {
		if t := m.things[uri]; !t.expires.IsZero() && !t.expires.After(now) {
			m.remove(t)
		}
	}
	for key, k := range m.kept {
		if !k.until.After(now) {
			delete(m.kept, key)
		}
	}
}

// eventOf is how a stream about one resource tells its value (rule 44).
func eventOf(c *happened) event {
	id := strings.Trim(c.etag, `"`)
	if !textual(c.typ, c.value) {
		return event{Name: "binary", ID: id, Data: "data:" + c.typ + ";base64," + base64.StdEncoding.EncodeToString([]byte(c.value))}
	}
	return event{ID: id, Data: strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(c.value)}
}

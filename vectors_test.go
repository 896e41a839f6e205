package roost_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"roost"
)

// The files of spec/vectors; their README.md says what each member means.

type vectorFile struct {
	About   string   `json:"about"`
	Vectors []vector `json:"vectors"`
}

type vector struct {
	Rules     []int             `json:"rules"`
	Name      string            `json:"name"`
	Settings  vectorSettings    `json:"settings"`
	Send      []piece           `json:"send"`
	Responses []wanted          `json:"responses"`
	Close     bool              `json:"close"`
	Reference *deviation        `json:"reference"`
	Told      *[]toldOf         `json:"told"`
	After     map[string]octets `json:"after"`
}

type vectorSettings struct {
	MaxBody    int64    `json:"max-body"`
	MaxURI     int      `json:"max-uri"`
	MaxPending int64    `json:"max-pending"`
	Hosts      []string `json:"hosts"`
	CORS       []string `json:"cors"`
	Prefix     string   `json:"prefix"`
	MediaTypes []string `json:"media-types"`
	Policy     string   `json:"content-security-policy"`
	TLS        bool     `json:"tls"`
	Index      bool     `json:"index"`

	MaxWatchers   int `json:"max-watchers"`
	MaxRemembered int `json:"max-remembered"`
}

// over is s with what is missing taken from base.
func (s vectorSettings) over(base vectorSettings) roost.Config {
	if s.MaxBody == 0 {
		s.MaxBody = base.MaxBody
	}
	if s.MaxURI == 0 {
		s.MaxURI = base.MaxURI
	}
	return roost.Config{
		MaxBodyBytes: s.MaxBody, MaxURI: s.MaxURI, MaxPendingBytes: s.MaxPending, Hosts: s.Hosts, CORS: s.CORS,
		Prefix: s.Prefix, MediaTypes: s.MediaTypes, ContentSecurityPolicy: s.Policy,
		Index: s.Index, MaxWatchers: s.MaxWatchers, MaxRemembered: s.MaxRemembered,
	}
}

// octets are written in JSON as a string whose characters are the octets.
type octets string

func (o *octets) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	raw := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xff {
			return fmt.Errorf("%q is no octet", r)
		}
		raw = append(raw, byte(r))
	}
	*o = octets(raw)
	return nil
}

// piece is a step of the client: octets to send, or one of the others.
type piece struct {
	octets octets
	Repeat octets `json:"repeat"`
	Times  int    `json:"times"`
	Await  int    `json:"await"`
	End    bool   `json:"end"`

	Take  string `json:"take"`
	Of    int    `json:"of"`
	Match string `json:"match"`

	Elsewhere octets  `json:"elsewhere"`
	Response  *wanted `json:"response"`
}

func (p *piece) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		return json.Unmarshal(b, &p.octets)
	}
	type plain piece
	return decodeStrictly(b, (*plain)(p))
}

func (p *piece) text() string {
	if p.Times > 0 {
		return strings.Repeat(string(p.Repeat), p.Times)
	}
	return string(p.octets)
}

type wanted struct {
	Status  int                  `json:"status"`
	Head    bool                 `json:"head"`
	Problem string               `json:"problem"`
	Fields  map[string]condition `json:"fields"`
	Only    bool                 `json:"only"`
	Absent  []string             `json:"absent"`
	Content *condition           `json:"content"`
	Decoded *condition           `json:"decoded"`
	Stream  []wantedEvent        `json:"stream"`
	Ends    bool                 `json:"ends"`
}

// goesOn says whether the client leaves before the answer ends.
func (w *wanted) goesOn() bool { return w.Stream != nil && !w.Ends }

// condition is what a text must be: exactly one, of a pattern, JSON with at least
// these members, or the same as in an earlier response.
type condition struct {
	exact octets
	Match string         `json:"match"`
	JSON  map[string]any `json:"json"`
	As    int            `json:"as"`
}

// after is c with the text of an earlier response, if c is about one.
func (c condition) after(earlier []*response, text func(*response) string) *condition {
	if c.As > 0 {
		return &condition{exact: octets(text(earlier[c.As-1]))}
	}
	return &c
}

func (c *condition) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		return json.Unmarshal(b, &c.exact)
	}
	type plain condition
	return decodeStrictly(b, (*plain)(c))
}

func (c *condition) check(got string) error {
	switch {
	case c.Match != "":
		pattern, err := regexp.Compile(c.Match)
		if err != nil {
			return err
		}
		if !pattern.MatchString(got) {
			return fmt.Errorf("%.300q doesn't match %q", got, c.Match)
		}
	case c.JSON != nil:
		var value any
		if err := json.Unmarshal([]byte(got), &value); err != nil {
			return fmt.Errorf("%.300q: %w", got, err)
		}
		return hasAll(value, c.JSON)
	case got != string(c.exact):
		return fmt.Errorf("%.300q, want %.300q", got, string(c.exact))
	}
	return nil
}

// hasAll says whether got is what is wanted; objects may have more members.
func hasAll(got, want any) error {
	switch want := want.(type) {
	case map[string]any:
		object, _ := got.(map[string]any)
		for name, member := range want {
			if err := hasAll(object[name], member); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	case []any:
		list, _ := got.([]any)
		for i := range min(len(list), len(want)) {
			if err := hasAll(list[i], want[i]); err != nil {
				return err
			}
		}
		if len(list) != len(want) {
			return fmt.Errorf("%v, want %v", got, want)
		}
		return nil
	}
	if got != want {
		return fmt.Errorf("%v, want %v", got, want)
	}
	return nil
}

// deviation is what net/http makes of a vector in place of the last response.
type deviation struct {
	Status int    `json:"status"`
	Close  bool   `json:"close"`
	Why    string `json:"why"`
}

type toldOf struct {
	URI           string              `json:"uri"`
	Method        string              `json:"method"`
	Status        int                 `json:"status"`
	Body          *octets             `json:"body"`
	NewURI        *condition          `json:"new_uri"`
	Headers       map[string][]octets `json:"headers"`
	HeadersAbsent []string            `json:"headers_absent"`
}

type vectorFixture struct {
	Settings  vectorSettings   `json:"settings"`
	Resources []vectorResource `json:"resources"`
	Refused   []string         `json:"refused"`
	Exist     []string         `json:"exist"`
}

type vectorResource struct {
	URI          string   `json:"uri"`
	Methods      []string `json:"methods"`
	ContentType  string   `json:"content_type"`
	Value        *octets  `json:"value"`
	Times        int      `json:"times"`
	CacheControl string   `json:"cache_control"`
	TTL          int      `json:"ttl"`
	ClientTTL    bool     `json:"client_ttl"`
}

const vectorDir = "spec/vectors"

func decodeStrictly(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more after the value")
	}
	return nil
}

func readVectors[T any](t testing.TB, name string) (v T) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(vectorDir, name))
	if err == nil {
		err = decodeStrictly(b, &v)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return v
}

// loadVectors reads every file but the fixture, by topic.
func loadVectors(t testing.TB) (topics map[string][]vector, fixture vectorFixture) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(vectorDir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	topics = make(map[string][]vector)
	for _, path := range paths {
		name := filepath.Base(path)
		if name == "fixture.json" {
			fixture = readVectors[vectorFixture](t, name)
			continue
		}
		topics[strings.TrimSuffix(name, ".json")] = readVectors[vectorFile](t, name).Vectors
	}
	return topics, fixture
}

// vectorRules are those that octets on a connection can show.
var vectorRules = slices.Concat(between(2, 12), between(14, 57))

func between(first, last int) (all []int) {
	for n := first; n <= last; n++ {
		all = append(all, n)
	}
	return all
}

func TestVectorFiles(t *testing.T) {
	topics, fixture := loadVectors(t)
	seen, names := map[int]int{}, map[string]bool{}
	for topic, vectors := range topics {
		for _, v := range vectors {
			for _, rule := range v.Rules {
				seen[rule]++
			}
			if key := topic + fmt.Sprint(v.Rules) + v.Name; names[key] {
				t.Errorf("%s: two vectors are %v %q", topic, v.Rules, v.Name)
			} else {
				names[key] = true
			}
			if len(v.Rules) == 0 || v.Name == "" || len(v.Send) == 0 || len(v.Responses) == 0 {
				t.Errorf("%s: %v %q lacks a member", topic, v.Rules, v.Name)
			}
			if r := v.Reference; r != nil && r.Why == "" {
				t.Errorf("%s: %v %q deviates without a reason", topic, v.Rules, v.Name)
			}
		}
	}
	for _, rule := range vectorRules {
		if seen[rule] == 0 {
			t.Errorf("rule %d has no vector", rule)
		}
	}
	if len(fixture.Resources) == 0 {
		t.Error("no fixture")
	}
}

// Rule 18, from the program's side.
func TestVectorURIs(t *testing.T) {
	_, fixture := loadVectors(t)
	s := newServer(t, roost.Config{})
	fixture.add(t, s, nil)
	for _, uri := range fixture.Refused {
		if _, err := s.AddResource(t.Context(), uri); !errors.Is(err, roost.ErrURI) {
			t.Errorf("%.60q: %v, want ErrURI", uri, err)
		}
	}
	for _, uri := range fixture.Exist {
		if _, err := s.AddResource(t.Context(), uri); !errors.Is(err, roost.ErrExist) {
			t.Errorf("%q: %v, want ErrExist", uri, err)
		}
	}
}

func (f *vectorFixture) add(t testing.TB, s *roost.Server, callback roost.Callback) {
	t.Helper()
	for _, r := range f.Resources {
		var options []roost.Option
		if r.ContentType != "" {
			options = append(options, roost.WithContentType(r.ContentType))
		}
		if r.Value != nil {
			options = append(options, roost.WithValue(bytes.Repeat([]byte(*r.Value), max(1, r.Times))))
		}
		if r.CacheControl != "" {
			options = append(options, roost.WithCacheControl(r.CacheControl))
		}
		if r.TTL > 0 {
			options = append(options, roost.WithTTL(time.Duration(r.TTL)*time.Second))
		}
		if r.ClientTTL {
			options = append(options, roost.WithClientTTL())
		}
		var methods roost.Method
		for _, m := range []roost.Method{roost.GET, roost.PUT, roost.POST, roost.DELETE} {
			if slices.Contains(r.Methods, m.String()) {
				methods |= m
			}
		}
		add(t, s, r.URI, methods, callback, options...)
	}
}

func TestVectors(t *testing.T) {
	topics, fixture := loadVectors(t)
	for _, tr := range []transport{reference, fast} {
		t.Run(tr.name, func(t *testing.T) {
			var open sync.WaitGroup
			t.Cleanup(open.Wait)
			for _, topic := range slices.Sorted(maps.Keys(topics)) {
				t.Run(topic, func(t *testing.T) {
					for _, v := range topics[topic] {
						if tr == fast && !v.Settings.TLS {
							v.Reference = nil // by the letter
						}
						t.Run(v.title(), func(t *testing.T) {
							t.Parallel()
							v.run(t, tr, &fixture, &open)
						})
					}
				})
			}
		})
	}
}

func (v *vector) title() string {
	rules := make([]string, len(v.Rules))
	for i, rule := range v.Rules {
		rules[i] = strconv.Itoa(rule)
	}
	return strings.Join(rules, ",") + " " + strings.ReplaceAll(v.Name, "/", "∕")
}

// connectionEnd tells a group when the reference plane is done with one connection: net/http
// keeps some for half a second after their end.
type connectionEnd struct {
	peer atomic.Value // its client's address
	open *sync.WaitGroup
}

func (e *connectionEnd) Connection(r *roost.ConnectionRecord) {
	if peer, ok := e.peer.Load().(string); !ok || peer == r.Peer {
		e.open.Done()
	}
}

func (e *connectionEnd) Request(*roost.RequestRecord) {}
func (e *connectionEnd) Change(*roost.ChangeRecord)   {}

func (v *vector) run(t *testing.T, tr transport, fixture *vectorFixture, open *sync.WaitGroup) {
	var heard exchanges
	end := connectionEnd{open: open}
	tr.tls = v.Settings.TLS
	cfg := v.Settings.over(fixture.Settings)
	cfg.Timeouts.Head = 2 * time.Second
	if tr == reference {
		cfg.Observer = &end // with one, the fast plane would have nothing ready made
		open.Add(1)
	}
	s := tr.start(t, cfg)
	fixture.add(t, s.Server, heard.add)

	c := s.dial()
	end.peer.Store(c.LocalAddr().String())
	c.SetDeadline(time.Now().Add(vectorTime))
	p := &peer{t: t, conn: c.Conn, in: bufio.NewReader(c), came: make(chan *response, 100)}
	playing, stop := context.WithCancel(t.Context())
	var sending sync.WaitGroup
	sending.Go(func() { p.play(playing, v.Send) })
	// A server that closes may do so before everything was sent.
	defer sending.Wait()
	defer c.Close()
	defer stop()

	for i := range v.Responses {
		w := &v.Responses[i]
		if v.Reference != nil && i == len(v.Responses)-1 {
			p.deviate(v.Reference)
			break
		}
		p.next(w).check(t, i, w, p.read)
	}
	switch {
	case v.Responses[len(v.Responses)-1].goesOn():
		sending.Wait()
		c.Close()
	case v.closes():
		p.expectEnd()
	default:
		p.probe(v.Settings.Prefix)
	}
	if v.Reference != nil {
		return // what follows is the rule's
	}
	for uri, want := range v.After {
		s.do("GET", uri, "").expect(t, 200, string(want))
	}
	if v.Told != nil {
		c.Close()
		v.checkTold(t, s, &heard)
	}
}

// vectorTime is how long a vector may take.
const vectorTime = 15 * time.Second

func (v *vector) closes() bool {
	if v.Reference != nil {
		return v.Reference.Close
	}
	return v.Close
}

// peer is the client's end of a connection.
type peer struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
	read []*response
	came chan *response // those that were read, and nil for each event of a stream
}

// play sends the pieces. Errors show as missing responses.
func (p *peer) play(ctx context.Context, pieces []piece) {
	seen := progress{ctx: ctx, came: p.came}
	for i := range pieces {
		ok := true
		switch piece := &pieces[i]; {
		case piece.End:
			p.conn.(*net.TCPConn).CloseWrite()
		case piece.Await > 0:
			ok = seen.until(func() bool { return seen.count >= piece.Await })
		case piece.Take != "":
			if ok = seen.until(func() bool { return len(seen.responses) >= piece.Of }); ok {
				ok = p.write(piece.taken(seen.responses[piece.Of-1]))
			}
		case piece.Elsewhere != "":
			p.elsewhere(piece)
		default:
			ok = p.write(piece.text())
		}
		if !ok {
			return
		}
	}
}

func (p *peer) write(octets string) bool {
	_, err := io.WriteString(p.conn, octets)
	return err == nil
}

// progress is what one who sends knows of what was read.
type progress struct {
	ctx       context.Context
	came      chan *response
	count     int // of responses and of events
	responses []*response
}

// until waits for what is to come. It is false if nothing more does.
func (p *progress) until(enough func() bool) bool {
	for !enough() {
		select {
		case r := <-p.came:
			if p.count++; r != nil {
				p.responses = append(p.responses, r)
			}
		case <-p.ctx.Done():
			return false
		}
	}
	return true
}

// taken is what the piece takes of a response's field.
func (p *piece) taken(r *response) string {
	value := r.fields.Get(p.Take)
	if p.Match == "" {
		return value
	}
	return regexp.MustCompile(p.Match).FindString(value)
}

// elsewhere sends a request on a connection of its own, and reads the answer.
func (p *peer) elsewhere(piece *piece) {
	c, err := net.Dial("tcp", p.conn.RemoteAddr().String())
	if err != nil {
		p.t.Error(err)
		return
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(vectorTime))
	io.WriteString(c, string(piece.Elsewhere))
	r, err := readResponse(bufio.NewReader(c), piece.Response.Head)
	if err != nil {
		p.t.Errorf("no response elsewhere: %v", err)
		return
	}
	r.check(p.t, 0, piece.Response, nil)
}

// response is an answer as it came, with its field lines as they were.
type response struct {
	head    bool
	line    string
	status  int
	fields  http.Header
	content string
}

func (p *peer) next(w *wanted) *response {
	p.t.Helper()
	var r *response
	var err error
	if w.Stream != nil {
		r, err = p.readStream(w)
	} else {
		r, err = readResponse(p.in, w.Head)
	}
	if err != nil {
		p.t.Fatalf("no response: %v", err)
	}
	p.read = append(p.read, r)
	if !w.goesOn() {
		p.came <- r
	}
	return r
}

var statusLine = regexp.MustCompile(`^HTTP/1\.[01] ([1-5][0-9][0-9]) [\t -~]*$`)

// readResponse reads by the letter of RFC 9112: CRLF only, tokens for names, no
// folding, one length.
func readResponse(in *bufio.Reader, head bool) (*response, error) {
	r, err := readHead(in)
	if err != nil {
		return nil, err
	}
	r.head = head
	return r, r.readContent(in)
}

func readHead(in *bufio.Reader) (*response, error) {
	line, err := readLine(in)
	if err != nil {
		return nil, err
	}
	match := statusLine.FindStringSubmatch(line)
	if match == nil {
		return nil, fmt.Errorf("status line %q", line)
	}
	r := &response{line: line, fields: make(http.Header)}
	r.status, _ = strconv.Atoi(match[1])
	for {
		line, err := readLine(in)
		if err != nil {
			return nil, err
		}
		if line == "" {
			return r, nil
		}
		if err := r.addField(line); err != nil {
			return nil, err
		}
	}
}

func readLine(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("%w after %q", err, line)
	}
	text, ok := strings.CutSuffix(line, "\r\n")
	if !ok || strings.Contains(text, "\r") {
		return "", fmt.Errorf("line %q", line)
	}
	return text, nil
}

var fieldLine = regexp.MustCompile("^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*$")

func (r *response) addField(line string) error {
	match := fieldLine.FindStringSubmatch(line)
	if match == nil {
		return fmt.Errorf("field line %q", line)
	}
	r.fields.Add(match[1], match[2])
	return nil
}

func (r *response) readContent(in *bufio.Reader) error {
	var content []byte
	var err error
	length, coding := r.fields.Values("Content-Length"), r.fields.Values("Transfer-Encoding")
	switch {
	case r.head || r.status < 200 || r.status == 204 || r.status == 304:
	case len(coding) > 0:
		return fmt.Errorf("coded: %q", coding)
	case len(length) > 1:
		return fmt.Errorf("lengths %q", length)
	case len(length) == 1:
		n, bad := strconv.ParseUint(length[0], 10, 24)
		if bad != nil {
			return bad
		}
		content = make([]byte, n)
		_, err = io.ReadFull(in, content)
	default:
		content, err = io.ReadAll(in)
	}
	r.content = string(content)
	return err
}

// own says whether the rules made the answer, not net/http by itself.
func (r *response) own() bool { return r.fields.Get("X-Content-Type-Options") != "" }

func (r *response) check(t *testing.T, i int, w *wanted, earlier []*response) {
	t.Helper()
	if r.status != w.Status {
		t.Fatalf("response %d: %s %v %q, want %d", i, r.line, r.fields, r.content, w.Status)
	}
	if r.status >= 200 {
		r.checkAlways(t)
	}
	for name, want := range w.Fields {
		if got := r.fields.Values(name); len(got) != 1 {
			t.Errorf("response %d: %s is %q, want one line", i, name, got)
		} else if err := want.after(earlier, func(r *response) string { return r.fields.Get(name) }).check(got[0]); err != nil {
			t.Errorf("response %d: %s: %v", i, name, err)
		}
	}
	for _, name := range w.Absent {
		if got := r.fields.Values(name); len(got) > 0 {
			t.Errorf("response %d: %s is %q, want none", i, name, got)
		}
	}
	if w.Only {
		r.checkOnly(t, i, w)
	}
	if w.Problem != "" {
		r.checkProblem(t, i, w)
	}
	if w.Content != nil {
		if err := w.Content.after(earlier, func(r *response) string { return r.content }).check(r.content); err != nil {
			t.Errorf("response %d: content: %v", i, err)
		}
	}
	if w.Decoded != nil {
		if err := w.Decoded.check(gunzip(t, r.content)); err != nil {
			t.Errorf("response %d: decoded: %v", i, err)
		}
	}
}

// everywhere are the fields that any answer may have without being listed.
var everywhere = []string{"Date", "X-Content-Type-Options", "Connection"}

func (r *response) checkOnly(t *testing.T, i int, w *wanted) {
	t.Helper()
	listed := slices.Clone(everywhere)
	for name := range w.Fields {
		listed = append(listed, http.CanonicalHeaderKey(name))
	}
	if w.Problem != "" {
		listed = append(listed, "Cache-Control", "Content-Type", "Content-Length")
	}
	for name, got := range r.fields {
		if !slices.Contains(listed, name) {
			t.Errorf("response %d: %s: %q isn't listed", i, name, got)
		}
	}
}

// registeredProblem begins the problem types that are IANA's.
const registeredProblem = "https://iana.org/assignments/http-problem-types#"

// checkProblem checks the problem details of rule 28 and the fields of rule 52.
func (r *response) checkProblem(t *testing.T, i int, w *wanted) {
	t.Helper()
	if got := r.fields.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("response %d: Content-Type %q", i, got)
	}
	if n, err := strconv.Atoi(r.fields.Get("Content-Length")); err != nil || n == 0 {
		t.Errorf("response %d: Content-Length %q", i, r.fields.Get("Content-Length"))
	}
	if r.head {
		return
	}
	var p roost.Problem
	if err := json.Unmarshal([]byte(r.content), &p); err != nil {
		t.Errorf("response %d: content %q: %v", i, r.content, err)
	}
	name, ok := strings.CutPrefix(p.Type, "urn:roost:problem:")
	if !ok {
		name, ok = p.Type, strings.HasPrefix(p.Type, registeredProblem)
	}
	if !ok || w.Problem != "*" && name != w.Problem || p.Status != r.status || p.Title == "" || p.Detail == "" {
		t.Errorf("response %d: problem %+v, want %q", i, p, w.Problem)
	}
}

// checkAlways checks what the rules promise of every final answer.
func (r *response) checkAlways(t *testing.T) {
	t.Helper()
	if err := r.judge(); err != nil {
		t.Errorf("%s %v: %v", r.line, r.fields, err)
	}
}

func (r *response) judge() error {
	if _, err := time.Parse(http.TimeFormat, r.fields.Get("Date")); err != nil {
		return err
	}
	if r.fields.Get("X-Content-Type-Options") != "nosniff" {
		return errors.New("no nosniff")
	}
	// A POST that was to give nothing back has no type.
	empty := r.status == 201 && r.fields.Get("Content-Length") == "0"
	stream := r.isStream()
	contentFields := []string{"Content-Type", "Content-Length", "Transfer-Encoding"}
	for _, name := range contentFields {
		_, ok := r.fields[name]
		switch {
		case ok && (r.status == 204 || r.status == 304):
			return fmt.Errorf("%d with %s", r.status, name)
		case name == "Content-Type" && empty:
		case name == "Content-Length" && stream:
			if ok {
				return errors.New("a stream with Content-Length")
			}
		case !ok && r.status != 204 && r.status != 304 && name != "Transfer-Encoding":
			return errors.New("no " + name)
		}
	}
	if _, ok := r.fields["Server"]; ok {
		return errors.New("it names the server")
	}
	if (r.status >= 400 || stream) && r.fields.Get("Cache-Control") != "no-store" {
		return errors.New("an error or a stream without no-store")
	}
	return nil
}

// deviate reads what net/http answers in place of the rule.
func (p *peer) deviate(d *deviation) {
	p.t.Helper()
	if r := p.next(&wanted{}); r.status != d.Status {
		p.t.Errorf("net/http: %s %q, want %d", r.line, r.content, d.Status)
	} else if r.own() {
		r.checkAlways(p.t)
	}
}

// expectEnd waits for the server to end the connection, with no octet more.
func (p *peer) expectEnd() {
	p.t.Helper()
	if rest, err := io.ReadAll(p.in); err != nil || len(rest) > 0 {
		p.t.Errorf("the connection isn't closed: %q, %v", rest, err)
	}
}

// probe sends one more request.
func (p *peer) probe(prefix string) {
	p.t.Helper()
	io.WriteString(p.conn, "GET "+prefix+"/probe HTTP/1.1\r\nHost: roost.example\r\n\r\n")
	if r := p.next(&wanted{}); r.status != 200 || r.content != "alive" {
		p.t.Errorf("the next request got %s %q", r.line, r.content)
	}
}

// exchanges are what callbacks were told, but of the probe.
type exchanges struct {
	mu  sync.Mutex
	all []*roost.Exchange
}

func (e *exchanges) add(x *roost.Exchange) {
	if x.URI == "/probe" {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, x)
}

// checkTold stops the server, so that every callback has run, and compares.
func (v *vector) checkTold(t *testing.T, s *site, heard *exchanges) {
	t.Helper()
	s.client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	got := heard.all[:max(0, len(heard.all)-len(v.After))] // the last are those of After
	if len(got) != len(*v.Told) {
		t.Fatalf("told %d exchanges, want %d", len(got), len(*v.Told))
	}
	for i, want := range *v.Told {
		want.check(t, got[i])
	}
}

func (w *toldOf) check(t *testing.T, x *roost.Exchange) {
	t.Helper()
	if x.URI != w.URI || x.Method.String() != w.Method || x.Status != w.Status {
		t.Errorf("told %s %s %d, want %s %s %d", x.Method, x.URI, x.Status, w.Method, w.URI, w.Status)
	}
	if w.Body != nil && string(x.Body) != string(*w.Body) {
		t.Errorf("told of body %q, want %q", x.Body, *w.Body)
	}
	if w.NewURI != nil {
		if err := w.NewURI.check(x.NewURI); err != nil {
			t.Errorf("told of new URI: %v", err)
		}
	}
	for name, want := range w.Headers {
		lines := make([]string, len(want))
		for i := range want {
			lines[i] = string(want[i])
		}
		if got := x.Header[name]; !slices.Equal(got, lines) {
			t.Errorf("told of %s %q, want %q", name, got, lines)
		}
	}
	for _, name := range w.HeadersAbsent {
		if got, ok := x.Header[name]; ok {
			t.Errorf("told of %s %q, want none", name, got)
		}
	}
}

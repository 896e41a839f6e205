package roost_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"roost"
	"roost/internal/http1"
)

// fuzzedEpoch stands in an input for the epoch of the server that it is sent to, so that it can
// name tags.
const fuzzedEpoch = "EPOCH"

// FuzzPlanes sends the same octets to both planes, in pieces of the lengths in cuts, ends its
// side, and compares what comes.
func FuzzPlanes(f *testing.F) {
	topics, fixture := loadVectors(f)
	n := byte(0)
	for _, topic := range slices.Sorted(maps.Keys(topics)) {
		for _, v := range topics[topic] {
			var sent strings.Builder
			for i := range v.Send {
				if v.Send[i].Take != "" {
					sent.WriteString(`"` + fuzzedEpoch + `-2"`)
				}
				sent.WriteString(v.Send[i].text() + string(v.Send[i].Elsewhere))
			}
			if sent.Len() <= maxFuzzed {
				n++
				f.Add([]byte(sent.String()), []byte{n % 64, n, 1}[:n%4])
			}
		}
	}
	planes := twoPlanes{fixture: &fixture}
	f.Cleanup(planes.close)
	f.Fuzz(func(t *testing.T, sent, cuts []byte) {
		if len(sent) > maxFuzzed {
			t.Skip("too long")
		}
		planes.compare(t, sent, cuts)
	})
}

// twoPlanes are a server of each, with the same resources. They serve input after input while
// none can have changed anything.
type twoPlanes struct {
	fixture         *vectorFixture
	fast, reference *fuzzedPlane
}

type fuzzedPlane struct {
	*roost.Server
	log    panicLog
	addr   string
	served chan error
	epoch  string
}

func (p *twoPlanes) close() {
	for _, s := range []*fuzzedPlane{p.fast, p.reference} {
		if s != nil {
			s.Close()
			<-s.served
		}
	}
	p.fast, p.reference = nil, nil
}

func (p *twoPlanes) open(t *testing.T) {
	if p.fast == nil {
		p.fast, p.reference = p.start(t, roost.PlaneFast), p.start(t, roost.PlaneReference)
	}
}

var listened atomic.Uint32

func (p *twoPlanes) start(t *testing.T, plane roost.Plane) *fuzzedPlane {
	s := &fuzzedPlane{served: make(chan error, 1)}
	var err error
	s.Server, err = roost.New(t.Context(), roost.Config{
		MaxURI: len(p.fixture.Resources) + 2, MaxBodyBytes: 1024, MaxWatchers: 1, MaxRemembered: 1, Index: true,
		Plane: plane, Logger: slog.New(slog.NewTextHandler(&s.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	p.fixture.add(t, s.Server, nil)
	l, err := net.Listen("unix", fmt.Sprintf("@roost-fuzz-%d-%d", os.Getpid(), listened.Add(1))) // TCP would run out of ports
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	go func() { s.served <- s.Serve(l) }()
	c := s.dial(t)
	defer c.Close()
	io.WriteString(c, "GET /probe HTTP/1.0\r\n\r\n")
	r, err := readResponse(bufio.NewReader(c), false)
	if err != nil {
		t.Fatal(err)
	}
	s.epoch, _, _ = strings.Cut(strings.Trim(r.fields.Get("Etag"), `"`), "-")
	return s
}

func (s *fuzzedPlane) dial(t *testing.T) *net.UnixConn {
	c, err := net.Dial("unix", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c.(*net.UnixConn)
}

// ask sends octets in pieces, ends its side, and returns all that comes. ended says that the
// server had to be shut down before it did.
func (s *fuzzedPlane) ask(t *testing.T, sent, cuts []byte) (got []byte, ended bool) {
	c := s.dial(t)
	defer c.Close()
	var sending, stopping sync.WaitGroup
	sending.Go(func() {
		sendPieces(c, sent, cuts)
		c.CloseWrite()
	})
	done := make(chan struct{})
	stopping.Go(func() { ended = stopWaiting(s.Server, done) })
	got, err := io.ReadAll(c)
	close(done)
	sending.Wait()
	stopping.Wait()
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v after %q", err, got)
	}
	if text := s.log.String(); strings.Contains(text, "panic") {
		t.Error(text)
	}
	return got, ended
}

// maxCuts is how often an input is cut.
const maxCuts = 32

// sendPieces writes pieces, each when the server has read the one before, if it does soon. The
// server may close before everything is sent.
func sendPieces(c *net.UnixConn, sent, cuts []byte) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	unread := func() (n int) {
		raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
		return n
	}
	const patience = time.Millisecond
	for _, n := range cuts[:min(len(cuts), maxCuts)] {
		piece := sent[:min(int(n)+1, len(sent))]
		if sent = sent[len(piece):]; len(sent) == 0 {
			c.Write(piece)
			return
		}
		if _, err := c.Write(piece); err != nil {
			return
		}
		for start := time.Now(); unread() > 0 && time.Since(start) < patience; {
			runtime.Gosched()
		}
	}
	c.Write(sent)
}

var changes = regexp.MustCompile(`PUT|POST|DELETE`)

func (p *twoPlanes) compare(t *testing.T, sent, cuts []byte) {
	p.open(t)
	octets := func(s *fuzzedPlane) []byte { return bytes.ReplaceAll(sent, []byte(fuzzedEpoch), []byte(s.epoch)) }
	fast, fastEnded := p.fast.ask(t, octets(p.fast), cuts)
	ref, refEnded := p.reference.ask(t, octets(p.reference), cuts)
	c := comparison{
		requests: requestsIn(octets(p.fast)),
		fast:     answersOf{in: bufio.NewReader(bytes.NewReader(fast)), epoch: p.fast.epoch},
		ref:      answersOf{in: bufio.NewReader(bytes.NewReader(ref)), epoch: p.reference.epoch},
	}
	err := judgeAll(fast, c.methods())
	if err == nil && fastEnded {
		err = errors.New("the fast plane waits for changes although its client has ended its side")
	}
	if err == nil {
		err = c.run()
	}
	if err != nil {
		t.Errorf("%v\nsent      %q\ncuts      %v\nfast      %q\nreference %q", err, sent, cuts, fast, ref)
	}
	for start := time.Now(); roost.Watchers(p.fast.Server)+roost.Watchers(p.reference.Server) > 0 && time.Since(start) < time.Second; {
		runtime.Gosched()
	}
	if t.Failed() || refEnded || fastEnded || changes.Match(sent) {
		p.close()
	}
}

// sentRequest is a request as it was sent, read by the letter.
type sentRequest struct {
	octets  []byte // from its start on, with what follows
	empty   bool   // empty lines stand before it
	head    http1.Head
	headErr *http1.Error
	bodyErr *http1.Error
	cut     bool // the input ends in its head, or before it
	cutBody bool
}

// requestsIn reads until what is malformed or cut off, which is the last.
func requestsIn(sent []byte) (all []*sentRequest) {
	for {
		var p http1.Parser
		r := &sentRequest{octets: sent, empty: bytes.HasPrefix(sent, []byte("\r\n"))}
		done := false
		if len(sent) > 0 {
			done, r.headErr = p.Parse(bytes.Clone(sent), &r.head) // of a copy: the head is kept
		}
		all = append(all, r)
		if !done || r.headErr != nil {
			r.cut = !done && r.headErr == nil
			return all
		}
		sent = sent[r.head.Size:]
		if r.head.Length == 0 {
			continue
		}
		var b http1.Body
		b.Reset(r.head.Length, nil)
		for done = false; !done; {
			var used int
			_, used, done, r.bodyErr = b.Next(sent)
			sent = sent[used:]
			r.cutBody = !done && len(sent) == 0
			if r.bodyErr != nil || r.cutBody {
				return all
			}
		}
	}
}

type comparison struct {
	requests  []*sentRequest
	fast, ref answersOf
}

// methods are those of the requests that are answered, as far as they have one.
func (c *comparison) methods() (all []string) {
	for _, r := range c.requests {
		if !r.cut {
			all = append(all, string(r.head.Method))
		}
	}
	return all
}

// run compares answer by answer, until a difference that is known.
func (c *comparison) run() error {
	last := false
	for i := 0; ; i++ {
		r := c.requests[min(i, len(c.requests)-1)]
		fast, err := c.fast.next(r)
		if err != nil {
			return fmt.Errorf("answer %d of the fast plane: %w", i, err)
		}
		if asked := i < len(c.requests) && !r.cut && !last; asked != (fast != nil) {
			return fmt.Errorf("answer %d of the fast plane: wanted %v, there %v", i, asked, fast != nil)
		}
		last = fast != nil && fast.last
		ref, err := c.ref.next(r)
		switch {
		case err != nil:
		case fast == nil && ref == nil:
			return nil
		case fast != nil && ref != nil && fast.waits() && ref.waits():
			return fast.differsWaiting(ref)
		}
		if err == nil {
			if err = fast.differs(ref, r); err == nil {
				continue
			}
		}
		if knownDifference(r, fast, ref) == nil {
			return fmt.Errorf("answer %d: %w", i, err)
		}
		return nil
	}
}

// planeAnswer is a final answer, made comparable.
type planeAnswer struct {
	response
	interim int
	plain   bool // of net/http's own
	last    bool // it says that nothing follows
}

type answersOf struct {
	in    *bufio.Reader
	epoch string
}

// next is nil at the end.
func (a *answersOf) next(r *sentRequest) (*planeAnswer, error) {
	if _, err := a.in.Peek(1); err == io.EOF {
		return nil, nil
	}
	method := string(r.head.Method)
	p := &planeAnswer{}
	for {
		resp, err := http.ReadResponse(a.in, &http.Request{Method: method})
		if err != nil {
			return nil, err
		}
		if resp.StatusCode == http.StatusContinue {
			p.interim++
			if _, err := a.in.Peek(1); err == io.EOF {
				return nil, nil
			}
			continue
		}
		content, err := io.ReadAll(resp.Body)
		p.last = resp.Close
		p.response = response{head: method == "HEAD", status: resp.StatusCode, fields: resp.Header, content: string(content)}
		if err != nil && !p.isStream() {
			return nil, err
		}
		break
	}
	p.plain = !p.own()
	p.normalise(a.epoch)
	return p, nil
}

var (
	childURI  = regexp.MustCompile(`(/|%2F)[1-9][0-9]{4}\b`)
	modified  = regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z`)
	tooLarge  = regexp.MustCompile(`"value":[0-9]+,`)
	retryTime = regexp.MustCompile(`(?m)^retry: [0-9]+$`)
)

// normalise takes away what differs between two servers that do the same.
func (p *planeAnswer) normalise(epoch string) {
	common := func(s string) string {
		return childURI.ReplaceAllString(strings.ReplaceAll(s, epoch, fuzzedEpoch), "$1CHILD")
	}
	p.content = modified.ReplaceAllString(retryTime.ReplaceAllString(common(p.content), "retry: TIME"), "TIME")
	for name, values := range p.fields {
		for i := range values {
			values[i] = common(values[i])
		}
		switch name {
		case "Last-Modified", "Sunset":
			values[0] = "TIME"
		case "Date", "Connection":
			delete(p.fields, name)
		}
	}
	if strings.HasPrefix(p.fields.Get("Etag"), "W/") { // the index, which tells times
		p.fields.Del("Content-Length")
		for _, name := range []string{"Repr-Digest", "Content-Digest"} {
			if p.fields.Get(name) != "" {
				p.fields.Set(name, "DIGEST")
			}
		}
	}
}

// waits says whether the answer waited for changes. Such a wait ends when the client's side does.
func (p *planeAnswer) waits() bool {
	return p.isStream() || p.status == 304 && strings.HasPrefix(p.fields.Get("Preference-Applied"), "wait=")
}

// differsWaiting compares what waited; streams may have been ended at any place. That is the end
// of the comparison: see docs/http.md on the client's end.
func (p *planeAnswer) differsWaiting(ref *planeAnswer) error {
	if p.status != ref.status || !maps.EqualFunc(p.fields, ref.fields, slices.Equal) ||
		!strings.HasPrefix(p.content, ref.content) && !strings.HasPrefix(ref.content, p.content) {
		return fmt.Errorf("%d %v %q, and %d %v %q", p.status, p.fields, p.content, ref.status, ref.fields, ref.content)
	}
	return nil
}

// differs compares with the answer of the reference plane to the same request.
func (p *planeAnswer) differs(ref *planeAnswer, r *sentRequest) error {
	switch {
	case p == nil || ref == nil:
		return fmt.Errorf("only one is there: %+v, %+v", p, ref)
	case p.status != ref.status:
		return fmt.Errorf("status %d and %d", p.status, ref.status)
	case p.plain || ref.plain:
		return errors.New("one is of net/http itself")
	case p.interim != ref.interim:
		return fmt.Errorf("%d and %d interim answers", p.interim, ref.interim)
	case p.last != ref.last && !r.cutBody && r.bodyErr == nil: // else net/http has seen that nothing can follow
		return fmt.Errorf("the connection ends: %v and %v", p.last, ref.last)
	}
	a, b := p.fields, ref.fields
	if (r.headErr != nil || r.bodyErr != nil) && !p.head {
		var x, y roost.Problem
		if json.Unmarshal([]byte(p.content), &x) == nil && json.Unmarshal([]byte(ref.content), &y) == nil {
			if x.Type != y.Type {
				return fmt.Errorf("problems %s and %s", x.Type, y.Type)
			}
			a.Del("Content-Length")
			b.Del("Content-Length")
			p.content, ref.content = "", "" // details of the parsers
		}
	}
	if p.status == 413 && r.head.Length < 0 { // what had come by then
		a.Del("Content-Length")
		b.Del("Content-Length")
		p.content, ref.content = tooLarge.ReplaceAllString(p.content, ""), tooLarge.ReplaceAllString(ref.content, "")
	}
	for _, fields := range []http.Header{a, b} {
		for _, values := range fields {
			slices.Sort(values)
		}
	}
	if !maps.EqualFunc(a, b, slices.Equal) {
		return fmt.Errorf("fields %v and %v", a, b)
	}
	if p.content != ref.content {
		return fmt.Errorf("content %q and %q", p.content, ref.content)
	}
	return nil
}

// A planeDifference is one that docs/http.md tells too. fast and ref are nil where there is no
// answer, or none that can be read.
type planeDifference struct {
	rule  int
	why   string
	holds func(r *sentRequest, fast, ref *planeAnswer) bool
}

func knownDifference(r *sentRequest, fast, ref *planeAnswer) *planeDifference {
	for i := range planeDifferences {
		if d := &planeDifferences[i]; d.holds(r, fast, ref) {
			return d
		}
	}
	return nil
}

// isPlain says whether net/http answered by itself, with one of these.
func (p *planeAnswer) isPlain(statuses ...int) bool {
	return p != nil && p.plain && slices.Contains(statuses, p.status)
}

func (p *planeAnswer) isProblem(name string) bool {
	return p != nil && p.status == 400 && strings.Contains(p.content, `"urn:roost:problem:`+name+`"`)
}

func (r *sentRequest) refusedAs(kinds ...http1.Kind) bool {
	return r.headErr != nil && slices.Contains(kinds, r.headErr.Kind)
}

// wholeHead says whether a head that is refused would have come whole, as net/http reads it.
func (r *sentRequest) wholeHead() bool { return emptyLine.Match(r.octets) }

var (
	emptyLine   = regexp.MustCompile(`\n\r*\n`)
	blankBefore = regexp.MustCompile(`(?m)^[0-9A-Fa-f]+[ \t;][^\n]*[ \t]`)
)

func (r *sentRequest) values(id http1.ID) (all []string) {
	for i := range r.head.Fields {
		if r.head.Fields[i].ID == id {
			all = append(all, string(r.head.Fields[i].Value))
		}
	}
	return all
}

func (r *sentRequest) badURL() bool {
	target := string(r.head.Target)
	if string(r.head.Method) == "CONNECT" && !strings.HasPrefix(target, "/") {
		target = "http://" + target
	}
	_, err := url.ParseRequestURI(target)
	return err != nil
}

var planeDifferences = []planeDifference{
	{2, "an empty line before a request is refused, but after a POST", func(r *sentRequest, fast, ref *planeAnswer) bool {
		return r.empty && (ref == nil || ref.isPlain(400))
	}},
	{2, "a bare LF ends a line", func(r *sentRequest, fast, ref *planeAnswer) bool {
		return r.refusedAs(http1.KindLineEnd)
	}},
	{3, "what is malformed is refused in plain text, and the first fault found may be another", func(r *sentRequest, fast, ref *planeAnswer) bool {
		return r.headErr != nil && ref.isPlain(400, 431, 501, 505)
	}},
	{3, "what is malformed is refused when the head is whole, which it is not", func(r *sentRequest, fast, ref *planeAnswer) bool {
		return r.headErr != nil && ref == nil && !r.wholeHead()
	}},
	{28, "the fast plane reads no Accept in a head that it refuses", func(r *sentRequest, fast, ref *planeAnswer) bool {
		return r.headErr != nil && fast != nil && ref != nil && fast.status == ref.status && !ref.plain &&
			ref.fields.Get("Content-Type") != "application/problem+json" && bytes.Contains(bytes.ToLower(r.octets), []byte("accept:"))
	}},
	{4, "a head far over the limits is 431", func(r *sentRequest, fast, ref *planeAnswer) bool {
		return r.headErr != nil && ref.isPlain(431) && len(r.octets) > 16<<10
	}},
	{4, "neither Host nor the white space around values is counted", func(r *sentRequest, fast, ref *planeAnswer) bool {
		return r.refusedAs(http1.KindLargeFields)
	}},
	{5, "a folded line is unfolded", func(r *sentRequest, fast, ref *planeAnswer) bool {
		return r.refusedAs(http1.KindFieldLine) && strings.Contains(r.headErr.Text, "continued")
	}},
	{6, "an empty Host counts as none, which HTTP/1.0 needs not have", func(r *sentRequest, fast, ref *planeAnswer) bool {
		hosts := r.values(http1.Host)
		return r.refusedAs(http1.KindHost) && r.head.Minor == 0 && len(hosts) == 1 && hosts[0] == ""
	}},
	{8, "equal lengths and leading zeros are accepted", func(r *sentRequest, fast, ref *planeAnswer) bool {
		return r.refusedAs(http1.KindContentLength)
	}},
	{9, "Content-Length beside chunked, and Transfer-Encoding in HTTP/1.0, are accepted; any other wrong one is 501", func(r *sentRequest, fast, ref *planeAnswer) bool {
		coding := r.values(http1.TransferEncoding)
		chunked := len(coding) == 1 && strings.EqualFold(coding[0], "chunked")
		return len(coding) > 0 && (r.refusedAs(http1.KindTransferCoding) && (r.head.Minor == 0 || chunked) ||
			!chunked && ref.isPlain(501))
	}},
	{11, "chunks are read more leniently", func(r *sentRequest, fast, ref *planeAnswer) bool {
		return r.bodyErr != nil
	}},
	{11, "white space before the semicolon of an extension is 400, or the end where nobody wants the content", func(r *sentRequest, fast, ref *planeAnswer) bool {
		return r.head.Length < 0 && ref != nil && (ref.status == 400 || ref.last) && blankBefore.Match(r.octets[r.head.Size:])
	}},
	{13, "a head that is cut off is 400, or closed without an answer", func(r *sentRequest, fast, ref *planeAnswer) bool {
		return r.cut && fast == nil && ref.isPlain(400)
	}},
	{15, "another expectation is 417 without problem details, in HTTP/1.0 too", func(r *sentRequest, fast, ref *planeAnswer) bool {
		return r.head.Seen.Has(http1.Expect) && ref.isPlain(417)
	}},
	{15, "HTTP/1.0 with both close and keep-alive is kept", func(r *sentRequest, fast, ref *planeAnswer) bool {
		options := strings.ToLower(strings.Join(r.values(http1.Connection), ","))
		return r.headErr == nil && r.head.Minor == 0 && strings.Contains(options, "close") && strings.Contains(options, "keep-alive") &&
			fast != nil && ref != nil && fast.status == ref.status && fast.last && !ref.last
	}},
	{15, "close and keep-alive count where white space parts them from what is no option", func(r *sentRequest, fast, ref *planeAnswer) bool {
		members := strings.FieldsFunc(strings.ToLower(strings.Join(r.values(http1.Connection), ",")), func(c rune) bool { return c == ',' })
		apart := slices.ContainsFunc(members, func(m string) bool {
			words := strings.Fields(m)
			return len(words) > 1 && (slices.Contains(words, "close") || slices.Contains(words, "keep-alive"))
		})
		return r.headErr == nil && apart && fast != nil && ref != nil && fast.status == ref.status && fast.last != ref.last
	}},
	{16, "the authority of a target takes the place of Host unseen", func(r *sentRequest, fast, ref *planeAnswer) bool {
		return r.refusedAs(http1.KindHost) && (bytes.Contains(r.head.Target, []byte("//")) || string(r.head.Method) == "CONNECT")
	}},
	{16, "an authority that is none is a bad Host, and no bad target", func(r *sentRequest, fast, ref *planeAnswer) bool {
		return r.headErr == nil && bytes.Contains(r.head.Target, []byte("://")) && fast.isProblem("bad-target") && ref.isProblem("bad-host")
	}},
	{20, "so it is before an unknown method is 501", func(r *sentRequest, fast, ref *planeAnswer) bool {
		return r.headErr == nil && (string(r.head.Method) == "CONNECT" || bytes.Contains(r.head.Target, []byte("://"))) &&
			fast != nil && fast.status == 501 && ref.isProblem("bad-host")
	}},
	{17, "a target that is no URL is 400 in plain text", func(r *sentRequest, fast, ref *planeAnswer) bool {
		return r.headErr == nil && r.badURL() && ref.isPlain(400)
	}},
}

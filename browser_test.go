//go:build unix

package roost_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"roost"
)

// The promises to browsers are tested with a real one, because they rest on what
// browsers do by themselves: Origin, Sec-Fetch-Site, preflights, and what they keep
// from scripts.

// TestBrowserShows has a browser render values: the program's with its scripts, a
// client's without (rule 30).
func TestBrowserShows(t *testing.T) {
	const document = `<!doctype html><p id="value">one</p><script>document.getElementById("value").textContent += " and two"</script>`
	s := start(t, roost.Config{})
	s.add("/mine", all, nil, roost.WithString(document))
	s.add("/theirs", all, nil)
	s.do("PUT", "/theirs", document)
	s.add("/plain", all, nil, roost.WithContentType(roost.Plain), roost.WithString("<b>three</b>"))
	for uri, want := range map[string]string{
		"/mine":   `<p id="value">one and two</p>`,
		"/theirs": `<p id="value">one</p>`,
		"/plain":  `&lt;b&gt;three&lt;/b&gt;`,
	} {
		if dom := newBrowser(t).dump(s.base + uri); !strings.Contains(dom, want) {
			t.Errorf("%s: the browser shows %q, without %q", uri, dom, want)
		}
	}
}

// TestBrowserOwnPage has a page that is itself a value change another.
func TestBrowserOwnPage(t *testing.T) {
	told := make(chan *roost.Exchange, 1)
	s := start(t, roost.Config{})
	s.add("/value", roost.GET, nil, roost.WithContentType(roost.Plain), roost.WithString("six"))
	s.add("/copy", roost.PUT, func(e *roost.Exchange) { told <- e }, roost.WithContentType(roost.Plain))
	s.add("/", roost.GET, nil, roost.WithString(`<!doctype html><script>
		fetch("/value").then(r => r.text()).then(v => fetch("/copy", {method: "PUT", body: "it was " + v}))
	</script>`))
	b := newBrowser(t)
	b.open(s.base + "/")
	select {
	case e := <-told:
		if string(e.Body) != "it was six" || e.Status != http.StatusNoContent {
			t.Errorf("the page wrote %q and got %d", e.Body, e.Status)
		}
	case <-time.After(browserPatience):
		t.Fatalf("the page wrote nothing; the browser says: %s", b.output)
	}
}

// TestBrowserForeignPage has pages of other origins read and write: of the same site
// (another port) and of another (another name).
func TestBrowserForeignPage(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "localhost"} {
		t.Run(host, func(t *testing.T) {
			page := newForeignPage(t, host)
			var targets []*foreignTarget
			for _, cors := range [][]string{nil, {"https://app.example"}, {page.origin}, {"*"}} {
				target := newForeignTarget(t, cors)
				targets = append(targets, target)
				page.attempts = append(page.attempts, target.attempts()...)
			}
			page.visit(t)
			for _, target := range targets {
				trusted := slices.Contains(target.cors, page.origin) || slices.Contains(target.cors, "*")
				target.check(t, page.outcomes[:len(target.attempts())], trusted)
				page.outcomes = page.outcomes[len(target.attempts()):]
			}
		})
	}
}

// foreignTarget is a server that a foreign page tries to use.
type foreignTarget struct {
	*site
	cors  []string
	seen  *requestLog
	value *roost.Resource
}

func newForeignTarget(t *testing.T, cors []string) *foreignTarget {
	seen := new(requestLog)
	s := start(t, roost.Config{CORS: cors, Observer: seen})
	value := s.add("/value", all, nil, roost.WithContentType(roost.JSON), roost.WithString(`"before"`))
	s.add("/parent", all, nil)
	s.add("/doomed", all, nil)
	return &foreignTarget{s, cors, seen, value}
}

// attempt is what the page does, and outcome what it can see of the answer.
type attempt struct {
	Method, URL, Type, Content string
	Form                       bool // submitted by a form, not fetched
}

type outcome struct {
	Status         int
	Text           string
	ETag, Location string
	Unreadable     bool
}

func (f *foreignTarget) attempts() []attempt {
	return []attempt{
		{Method: "GET", URL: f.base + "/value"},
		{Method: "PUT", URL: f.base + "/value", Type: roost.JSON, Content: `"after"`},
		{Method: "GET", URL: f.base + "/value"},
		// This type needs no preflight: the request comes whether allowed or not.
		{Method: "POST", URL: f.base + "/parent", Type: roost.Plain, Content: "child"},
		{Method: "DELETE", URL: f.base + "/doomed"},
		{Method: "GET", URL: f.base + "/doomed"},
		{Method: "POST", URL: f.base + "/parent", Form: true},
	}
}

func (f *foreignTarget) check(t *testing.T, got []outcome, trusted bool) {
	t.Helper()
	if trusted {
		f.checkTrusted(t, got)
	} else {
		f.checkUntrusted(t, got)
	}
}

func (f *foreignTarget) checkUntrusted(t *testing.T, got []outcome) {
	t.Helper()
	for i, a := range f.attempts() {
		if !a.Form && !got[i].Unreadable {
			t.Errorf("CORS %q: %s %s: the page can read %+v", f.cors, a.Method, a.URL, got[i])
		}
	}
	if value := f.value.String(); value != `"before"` {
		t.Errorf("CORS %q: the page changed the value to %s", f.cors, value)
	}
	if uris := f.ListResource(""); !slices.Equal(uris, []string{"/doomed", "/parent", "/value"}) {
		t.Errorf("CORS %q: the page left %q", f.cors, uris)
	}
	// The browser asked before PUT and DELETE; what it sent unasked was refused.
	if want := []string{
		"GET /value 200", "OPTIONS /value 204", "GET /value 200", "POST /parent 403",
		"OPTIONS /doomed 204", "GET /doomed 200", "POST /parent 403",
	}; !slices.Equal(f.seen.all(), want) {
		t.Errorf("CORS %q: the browser sent %q, want %q", f.cors, f.seen.all(), want)
	}
}

func (f *foreignTarget) checkTrusted(t *testing.T, got []outcome) {
	t.Helper()
	statuses := []int{200, 204, 200, 201, 204, 404}
	for i, want := range statuses {
		if got[i].Unreadable || got[i].Status != want {
			t.Errorf("CORS %q: %+v: got %+v, want %d", f.cors, f.attempts()[i], got[i], want)
		}
	}
	read, put, reread, post, missing := got[0], got[1], got[2], got[3], got[5]
	if read.Text != `"before"` || reread.Text != `"after"` || f.value.String() != `"after"` {
		t.Errorf("CORS %q: the page read %s, then %s; the value is %s", f.cors, read.Text, reread.Text, f.value)
	}
	if read.ETag == "" || put.ETag == "" || put.ETag == read.ETag || reread.ETag != put.ETag {
		t.Errorf("CORS %q: the page saw the ETags %q, %q, %q", f.cors, read.ETag, put.ETag, reread.ETag)
	}
	if child, err := f.GetResource(post.Location); err != nil || child.String() != "child" || post.ETag == "" {
		t.Errorf("CORS %q: the page saw Location %q and ETag %q: %v", f.cors, post.Location, post.ETag, err)
	}
	if !strings.Contains(missing.Text, "urn:roost:problem:not-found") {
		t.Errorf("CORS %q: the page read %q where nothing is", f.cors, missing.Text)
	}
	if n := len(f.ListResource("/parent/")); n != 2 {
		t.Errorf("CORS %q: %d children, want those of fetch and form", f.cors, n)
	}
}

// requestLog observes what requests came.
type requestLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *requestLog) Request(r *roost.RequestRecord) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprint(r.Method, " ", r.URI, " ", r.Status))
}

func (l *requestLog) Connection(*roost.ConnectionRecord) {}
func (l *requestLog) Change(*roost.ChangeRecord)         {}

func (l *requestLog) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}

// foreignPage is a page of another origin, which reports to the server it is from.
type foreignPage struct {
	origin   string
	server   *httptest.Server // started by visit, when there are attempts to serve
	attempts []attempt
	outcomes []outcome
	reports  chan []outcome
}

func newForeignPage(t *testing.T, host string) *foreignPage {
	p := &foreignPage{reports: make(chan []outcome, 1)}
	p.server = httptest.NewUnstartedServer(p)
	t.Cleanup(p.server.Close)
	_, port, err := net.SplitHostPort(p.server.Listener.Addr().String())
	must(err)
	p.origin = "http://" + net.JoinHostPort(host, port)
	return p
}

var foreignScript = template.Must(template.New("page").Parse(`<!doctype html>
<iframe name="answer"></iframe>
<form method="post" target="answer" enctype="text/plain"><input name="a" value="b"></form>
<script>
async function attempt(a) {
	try {
		const r = await fetch(a.URL, {
			method: a.Method,
			headers: a.Type ? {"Content-Type": a.Type} : {},
			body: a.Content || undefined,
		});
		return {
			Status: r.status, Text: await r.text(),
			ETag: r.headers.get("ETag"), Location: r.headers.get("Location"),
		};
	} catch {
		return {Unreadable: true};
	}
}
function submit(a) {
	return new Promise(resolve => {
		document.querySelector("iframe").onload = () => resolve({});
		document.forms[0].action = a.URL;
		document.forms[0].submit();
	});
}
async function all(attempts) {
	const outcomes = [];
	for (const a of attempts) outcomes.push(await (a.Form ? submit(a) : attempt(a)));
	await fetch("/report", {method: "POST", body: JSON.stringify(outcomes)});
}
all({{.}});
</script>
`))

func (p *foreignPage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method + r.URL.Path {
	case "GET/":
		foreignScript.Execute(w, p.attempts)
	case "POST/report":
		var o []outcome
		if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		p.reports <- o
	default:
		http.NotFound(w, r)
	}
}

// visit opens the page and waits for its report.
func (p *foreignPage) visit(t *testing.T) {
	t.Helper()
	p.server.Start()
	b := newBrowser(t)
	b.open(p.origin + "/")
	select {
	case p.outcomes = <-p.reports:
	case <-time.After(browserPatience):
		t.Fatalf("the page reported nothing; the browser says: %s", b.output)
	}
	if len(p.outcomes) != len(p.attempts) {
		t.Fatalf("the page reported %d outcomes of %d attempts", len(p.outcomes), len(p.attempts))
	}
}

// browserPatience is for a busy machine; an idle one needs a second or two.
const browserPatience = 2 * time.Minute

// browser is a headless Chromium with an empty profile.
type browser struct {
	t       *testing.T
	program string
	output  *safeBuffer
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	names := []string{"chromium", "chromium-browser", "google-chrome"}
	for _, name := range names {
		if program, err := exec.LookPath(name); err == nil {
			return &browser{t: t, program: program, output: new(safeBuffer)}
		}
	}
	t.Skipf("no browser: none of %s is on PATH", strings.Join(names, ", "))
	return nil
}

func (b *browser) command(args ...string) *exec.Cmd {
	home := b.t.TempDir()
	cmd := exec.Command(b.program, append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage",
		"--no-first-run", "--no-default-browser-check", "--disable-sync", "--disable-breakpad",
		"--disable-background-networking", "--disable-component-update", "--disable-default-apps",
		"--no-proxy-server", "--host-resolver-rules=MAP localhost 127.0.0.1", "--user-data-dir=" + home,
	}, args...)...)
	cmd.Env = append(cmd.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home)
	cmd.Stderr = b.output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// open shows url until the test ends.
func (b *browser) open(url string) {
	b.t.Helper()
	cmd := b.command(url)
	must(cmd.Start())
	b.t.Cleanup(func() { endGroup(cmd) })
}

// dump returns the document at url as it is after its scripts ran.
func (b *browser) dump(url string) string {
	b.t.Helper()
	cmd := b.command("--dump-dom", url)
	var dom bytes.Buffer
	cmd.Stdout = &dom
	must(cmd.Start())
	timer := time.AfterFunc(browserPatience, func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer timer.Stop()
	defer endGroup(cmd)
	if err := cmd.Wait(); err != nil {
		b.t.Fatalf("%s: %v: %s", url, err, b.output)
	}
	return dom.String()
}

// endGroup kills a process and those that it started. They hold its output open,
// and Wait waits until that ends: when it returns, none is left.
func endGroup(cmd *exec.Cmd) {
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	cmd.Wait()
}

//go:build unix

package roost_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"roost"
)

// TestWebExample has a browser use the example page from other origins: of the same
// site (another port) and of another (another name). It follows the value, and no change
// of it is lost (rules 22, 36, 42 to 44).
func TestWebExample(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "localhost"} {
		t.Run(host, func(t *testing.T) {
			page := newWebPage(t, host)
			t.Run("not allowed", page.isRefused)
			t.Run("allowed", page.isUsed)
		})
	}
}

// isRefused opens the page for a server that allows another origin.
func (p *webPage) isRefused(t *testing.T) {
	asked := make(chan *roost.Exchange, 2)
	s := start(t, roost.Config{CORS: []string{"https://app.example"}})
	value := s.addWebValue("secret", func(e *roost.Exchange) { asked <- e })
	says := func(want string) {
		t.Helper()
		if got := p.await(t, func(s webShown) bool { return s.Live != "" || s.Said == want }); got.Live != "" {
			t.Fatalf("the page could read %q", got.Live)
		}
	}
	p.open(t, s)
	says("Nothing to read here.")
	if e := <-asked; e.Method != roost.GET || e.Status != 200 {
		t.Errorf("the browser sent %+v", e)
	}
	p.do(t, "type", "mine")
	p.do(t, "save", "")
	says("Not saved: no answer.")
	if value.String() != "secret" || len(asked) != 0 {
		t.Errorf("the page changed the value to %q", value)
	}
}

func (p *webPage) isUsed(t *testing.T) {
	s := start(t, roost.Config{CORS: []string{p.origin}})
	value := s.addWebValue("one", nil)
	set := func(v string) {
		_, err := value.SetValue(t.Context(), []byte(v))
		must(err)
	}
	has := func(want string) {
		t.Helper()
		if got := value.String(); got != want {
			t.Errorf("the value is %q, want %q", got, want)
		}
	}
	p.open(t, s)
	p.expect(t, webShown{Live: "one", Loads: 1})
	set("two")
	p.expect(t, webShown{Live: "two", Loads: 1})

	p.do(t, "type", "three")
	p.do(t, "save", "")
	p.expect(t, webShown{Live: "three", Said: "Saved.", Loads: 1})
	has("three")

	p.do(t, "type", "four")
	set("somebody else's")
	p.expect(t, webShown{Live: "somebody else's", Said: "Saved.", Loads: 1})
	p.do(t, "save", "")
	lost := s.do("PUT", "/value", "", `If-Match: "other"`).problem(t).Detail
	p.expect(t, webShown{Live: "somebody else's", Said: "Not saved: " + lost, Loads: 1})
	has("somebody else's")
	p.do(t, "save", "") // it knows now
	p.expect(t, webShown{Live: "four", Said: "Saved.", Loads: 1})
	has("four")

	must(s.RemoveResource(t.Context(), "/value"))
	p.expect(t, webShown{Said: "It was removed.", Loads: 1})
	p.do(t, "save", "")
	gone := s.do("PUT", "/value", "").problem(t).Detail
	p.expect(t, webShown{Said: "Not saved: " + gone, Loads: 1})
}

// TestWebExampleReturns restarts the server on its port: the browser comes back by itself
// (rules 44 to 46), and what was there before is not taken for what is there now.
func TestWebExampleReturns(t *testing.T) {
	page := newWebPage(t, "127.0.0.1")
	cfg := roost.Config{CORS: []string{page.origin}}
	first := start(t, cfg)
	first.addWebValue("one", nil)
	page.open(t, first)
	page.expect(t, webShown{Live: "one", Loads: 1})
	page.do(t, "type", "mine")
	cfg.Addr = first.Addr().String()
	must(first.Shutdown(t.Context()))
	page.expect(t, webShown{Live: "one", Said: "Connecting…", Loads: 1})

	second := newServer(t, cfg)
	value := add(t, second, "/value", roost.GET|roost.PUT, nil, roost.WithContentType(roost.Plain), roost.WithString("two"))
	must(second.Start())
	page.expect(t, webShown{Live: "two", Loads: 1})
	page.do(t, "save", "")
	page.await(t, func(s webShown) bool { return s.Said != "" })
	if value.String() != "two" {
		t.Errorf("the page overwrote what it had not seen with %q", value)
	}
}

func (s *site) addWebValue(v string, callback roost.Callback) *roost.Resource {
	s.t.Helper()
	return s.add("/value", roost.GET|roost.PUT, callback, roost.WithContentType(roost.Plain), roost.WithString(v))
}

// webPage is the example page in a browser. A page around it, of the same origin, uses
// it as its user would, and reports each state of what it shows.
type webPage struct {
	origin  string
	browser *browser
	orders  chan webOrder
	shown   chan webShown
	last    webShown // of those awaited
}

type webOrder struct{ Do, With string }

// webShown is what the page shows; Loads counts how often it was loaded.
type webShown struct {
	Live, Said string
	Loads      int
}

func newWebPage(t *testing.T, host string) *webPage {
	p := &webPage{browser: newBrowser(t), orders: make(chan webOrder), shown: make(chan webShown)}
	server := httptest.NewServer(p.serve())
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	must(err)
	p.origin = "http://" + net.JoinHostPort(host, port)
	p.browser.open(p.origin + "/around")
	return p
}

const webAround = `<!doctype html>
<script>
let frame, loads, reported = Promise.resolve();
const form = () => frame.contentDocument.forms[0];
function report() {
	const {live, said} = form();
	const body = JSON.stringify({Live: live.value, Said: said.value, Loads: loads});
	reported = reported.then(() => fetch("/shown", {method: "POST", body}));
}
const can = {
	open(url) {
		frame?.remove();
		frame = document.createElement("iframe");
		loads = 0;
		frame.onload = () => {
			loads++;
			report();
			new MutationObserver(report).observe(form(), {subtree: true, childList: true});
		};
		frame.src = url;
		document.body.append(frame);
	},
	type(text) {
		form().mine.value = text;
		form().mine.dispatchEvent(new InputEvent("input", {bubbles: true}));
	},
	save() { form().save.click(); },
	nothing() {},
};
onload = async () => {
	for (;;) {
		const {Do, With} = await (await fetch("/order")).json();
		can[Do](With);
	}
};
</script>
<body>
`

func (p *webPage) serve() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServer(http.Dir("examples/web")))
	mux.HandleFunc("GET /around", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, webAround) })
	mux.HandleFunc("GET /order", func(w http.ResponseWriter, r *http.Request) {
		select {
		case o := <-p.orders:
			json.NewEncoder(w).Encode(o)
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("POST /shown", func(_ http.ResponseWriter, r *http.Request) {
		var s webShown
		if json.NewDecoder(r.Body).Decode(&s) != nil {
			return // the browser was ended
		}
		select {
		case p.shown <- s:
		case <-r.Context().Done():
		}
	})
	return mux
}

func (p *webPage) open(t *testing.T, s *site) {
	t.Helper()
	p.do(t, "open", "/?server="+url.QueryEscape(s.base+"/value"))
}

// do has the page do something, and returns when it is done: then the page asks for more.
func (p *webPage) do(t *testing.T, what, with string) {
	t.Helper()
	for _, o := range []webOrder{{what, with}, {Do: "nothing"}} {
		select {
		case p.orders <- o:
		case <-time.After(browserPatience):
			t.Fatalf("the page does not %s; the browser says: %s", what, p.browser.output)
		}
	}
}

// await reads what the page shows until that is fit.
func (p *webPage) await(t *testing.T, fit func(webShown) bool) webShown {
	t.Helper()
	patience := time.After(browserPatience)
	for {
		select {
		case p.last = <-p.shown:
			if fit(p.last) {
				return p.last
			}
		case <-patience:
			t.Fatalf("the page still shows %+v; the browser says: %s", p.last, p.browser.output)
		}
	}
}

// expect waits until the page shows want, after whatever it shows before.
func (p *webPage) expect(t *testing.T, want webShown) {
	t.Helper()
	p.await(t, func(s webShown) bool { return s == want })
}

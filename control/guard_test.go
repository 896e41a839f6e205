package control_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"roost/control"
)

// On a TCP address nobody gets in without the token, and no page whose name was pointed
// at this machine.
func TestGuard(t *testing.T) {
	c := start(t, control.EngineConfig{})
	addr := c.serve("127.0.0.1:0").String()
	_, port, _ := net.SplitHostPort(addr)
	const right = "Bearer 0123456789abcdef"
	for _, row := range []struct {
		host, authorization string
		status              int
		problem             string
	}{
		{addr, right, 200, ""},
		{addr, "bearer 0123456789abcdef", 200, ""},
		{"localhost:" + port, right, 200, ""},
		{"LOCALHOST", right, 200, ""},
		{"[::1]:" + port, right, 200, ""},
		{"127.1.2.3", right, 200, ""},
		{addr, "", 401, "token-required"},
		{addr, "Bearer", 401, "token-required"},
		{addr, "Bearer 0123456789abcde", 401, "token-required"},
		{addr, "Bearer 0123456789abcdef0", 401, "token-required"},
		{addr, "Basic 0123456789abcdef", 401, "token-required"},
		{addr, "0123456789abcdef", 401, "token-required"},
		{"evil.example", right, 421, "misdirected"},
		{"evil.example:" + port, "", 421, "misdirected"},
		{"127.0.0.1.evil.example", right, 421, "misdirected"},
		{"localhost.evil.example", right, 421, "misdirected"},
		{"192.168.1.1", right, 421, "misdirected"},
	} {
		for _, path := range []string{"/v1/server", "/v1/openapi.json"} {
			r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+addr+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = row.host
			if row.authorization != "" {
				r.Header.Set("Authorization", row.authorization)
			}
			resp, err := visitor.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			a := answer{resp.StatusCode, resp.Header, string(b)}
			if a.status != row.status {
				t.Errorf("%s, Host %s, Authorization %q: %d, want %d", path, row.host, row.authorization, a.status, row.status)
				continue
			}
			a.expect(t, row.status, row.problem)
			if a.header.Get("Cache-Control") != "no-store" || a.header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%d with %v", a.status, a.header)
			}
			if (a.status == 401) != (a.header.Get("WWW-Authenticate") == "Bearer") {
				t.Errorf("%d with WWW-Authenticate %q", a.status, a.header.Get("WWW-Authenticate"))
			}
		}
	}
}

// A request that is refused is not waited for, nor is its connection kept.
func TestRefusedIsNotWaitedFor(t *testing.T) {
	c := start(t, control.EngineConfig{})
	conn, err := net.Dial("tcp", c.serve("127.0.0.1:0").String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "POST /v1/server HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	b, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 401 ") || !strings.Contains(string(b), "\r\nConnection: close\r\n") {
		t.Errorf("got %q, %v", b, err)
	}
}

// The API is for this machine only.
func TestAddresses(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.168.1.1:80", "roost.example:80", "127.0.0.1", "localhost.evil.example:1"} {
		if l, err := control.Listen(addr); err == nil {
			l.Close()
			t.Errorf("%s can be listened on", addr)
		} else if !strings.Contains(err.Error(), "127.0.0.1:8081") {
			t.Errorf("%s: %v, which does not say what to give", addr, err)
		}
	}
	for _, addr := range []string{"127.0.0.1:0", "localhost:0", "127.5.5.5:0"} {
		l, err := control.Listen(addr)
		if err != nil {
			t.Errorf("%s: %v", addr, err)
			continue
		}
		l.Close()
	}

	// A program that hands over another listener is refused as well.
	engine := control.NewEngine(control.EngineConfig{})
	open := control.New(engine, control.Config{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := open.Serve(l); err == nil || !strings.Contains(err.Error(), "token") {
		t.Errorf("TCP without a token: %v", err)
	}
	public := control.New(engine, control.Config{Token: "0123456789abcdef"})
	if err := public.Serve(elsewhere{l}); err == nil || !strings.Contains(err.Error(), "this machine only") {
		t.Errorf("another machine's address: %v", err)
	}
}

// Whatever stands before the connections of a listener, they are guarded.
func TestGuardSeesThroughNothing(t *testing.T) {
	c := start(t, control.EngineConfig{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- c.api.Serve(wrappingListener{l}) }()
	resp, err := visitor.Get("http://" + l.Addr().String() + "/v1/server")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 401 {
		t.Errorf("status %d", resp.StatusCode)
	}
	c.api.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// wrappingListener accepts connections that are no *net.TCPConn.
type wrappingListener struct{ net.Listener }

func (l wrappingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return struct{ net.Conn }{c}, err
}

// elsewhere says that it listens where other machines can connect.
type elsewhere struct{ net.Listener }

func (elsewhere) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80} }

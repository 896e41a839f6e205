package roost_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"roost"
)

func TestMain(m *testing.M) {
	// net/http sleeps half a second before it ends a connection whose content it did
	// not read, and Close does not wait for that.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// A transport is a way in which the same request can come.
type transport struct {
	name  string
	tls   bool
	h2    bool
	plane roost.Plane
}

// Where there is no fast plane the last is the first again.
var (
	reference  = transport{name: "clear", plane: roost.PlaneReference}
	overTLS    = transport{name: "TLS", tls: true}
	overHTTP2  = transport{name: "HTTP2", tls: true, h2: true}
	fast       = transport{name: "fast"}
	transports = []transport{reference, overTLS, overHTTP2, fast}
)

// site is a running server and a client for it.
type site struct {
	*roost.Server
	t      testing.TB
	base   string
	client *http.Client
}

// start runs a server on a free port of the loopback interface until the test ends.
func (tr transport) start(t testing.TB, cfg roost.Config) *site {
	t.Helper()
	cfg.Addr = "127.0.0.1:0"
	cfg.Plane = cmp.Or(cfg.Plane, tr.plane)
	scheme, roots := "http://", (*x509.CertPool)(nil)
	if tr.tls {
		pair := writePair(t.TempDir(), "ec")
		cfg.KeyFile, cfg.CertFile, roots = pair.key, pair.cert, pair.roots
		scheme = "https://"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	s := newServer(t, cfg)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	client := &http.Transport{DisableCompression: true, TLSClientConfig: &tls.Config{RootCAs: roots}}
	client.Protocols = new(http.Protocols)
	client.Protocols.SetHTTP1(!tr.h2)
	client.Protocols.SetHTTP2(tr.h2)
	t.Cleanup(client.CloseIdleConnections)
	return &site{s, t, scheme + s.Addr().String(), &http.Client{
		Transport:     client,
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// start is transport.start in the clear, on the plane that a server has by itself.
func start(t testing.TB, cfg roost.Config) *site {
	t.Helper()
	return fast.start(t, cfg)
}

func newServer(t testing.TB, cfg roost.Config) *roost.Server {
	t.Helper()
	s, err := roost.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// add makes a resource that answers methods.
func (s *site) add(uri string, methods roost.Method, callback roost.Callback, options ...roost.Option) *roost.Resource {
	s.t.Helper()
	return add(s.t, s.Server, uri, methods, callback, options...)
}

func add(t testing.TB, s *roost.Server, uri string, methods roost.Method, callback roost.Callback, options ...roost.Option) *roost.Resource {
	t.Helper()
	r, err := s.AddResource(t.Context(), uri, options...)
	if err != nil {
		t.Fatal(err)
	}
	if methods == 0 {
		return r
	}
	if err := r.RegisterRequestHandler(t.Context(), methods, callback); err != nil {
		t.Fatal(err)
	}
	return r
}

const all = roost.GET | roost.PUT | roost.POST | roost.DELETE

// answer is a response, read whole.
type answer struct {
	Status int
	Header http.Header
	Body   string
	Length int64
	Close  bool
}

// do sends a request; fields are "Name: value".
func (s *site) do(method, uri, body string, fields ...string) answer {
	s.t.Helper()
	a, err := s.try(method, uri, body, fields...)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, uri, err)
	}
	return a
}

func (s *site) try(method, uri, body string, fields ...string) (answer, error) {
	// Not the test's context: it ends before the test's cleanups do.
	req, err := http.NewRequestWithContext(context.Background(), method, s.base+uri, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		if name == "Host" {
			req.Host = value
			continue
		}
		req.Header[name] = append(req.Header[name], value)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b), resp.ContentLength, resp.Close}, err
}

// problem is the answer's problem details.
func (a answer) problem(t testing.TB) roost.Problem {
	t.Helper()
	var p roost.Problem
	if err := json.Unmarshal([]byte(a.Body), &p); err != nil {
		t.Fatalf("not a problem: %v: %q", err, a.Body)
	}
	return p
}

func (a answer) expect(t testing.TB, status int, body string) {
	t.Helper()
	if a.Status != status || a.Body != body {
		t.Errorf("got %d %q, want %d %q", a.Status, a.Body, status, body)
	}
}

// raw is a client that writes octets as they are.
type raw struct {
	net.Conn
	t testing.TB
}

func (s *site) dial() *raw {
	s.t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(30 * time.Second))
	return &raw{c, s.t}
}

func (c *raw) send(octets string) {
	c.t.Helper()
	if _, err := io.WriteString(c, octets); err != nil {
		c.t.Fatal(err)
	}
}

// rest is everything that comes until the server closes.
func (c *raw) rest() string {
	c.t.Helper()
	var b bytes.Buffer
	if _, err := io.Copy(&b, c); err != nil {
		c.t.Fatalf("%v after %q", err, b.String())
	}
	return b.String()
}

// pair is a key pair in two files, and what a client needs to trust it.
type pair struct {
	key, cert string
	roots     *x509.CertPool
}

// writePair makes a self-signed key pair of a kind, "rsa", "ec", "ec-sec1" (with
// its parameters before it, as openssl ecparam writes them) or "ed25519".
func writePair(dir, kind string) pair {
	key, keyPEM := makeKey(kind)
	der := makeCert(key, key, "roost test")
	p := pair{key: filepath.Join(dir, kind+".key"), cert: filepath.Join(dir, kind+".crt"), roots: x509.NewCertPool()}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	mustWrite(p.key, keyPEM)
	mustWrite(p.cert, certPEM)
	p.roots.AppendCertsFromPEM(certPEM)
	return p
}

func makeKey(kind string) (crypto.Signer, []byte) {
	var key crypto.Signer
	var err error
	switch kind {
	case "rsa":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	must(err)
	if kind == "ec-sec1" {
		der, err := x509.MarshalECPrivateKey(key.(*ecdsa.PrivateKey))
		must(err)
		params := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}})
		return key, append(params, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	return key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func makeCert(key, signer crypto.Signer, name string) []byte {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), signer)
	must(err)
	return der
}

func mustWrite(name string, content []byte) { must(os.WriteFile(name, content, 0o600)) }

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// mount puts s behind another net/http server, whose handler h calls it.
func (s *site) mount(h http.Handler) {
	outer := httptest.NewServer(h)
	s.t.Cleanup(outer.Close)
	s.base = outer.URL
}

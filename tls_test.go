package roost_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roost"
)

// Keys of each kind, and the files that openssl writes by the document's command.
func TestKeyPairs(t *testing.T) {
	dir := t.TempDir()
	for _, kind := range []string{"rsa", "ec", "ec-sec1", "ed25519"} {
		t.Run(kind, func(t *testing.T) { servesTLS(t, writePair(dir, kind)) })
	}
	t.Run("chain", func(t *testing.T) { servesTLS(t, writeChain(dir)) })
	t.Run("openssl", func(t *testing.T) {
		openssl, err := exec.LookPath("openssl")
		if err != nil {
			t.Skip("openssl is not installed: the key pair of the document's command is not tried")
		}
		p := pair{key: filepath.Join(dir, "prvtkey.pem"), cert: filepath.Join(dir, "cacert.pem"), roots: x509.NewCertPool()}
		out, err := exec.Command(openssl, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", p.key,
			"-x509", "-days", "365", "-out", p.cert, "-subj", "/CN=Pycom HTTPS Server",
			"-addext", "subjectAltName=IP:127.0.0.1").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		b, err := os.ReadFile(p.cert)
		must(err)
		p.roots.AppendCertsFromPEM(b)
		servesTLS(t, p)
	})
}

func servesTLS(t *testing.T, p pair) {
	t.Helper()
	s := newServer(t, roost.Config{Addr: "127.0.0.1:0", KeyFile: p.key, CertFile: p.cert})
	add(t, s, "/a", roost.GET, nil, roost.WithString("secret"))
	must(s.Start())
	for _, protocol := range []string{"HTTP/2.0", "HTTP/1.1"} {
		client := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.roots}, Protocols: new(http.Protocols)}
		client.Protocols.SetHTTP2(protocol == "HTTP/2.0")
		client.Protocols.SetHTTP1(protocol == "HTTP/1.1")
		resp, err := (&http.Client{Transport: client}).Get("https://" + s.Addr().String() + "/a")
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 200 || resp.Proto != protocol {
			t.Errorf("got %d by %q, want %q", resp.StatusCode, resp.Proto, protocol)
		}
		resp.Body.Close()
		client.CloseIdleConnections()
	}
	must(s.Shutdown(t.Context()))
}

// writeChain makes a leaf that an intermediate signed, with both in the file.
func writeChain(dir string) pair {
	rootKey, _ := makeKey("ec")
	root, err := x509.ParseCertificate(makeCert(rootKey, rootKey, "root"))
	must(err)
	sign := func(name string, key any, ca bool, parent *x509.Certificate, signer any) *x509.Certificate {
		der, err := x509.CreateCertificate(nil, &x509.Certificate{
			SerialNumber: root.SerialNumber, Subject: root.Subject, DNSNames: []string{name},
			NotBefore: root.NotBefore, NotAfter: root.NotAfter, IsCA: ca, BasicConstraintsValid: true,
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		}, parent, key, signer)
		must(err)
		c, err := x509.ParseCertificate(der)
		must(err)
		return c
	}
	middleKey, _ := makeKey("ec")
	middle := sign("middle", middleKey.Public(), true, root, rootKey)
	leafKey, leafPEM := makeKey("ec")
	leaf := sign("leaf", leafKey.Public(), false, middle, middleKey)
	p := pair{key: filepath.Join(dir, "chain.key"), cert: filepath.Join(dir, "chain.crt"), roots: x509.NewCertPool()}
	p.roots.AddCert(root)
	mustWrite(p.key, leafPEM)
	mustWrite(p.cert, append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: middle.Raw})...))
	return p
}

func TestKeyPairErrors(t *testing.T) {
	dir := t.TempDir()
	p, other := writePair(dir, "ec"), writePair(dir, "rsa")
	missing := filepath.Join(dir, "missing.pem")
	locked := filepath.Join(dir, "locked.pem")
	mustWrite(locked, pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")}))
	for _, c := range []struct {
		key, cert string
		says      []string
	}{
		{missing, p.cert, []string{"KeyFile", missing, "no such file"}},
		{p.key, missing, []string{"CertFile", missing, "no such file"}},
		{other.key, p.cert, []string{other.key, p.cert, "does not match"}},
		{p.cert, p.key, []string{"swapped"}},
		{locked, p.cert, []string{locked, "passphrase", "openssl"}},
	} {
		_, err := roost.New(t.Context(), roost.Config{KeyFile: c.key, CertFile: c.cert})
		wantError(t, err, roost.ErrConfig, c.says...)
	}
}

// TLS 1.3, and of 1.2 the six suites with ECDHE and AEAD only.
func TestTLSVersions(t *testing.T) {
	dir := t.TempDir()
	offered := map[uint16]bool{}
	for _, kind := range []string{"ec", "rsa"} {
		p := writePair(dir, kind)
		s := newServer(t, roost.Config{Addr: "127.0.0.1:0", KeyFile: p.key, CertFile: p.cert})
		must(s.Start())
		dial := func(c *tls.Config) error {
			c.RootCAs = p.roots
			conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", s.Addr().String(), c)
			if err == nil {
				conn.Close()
			}
			return err
		}
		if err := dial(&tls.Config{MinVersion: tls.VersionTLS13}); err != nil {
			t.Errorf("TLS 1.3: %v", err)
		}
		if err := dial(&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
			t.Error("TLS 1.1 is spoken")
		}
		for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			if dial(&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite.ID}}) == nil {
				offered[suite.ID] = true
			}
		}
	}
	for id := range offered {
		if name := tls.CipherSuiteName(id); !strings.Contains(name, "_ECDHE_") ||
			!strings.Contains(name, "_GCM_") && !strings.Contains(name, "_POLY1305_") {
			t.Errorf("%s is spoken", name)
		}
	}
	if len(offered) != 6 {
		t.Errorf("%d suites of TLS 1.2, want 6", len(offered))
	}
}

// Rule 15: a listener that was asked for TLS never answers in the clear, but for
// saying so; and TLS on a clear port is a malformed request.
func TestWrongPort(t *testing.T) {
	s := overTLS.start(t, roost.Config{})
	s.add("/a", roost.GET, nil, roost.WithString("secret"))
	c := s.dial()
	c.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
	if got := c.rest(); !strings.HasPrefix(got, "HTTP/1.0 400 ") || !strings.Contains(got, "HTTPS") || strings.Contains(got, "secret") {
		t.Errorf("clear on a TLS port got %q", got)
	}
	clear := start(t, roost.Config{})
	c = clear.dial()
	c.send("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\r\n\r\n")
	if got := c.rest(); !strings.HasPrefix(got, "HTTP/1.1 400 ") {
		t.Errorf("TLS on a clear port got %q", got)
	}
}

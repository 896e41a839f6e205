package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// fetch is a program that sends a request. It writes the status and the fields of
// the answer to standard error, and the content to standard output.
func fetch() {
	f := fetcher{header: make(http.Header)}
	flag.StringVar(&f.method, "X", "GET", "method")
	flag.Func("H", "field line", f.addField)
	flag.Func("d", "content", func(s string) error { f.body = []byte(s); return nil })
	flag.Func("octets", "content in hexadecimal", func(s string) (err error) { f.body, err = hex.DecodeString(s); return err })
	flag.IntVar(&f.times, "times", 1, "how often the content is repeated")
	flag.StringVar(&f.socket, "unix", "", "path of a socket to connect to")
	flag.StringVar(&f.authority, "ca", "", "PEM file of a certificate to trust")
	flag.BoolVar(&f.patient, "patient", false, "ask again while there is no such resource, or it has no handler")
	flag.BoolVar(&f.wait, "wait", false, "wait for the socket to be there")
	flag.Parse()
	if err := f.do(flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "fetch:", err)
		os.Exit(1)
	}
}

type fetcher struct {
	method            string
	header            http.Header
	body              []byte
	times             int
	patient, wait     bool
	socket, authority string
}

// poll asks for a resource until its answer is as expected: a script that adds it may
// not have come so far.
func poll(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, len(args) == 2, neg, "poll URL REGEXP")
	re, err := regexp.Compile(args[1])
	ts.Check(err)
	pollUntil(ts, args[0], re.MatchString)
}

// pollChange asks for a resource until its value is another.
func pollChange(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, len(args) == 1, neg, "changes URL")
	first := ""
	pollUntil(ts, args[0], func(value string) bool {
		before := first
		first = value
		return before != "" && before != value
	})
}

func pollUntil(ts *testscript.TestScript, url string, good func(value string) bool) {
	last := ""
	for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(10 * time.Millisecond) {
		a, err := http.Get(url)
		if err != nil {
			continue
		}
		b, err := io.ReadAll(a.Body)
		a.Body.Close()
		if last = string(b); err == nil && a.StatusCode == http.StatusOK && good(last) {
			return
		}
	}
	ts.Fatalf("%s still gives %q", url, last)
}

func (f *fetcher) addField(line string) error {
	name, value, _ := strings.Cut(line, ":")
	f.header.Add(name, strings.TrimSpace(value))
	return nil
}

func (f *fetcher) do(url string) error {
	r, err := http.NewRequest(f.method, url, bytes.NewReader(bytes.Repeat(f.body, f.times)))
	if err != nil {
		return err
	}
	r.Header = f.header
	if host := f.header.Get("Host"); host != "" {
		r.Host = host
	}
	transport, err := f.transport()
	if err != nil {
		return err
	}
	a, err := transport.RoundTrip(r)
	for limit := time.Now().Add(patience); err == nil && f.patient && (a.StatusCode == http.StatusNotFound || a.StatusCode == http.StatusMethodNotAllowed) && time.Now().Before(limit); a, err = transport.RoundTrip(r) {
		a.Body.Close()
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		return err
	}
	defer a.Body.Close()
	fmt.Fprintln(os.Stderr, a.Proto, a.StatusCode)
	a.Header.Write(os.Stderr)
	_, err = io.Copy(os.Stdout, a.Body)
	return err
}

func (f *fetcher) transport() (*http.Transport, error) {
	t := &http.Transport{ResponseHeaderTimeout: patience}
	if f.socket != "" {
		t.DialContext = func(ctx context.Context, _, _ string) (c net.Conn, err error) {
			for limit := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
				c, err = new(net.Dialer).DialContext(ctx, "unix", f.socket)
				if err == nil || !f.wait || time.Now().After(limit) {
					return c, err
				}
			}
		}
	}
	if f.authority != "" {
		pem, err := os.ReadFile(f.authority)
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		t.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	return t, nil
}

// keypair is a program that writes a new certificate for the loopback interface to
// its first argument, and its key to the second.
func keypair() {
	if err := writeKeyPair(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "keypair:", err)
		os.Exit(1)
	}
}

func writeKeyPair(certFile, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "roost test"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := writePEM(certFile, "CERTIFICATE", cert); err != nil {
		return err
	}
	return writePEM(keyFile, "PRIVATE KEY", private)
}

func writePEM(name, kind string, der []byte) error {
	return os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// upload is a request that the server has begun to receive.
type upload struct {
	conn   net.Conn
	reader *bufio.Reader
}

// startUpload returns when the server waits for the content: it has said so, as
// Expect asks for.
func startUpload(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, len(args) == 2, neg, "upload NAME URL")
	target, err := url.Parse(args[1])
	ts.Check(err)
	conn, err := net.Dial("tcp", target.Host)
	ts.Check(err)
	ts.Defer(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	u := &upload{conn, bufio.NewReader(conn)}
	fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n", target.Path, target.Host)
	a, err := http.ReadResponse(u.reader, nil)
	ts.Check(err)
	if a.StatusCode != http.StatusContinue {
		ts.Fatalf("answer %s, want 100", a.Status)
	}
	_, err = conn.Write([]byte("a"))
	ts.Check(err)
	sceneOf(ts).uploads[args[0]] = u
}

func uploadNamed(ts *testscript.TestScript, name string) *upload {
	u := sceneOf(ts).uploads[name]
	if u == nil {
		ts.Fatalf("no upload %q was begun", name)
	}
	return u
}

func complete(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, len(args) == 2, neg, "complete NAME STATUS")
	u := uploadNamed(ts, args[0])
	_, err := u.conn.Write([]byte("b"))
	ts.Check(err)
	a, err := http.ReadResponse(u.reader, nil)
	ts.Check(err)
	if strconv.Itoa(a.StatusCode) != args[1] {
		ts.Fatalf("answer %s, want %s", a.Status, args[1])
	}
}

func severed(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, len(args) == 1, neg, "severed NAME")
	u := uploadNamed(ts, args[0])
	if a, err := http.ReadResponse(u.reader, nil); err == nil {
		ts.Fatalf("answer %s, want none", a.Status)
	}
}

package main

import (
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"

	"roost"
	"roost/control"
)

// everywhere says that it listens on every interface. No test does so.
type everywhere struct{ net.Listener }

func (everywhere) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv6unspecified, Port: 8080} }

// The line that tells where a script's server listens says whom that lets in.
func TestRunAnnouncement(t *testing.T) {
	here, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	own := ownAddress()
	if ip := net.ParseIP(own); own != "localhost" && (ip == nil || ip.IsLoopback() || ip.IsUnspecified()) {
		t.Errorf("this machine's address is %q", own)
	}
	for want, l := range map[string]control.Listener{
		"roost: listening on http://" + here.Addr().String() + "\n":                            {Listener: here},
		"roost: listening on https://" + here.Addr().String() + "; why\n":                      {Listener: mappedListener{here, "why"}, TLS: true},
		"roost: listening on http://" + own + ":8080, on every interface\n":                    {Listener: everywhere{here}},
		"roost: listening on http://" + own + ":8080, on every interface; port 80 is mapped\n": {Listener: mappedListener{everywhere{here}, "port 80 is mapped"}},
	} {
		if got := new(runSettings).announcement(&control.Running{Listeners: []control.Listener{l}}); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestParseListenHost(t *testing.T) {
	for s, want := range map[string]string{
		"127.0.0.1": "127.0.0.1", "::1": "::1", "[::1]": "::1", "localhost": "localhost", "a.example": "a.example",
		"": "", "127.0.0.1:80": "", "[::1]:80": "", "http://a": "", "a b": "",
	} {
		if got, err := parseListenHost(s); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v, want %q", s, got, err, want)
		}
	}
}

// A port is mapped where the user may not listen on it, not where it is in use.
func TestBusyPortIsNotMapped(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	before := unprivileged
	defer func() { unprivileged = before }()
	unprivileged = []portMapping{{busy.Addr().(*net.TCPAddr).Port, 0}}
	if l, err := (ports{}).open(busy.Addr().String()); err == nil {
		t.Errorf("it listens on %s instead", l.Addr())
		l.Close()
	} else if !strings.Contains(err.Error(), "another program listens there") {
		t.Error(err)
	}
}

// When the control API fails, the process ends with its error.
func TestControlFailure(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	s := newService(control.NewEngine(control.EngineConfig{Base: roost.Config{Logger: log}}), log)
	l, err := roost.Listen("unix://" + t.TempDir() + "/c.sock")
	if err != nil {
		t.Fatal(err)
	}
	fragile := &fragileListener{Listener: l}
	fragile.broken.Store(true)
	s.serveControl(fragile, "")
	if c, err := net.Dial("unix", l.Addr().String()); err == nil {
		c.Close()
	}
	if err := s.run(nil); !errors.Is(err, errBroken) {
		t.Errorf("run: %v", err)
	}
}

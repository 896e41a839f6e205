package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"roost"
)

var errBroken = errors.New("broken")

// brokenListener fails as soon as somebody accepts.
type brokenListener struct{ net.Listener }

func (brokenListener) Accept() (net.Conn, error) { return nil, errBroken }

// When one listener fails, run ends with its error, and the others with it.
func TestFailureWhileServing(t *testing.T) {
	server, err := roost.New(context.Background(), roost.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var listeners []listener
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners = append(listeners, listener{l, "http"})
	}
	sound := listeners[0]
	listeners[1].Listener = brokenListener{listeners[1].Listener}
	err = run(server, listeners, make(chan os.Signal), slog.New(slog.DiscardHandler))
	if !errors.Is(err, errBroken) || errors.As(err, new(usageError)) {
		t.Errorf("run: %v, want that the listener is broken", err)
	}
	if c, err := net.Dial("tcp", sound.Addr().String()); err == nil {
		c.Close()
		t.Error("the other listener is still open")
	}
}

func TestShellWord(t *testing.T) {
	for s, want := range map[string]string{
		"http://[::1]:80/a":       "'http://[::1]:80/a'",
		"http://127.0.0.1:80/%20": "http://127.0.0.1:80/%20",
		"it's;a":                  `'it'\''s;a'`,
		"a&b":                     "'a&b'",
		"a$b`c":                   "'a$b`c'",
	} {
		if got := shellWord(s); got != want {
			t.Errorf("%s is quoted %s, want %s", s, got, want)
		}
	}
}

// Every flag of serve says what it is for and has a variable of its own.
func TestEveryFlagHasAVariable(t *testing.T) {
	samples := map[string]string{
		"listen": "127.0.0.1:0", "tls-cert": "f", "tls-key": "f", "resource": "/a=b", "methods": "PUT", "type": "XML",
		"max-uri": "7", "max-body": "7KiB", "max-pending": "7MiB", "prefix": "/p", "cors": "*", "host": "a", "log-format": "json", "log-requests": "true",
	}
	for name, value := range samples {
		flags := serveCommand().Flags()
		f := flags.Lookup(name)
		if f == nil || f.Usage == "" {
			t.Fatalf("no flag --%s, or none that is explained", name)
		}
		set, err := readEnvironment(flags, func(v string) (string, bool) {
			return value, v == "ROOST_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		})
		if err != nil || len(set) != 1 || !set[name] || f.Value.String() != value {
			t.Errorf("--%s from its variable is %q, %v", name, f.Value, err)
		}
	}
	serveCommand().Flags().VisitAll(func(f *pflag.Flag) {
		if samples[f.Name] == "" {
			t.Errorf("--%s is not tested here", f.Name)
		}
	})
}

func TestEveryCommandHasAnExample(t *testing.T) {
	root := rootCommand()
	for _, cmd := range append(root.Commands(), root) {
		if !strings.Contains(cmd.Example, "  "+cmd.CommandPath()) && !strings.Contains(cmd.Example, "roost "+cmd.Name()) {
			t.Errorf("%q has no example of its own", cmd.CommandPath())
		}
	}
}

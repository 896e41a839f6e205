package main

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"roost"
	"roost/control"
)

var errBroken = errors.New("broken")

// fragileListener fails, once it is broken, as soon as somebody connects.
type fragileListener struct {
	net.Listener
	broken atomic.Bool
}

func (l *fragileListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil && l.broken.Load() {
		c.Close()
		return nil, errBroken
	}
	return c, err
}

// When one listener fails, run ends with its error, and the others with it.
func TestFailureWhileServing(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	engine := control.NewEngine(control.EngineConfig{
		Base:   roost.Config{Logger: log},
		Listen: []string{"127.0.0.1:0", "127.0.0.1:0"},
		Open: func(addr string) (net.Listener, error) {
			l, err := roost.Listen(addr)
			return &fragileListener{Listener: l}, err
		},
	})
	running, err := engine.Start(t.Context(), control.Settings{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	sound, fragile := running.Listeners[0], running.Listeners[1]
	fragile.Listener.(*fragileListener).broken.Store(true)
	if c, err := net.Dial("tcp", fragile.Addr().String()); err == nil {
		c.Close()
	}
	err = newService(engine, log).run(make(chan os.Signal))
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
	samples := map[string]map[string]string{
		"serve": {
			"listen": "127.0.0.1:0", "tls-cert": "f", "tls-key": "f", "resource": "/a=b", "methods": "PUT", "type": "XML",
			"max-uri": "7", "max-body": "7KiB", "max-pending": "7MiB", "prefix": "/p", "cors": "*", "host": "a", "log-format": "json", "log-requests": "true",
			"control": "127.0.0.1:0", "control-token-file": "f",
			"data": "d", "lazy-sync": "true", "reset-values": "true", "max-bytes": "7MiB", "ttl": "90s", "client-ttl": "true", "index": "false", "max-watchers": "7", "plane": "reference", "max-remembered": "7",
		},
		"run": {
			"listen-host": "127.0.0.1", "port-map": "80=8080", "flash": "d", "python": "p", "insecure-client": "true", "exit": "true",
		},
	}
	for _, newCommand := range []func() *cobra.Command{serveCommand, runCommand} {
		samples := samples[newCommand().Name()]
		for name, value := range samples {
			flags := newCommand().Flags()
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
		newCommand().Flags().VisitAll(func(f *pflag.Flag) {
			if samples[f.Name] == "" {
				t.Errorf("--%s is not tested here", f.Name)
			}
		})
	}
}

func TestEveryCommandHasAnExample(t *testing.T) {
	root := rootCommand()
	for _, cmd := range append(root.Commands(), root) {
		if !strings.Contains(cmd.Example, "  "+cmd.CommandPath()) && !strings.Contains(cmd.Example, "roost "+cmd.Name()) {
			t.Errorf("%q has no example of its own", cmd.CommandPath())
		}
	}
}

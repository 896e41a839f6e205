package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"roost"
	"roost/control"
)

const runLong = `Run a Python script that was written for the module HTTP_Server of MicroPython, as it
is, against a server of its own. It takes a Python of version 3.8 or later; the modules
that such scripts import (network, machine, pycom, utime, …) come with this program.

As on the device, the server goes on when the script has ended, until Ctrl-C: the first
one ends a script that still runs, the next everything. sys.exit ends everything with
its code.

Standard output is the script's. Where the server listens, and what else this program
has to say, goes to standard error.

Every flag can be set by an environment variable: ROOST_ and the flag's name in upper
case with _ for -. Exit codes: that of sys.exit; 0 stopped as asked, 1 could not start
or failed, 2 wrong usage.`

const runExample = `  roost run main.py
  roost run --port-map 80=8080 --listen-host 127.0.0.1 main.py
  roost run --flash ~/device --exit test.py --verbose`

func runCommand() *cobra.Command {
	var r runSettings
	cmd := &cobra.Command{
		Use:                   "run [flags] SCRIPT [ARG...]",
		Short:                 "Run a MicroPython script for HTTP_Server",
		Long:                  runLong,
		Example:               runExample,
		DisableFlagsInUseLine: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("name the script to run, such as: roost run main.py")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := readEnvironment(cmd.Flags(), os.LookupEnv); err != nil {
				return err
			}
			return r.run(cmd.Context(), args, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().SetInterspersed(false) // what comes after the script is the script's
	r.define(cmd.Flags())
	return cmd
}

// runSettings are what the flags of run and their variables say.
type runSettings struct {
	python         string
	flash          string // "" is the script's folder
	listenHost     string // "" is every interface
	ports          []portMapping
	insecureClient bool
	exit           bool
}

func (r *runSettings) define(f *pflag.FlagSet) {
	f.SortFlags = false
	f.Var(newSingle(&r.listenHost, "HOST", "", parseListenHost), "listen-host", "where servers listen (default every interface, as on the device)")
	f.Var(newMultiple(&r.ports, "PORT=PORT", "", parsePortMapping), "port-map", "listen on another port than the script asks for, such as 80=8080; repeatable (default 80=8080 and 443=8443 where this user may not listen there)")
	f.Var(newSingle(&r.flash, "DIR", "", parseFile), "flash", "where paths below /flash lead (default the script's folder)")
	f.Var(newSingle(&r.python, "PATH", "python3", parseFile), "python", "the Python to run the script with")
	f.Var(newSingle(&r.insecureClient, "bool", "", parseBool), "insecure-client", "let HTTP_Client take every certificate of a server")
	f.Var(newSingle(&r.exit, "bool", "", parseBool), "exit", "stop when the script ends")
	f.Lookup("insecure-client").NoOptDefVal = "true"
	f.Lookup("exit").NoOptDefVal = "true"
}

// parseListenHost reads the name or address of an interface.
func parseListenHost(s string) (string, error) {
	host := strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	if host == "" || strings.ContainsAny(host, "/ ") || net.ParseIP(host) == nil && strings.Contains(host, ":") {
		return "", errors.New("give a name or an address alone, without a port, such as 127.0.0.1")
	}
	return host, nil
}

// run runs the script to its end, and that of its server.
func (r *runSettings) run(ctx context.Context, args []string, stderr io.Writer) (err error) {
	program, err := r.program(args)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	ports := ports{mapped: r.ports}
	service := newService(control.NewEngine(control.EngineConfig{
		Base: roost.Config{Logger: log}, Host: r.listenHost, Open: ports.open,
		Started: func(run *control.Running) { io.WriteString(stderr, r.announcement(run)) },
	}), log)

	var more []os.Signal
	if !signal.Ignored(syscall.SIGHUP) { // as nohup asks for
		more = append(more, syscall.SIGHUP)
	}
	signals, stop := notified(more...) // before there is something to clean up
	defer stop()
	private, err := newPrivate()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, private.remove()) }()
	l, err := control.Listen(private.addr)
	if err != nil {
		return err
	}
	service.serveControl(l, private.token)
	program.Env = append(os.Environ(), r.instructions(l, private, program.flash))
	program.Args = append([]string{program.Path, private.runner()}, args...)
	return program.run(ctx, service, signals)
}

// program checks what the command line names, and returns what is to be started.
func (r *runSettings) program(args []string) (*program, error) {
	script, err := filepath.Abs(args[0])
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(script); err != nil {
		return nil, fmt.Errorf("script: %w", err)
	} else if info.IsDir() {
		return nil, fmt.Errorf("script %s is a folder: name the file to run, such as %s", args[0], filepath.Join(args[0], "main.py"))
	}
	flash, err := filepath.Abs(cmp.Or(r.flash, filepath.Dir(script)))
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(flash); err != nil {
		return nil, fmt.Errorf("--flash: %w", err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("--flash %s is no folder", r.flash)
	}
	return newProgram(r.python, flash)
}

// announcement is the line for each listener of a server that the script started.
func (r *runSettings) announcement(run *control.Running) string {
	var b strings.Builder
	for _, l := range listenersOf(run) {
		b.WriteString("roost: listening on " + l.reach())
		if l.ip().IsUnspecified() {
			b.WriteString(", on every interface")
		}
		if m, ok := l.Listener.Listener.(mappedListener); ok {
			b.WriteString("; " + m.why)
		}
		b.WriteString("\n")
	}
	return b.String()
}

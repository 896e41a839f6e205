package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"

	"github.com/spf13/cobra"

	"roost"
	"roost/control"
	"roost/store/disk"
)

const serveLong = `Serve resources over HTTP, and over HTTPS if a certificate and its key are given.

Every flag can be set by an environment variable: ROOST_ and the flag's name in
upper case with _ for -, such as ROOST_TLS_CERT and ROOST_MAX_URI. The flag wins over
the variable. For a flag that is repeatable, the variable holds one value a line. A
variable that is set but empty is a bad value.

SIGINT and SIGTERM let open requests finish for up to 10 seconds; a second one ends
the process at once. Exit codes: 0 stopped as asked, 1 could not start or failed, 2
wrong usage.`

const serveExample = `  roost serve --resource /hello=Hello --methods GET,PUT
  roost serve --resource /=@index.html --resource /data=@data.json
  roost serve --listen :8443 --tls-cert cert.pem --tls-key key.pem --resource /hello=Hello
  roost serve --listen unix:///run/roost.sock --log-requests --log-format json
  roost serve --data /var/lib/roost --resource /hello=Hello --methods GET,PUT
  roost serve --control unix:///run/roost-control.sock`

func serveCommand() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:                   "serve [flags]",
		Short:                 "Serve resources over HTTP and HTTPS",
		Long:                  serveLong,
		Example:               serveExample,
		Args:                  noArgs,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.read(cmd.Flags()); err != nil {
				return err
			}
			return s.serve(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	s.define(cmd.Flags())
	s.complete(cmd)
	return cmd
}

func (s *settings) serve(ctx context.Context, stdout, stderr io.Writer) (err error) {
	log := s.logger(stderr)
	cfg := s.config(log)
	if err := cfg.Validate(); err != nil {
		return usageError{err}
	}
	loaded := func() {}
	if s.data != "" {
		loaded = collectNothing()
		defer loaded()
		kept, failed := s.openStore(log)
		if failed != nil {
			return failed
		}
		defer func() { err = errors.Join(err, kept.Close()) }()
		cfg.Store = kept
	}
	service := newService(control.NewEngine(control.EngineConfig{Base: cfg, Listen: s.listen, Started: func(run *control.Running) {
		warn(log, listenersOf(run))
		io.WriteString(stdout, s.announcement(run))
	}}), log)
	signals, stop := notified() // before anything tells that it can be stopped
	defer stop()
	controlling, err := s.openControl()
	if err != nil {
		return err
	}
	if err := s.start(ctx, service.engine); err != nil {
		if controlling.Listener != nil {
			controlling.Close()
		}
		return err
	}
	loaded()
	if controlling.Listener != nil {
		service.serveControl(controlling, controlling.token)
		io.WriteString(stdout, controlling.lines)
	}
	return service.run(signals)
}

// collectNothing has no garbage collected until done is called, unless the environment says how
// often, or memory comes near GOMEMLIMIT: nearly everything that is allocated while a store is
// loaded stays.
func collectNothing() (done func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	before := debug.SetGCPercent(-1)
	return sync.OnceFunc(func() { debug.SetGCPercent(before) })
}

// openStore opens the store of --data.
func (s *settings) openStore(log *slog.Logger) (*disk.Store, error) {
	kept, err := disk.Open(s.data, disk.Options{Lazy: s.lazySync, Logger: log})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.source("data"), storeError(err))
	}
	return kept, nil
}

// start starts the server with the resources of the command line.
func (s *settings) start(ctx context.Context, engine *control.Engine) error {
	_, err := engine.Start(ctx, control.Settings{}, s.addResources)
	switch {
	case errors.Is(err, control.ErrListen):
		return fmt.Errorf("%s: %w", s.source("listen"), err)
	case errors.Is(err, roost.ErrConfig) && !errors.As(err, new(usageError)): // a file, after Validate
		return fmt.Errorf("%s, %s: %w", s.source("tls-cert"), s.source("tls-key"), err)
	}
	return err
}

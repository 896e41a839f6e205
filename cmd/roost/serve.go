package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"roost"
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
  roost serve --listen unix:///run/roost.sock --log-requests --log-format json`

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

func (s *settings) serve(ctx context.Context, stdout, stderr io.Writer) error {
	log := s.logger(stderr)
	server, err := s.newServer(ctx, log)
	if err != nil {
		return err
	}
	listeners, err := s.bind()
	if err != nil {
		return errors.Join(err, server.Close())
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	warn(log, listeners)
	io.WriteString(stdout, s.announcement(server, listeners))
	return run(server, listeners, signals, log)
}

// newServer makes the server with its resources.
func (s *settings) newServer(ctx context.Context, log *slog.Logger) (*roost.Server, error) {
	cfg := s.config(log)
	if err := cfg.Validate(); err != nil {
		return nil, usageError{err}
	}
	server, err := roost.New(ctx, cfg)
	if errors.Is(err, roost.ErrConfig) { // a file, after Validate
		return nil, fmt.Errorf("%s, %s: %w", s.source("tls-cert"), s.source("tls-key"), err)
	}
	if err != nil {
		return nil, err
	}
	if err := s.addResources(ctx, server); err != nil {
		return nil, errors.Join(err, server.Close())
	}
	return server, nil
}

// run serves until a signal comes or a listener fails, and then stops the server.
func run(server *roost.Server, listeners []listener, signals <-chan os.Signal, log *slog.Logger) error {
	var serving sync.WaitGroup
	ended := make(chan error, len(listeners))
	for _, l := range listeners {
		serving.Go(func() { ended <- server.Serve(l) })
	}
	var failure error
	select {
	case failure = <-ended:
		log.Error("listener failed; stopping", "error", failure)
	case sig := <-signals:
		log.Info("stopping; a second signal ends it at once", "signal", sig.String())
	}
	return errors.Join(failure, stop(server, &serving, signals, log))
}

// stopTime is how long open requests may take to finish.
const stopTime = 10 * time.Second

// stop ends the server in order within stopTime. A second signal leaves it as it
// is, for the process to end.
func stop(server *roost.Server, serving *sync.WaitGroup, signals <-chan os.Signal, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	stopped := make(chan error, 1)
	go func() {
		err := server.Shutdown(ctx)
		serving.Wait()
		stopped <- err
	}()
	select {
	case sig := <-signals:
		log.Warn("ended at once; open requests were cut off", "signal", sig.String())
		return nil
	case err := <-stopped:
		if errors.Is(err, context.DeadlineExceeded) {
			log.Warn("stopped; requests still open were cut off", "after", stopTime)
			return nil
		}
		log.Info("stopped")
		return err
	}
}

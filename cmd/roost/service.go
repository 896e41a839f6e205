package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"roost/control"
)

// service is an engine, and the control API over it where there is one.
type service struct {
	engine *control.Engine
	api    *control.API // nil where there is none
	log    *slog.Logger

	serving sync.WaitGroup
	failed  chan error // of the control API
}

func newService(engine *control.Engine, log *slog.Logger) *service {
	return &service{engine: engine, log: log, failed: make(chan error, 1)}
}

// serveControl serves the control API on l.
func (s *service) serveControl(l net.Listener, token string) {
	s.api = control.New(s.engine, control.Config{Token: token, Logger: s.log})
	s.serving.Go(func() {
		if err := s.api.Serve(l); err != nil {
			s.failed <- err
		}
	})
}

// notified returns the channel that gets the signals which end the process in order,
// these and more, until stop is called.
func notified(more ...os.Signal) (c chan os.Signal, stop func()) {
	c = make(chan os.Signal, 2)
	signal.Notify(c, append(more, os.Interrupt, syscall.SIGTERM)...)
	return c, func() { signal.Stop(c) }
}

// run serves until a signal comes or a listener fails, and then stops.
func (s *service) run(signals <-chan os.Signal) error {
	var failure error
	select {
	case failure = <-s.engine.Failed():
	case failure = <-s.failed:
	case sig := <-signals:
		s.log.Info("stopping; a second signal ends it at once", "signal", sig.String())
	}
	if failure != nil {
		s.log.Error("listener failed; stopping", "error", failure)
	}
	return errors.Join(failure, s.stop(signals))
}

// stop ends everything in order within control.StopTime. A second signal leaves it as it is, for
// the process to end.
func (s *service) stop(signals <-chan os.Signal) error {
	ctx, cancel := context.WithTimeout(context.Background(), control.StopTime)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- s.shutdown(ctx) }()
	select {
	case sig := <-signals:
		s.log.Warn("ended at once; open requests were cut off", "signal", sig.String())
		return nil
	case err := <-stopped:
		if errors.Is(err, context.DeadlineExceeded) {
			s.log.Warn("stopped; requests still open were cut off", "after", control.StopTime)
			return nil
		}
		s.log.Info("stopped")
		return err
	}
}

// shutdown ends the server, then the control API, which tells of the last requests.
func (s *service) shutdown(ctx context.Context) error {
	err := s.engine.Stop(ctx)
	if errors.Is(err, control.ErrNotRunning) {
		err = nil
	}
	if s.api != nil {
		err = errors.Join(err, s.api.Shutdown(ctx))
	}
	s.serving.Wait()
	return err
}

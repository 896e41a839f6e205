package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// program is the Python that runs a script.
type program struct {
	*exec.Cmd
	flash string
}

func newProgram(python, flash string) (*program, error) {
	path, err := exec.LookPath(python)
	if err != nil {
		return nil, fmt.Errorf("no Python: %w; install Python 3.8 or later, or name it with --python", err)
	}
	p := &program{Cmd: &exec.Cmd{Path: path}, flash: flash}
	p.Stdin, p.Stdout, p.Stderr = os.Stdin, os.Stdout, os.Stderr
	return p, nil
}

// exitCode ends the process with the code of a script that wanted it so.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// killTime is how long a program may take to end that was told to.
const killTime = 2 * time.Second

// run runs the program until it ends by itself or is made to, and stops the service.
// Interrupts are the program's, which knows whether its script still runs; the second
// one, a SIGTERM, and the end of the terminal (SIGHUP), end it if it doesn't.
func (p *program) run(ctx context.Context, s *service, signals chan os.Signal) error {
	ended, err := p.start(signals)
	if err != nil {
		return errors.Join(fmt.Errorf("no Python: %w; name another with --python", err), s.shutdown(ctx))
	}
	var kill <-chan time.Time
	for number := 0; ; {
		select {
		case sig := <-signals:
			number++
			if sig == os.Interrupt {
				interrupt(p.Process)
			} else {
				terminate(p.Process)
			}
			if kill == nil && (number > 1 || sig != os.Interrupt) {
				kill = time.After(killTime)
			}
		case <-kill:
			p.Process.Kill()
		case err := <-s.engine.Failed():
			s.log.Error("listener failed", "error", err)
		case err := <-s.failed:
			s.log.Error("the script can't reach its server any more", "error", err)
		case err := <-ended:
			return errors.Join(p.result(err, kill != nil), s.stop(signals))
		}
	}
}

// wait returns the channel that gets the program's end.
func (p *program) wait() chan error {
	ended := make(chan error, 1)
	go func() { ended <- p.Wait() }()
	return ended
}

// result is what the end of the program means for this one.
// It was asked to end unless it does so by itself.
func (p *program) result(err error, asked bool) error {
	var failed *exec.ExitError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &failed):
		return err
	case failed.ExitCode() >= 0:
		return exitCode(failed.ExitCode())
	}
	status, _ := failed.Sys().(syscall.WaitStatus)
	if asked || isInterrupt(status.Signal()) {
		return nil // it had no time to end by itself, or to get ready for interrupts
	}
	return fmt.Errorf("the script's Python was ended by a signal: %v", status.Signal())
}

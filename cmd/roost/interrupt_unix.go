//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// start starts the program. A terminal sends SIGINT to the program too, which has to
// leave it to this process: it starts with the signal ignored, and is told of
// interrupts by SIGUSR1 instead.
func (p *program) start(signals chan os.Signal) (ended chan error, err error) {
	signal.Ignore(os.Interrupt)
	err = p.Start()
	signal.Notify(signals, os.Interrupt)
	if err != nil {
		return nil, err
	}
	return p.wait(), nil
}

// isInterrupt says whether sig is how the program is told of interrupts.
func isInterrupt(sig syscall.Signal) bool { return sig == syscall.SIGUSR1 }

func interrupt(p *os.Process) { p.Signal(syscall.SIGUSR1) }
func terminate(p *os.Process) { p.Signal(syscall.SIGTERM) }

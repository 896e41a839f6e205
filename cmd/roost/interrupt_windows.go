package main

import (
	"os"
	"syscall"
)

// start starts the program. The console tells it of interrupts by itself.
func (p *program) start(chan os.Signal) (ended chan error, err error) {
	if err = p.Start(); err != nil {
		return nil, err
	}
	return p.wait(), nil
}

func isInterrupt(syscall.Signal) bool { return false }

func interrupt(*os.Process)   {}
func terminate(p *os.Process) { p.Kill() }

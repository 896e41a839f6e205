package main

import "os"

// start starts the program. The console tells it of interrupts by itself.
func (p *program) start() (signals chan os.Signal, ended chan error, err error) {
	if err = p.Start(); err != nil {
		return nil, nil, err
	}
	signals, _ = notified()
	return signals, p.wait(), nil
}

func interrupt(*os.Process)   {}
func terminate(p *os.Process) { p.Kill() }

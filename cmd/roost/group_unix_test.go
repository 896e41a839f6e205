//go:build unix

package main

import (
	"errors"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// ownGroup makes the process and all it starts a group, as a shell does.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// interruptGroup sends the interrupt once, or again and again, as somebody who loses
// patience: two that come at once may be taken for one.
func interruptGroup(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, len(args) == 1 || len(args) == 2 && args[1] == "again", neg, "ctrl-c NAME [again]")
	p := processNamed(ts, args[0])
	ts.Check(syscall.Kill(-p.cmd.Process.Pid, syscall.SIGINT))
	for again := len(args) == 2; again; {
		select {
		case <-p.ended:
			return
		case <-time.After(200 * time.Millisecond):
			syscall.Kill(-p.cmd.Process.Pid, syscall.SIGINT)
		}
	}
}

func gone(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, len(args) == 1, neg, "gone PID")
	pid, err := strconv.Atoi(args[0])
	ts.Check(err)
	for limit := time.Now().Add(patience); !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			ts.Fatalf("the process %d is there still", pid)
		}
	}
}

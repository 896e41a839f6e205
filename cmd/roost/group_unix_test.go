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

func interruptGroup(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, len(args) == 1, neg, "ctrl-c NAME")
	ts.Check(syscall.Kill(-processNamed(ts, args[0]).cmd.Process.Pid, syscall.SIGINT))
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

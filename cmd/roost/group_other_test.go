//go:build !unix

package main

import (
	"os/exec"

	"github.com/rogpeppe/go-internal/testscript"
)

func ownGroup(*exec.Cmd) {}

func interruptGroup(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Fatalf("there are no process groups on this system")
}

func gone(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Fatalf("nobody can ask for a process on this system")
}

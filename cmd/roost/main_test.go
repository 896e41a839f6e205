package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes this program, a client and a maker of key pairs commands of the
// scripts, each run as a process.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"roost": main, "fetch": fetch, "keypair": keypair})
}

// scriptTime ends a program that serves where it should have refused to.
const scriptTime = 5 * time.Minute

// TestScripts runs testdata/script. Beside testscript's own commands there are
//
//	start NAME [VAR=VALUE…] PROGRAM [ARG…]   runs a process in the background
//	await NAME stdout|stderr REGEXP [VAR…]   waits for output, and keeps its groups
//	signal NAME|PID INT|TERM|HUP|KILL        sends a signal to a process
//	ctrl-c NAME [again]                      sends SIGINT to a process and all it started, as a terminal does, or until it ends
//	gone PID                                 waits until a process has ended
//	finish NAME CODE [LIMIT]                 waits for the end, and writes NAME.stdout and NAME.stderr
//	poll URL REGEXP                          waits until a resource's value matches
//	changes URL                              waits until a resource's value is another
//	exits CODE PROGRAM [ARG…]                runs a process that must end with CODE
//	upload NAME URL                          sends a PUT but for its last octet
//	complete NAME STATUS                     sends the last octet, and expects an answer
//	severed NAME                             expects the connection to end without one
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Deadline:            time.Now().Add(scriptTime),
		Setup:               setup,
		Condition:           condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start": start, "await": await, "signal": signalProcess, "finish": finish,
			"ctrl-c": interruptGroup, "gone": gone,
			"poll": poll, "changes": pollChange,
			"upload": startUpload, "complete": complete, "severed": severed,
			"exits": exits,
		},
	})
}

// condition adds to testscript's own conditions "root", and "lowports": ports below 1024
// take a right that not every user has.
func condition(name string) (bool, error) {
	switch name {
	case "root":
		return os.Getuid() == 0, nil
	case "lowports":
		b, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
		return err == nil && strings.TrimSpace(string(b)) == "1024", nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}

func setup(env *testscript.Env) error {
	env.Setenv("GORACE", "atexit_sleep_ms=10") // else every process takes a second to end
	env.Setenv("PYTHONDONTWRITEBYTECODE", "1")
	repository, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	env.Setenv("REPOSITORY", repository)
	env.Values[sceneKey{}] = &scene{
		environment: env.Vars,
		processes:   make(map[string]*process),
		uploads:     make(map[string]*upload),
	}
	return nil
}

// scene is what a script has running.
type scene struct {
	environment []string
	processes   map[string]*process
	uploads     map[string]*upload
}

type sceneKey struct{}

func sceneOf(ts *testscript.TestScript) *scene { return ts.Value(sceneKey{}).(*scene) }

// need ends a script that used a command wrongly.
func need(ts *testscript.TestScript, ok, neg bool, usage string) {
	if !ok || neg {
		ts.Fatalf("usage: %s", usage)
	}
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, len(args) >= 2, neg, "exits CODE PROGRAM [ARG…]")
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	if failed := new(exec.ExitError); errors.As(err, &failed) {
		code = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience is how long a script waits for what should come at once.
const patience = 30 * time.Second

// endTime is how long a process may take to end: less than an orderly stop waits
// for a slow request, so that it tells both apart.
const endTime = 5 * time.Second

// process is a program in the background of a script.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr output
	ended          chan struct{}
	err            error // of Wait, once ended
}

// start starts p, whose output is kept. Whoever does sees to it that p is killed.
func (p *process) start() error {
	p.ended = make(chan struct{})
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	return nil
}

func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.ended
}

// output is what a process wrote, for others to wait on.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // closed when there is more
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.more != nil {
		close(o.more)
		o.more = nil
	}
	return o.text.Write(p)
}

// now returns what was written, and a channel that is closed when there is more.
func (o *output) now() (string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.more == nil {
		o.more = make(chan struct{})
	}
	return o.text.String(), o.more
}

// find waits until re is found in the output of p.
func (p *process) find(o *output, re *regexp.Regexp) []string {
	limit := time.After(patience)
	ended := false
	for {
		text, more := o.now()
		if found := re.FindStringSubmatch(text); found != nil || ended {
			return found
		}
		select {
		case <-more:
		case <-p.ended:
			ended = true // all was written; look once more
		case <-limit:
			return nil
		}
	}
}

func start(ts *testscript.TestScript, neg bool, args []string) {
	const usage = "start NAME [VAR=VALUE…] PROGRAM [ARG…]; \\n in a VALUE ends a line"
	need(ts, len(args) >= 2, neg, usage)
	s := sceneOf(ts)
	name, args := args[0], args[1:]
	environment := s.environment
	for len(args) > 0 && strings.Contains(args[0], "=") {
		environment = append(environment[:len(environment):len(environment)], strings.ReplaceAll(args[0], `\n`, "\n"))
		args = args[1:]
	}
	need(ts, len(args) > 0 && s.processes[name] == nil, neg, usage)
	program, err := exec.LookPath(args[0])
	ts.Check(err)
	p := &process{cmd: exec.Command(program, args[1:]...)}
	p.cmd.Env, p.cmd.Dir = environment, ts.MkAbs(".")
	p.cmd.WaitDelay = endTime // what it started may have its output open still
	ownGroup(p.cmd)
	ts.Check(p.start())
	ts.Defer(p.kill)
	s.processes[name] = p
}

func processNamed(ts *testscript.TestScript, name string) *process {
	p := sceneOf(ts).processes[name]
	if p == nil {
		ts.Fatalf("no process %q was started", name)
	}
	return p
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, len(args) >= 3, neg, "await NAME stdout|stderr REGEXP [VAR…]")
	p := processNamed(ts, args[0])
	o := map[string]*output{"stdout": &p.stdout, "stderr": &p.stderr}[args[1]]
	need(ts, o != nil, neg, "await NAME stdout|stderr REGEXP [VAR…]")
	re, err := regexp.Compile("(?m)" + args[2])
	ts.Check(err)
	found := p.find(o, re)
	if found == nil {
		text, _ := o.now()
		ts.Fatalf("no match for %#q on %s of %s, which is\n%s", args[2], args[1], args[0], text)
	}
	for i, name := range args[3:] {
		ts.Setenv(name, found[i+1])
	}
}

func signalProcess(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL, "HUP": syscall.SIGHUP}
	need(ts, len(args) == 2 && signals[args[1]] != 0, neg, "signal NAME|PID INT|TERM|HUP|KILL")
	if pid, err := strconv.Atoi(args[0]); err == nil {
		p, err := os.FindProcess(pid)
		ts.Check(err)
		ts.Check(p.Signal(signals[args[1]]))
		return
	}
	ts.Check(processNamed(ts, args[0]).cmd.Process.Signal(signals[args[1]]))
}

func finish(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, len(args) == 2 || len(args) == 3, neg, "finish NAME CODE [LIMIT]")
	p := processNamed(ts, args[0])
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	limit := endTime
	if len(args) == 3 {
		limit, err = time.ParseDuration(args[2])
		ts.Check(err)
	}
	select {
	case <-p.ended:
	case <-time.After(limit):
		ts.Fatalf("%s has not ended within %v", args[0], limit)
	}
	if code := p.exitCode(); code != want {
		ts.Fatalf("%s ended with %d, want %d:\n%s", args[0], code, want, p.stderr.text.String())
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".stdout"), p.stdout.text.Bytes(), 0o666))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".stderr"), p.stderr.text.Bytes(), 0o666))
}

// exitCode is -1 for a process that a signal ended.
func (p *process) exitCode() int {
	if failed := new(exec.ExitError); errors.As(p.err, &failed) {
		return failed.ExitCode()
	}
	return 0
}

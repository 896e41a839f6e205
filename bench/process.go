package bench

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Process is a server, mostly another run of this program. That says its address on the first
// line of its output, answers questions, a line each, and ends when its input does.
type Process struct {
	Addr string

	cmd   *exec.Cmd
	other bool // not a run of this program: it ends when it is told to
	stdin io.WriteCloser
	says  *bufio.Reader
}

// StartProcess runs this program with args, and returns when it has said its address.
func StartProcess(args ...string) (*Process, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, args...)
	cmd.Stderr = os.Stderr
	return start(&Process{cmd: cmd})
}

// StartCommand runs a server that is another program, and returns when it has said its
// address, or, where addr is not empty, when it listens there.
func StartCommand(cmd *exec.Cmd, addr string) (*Process, error) {
	return start(&Process{Addr: addr, cmd: cmd, other: true})
}

func start(p *Process) (_ *Process, err error) {
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.says = bufio.NewReader(stdout)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	if p.Addr != "" {
		err = await(p.Addr)
	} else if p.Addr, err = p.says.ReadString('\n'); err == nil {
		p.Addr = strings.TrimSpace(p.Addr)
	}
	if err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

// Install installs packages of Debian, which takes root.
func Install(packages ...string) error {
	cmd := exec.Command("apt-get", append([]string{"install", "-y", "--no-install-recommends"}, packages...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return cmd.Run()
}

// FreePort is a port of the loopback interface that nobody listens at, for servers that can't
// choose one.
func FreePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// startTime is how long a server may take until it listens.
const startTime = 10 * time.Second

func await(addr string) error {
	for limit := time.Now().Add(startTime); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(limit) {
			return err
		}
	}
}

// Pid is the number of the process.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Ask asks a question, and reads the answer's words into answers.
func (p *Process) Ask(question string, answers ...any) error {
	if _, err := io.WriteString(p.stdin, question+"\n"); err != nil {
		return err
	}
	_, err := fmt.Fscanln(p.says, answers...)
	return err
}

// stopTime is how long another program may take to end.
const stopTime = 3 * time.Second

// Stop ends the input, and waits for the end of the process.
func (p *Process) Stop() {
	p.stdin.Close()
	if p.other {
		p.cmd.Process.Signal(syscall.SIGTERM)
		defer time.AfterFunc(stopTime, func() { p.cmd.Process.Kill() }).Stop()
	}
	p.cmd.Wait()
}

// StartRoost starts [Roost] as a program would use it, at a port of the loopback interface
// that the system chooses.
func StartRoost() (net.Addr, error) {
	s, err := Roost("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	if err := s.Start(); err != nil {
		return nil, err
	}
	return s.Addr(), nil
}

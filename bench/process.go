package bench

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
)

// Process is another run of this program that is a server. It says its address on the first
// line of its output, answers questions, a line each, and ends when its input does.
type Process struct {
	Addr string

	cmd   *exec.Cmd
	stdin io.WriteCloser
	says  *bufio.Reader
}

// StartProcess runs this program with args, and returns when it has said its address.
func StartProcess(args ...string) (*Process, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &Process{cmd: exec.Command(program, args...)}
	p.cmd.Stderr = os.Stderr
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
	addr, err := p.says.ReadString('\n')
	if err != nil {
		p.Stop()
		return nil, err
	}
	p.Addr = strings.TrimSpace(addr)
	return p, nil
}

// Ask asks a question, and reads the answer's words into answers.
func (p *Process) Ask(question string, answers ...any) error {
	if _, err := io.WriteString(p.stdin, question+"\n"); err != nil {
		return err
	}
	_, err := fmt.Fscanln(p.says, answers...)
	return err
}

// Stop ends the input, and waits for the end of the process.
func (p *Process) Stop() {
	p.stdin.Close()
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

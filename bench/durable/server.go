//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"roost/bench"
)

// process is a server's.
type process struct{ cmd *exec.Cmd }

func (p process) pid() int { return p.cmd.Process.Pid }

func (p process) stop() {
	p.cmd.Process.Signal(os.Interrupt)
	p.cmd.Wait()
}

// roost is roost serve --data.
type roost struct {
	process
	url, script string
}

func (m *measurement) startRoost() (contender, error) {
	r := &roost{script: filepath.Join(m.dir, "put.lua")}
	script := fmt.Sprintf("wrk.method = 'PUT'\nwrk.body = '%s'\nwrk.headers['Content-Type'] = 'text/plain'\n", bench.Value)
	if err := os.WriteFile(r.script, []byte(script), 0o600); err != nil {
		return nil, err
	}
	var err error
	r.process, r.url, err = serve(m.roost, "--data", filepath.Join(m.dir, "roost.data"),
		"--resource", bench.URI+"="+bench.Value, "--methods", "GET,PUT", "--type", "PLAIN")
	return r, err
}

// serve starts roost serve at a free port, and returns when it listens.
func serve(program string, args ...string) (p process, url string, err error) {
	p.cmd = exec.Command(program, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return p, "", err
	}
	if err := p.cmd.Start(); err != nil {
		return p, "", err
	}
	lines := bufio.NewReader(stdout)
	line, err := lines.ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err == nil && !ok {
		err = fmt.Errorf("roost serve says %q", line)
	}
	go io.Copy(io.Discard, lines)
	return p, url, err
}

func (r *roost) name() string { return "roost serve --data" }

var perSecond = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)

func (r *roost) turn(connections int, length time.Duration) (float64, error) {
	out, err := exec.Command("wrk", "-t", "1", "-c", strconv.Itoa(connections), "-d", fmt.Sprintf("%.0fs", max(1, length.Seconds())), "-s", r.script, r.url+bench.URI).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("wrk: %w: %s", err, out)
	}
	found := perSecond.FindSubmatch(out)
	if found == nil || bytes.Contains(out, []byte("Non-2xx")) || bytes.Contains(out, []byte("Socket errors")) {
		return 0, fmt.Errorf("wrk: %s", out)
	}
	return strconv.ParseFloat(string(found[1]), 64)
}

// redis is redis-server with appendfsync always.
type redis struct {
	process
	port string
}

func (m *measurement) startRedis() (contender, error) {
	dir := filepath.Join(m.dir, "redis")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	port, err := bench.FreePort()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", dir, "--save", "", "--appendonly", "yes", "--appendfsync", "always")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r := &redis{process{cmd}, port}
	return r, r.await()
}

// await waits until it answers.
func (r *redis) await() error {
	for limit := time.Now().Add(10 * time.Second); time.Now().Before(limit); time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("tcp", "127.0.0.1:"+r.port); err == nil {
			return conn.Close()
		}
	}
	return errors.New("redis-server does not listen")
}

func (r *redis) name() string { return "redis-server --appendfsync always" }

// turn finds out first how many requests take that time: redis-benchmark is told a number.
func (r *redis) turn(connections int, length time.Duration) (float64, error) {
	rate, err := r.set(connections, 500+50*connections)
	if err != nil {
		return 0, err
	}
	return r.set(connections, int(rate*length.Seconds()))
}

func (r *redis) set(connections, requests int) (float64, error) {
	cmd := exec.Command("redis-benchmark", "-p", r.port, "-t", "set", "-d", strconv.Itoa(len(bench.Value)), "-c", strconv.Itoa(connections), "-n", strconv.Itoa(requests), "--csv")
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("redis-benchmark: %w: %s", err, out)
	}
	found := regexp.MustCompile(`(?m)^"SET","([0-9.]+)"`).FindSubmatch(out)
	if found == nil {
		return 0, fmt.Errorf("redis-benchmark: %s", out)
	}
	return strconv.ParseFloat(string(found[1]), 64)
}

//go:build linux

package main

import (
	"bytes"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"roost/bench"
)

// server is one that can be measured.
type server struct {
	name    string
	keeps   bool                     // a value that PUT replaces
	roost   bool                     // so it has resources and watchers
	prepare func(*measurement) error // says what is missing
	start   func(*measurement, setting) (*running, error)
}

// setting is what a server starts with.
type setting struct {
	size  int
	store string // a folder, for roost
	watch bool   // for bare: with event streams
}

// running is a server that runs; pid is that of the process that serves.
type running struct {
	*bench.Process
	pid int
}

var servers = []server{
	{"roost-fast", true, true, func(m *measurement) error {
		if !m.planes {
			return errors.New("roost serve has no --plane")
		}
		return nil
	}, startRoost("fast")},
	{"roost-reference", true, true, func(*measurement) error { return nil }, startRoost("reference")},
	{"bare", true, false, func(m *measurement) error {
		m.versions = append(m.versions, runtime.Version())
		return nil
	}, startBare},
	{"fasthttp", true, false, prepareFasthttp, func(m *measurement, s setting) (*running, error) {
		return m.launch(s, "", filepath.Join(m.dir, "fasthttp"))
	}},
	{"nginx", false, false, needs("nginx", "nginx", "-v"), startNginx},
	{"h2o", false, false, needs("h2o", "h2o", "--version"), startH2O},
	{"loop", false, false, prepareLoop, func(m *measurement, s setting) (*running, error) {
		return m.launch(s, "", filepath.Join(m.dir, "loop"), strconv.Itoa(s.size))
	}},
}

func serverNames() (names []string) {
	for _, s := range servers {
		names = append(names, s.name)
	}
	return names
}

func find(name string) server {
	for _, s := range servers {
		if s.name == name {
			return s
		}
	}
	panic("no server " + name)
}

// said is the first line of what a program says.
func said(name string, args ...string) string {
	out, _ := exec.Command(name, args...).CombinedOutput()
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}

func needs(program, pkg, version string) func(*measurement) error {
	return func(m *measurement) error {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%s is missing: apt-get install %s", program, pkg)
		}
		m.versions = append(m.versions, said(program, version))
		return nil
	}
}

// source is the folder of this program's source, where what is not part of it is built from.
func source() (string, error) {
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}", "roost/bench/plane").Output()
	return strings.TrimSpace(string(out)), err
}

func prepareFasthttp(m *measurement) error {
	dir, err := source()
	if err != nil {
		return err
	}
	program := filepath.Join(m.dir, "fasthttp")
	if err := m.command("go", "build", "-C", filepath.Join(dir, "fasthttp"), "-o", program, "."); err != nil {
		return fmt.Errorf("it cannot be built: %w", err)
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	for _, dep := range info.Deps {
		if dep.Path == "github.com/valyala/fasthttp" {
			m.versions = append(m.versions, "fasthttp "+dep.Version)
		}
	}
	return nil
}

func prepareLoop(m *measurement) error {
	dir, err := source()
	if err != nil {
		return err
	}
	if err := m.command("cc", "-O2", "-Wall", "-o", filepath.Join(m.dir, "loop"), filepath.Join(dir, "loop", "loop.c")); err != nil {
		return fmt.Errorf("it cannot be compiled, which takes cc: apt-get install gcc: %w", err)
	}
	m.versions = append(m.versions, said("cc", "--version"))
	return nil
}

// ending has a process end with the one that started it, whatever ends that.
func ending() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }

// launch starts another program on the servers' processor.
func (m *measurement) launch(_ setting, addr, name string, args ...string) (*running, error) {
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = ending()
	var said bytes.Buffer
	cmd.Stderr = &said
	r := new(running)
	err := onCPU(m.serverCPU, func() (err error) {
		r.Process, err = bench.StartCommand(cmd, addr)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", filepath.Base(name), err, said.Bytes())
	}
	r.pid = r.Pid()
	return r, nil
}

func startRoost(plane string) func(*measurement, setting) (*running, error) {
	return func(m *measurement, s setting) (*running, error) {
		args := []string{"serve", "--listen", "127.0.0.1:0"}
		if m.planes {
			args = append(args, "--plane", plane)
		}
		if s.store != "" {
			args = append(args, "--data", s.store, "--max-uri", "-1")
		} else {
			args = append(args, "--resource", bench.URI+"="+value(100), "--methods", "GET,PUT", "--type", "PLAIN")
		}
		r, err := m.launch(s, "", m.roost, args...)
		if err != nil {
			return nil, err
		}
		addr, ok := strings.CutPrefix(r.Addr, "listening on http://")
		if !ok {
			r.Stop()
			return nil, fmt.Errorf("roost serve says %q", r.Addr)
		}
		r.Addr = addr
		return r, nil
	}
}

func startBare(m *measurement, s setting) (*running, error) {
	name := "bare"
	if s.watch {
		name = "hub"
	}
	r := new(running)
	err := onCPU(m.serverCPU, func() (err error) {
		r.Process, err = bench.StartProcess("-serve", name)
		return err
	})
	if err != nil {
		return nil, err
	}
	r.pid = r.Pid()
	return r, nil
}

// beServer is a handler of net/http, until the input ends.
func beServer(name string) error {
	handlers := map[string]func() http.Handler{"bare": bench.Bare, "hub": func() http.Handler { return bench.BareHub() }}
	if handlers[name] == nil {
		return fmt.Errorf("no server is called %q", name)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go http.Serve(l, handlers[name]())
	fmt.Println(l.Addr())
	io.Copy(io.Discard, os.Stdin)
	return nil
}

func value(size int) string {
	return strings.Repeat("0123456789", size/10+1)[:size]
}

// place is where a server with a configuration runs: a folder with the file that it may send,
// and a port.
type place struct{ dir, file, port string }

func (m *measurement) place(size int) (p place, err error) {
	if p.dir, err = os.MkdirTemp(m.dir, "server-"); err != nil {
		return p, err
	}
	if p.port, err = bench.FreePort(); err != nil {
		return p, err
	}
	p.file = filepath.Join(p.dir, "value")
	return p, os.WriteFile(p.file, []byte(value(size)), 0o644)
}

const small = 100

func startNginx(m *measurement, s setting) (*running, error) {
	at, err := m.place(s.size)
	if err != nil {
		return nil, err
	}
	user := ""
	if os.Getuid() == 0 {
		user = "user root;\n" // or its worker cannot read the temporary folder
	}
	answer := fmt.Sprintf(`add_header Etag '"abcdefghijklm-1"'; add_header Last-Modified "Mon, 02 Jan 2006 15:04:05 GMT"; add_header Accept-Ranges bytes;
    return 200 "%s";`, value(s.size))
	if s.size > small {
		answer = "alias " + at.file + ";" // with fields of its own for these three
	}
	config := fmt.Sprintf(`%sworker_processes 1;
daemon off;
pid %[2]s/pid;
error_log %[2]s/error.log;
worker_rlimit_nofile %[3]d;
events { worker_connections %[3]d; }
http {
  access_log off;
  server_tokens off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  keepalive_timeout 600s;
  client_body_temp_path %[2]s/body; proxy_temp_path %[2]s/proxy; fastcgi_temp_path %[2]s/fastcgi; uwsgi_temp_path %[2]s/uwsgi; scgi_temp_path %[2]s/scgi;
  server {
    listen 127.0.0.1:%[4]s backlog=4096;
    location = /value {
    types { } default_type "text/plain; charset=utf-8";
    add_header X-Content-Type-Options nosniff; add_header Cache-Control no-cache; add_header Vary Accept;
    %[5]s
    }
  }
}
`, user, at.dir, files, at.port, answer)
	path := filepath.Join(at.dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		return nil, err
	}
	r, err := m.launch(s, "127.0.0.1:"+at.port, "nginx", "-e", filepath.Join(at.dir, "error.log"), "-c", path)
	if err != nil {
		return nil, err
	}
	if r.pid, err = child(r.Pid()); err != nil {
		r.Stop()
		return nil, err
	}
	return r, nil
}

func startH2O(m *measurement, s setting) (*running, error) {
	at, err := m.place(s.size)
	if err != nil {
		return nil, err
	}
	user := ""
	if os.Getuid() == 0 {
		user = "user: root\n"
	}
	config := fmt.Sprintf(`%snum-threads: 1
max-connections: %d
http1-request-timeout: 600
error-log: %s/error.log
listen:
  host: 127.0.0.1
  port: %s
hosts:
  default:
    paths:
      "/value":
        file.file: %s
        file.mime.setdefaulttype: "text/plain; charset=utf-8"
        header.set: "X-Content-Type-Options: nosniff"
        header.set: "Cache-Control: no-cache"
        header.set: "Vary: Accept"
`, user, files, at.dir, at.port, at.file)
	path := filepath.Join(at.dir, "h2o.conf")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		return nil, err
	}
	return m.launch(s, "127.0.0.1:"+at.port, "h2o", "-m", "worker", "-c", path)
}

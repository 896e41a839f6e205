package main

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"roost/control"
	"roost/python"
)

// private is the folder that only this user can look into, with what a script is run
// by: the shim, and the socket of the control API.
type private struct {
	dir   string
	addr  string // where the control API listens
	token string // of a TCP address
}

// maxSocketPath is how long the path of a Unix socket can be on every system.
const maxSocketPath = 103

func newPrivate() (*private, error) {
	p, err := newPrivateIn(os.TempDir())
	if err == nil && runtime.GOOS != "windows" && len(p.socket()) > maxSocketPath {
		os.RemoveAll(p.dir)
		p, err = newPrivateIn("/tmp")
	}
	if err != nil {
		return nil, err
	}
	p.addr = "unix://" + p.socket()
	if runtime.GOOS == "windows" { // whose Python knows no Unix sockets
		p.addr, p.token = "127.0.0.1:0", control.NewToken()
	}
	if err := os.CopyFS(p.dir, python.Files); err != nil {
		os.RemoveAll(p.dir)
		return nil, err
	}
	return p, nil
}

func newPrivateIn(parent string) (*private, error) {
	dir, err := os.MkdirTemp(parent, "roost-run-")
	return &private{dir: dir}, err
}

func (p *private) socket() string { return filepath.Join(p.dir, "control.sock") }
func (p *private) runner() string { return filepath.Join(p.dir, filepath.FromSlash(python.Runner)) }
func (p *private) remove() error  { return os.RemoveAll(p.dir) }

// instructions are what the runner is told, as JSON.
type instructions struct {
	Control        string         `json:"control"` // URL of the control API
	Token          string         `json:"token"`
	Flash          string         `json:"flash"`
	ListenHost     string         `json:"listen_host"`
	Ports          map[string]int `json:"ports"` // by the port that a script asks for
	InsecureClient bool           `json:"insecure_client"`
	Exit           bool           `json:"exit"`
	Private        string         `json:"private"`
}

// instructions is the variable by which the runner is told, and which it removes again.
func (r *runSettings) instructions(l net.Listener, p *private, flash string) string {
	i := instructions{
		Control: control.URL("http", l.Addr()), Token: p.token,
		Flash: flash, ListenHost: r.listenHost, Ports: make(map[string]int),
		InsecureClient: r.insecureClient, Exit: r.exit, Private: p.dir,
	}
	for _, m := range r.ports {
		if m.used != 0 { // else the runner learns it when a server listens
			i.Ports[strconv.Itoa(m.asked)] = m.used
		}
	}
	b, err := json.Marshal(i)
	if err != nil {
		panic(err) // strings and numbers
	}
	return "ROOST_RUN=" + string(b)
}

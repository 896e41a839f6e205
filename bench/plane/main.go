//go:build linux

// Command plane measures what a request costs Roost's planes, a silent connection and one
// who watches: beside net/http, fasthttp, nginx, h2o, and a loop of epoll in C that does
// nothing but answer, which is the limit.
//
// Each server is kept to one processor, and the load, of wrk, to another. The servers take
// turns. It installs nothing unless -install is given: what is missing it says, and leaves out.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"roost/bench"
)

func main() {
	log.SetFlags(0)
	m := measurement{results: make(map[key]*result)}
	names := flag.String("servers", "all", "what to compare, of "+strings.Join(serverNames(), ","))
	cases := flag.String("cases", "all", "what to measure, of "+strings.Join(caseNames(), ","))
	flag.IntVar(&m.rounds, "rounds", 5, "turns of each server in each case")
	flag.DurationVar(&m.length, "length", 3*time.Second, "of a turn, in whole seconds")
	flag.StringVar(&m.out, "out", "", "folder to write RESULTS.md and plots to")
	flag.StringVar(&m.roost, "roost", "", "program to measure (built by default)")
	install := flag.Bool("install", false, "install what is missing, with apt-get")
	serve := flag.String("serve", "", "be the server of that name (for this program's own use)")
	flag.Parse()
	var err error
	if *serve != "" {
		err = beServer(*serve)
	} else {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		context.AfterFunc(ctx, stop) // a second signal ends it at once
		m.ctx = ctx
		if m.servers, err = chosen(*names, serverNames()); err == nil {
			m.cases, err = chosen(*cases, caseNames())
		}
		if err == nil {
			err = m.run(*install)
		}
	}
	if err != nil {
		log.Fatal("plane: ", err)
	}
}

func chosen(list string, known []string) ([]string, error) {
	if list == "all" {
		return known, nil
	}
	names := strings.Split(list, ",")
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("%q is not one of %s", name, strings.Join(known, ","))
		}
	}
	return names, nil
}

// measurement is a run of this program.
type measurement struct {
	ctx                   context.Context
	servers, cases        []string
	rounds                int
	length                time.Duration
	out, roost, dir       string
	planes                bool // roost serve knows --plane
	serverCPU, loadCPU    int
	results               map[key]*result
	notes, versions       []string
	loadBefore, loadAfter string
}

func (m *measurement) run(install bool) (err error) {
	if m.rounds < 1 || m.length < time.Second {
		return errors.New("it takes one round of one second at least")
	}
	if m.dir, err = os.MkdirTemp("", "plane-"); err != nil {
		return err
	}
	defer os.RemoveAll(m.dir)
	if install {
		if err := bench.Install("wrk", "nginx", "h2o", "gcc"); err != nil {
			return err
		}
	}
	if err := m.prepare(); err != nil {
		return err
	}
	m.loadBefore = loadavg()
	for _, c := range cases {
		if !slices.Contains(m.cases, c.name) {
			continue
		}
		if err := c.run(m, c); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		if err := m.ctx.Err(); err != nil {
			return err
		}
	}
	m.loadAfter = loadavg()
	return m.report()
}

// prepare raises limits, keeps this program to its processor, and finds or builds what is
// measured.
func (m *measurement) prepare() error {
	if err := raiseFiles(); err != nil {
		return err
	}
	if _, err := exec.LookPath("wrk"); err != nil {
		m.note("wrk is missing, so no case of requests can be measured: apt-get install wrk")
		m.cases = slices.DeleteFunc(slices.Clone(m.cases), func(name string) bool { return name != "idle" && name != "watchers" })
	}
	built := m.roost
	if m.roost == "" {
		m.roost = filepath.Join(m.dir, "roost")
		if err := m.command("go", "build", "-o", m.roost, "roost/cmd/roost"); err != nil {
			return err
		}
		built = "of this module"
	}
	help, err := exec.CommandContext(m.ctx, m.roost, "serve", "--help").Output()
	if err != nil {
		return err
	}
	m.planes = strings.Contains(string(help), "--plane")
	if !m.planes {
		m.note("this roost does not know --plane: it is measured once, without the flag, as roost-reference")
	}
	m.versions = append(m.versions, "roost "+built+": "+said(m.roost, "--version"))
	m.servers = slices.DeleteFunc(slices.Clone(m.servers), func(name string) bool {
		missing := find(name).prepare(m)
		if missing != nil {
			m.note(fmt.Sprintf("%s is left out: %v", name, missing))
		}
		return missing != nil
	})
	if err := m.ctx.Err(); err != nil {
		return err
	}
	return m.pin()
}

// note says what the reader of the results has to know too.
func (m *measurement) note(text string) {
	if !slices.Contains(m.notes, text) {
		m.notes = append(m.notes, text)
		log.Print("plane: NOTE: ", text)
	}
}

func (m *measurement) command(name string, args ...string) error {
	cmd := exec.CommandContext(m.ctx, name, args...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return cmd.Run()
}

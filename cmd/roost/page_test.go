package main

import (
	"bufio"
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what commands print into the pages that show them")

// pages are those whose sessions are what curl prints: each command in a block that begins
// with "$ " is run, in order, in a folder of its own, while the server runs that the page
// begins with.
var pages = []struct {
	name  string
	serve []string // beside where it listens
}{
	{"control-api.md", nil},
	{"http.md", []string{"--resource", "/note=first", "--methods", "GET,PUT,POST,DELETE", "--type", "PLAIN", "--client-ttl"}},
}

func TestPages(t *testing.T) {
	for _, needed := range []string{"curl", "sh"} {
		if _, err := exec.LookPath(needed); err != nil {
			t.Skipf("%s: not on PATH", needed)
		}
	}
	for _, p := range pages {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := session{t: t, dir: shortTemp(t)}
			s.serve(p.serve)
			s.compare("../../docs/" + p.name)
		})
	}
}

// compare runs the sessions of a page, and compares what they print with what it says.
func (s *session) compare(name string) {
	page, err := os.ReadFile(name)
	if err != nil {
		s.t.Fatal(err)
	}
	ran := regexp.MustCompile("(?ms)^```\n(\\$ .*?)^```\n").ReplaceAllFunc(page, s.block)
	if *update {
		if err := os.WriteFile(name, ran, 0o666); err != nil {
			s.t.Fatal(err)
		}
		return
	}
	want, got := strings.Split(changing(page), "\n"), strings.Split(changing(ran), "\n")
	for i := range min(len(want), len(got)) {
		if want[i] != got[i] {
			s.t.Fatalf("line %d is\n%s\nand should be\n%s\n(go test ./cmd/roost -run Pages -update writes it)", i+1, want[i], got[i])
		}
	}
	if len(want) != len(got) {
		s.t.Errorf("the page has %d lines, and should have %d", len(want), len(got))
	}
}

// changing leaves out what differs from run to run.
func changing(page []byte) string {
	for _, c := range []struct{ pattern, name string }{
		{`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z`, "TIME"},
		{`(Date|Last-Modified|Sunset): .*`, "$1: TIME"},
		{`Content-Length: [0-9]+`, "Content-Length: N"}, // of a time's digits
		{`[a-z2-7]{13}-[0-9]+`, "EPOCH"},
		{`127\.0\.0\.1:[0-9]+`, "ADDR"},
		{`/(notes?)/[0-9]{5}`, "/$1/CHILD"},
		{`%2F[0-9]{5}`, "%2FCHILD"},
		{`retry: [0-9]{4}`, "retry: N"},
		{`curl/[0-9.]+`, "curl/VERSION"},
		{`(?m)[ \t]+$`, ""},
	} {
		page = regexp.MustCompile(c.pattern).ReplaceAll(page, []byte(c.name))
	}
	return string(page)
}

// session runs the commands of a page.
type session struct {
	t    testing.TB
	dir  string
	addr string // where the server listens, in place of pageAddr
}

// pageAddr is where the servers of the pages listen.
const pageAddr = "127.0.0.1:8080"

// shortTemp is a folder in which the path of a Unix socket is not too long.
func shortTemp(t testing.TB) string {
	dir, err := os.MkdirTemp("", "page")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// serve starts the server of the page's first command.
func (s *session) serve(flags []string) {
	flags = append([]string{"serve", "--listen", "127.0.0.1:0", "--control", "unix://" + filepath.Join(s.dir, "roost.sock")}, flags...)
	cmd := exec.Command("roost", flags...)
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if addr, ok := strings.CutPrefix(lines.Text(), "listening on http://"); ok {
			s.addr = addr
		}
		if strings.HasPrefix(lines.Text(), "control API on ") {
			return
		}
	}
	s.t.Fatal("the server did not start")
}

// block runs the commands of a block.
func (s *session) block(text []byte) []byte {
	var b bytes.Buffer
	b.WriteString("```\n")
	for line := range strings.Lines(string(text)) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			b.WriteString(line)
			b.Write(s.run(strings.TrimSpace(command)))
		}
	}
	b.WriteString("```\n")
	return b.Bytes()
}

// run runs a command; that curl came to the end of its time is no failure.
func (s *session) run(command string) []byte {
	cmd := exec.Command("sh", "-c", strings.ReplaceAll(command, pageAddr, s.addr))
	cmd.Dir = s.dir
	out, err := cmd.Output()
	if err != nil && cmd.ProcessState.ExitCode() != 28 {
		s.t.Fatalf("%s: %v\n%s", command, err, out)
	}
	out = bytes.ReplaceAll(out, []byte("\r"), nil)
	out = bytes.ReplaceAll(out, []byte(s.addr), []byte(pageAddr))
	if len(out) > 0 && !bytes.HasSuffix(out, []byte("\n")) {
		out = append(out, '\n')
	}
	return out
}

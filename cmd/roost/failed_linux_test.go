package main

import (
	"net/http"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A server whose disk failed goes on answering reads, says so once, and ends with an error.
func TestDiskFails(t *testing.T) {
	p := launch(t, "serve", "--listen", "127.0.0.1:0", "--data", t.TempDir(), "--resource", "/a=kept", "--methods", "GET,PUT")
	found := p.find(&p.stdout, listens)
	if found == nil {
		t.Fatal("it does not start")
	}
	ask := func(method, content string) int {
		req, err := http.NewRequest(method, found[1]+"/a", strings.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	limit := unix.Rlimit{Cur: 256 << 10, Max: 256 << 10}
	if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		t.Skip("SKIPPED: no limit can be set:", err)
	}
	status := 0
	for range 100 {
		if status = ask("PUT", strings.Repeat("x", 64<<10)); status == 500 {
			break
		}
	}
	if status != 500 {
		t.Errorf("changes are answered %d", status)
	}
	if status := ask("GET", ""); status != 200 {
		t.Errorf("reads are answered %d", status)
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	<-p.ended
	if code := p.cmd.ProcessState.ExitCode(); code != exitFailed {
		text, _ := p.stderr.now()
		t.Errorf("exit code %d:\n%s", code, text)
	}
}

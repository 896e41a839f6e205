package roost_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestExampleEmbed builds the example as a newcomer would, without any download,
// and uses it from outside.
func TestExampleEmbed(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no interrupt signal to stop the example with")
	}
	program := buildExample(t, "embed")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "127.0.0.1:0")
	cmd.Stderr = t.Output()
	stdout, err := cmd.StdoutPipe()
	must(err)
	must(cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	lines := bufio.NewReader(stdout)

	url := nextLine(t, lines)
	if !strings.HasPrefix(url, "http://127.0.0.1:") {
		t.Fatalf("it says %q, want its URL", url)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	for _, v := range []struct {
		method, content string
		status          int
		answer, said    string
	}{
		{"GET", "", 200, "Hello Client!", `GET /greeting: 200; the value is "Hello Client!"`},
		{"PUT", "Hello yourself!", 204, "", `PUT /greeting: 204; the value is "Hello yourself!"`},
		{"GET", "", 200, "Hello yourself!", `GET /greeting: 200; the value is "Hello yourself!"`},
	} {
		status, answer := visit(t, client, v.method, url, v.content)
		if status != v.status || answer != v.answer {
			t.Errorf("%s: got %d %q, want %d %q", v.method, status, answer, v.status, v.answer)
		}
		if said := nextLine(t, lines); said != v.said {
			t.Errorf("%s: it says %q, want %q", v.method, said, v.said)
		}
	}

	must(cmd.Process.Signal(os.Interrupt))
	if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
		t.Errorf("after the interrupt it says %q, %v", rest, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after the interrupt: %v", err)
	}
}

func buildExample(t *testing.T, name string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), name)
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-mod=readonly", "-o", program, ".")
	cmd.Dir = filepath.Join("examples", name)
	cmd.Env = append(cmd.Environ(), "GOPROXY=off", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build in %s: %v\n%s", cmd.Dir, err, out)
	}
	return program
}

func nextLine(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	s, err := r.ReadString('\n')
	if err != nil {
		t.Fatalf("output ends with %q: %v", s, err)
	}
	return strings.TrimSuffix(s, "\n")
}

func visit(t *testing.T, client *http.Client, method, url, content string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(content))
	must(err)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	return resp.StatusCode, string(b)
}

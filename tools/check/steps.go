package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"roost/tools/internal/target"
)

// modules are the folders of the checkout's Go modules.
var modules = []string{".", "tools", filepath.Join("examples", "embed")}

// programs are what some tests drive; of each line one is enough.
var programs = [][]string{
	{"python3"},
	{"openssl"},
	{"curl"},
	{"chromium", "chromium-browser", "google-chrome"},
}

// command runs in a folder of the checkout, and shows its output.
func (c *check) command(dir, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = filepath.Join(c.root, dir)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd
}

func (c *check) format() error {
	dirs, err := c.sources()
	if err != nil {
		return err
	}
	cmd := c.command(".", "gofmt", append([]string{"-l"}, dirs...)...)
	cmd.Stdout = nil
	out, err := cmd.Output()
	if err != nil {
		return err
	}
	if len(out) > 0 {
		return fmt.Errorf("not formatted (make fmt does it):\n%s", out)
	}
	return nil
}

// sources are the checkout's files and folders but for the hidden ones.
func (c *check) sources() ([]string, error) {
	entries, err := os.ReadDir(c.root)
	var names []string
	for _, e := range entries {
		if hidden := strings.HasPrefix(e.Name(), "."); !hidden && (e.IsDir() || strings.HasSuffix(e.Name(), ".go")) {
			names = append(names, e.Name())
		}
	}
	return names, err
}

func (c *check) vet() error {
	return c.inModules(func(dir string) error { return c.command(dir, "go", "vet", "./...").Run() })
}

// staticcheck is built from the requirements of tools/, so that those of the
// modules stay their own. ST1005 wants errors to begin in lower case; ours may
// begin with the name of the Config field that is wrong.
func (c *check) staticcheck() error {
	modfile := "-modfile=" + filepath.Join(c.root, "tools", "go.mod")
	return c.inModules(func(dir string) error {
		return c.command(dir, "go", "tool", modfile, "staticcheck", "-checks", "inherit,-ST1005", "./...").Run()
	})
}

func (c *check) inModules(do func(dir string) error) error {
	var all error
	for _, dir := range modules {
		if err := do(dir); err != nil {
			all = errors.Join(all, fmt.Errorf("module in %s: %w", dir, err))
		}
	}
	return all
}

func (c *check) test() error {
	args := []string{"test", "-json"}
	if why := c.noRaceDetector(); why != "" {
		c.skip("race detector: %s; the tests ran without it", why)
	} else {
		args = append(args, "-race")
	}
	if c.requireAll {
		args = append(args, "-count=1")
	}
	cmd := c.command(".", "go", append(args, "./...")...)
	cmd.Stdout = nil
	events, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	skipped, readErr := showTests(os.Stdout, events)
	for _, s := range skipped {
		c.skip("%s", s)
	}
	return errors.Join(cmd.Wait(), readErr)
}

// noRaceDetector says why the race detector can't be had. Only a build tells: it
// takes a C compiler with its library on some systems, and is not for all
// processors.
func (c *check) noRaceDetector() string {
	program := filepath.Join(c.temp, "race.go")
	if err := os.WriteFile(program, []byte("package main\n\nfunc main() {}\n"), 0o644); err != nil {
		return err.Error()
	}
	cmd := c.command(".", "go", "run", "-race", program)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = nil, &out
	err := cmd.Run()
	if err == nil {
		return ""
	}
	if cc, _ := exec.Command("go", "env", "CC").Output(); len(bytes.Fields(cc)) > 0 {
		if name := string(bytes.Fields(cc)[0]); runtime.GOOS != "darwin" && missing(name) {
			return "no C compiler: " + name + " is not on PATH"
		}
	}
	return strings.TrimSpace(fmt.Sprintf("%v: %s", err, strings.Join(strings.Fields(out.String()), " ")))
}

func (c *check) build() error {
	var all error
	for _, t := range target.All {
		cmd := c.command(".", "go", "build", "-buildvcs=false", "-o", os.DevNull, "./...")
		cmd.Env = t.Environ()
		if err := cmd.Run(); err != nil {
			all = errors.Join(all, fmt.Errorf("%s: %w", t, err))
			continue
		}
		fmt.Printf("ok  \t%s\n", t)
	}
	return all
}

func (c *check) lookForPrograms() {
	for _, names := range programs {
		if missing(names...) {
			c.skip("%s: not on PATH; what needs it was not tested", strings.Join(names, " or "))
		}
	}
}

func missing(names ...string) bool {
	for _, name := range names {
		if _, err := exec.LookPath(name); err == nil {
			return false
		}
	}
	return true
}

// Command check looks at the whole checkout: its form, its tests, and whether it
// builds for every target. "make test" runs it, in tools/.
//
// It needs nothing but Go. What some tests need beside, and this machine lacks, is
// listed at the end in lines that begin with "SKIP:"; with ROOST_REQUIRE_ALL=1 in the
// environment each of them is a failure, and no result comes from the cache.
//
// It writes to the checkout's .tmp folder and to Go's own caches only, unless the
// checkout's path is too long for that.
package main

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"
)

func main() {
	log.SetFlags(0)
	c, err := newCheck()
	if err != nil {
		log.Fatal("check: ", err)
	}
	c.run()
	os.RemoveAll(c.temp)
	if !c.report() {
		os.Exit(1)
	}
}

// check is one look at a checkout, and what it found.
type check struct {
	root       string
	temp       string // for this run
	requireAll bool

	skips    []string
	failures []string
}

func newCheck() (*check, error) {
	root, err := filepath.Abs("..")
	if err != nil {
		return nil, err
	}
	c := &check{root: root, requireAll: os.Getenv("ROOST_REQUIRE_ALL") == "1"}
	kept := filepath.Join(root, ".tmp")
	if err := os.MkdirAll(kept, 0o755); err != nil {
		return nil, err
	}
	if c.temp, err = tempDir(kept); err != nil {
		return nil, err
	}
	os.Setenv("TMPDIR", c.temp)
	os.Setenv("GOWORK", "off")
	os.Setenv("STATICCHECK_CACHE", filepath.Join(kept, "staticcheck"))
	return c, nil
}

// maxTemp is how long the path of the temporary folder may be, in octets. Tests and
// browsers make Unix sockets some 50 below it, and the path of one has 107 at
// most on Linux, 103 elsewhere.
const maxTemp = 53

// tempDir makes a folder for temporary files in dir, or, where that has too long a
// name, the system's.
func tempDir(dir string) (string, error) {
	temp, err := os.MkdirTemp(dir, "t")
	if err != nil || len(temp) <= maxTemp {
		return temp, err
	}
	if err := os.Remove(temp); err != nil {
		return "", err
	}
	fmt.Printf("temporary files are outside of the checkout, whose path is too long for Unix sockets\n")
	os.Unsetenv("TMPDIR")
	return os.MkdirTemp("", "roost")
}

// run takes every step, whatever became of those before.
func (c *check) run() {
	c.step("gofmt", c.format)
	c.step("go vet", c.vet)
	c.step("staticcheck", c.staticcheck)
	c.step("go test", c.test)
	c.step("go build for every target", c.build)
	c.lookForPrograms()
}

func (c *check) step(name string, do func() error) {
	fmt.Printf("==> %s\n", name)
	start := time.Now()
	if err := do(); err != nil {
		fmt.Printf("%s: %v\n", name, err)
		c.failures = append(c.failures, name)
	}
	fmt.Printf("    %.1f s\n", time.Since(start).Seconds())
}

func (c *check) skip(format string, args ...any) {
	c.skips = append(c.skips, fmt.Sprintf(format, args...))
}

// report says how it went.
func (c *check) report() bool {
	for _, s := range c.skips {
		fmt.Printf("SKIP: %s\n", s)
	}
	if c.requireAll && len(c.skips) > 0 {
		c.failures = append(c.failures, fmt.Sprintf("%d skipped, and ROOST_REQUIRE_ALL is set", len(c.skips)))
	}
	for _, f := range c.failures {
		fmt.Printf("FAIL: %s\n", f)
	}
	if len(c.failures) > 0 {
		return false
	}
	fmt.Printf("PASS, %d skipped\n", len(c.skips))
	return true
}

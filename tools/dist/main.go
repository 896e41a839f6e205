// Command dist builds the release files: a static binary for each target, and their
// checksums, in dist/ of the checkout. "make dist" runs it, in tools/.
package main

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"roost/tools/internal/target"
)

func main() {
	log.SetFlags(0)
	version := flag.String("version", "dev", "what the binaries say of themselves")
	flag.Parse()
	root, err := filepath.Abs("..")
	if err != nil {
		log.Fatal(err)
	}
	if err := dist(root, *version); err != nil {
		log.Fatal("dist: ", err)
	}
}

// dist replaces root's dist/.
func dist(root, version string) error {
	dir := filepath.Join(root, "dist")
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	var sums strings.Builder
	for _, t := range target.All {
		name := "roost-" + t.String()
		if t.OS == "windows" {
			name += ".exe"
		}
		path := filepath.Join(dir, name)
		if err := build(root, path, version, t); err != nil {
			return fmt.Errorf("build %s: %w", name, err)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		line := fmt.Sprintf("%x  %s\n", sha256.Sum256(content), name)
		fmt.Print(line)
		sums.WriteString(line)
	}
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(sums.String()), 0o644)
}

// build depends on the sources, the version and the Go release alone, so that
// others can make the same file.
func build(root, path, version string, t target.Target) error {
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -X main.version="+version, "-o", path, "./cmd/roost")
	cmd.Dir, cmd.Env = root, t.Environ()
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

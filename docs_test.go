package roost_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The README's program builds, as a module of its own with the README's lines in
// its go.mod.
func TestREADMEProgram(t *testing.T) {
	readme := readFile(t, "README.md")
	program := regexp.MustCompile("(?s)```go\n(.*?)```").FindStringSubmatch(readme)
	require := regexp.MustCompile("(?s)```\n(require roost .*?)```").FindStringSubmatch(readme)
	if program == nil || require == nil {
		t.Fatal("README.md has no program, or no lines for go.mod")
	}
	here, err := filepath.Abs(".")
	must(err)
	dir := t.TempDir()
	mustWrite(filepath.Join(dir, "main.go"), []byte("package main\n\nimport (\n\"context\"\n\"fmt\"\n\"log\"\n\n\"roost\"\n)\n\n"+
		"func check(err error) {\n\tif err != nil {\n\t\tlog.Fatal(err)\n\t}\n}\n\n"+program[1]))
	mustWrite(filepath.Join(dir, "go.mod"), []byte("module program\n\ngo 1.26\n\n"+strings.Replace(require[1], "../roost", `"`+here+`"`, 1)))
	mustWrite(filepath.Join(dir, "go.sum"), []byte(readFile(t, "go.sum"))) // with what "go mod tidy" would add
	cmd := exec.CommandContext(t.Context(), "go", "vet", "-mod=mod", ".")
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "GOPROXY=off", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// docs/problems.md has each type of problem that the server sends, with its status, and
// no other.
func TestProblemsPage(t *testing.T) {
	listed := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| ([0-9]{3}) \\|").FindAllStringSubmatch(readFile(t, "docs/problems.md"), -1) {
		listed[row[1]+" "+row[2]] = true
	}
	sent := map[string]bool{}
	for _, k := range regexp.MustCompile(`kind\("([a-z-]+)", ([0-9]{3}), `).FindAllStringSubmatch(readFile(t, "problem.go"), -1) {
		sent[k[1]+" "+k[2]] = true
	}
	if !maps.Equal(listed, sent) {
		t.Errorf("docs/problems.md has %v, problem.go has %v", slices.Sorted(maps.Keys(listed)), slices.Sorted(maps.Keys(sent)))
	}
}

// Each rule that a test names is in docs/http-rules.md.
func TestRulesPage(t *testing.T) {
	page := readFile(t, "docs/http-rules.md")
	for _, r := range rows {
		if number := regexp.MustCompile(`^[0-9]+$`).FindString(r.rule); number != "" &&
			!regexp.MustCompile(`(?m)^(\| )?`+number+`( \||\\\. )`).MatchString(page) {
			t.Errorf("rule %s is not in docs/http-rules.md", number)
		}
	}
}

// The root package imports the standard library, golang.org/x and what docs/dependencies.md
// argues for, and nothing
// in the contract of stores points back at it.
func TestImports(t *testing.T) {
	deps := func(pkg string) []string {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", pkg).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(string(out))
	}
	for _, d := range deps("roost") {
		if d != "roost" && !strings.HasPrefix(d, "roost/") && !strings.HasPrefix(d, "golang.org/x/") && d != "github.com/dunglas/httpsfv" {
			t.Errorf("roost imports %s", d)
		}
	}
	for _, pkg := range []string{"roost/store", "roost/internal/uri", "roost/internal/negotiate"} {
		for _, d := range deps(pkg) {
			if d != pkg {
				t.Errorf("%s imports %s", pkg, d)
			}
		}
	}
}

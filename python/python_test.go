package python_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"roost/python"
)

// Every file of the shim is in the binary.
func TestFiles(t *testing.T) {
	var embedded, here []string
	collect := func(fsys fs.FS, names *[]string) {
		err := fs.WalkDir(fsys, "roost", func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Name() == "__pycache__" {
				return fs.SkipDir
			}
			if err == nil && !d.IsDir() {
				*names = append(*names, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	collect(python.Files, &embedded)
	collect(os.DirFS("."), &here)
	if !slices.Equal(embedded, here) {
		t.Errorf("embedded are %q, in the folder there are %q", embedded, here)
	}
	if !slices.Contains(embedded, python.Runner) {
		t.Errorf("there is no %s", python.Runner)
	}
}

// check is a program that reads each file by the grammar of Python 3.8, and looks at what
// it imports. Names of the newer standard library are not known to an older Python,
// which then can't tell them from others.
const check = `
import ast, sys
known = set(getattr(sys, "stdlib_module_names", ())) | {"roost", "harness"} | set(sys.argv[1].split())
for path in sys.argv[2:]:
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read(), path, feature_version=(3, 8))
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            if hasattr(sys, "stdlib_module_names") and name.split(".")[0] not in known:
                print("%s:%d imports %s" % (path, node.lineno, name))
`

// The shim, its tests and the examples are Python 3.8, and import the standard library
// only.
func TestLanguage(t *testing.T) {
	interpreter, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3: not on PATH")
	}
	var compat, files []string
	for _, pattern := range []string{"roost/*.py", "roost/compat/*.py", "tests/*.py", "../examples/python/*.py", "../bench/script/*.py"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %q, %v", pattern, found, err)
		}
		files = append(files, found...)
		if pattern == "roost/compat/*.py" {
			for _, f := range found {
				compat = append(compat, strings.TrimSuffix(filepath.Base(f), ".py"))
			}
		}
	}
	cmd := exec.CommandContext(t.Context(), interpreter, append([]string{"-c", check, strings.Join(compat, " ")}, files...)...)
	out, err := cmd.CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// event is a line of what "go test -json" puts out (go doc test2json).
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

// line is output of a test, or of a package where test is empty.
type line struct{ test, text string }

// packageRun is what is known of a package whose tests run.
type packageRun struct {
	lines  []line
	passed map[string]bool // tests that passed or were skipped
}

// showTests prints each package's result as "go test" does, and all that a package
// said if it failed, but for the tests in it that passed. It returns the tests that
// were skipped, each with its reason.
func showTests(w io.Writer, events io.Reader) (skipped []string, err error) {
	runs := make(map[string]*packageRun)
	finished := 0
	for d := json.NewDecoder(events); ; {
		var e event
		err := d.Decode(&e)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			io.Copy(io.Discard, events) // or go test waits for us
			return skipped, fmt.Errorf("go test -json: %w", err)
		}
		p := runs[e.Package]
		if p == nil {
			p = &packageRun{passed: make(map[string]bool)}
			runs[e.Package] = p
		}
		if e.Action == "skip" && e.Test != "" {
			skipped = append(skipped, fmt.Sprintf("%s %s: %s", e.Package, e.Test, p.reason(e.Test)))
		}
		if p.take(w, e) {
			delete(runs, e.Package)
			finished++
		}
	}
	if finished == 0 {
		return skipped, errors.New("no package was tested")
	}
	return skipped, nil
}

// take notes an event, and says whether it was the package's last.
func (p *packageRun) take(w io.Writer, e event) (last bool) {
	switch e.Action {
	case "build-output":
		io.WriteString(w, e.Output)
	case "output":
		p.lines = append(p.lines, line{e.Test, e.Output})
	case "pass", "skip":
		if e.Test != "" {
			p.passed[e.Test] = true
			return false
		}
		p.printResult(w)
		return true
	case "fail":
		if e.Test == "" {
			p.printAll(w)
			return true
		}
	}
	return false
}

// printResult prints the line that stands for a package that passed.
func (p *packageRun) printResult(w io.Writer) {
	for _, l := range p.lines {
		if l.test == "" && (strings.HasPrefix(l.text, "ok ") || strings.HasPrefix(l.text, "?")) {
			io.WriteString(w, l.text)
		}
	}
}

func (p *packageRun) printAll(w io.Writer) {
	for _, l := range p.lines {
		if !p.passed[l.test] && !strings.HasPrefix(l.text, "=== ") {
			io.WriteString(w, l.text)
		}
	}
}

// reason is what a test said when it was skipped.
func (p *packageRun) reason(test string) string {
	var said []string
	for _, l := range p.lines {
		text := strings.TrimSpace(l.text)
		if l.test == test && !strings.HasPrefix(text, "=== ") && !strings.HasPrefix(text, "--- ") {
			said = append(said, text)
		}
	}
	return strings.Join(said, " ")
}

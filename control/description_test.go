package control_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"roost/control"
)

var update = flag.Bool("update", false, "write the description to spec/")

const descriptionFile = "../spec/control-openapi.json"

func TestDescription(t *testing.T) {
	c := start(t, control.EngineConfig{})
	served := []byte(c.call("GET", "/v1/openapi.json", nil).body)
	if *update {
		if err := os.WriteFile(descriptionFile, served, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(descriptionFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(served, kept) {
		t.Errorf("%s is not what is served: look at the difference, and write it with go test ./control -update", descriptionFile)
	}
	if where := regexp.MustCompile(`https?://[^"]*`).FindAll(served, -1); len(where) > 0 {
		for _, w := range where {
			if !bytes.HasPrefix(w, []byte("http://127.0.0.1")) {
				t.Errorf("it points at %s", w)
			}
		}
	}

	var d struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID, Summary, Description string
			Parameters                        []struct{ Name, Description string }
			Responses                         map[string]struct {
				Description string
				Content     map[string]struct{ Schema any }
			}
		}
		Components struct{ Schemas map[string]json.RawMessage }
	}
	if err := json.Unmarshal(served, &d); err != nil {
		t.Fatal(err)
	}
	if d.OpenAPI != "3.1.0" {
		t.Errorf("OpenAPI %s", d.OpenAPI)
	}
	for _, ref := range regexp.MustCompile(`#/components/schemas/(\w+)`).FindAllSubmatch(served, -1) {
		if d.Components.Schemas[string(ref[1])] == nil {
			t.Errorf("%s is referred to and not there", ref[1])
		}
	}
	for path, methods := range d.Paths {
		for method, op := range methods {
			if op.OperationID == "" || op.Summary == "" || op.Description == "" {
				t.Errorf("%s %s is not told of", method, path)
			}
			for _, p := range op.Parameters {
				if p.Description == "" {
					t.Errorf("%s %s: what is %s?", method, path, p.Name)
				}
			}
			success := false
			for status, r := range op.Responses {
				switch {
				case strings.HasPrefix(status, "2"):
					success = true
					if status != "204" && len(r.Content) == 0 {
						t.Errorf("%s %s: %s without a schema", method, path, status)
					}
				case r.Content["application/problem+json"].Schema == nil:
					t.Errorf("%s %s: %s is no problem", method, path, status)
				}
			}
			if !success {
				t.Errorf("%s %s never succeeds", method, path)
			}
			// Each path is there, with this method.
			a := c.call(strings.ToUpper(method), strings.ReplaceAll(path, "{name}", "x"), nil)
			if strings.Contains(a.body, "no-such-call") || a.status == 405 {
				t.Errorf("%s %s: %d %s", method, path, a.status, a.body)
			}
		}
	}
}

// docs/control-api.md shows each call, and each kind of problem with its status.
func TestPage(t *testing.T) {
	b, err := os.ReadFile("../docs/control-api.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	source, err := os.ReadFile("problem.go")
	if err != nil {
		t.Fatal(err)
	}
	listed := regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| ([0-9]{3}) \\|").FindAllStringSubmatch(page, -1)
	known := regexp.MustCompile(`problemKind\{"([a-z-]+)", ([0-9]{3}), `).FindAllStringSubmatch(string(source), -1)
	kinds := make(map[string]int)
	for _, k := range known {
		kinds[k[1]+" "+k[2]]++
	}
	for _, l := range listed {
		kinds[l[1]+" "+l[2]]--
	}
	for k, n := range kinds {
		if n != 0 {
			t.Errorf("the kind %q is in the code and not on the page, or the other way round", k)
		}
	}
	var d struct {
		Paths map[string]map[string]any
	}
	served := control.New(control.NewEngine(control.EngineConfig{}), control.Config{}).Description()
	if err := json.Unmarshal(served, &d); err != nil {
		t.Fatal(err)
	}
	for path, methods := range d.Paths {
		path = strings.ReplaceAll(path, "{name}", "")
		for method := range methods {
			shown := regexp.MustCompile(`(?m)^\$ curl .*`+regexp.QuoteMeta("http://localhost"+path)).FindString(page) != ""
			if !shown {
				t.Errorf("no example of %s %s", method, path)
			}
		}
	}
}

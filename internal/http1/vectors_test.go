package http1

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const vectorDir = "../../spec/vectors"

// vector is what a vector of spec/vectors says of the message layer.
type vector struct {
	Rules     []int             `json:"rules"`
	Name      string            `json:"name"`
	Settings  map[string]any    `json:"settings"`
	Send      []json.RawMessage `json:"send"`
	Responses []struct {
		Status int `json:"status"`
	} `json:"responses"`
	Close *bool `json:"close"`
}

// octets is everything that a vector sends on its connection; ok is false where some of it
// depends on an answer.
func (v *vector) octets() (all []byte, ok bool) {
	for _, raw := range v.Send {
		var text string
		var step struct {
			Repeat string `json:"repeat"`
			Times  int    `json:"times"`
			Take   string `json:"take"`
		}
		if json.Unmarshal(raw, &text) != nil {
			if json.Unmarshal(raw, &step) != nil || step.Take != "" {
				return all, false
			}
			text = strings.Repeat(step.Repeat, step.Times)
		}
		for _, c := range text {
			all = append(all, byte(c))
		}
	}
	return all, true
}

// finals are the statuses of the final responses.
func (v *vector) finals() (statuses []int) {
	for _, r := range v.Responses {
		if r.Status >= 200 {
			statuses = append(statuses, r.Status)
		}
	}
	return statuses
}

func loadVectors(t testing.TB) map[string][]vector {
	files, err := filepath.Glob(filepath.Join(vectorDir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	all := make(map[string][]vector)
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var f struct {
			Vectors []vector `json:"vectors"`
		}
		if err := json.Unmarshal(content, &f); err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(file)] = f.Vectors
	}
	return all
}

// messages reads one message after the other, up to the end, the first refusal, or a message
// that closes.
func messages(in []byte) (whole int, err *Error) {
	var p Parser
	var h Head
	var b Body
	for len(in) > 0 {
		done, err := p.Parse(in, &h)
		if err != nil {
			return whole, err
		}
		if !done {
			break
		}
		in = in[h.Size:]
		b.Reset(h.Length, nil)
		for done = false; !done; {
			_, used, over, err := b.Next(in)
			if err != nil {
				return whole, err
			}
			in, done = in[used:], over
			if used == 0 && !done {
				return whole, nil
			}
		}
		whole++
		if h.Close {
			break
		}
	}
	return whole, nil
}

// messageRules are those that are decided here and nowhere else.
var messageRules = []int{2, 3, 4, 5, 6, 8, 9, 10, 11}

// TestVectors holds the message layer to the vectors: what it refuses must be refused
// with that status and close, and of those rules that are its own nothing else is.
func TestVectors(t *testing.T) {
	for file, vectors := range loadVectors(t) {
		for _, v := range vectors {
			in, ok := v.octets()
			if !ok || v.Settings["tls"] != nil {
				continue
			}
			whole, err := messages(in)
			finals := v.finals()
			if err != nil {
				// An earlier answer may have closed, or come before the content (rule 14).
				early := slices.Contains(v.Rules, 14) && err.Kind == KindChunk
				if !early && whole < len(finals) && (finals[whole] != err.Status || v.Close == nil || !*v.Close) {
					t.Errorf("%s: %v %s: %d %s; want %v", file, v.Rules, v.Name, err.Status, err, finals)
				}
				continue
			}
			own := !slices.ContainsFunc(v.Rules, func(rule int) bool { return !slices.Contains(messageRules, rule) })
			refused := slices.ContainsFunc(finals, func(status int) bool { return slices.Contains([]int{400, 414, 431, 501, 505}, status) })
			if own && refused {
				t.Errorf("%s: %v %s: accepted; want %v", file, v.Rules, v.Name, finals)
			}
		}
	}
}

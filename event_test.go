package roost

import (
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"roost/store"
)

// whole is an event made to its end, and its longest piece.
func whole(e event) (octets []byte, longest int) {
	for !e.over() {
		piece := e.next()
		octets, longest = append(octets, piece...), max(longest, len(piece))
	}
	return octets, longest
}

// An event is the same in pieces as at once, and no piece is much longer than a piece is.
func TestEventsInPieces(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	letters := []string{"\r", "\n", "\r\n", "a", "bc", "é", `"`, `\`, "<", "\x01", " "}
	rep := func(mediaType, value string) *Representation {
		return &Representation{item: &store.Item{Value: []byte(value)}, meta: &resourceMeta{Type: mediaType}, tag: `"e-1"`}
	}
	for range 300 {
		var b strings.Builder
		for n := r.IntN(60_000); b.Len() < n; {
			b.WriteString(letters[r.IntN(len(letters))])
		}
		value := b.String()
		lines := "data: " + regexp.MustCompile("\r\n|\r|\n").ReplaceAllString(value, "\ndata: ")
		got, longest := whole(valueEvent(rep("text/plain", value)))
		if string(got) != "id: e-1\n"+lines+"\n\n" || longest > 4*pieceBytes {
			t.Fatalf("text of %d octets: %d, the longest piece %d", len(value), len(got), longest)
		}
		got, longest = whole(valueEvent(rep("image/png", value)))
		if want := "id: e-1\nevent: binary\ndata: data:image/png;base64," + base64.StdEncoding.EncodeToString([]byte(value)) + "\n\n"; string(got) != want || longest > 4*pieceBytes {
			t.Fatalf("octets: %d, want %d, the longest piece %d", len(got), len(want), longest)
		}
		for _, mediaType := range []string{"text/plain", "image/png"} {
			got, longest = whole(lineEvent("id: e-1\n", listed{URI: "/a"}, rep(mediaType, value)))
			line, ok := strings.CutPrefix(strings.TrimSuffix(string(got), "\n\n"), "id: e-1\ndata: ")
			var told listed
			if err := json.Unmarshal([]byte(line), &told); err != nil || !ok || strings.ContainsAny(line, "\r\n") || longest > 4*pieceBytes {
				t.Fatalf("%v: %.100q, the longest piece %d", err, got, longest)
			}
			if mediaType == "text/plain" && *told.Value != value || mediaType == "image/png" && *told.Base64 != base64.StdEncoding.EncodeToString([]byte(value)) {
				t.Fatalf("%s of %d octets is told otherwise", mediaType, len(value))
			}
		}
	}
}

// What a parameter of a media type may hold does not change the meaning of the URL.
func TestDataURL(t *testing.T) {
	for mediaType, want := range map[string]string{
		"image/png": "image/png", "text/plain; charset=iso-8859-1": "text/plain; charset=iso-8859-1",
		`application/x;a="b,c"`: "application/x", "application/x;a=b#c": "application/x", "application/x;a=%41": "application/x",
	} {
		rep := &Representation{item: &store.Item{Value: []byte("\xff")}, meta: &resourceMeta{Type: mediaType}, tag: `"e-1"`}
		got, _ := whole(valueEvent(rep))
		if !strings.Contains(string(got), "\ndata: data:"+want+";base64,") {
			t.Errorf("%s: %q", mediaType, got)
		}
	}
}

// Events that are long, or much longer than their value, are not kept.
func TestEventsKept(t *testing.T) {
	for value, kept := range map[string]bool{"": true, "short": true, strings.Repeat("x", 15<<10): true, strings.Repeat("x", 17<<10): false, strings.Repeat("\n", 1000): false} {
		rep := &Representation{item: &store.Item{Value: []byte(value)}, meta: &resourceMeta{Type: "text/plain"}, tag: `"e-1"`}
		if got := rep.event() != nil; got != kept || (rep.asEvent.Load() != nil) != kept {
			t.Errorf("%d octets: kept %v", len(value), got)
		}
	}
}

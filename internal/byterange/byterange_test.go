package byterange

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const size = 10

var cases = []struct {
	field       string
	first, last int64
	result      Result
}{
	{"bytes=0-9", 0, 9, Satisfiable},
	{"bytes=0-0", 0, 0, Satisfiable},
	{"bytes=2-4", 2, 4, Satisfiable},
	{"bytes=9-", 9, 9, Satisfiable},
	{"bytes=0-", 0, 9, Satisfiable},
	{"bytes=5-100", 5, 9, Satisfiable},
	{"bytes=5-99999999999999999999999", 5, 9, Satisfiable},
	{"bytes=-1", 9, 9, Satisfiable},
	{"bytes=-10", 0, 9, Satisfiable},
	{"bytes=-11", 0, 9, Satisfiable},
	{"bytes=-99999999999999999999999", 0, 9, Satisfiable},
	{"bytes=007-008", 7, 8, Satisfiable},
	{"BYTES=0-1", 0, 1, Satisfiable},
	{"bytes= 0-1", 0, 1, Satisfiable},
	{"bytes=,0-1 ,", 0, 1, Satisfiable},

	{"bytes=10-", 0, 0, Unsatisfiable},
	{"bytes=10-20", 0, 0, Unsatisfiable},
	{"bytes=99999999999999999999999-", 0, 0, Unsatisfiable},
	{"bytes=-0", 0, 0, Unsatisfiable},

	{"", 0, 0, Ignored},
	{"bytes", 0, 0, Ignored},
	{"bytes=", 0, 0, Ignored},
	{"bytes=-", 0, 0, Ignored},
	{"bytes=,", 0, 0, Ignored},
	{"bytes=5", 0, 0, Ignored},
	{"bytes=4-2", 0, 0, Ignored},
	{"bytes=a-b", 0, 0, Ignored},
	{"bytes=0-b", 0, 0, Ignored},
	{"bytes=+0-1", 0, 0, Ignored},
	{"bytes=0-+1", 0, 0, Ignored},
	{"bytes=--1", 0, 0, Ignored},
	{"bytes=0-1-2", 0, 0, Ignored},
	{"bytes=0 - 1", 0, 0, Ignored},
	{"bytes=0x0-1", 0, 0, Ignored},
	{"bytes=0-1,3-4", 0, 0, Ignored},
	{"bytes=0-1,20-", 0, 0, Ignored},
	{"lines=0-1", 0, 0, Ignored},
	{"bytes:0-1", 0, 0, Ignored},
	{"0-1", 0, 0, Ignored},
}

func TestParse(t *testing.T) {
	for _, c := range cases {
		if first, last, r := Parse(c.field, size); first != c.first || last != c.last || r != c.result {
			t.Errorf("%q: %d-%d, %d, want %d-%d, %d", c.field, first, last, r, c.first, c.last, c.result)
		}
	}
}

// What is served is within the representation, and what net/http serves in part is served
// as the same part, but for what it is lenient with.
func FuzzParse(f *testing.F) {
	for _, c := range cases {
		f.Add(c.field)
	}
	f.Fuzz(func(t *testing.T, field string) {
		first, last, r := Parse(field, size)
		if r == Satisfiable && (first < 0 || last < first || last >= size) {
			t.Fatalf("%q: %d-%d", field, first, last)
		}
		if strings.ContainsAny(field, "\r\n\x00") {
			return
		}
		w := httptest.NewRecorder()
		req := httptest.NewRequest("GET", "/", nil)
		req.Header["Range"] = []string{field}
		http.ServeContent(w, req, "a.txt", time.Time{}, strings.NewReader("0123456789"))
		switch {
		case w.Code == http.StatusPartialContent && r == Satisfiable:
			if got, want := w.Body.String(), "0123456789"[first:last+1]; got != want {
				t.Errorf("%q: %q, net/http serves %q", field, want, got)
			}
		case w.Code == http.StatusOK && r == Unsatisfiable:
			t.Errorf("%q is unsatisfiable, and net/http serves the whole", field)
		}
	})
}

package roost_test

import (
	"strings"
	"sync"
	"testing"

	"roost"
)

// Rules 49, 50 and 54: what comes back from a change.
func TestPreferReturn(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			s := tr.start(t, roost.Config{MaxURI: -1})
			s.add("/a", all, nil, roost.WithContentType(roost.Plain))
			const html = "Content-Type: text/html"
			for _, row := range []struct {
				prefer  []string
				applied string // "" for none
			}{
				{nil, ""},
				{[]string{"Prefer: return=minimal"}, "return=minimal"},
				{[]string{"Prefer: return=representation"}, "return=representation"},
				{[]string{"Prefer: RETURN=representation; foo=bar"}, "return=representation"},
				{[]string{"Prefer: wait=5, return=representation"}, "return=representation"},
				{[]string{"Prefer: wait=5", "Prefer: return=representation"}, "return=representation"},
				{[]string{"Prefer: return=minimal, return=representation"}, "return=minimal"},
				{[]string{"Prefer: return=Representation"}, ""},
				{[]string{"Prefer: return=headers"}, ""},
				{[]string{"Prefer: return"}, ""},
				{[]string{"Prefer: handling=strict"}, ""},
			} {
				put := s.do("PUT", "/a", "<p>ü", append(row.prefer, html)...)
				post := s.do("POST", "/a", "<p>ü", append(row.prefer, html)...)
				for method, a := range map[string]answer{"PUT": put, "POST": post} {
					if got := a.Header.Get("Preference-Applied"); got != row.applied {
						t.Errorf("%s with %q: applied %q, want %q", method, row.prefer, got, row.applied)
					}
					if a.Header.Get("Etag") == "" || a.Header.Get("Last-Modified") == "" {
						t.Errorf("%s with %q: %v", method, row.prefer, a.Header)
					}
				}
				child := post.Header.Get("Location")
				if post.Status != 201 || child == "" || post.Header.Get("Roost-Capacity") != "" || put.Header.Get("Content-Location") != "/a" {
					t.Errorf("%q: %d %v, %v", row.prefer, post.Status, post.Header, put.Header)
				}
				switch row.applied {
				case "return=representation":
					for _, a := range []answer{put, post} {
						get := s.do("GET", a.Header.Get("Content-Location"), "")
						for _, name := range []string{"Content-Type", "Content-Length", "Content-Security-Policy", "Etag", "Last-Modified"} {
							if a.Header.Get(name) != get.Header.Get(name) {
								t.Errorf("%s is %q, to a GET %q", name, a.Header.Get(name), get.Header.Get(name))
							}
						}
						if a.Body != "<p>ü" || get.Body != a.Body || a.Header.Get("Content-Security-Policy") != "sandbox" {
							t.Errorf("%q: %q, to a GET %q", row.prefer, a.Body, get.Body)
						}
					}
					if put.Status != 200 || post.Header.Get("Content-Location") != child {
						t.Errorf("%q: %d %v", row.prefer, put.Status, post.Header)
					}
				case "return=minimal":
					if put.Status != 204 || post.Body != "" || post.Length != 0 || post.Header.Get("Content-Type") != "" {
						t.Errorf("%q: %d, %q %v", row.prefer, put.Status, post.Body, post.Header)
					}
				default:
					if put.Status != 204 || post.Body != child+"\n" || post.Header.Get("Content-Location") != "" {
						t.Errorf("%q: %d, %q", row.prefer, put.Status, post.Body)
					}
				}
			}
			for _, method := range []string{"GET", "DELETE"} {
				if a := s.do(method, "/a", "", "Prefer: return=minimal"); a.Header.Get("Preference-Applied") != "" {
					t.Errorf("%s: %v", method, a.Header)
				}
			}
		})
	}
}

// What comes back is what this request stored, whoever writes at the same time.
func TestPreferReturnWhileOthersWrite(t *testing.T) {
	s := start(t, roost.Config{})
	s.add("/a", all, nil)
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			own := strings.Repeat(string(rune('a'+w)), 100)
			for range 40 {
				a, err := s.try("PUT", "/a", own, "Prefer: return=representation", "Content-Type: text/plain")
				if err != nil || a.Status != 200 || a.Body != own || a.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
					t.Errorf("%d %q %v, %v", a.Status, a.Body, a.Header, err)
				}
			}
		})
	}
	writers.Wait()
}

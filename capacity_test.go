package roost_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"roost"
)

// Rules 53, 55: what all values take together is limited, whoever writes.
func TestMaxBytes(t *testing.T) {
	eachTransport(t, func(t *testing.T, tr transport) {
		s := tr.start(t, roost.Config{MaxBytes: 100})
		r := s.add("/a", all, nil, roost.WithContentType(roost.Plain), roost.WithString(strings.Repeat("x", 60)))
		full := s.do("PUT", "/a", strings.Repeat("x", 101))
		full.expectProblem(t, 507, "full")
		if p := full.problem(t); p.Setting != "max-bytes" || p.Limit != 100 || p.Value != 60 || full.Header.Get("Roost-Capacity") != "resources=99;limit=100, bytes=40;limit=100" {
			t.Errorf("%+v %v", p, full.Header)
		}
		s.do("POST", "/a", strings.Repeat("x", 41)).expectProblem(t, 507, "full")
		if a := s.do("POST", "/a", strings.Repeat("x", 40)); a.Status != 201 || a.Header.Get("Roost-Capacity") != "resources=98;limit=100, bytes=0;limit=100" {
			t.Errorf("%+v", a)
		}
		if _, err := r.SetValue(t.Context(), make([]byte, 61)); !errors.Is(err, roost.ErrFull) || !strings.Contains(err.Error(), "MaxBytes") {
			t.Errorf("SetValue: %v", err)
		}
		if _, err := s.AddResource(t.Context(), "/b"); !errors.Is(err, roost.ErrFull) || !strings.Contains(err.Error(), "MaxBytes") {
			t.Errorf("AddResource: %v", err)
		}
		if a := s.do("PUT", "/a", strings.Repeat("y", 60)); a.Status != 204 {
			t.Errorf("as long as before: %+v", a)
		}
		if a := s.do("PUT", "/a", "y"); a.Status != 204 {
			t.Errorf("shorter: %+v", a)
		}
		if a := s.do("PUT", "/a", strings.Repeat("z", 60)); a.Status != 204 {
			t.Errorf("longer again: %+v", a)
		}
		must(r.Remove(t.Context()))
		s.add("/c", all, nil, roost.WithString(strings.Repeat("x", 60)))
	})
}

// The limit holds while many write at once.
func TestMaxBytesRacing(t *testing.T) {
	const limit = 1000
	s := start(t, roost.Config{MaxBytes: limit, MaxURI: -1})
	for i := range 8 {
		s.add(fmt.Sprint("/", i), all, nil, roost.WithValue(nil))
	}
	var writing sync.WaitGroup
	for w := range 8 {
		writing.Go(func() {
			for i := range 100 {
				s.do("PUT", fmt.Sprint("/", (w+i)%8), strings.Repeat("x", (i*37+w*101)%400))
			}
		})
	}
	writing.Wait()
	total := 0
	for r := range s.Resources("", "") {
		total += len(r.String())
	}
	if total > limit {
		t.Errorf("%d bytes", total)
	}
}

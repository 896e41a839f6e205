package roost_test

import (
	"fmt"
	"slices"
	"testing"

	"roost"
)

// Resources yields what ListResource lists, also across the steps in which it is taken,
// from any place on, and while resources come and go.
func TestResources(t *testing.T) {
	s := newServer(t, roost.Config{MaxURI: -1})
	const number = 2500 // more than two steps
	for i := range number {
		add(t, s, fmt.Sprintf("/a/%04d", i), 0, nil)
	}
	add(t, s, "/b", 0, nil)
	for _, row := range []struct {
		prefix, after string
		first         string
		count         int
	}{
		{"", "", "/a/0000", number + 1},
		{"/a/", "", "/a/0000", number},
		{"/a/", "/a/0999", "/a/1000", number - 1000},
		{"/a/", "/a/0999x", "/a/1000", number - 1000},
		{"/b", "/a/0999", "/b", 1},
		{"/a/", "/b", "", 0},
		{"", "/b", "", 0},
	} {
		var uris []string
		for r := range s.Resources(row.prefix, row.after) {
			uris = append(uris, r.URI())
		}
		if len(uris) != row.count || len(uris) > 0 && uris[0] != row.first || !slices.IsSorted(uris) {
			t.Errorf("%q after %q: %d from %q, want %d from %q", row.prefix, row.after, len(uris), uris[:min(1, len(uris))], row.count, row.first)
		}
	}
	if n := s.CountResources(); n != number+1 {
		t.Errorf("%d are counted", n)
	}
	seen := 0
	for r := range s.Resources("/a/", "") {
		if seen++; r.URI() < "/a/2000" {
			if err := r.Remove(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if seen != number || s.CountResources() != number+1-2000 {
		t.Errorf("%d were seen, %d are left", seen, s.CountResources())
	}
	for range s.Resources("", "") {
		break
	}
}

// Remove ends the life of its handle, and no other.
func TestRemove(t *testing.T) {
	s := newServer(t, roost.Config{})
	r := add(t, s, "/a", roost.GET, nil)
	if err := r.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantError(t, r.Remove(t.Context()), roost.ErrNotExist, `"/a"`)
	again := add(t, s, "/a", 0, nil)
	wantError(t, r.Remove(t.Context()), roost.ErrNotExist, `"/a"`)
	if again.Methods() != 0 {
		t.Error("the registration outlived its resource")
	}
	if again.Created() <= r.Created() || again.Life() == r.Life() {
		t.Errorf("lives %s and %s, made at %d and %d", r.Life(), again.Life(), r.Created(), again.Created())
	}
	same, err := s.GetResource("/%61")
	if err != nil || same.Life() != again.Life() {
		t.Errorf("another handle is of the life %v, %v, want %s", same, err, again.Life())
	}
}

// SetRepresentation gives value and type in one change, and the type is the program's.
func TestSetRepresentation(t *testing.T) {
	s := start(t, roost.Config{})
	r := s.add("/a", all, nil, roost.WithContentType(roost.Plain))
	s.do("PUT", "/a", "<p>", "Content-Type: text/html").expect(t, 204, "")
	if a := s.do("GET", "/a", ""); a.Header.Get("Content-Security-Policy") != "sandbox" {
		t.Errorf("a client's HTML came with %v", a.Header)
	}
	rep, err := r.SetRepresentation(t.Context(), []byte("<b>"), "text/html; charset=utf-8")
	if err != nil || string(rep.Value()) != "<b>" || rep.MediaType() != "text/html; charset=utf-8" {
		t.Fatalf("got %v, %v", rep, err)
	}
	a := s.do("GET", "/a", "")
	a.expect(t, 200, "<b>")
	if a.Header.Get("Content-Type") != "text/html; charset=utf-8" || a.Header.Get("Content-Security-Policy") != "" || a.Header.Get("Etag") != rep.ETag() {
		t.Errorf("got %v", a.Header)
	}
	_, err = r.SetRepresentation(t.Context(), nil, "text")
	wantError(t, err, roost.ErrConfig, `"/a"`, `"text"`)
	if _, err := r.SetRepresentation(t.Context(), nil, roost.Octet); err != nil {
		t.Error(err)
	}
	s.do("GET", "/a", "").expect(t, 200, "")
	s.do("DELETE", "/a", "").expect(t, 204, "")
	_, err = r.SetRepresentation(t.Context(), nil, roost.Octet)
	wantError(t, err, roost.ErrNotExist, `"/a"`)
}

// Config tells the settings in force, and nobody can change them by it.
func TestConfigInForce(t *testing.T) {
	hosts := []string{"roost.example"}
	s := newServer(t, roost.Config{Hosts: hosts, MaxURI: 7, MaxBodyBytes: -1})
	cfg := s.Config()
	if cfg.Addr != ":80" || cfg.MaxURI != 7 || cfg.MaxBodyBytes != -1 || cfg.Timeouts.Write == 0 || cfg.Logger == nil {
		t.Errorf("got %+v", cfg)
	}
	cfg.Hosts[0] = "other.example"
	if again := s.Config(); again.Hosts[0] != "roost.example" {
		t.Errorf("now it answers to %q", again.Hosts)
	}
}

// A method's name is read back, and nothing else is.
func TestMethodNames(t *testing.T) {
	for _, name := range all.Names() {
		if m, err := roost.ParseMethod(name); err != nil || m.String() != name {
			t.Errorf("%s is read as %v, %v", name, m, err)
		}
	}
	for _, name := range []string{"", "get", "HEAD", "GET|PUT", " GET"} {
		_, err := roost.ParseMethod(name)
		wantError(t, err, roost.ErrConfig, "GET, PUT, POST, DELETE")
	}
	if names := roost.Method(0).Names(); names == nil || len(names) != 0 {
		t.Errorf("no method has the names %#v", names)
	}
}

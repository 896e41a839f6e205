package main

import (
	"testing"

	"roost"
)

// parsed checks what parse makes of each text.
func parsed[T comparable](t *testing.T, parse func(string) (T, error), want map[string]T) {
	t.Helper()
	for text, value := range want {
		if got, err := parse(text); err != nil || got != value {
			t.Errorf("%q is %v, %v; want %v", text, got, err, value)
		}
	}
}

// refused checks that parse takes none of texts.
func refused[T any](t *testing.T, parse func(string) (T, error), texts ...string) {
	t.Helper()
	for _, text := range texts {
		if got, err := parse(text); err == nil {
			t.Errorf("%q is %v; want an error", text, got)
		}
	}
}

func TestParseSize(t *testing.T) {
	parsed(t, parseSize, map[string]int64{
		"0": 0, "65536": 65536, "64KiB": 64 << 10, "1MiB": 1 << 20, "2GiB": 2 << 30,
		"-1": -1, "8589934591GiB": 8589934591 << 30, "9223372036854775807": 1<<63 - 1,
	})
	refused(t, parseSize, "", "KiB", "64KB", "64kib", "1.5MiB", "64 KiB", "0x10", "8589934592GiB", "9223372036854775808")
}

func TestParseAddr(t *testing.T) {
	for _, s := range []string{"127.0.0.1:8080", ":0", "[::1]:http", "localhost:65535", "unix:///run/roost.sock"} {
		parsed(t, parseAddr, map[string]string{s: s})
	}
	refused(t, parseAddr, "", "8080", "localhost", "localhost:", ":65536", ":-1", ":nonsense", "::1:80", "unix://", "unix:///", "unix://run/roost.sock")
}

func TestParseHost(t *testing.T) {
	parsed(t, parseHost, map[string]string{
		"roost.example": "roost.example", "192.0.2.1": "192.0.2.1", "::1": "::1", "[::1]": "::1",
	})
	refused(t, parseHost, "", "roost.example:80", "[::1]:80", "http://roost.example", "roost.example/", "a b")
}

func TestParseMethods(t *testing.T) {
	parsed(t, parseMethods, map[string]roost.Method{
		"GET": roost.GET, "put, delete": roost.PUT | roost.DELETE, "GET,PUT,POST,DELETE": roost.GET | roost.PUT | roost.POST | roost.DELETE,
	})
	refused(t, parseMethods, "", "GET,", "HEAD", "OPTIONS", "GET|PUT", "PATCH")
}

func TestParseMediaType(t *testing.T) {
	parsed(t, parseMediaType, map[string]string{
		"TEXT": "text/html", "XML": "text/xml", "PLAIN": "text/plain", "JSON": "application/json",
		"OCTET": "application/octet-stream", "APP_XML": "application/xml",
		"image/png": "image/png", "text/plain; charset=utf-8": "text/plain; charset=utf-8",
	})
	refused(t, parseMediaType, "", "HTML", "text", "text/", "text/plain; charset")
}

func TestParseDeclaration(t *testing.T) {
	parsed(t, parseDeclaration, map[string]declaration{
		"/a=b":      {"/a=b", "/a", "b", ""},
		"/a=":       {"/a=", "/a", "", ""},
		"/a=b=c":    {"/a=b=c", "/a", "b=c", ""},
		"/a=@b":     {"/a=@b", "/a", "", "b"},
		"/a=@b=@@c": {"/a=@b=@@c", "/a", "", "b=@@c"},
		"/a=@@b":    {"/a=@@b", "/a", "@b", ""},
		"/a=@@":     {"/a=@@", "/a", "@", ""},
		"/a=b@c":    {"/a=b@c", "/a", "b@c", ""},
	})
	refused(t, parseDeclaration, "", "=", "/a", "a=b", "/a=@", "//a=b", "/a?b=c", "/a\n=b")
}

func TestTypeOfFile(t *testing.T) {
	for name, want := range map[string]string{
		"index.html": "text/html", "A.B.JSON": "application/json", "dir.html/file": roost.Octet,
		"none": roost.Octet, "odd.roostish": roost.Octet, "app.js": "text/javascript",
	} {
		if got := typeOfFile(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

package negotiate_test

import (
	"reflect"
	"strings"
	"testing"

	"roost/internal/negotiate"
)

type params = []negotiate.Param

// mediaTypes is the grammar of RFC 9110 §8.3.1.
var mediaTypes = []struct {
	text string
	want negotiate.MediaType
}{
	{"text/html", negotiate.MediaType{Type: "text", Subtype: "html"}},
	{" \ttext/html\t ", negotiate.MediaType{Type: "text", Subtype: "html"}},
	{"Text/HTML;Charset=UTF-8", negotiate.MediaType{Type: "text", Subtype: "html", Params: params{{"charset", "UTF-8"}}}},
	{"text/html \t; charset=utf-8 ;\tlevel=1", negotiate.MediaType{Type: "text", Subtype: "html", Params: params{{"charset", "utf-8"}, {"level", "1"}}}},
	{`text/html;charset="utf-8"`, negotiate.MediaType{Type: "text", Subtype: "html", Params: params{{"charset", "utf-8"}}}},
	{`a/b;c="d;e=\"f\\, g"`, negotiate.MediaType{Type: "a", Subtype: "b", Params: params{{"c", `d;e="f\, g`}}}},
	{`a/b;c=""`, negotiate.MediaType{Type: "a", Subtype: "b", Params: params{{"c", ""}}}},
	{"a/b;c=\"\té\"", negotiate.MediaType{Type: "a", Subtype: "b", Params: params{{"c", "\té"}}}},
	{"a/b;", negotiate.MediaType{Type: "a", Subtype: "b"}},
	{"a/b; ;;c=d;", negotiate.MediaType{Type: "a", Subtype: "b", Params: params{{"c", "d"}}}},
	{"a/b;c=1;C=2", negotiate.MediaType{Type: "a", Subtype: "b", Params: params{{"c", "1"}, {"c", "2"}}}},
	{"image/svg+xml", negotiate.MediaType{Type: "image", Subtype: "svg+xml"}},
	{"!#$%&'*+-.^_`|~/0", negotiate.MediaType{Type: "!#$%&'*+-.^_`|~", Subtype: "0"}},
}

var noMediaTypes = []string{
	"", " ", "text", "text/", "/html", "/", "text /html", "text/ html", "text//html", "text/html/x", "text/html x",
	"text/html,text/plain", "text/html;a", "text/html;a=", "text/html;=a", "text/html;a =b", "text/html;a= b", "text/html;a=b c",
	`text/html;a="b`, `text/html;a="b\`, `text/html;a="b"c`, `text/html;a=b"c"`, "text/html;a=\"\x00\"", "text/html;a=\"\x7f\"", "text/html;a=\"\\\n\"",
	"text/html;a=é", "té/html", "text/html\n", "\ntext/html", "\u212a/a", "*", "*/*", "text/*", "*/html",
}

func TestParseMediaType(t *testing.T) {
	for _, tt := range mediaTypes {
		got, err := negotiate.ParseMediaType(tt.text)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("ParseMediaType(%q) = %+v, %v; want %+v", tt.text, got, err, tt.want)
		}
	}
	for _, text := range noMediaTypes {
		if got, err := negotiate.ParseMediaType(text); err == nil {
			t.Errorf("ParseMediaType(%q) = %+v, want an error", text, got)
		}
	}
}

func mustParse(tb testing.TB, text string) *negotiate.MediaType {
	tb.Helper()
	m, err := negotiate.ParseMediaType(text)
	if err != nil {
		tb.Fatal(err)
	}
	return &m
}

func TestMediaType(t *testing.T) {
	m := mustParse(t, `Text/HTML;Level=1;charset="utf-8";level=2`)
	if got := m.Essence(); got != "text/html" {
		t.Errorf("Essence() = %q", got)
	}
	for name, want := range map[string]string{"level": "1", "LEVEL": "1", "charset": "utf-8"} {
		if got, ok := m.Param(name); got != want || !ok {
			t.Errorf("Param(%q) = %q, %v; want %q", name, got, ok, want)
		}
	}
	if got, ok := m.Param("q"); ok {
		t.Errorf(`Param("q") = %q`, got)
	}
}

// Rules 30 and 33 speak of markup and of textual types.
func TestKindsOfMediaType(t *testing.T) {
	for _, tt := range []struct {
		text            string
		textual, markup bool
	}{
		{"text/html", true, true},
		{"TEXT/HTML;charset=utf-8", true, true},
		{"application/xhtml+xml", true, true},
		{"text/xml", true, true},
		{"text/xsl", true, true},
		{"application/xml", true, true},
		{"application/atom+xml", true, true},
		{"image/svg+xml", true, true},
		{"model/x3d+xml", true, true},
		{"text/plain", true, false},
		{"text/css", true, false},
		{"text/event-stream", true, false},
		{"application/json", true, false},
		{"application/problem+json", true, false},
		{"model/gltf+json", true, false},
		{"application/javascript", true, false},
		{"text/javascript", true, false},
		{"application/ecmascript", true, false},
		{"application/yaml", true, false},
		{"application/openapi+yaml", true, false},
		{"application/x-ndjson", true, false},
		{"application/octet-stream", false, false},
		{"application/html", false, false},
		{"image/png", false, false},
		{"image/xml", false, false},
		{"application/xml-dtd", false, false},
		{"application/yaml+x", false, false},
		{"image/yaml", false, false},
		{"application/pdf", false, false},
	} {
		m := mustParse(t, tt.text)
		if m.Textual() != tt.textual || m.Markup() != tt.markup {
			t.Errorf("%s: textual %v, markup %v; want %v, %v", tt.text, m.Textual(), m.Markup(), tt.textual, tt.markup)
		}
	}
}

func FuzzParseMediaType(f *testing.F) {
	for _, tt := range mediaTypes {
		f.Add(tt.text)
	}
	for _, text := range noMediaTypes {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := negotiate.ParseMediaType(text)
		want, ok := slowRange(strings.Trim(text, " \t"))
		ok = ok && want.typ != "*" && want.subtype != "*"
		if ok != (err == nil) {
			t.Fatalf("ParseMediaType(%q) = %+v, %v", text, got, err)
		}
		if ok && (got.Type != want.typ || got.Subtype != want.subtype || !reflect.DeepEqual(got.Params, want.params)) {
			t.Fatalf("ParseMediaType(%q) = %+v, want %+v", text, got, want)
		}
	})
}

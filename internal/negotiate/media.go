// Package negotiate reads media types and decides how much a client wants one, or a
// coding: the Accept field against a media type, and Accept-Encoding
// (docs/http-rules.md, rules 26 to 33).
//
// [ParseMediaType] reads what a Content-Type field or a program says, [Accept]
// weighs it; [Codings] weighs codings. There is no choosing here: a caller that has
// several representations compares their weights. Nothing is known of registered types
// beyond what [MediaType.Textual] and [MediaType.Markup] list, and nothing is ever
// guessed from content.
//
// All functions are safe for concurrent use and keep nothing they are given.
package negotiate

import (
	"fmt"
	"strings"
)

// MediaType is a media type, taken apart (RFC 9110 §8.3.1).
type MediaType struct {
	Type    string // in lower case
	Subtype string // in lower case
	Params  []Param
}

// Param is a parameter of a media type. Whether the case of a value matters depends
// on the parameter, so it is kept.
type Param struct {
	Name  string // in lower case
	Value string // without quotes; may be empty
}

// ParseMediaType reads a media type with its parameters. White space around it, and
// around semicolons, is skipped; semicolons without a parameter too. A parameter
// that is there twice is kept twice.
//
// "*" as type or subtype is an error: that is a range, of which no representation
// can be.
func ParseMediaType(s string) (MediaType, error) {
	typ, subtype, rest, ok := cutType(trimOWS(s))
	switch {
	case !ok:
		return MediaType{}, fmt.Errorf("media type %q does not start with type/subtype", s)
	case typ == "*" || subtype == "*":
		return MediaType{}, fmt.Errorf("media type %q is a range of media types", s)
	}
	m := MediaType{Type: strings.ToLower(typ), Subtype: strings.ToLower(subtype)}
	for rest != "" {
		var p rawParam
		if p, rest, ok = cutParam(rest); !ok {
			return MediaType{}, fmt.Errorf("parameters of media type %q are not of the form ;name=value", s)
		}
		if p.name != "" {
			m.Params = append(m.Params, Param{strings.ToLower(p.name), unquote(p.value)})
		}
	}
	return m, nil
}

// cutType cuts type, slash and subtype off the start of s.
func cutType(s string) (typ, subtype, rest string, ok bool) {
	typ, rest = cutToken(s)
	if typ == "" || rest == "" || rest[0] != '/' {
		return "", "", "", false
	}
	subtype, rest = cutToken(rest[1:])
	return typ, subtype, rest, subtype != ""
}

// Essence is type and subtype, "text/html", without parameters.
func (m MediaType) Essence() string { return m.Type + "/" + m.Subtype }

// Param is the value of the first parameter called name, in any case of letters.
func (m MediaType) Param(name string) (value string, ok bool) {
	for i := range m.Params {
		if strings.EqualFold(m.Params[i].Name, name) {
			return m.Params[i].Value, true
		}
	}
	return "", false
}

// Textual reports whether representations of the type are text, so that compression
// pays and an event stream can carry them as lines: text/*, JSON, XML, YAML and
// JavaScript. It says nothing about the encoding of a given one.
func (m MediaType) Textual() bool {
	for _, suffix := range []string{"+json", "+xml", "+yaml"} {
		if strings.HasSuffix(m.Subtype, suffix) {
			return true
		}
	}
	if m.Type == "text" {
		return true
	}
	if m.Type != "application" {
		return false
	}
	switch m.Subtype {
	case "json", "x-ndjson", "xml", "yaml", "javascript", "ecmascript":
		return true
	}
	return false
}

// Markup reports whether a browser that is led to a representation of the type runs
// the scripts in it (rule 30): HTML, and XML of every kind, since XHTML and SVG
// elements can stand in any of it. text/xsl is registered nowhere, but Chromium
// displays it as XML.
func (m MediaType) Markup() bool {
	if strings.HasSuffix(m.Subtype, "+xml") {
		return true
	}
	switch m.Type {
	case "text":
		return m.Subtype == "html" || m.Subtype == "xml" || m.Subtype == "xsl"
	case "application":
		return m.Subtype == "xml"
	}
	return false
}

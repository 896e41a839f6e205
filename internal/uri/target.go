// Package uri reads request-targets and gives paths their normal form: the one
// spelling under which a resource is registered and looked up (docs/http-rules.md,
// rules 6 and 16 to 18).
//
// The way of a request is [ParseTarget], then [Normalize] on [Target].Path; the way
// of a program's own URI is [Register]. What Register returns, Normalize leaves
// alone, so both meet in one map key.
//
// Everything here is a pure function of octets. The package does not know which
// method may use which form, which hosts are the server's own, or what a query means.
// All functions are safe for concurrent use. Their errors say what is wrong and
// where; every one of them is the sender's mistake, so there is nothing to test
// for. They quote no octet of the input except as digits.
package uri

import (
	"errors"
	"fmt"
	"strings"
)

// Form is one of the four forms of a request-target (RFC 9112 §3.2).
type Form uint8

const (
	Origin    Form = iota + 1 // /path?query
	Absolute                  // scheme://authority/path?query
	Asterisk                  // *
	Authority                 // host:port
)

func (f Form) String() string {
	switch f {
	case Origin:
		return "origin-form"
	case Absolute:
		return "absolute-form"
	case Asterisk:
		return "asterisk-form"
	case Authority:
		return "authority-form"
	}
	return fmt.Sprintf("Form(%d)", uint8(f))
}

// Target is a request-target taken apart. Its strings are parts of the target.
type Target struct {
	Form Form

	// Scheme is in lower case, and set in the absolute form only.
	Scheme string

	// Authority is valid for [ValidHost], in the absolute and the authority
	// form; in the latter it has a port that is not empty.
	Authority string

	// Path is as it was received, neither checked nor normal: see [Normalize].
	// In the origin form it starts with "/", in the absolute form it may also
	// be empty, in the others it is.
	Path string

	// Query is what follows the first "?". A target that ends in "?" and one
	// without it give the same.
	Query string
}

var errNoForm = errors.New("target is not in one of the forms of a request-target")

// ParseTarget reads a request-target in whichever of the four forms it has. It
// does not judge whether a method may use that form, nor the scheme.
//
// An absolute form must have an authority, and one without userinfo (rule 16).
// So "a:1" is an authority form, though the grammar of RFC 9112 would have it
// as the absolute form of a scheme "a" too.
//
// A query may hold more than RFC 3986 §3.4 allows, because browsers send it and
// it decides nothing; but not SP, controls and "#", which no client means.
func ParseTarget(raw string) (Target, error) {
	switch {
	case raw == "*":
		return Target{Form: Asterisk}, nil
	case strings.HasPrefix(raw, "/"):
		return parsePath(Target{Form: Origin}, raw)
	}
	if scheme, rest, ok := cutScheme(raw); ok {
		return parseAbsolute(scheme, rest)
	}
	if name, port, ok := splitHost(raw); ok && port != "" && validName(name) && validPort(port) {
		return Target{Form: Authority, Authority: raw}, nil
	}
	return Target{}, errNoForm
}

// cutScheme cuts raw around "://", if a scheme is before it (RFC 3986 §3.1).
func cutScheme(raw string) (scheme, rest string, ok bool) {
	scheme, rest, ok = strings.Cut(raw, "://")
	if !ok || scheme == "" || !isAlpha(scheme[0]) {
		return "", "", false
	}
	for i := range len(scheme) {
		if c := scheme[i]; !isAlpha(c) && !isDigit(c) && c != '+' && c != '-' && c != '.' {
			return "", "", false
		}
	}
	return scheme, rest, true
}

// parseAbsolute reads what follows the scheme and "://".
func parseAbsolute(scheme, rest string) (Target, error) {
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	switch {
	case strings.Contains(authority, "@"):
		return Target{}, errors.New("authority of the target holds userinfo")
	case !ValidHost(authority):
		return Target{}, errors.New("authority of the target is not host[:port]")
	}
	return parsePath(Target{Form: Absolute, Scheme: strings.ToLower(scheme), Authority: authority}, tail)
}

// parsePath adds path and query to t.
func parsePath(t Target, s string) (Target, error) {
	t.Path, t.Query, _ = strings.Cut(s, "?")
	for i := range len(t.Query) {
		if c := t.Query[i]; c == ' ' || c == '#' || isControl(c) {
			return Target{}, fmt.Errorf("octet %d of the query is 0x%02X, which a query may not hold", i, c)
		}
	}
	return t, nil
}

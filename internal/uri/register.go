package uri

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxLength is the length in octets up to which a normal form can be registered
// (rule 18). With a query, and in an absolute form, it still fits into the 8,000
// octets of a request line that every server is expected to take (RFC 9112 §3).
const MaxLength = 2048

// Register is the normal form of the URI that a program gives to a resource: the
// key of the resource (rule 18). Two spellings of one URI have the same key.
//
// Characters that a path may not hold are written as percent forms of their UTF-8
// octets (RFC 3987 §3.1), so a program can write "/Zähler 1". What is already a
// percent form stays one; a literal percent sign is written %25.
//
// Refused is what could never be requested or would be read as something else by
// a client. The error completes the sentence "the URI …" and says what to write
// instead.
func Register(s string) (key string, err error) {
	if err := checkWritten(s); err != nil {
		return "", err
	}
	if err := checkMeaning(s); err != nil {
		return "", err
	}
	b, err := appendDecoded(make([]byte, 0, shortPath), encodeRaw(s))
	switch {
	case err != nil:
		return "", err
	case hasDotSegment(b):
		return "", errors.New(`must not hold "." or ".." as a segment, also not as %2E: clients resolve them before they send; write the path that is meant`)
	case len(b) > MaxLength:
		return "", fmt.Errorf("must not be longer than %d octets, percent forms included, and has %d: shorten it", MaxLength, len(b))
	}
	return string(b), nil
}

// checkWritten judges s as it stands.
func checkWritten(s string) error {
	switch {
	case strings.HasPrefix(s, "//"):
		return errors.New(`must not start with "//": clients would read the first segment as a host; start it with one "/"`)
	case !strings.HasPrefix(s, "/"):
		return errors.New(`must start with "/": it is a path, without scheme and host`)
	case strings.Contains(s, "?"):
		return errors.New(`must not hold "?": a query takes no part in the match; write %3F for a literal one`)
	case strings.Contains(s, "#"):
		return errors.New(`must not hold "#": a fragment is never sent to a server; write %23 for a literal one`)
	case !utf8.ValidString(s):
		return errors.New("must be UTF-8: encode the text as UTF-8, or other octets in a form of your own such as base64url")
	}
	return nil
}

// checkMeaning judges the text that s stands for, all percent forms decoded.
func checkMeaning(s string) error {
	text := make([]byte, 0, shortPath)
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' {
			octet, ok := percentOctet(s[i:])
			if !ok {
				return errors.New(`must not hold "%" without two hex digits after it: write %25 for a literal one`)
			}
			c = octet
			i += 2
		}
		text = append(text, c)
	}
	if !utf8.Valid(text) {
		return errors.New("must not hold percent forms that are not UTF-8: write the character itself, or all its UTF-8 octets")
	}
	if i := bytes.IndexFunc(text, unicode.IsControl); i >= 0 {
		r, _ := utf8.DecodeRune(text[i:])
		return fmt.Errorf("must not hold control characters, raw or as percent forms: leave out %U", r)
	}
	return nil
}

// encodeRaw writes what a path may not hold as percent forms. Percent forms that
// are there stay.
func encodeRaw(s string) string {
	b := make([]byte, 0, shortPath)
	for i := range len(s) {
		if classes[s[i]] == refused {
			b = appendPercent(b, s[i])
		} else {
			b = append(b, s[i])
		}
	}
	return string(b)
}

// hasDotSegment reports whether a segment of b is "." or "..".
func hasDotSegment(b []byte) bool {
	for start := 0; start < len(b); {
		end := segmentEnd(b, start)
		if segment := string(b[start:end]); segment == "/." || segment == "/.." {
			return true
		}
		start = end
	}
	return false
}

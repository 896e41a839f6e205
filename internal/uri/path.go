package uri

import (
	"bytes"
	"errors"
	"fmt"
)

// shortPath is the length up to which a path that is not normal is rewritten
// on the stack. Nearly all are shorter.
const shortPath = 256

// Normalize is the normal form of the path of a target, by which resources are
// looked up (rule 17): hex digits in upper case, unreserved characters decoded,
// then dot segments removed (RFC 3986 §6.2.2 and §5.2.4), "/" for the empty path.
// Case, empty segments, the last slash and %2F are kept: they distinguish. Raw
// "[", "]" and "|" become their percent forms.
//
// A path that is normal already, which is the common case, is returned as it is,
// without allocation. The normal form always starts with "/" and is its own
// normal form.
//
// It is an error if path holds what a path may not hold, a percent sign without
// two hex digits or the percent form of a control character, and if it is
// neither empty nor starts with "/".
func Normalize(path string) (string, error) {
	if isNormal(path) {
		return path, nil
	}
	if path == "" {
		return "/", nil
	}
	if path[0] != '/' {
		return "", errors.New(`path does not start with "/"`)
	}
	b, err := appendDecoded(make([]byte, 0, shortPath), path)
	if err != nil {
		return "", err
	}
	return string(removeDotSegments(b)), nil
}

// isNormal reports whether path is in its normal form.
func isNormal(path string) bool {
	if path == "" || path[0] != '/' {
		return false
	}
	for i := 1; i < len(path); i++ {
		switch classes[path[i]] {
		case plain:
		case dot:
			if path[i-1] == '/' && startsWithDotSegment(path[i:]) {
				return false
			}
		case percent:
			if !startsWithNormalPercent(path[i:]) {
				return false
			}
			i += 2
		default:
			return false
		}
	}
	return true
}

// startsWithDotSegment reports whether the first segment of s, which starts with
// a dot, is "." or "..".
func startsWithDotSegment(s string) bool {
	s = s[1:]
	if s != "" && s[0] == '.' {
		s = s[1:]
	}
	return s == "" || s[0] == '/'
}

// startsWithNormalPercent reports whether s starts with a percent form that is
// valid and stays as it is.
func startsWithNormalPercent(s string) bool {
	octet, ok := percentOctet(s)
	return ok && !isControl(octet) && !isUnreserved(octet) && s[1] < 'a' && s[2] < 'a'
}

// appendDecoded writes path with every octet and percent form in its normal
// form. Dot segments are still there.
func appendDecoded(b []byte, path string) ([]byte, error) {
	for i := 0; i < len(path); i++ {
		c := path[i]
		switch classes[c] {
		case plain, dot:
			b = append(b, c)
		case encoded:
			b = appendPercent(b, c)
		case percent:
			octet, ok := percentOctet(path[i:])
			if !ok {
				return nil, fmt.Errorf(`%% at octet %d of the path is not followed by two hex digits; a literal one is written %%25`, i)
			}
			if isControl(octet) {
				return nil, fmt.Errorf("octet %d of the path is the percent form of a control character, %%%02X", i, octet)
			}
			if isUnreserved(octet) {
				b = append(b, octet)
			} else {
				b = appendPercent(b, octet)
			}
			i += 2
		default:
			return nil, fmt.Errorf("octet %d of the path is 0x%02X, which a path may not hold raw", i, c)
		}
	}
	return b, nil
}

// removeDotSegments is RFC 3986 §5.2.4 for a path that starts with "/". It works
// in place: what is written is never ahead of what is read.
func removeDotSegments(b []byte) []byte {
	written := 0
	for read := 0; read < len(b); {
		end := segmentEnd(b, read)
		switch string(b[read:end]) {
		case "/.":
		case "/..":
			written = max(bytes.LastIndexByte(b[:written], '/'), 0)
		default:
			written += copy(b[written:], b[read:end])
			read = end
			continue
		}
		if end == len(b) { // a dot segment at the end leaves its slash
			b[written] = '/'
			written++
		}
		read = end
	}
	return b[:written]
}

// segmentEnd is where the segment ends whose slash is at start.
func segmentEnd(b []byte, start int) int {
	if n := bytes.IndexByte(b[start+1:], '/'); n >= 0 {
		return start + 1 + n
	}
	return len(b)
}

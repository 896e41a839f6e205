// Package condition reads the fields of preconditions (RFC 9110 §13.1): lists of
// entity-tags, and dates. It makes no decision about a request.
package condition

import (
	"net/http"
	"strings"
	"time"
)

// Any reports whether the field lines of If-Match or If-None-Match are "*" alone.
func Any(lines []string) bool {
	star := false
	for _, line := range lines {
		for member := range strings.SplitSeq(line, ",") {
			switch strings.Trim(member, " \t") {
			case "":
			case "*":
				if star {
					return false
				}
				star = true
			default:
				return false
			}
		}
	}
	return star
}

// Strong reports whether the field lines name etag, by the strong comparison (§8.8.3.2).
// A weak tag fits nothing.
func Strong(lines []string, etag string) bool {
	return !strings.HasPrefix(etag, weak) && names(lines, func(member string) bool { return member == etag })
}

// Weak reports whether the field lines name etag, by the weak comparison.
func Weak(lines []string, etag string) bool {
	etag = strings.TrimPrefix(etag, weak)
	return names(lines, func(member string) bool { return strings.TrimPrefix(member, weak) == etag })
}

// Sole reports whether a field with one entity-tag, If-Range, is etag, by the strong
// comparison.
func Sole(field, etag string) bool { return field == etag && !strings.HasPrefix(etag, weak) }

const weak = "W/"

// names reports whether a member of the list is a tag that fits. Members that are no
// tags are skipped.
func names(lines []string, fits func(member string) bool) bool {
	for _, line := range lines {
		for line != "" {
			line = strings.TrimLeft(line, " \t,")
			tag, rest := cutTag(line)
			member, next := cutMember(rest)
			if tag != "" && strings.Trim(member, " \t") == "" && fits(tag) {
				return true
			}
			line = next
		}
	}
	return false
}

// cutTag cuts an entity-tag off the start of s (§8.8.3). It is empty if none is there.
func cutTag(s string) (tag, rest string) {
	opaque := strings.TrimPrefix(s, weak)
	if opaque == "" || opaque[0] != '"' {
		return "", s
	}
	for i := 1; i < len(opaque); i++ {
		switch c := opaque[i]; {
		case c == '"':
			end := len(s) - len(opaque) + i + 1
			return s[:end], s[end:]
		case c < 0x21 || c == 0x7f:
			return "", s
		}
	}
	return "", s
}

// cutMember cuts what is left of a member off the start of s, and the comma after it. A
// comma in quotes is part of a member.
func cutMember(s string) (member, rest string) {
	quoted := false
	for i := range len(s) {
		switch s[i] {
		case '"':
			quoted = !quoted
		case ',':
			if !quoted {
				return s[:i], s[i+1:]
			}
		}
	}
	return s, ""
}

// Date reads the date of If-Modified-Since or If-Unmodified-Since, in any of the three
// forms of §5.6.7. It is false, and the field to be ignored, where there is none, more
// than one, or it is no date.
func Date(lines []string) (time.Time, bool) {
	if len(lines) != 1 {
		return time.Time{}, false
	}
	t, err := http.ParseTime(lines[0])
	return t, err == nil
}

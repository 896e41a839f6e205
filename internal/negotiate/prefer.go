package negotiate

import "strings"

// Preference is the value of the preference called name, in any case, in a request's
// Prefer field (RFC 7240 §2): "" where it is given without a value. Where it is given
// more than once the first counts; members that are malformed are skipped, parameters
// of preferences ignored. It does not allocate but for backslashes in a value.
func Preference(lines []string, name string) (value string, ok bool) {
	l := members{lines: lines}
	for member, more := l.next(); more; member, more = l.next() {
		given, rest := cutToken(member)
		if !strings.EqualFold(given, name) {
			continue
		}
		if value, ok = preferred(rest); ok {
			return value, true
		}
	}
	return "", false
}

// preferred reads what follows the name of a preference.
func preferred(s string) (value string, ok bool) {
	rest := trimOWSLeft(s)
	if after, found := strings.CutPrefix(rest, "="); found {
		after = trimOWSLeft(after)
		if value, rest = cutToken(after); value == "" {
			if value, rest, ok = cutQuoted(after); !ok {
				return "", false
			}
			value = unquote(value)
		}
	}
	rest = trimOWSLeft(rest)
	return value, rest == "" || rest[0] == ';'
}

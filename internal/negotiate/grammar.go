package negotiate

import "strings"

// tokenOctets holds the octets of a token: tchar of RFC 9110 §5.6.2.
var tokenOctets = func() (t [256]bool) {
	for c := range 256 {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' && c < 0x80
		digit := '0' <= c && c <= '9'
		t[c] = letter || digit
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()

// cutToken cuts the longest token off the start of s. It may be empty.
func cutToken(s string) (token, rest string) {
	for i := range len(s) {
		if !tokenOctets[s[i]] {
			return s[:i], s[i:]
		}
	}
	return s, ""
}

// cutQuoted cuts a quoted-string off the start of s, quotes included (RFC 9110
// §5.6.4). ok is false if none is there, if it does not end, or if it holds an
// octet that it may not.
func cutQuoted(s string) (quoted, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		return "", s, false
	}
	for i := 1; i < len(s); i++ {
		if s[i] == '"' {
			return s[:i+1], s[i+1:], true
		}
		if s[i] == '\\' {
			if i++; i == len(s) {
				break
			}
		}
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			break
		}
	}
	return "", s, false
}

// unquote is the value of a token or of a valid quoted-string. It allocates only
// where there is a backslash to drop.
func unquote(raw string) string {
	if raw == "" || raw[0] != '"' {
		return raw
	}
	raw = raw[1 : len(raw)-1]
	if !strings.Contains(raw, `\`) {
		return raw
	}
	b := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] == '\\' {
			i++
		}
		b = append(b, raw[i])
	}
	return string(b)
}

// unquotesTo reports whether unquote(raw) is value, without making it.
func unquotesTo(raw, value string) bool {
	if raw == "" || raw[0] != '"' {
		return raw == value
	}
	raw = raw[1 : len(raw)-1]
	for i := 0; i < len(raw); i++ {
		if raw[i] == '\\' {
			i++
		}
		if value == "" || value[0] != raw[i] {
			return false
		}
		value = value[1:]
	}
	return value == ""
}

func isOWS(c byte) bool { return c == ' ' || c == '\t' }

// trimOWS cuts optional white space off both ends of s (RFC 9110 §5.6.3).
func trimOWS(s string) string {
	s = trimOWSLeft(s)
	for s != "" && isOWS(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

func trimOWSLeft(s string) string {
	for s != "" && isOWS(s[0]) {
		s = s[1:]
	}
	return s
}

// rawParam is a parameter as it stands in a field: the value may be quoted.
type rawParam struct{ name, value string }

// cutParam cuts a semicolon and the parameter after it off the start of s (RFC 9110
// §5.6.6). The parameter may be missing; its name is then empty.
func cutParam(s string) (p rawParam, rest string, ok bool) {
	s = trimOWSLeft(s)
	if s == "" || s[0] != ';' {
		return p, s, false
	}
	s = trimOWSLeft(s[1:])
	if p.name, rest = cutToken(s); p.name == "" {
		return p, rest, true
	}
	if rest == "" || rest[0] != '=' {
		return p, s, false
	}
	rest = rest[1:]
	if rest != "" && rest[0] == '"' {
		p.value, rest, ok = cutQuoted(rest)
		return p, rest, ok
	}
	p.value, rest = cutToken(rest)
	return p, rest, p.value != ""
}

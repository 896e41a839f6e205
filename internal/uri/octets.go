package uri

// class says what becomes of an octet in a path (rule 17).
type class uint8

const (
	refused class = iota // a path may not hold it
	plain                // stays as it is
	dot                  // stays, unless it is a segment of its own
	percent              // begins a percent form
	encoded              // taken raw from browsers, counts as its percent form
)

// classes holds the class of every octet: pchar and "/" of RFC 3986 §3.3, and
// the three octets that browsers send raw.
var classes = func() (t [256]class) {
	for c := range 256 {
		if isUnreserved(byte(c)) || isSubDelim(byte(c)) {
			t[c] = plain
		}
	}
	t['/'], t[':'], t['@'] = plain, plain, plain
	t['.'] = dot
	t['%'] = percent
	t['['], t[']'], t['|'] = encoded, encoded, encoded
	return t
}()

func isAlpha(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

func isControl(c byte) bool { return c < 0x20 || c == 0x7f }

// isUnreserved reports whether c is unreserved (RFC 3986 §2.3).
func isUnreserved(c byte) bool {
	return isAlpha(c) || isDigit(c) || c == '-' || c == '.' || c == '_' || c == '~'
}

// isSubDelim reports whether c is one of the sub-delims (RFC 3986 §2.2).
func isSubDelim(c byte) bool {
	switch c {
	case '!', '$', '&', '\'', '(', ')', '*', '+', ',', ';', '=':
		return true
	}
	return false
}

// percentOctet is the octet that the percent form at the start of s stands for.
func percentOctet(s string) (octet byte, ok bool) {
	if len(s) < 3 || s[0] != '%' || !isHex(s[1]) || !isHex(s[2]) {
		return 0, false
	}
	return hexValue(s[1])<<4 | hexValue(s[2]), true
}

func hexValue(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// appendPercent writes octet as a percent form, in upper case.
func appendPercent(b []byte, octet byte) []byte {
	const digits = "0123456789ABCDEF"
	return append(b, '%', digits[octet>>4], digits[octet&15])
}

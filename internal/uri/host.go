package uri

import "strings"

// maxPort is the highest number of a TCP port.
const maxPort = 65535

// ValidHost reports whether host is what a Host field or an authority may hold
// (rule 6; RFC 9110 §7.2, RFC 3986 §3.2.2): a name, an IPv4 address, or an IPv6
// or later address in brackets, and perhaps a colon and a port, which is empty or
// a number up to 65535. It does not allocate.
//
// Stricter than the grammar, it refuses the empty name, and a comma anywhere: that
// is how two Host fields look after some intermediary has joined them. Userinfo and
// zone identifiers are no part of a host.
func ValidHost(host string) bool {
	name, port, ok := splitHost(host)
	return ok && validName(name) && validPort(port)
}

// splitHost cuts host into name and port, at the colon that is not inside brackets.
func splitHost(host string) (name, port string, ok bool) {
	end := 0
	if strings.HasPrefix(host, "[") {
		if end = strings.IndexByte(host, ']') + 1; end == 0 {
			return "", "", false
		}
	} else if end = strings.IndexByte(host, ':'); end < 0 {
		end = len(host)
	}
	name, port = host[:end], host[end:]
	if port == "" {
		return name, "", true
	}
	return name, port[1:], port[0] == ':'
}

func validPort(port string) bool {
	number := 0
	for i := range len(port) {
		if !isDigit(port[i]) {
			return false
		}
		if number = number*10 + int(port[i]-'0'); number > maxPort {
			return false
		}
	}
	return true
}

func validName(name string) bool {
	if inner, ok := strings.CutPrefix(name, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		return ok && (validIPv6(inner) || validIPvFuture(inner))
	}
	return name != "" && validRegName(name)
}

// validRegName knows nothing of IPv4: every IPv4 address is a valid name.
func validRegName(name string) bool {
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c == ',':
			return false
		case isUnreserved(c), isSubDelim(c):
		case c == '%':
			if _, ok := percentOctet(name[i:]); !ok {
				return false
			}
			i += 2
		default:
			return false
		}
	}
	return true
}

// validIPvFuture reads "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" ).
func validIPvFuture(s string) bool {
	if s == "" || s[0]|0x20 != 'v' {
		return false
	}
	version, address, _ := strings.Cut(s[1:], ".")
	if version == "" || hexRun(version) != len(version) || address == "" {
		return false
	}
	for i := range len(address) {
		c := address[i]
		if c == ',' || !isUnreserved(c) && !isSubDelim(c) && c != ':' {
			return false
		}
	}
	return true
}

// ipv6Groups is how many groups of 16 bits an IPv6 address has when none is elided.
const ipv6Groups = 8

// validIPv6 reads an IPv6 address without brackets and zone.
func validIPv6(s string) bool {
	head, tail, elided := strings.Cut(s, "::")
	if !elided {
		n, ok := countGroups(s, true)
		return ok && n == ipv6Groups
	}
	before, ok1 := countGroups(head, false)
	after, ok2 := countGroups(tail, true)
	return ok1 && ok2 && before+after < ipv6Groups
}

// countGroups counts the groups in one side of an IPv6 address, which may be
// empty. At its end, the address may have an IPv4 address for the last two.
func countGroups(s string, atEnd bool) (n int, ok bool) {
	for more := s != ""; more; {
		var group string
		group, s, more = strings.Cut(s, ":")
		switch {
		case group != "" && len(group) <= 4 && hexRun(group) == len(group):
			n++
		case atEnd && !more && validIPv4(group):
			n += 2
		default:
			return 0, false
		}
	}
	return n, true
}

// hexRun counts the hex digits at the start of s.
func hexRun(s string) int {
	for i := range len(s) {
		if !isHex(s[i]) {
			return i
		}
	}
	return len(s)
}

// validIPv4 reads four numbers up to 255 without leading zeros.
func validIPv4(s string) bool {
	for part := range 4 {
		number, rest, more := strings.Cut(s, ".")
		if more != (part < 3) || !validDecOctet(number) {
			return false
		}
		s = rest
	}
	return true
}

func validDecOctet(s string) bool {
	if s == "" || len(s) > 3 || s[0] == '0' && len(s) > 1 {
		return false
	}
	number := 0
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
		number = number*10 + int(s[i]-'0')
	}
	return number <= 255
}

package negotiate

// members walks over the members of a list field (RFC 9110 §5.6.1), line after
// line in order, without allocating. Empty members are skipped, optional white
// space around them is cut off. A comma inside a quoted string does not end a
// member, wherever the quotes are; a quoted string that does not end reaches to the
// end of its line, not into the next one.
type members struct {
	lines []string // not begun yet
	rest  string   // of the line in hand
}

// next is the next member, which is never empty; ok is false after the last.
func (l *members) next() (member string, ok bool) {
	for {
		for l.rest == "" {
			if len(l.lines) == 0 {
				return "", false
			}
			l.rest, l.lines = l.lines[0], l.lines[1:]
		}
		member, l.rest = cutMember(l.rest)
		if member = trimOWS(member); member != "" {
			return member, true
		}
	}
}

// cutMember cuts s at its first comma outside quotes, which is in neither part.
func cutMember(s string) (member, rest string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			quoted = !quoted
		case '\\':
			if quoted {
				i++
			}
		case ',':
			if !quoted {
				return s[:i], s[i+1:]
			}
		}
	}
	return s, ""
}

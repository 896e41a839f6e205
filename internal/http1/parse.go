package http1

// state is what the next octet of a head is part of.
type state uint8

const (
	atStart state = iota // an empty line, or the method
	atEmptyLF
	inMethod
	inTarget
	inVersion
	atLine // a field line, or the empty line
	inName
	beforeValue
	inValue
	atValueLF
	atEndLF
)

// Parser reads one head after another. Its zero value is ready, with DefaultLimits.
type Parser struct {
	Limits *Limits

	// Before is how many empty lines were skipped already, in octets that are not given to
	// Parse. Reset forgets it.
	Before uint8

	state  state
	empty  uint8 // empty lines so far
	pos    int   // octets looked at
	start  int   // where the part begins that is being read
	name   int   // where the name of the field line begins
	colon  int
	blanks int   // white space around values so far
	origin *byte // where the octets lay that h has parts of
	err    *Error
}

// Reset forgets what was read of a head that is not whole.
func (p *Parser) Reset() { *p = Parser{Limits: p.Limits} }

// Parse reads a head from the start of b into h. Where b has only a part of it, done is
// false; call it again with the same octets, wherever they lie then, and more of them,
// and the same h. Each octet is looked at once. When done, the next call begins a new
// head, and b[h.Size:] is what follows this one.
//
// An error is returned as soon as the octets that came decide it, and again until Reset:
// nothing that follows what is malformed is read as a message.
func (p *Parser) Parse(b []byte, h *Head) (done bool, err *Error) {
	if len(b) <= p.pos || p.err != nil {
		return false, p.err
	}
	done, p.err = p.parse(b, h)
	return done, p.err
}

func (p *Parser) parse(b []byte, h *Head) (done bool, err *Error) {
	switch {
	case p.pos == 0:
		h.reset()
		p.origin = &b[0]
	case p.origin != &b[0]:
		p.rebase(b, h)
	}
	limits := p.Limits
	if limits == nil {
		limits = &DefaultLimits
	}
	i, n := p.pos, len(b)
	for i < n {
		c := b[i]
		switch p.state {
		case atStart: // rule 2; RFC 9112 §2.2
			switch {
			case isToken[c]:
				p.start, p.state = i, inMethod
			case c == '\r':
				if p.Before+p.empty >= maxEmpty {
					return false, errEmptyLines
				}
				p.empty++
				i++
				p.state = atEmptyLF
			case c == '\n':
				return false, errLineEnd
			case c == tlsHandshake && i == 0: // rule 15
				return false, errTLS
			default:
				return false, errMethod
			}

		case atEmptyLF:
			if c != '\n' {
				return false, errLineEnd
			}
			i++
			p.state = atStart

		case inMethod: // rule 3; RFC 9112 §3.1, RFC 9110 §9.1
			end := min(n, p.start+limits.Method)
			for i < end && isToken[b[i]] {
				i++
			}
			if i == n {
				break
			}
			switch c = b[i]; {
			case c == ' ':
				h.Method = b[p.start:i:i]
				i++
				p.start, p.state = i, inTarget
			case isToken[c]: // rule 4
				return false, errLongMethod.passed(limits.Method)
			case c == '\r' || c == '\n':
				return false, errRequestLine
			default:
				return false, errMethod
			}

		case inTarget: // rule 3; RFC 9112 §3.2
			end := min(n, p.start+limits.Target)
			i = skip(b[:end], i, 0x21)
			if i == n {
				break
			}
			switch c = b[i]; {
			case c == ' ' && i > p.start:
				h.Target = b[p.start:i:i]
				i++
				p.start, p.state = i, inVersion
			case c > ' ' && c != 0x7f: // rule 4
				return false, errLongTarget.passed(limits.Target)
			case c == ' ':
				return false, errRequestLine
			default:
				return false, errTarget
			}

		case inVersion: // rule 3; RFC 9112 §2.3
			if i == p.start && n-i >= len(http11) && string(b[i:i+len(http11)]) == http11 {
				h.Minor, h.Sent = 1, 1
				i += len(http11)
				p.state = atLine
				break
			}
			want := http11[i-p.start]
			if digit := '0' <= c && c <= '9'; c != want && !('0' <= want && want <= '9' && digit) {
				if c == '\n' || want == '\n' {
					return false, errLineEnd // rule 2
				}
				return false, errVersionForm
			}
			i++
			if i-p.start < len(http11) {
				break
			}
			if err := p.version(b, h); err != nil {
				return false, err
			}
			p.state = atLine

		case atLine: // rule 5; RFC 9112 §5
			switch {
			case isToken[c]:
				if len(h.Fields) >= limits.Lines { // rule 4
					return false, largeFields(textTooMany, limits.Lines, h.largest(nil, 0))
				}
				p.name, p.state = i, inName
			case c == '\r':
				i++
				p.state = atEndLF
			default:
				return false, badLine(c, len(h.Fields) == 0)
			}

		case inName: // rule 5; RFC 9110 §5.1
			end := min(n, p.name+limits.Fields-h.Octets-lineOctets)
			for i < end && isToken[b[i]] {
				i++
			}
			if i == n {
				break
			}
			switch c = b[i]; {
			case c == ':':
				p.colon = i
				i++
				p.state = beforeValue
			case isToken[c]: // rule 4
				return false, largeFields(textTooLarge, limits.Fields, h.largest(b[p.name:i], i-p.name+lineOctets))
			default:
				return false, badName(c)
			}

		case beforeValue: // rule 5; RFC 9112 §5.1
			if !isBlank(c) {
				p.start, p.state = i, inValue
				break
			}
			i++
			if p.blanks+i-p.colon-1 > limits.Fields {
				return false, largeFields(textBlanks, limits.Fields, nil)
			}

		case inValue: // rule 5; RFC 9110 §5.5
			end := p.start + limits.Fields - h.Octets - lineOctets - (p.colon - p.name)
			if i < end {
				i = skipText(b[:min(n, end)], i)
				if i == n {
					break
				}
				c = b[i]
			}
			switch {
			case c == '\r':
				i++
				p.state = atValueLF
			case c == '\n':
				return false, errLineEnd // rule 2
			case !isText(c):
				return false, errValue
			case isBlank(c): // perhaps after the value, which may be as large as this
				i++
				if p.blanks+i-end > limits.Fields {
					return false, largeFields(textBlanks, limits.Fields, nil)
				}
			default: // rule 4
				return false, largeFields(textTooLarge, limits.Fields, h.largest(b[p.name:p.colon], p.colon-p.name+i-p.start+lineOctets))
			}

		case atValueLF:
			if c != '\n' {
				return false, errLineEnd // rule 2: a bare CR
			}
			i++
			p.add(b, h, i-len("\r\n"))
			if p.blanks > limits.Fields {
				return false, largeFields(textBlanks, limits.Fields, nil)
			}
			p.state = atLine

		case atEndLF:
			if c != '\n' {
				return false, errLineEnd
			}
			h.Size = i + 1
			p.Reset()
			if err := h.frame(); err != nil {
				return false, err
			}
			return true, nil
		}
	}
	p.pos = i
	return false, nil
}

// tlsHandshake is the first octet of a connection that speaks TLS.
const tlsHandshake = 0x16

// http11 is the end of the usual request line.
const http11 = "HTTP/1.1\r\n"

// lineOctets is what a field line has beside its name and value: ": " and CRLF.
const lineOctets = 4

// version reads the two digits of a version whose form is right (RFC 9110 §2.5).
func (p *Parser) version(b []byte, h *Head) *Error {
	major, minor := b[p.start+len("HTTP/")], b[p.start+len("HTTP/1.")]
	switch {
	case major == '2' && string(h.Method) == "PRI" && string(h.Target) == "*":
		return errPreface
	case major != '1':
		return errVersion
	}
	h.Sent = int(minor - '0')
	h.Minor = min(h.Sent, 1)
	return nil
}

// add takes in a field line that is whole but for its CRLF, which begins at end.
func (p *Parser) add(b []byte, h *Head, end int) {
	for end > p.start && isBlank(b[end-1]) {
		end--
		p.blanks++
	}
	p.blanks += p.start - p.colon - 1
	name := b[p.name:p.colon:p.colon]
	id := Lookup(name)
	octets := len(name) + end - p.start + lineOctets
	h.Octets += octets
	if octets > h.Longest {
		h.Longest, h.Largest = octets, len(h.Fields)
	}
	bit := Set(1) << id
	h.Twice |= h.Seen & bit &^ (1 << Other)
	h.Seen |= bit
	h.Fields = append(h.Fields, Field{Name: name, Value: b[p.start:end:end], ID: id, name: uint32(p.name), value: uint32(p.start)})
}

// largest is the name of the largest field so far: that of the line that is being read,
// or one before it.
func (h *Head) largest(name []byte, octets int) []byte {
	if octets > h.Longest || len(h.Fields) == 0 {
		return name
	}
	return h.Fields[h.Largest].Name
}

// rebase makes the parts of h parts of b, which has the octets that were read elsewhere.
func (p *Parser) rebase(b []byte, h *Head) {
	p.origin = &b[0]
	if h.Method != nil {
		at := int(p.empty) * len("\r\n")
		h.Method = part(b, at, len(h.Method))
		if h.Target != nil {
			at += len(h.Method) + 1
			h.Target = part(b, at, len(h.Target))
		}
	}
	for i := range h.Fields {
		f := &h.Fields[i]
		f.Name = part(b, int(f.name), len(f.Name))
		f.Value = part(b, int(f.value), len(f.Value))
	}
}

// part is n octets of b from at on, which can't grow into what follows them.
func part(b []byte, at, n int) []byte { return b[at : at+n : at+n] }

// badLine is why no field line begins with c.
func badLine(c byte, first bool) *Error {
	switch {
	case isBlank(c) && first:
		return errSpaceBefore // RFC 9112 §2.2
	case isBlank(c):
		return errFold // RFC 9112 §5.2
	case c == ':':
		return errNoName
	case c == '\n':
		return errLineEnd
	}
	return errName
}

// badName is why c can't follow the start of a name.
func badName(c byte) *Error {
	switch {
	case isBlank(c):
		return errSpaceColon // RFC 9112 §5.1
	case c == '\r':
		return errNoColon
	case c == '\n':
		return errLineEnd
	}
	return errName
}

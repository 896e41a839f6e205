package http1

import (
	"bytes"
	"math"

	"roost/internal/uri"
)

// frame judges what the field lines say together about the message, and about the
// connection.
func (h *Head) frame() *Error {
	for i := range h.Fields {
		if f := &h.Fields[i]; f.ID == Host {
			h.Host = f.Value
			break
		}
	}
	if err := h.judgeHost(); err != nil {
		return err
	}
	if h.Seen&(1<<ContentLength|1<<TransferEncoding) != 0 {
		if err := h.judgeLength(); err != nil {
			return err
		}
	}
	h.Close = h.Minor == 0
	if h.Seen.Has(Connection) {
		h.persist()
	}
	if h.Seen.Has(Expect) {
		h.expect()
	}
	return nil
}

// judgeHost applies rule 6 (RFC 9112 §3.2, RFC 9110 §7.2).
func (h *Head) judgeHost() *Error {
	switch {
	case h.Twice.Has(Host):
		return errHosts
	case !h.Seen.Has(Host):
		if h.Minor == 0 {
			return nil
		}
		return errNoHost
	case !validHost(h.Host):
		return errHost
	}
	return nil
}

// plainHost are octets that a name may have anywhere.
var plainHost = func() (t [256]bool) {
	for c := range 256 {
		t[c] = '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || c == '-' || c == '.' || c == '_'
	}
	return t
}()

// validHost is uri.ValidHost, with a way of its own for plain names and IPv4 addresses,
// which allocates for none of any length.
func validHost(host []byte) bool {
	i := 0
	for i < len(host) && plainHost[host[i]] {
		i++
	}
	if i > 0 && i == len(host) {
		return true
	}
	const digits = 4 // of a port that can't be too large
	if i > 0 && host[i] == ':' && len(host)-i-1 <= digits {
		for i++; i < len(host) && '0' <= host[i] && host[i] <= '9'; i++ {
		}
		return i == len(host)
	}
	return uri.ValidHost(string(host))
}

// judgeLength applies rules 8 and 9 (RFC 9112 §6.1, §6.3).
func (h *Head) judgeLength() *Error {
	switch coded := h.Seen.Has(TransferEncoding); {
	case coded && h.Minor == 0:
		return errCoding10
	case coded && h.Seen.Has(ContentLength):
		return errCodingLength
	case coded:
		h.Length = -1
		return h.judgeCoding()
	case h.Twice.Has(ContentLength):
		return errLengths
	}
	n, ok := parseLength(h.Get(ContentLength))
	if !ok {
		return errLength
	}
	h.Length = n
	return nil
}

// parseLength reads a number without sign and leading zeros, below 2^63 (rule 8; RFC 9110 §8.6).
func parseLength(b []byte) (n int64, ok bool) {
	if len(b) == 0 || b[0] == '0' && len(b) > 1 {
		return 0, false
	}
	for _, c := range b {
		digit := int64(c) - '0'
		if digit < 0 || digit > 9 || n > (math.MaxInt64-digit)/10 {
			return 0, false
		}
		n = n*10 + digit
	}
	return n, true
}

// judgeCoding applies rule 9 to the members of all lines together.
func (h *Head) judgeCoding() *Error {
	chunked, unknown, last := 0, false, false
	for i := range h.Fields {
		if h.Fields[i].ID != TransferEncoding {
			continue
		}
		for rest := h.Fields[i].Value; len(rest) > 0; {
			var member []byte
			member, rest = cutMember(rest)
			if len(member) == 0 {
				continue // RFC 9110 §5.6.1.2
			}
			name, parameters, ok := cutCoding(member)
			if !ok {
				return errCoding
			}
			last = equalFold(name, "chunked")
			switch {
			case last && parameters:
				return errCoding // RFC 9112 §7.1
			case last:
				chunked++
			default:
				unknown = true
			}
		}
	}
	switch {
	case chunked != 1 || !last:
		return errCoding // RFC 9112 §6.1
	case unknown:
		return errUnknownCoding
	}
	return nil
}

// cutMember cuts the first member off a list, without the white space around it.
func cutMember(list []byte) (member, rest []byte) {
	member, rest, _ = bytes.Cut(list, comma)
	return trim(member), rest
}

var comma = []byte{','}

// cutCoding reads the name of a coding, and whether parameters follow.
func cutCoding(member []byte) (name []byte, parameters, ok bool) {
	n := 0
	for n < len(member) && isToken[member[n]] {
		n++
	}
	rest := trim(member[n:])
	return member[:n], len(rest) > 0, n > 0 && (len(rest) == 0 || rest[0] == ';')
}

// persist reads the options of Connection (rule 15; RFC 9112 §9.3).
func (h *Head) persist() {
	var closes, keeps bool
	for i := range h.Fields {
		if h.Fields[i].ID != Connection {
			continue
		}
		for rest := h.Fields[i].Value; len(rest) > 0; {
			var option []byte
			option, rest = cutMember(rest)
			closes = closes || equalFold(option, "close")
			keeps = keeps || equalFold(option, "keep-alive")
		}
	}
	h.KeepAlive = h.Minor == 0 && keeps && !closes
	h.Close = closes || h.Minor == 0 && !keeps
}

// expect reads Expect (rule 15; RFC 9110 §10.1.1): there is one expectation, and only in
// HTTP/1.1, of messages that have content.
func (h *Head) expect() {
	if h.Minor == 0 || h.Length == 0 {
		return
	}
	for i := range h.Fields {
		if f := &h.Fields[i]; f.ID == Expect && equalFold(f.Value, "100-continue") {
			h.ExpectContinue = true
		}
	}
}

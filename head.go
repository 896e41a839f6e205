package roost

import (
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"strings"

	"roost/internal/uri"
)

// Head is a request before its content. It is read-only, and lent for the
// duration of a call.
type Head struct {
	Method string // as it was sent
	Target string // the request-target as it was sent

	// URI is the path in normal form, without the server's prefix and without
	// the query; "*" for the server as a whole; empty where the target is invalid
	// or not below the prefix.
	URI   string
	Query string // without the "?"

	Host   string // of the target or the Host field
	Header Header
	Length int64 // of the content as declared; -1 where that is not known
	Major  int   // of the protocol's version
	Minor  int
	Peer   string               // the other end's address
	TLS    *tls.ConnectionState // nil in the clear

	// router is the path where a router before this server rewrote it.
	router    string
	rewritten bool

	lines fieldLines
}

// Header gives a request's field values by name. An http.Header is one.
type Header interface {
	Get(name string) string      // the first line's, or ""
	Values(name string) []string // every line's, read-only
}

// fieldLines is what the limits of rule 4, the singletons of rule 7 and those who look
// for what few requests bring need to know about all field lines together.
type fieldLines struct {
	number  int
	octets  int64
	largest string // name of the longest line
	longest int64
	twice   bool // some name stands on more than one line

	conditional bool // there are preconditions
	ranged      bool // a range is asked for
	coding      bool // codings are asked for, or excluded
	wants       bool // digests are wanted
	digested    bool // digests are given
}

// count takes in all fields of a request. Every plane calls it.
func (l *fieldLines) count(h http.Header) {
	for name, values := range h {
		l.add(name, values)
	}
}

func (l *fieldLines) add(name string, values []string) {
	l.number += len(values)
	l.twice = l.twice || len(values) > 1
	l.conditional = l.conditional || isCondition(name)
	switch name {
	case "Range":
		l.ranged = true
	case "Accept-Encoding":
		l.coding = true
	case "Want-Repr-Digest", "Want-Content-Digest":
		l.wants = true
	case "Repr-Digest", "Content-Digest":
		l.digested = true
	}
	for _, v := range values {
		n := int64(len(name) + len(": ") + len(v) + len("\r\n"))
		l.octets += n
		if n > l.longest {
			l.largest, l.longest = name, n
		}
	}
}

// The limits of rule 4, in octets but for maxFieldLines.
const (
	maxMethod     = 32
	maxTarget     = 8 << 10
	maxFieldBytes = 16 << 10
	maxFieldLines = 100
)

// hasContent says whether the request brings content, of known length or not.
func (h *Head) hasContent() bool { return h.Length != 0 }

// singletons are the fields that a request may bring on one line only (rule 7).
var singletons = []string{"Content-Type", "Idempotency-Key", "Roost-Ttl", "Authorization"}

// judgeMessage applies rules 3, 4, 6, 7 and 15 as far as a head that was parsed can
// still break them.
func (h *Head) judgeMessage(hosts []string) *Problem {
	switch {
	case h.Method == "PRI" && h.Target == "*" && h.Major == 2:
		return problemVersion.with("HTTP/2 is spoken over TLS only; here send HTTP/1.1.")
	case len(h.Method) > maxMethod:
		return problemUnknownMethod.closing().withLimit(maxMethod, int64(len(h.Method)), "", "The method is longer than any that is known.")
	case len(h.Target) > maxTarget:
		return problemLongTarget.withLimit(maxTarget, int64(len(h.Target)), "", "The request target is too long.")
	case h.lines.octets > maxFieldBytes:
		return problemLargeFields.withLimit(maxFieldBytes, h.lines.octets, "",
			"The fields are too large together; the largest is "+h.lines.largest+".")
	case h.lines.number > maxFieldLines:
		return problemLargeFields.withLimit(maxFieldLines, int64(h.lines.number), "",
			"There are too many fields; the largest is "+h.lines.largest+".")
	}
	if p := h.judgeHost(hosts); p != nil {
		return p
	}
	if h.lines.twice {
		for _, name := range singletons {
			if len(h.Header.Values(name)) > 1 {
				return problemRepeatedField.with("Send " + name + " once.")
			}
		}
	}
	if slices.ContainsFunc(h.expectations(), func(e string) bool { return e != "" && !isContinue(e) }) {
		return problemExpectation.with("The only expectation that can be met is 100-continue.")
	}
	return nil
}

// expectations are the lines of Expect; HTTP/1.0 knows none (rule 15).
func (h *Head) expectations() []string {
	if h.Major == 1 && h.Minor == 0 {
		return nil
	}
	return h.Header.Values("Expect")
}

func (h *Head) expectsContinue() bool { return slices.ContainsFunc(h.expectations(), isContinue) }

func isContinue(expectation string) bool { return strings.EqualFold(expectation, "100-continue") }

func (h *Head) judgeHost(hosts []string) *Problem {
	if h.Host == "" && h.Major == 1 && h.Minor == 0 {
		return nil
	}
	if !uri.ValidHost(h.Host) {
		return problemBadHost.with("Host must be one host name or address, with an optional port.")
	}
	if len(hosts) > 0 && !slices.ContainsFunc(hosts, func(own string) bool { return strings.EqualFold(own, hostname(h.Host)) }) {
		return problemMisdirected.withSetting("host", "This server does not answer to the name in Host.")
	}
	return nil
}

// hostname is host without its port, and an IPv6 address without its brackets.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}

// resolve reads the target into URI, Query and, for an absolute one, Host (rules
// 16 and 17), and takes the prefix off. It returns what the target breaks, which
// is judged only after the method.
func (h *Head) resolve(prefix string) *Problem {
	t, err := uri.ParseTarget(h.Target)
	if err != nil {
		return problemBadTarget.with(capital(err.Error()) + ".")
	}
	h.Query = t.Query
	switch t.Form {
	case uri.Asterisk:
		if h.Method != "OPTIONS" {
			return problemBadTarget.with(`The target "*" goes with OPTIONS only.`)
		}
		h.URI = "*"
		return nil
	case uri.Authority:
		return problemBadTarget.with("A target without a path goes with CONNECT only.")
	case uri.Absolute:
		if p := h.judgeAbsolute(t); p != nil {
			return p
		}
		h.Host = t.Authority
	}
	return h.normalize(t.Path, prefix)
}

func (h *Head) judgeAbsolute(t uri.Target) *Problem {
	switch {
	case t.Scheme != "http" && t.Scheme != "https":
		return problemBadTarget.with("The scheme of an absolute target is http or https.")
	case !uri.ValidHost(t.Authority):
		return problemBadTarget.with("An absolute target needs one host name or address, with an optional port and no user.")
	case t.Scheme == "https" && h.TLS == nil:
		return problemMisdirected.with("An https target can't be answered over a connection in the clear.")
	}
	return nil
}

func (h *Head) normalize(path, prefix string) *Problem {
	own := path
	if h.rewritten {
		own = h.router
	}
	normal, err := uri.Normalize(path)
	if err == nil && h.rewritten {
		normal, err = uri.Normalize(own)
	}
	if err != nil {
		return problemBadTarget.with(capital(err.Error()) + ".")
	}
	if prefix == "" || h.rewritten {
		h.URI = normal
		return nil
	}
	rest, ok := strings.CutPrefix(normal, prefix)
	switch {
	case ok && rest == "":
		h.URI = "/"
	case ok && rest[0] == '/':
		h.URI = rest
	default:
		h.URI = ""
	}
	return nil
}

// capital makes an error's text the beginning of a sentence.
func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

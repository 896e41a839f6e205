package roost

import (
	"html"
	"net/http"
	"strconv"
	"strings"

	"roost/internal/negotiate"
)

// Problem explains an answer of 400 or more: the problem details of RFC 9457.
// docs/problems.md lists every type with what to do.
type Problem struct {
	Type   string `json:"type"` // urn:roost:problem:NAME, or one that IANA registered
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`

	// Limit, Value and Setting tell, where a limit was passed, what it is, what
	// was met, and the setting that changes it.
	Limit   int64  `json:"limit,omitempty"`
	Value   int64  `json:"value,omitempty"`
	Setting string `json:"setting,omitempty"`

	// Available lists the media types that a 406 could have been.
	Available []string `json:"available,omitempty"`

	close bool // the connection ends with this answer
}

const (
	problemPrefix = "urn:roost:problem:"

	// registeredPrefix is that of the types that IANA registers for everybody.
	registeredPrefix = "https://iana.org/assignments/http-problem-types#"
)

// problemKind is one rule's refusal: everything about it that is the same each
// time.
type problemKind struct {
	prefix string // of the type, before the name
	name   string
	status int
	title  string
	close  bool
}

// Every kind of refusal, by the rule that it comes from.
var (
	problemRefused        = kind("refused", 403, "Refused by the program")                                 // 1
	problemMalformed      = kind("malformed-message", 400, "Malformed message").closing()                  // 2, 3, 5, 8, 9
	problemIncomplete     = kind("incomplete-content", 400, "Incomplete content").closing()                // 11, 12
	problemBadHost        = kind("bad-host", 400, "Bad Host").closing()                                    // 6
	problemRepeatedField  = kind("repeated-field", 400, "Field sent twice")                                // 7
	problemBadTarget      = kind("bad-target", 400, "Bad request target").closing()                        // 16, 17
	problemContentRange   = kind("partial-put", 400, "Partial PUT")                                        // 40
	problemTTL            = kind("bad-ttl", 400, "Bad time to live")                                       // 56
	problemKey            = kind("bad-idempotency-key", 400, "Bad Idempotency-Key")                        // 50
	problemQuery          = kind("bad-query", 400, "Bad query")                                            // 47
	problemDigestInvalid  = kind("digest-invalid-values", 400, "Invalid Digest Values").registered()       // 35
	problemDigestMismatch = kind("digest-mismatched-values", 400, "Mismatched Digest Values").registered() // 35
	problemDigest         = kind("bad-digest", 400, "Digest field can't be read")                          // 35
	problemForeign        = kind("foreign-origin", 403, "Foreign origin")                                  // 22
	problemNotFound       = kind("not-found", 404, "No such resource")                                     // 21
	problemMethod         = kind("method-not-registered", 405, "Method not registered")                    // 21
	problemNotAcceptable  = kind("not-acceptable", 406, "Not acceptable")                                  // 26
	problemKeyInUse       = kind("key-in-use", 409, "Idempotency-Key in use")                              // 50
	problemLate           = kind("late-content", 408, "Content came too slowly")                           // 13
	problemLateHead       = kind("late-head", 408, "Head came too slowly")                                 // 13
	problemPrecondition   = kind("precondition-failed", 412, "Precondition failed")                        // 36
	problemTooLarge       = kind("content-too-large", 413, "Content too large")                            // 14
	problemLongTarget     = kind("target-too-long", 414, "Request target too long")                        // 4
	problemMediaType      = kind("media-type-not-accepted", 415, "Media type not accepted")                // 31
	problemCoding         = kind("coding-not-accepted", 415, "Content coding not accepted")                // 34
	problemRange          = kind("range-not-satisfiable", 416, "Range not satisfiable")                    // 40
	problemExpectation    = kind("expectation-failed", 417, "Expectation failed")                          // 15
	problemMisdirected    = kind("misdirected", 421, "Misdirected request")                                // 6, 16
	problemKeyReused      = kind("key-reused", 422, "Idempotency-Key reused")                              // 50
	problemLargeFields    = kind("fields-too-large", 431, "Request fields too large")                      // 4
	problemInternal       = kind("internal", 500, "Internal error")                                        // 53
	problemUnknownMethod  = kind("method-unknown", 501, "Method unknown")                                  // 20
	problemTransferCoding = kind("transfer-coding-unknown", 501, "Transfer coding unknown").closing()      // 9
	problemBusy           = kind("busy", 503, "Too much at once")                                          // 53
	problemStopping       = kind("stopping", 503, "Server is stopping")                                    // 53
	problemUnavailable    = kind("store-unavailable", 503, "Store unavailable")                            // 53
	problemUnknownOutcome = kind("outcome-unknown", 503, "Outcome unknown")                                // 53
	problemHookLate       = kind("hook-late", 503, "The program took too long")                            // 1
	problemVersion        = kind("version-not-supported", 505, "HTTP version not supported")               // 3
	problemFull           = kind("full", 507, "No room")                                                   // 53
)

func kind(name string, status int, title string) problemKind {
	return problemKind{prefix: problemPrefix, name: name, status: status, title: title, close: closes(status)}
}

// registered makes the kind one of IANA's.
func (k problemKind) registered() problemKind {
	k.prefix = registeredPrefix
	return k
}

func (k problemKind) closing() problemKind {
	k.close = true
	return k
}

func (k problemKind) with(detail string) *Problem {
	return &Problem{Type: k.prefix + k.name, Title: k.title, Status: k.status, Detail: detail, close: k.close}
}

func (k problemKind) withSetting(setting, detail string) *Problem {
	p := k.with(detail)
	p.Setting = setting
	return p
}

func (k problemKind) withLimit(limit, value int64, setting, detail string) *Problem {
	p := k.withSetting(setting, detail)
	p.Limit, p.Value = limit, value
	return p
}

// The forms a problem can take (rule 28).
var (
	problemJSON = mustMedia("application/problem+json")
	plainJSON   = mustMedia(JSON)
	plainText   = mustMedia(Plain)
	htmlPage    = mustMedia(Text)
)

func mustMedia(s string) *negotiate.MediaType {
	m, err := negotiate.ParseMediaType(s)
	if err != nil {
		panic(err)
	}
	return &m
}

// render gives the problem in the form that accept asks for, as content and media type.
func (p *Problem) render(accept []string) ([]byte, string) {
	switch form := problemForm(accept); form {
	case plainText:
		return p.text(), "text/plain; charset=utf-8"
	case htmlPage:
		return p.html(), "text/html; charset=utf-8"
	}
	return append(mustJSON(p), '\n'), "application/problem+json"
}

// problemForm chooses JSON unless text or HTML is wanted more than it, or asked
// for by name while it is not.
func problemForm(accept []string) *negotiate.MediaType {
	if len(accept) == 0 {
		return problemJSON
	}
	json := max(negotiate.Accept(accept, problemJSON), negotiate.Accept(accept, plainJSON))
	named := negotiate.Named(accept, problemJSON) || negotiate.Named(accept, plainJSON)
	best, weight := problemJSON, negotiate.Weight(0)
	for _, m := range []*negotiate.MediaType{plainText, htmlPage} {
		w := negotiate.Accept(accept, m)
		if w > weight && (w > json || !named && negotiate.Named(accept, m)) {
			best, weight = m, w
		}
	}
	return best
}

func (p *Problem) text() []byte {
	var b strings.Builder
	b.WriteString(strconv.Itoa(p.Status) + " " + p.Title + "\n")
	if p.Detail != "" {
		b.WriteString(p.Detail + "\n")
	}
	for _, row := range p.rows() {
		b.WriteString(row[0] + ": " + row[1] + "\n")
	}
	return []byte(b.String())
}

func (p *Problem) html() []byte {
	var b strings.Builder
	b.WriteString(beginHTML(strconv.Itoa(p.Status) + " " + p.Title))
	b.WriteString("<p>" + html.EscapeString(p.Detail) + "</p>\n")
	if rows := p.rows(); len(rows) > 0 {
		b.WriteString("<dl>\n")
		for _, row := range rows {
			b.WriteString("<dt>" + row[0] + "</dt><dd>" + html.EscapeString(row[1]) + "</dd>\n")
		}
		b.WriteString("</dl>\n")
	}
	b.WriteString("</html>\n")
	return []byte(b.String())
}

// beginHTML begins a page with its title.
func beginHTML(title string) string {
	title = html.EscapeString(title)
	return "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n" +
		"<title>" + title + "</title>\n<h1>" + title + "</h1>\n"
}

// rows are what text and HTML tell below the detail.
func (p *Problem) rows() [][2]string {
	var rows [][2]string
	if p.Limit != 0 {
		rows = append(rows, [2]string{"limit", strconv.FormatInt(p.Limit, 10)}, [2]string{"value", strconv.FormatInt(p.Value, 10)})
	}
	if p.Setting != "" {
		rows = append(rows, [2]string{"setting", p.Setting})
	}
	if len(p.Available) > 0 {
		rows = append(rows, [2]string{"available", strings.Join(p.Available, ", ")})
	}
	return append(rows, [2]string{"type", p.Type})
}

// closes says which statuses end the connection whatever the kind, a gate's too
// (rule 52).
func closes(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong,
		http.StatusExpectationFailed, http.StatusRequestHeaderFieldsTooLarge, http.StatusHTTPVersionNotSupported:
		return true
	}
	return false
}

// Package observe makes records of what a roost server does. Give what a function
// here returns as roost.Config.Observer.
//
// It writes to loggers that the program brings; it opens no files and sends
// nothing anywhere.
package observe

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"roost"
)

// Requests returns an observer that logs a line at level Info for each request:
//
//	uri       the resource's, or the path asked for where there is none
//	method    as it was sent
//	headers   a group with each field; several lines of one are joined by ", "
//	body      the first 200 characters of the content; octets that are not UTF-8 are written \xNN
//	new_uri   of the resource that a POST made, else empty
//	status    of the answer
//	peer      the client's address
//	duration  until the answer was handed to the system
//
// The values of Authorization, Cookie and Proxy-Authorization are replaced by
// "[redacted]". Quoting is the handler's: those of log/slog write one line
// whatever a request contains.
//
// The observer waits for log's handler on the way of each request, and may be used
// from many goroutines at once if that may.
func Requests(log *slog.Logger) roost.Observer { return &requests{log} }

type requests struct{ log *slog.Logger }

// Connection does nothing: connections are not logged.
func (*requests) Connection(*roost.ConnectionRecord) {}

// Change does nothing: changes are not logged.
func (*requests) Change(*roost.ChangeRecord) {}

func (o *requests) Request(r *roost.RequestRecord) {
	ctx := context.Background()
	if !o.log.Enabled(ctx, slog.LevelInfo) {
		return
	}
	o.log.LogAttrs(ctx, slog.LevelInfo, "request",
		slog.String("uri", r.URI),
		slog.String("method", r.Method),
		slog.Attr{Key: "headers", Value: headers(r.Header)},
		slog.String("body", shortened(r.Body)),
		slog.String("new_uri", r.NewURI),
		slog.Int("status", r.Status),
		slog.String("peer", r.Peer),
		slog.Duration("duration", r.Duration),
	)
}

const redacted = "[redacted]"

// secret are the fields by which clients say who they are.
var secret = map[string]bool{"Authorization": true, "Cookie": true, "Proxy-Authorization": true}

// headers is h as a group, sorted by name and without secrets.
func headers(h http.Header) slog.Value {
	attrs := make([]slog.Attr, 0, len(h))
	for _, name := range slices.Sorted(maps.Keys(h)) {
		value := redacted
		if !secret[http.CanonicalHeaderKey(name)] {
			value = printable(strings.Join(h[name], ", "))
		}
		attrs = append(attrs, slog.String(name, value))
	}
	return slog.GroupValue(attrs...)
}

// maxBody is the number of characters of a content that are logged: enough to
// recognise a request by.
const maxBody = 200

// shortened is the beginning of body, with its whole size where that is longer.
func shortened(body []byte) string {
	rest := body
	for n := 0; n < maxBody && len(rest) > 0; n++ {
		_, size := utf8.DecodeRune(rest)
		rest = rest[size:]
	}
	head := printable(string(body[:len(body)-len(rest)]))
	if len(rest) == 0 {
		return head
	}
	return fmt.Sprintf("%s… (%d bytes)", head, len(body))
}

// printable writes octets that are not UTF-8 as \xNN, which a handler for JSON
// would lose.
func printable(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)) {
			fmt.Fprintf(&b, `\x%02x`, s[i])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

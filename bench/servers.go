// Package bench measures what Roost costs beside net/http alone. README.md has the
// figures and the commands that make them.
//
// The measure is [Bare], the least that a handler of net/http can do to put the
// same octets on the wire as [Roost]. It knows one resource and no rule: no other
// URI, no error, no precondition, no limit.
package bench

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"roost"
)

// URI is that of the one resource, and Value what it holds at first: 100 octets.
const URI = "/value"

var Value = strings.Repeat("0123456789", 10)

// Roost returns a server with the resource, which listens at addr once it is
// started.
func Roost(addr string) (*roost.Server, error) {
	ctx := context.Background()
	s, err := roost.New(ctx, roost.Config{Addr: addr, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	r, err := s.AddResource(ctx, URI, roost.WithContentType(roost.Plain), roost.WithString(Value))
	if err != nil {
		return nil, err
	}
	return s, r.RegisterRequestHandler(ctx, roost.GET|roost.PUT, nil)
}

// bare is a handler that answers GET and PUT of one value.
type bare struct {
	revision atomic.Uint64
	current  atomic.Pointer[bareValue]
}

// bareValue is a value with the lines that go with it, ready made, as Roost's are.
type bareValue struct {
	content                []byte
	length, etag, modified []string
}

// Bare returns a handler without Roost.
func Bare() http.Handler {
	h := new(bare)
	h.store([]byte(Value))
	return h
}

// Lines that all answers share.
var (
	nosniff     = []string{"nosniff"}
	contentType = []string{"text/plain; charset=utf-8"}
	noCache     = []string{"no-cache"}
	accept      = []string{"Accept"}
	ranges      = []string{"bytes"}
	location    = []string{URI}
)

func (h *bare) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case "GET":
		h.get(w)
	case "PUT":
		h.put(w, r)
	}
}

func (h *bare) get(w http.ResponseWriter) {
	v := h.current.Load()
	header := w.Header()
	header["X-Content-Type-Options"] = nosniff
	header["Content-Type"] = contentType
	header["Content-Length"] = v.length
	header["Etag"] = v.etag
	header["Last-Modified"] = v.modified
	header["Cache-Control"] = noCache
	header["Vary"] = accept
	header["Accept-Ranges"] = ranges
	w.WriteHeader(http.StatusOK)
	w.Write(v.content)
}

func (h *bare) put(w http.ResponseWriter, r *http.Request) {
	content := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, content); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	v := h.store(content)
	header := w.Header()
	header["X-Content-Type-Options"] = nosniff
	header["Content-Location"] = location
	header["Etag"] = v.etag
	header["Last-Modified"] = v.modified
	w.WriteHeader(http.StatusNoContent)
}

// store makes the value's fields the way that allocates least: all lines of one
// array.
func (h *bare) store(content []byte) *bareValue {
	lines := []string{
		strconv.Itoa(len(content)),
		`"abcdefghijklm-` + strconv.FormatUint(h.revision.Add(1), 10) + `"`,
		time.Now().UTC().Format(http.TimeFormat),
	}
	v := &bareValue{content, lines[0:1:1], lines[1:2:2], lines[2:3:3]}
	h.current.Store(v)
	return v
}

// Command fasthttp is a server of github.com/valyala/fasthttp that bench/plane measures: one
// value under a mutex, answered with the fields of Roost's answers. It is in a module of its
// own, as nothing of Roost needs that one.
//
// It says its address on the first line of its output, and ends when its input does.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// value is what is answered, with the fields that go with it.
type value struct {
	mu             sync.Mutex
	revision       int
	content        []byte
	etag, modified string
}

func (v *value) store(content []byte) {
	v.revision++
	v.content = append([]byte(nil), content...)
	v.etag = `"abcdefghijklm-` + strconv.Itoa(v.revision) + `"`
	v.modified = string(fasthttp.AppendHTTPDate(nil, time.Now()))
}

func (v *value) serve(ctx *fasthttp.RequestCtx) {
	h := &ctx.Response.Header
	h.Set("X-Content-Type-Options", "nosniff")
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case ctx.IsGet():
		h.SetContentType("text/plain; charset=utf-8")
		h.Set("Cache-Control", "no-cache")
		h.Set("Vary", "Accept")
		h.Set("Accept-Ranges", "bytes")
		ctx.SetBody(v.content)
	case ctx.IsPut():
		v.store(ctx.PostBody())
		h.Set("Content-Location", "/value")
		ctx.SetStatusCode(fasthttp.StatusNoContent)
	default:
		ctx.SetStatusCode(fasthttp.StatusMethodNotAllowed)
		return
	}
	h.Set("Etag", v.etag)
	h.Set("Last-Modified", v.modified)
}

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal("fasthttp: ", err)
	}
	v := new(value)
	v.store([]byte(strings.Repeat("0123456789", 10)))
	s := &fasthttp.Server{Handler: v.serve, NoDefaultServerHeader: true, NoDefaultContentType: true}
	go func() { log.Fatal("fasthttp: ", s.Serve(l)) }()
	fmt.Println(l.Addr())
	io.Copy(io.Discard, os.Stdin)
}

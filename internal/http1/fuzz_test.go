package http1

import (
	"bufio"
	"bytes"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"roost/internal/uri"
)

// seeds are the rows of the tables and what the vectors send.
func seeds(f *testing.F) {
	for _, tt := range heads {
		f.Add([]byte(tt.in))
	}
	for _, tt := range chunks {
		f.Add([]byte("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + tt.in))
	}
	for in := range sent(f) {
		f.Add(in)
	}
	f.Add([]byte(small))
	f.Add([]byte(browser))
}

// sent are the octets of the vectors that aren't long.
func sent(f *testing.F) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, vectors := range loadVectors(f) {
			for _, v := range vectors {
				if in, _ := v.octets(); len(in) < 4<<10 && !yield(in) {
					return
				}
			}
		}
	}
}

// FuzzHead compares with net/http: what both accept means the same, and what net/http
// refuses is refused here, but for what the rules say otherwise.
func FuzzHead(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		var p Parser
		var h Head
		done, _ := p.Parse(in, &h)
		if !done {
			return
		}
		if h.Size > len(in) || h.Size > DefaultLimits.MaxHead() {
			t.Fatalf("size is %d", h.Size)
		}
		if h.Octets > DefaultLimits.Fields || len(h.Fields) > DefaultLimits.Lines || len(h.Target) > DefaultLimits.Target || len(h.Method) > DefaultLimits.Method {
			t.Fatalf("over the limits: %+v", h)
		}
		head := in[:h.Size]
		for bytes.HasPrefix(head, []byte("\r\n")) { // rule 2: net/http skips none
			head = head[2:]
		}
		r, err := http.ReadRequest(bufio.NewReaderSize(bytes.NewReader(head), len(head)+1))
		if err != nil {
			if !onlyHere(&h, err) {
				t.Fatalf("net/http refuses: %v\n%q", err, head)
			}
			return
		}
		compare(t, &h, r)
	})
}

// onlyHere says whether net/http refuses what the rules accept or leave to others.
func onlyHere(h *Head, err error) bool {
	text := err.Error()
	switch {
	case strings.Contains(text, "unsupported transfer encoding"), strings.Contains(text, "too many transfer encodings"):
		return h.Length == -1 // rule 9: empty members are skipped
	case strings.HasPrefix(text, "parse "), strings.Contains(text, "invalid URI"), strings.Contains(text, "invalid URL"):
		return true // rules 16 and 17: the target is judged elsewhere
	case strings.Contains(text, "bad trailer key"):
		return true // rule 11: nobody looks at Trailer, as trailers are dropped
	}
	return false
}

func compare(t *testing.T, h *Head, r *http.Request) {
	t.Helper()
	if string(h.Method) != r.Method || string(h.Target) != r.RequestURI || r.ProtoMajor != 1 || h.Sent != r.ProtoMinor {
		t.Errorf("request line: %q %q 1.%d; net/http has %q %q %s", h.Method, h.Target, h.Sent, r.Method, r.RequestURI, r.Proto)
	}
	if host := r.URL.Host; host == "" && string(h.Host) != r.Host {
		t.Errorf("host: %q; net/http has %q", h.Host, r.Host)
	}
	if h.Host != nil && !uri.ValidHost(string(h.Host)) {
		t.Errorf("host: %q is none", h.Host)
	}
	upgrade := r.Method == "PRI" && len(r.Header) == 0 && r.URL.Path == "*" // net/http hands its connection out
	if h.Length != r.ContentLength && !upgrade {
		t.Errorf("length: %d; net/http has %d", h.Length, r.ContentLength)
	}
	if chunked := slices.Equal(r.TransferEncoding, []string{"chunked"}); chunked != (h.Length == -1) || !chunked && len(r.TransferEncoding) > 0 {
		t.Errorf("length: %d; net/http has transfer codings %q", h.Length, r.TransferEncoding)
	}
	if h.Close != r.Close && !upgrade {
		t.Errorf("close: %v; net/http has %v", h.Close, r.Close)
	}
	fields := make(http.Header)
	for _, field := range h.Fields {
		if name := Canonical(field.Name); name != textproto.CanonicalMIMEHeaderKey(string(field.Name)) {
			t.Errorf("%q is written %q", field.Name, name)
		}
		if field.ID != Lookup(field.Name) || !h.Seen.Has(field.ID) {
			t.Errorf("%q is %d, seen are %x", field.Name, field.ID, h.Seen)
		}
		fields.Add(Canonical(field.Name), string(field.Value))
	}
	// net/http keeps these elsewhere, or makes one of another.
	for _, name := range []string{"Host", "Transfer-Encoding", "Trailer"} {
		fields.Del(name)
		r.Header.Del(name)
	}
	if slices.Equal(fields["Pragma"], []string{"no-cache"}) && fields["Cache-Control"] == nil {
		r.Header.Del("Cache-Control")
	}
	if len(fields) != len(r.Header) {
		t.Errorf("fields: %q; net/http has %q", fields, r.Header)
	}
	for name, values := range fields {
		if !slices.Equal(values, r.Header[name]) {
			t.Errorf("%s: %q; net/http has %q", name, values, r.Header[name])
		}
	}
}

// FuzzBody compares with net/http's reading of chunks: what both accept is the same content,
// and the same octets follow it.
func FuzzBody(f *testing.F) {
	for _, tt := range chunks {
		f.Add([]byte(tt.in))
		f.Add([]byte(tt.in + "GET / HTTP/1.1\r\n"))
	}
	const head = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	f.Fuzz(func(t *testing.T, in []byte) {
		var b Body
		b.Reset(-1, nil)
		var content []byte
		rest, over := in, false
		for !over {
			part, used, done, err := b.Next(rest)
			if err != nil {
				break
			}
			content = append(content, part...)
			if rest, over = rest[used:], done; used == 0 && !done {
				break
			}
		}
		br := bufio.NewReaderSize(strings.NewReader(head+string(in)), len(head)+len(in)+1)
		r, err := http.ReadRequest(br)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := io.ReadAll(r.Body)
		if !over {
			return // whatever net/http makes of it
		}
		if err != nil {
			// net/http bounds the trailers by what its reader holds, and all else by its own measure.
			if strings.Contains(err.Error(), "too much non-data") || strings.Contains(err.Error(), "too long") {
				return
			}
			// net/http knows no white space before a semicolon (RFC 9112 §7.1.1).
			if strings.Contains(err.Error(), "invalid byte in chunk length") && (bytes.Contains(in, []byte(" ;")) || bytes.Contains(in, []byte("\t;"))) {
				return
			}
			t.Fatalf("net/http refuses: %v\n%q", err, in)
		}
		if !bytes.Equal(content, theirs) {
			t.Errorf("content: %q; net/http has %q", content, theirs)
		}
		if left, _ := io.ReadAll(br); !bytes.Equal(left, rest) {
			t.Errorf("%q is left; net/http leaves %q", rest, left)
		}
	})
}

// FuzzCuts cuts octets anywhere: the outcome is the same.
func FuzzCuts(f *testing.F) {
	for _, tt := range heads {
		f.Add([]byte(tt.in), uint64(1), false)
	}
	for _, tt := range chunks {
		f.Add([]byte(tt.in), uint64(2), false)
	}
	for in := range sent(f) {
		f.Add(in, uint64(3), true)
	}
	tightHead := &Limits{Method: 5, Target: 16, Fields: 64, Lines: 4}
	tightBody := &BodyLimits{Extensions: 8, Fields: 24, Lines: 3}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64, tight bool) {
		heads, bodies := &DefaultLimits, &DefaultBodyLimits
		if tight {
			heads, bodies = tightHead, tightBody
		}
		random := rand.New(rand.NewPCG(seed, 0))
		var cuts []int
		for cut := 0; cut < len(in); cut += 1 + random.IntN(1+len(in)/(1+random.IntN(16))) {
			cuts = append(cuts, cut)
		}
		if whole, got := parseCut(heads, in), parseCut(heads, in, cuts...); got != whole {
			t.Errorf("head cut at %v: %s\nwhole: %s", cuts, got, whole)
		}
		for _, length := range []int64{-1, int64(seed % 64)} {
			if whole, got := bodyCut(length, bodies, in), bodyCut(length, bodies, in, cuts...); got != whole {
				t.Errorf("content of length %d cut at %v: %s\nwhole: %s", length, cuts, got, whole)
			}
		}
	})
}

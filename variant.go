package roost

import (
	"bytes"
	"compress/gzip"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"roost/internal/digest"
	"roost/internal/negotiate"
)

// variant is a representation as it goes out: as it is stored, or coded (rule 33).
type variant struct {
	value  []byte
	etag   string
	fields []Field
	digest [2]atomic.Pointer[string] // by algorithm, made when they are first asked for
}

func newVariant(value []byte, etag string, fields []Field) *variant {
	return &variant{value: value, etag: etag, fields: fields}
}

// digestBy is the digest of the whole variant.
func (v *variant) digestBy(a digest.Algorithm) string {
	if d := v.digest[a].Load(); d != nil {
		return *d
	}
	d := a.Field(v.value)
	v.digest[a].Store(&d)
	return d
}

// gzipTag is what the entity-tag of a coded variant ends in.
const gzipTag = `-gzip"`

// minCoded is the length from which on a text is worth coding. Shorter ones, with what
// goes around them, mostly fit one packet anyway.
const minCoded = 1 << 10

// coded is the variant in gzip, made when it is first asked for.
type coded struct {
	once    sync.Once
	done    atomic.Bool
	smaller bool     // by a tenth and more
	variant *variant // if it is
}

// choose is the variant that Accept-Encoding asks for; nil if there is none.
func (s *servedValue) choose(h *Head) *variant {
	if !h.lines.coding {
		return s.plain
	}
	identity, coding := negotiate.Codings(h.Header.Values("Accept-Encoding"))
	if coding > 0 && s.codable && (identity == 0 || coding >= identity) {
		if c := s.gzip(); c.smaller {
			return c.variant
		}
	}
	switch {
	case identity > 0:
		return s.plain
	case coding > 0:
		return s.pack() // rarely asked for, and not worth keeping
	}
	return nil
}

func (s *servedValue) gzip() *coded {
	if s.coded.Load() == nil {
		s.coded.CompareAndSwap(nil, new(coded))
	}
	c := s.coded.Load()
	c.once.Do(func() {
		v := s.pack()
		if c.smaller = s.codable && len(v.value) <= len(s.plain.value)-len(s.plain.value)/10; c.smaller {
			c.variant = v
		}
		c.done.Store(true)
	})
	return c
}

// pack makes the variant in gzip.
func (s *servedValue) pack() *variant {
	value := compress(s.plain.value)
	v := newVariant(value, strings.TrimSuffix(s.plain.etag, `"`)+gzipTag, append([]Field(nil), s.plain.fields...))
	for i := range v.fields {
		f := &v.fields[i]
		switch f.Name {
		case "Content-Length":
			f.Values = []string{strconv.Itoa(len(value))}
		case "Etag":
			f.Values = []string{v.etag}
		case "Vary":
			*f = variesCoded
		}
	}
	v.fields = append(v.fields, Field{"Content-Encoding", []string{"gzip"}})
	return v
}

// compressors are kept, as each takes most of a mebibyte.
var compressors = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

func compress(value []byte) []byte {
	var b bytes.Buffer
	w := compressors.Get().(*gzip.Writer)
	defer compressors.Put(w)
	w.Reset(&b)
	// Writing to a buffer does not fail.
	w.Write(value)
	w.Close()
	return bytes.Clone(b.Bytes())
}

// withDigests adds the digests that the client wants (rule 35): of the whole variant, and of
// the octets of it that are sent.
func (q *request) withDigests(fields []Field, whole *variant, sent []byte) []Field {
	h := q.head
	if !h.lines.wants {
		return fields
	}
	if a, ok := digest.Wanted(h.Header.Values("Want-Repr-Digest")); ok {
		fields = append(fields[:len(fields):len(fields)], Field{"Repr-Digest", []string{whole.digestBy(a)}})
	}
	if a, ok := digest.Wanted(h.Header.Values("Want-Content-Digest")); ok {
		d := ""
		if len(sent) == len(whole.value) {
			d = whole.digestBy(a)
		} else {
			d = a.Field(sent)
		}
		fields = append(fields[:len(fields):len(fields)], Field{"Content-Digest", []string{d}})
	}
	return fields
}

// checkDigests compares what came with the digests that came with it (rule 35).
func (q *request) checkDigests() *Problem {
	for _, name := range []string{"Content-Digest", "Repr-Digest"} {
		err := digest.Check(q.head.Header.Values(name), q.content)
		switch {
		case err == nil:
		case errors.Is(err, digest.ErrMismatch):
			return problemDigestMismatch.with(name + ": " + err.Error() + ".")
		case errors.Is(err, digest.ErrMalformed):
			return problemDigest.with(name + ": " + err.Error() + ".")
		default:
			return problemDigestInvalid.with(name + ": " + err.Error() + ".")
		}
	}
	return nil
}

// varies is the Vary field of the representation's answers.
func (s *servedValue) varies() Field {
	if s.codable {
		return variesCoded
	}
	return varies
}

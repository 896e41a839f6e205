package roost

import (
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"roost/internal/http1"
	"roost/internal/negotiate"
)

// readyAnswer is an answer of HTTP/1.1 that is made already: only its Date is still to be filled in.
type readyAnswer struct {
	octets []byte // the head, and the value if it is short
	date   int    // where Date stands in them
	body   []byte // the value if it is long
}

// maxReady is up to which length a value stands in its answer. It is there twice then.
const maxReady = 1 << 10

// ready is the answer 200 to a GET that asks for nothing special.
func (s *servedValue) ready() *readyAnswer {
	if r := s.answer.Load(); r != nil {
		return r
	}
	r := new(readyAnswer)
	b := http1.AppendStatusLine(make([]byte, 0, 512), http.StatusOK)
	r.date = len(b) + len("Date: ")
	b = new(http1.Date).AppendDate(b, 0)
	b = http1.AppendEnd(appendFields(b, s.plain.fields))
	if v := s.plain.value; len(v) <= maxReady {
		b = append(b, v...)
	} else {
		r.body = v
	}
	r.octets = append(make([]byte, 0, len(b)), b...)
	s.answer.Store(r)
	return r
}

func appendFields(b []byte, fields []Field) []byte {
	for i := range fields {
		for _, v := range fields[i].Values {
			b = http1.AppendField(b, fields[i].Name, v)
		}
	}
	return b
}

// firstAnswers appends the answers to GETs that are the first of their representations: they are the
// same that [servedValue.ready] makes, and nothing is kept. Where a million values are asked
// for once each, to make and to keep an answer for each costs more than all the rest. It is
// for one goroutine.
type firstAnswers struct {
	modified http1.Date
	types    map[string]*firstType
}

// firstType is what the answers of a media type have in common.
type firstType struct {
	markup, textual bool
	withCharset     string // of values that are UTF-8
	asItIs          string // of others
}

// maxFirstTypes is how many types are known at once.
const maxFirstTypes = 256

func (f *firstAnswers) typeOf(mediaType string) *firstType {
	if t := f.types[mediaType]; t != nil {
		return t
	}
	if f.types == nil || len(f.types) >= maxFirstTypes {
		f.types = make(map[string]*firstType)
	}
	m, _ := negotiate.ParseMediaType(mediaType)
	t := &firstType{markup: m.Markup(), textual: m.Textual(), withCharset: withCharset(mediaType, &m, nil), asItIs: mediaType}
	f.types[mediaType] = t
	return t
}

// append appends the head of the answer at a time, of which date has the text. It is false for a
// representation whose answer has more than most: then nothing is appended.
func (f *firstAnswers) append(b []byte, r *Representation, now time.Time, date *http1.Date) ([]byte, bool) {
	item := r.item
	modified := item.Modified.Unix()
	if item.Modified.IsZero() || modified > now.Unix() || !item.Expires.IsZero() || strings.HasPrefix(r.tag, `"`) {
		return b, false
	}
	t := f.typeOf(r.meta.Type)
	if t.markup {
		return b, false
	}
	b = http1.AppendStatusLine(b, http.StatusOK)
	b = date.AppendDate(b, now.Unix())
	b = append(b, "X-Content-Type-Options: nosniff\r\n"...)
	contentType := t.asItIs
	if t.withCharset != contentType && utf8.Valid(item.Value) {
		contentType = t.withCharset
	}
	b = http1.AppendField(b, "Content-Type", contentType)
	b = http1.AppendIntField(b, "Content-Length", int64(len(item.Value)))
	b = append(b, `Etag: "`...)
	b = append(b, r.tag...)
	b = append(b, '-')
	b = strconv.AppendUint(b, item.Revision, 10)
	b = append(b, "\"\r\n"...)
	if cache := r.meta.CacheControl; cache != "" {
		b = http1.AppendField(b, "Cache-Control", cache)
	} else {
		b = append(b, "Cache-Control: no-cache\r\n"...)
	}
	b = append(b, "Vary: Accept"...)
	if t.textual && len(item.Value) >= minCoded {
		b = append(b, ", Accept-Encoding"...)
	}
	b = append(b, "\r\nAccept-Ranges: bytes\r\nLast-Modified: "...)
	b = append(b, f.modified.At(modified)...)
	return append(b, "\r\n\r\n"...), true
}

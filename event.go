package roost

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"strings"

	"roost/internal/negotiate"
)

// pieceBytes is about how much of an event is made at once.
const pieceBytes = 16 << 10

// event is one event of a stream on its way out, piece by piece: a reader that takes a long one
// slowly keeps the value, which it shares with everybody, and a piece.
type event struct {
	head string // before the value
	rest []byte // of the value
	form form
	tail string // after it
	buf  []byte
}

// form is how an event has its value.
type form int

const (
	asLines  form = iota // a "data: " before each line
	asBase64             // in Base64
	asJSON               // in a string of JSON
)

const endOfEvent = "\n\n"

// valueEvent is rep as an event of its own stream (rule 44).
func valueEvent(rep *Representation) event {
	id := eventID(rep.etag())
	if rep.isText() {
		return event{head: id + "data: ", rest: rep.item.Value, form: asLines, tail: endOfEvent}
	}
	mediaType := rep.meta.Type
	if strings.ContainsAny(mediaType, `,#%"`) { // which have another meaning in the URL (RFC 2397)
		m, _ := negotiate.ParseMediaType(mediaType)
		mediaType = m.Essence()
	}
	return event{head: id + "event: binary\ndata: data:" + mediaType + ";base64,", rest: rep.item.Value, form: asBase64, tail: endOfEvent}
}

// lineEvent is a resource as an event of the index: one line of JSON (rule 47). head is what
// stands before it.
func lineEvent(head string, l listed, rep *Representation) event {
	line := string(mustJSON(l))
	if rep == nil {
		return event{head: head + "data: " + line + endOfEvent}
	}
	name, form := `,"base64":"`, asBase64
	if rep.isText() {
		name, form = `,"value":"`, asJSON
	}
	return event{head: head + "data: " + line[:len(line)-1] + name, rest: rep.item.Value, form: form, tail: `"}` + endOfEvent}
}

// over says whether there is nothing more to come.
func (e *event) over() bool { return e.head == "" && e.tail == "" && len(e.rest) == 0 }

// next is the next piece, which is good until it is called again.
func (e *event) next() []byte {
	b := append(e.buf[:0], e.head...)
	e.head = ""
	for len(e.rest) > 0 && len(b) < pieceBytes {
		n := min(len(e.rest), pieceBytes/4/3*3) // whole groups of Base64
		switch e.form {
		case asLines:
			b, n = appendLines(b, e.rest, n)
		case asBase64:
			b = base64.StdEncoding.AppendEncode(b, e.rest[:n])
		case asJSON:
			b = appendJSONText(b, e.rest[:n])
		}
		e.rest = e.rest[n:]
	}
	if len(e.rest) == 0 {
		b = append(b, e.tail...)
		e.tail, e.rest, e.buf = "", nil, nil // a reader that waits keeps nothing
		return b
	}
	e.buf = b
	return b
}

// appendLines appends n octets of text, or one more that belongs to them, with each line in
// a field of its own. Lines end with CRLF, CR or LF.
func appendLines(b, text []byte, n int) ([]byte, int) {
	if text[n-1] == '\r' && n < len(text) && text[n] == '\n' {
		n++
	}
	for part := text[:n]; len(part) > 0; {
		i := bytes.IndexAny(part, "\r\n")
		if i < 0 {
			return append(b, part...), n
		}
		b = append(append(b, part[:i]...), "\ndata: "...)
		if part[i] == '\r' && i+1 < len(part) && part[i+1] == '\n' {
			i++
		}
		part = part[i+1:]
	}
	return b, n
}

// appendJSONText appends valid UTF-8 as it stands in a string of JSON (RFC 8259 §7).
func appendJSONText(b, text []byte) []byte {
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, `\n`...)
		case c < ' ':
			b = append(b, `\u00`...)
			b = hex.AppendEncode(b, []byte{c})
		default:
			b = append(b, c)
		}
	}
	return b
}

// event is the representation as a whole event, made once for all who watch; nil if that is
// too long, or much longer than the value.
func (r *Representation) event() []byte {
	if b := r.asEvent.Load(); b != nil {
		return *b
	}
	if len(r.item.Value) > pieceBytes {
		return nil
	}
	e := valueEvent(r)
	b := e.next()
	if !e.over() || len(b) > 2*len(r.item.Value)+256 {
		return nil
	}
	r.asEvent.Store(&b)
	return b
}

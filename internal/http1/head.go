// Package http1 reads and writes the messages of HTTP/1 as octets in memory
// (docs/http-rules.md, rules 2 to 11 and 15).
//
// A [Parser] reads the head of a request, a [Body] its content, and the append
// functions write an answer. Nothing here does input or output, looks at a clock, or
// allocates for a message that is as it should be. Both readers take octets in
// pieces of any size, look at each once, and come to the same end however the
// octets were cut.
//
// What a target means is not judged here, and neither is a method.
package http1

// Limits are those of a head (rule 4), in octets but for Lines.
type Limits struct {
	Method int
	Target int
	Fields int // all field lines together, each as "name: value" and CRLF
	Lines  int
}

// DefaultLimits are those of rule 4.
var DefaultLimits = Limits{Method: 32, Target: 8 << 10, Fields: 16 << 10, Lines: 100}

// maxEmpty is how many empty lines are skipped before a request line (rule 2).
const maxEmpty = 8

// MaxHead is the largest head that the limits allow. White space around values that
// is no part of the count of Fields may be as much again as Fields.
func (l *Limits) MaxHead() int {
	return maxEmpty*len("\r\n") + l.Method + l.Target + len("  HTTP/1.1\r\n") + 2*l.Fields + len("\r\n")
}

// Field is a field line: parts of the octets that Parse was given.
type Field struct {
	Name  []byte // as sent
	Value []byte // without the white space around it
	ID    ID

	name, value uint32 // where they begin
}

// At is where the name and the value begin in the octets that Parse was given last.
func (f *Field) At() (name, value int) { return int(f.name), int(f.value) }

// Head is what stands before the content of a request. Its slices are parts of the
// octets that Parse was given, and good for as long as those are left alone.
type Head struct {
	Method []byte // a token
	Target []byte // not empty, without white space and controls

	// Minor is the version HTTP/1.x as it counts: 0, or 1 for all others (RFC 9110
	// §2.5). Sent is what x was.
	Minor, Sent int

	Fields []Field // in order; the next Parse takes the memory back
	Seen   Set     // the names that came
	Twice  Set     // the known names that came on more than one line

	Host   []byte // value of the one Host line; nil where HTTP/1.0 has none
	Length int64  // of the content; -1 where it is chunked

	Close          bool // the connection ends after this message
	KeepAlive      bool // HTTP/1.0 asked to keep the connection, which is to be answered
	ExpectContinue bool // the content is sent only after 100 (Continue)

	Size    int // octets of the whole head, the empty lines before and after it too
	Octets  int // of the field lines, as Limits.Fields counts them
	Longest int // of these, those of the largest field line
	Largest int // its place in Fields
}

// Get is the value on the first line of a known field, nil where there is none.
func (h *Head) Get(id ID) []byte {
	if !h.Seen.Has(id) {
		return nil
	}
	for i := range h.Fields {
		if f := &h.Fields[i]; f.ID == id {
			return f.Value
		}
	}
	return nil
}

// usualFields is how many fields there is room for at first.
const usualFields = 16

func (h *Head) reset() {
	fields := h.Fields[:0]
	if fields == nil {
		fields = make([]Field, 0, usualFields)
	}
	*h = Head{Fields: fields}
}

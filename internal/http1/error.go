package http1

// Kind says what of a message is wrong, for those who give each its own problem type.
type Kind uint8

const (
	KindRequestLine    Kind = iota + 1 // no request line (rule 3)
	KindLineEnd                        // an end of line that is not CRLF, or too many empty lines (rule 2)
	KindTLS                            // TLS where HTTP in the clear is spoken (rule 15)
	KindLongMethod                     // (rule 4)
	KindLongTarget                     // (rule 4)
	KindLargeFields                    // field lines too large together, or too many (rule 4)
	KindFieldLine                      // no field line (rule 5)
	KindHost                           // missing, twice or not valid (rule 6)
	KindContentLength                  // (rule 8)
	KindTransferCoding                 // Transfer-Encoding that frames nothing (rule 9)
	KindUnknownCoding                  // a coding before chunked (rule 9)
	KindVersion                        // not HTTP/1.x (rule 3)
	KindChunk                          // chunked content that is malformed (rule 11)
)

// Error is why a message is refused. All of them end the connection: nobody knows
// where the next message would begin. It is read-only, as many messages share one.
//
// A limit is passed at the first octet beyond it. Where the rest of a message would
// be, or whether it comes at all, is not known then; so Value is what was counted so
// far, one more than Limit.
type Error struct {
	Kind   Kind
	Status int
	Text   string // a sentence for the client; it quotes nothing of the message but names of fields

	Largest string // with KindLargeFields, the name of the largest field so far
	Limit   int64  // that was passed, where it was one
	Value   int64  // what was counted
}

func (e *Error) Error() string { return e.Text }

func (e *Error) passed(limit int) *Error {
	with := *e
	with.Limit, with.Value = int64(limit), int64(limit)+1
	return &with
}

// Everything that can be wrong, by the rule that it breaks.
var (
	errLineEnd    = &Error{Kind: KindLineEnd, Status: 400, Text: "A line ends with CR and LF; neither stands alone."} // 2
	errEmptyLines = &Error{Kind: KindLineEnd, Status: 400, Text: "There are too many empty lines before the request line."}

	errRequestLine = &Error{Kind: KindRequestLine, Status: 400, Text: "A request line is a method, a target and HTTP/1.1, with one space between each."} // 3
	errMethod      = &Error{Kind: KindRequestLine, Status: 400, Text: "A request line begins with a method, which is one word."}
	errTarget      = &Error{Kind: KindRequestLine, Status: 400, Text: "A target has no white space and no controls, and a version follows it."}
	errVersionForm = &Error{Kind: KindRequestLine, Status: 400, Text: "The version at the end of a request line is written HTTP/1.1."}
	errVersion     = &Error{Kind: KindVersion, Status: 505, Text: "HTTP/1.1 is the only version that is spoken here in this form."}
	errPreface     = &Error{Kind: KindVersion, Status: 505, Text: "HTTP/2 is spoken over TLS only; here send HTTP/1.1."}

	errLongMethod = &Error{Kind: KindLongMethod, Status: 501, Text: "The method is longer than any that is known."} // 4
	errLongTarget = &Error{Kind: KindLongTarget, Status: 414, Text: "The request target is too long."}

	errNoName      = &Error{Kind: KindFieldLine, Status: 400, Text: "A field line begins with a name."} // 5
	errName        = &Error{Kind: KindFieldLine, Status: 400, Text: "The name of a field has an octet that no name may have."}
	errNoColon     = &Error{Kind: KindFieldLine, Status: 400, Text: "A field line has a colon after its name."}
	errSpaceColon  = &Error{Kind: KindFieldLine, Status: 400, Text: "No white space may stand between the name of a field and the colon."}
	errSpaceBefore = &Error{Kind: KindFieldLine, Status: 400, Text: "No white space may stand before the first field."}
	errFold        = &Error{Kind: KindFieldLine, Status: 400, Text: "A field is one line; it can't be continued on the next."}
	errValue       = &Error{Kind: KindFieldLine, Status: 400, Text: "The value of a field has a control character."}

	errHost   = &Error{Kind: KindHost, Status: 400, Text: "Host must be one host name or address, with an optional port."} // 6
	errNoHost = &Error{Kind: KindHost, Status: 400, Text: "HTTP/1.1 needs a Host field."}
	errHosts  = &Error{Kind: KindHost, Status: 400, Text: "Send Host once."}

	errLength  = &Error{Kind: KindContentLength, Status: 400, Text: "Content-Length must be one number in digits, without a sign and leading zeros."} // 8
	errLengths = &Error{Kind: KindContentLength, Status: 400, Text: "Send Content-Length once."}

	errCoding        = &Error{Kind: KindTransferCoding, Status: 400, Text: "Transfer-Encoding must be chunked, once and last."} // 9
	errCodingLength  = &Error{Kind: KindTransferCoding, Status: 400, Text: "Transfer-Encoding and Content-Length exclude each other."}
	errCoding10      = &Error{Kind: KindTransferCoding, Status: 400, Text: "HTTP/1.0 has no Transfer-Encoding."}
	errUnknownCoding = &Error{Kind: KindUnknownCoding, Status: 501, Text: "The only transfer coding that is known is chunked."}

	errChunkSize = &Error{Kind: KindChunk, Status: 400, Text: "The size of a chunk is 1 to 16 hexadecimal digits, and below 2^63."} // 11
	errChunkExt  = &Error{Kind: KindChunk, Status: 400, Text: "A chunk extension is malformed."}
	errChunkEnd  = &Error{Kind: KindChunk, Status: 400, Text: "CR and LF must follow the data of a chunk."}
	errChunkMore = &Error{Kind: KindChunk, Status: 400, Text: "The chunk extensions are too large together."}

	errTLS = &Error{Kind: KindTLS, Status: 400, Text: "This port speaks HTTP in the clear, not TLS."} // 15
)

// maxLargest is how much of a field's name is told.
const maxLargest = 64

// largeFields is the error of fields whose limit was passed: the number of lines, or octets.
func largeFields(text string, limit int, largest []byte) *Error {
	e := &Error{Kind: KindLargeFields, Status: 431, Text: text, Limit: int64(limit), Value: int64(limit) + 1}
	if len(largest) > maxLargest {
		e.Largest = string(largest[:maxLargest]) + "..."
	} else {
		e.Largest = Canonical(largest)
	}
	if e.Largest != "" {
		e.Text += "; the largest is " + e.Largest
	}
	e.Text += "."
	return e
}

const (
	textTooLarge = "The fields are too large together"
	textTooMany  = "There are too many fields"
	textBlanks   = "There is too much white space around the values of fields"
)

package http1

import "math"

// BodyLimits are those of what surrounds chunks, in octets but for Lines.
type BodyLimits struct {
	Extensions int // of all chunks together (rule 11)
	Fields     int // of the trailers together, as Limits.Fields counts them (rules 4 and 11)
	Lines      int // of trailers
}

// DefaultBodyLimits are those of rules 4 and 11.
var DefaultBodyLimits = BodyLimits{Extensions: 4 << 10, Fields: 16 << 10, Lines: 100}

// place is what the next octet of chunked content is part of (RFC 9112 §7.1).
type place uint8

const (
	atSize place = iota // the first digit of a size
	inSize
	beforeExt // white space before a semicolon
	afterExt  // white space after it
	inExtName
	afterExtName   // white space before the equals sign, or the next semicolon
	beforeExtVal   // white space after the equals sign
	inExtVal       // a token
	inQuoted       // a quoted string
	afterBackslash // the octet after a backslash in it
	afterQuoted    // right behind it
	atSizeLF
	inData
	atDataCR
	atDataLF
	atTrailer // a trailer, or the empty line
	inTrailerName
	inTrailerValue
	atTrailerLF
	atLastLF
	atEnd
)

// Body takes the content of a message out of the octets that frame it.
type Body struct {
	limits  *BodyLimits
	left    int64 // octets of the content, or of this chunk, that are still to come
	chunked bool
	place   place
	digits  uint8 // of the size
	exts    int   // octets of extensions so far

	// Of the trailers so far.
	lines, octets int
	blanks        int // white space around values
	name, value   int // octets of the trailer's name, and of its value up to the last that is not blank
	pending       int // white space since then
}

// Reset begins content of a length as Head.Length has it: -1 is chunked. Without limits,
// those of DefaultBodyLimits hold.
func (b *Body) Reset(length int64, limits *BodyLimits) {
	if limits == nil {
		limits = &DefaultBodyLimits
	}
	*b = Body{limits: limits, chunked: length < 0}
	if !b.chunked {
		b.left = length
	}
}

// Left is how much content is still to come: of a chunked message only what its chunk
// declared.
func (b *Body) Left() int64 { return b.left }

// Next takes content from the start of in. content is a part of in, used is how much of in
// is done with, and done says that the content, and what frames it, is over. Where used is
// 0 and nothing else came, more octets are needed; in may be as small as one octet.
//
// Content may come with done, but never with an error.
func (b *Body) Next(in []byte) (content []byte, used int, done bool, err *Error) {
	if !b.chunked {
		content = b.take(in)
		return content, len(content), b.left == 0, nil
	}
	for used < len(in) && b.place != atEnd {
		if b.place == inData {
			content = b.take(in[used:])
			used += len(content)
			if b.left == 0 {
				b.place = atDataCR
			}
			return content, used, false, nil
		}
		if err := b.step(in[used]); err != nil {
			return nil, used, false, err
		}
		used++
	}
	return nil, used, b.place == atEnd, nil
}

// take is the part of in that is content.
func (b *Body) take(in []byte) []byte {
	n := min(int64(len(in)), b.left)
	b.left -= n
	return in[:n:n]
}

// step takes in one octet of what frames the chunks.
func (b *Body) step(c byte) *Error {
	if beforeExt <= b.place && b.place <= afterQuoted && c != '\r' {
		if b.exts++; b.exts > b.limits.Extensions { // rule 11
			return errChunkMore.passed(b.limits.Extensions)
		}
	}
	switch b.place {
	case atSize, inSize:
		return b.size(c)
	case beforeExt, afterExt, inExtName, afterExtName, beforeExtVal, inExtVal, inQuoted, afterBackslash, afterQuoted:
		return b.extension(c)
	case atSizeLF:
		switch {
		case c != '\n':
			return errLineEnd // rule 2
		case b.left == 0:
			b.place = atTrailer
		default:
			b.place = inData
		}
	case atDataCR:
		if c != '\r' {
			return errChunkEnd // RFC 9112 §7.1
		}
		b.place = atDataLF
	case atDataLF:
		if c != '\n' {
			return errChunkEnd
		}
		b.place = atSize
	default:
		return b.trailer(c)
	}
	return nil
}

// maxDigits is how many digits a size may have (rule 11).
const maxDigits = 16

// size reads the size of a chunk (RFC 9112 §7.1).
func (b *Body) size(c byte) *Error {
	digit := int64(hexDigits[c])
	switch {
	case digit >= 0:
		if b.place == atSize {
			b.place, b.left, b.digits = inSize, 0, 0
		}
		if b.digits++; b.digits > maxDigits || b.left > math.MaxInt64>>4 {
			return errChunkSize
		}
		b.left = b.left<<4 | digit
		return nil
	case b.place == atSize:
		return errChunkSize
	case c == '\r' || c == ';' || isBlank(c):
		if c != '\r' {
			if b.exts++; b.exts > b.limits.Extensions {
				return errChunkMore.passed(b.limits.Extensions)
			}
		}
		return b.endExtension(c)
	case c == '\n':
		return errLineEnd
	}
	return errChunkSize
}

// endExtension reads what may follow the size of a chunk, and each extension.
func (b *Body) endExtension(c byte) *Error {
	switch {
	case c == '\r':
		b.place = atSizeLF
	case c == ';':
		b.place = afterExt
	case isBlank(c):
		b.place = beforeExt
	case c == '\n':
		return errLineEnd
	default:
		return errChunkExt
	}
	return nil
}

// extension reads on in the extensions of a chunk (rule 11; RFC 9112 §7.1.1). White space may
// stand only around a semicolon and an equals sign.
func (b *Body) extension(c byte) *Error {
	switch b.place {
	case beforeExt:
		switch {
		case c == ';':
			b.place = afterExt
		case !isBlank(c):
			return errChunkExt
		}
	case afterExt:
		switch {
		case isToken[c]:
			b.place = inExtName
		case !isBlank(c):
			return errChunkExt
		}
	case inExtName:
		switch {
		case isToken[c]:
		case c == '=':
			b.place = beforeExtVal
		case isBlank(c):
			b.place = afterExtName
		default:
			return b.endExtension(c)
		}
	case afterExtName:
		switch {
		case c == '=':
			b.place = beforeExtVal
		case c == ';':
			b.place = afterExt
		case !isBlank(c):
			return errChunkExt
		}
	case beforeExtVal:
		switch {
		case isToken[c]:
			b.place = inExtVal
		case c == '"':
			b.place = inQuoted
		case !isBlank(c):
			return errChunkExt
		}
	case inExtVal:
		if !isToken[c] {
			return b.endExtension(c)
		}
	case inQuoted: // RFC 9110 §5.6.4
		switch {
		case c == '"':
			b.place = afterQuoted
		case c == '\\':
			b.place = afterBackslash
		case !isText(c):
			return errChunkExt
		}
	case afterBackslash:
		if !isText(c) {
			return errChunkExt
		}
		b.place = inQuoted
	case afterQuoted:
		return b.endExtension(c)
	}
	return nil
}

// trailer reads the trailers, by rules 4 and 5, and forgets them (rule 11; RFC 9112 §7.1.2).
func (b *Body) trailer(c byte) *Error {
	switch b.place {
	case atTrailer:
		switch {
		case isToken[c]:
			if b.lines++; b.lines > b.limits.Lines {
				return largeFields(textTooMany, b.limits.Lines, nil)
			}
			b.name, b.value, b.pending = 1, 0, 0
			b.place = inTrailerName
			return b.judgeSize()
		case c == '\r':
			b.place = atLastLF
		default:
			return badLine(c, b.lines == 0)
		}
	case inTrailerName:
		switch {
		case c == ':':
			b.place = inTrailerValue
		case isToken[c]:
			b.name++
			return b.judgeSize()
		default:
			return badName(c)
		}
	case inTrailerValue:
		switch {
		case c == '\r':
			b.place = atTrailerLF
		case c == '\n':
			return errLineEnd
		case !isText(c):
			return errValue
		case isBlank(c):
			b.pending++
			return b.judgeSize()
		case b.value == 0: // the white space stood before the value
			b.blanks += b.pending
			b.value, b.pending = 1, 0
			return b.judgeSize()
		default:
			b.value += b.pending + 1
			b.pending = 0
			return b.judgeSize()
		}
	case atTrailerLF:
		if c != '\n' {
			return errLineEnd
		}
		b.octets += b.name + b.value + lineOctets
		b.blanks += b.pending
		b.place = atTrailer
	case atLastLF:
		if c != '\n' {
			return errLineEnd
		}
		b.place = atEnd
	}
	return nil
}

// judgeSize applies the limits of rule 4 to the trailers so far.
func (b *Body) judgeSize() *Error {
	switch {
	case b.octets+b.name+b.value+lineOctets > b.limits.Fields:
		return largeFields(textTooLarge, b.limits.Fields, nil)
	case b.blanks+b.pending > b.limits.Fields:
		return largeFields(textBlanks, b.limits.Fields, nil)
	}
	return nil
}

// hexDigits are the values of hexadecimal digits, -1 of other octets.
var hexDigits = func() (t [256]int8) {
	for c := range 256 {
		switch {
		case '0' <= c && c <= '9':
			t[c] = int8(c - '0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			t[c] = int8(c | 0x20 - 'a' + 10)
		default:
			t[c] = -1
		}
	}
	return t
}()

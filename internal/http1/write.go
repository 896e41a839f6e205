package http1

import (
	"net/http"
	"strconv"
	"time"
)

// statusLines are those of all registered statuses.
var statusLines = func() (t [600]string) {
	for status := 100; status < len(t); status++ {
		if text := http.StatusText(status); text != "" {
			t[status] = "HTTP/1.1 " + strconv.Itoa(status) + " " + text + "\r\n"
		}
	}
	return t
}()

// AppendStatusLine appends the status line of an answer. Its version is the server's own,
// whatever the request's is (RFC 9110 §2.5). status has three digits.
func AppendStatusLine(b []byte, status int) []byte {
	if 0 <= status && status < len(statusLines) && statusLines[status] != "" {
		return append(b, statusLines[status]...)
	}
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(status), 10)
	return append(b, " Status\r\n"...)
}

// AppendField appends a field line. The name must be a token. What would end the line, or is
// allowed nowhere, becomes a space in the value, as net/http does it (RFC 9110 §5.5).
func AppendField[Value string | []byte](b []byte, name string, value Value) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	at := len(b)
	b = append(b, value...)
	for i, c := range b[at:] {
		if c == '\r' || c == '\n' || c == 0 {
			b[at+i] = ' '
		}
	}
	return append(b, "\r\n"...)
}

// AppendIntField appends a field line whose value is a number.
func AppendIntField(b []byte, name string, value int64) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = strconv.AppendInt(b, value, 10)
	return append(b, "\r\n"...)
}

// AppendEnd appends the empty line that ends a head.
func AppendEnd(b []byte) []byte { return append(b, "\r\n"...) }

// dateLen is the length of an IMF-fixdate (RFC 9110 §5.6.7).
const dateLen = len(http.TimeFormat)

// Date is the text of a time, made anew only when the second is another. Its zero value is
// ready. It is for one goroutine.
type Date struct {
	seconds int64
	made    bool
	text    [dateLen]byte
}

// At is the date of a Unix time, from the years 0 to 9999. It is good until the next call.
func (d *Date) At(seconds int64) []byte {
	if !d.made || seconds != d.seconds {
		d.seconds, d.made = seconds, true
		time.Unix(seconds, 0).UTC().AppendFormat(d.text[:0], http.TimeFormat)
	}
	return d.text[:]
}

// AppendDate appends the field Date (RFC 9110 §6.6.1).
func (d *Date) AppendDate(b []byte, seconds int64) []byte {
	b = append(b, "Date: "...)
	b = append(b, d.At(seconds)...)
	return append(b, "\r\n"...)
}

// AppendChunk appends data as one chunk (RFC 9112 §7.1). Nothing is none: the chunk of size 0
// is the last.
func AppendChunk[Data string | []byte](b []byte, data Data) []byte {
	if len(data) == 0 {
		return b
	}
	b = AppendChunkSize(b, len(data))
	b = append(b, data...)
	return append(b, "\r\n"...)
}

// AppendChunkSize appends what stands before the data of a chunk, for those who write the
// data and the CRLF after it themselves.
func AppendChunkSize(b []byte, n int) []byte {
	b = strconv.AppendInt(b, int64(n), 16)
	return append(b, "\r\n"...)
}

// AppendLastChunk appends the end of chunked content, without trailers.
func AppendLastChunk(b []byte) []byte { return append(b, "0\r\n\r\n"...) }

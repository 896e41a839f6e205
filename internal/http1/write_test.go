package http1

import (
	"net/http"
	"testing"
	"time"
)

func TestWrite(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{string(AppendStatusLine([]byte("x"), 200)), "xHTTP/1.1 200 OK\r\n"},
		{string(AppendStatusLine(nil, 507)), "HTTP/1.1 507 Insufficient Storage\r\n"},
		{string(AppendStatusLine(nil, 299)), "HTTP/1.1 299 Status\r\n"},
		{string(AppendStatusLine(nil, 999)), "HTTP/1.1 999 Status\r\n"},
		{string(AppendField(nil, "Etag", `"a"`)), "Etag: \"a\"\r\n"},
		{string(AppendField([]byte("\r\n"), "A", "b\r\nC: d\x00")), "\r\nA: b  C: d \r\n"},
		{string(AppendField(nil, "A", []byte("\xff"))), "A: \xff\r\n"},
		{string(AppendIntField(nil, "Content-Length", 1<<40)), "Content-Length: 1099511627776\r\n"},
		{string(AppendEnd(nil)), "\r\n"},
		{string(AppendChunk(nil, "0123456789abcdefg")), "11\r\n0123456789abcdefg\r\n"},
		{string(AppendChunk(nil, []byte(nil))), ""},
		{string(AppendChunkSize(nil, 255)), "ff\r\n"},
		{string(AppendLastChunk(nil)), "0\r\n\r\n"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
	for status := 100; status < 600; status++ {
		if text := http.StatusText(status); text != "" && string(AppendStatusLine(nil, status)) != "HTTP/1.1 "+string(AppendIntField(nil, "", int64(status))[2:5])+" "+text+"\r\n" {
			t.Errorf("%d: %q", status, AppendStatusLine(nil, status))
		}
	}
}

func TestDate(t *testing.T) {
	var d Date
	for _, seconds := range []int64{0, 0, 784111777, 1, 253402300799, -1} {
		want := time.Unix(seconds, 0).UTC().Format(http.TimeFormat)
		if got := string(d.At(seconds)); got != want {
			t.Errorf("%d: %q, want %q", seconds, got, want)
		}
	}
	if got := string(d.AppendDate(nil, 784111777)); got != "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" {
		t.Errorf("%q", got)
	}
}

func TestWriteAllocations(t *testing.T) {
	b := make([]byte, 0, 1<<10)
	var d Date
	seconds := int64(0)
	n := testing.AllocsPerRun(100, func() {
		seconds++
		b = AppendStatusLine(b[:0], 200)
		b = AppendField(b, "A", "b\n")
		b = AppendIntField(b, "Content-Length", 5)
		b = d.AppendDate(b, seconds)
		b = AppendEnd(b)
		b = AppendChunk(b, "abc")
		b = AppendLastChunk(b)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkWrite(b *testing.B) {
	buf := make([]byte, 0, 1<<10)
	var d Date
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendStatusLine(buf[:0], 200)
		buf = d.AppendDate(buf, 784111777)
		buf = AppendField(buf, "Content-Type", "text/plain; charset=utf-8")
		buf = AppendField(buf, "Etag", `"k3x9-17"`)
		buf = AppendIntField(buf, "Content-Length", 5)
		buf = AppendEnd(buf)
	}
}

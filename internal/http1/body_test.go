package http1

import (
	"fmt"
	"strings"
	"testing"
)

// bodyCut gives in to a Body in pieces that end at cuts, as a caller does that keeps what was
// not used, and tells everything that came.
func bodyCut(length int64, limits *BodyLimits, in []byte, cuts ...int) string {
	var b Body
	b.Reset(length, limits)
	var content strings.Builder
	used := 0
	for _, cut := range append(cuts, len(in)) {
		for {
			part, n, done, err := b.Next(in[min(used, cut):cut])
			content.Write(part)
			used += n
			switch {
			case err != nil && part != nil:
				return "content with an error"
			case err != nil:
				return fmt.Sprintf("%q, refused: %+v", content.String(), *err)
			case done:
				return fmt.Sprintf("%q, %d octets", content.String(), used)
			}
			if n == 0 {
				break
			}
		}
	}
	return fmt.Sprintf("%q, not whole", content.String())
}

func checkBodyCuts(t *testing.T, length int64, limits *BodyLimits, in []byte) string {
	t.Helper()
	whole := bodyCut(length, limits, in)
	if got := bodyCut(length, limits, in, each(len(in))...); got != whole {
		t.Errorf("octet by octet: %s\nwhole: %s", got, whole)
	}
	for cut := range in {
		if got := bodyCut(length, limits, in, cut); got != whole {
			t.Errorf("cut at %d: %s\nwhole: %s", cut, got, whole)
			break
		}
	}
	return whole
}

// chunks are the rows of rule 11. rest is what is left over of in; status is 0 of content
// that is accepted, and -1 of some that is not whole.
var chunks = []struct {
	section, name, in string
	content, rest     string
	status            int
	kind              Kind
}{
	{"9112 §7.1", "one", "5\r\nworld\r\n0\r\n\r\n", "world", "", 0, 0},
	{"9112 §7.1", "several", "2\r\nwo\r\n3\r\nrld\r\n0\r\n\r\nGET", "world", "GET", 0, 0},
	{"9112 §7.1", "none", "0\r\n\r\n", "", "", 0, 0},
	{"9112 §7.1", "upper case", "A\r\n0123456789\r\n0\r\n\r\n", "0123456789", "", 0, 0},
	{"9112 §7.1", "lower case", "a\r\n0123456789\r\n0\r\n\r\n", "0123456789", "", 0, 0},
	{"9112 §7.1", "16 digits", "0000000000000005\r\nworld\r\n0000000000000000\r\n\r\n", "world", "", 0, 0},
	{"9112 §7.1", "17 digits", "00000000000000005\r\nworld\r\n0\r\n\r\n", "", "", 400, KindChunk},
	{"9112 §7.1", "2^63-1 is a size", "7fffffffffffffff\r\nx", "x", "", -1, 0},
	{"9112 §7.1", "2^63", "8000000000000000\r\nx", "", "", 400, KindChunk},
	{"9112 §7.1", "2^64-1", "ffffffffffffffff\r\nx", "", "", 400, KindChunk},
	{"9112 §7.1", "no digit", "\r\nworld\r\n0\r\n\r\n", "", "", 400, KindChunk},
	{"9112 §7.1", "no digit but an extension", ";a\r\n", "", "", 400, KindChunk},
	{"9112 §7.1", "plus", "+5\r\nworld", "", "", 400, KindChunk},
	{"9112 §7.1", "minus", "-5\r\nworld", "", "", 400, KindChunk},
	{"9112 §7.1", "prefix", "0x5\r\nworld", "", "", 400, KindChunk},
	{"9112 §7.1", "underscore", "0_5\r\nworld", "", "", 400, KindChunk},
	{"9112 §7.1", "white space before", " 5\r\nworld", "", "", 400, KindChunk},
	{"9112 §7.1.1", "white space after", "5 \r\nworld", "", "", 400, KindChunk},
	{"9112 §7.1.1", "a tab after", "5\t\r\nworld", "", "", 400, KindChunk},
	{"9112 §2.2", "LF after the size", "5\nworld\r\n0\r\n\r\n", "", "", 400, KindLineEnd},
	{"9112 §2.2", "CR after the size", "5\rworld\r\n0\r\n\r\n", "", "", 400, KindLineEnd},
	{"9112 §7.1", "data too short", "6\r\nworld\r\n0\r\n\r\n", "world\r", "", 400, KindChunk},
	{"9112 §7.1", "data too long", "4\r\nworld\r\n0\r\n\r\n", "worl", "", 400, KindChunk},
	{"9112 §2.2", "LF after data", "5\r\nworld\n0\r\n\r\n", "world", "", 400, KindChunk},
	{"9112 §2.2", "CR after data", "5\r\nworld\r0\r\n\r\n", "world", "", 400, KindChunk},
	{"9112 §8", "cut short", "5\r\nwor", "wor", "", -1, 0},
	{"9112 §8", "no last chunk", "5\r\nworld\r\n", "world", "", -1, 0},

	{"9112 §7.1.1", "extension", "5;a\r\nworld\r\n0;b\r\n\r\n", "world", "", 0, 0},
	{"9112 §7.1.1", "extension with a token", "5;a=b\r\nworld\r\n0\r\n\r\n", "world", "", 0, 0},
	{"9112 §7.1.1", "extension with a string", "5;a=\"b;\\\" \t\xff\\\\\"\r\nworld\r\n0\r\n\r\n", "world", "", 0, 0},
	{"9112 §7.1.1", "white space where it may be", "5 ; a \t=\t b ;c ;\td= \"\" ; e\r\nworld\r\n0\r\n\r\n", "world", "", 0, 0},
	{"9112 §7.1.1", "extension without a name", "5;\r\nworld", "", "", 400, KindChunk},
	{"9112 §7.1.1", "extension without a name, but a value", "5;=a\r\nworld", "", "", 400, KindChunk},
	{"9112 §7.1.1", "two semicolons", "5;;a\r\nworld", "", "", 400, KindChunk},
	{"9112 §7.1.1", "extension without a value", "5;a=\r\nworld", "", "", 400, KindChunk},
	{"9112 §7.1.1", "white space at the end", "5;a \r\nworld", "", "", 400, KindChunk},
	{"9112 §7.1.1", "white space after a value", "5;a=b \r\nworld", "", "", 400, KindChunk},
	{"9112 §7.1.1", "two words", "5;a b\r\nworld", "", "", 400, KindChunk},
	{"9112 §7.1.1", "a value that is no token", "5;a=b/c\r\nworld", "", "", 400, KindChunk},
	{"9112 §7.1.1", "something after a string", "5;a=\"b\"c\r\nworld", "", "", 400, KindChunk},
	{"9112 §7.1.1", "an open string", "5;a=\"b\r\nworld", "", "", 400, KindChunk},
	{"9112 §7.1.1", "a control in a string", "5;a=\"\x00\"\r\nworld", "", "", 400, KindChunk},
	{"9112 §7.1.1", "an escaped control in a string", "5;a=\"\\\n\"\r\nworld", "", "", 400, KindChunk},
	{"9112 §2.2", "LF after an extension", "5;a\nworld", "", "", 400, KindLineEnd},
	{"9112 §7.1.1", "4 KiB of extensions", "5;" + strings.Repeat("a", 4095) + "\r\nworld\r\n0\r\n\r\n", "world", "", 0, 0},
	{"9112 §7.1.1", "more", "5;" + strings.Repeat("a", 4096), "", "", 400, KindChunk},
	{"9112 §7.1.1", "more, of many chunks", strings.Repeat("1;a\r\nx\r\n", 2049) + "0\r\n\r\n", strings.Repeat("x", 2048), "", 400, KindChunk},

	{"9112 §7.1.2", "trailers", "0\r\nA: b\r\nContent-Length:\t5 \r\nHost:\r\n\r\nGET", "", "GET", 0, 0},
	{"9112 §5.2", "a folded trailer", "0\r\nA: b\r\n c\r\n\r\n", "", "", 400, KindFieldLine},
	{"9112 §2.2", "white space before the first", "0\r\n A: b\r\n\r\n", "", "", 400, KindFieldLine},
	{"9112 §5.1", "white space before the colon", "0\r\nA : b\r\n\r\n", "", "", 400, KindFieldLine},
	{"9112 §5", "no colon", "0\r\nA\r\n\r\n", "", "", 400, KindFieldLine},
	{"9110 §5.1", "no name", "0\r\n: b\r\n\r\n", "", "", 400, KindFieldLine},
	{"9110 §5.1", "no token", "0\r\nA(: b\r\n\r\n", "", "", 400, KindFieldLine},
	{"9110 §5.5", "NUL", "0\r\nA: \x00\r\n\r\n", "", "", 400, KindFieldLine},
	{"9112 §2.2", "LF after a trailer", "0\r\nA: b\n\r\n", "", "", 400, KindLineEnd},
	{"9112 §2.2", "CR after a trailer", "0\r\nA: b\r\r\n\r\n", "", "", 400, KindLineEnd},
	{"9112 §2.2", "LF at the end", "0\r\n\n", "", "", 400, KindLineEnd},
	{"9112 §2.2", "CR at the end", "0\r\n\rx", "", "", 400, KindLineEnd},
	{"6585 §5", "100 trailers", "0\r\n" + strings.Repeat("A:\r\n", 100) + "\r\n", "", "", 0, 0},
	{"6585 §5", "101 trailers", "0\r\n" + strings.Repeat("A:\r\n", 100) + "A", "", "", 431, KindLargeFields},
	{"6585 §5", "16 KiB of trailers", "0\r\nA: " + strings.Repeat("b", 16<<10-5) + " \r\n\r\n", "", "", 0, 0},
	{"6585 §5", "more", "0\r\nA: " + strings.Repeat("b", 16<<10-4), "", "", 431, KindLargeFields},
	{"6585 §5", "a long name", "0\r\n" + strings.Repeat("b", 16<<10-3), "", "", 431, KindLargeFields},
	{"6585 §5", "more, with white space within", "0\r\nA: b" + strings.Repeat(" ", 16<<10-6) + "b", "", "", 431, KindLargeFields},
	{"6585 §5", "white space after many values", "0\r\n" + strings.Repeat("A: b"+strings.Repeat(" ", 6<<10)+"\r\n", 3), "", "", 431, KindLargeFields},
	{"6585 §5", "endless white space", "0\r\nA: b" + strings.Repeat(" ", 16<<10), "", "", 431, KindLargeFields},
}

func TestChunks(t *testing.T) {
	for _, tt := range chunks {
		t.Run("rule 11: "+tt.name, func(t *testing.T) {
			var b Body
			b.Reset(-1, nil)
			var got string
			rest := []byte(tt.in)
			for {
				content, used, done, err := b.Next(rest)
				got += string(content)
				rest = rest[used:]
				if err == nil && !done && used > 0 {
					continue
				}
				switch {
				case err != nil:
					if err.Status != tt.status || err.Kind != tt.kind {
						t.Errorf("%s: %d of kind %d (%s), want %d of kind %d", tt.section, err.Status, err.Kind, err, tt.status, tt.kind)
					}
				case done != (tt.status == 0) || !done && tt.status != -1:
					t.Errorf("%s: done is %v, want status %d", tt.section, done, tt.status)
				case string(rest) != tt.rest:
					t.Errorf("%s: %q is left", tt.section, rest)
				}
				break
			}
			if got != tt.content {
				t.Errorf("%s: content is %q", tt.section, got)
			}
			if len(tt.in) < 2000 {
				checkBodyCuts(t, -1, nil, []byte(tt.in))
			}
		})
	}
}

// TestLength is content of a declared length (rules 8 and 10; RFC 9112 §6.3).
func TestLength(t *testing.T) {
	for _, tt := range []struct {
		length   int64
		in, want string
	}{
		{0, "", `"", 0 octets`},
		{0, "GET", `"", 0 octets`},
		{5, "world", `"world", 5 octets`},
		{5, "worldGET", `"world", 5 octets`},
		{5, "wor", `"wor", not whole`},
	} {
		if got := checkBodyCuts(t, tt.length, nil, []byte(tt.in)); got != tt.want {
			t.Errorf("%d of %q: %s, want %s", tt.length, tt.in, got, tt.want)
		}
	}
	var b Body
	b.Reset(5, nil)
	if content, used, done, err := b.Next([]byte("world!")); string(content) != "world" || used != 5 || !done || err != nil {
		t.Errorf("%q, %d, %v, %v: content and its end do not come together", content, used, done, err)
	}
}

func TestBodyAllocations(t *testing.T) {
	in := []byte("5;a=b\r\nworld\r\n0\r\nA: b\r\n\r\n")
	var b Body
	n := testing.AllocsPerRun(100, func() {
		b.Reset(-1, nil)
		for rest := in; ; {
			_, used, done, err := b.Next(rest)
			if err != nil {
				t.Error(err)
			}
			if rest = rest[used:]; done || used == 0 {
				return
			}
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkBody(b *testing.B) {
	in := []byte("5\r\nworld\r\n0\r\n\r\n")
	var body Body
	b.ReportAllocs()
	for b.Loop() {
		body.Reset(-1, nil)
		for rest := in; ; {
			_, used, done, _ := body.Next(rest)
			if rest = rest[used:]; done {
				break
			}
		}
	}
}

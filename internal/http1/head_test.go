package http1

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// outcome is everything that Parse tells, as text that can be compared: octets until it was
// known, the error, and the head.
func outcome(used int, done bool, err *Error, h *Head) string {
	switch {
	case err != nil:
		return fmt.Sprintf("refused: %+v", *err)
	case !done:
		return "not whole"
	}
	var fields strings.Builder
	for _, f := range h.Fields {
		fmt.Fprintf(&fields, "[%q %q %d]", f.Name, f.Value, f.ID)
	}
	return fmt.Sprintf("%q %q %d %d %s seen %x twice %x host %q length %d close %v keep %v expect %v size %d octets %d longest %d largest %d",
		h.Method, h.Target, h.Minor, h.Sent, fields.String(), h.Seen, h.Twice, h.Host, h.Length, h.Close, h.KeepAlive, h.ExpectContinue,
		h.Size, h.Octets, h.Longest, h.Largest)
}

// parseCut gives in to a parser in pieces that end at cuts, each time at another place in
// memory, and spoils the place before.
func parseCut(limits *Limits, in []byte, cuts ...int) string {
	p, h := Parser{Limits: limits}, Head{}
	var done bool
	var err *Error
	var before []byte
	used := 0
	for _, cut := range append(cuts, len(in)) {
		b := bytes.Clone(in[:cut])
		for i := range before {
			before[i] = 0xFF
		}
		before = b
		used = cut
		if done, err = p.Parse(b, &h); done || err != nil {
			break
		}
	}
	return outcome(used, done, err, &h)
}

// checkCuts compares every way to cut in with the whole.
func checkCuts(t *testing.T, limits *Limits, in []byte) {
	t.Helper()
	whole := parseCut(limits, in)
	if got := parseCut(limits, in, each(len(in))...); got != whole {
		t.Errorf("octet by octet: %s\nwhole: %s", got, whole)
	}
	for cut := range in {
		if got := parseCut(limits, in, cut); got != whole {
			t.Errorf("cut at %d: %s\nwhole: %s", cut, got, whole)
			return
		}
	}
}

func each(n int) []int {
	cuts := make([]int, n)
	for i := range cuts {
		cuts[i] = i
	}
	return cuts
}

const host = "Host: a\r\n"

// heads are the rows of rules 2 to 10 and 15. status is 0 of a head that is accepted, and -1
// of one that is not whole.
var heads = []struct {
	rule    int
	section string
	name    string
	in      string
	status  int
	kind    Kind
}{
	{2, "9112 §2.2", "CRLF", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0, 0},
	{2, "9112 §2.2", "LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400, KindLineEnd},
	{2, "9112 §2.2", "CR after the request line", "GET / HTTP/1.1\rHost: a\r\n\r\n", 400, KindLineEnd},
	{2, "9112 §2.2", "LF after a field", "GET / HTTP/1.1\r\nHost: a\n\r\n", 400, KindLineEnd},
	{2, "9112 §2.2", "CR in a value", "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", 400, KindLineEnd},
	{2, "9112 §2.2", "CR CR LF", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400, KindLineEnd},
	{2, "9112 §2.2", "LF as the last line", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400, KindLineEnd},
	{2, "9112 §2.2", "CR as the last line", "GET / HTTP/1.1\r\nHost: a\r\n\rx", 400, KindLineEnd},
	{2, "9112 §2.2", "an empty line before", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 0, 0},
	{2, "9112 §2.2", "eight empty lines before", strings.Repeat("\r\n", 8) + "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0, 0},
	{2, "9112 §2.2", "nine empty lines before", strings.Repeat("\r\n", 9) + "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, KindLineEnd},
	{2, "9112 §2.2", "LF before", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, KindLineEnd},
	{2, "9112 §2.2", "CR before", "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, KindLineEnd},
	{2, "9112 §2.2", "a blank line before", " \r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, KindRequestLine},

	{3, "9112 §3", "1.0", "GET / HTTP/1.0\r\n\r\n", 0, 0},
	{3, "9110 §2.5", "1.2 counts as 1.1", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 0, 0},
	{3, "9110 §2.5", "1.9 needs a Host as 1.1 does", "GET / HTTP/1.9\r\n\r\n", 400, KindHost},
	{3, "9112 §3", "two spaces", "GET  / HTTP/1.1\r\n" + host + "\r\n", 400, KindRequestLine},
	{3, "9112 §3", "two spaces before the version", "GET /  HTTP/1.1\r\n" + host + "\r\n", 400, KindRequestLine},
	{3, "9112 §3", "a space at the end", "GET / HTTP/1.1 \r\n" + host + "\r\n", 400, KindRequestLine},
	{3, "9112 §3", "a space first", " GET / HTTP/1.1\r\n" + host + "\r\n", 400, KindRequestLine},
	{3, "9112 §3", "a tab", "GET\t/ HTTP/1.1\r\n" + host + "\r\n", 400, KindRequestLine},
	{3, "9112 §3", "a tab before the version", "GET /\tHTTP/1.1\r\n" + host + "\r\n", 400, KindRequestLine},
	{3, "9112 §2.3", "no version", "GET /\r\n" + host + "\r\n", 400, KindRequestLine},
	{3, "9112 §3", "one word", "GET\r\n" + host + "\r\n", 400, KindRequestLine},
	{3, "9112 §3", "no method", " / HTTP/1.1\r\n", 400, KindRequestLine},
	{3, "9110 §9.1", "a method that is no token", "GE(T / HTTP/1.1\r\n", 400, KindRequestLine},
	{3, "9110 §9.1", "a method in small letters is a token", "get / HTTP/1.1\r\n" + host + "\r\n", 0, 0},
	{3, "9112 §2.3", "small letters", "GET / http/1.1\r\n" + host + "\r\n", 400, KindRequestLine},
	{3, "9112 §2.3", "no minor version", "GET / HTTP/1\r\n" + host + "\r\n", 400, KindRequestLine},
	{3, "9112 §2.3", "a leading zero", "GET / HTTP/01.1\r\n" + host + "\r\n", 400, KindRequestLine},
	{3, "9112 §2.3", "two digits", "GET / HTTP/1.10\r\n" + host + "\r\n", 400, KindRequestLine},
	{3, "9112 §2.3", "a letter", "GET / HTTP/1.x\r\n" + host + "\r\n", 400, KindRequestLine},
	{3, "9110 §15.6.6", "2.0", "GET / HTTP/2.0\r\n" + host + "\r\n", 505, KindVersion},
	{3, "9110 §15.6.6", "0.9", "GET / HTTP/0.9\r\n" + host + "\r\n", 505, KindVersion},
	{3, "9110 §15.6.6", "the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, KindVersion},
	{3, "9112 §3", "NUL in the target, and no end of line", "GET /\x00", 400, KindRequestLine},
	{3, "9112 §3", "DEL in the target", "GET /\x7f HTTP/1.1\r\n", 400, KindRequestLine},
	{3, "9112 §3.2", "80-FF in the target are judged elsewhere", "GET /\xff HTTP/1.1\r\n" + host + "\r\n", 0, 0},
	{3, "9112 §3", "noise", "\x00\x01\x02", 400, KindRequestLine},
	{3, "9112 §3", "part of a request line", "GET / HTTP/1", -1, 0},
	{3, "9112 §3", "nothing", "", -1, 0},

	{4, "9110 §9.1", "a method of 32 octets", strings.Repeat("M", 32) + " / HTTP/1.1\r\n" + host + "\r\n", 0, 0},
	{4, "9110 §9.1", "a method of 33 octets, and no more", strings.Repeat("M", 33), 501, KindLongMethod},
	{4, "9112 §3", "a target of 8 KiB", "GET /" + strings.Repeat("x", 8191) + " HTTP/1.1\r\n" + host + "\r\n", 0, 0},
	{4, "9112 §3", "a target over 8 KiB, and no more", "GET /" + strings.Repeat("x", 8192), 414, KindLongTarget},
	{4, "6585 §5", "100 lines", "GET / HTTP/1.1\r\n" + host + strings.Repeat("A: b\r\n", 99) + "\r\n", 0, 0},
	{4, "6585 §5", "101 lines", "GET / HTTP/1.1\r\n" + host + strings.Repeat("A: b\r\n", 99) + "A", 431, KindLargeFields},

	{5, "9112 §5.1", "white space around a value", "GET / HTTP/1.1\r\n" + host + "A: \t b c \t \r\n\r\n", 0, 0},
	{5, "9112 §5.1", "no white space", "GET / HTTP/1.1\r\n" + host + "A:b\r\n\r\n", 0, 0},
	{5, "9110 §5.5", "an empty value", "GET / HTTP/1.1\r\n" + host + "A:\r\nB: \t\r\n\r\n", 0, 0},
	{5, "9110 §5.5", "80-FF", "GET / HTTP/1.1\r\n" + host + "A: \x80\xff\r\n\r\n", 0, 0},
	{5, "9110 §5.5", "HTAB in a value", "GET / HTTP/1.1\r\n" + host + "A: 123456789\t123456789\r\n\r\n", 0, 0},
	{5, "9110 §5.1", "an underscore makes another name", "GET / HTTP/1.1\r\n" + host + "Content_Length: 5\r\n\r\n", 0, 0},
	{5, "9112 §5.1", "white space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, KindFieldLine},
	{5, "9112 §5.1", "a tab before the colon", "GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", 400, KindFieldLine},
	{5, "9112 §5", "no colon", "GET / HTTP/1.1\r\n" + host + "A\r\n\r\n", 400, KindFieldLine},
	{5, "9110 §5.1", "an empty name", "GET / HTTP/1.1\r\n" + host + ": b\r\n\r\n", 400, KindFieldLine},
	{5, "9110 §5.1", "a name that is no token", "GET / HTTP/1.1\r\n" + host + "A(: b\r\n\r\n", 400, KindFieldLine},
	{5, "9110 §5.1", "a name with an octet over 7F", "GET / HTTP/1.1\r\n" + host + "A\xe9: b\r\n\r\n", 400, KindFieldLine},
	{5, "9112 §2.2", "white space before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, KindFieldLine},
	{5, "9112 §5.2", "a folded line", "GET / HTTP/1.1\r\n" + host + "A: b\r\n c\r\n\r\n", 400, KindFieldLine},
	{5, "9112 §5.2", "a folded empty line", "GET / HTTP/1.1\r\n" + host + "\t\r\n\r\n", 400, KindFieldLine},
	{5, "9110 §5.5", "NUL", "GET / HTTP/1.1\r\n" + host + "A: b\x00c\r\n\r\n", 400, KindFieldLine},
	{5, "9110 §5.5", "DEL", "GET / HTTP/1.1\r\n" + host + "A: bcdefghijklm\x7f\r\n\r\n", 400, KindFieldLine},
	{5, "9110 §5.5", "a control before the value", "GET / HTTP/1.1\r\n" + host + "A: \x0bb\r\n\r\n", 400, KindFieldLine},

	{6, "9112 §3.2", "none in 1.1", "GET / HTTP/1.1\r\n\r\n", 400, KindHost},
	{6, "9112 §3.2", "none in 1.0", "GET / HTTP/1.0\r\nA: b\r\n\r\n", 0, 0},
	{6, "9112 §3.2", "a bad one in 1.0", "GET / HTTP/1.0\r\nHost: a/b\r\n\r\n", 400, KindHost},
	{6, "9112 §3.2", "two equal ones", "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", 400, KindHost},
	{6, "9110 §7.2", "empty", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, KindHost},
	{6, "9110 §7.2", "a list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, KindHost},
	{6, "9110 §7.2", "a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400, KindHost},
	{6, "9110 §7.2", "a path", "GET / HTTP/1.1\r\nHost: a/\r\n\r\n", 400, KindHost},
	{6, "9110 §7.2", "a port over 65535", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400, KindHost},
	{6, "9110 §7.2", "a port", "GET / HTTP/1.1\r\nHost: a:65535\r\n\r\n", 0, 0},
	{6, "9110 §7.2", "an address", "GET / HTTP/1.1\r\nHOST: [::1]:8080\r\n\r\n", 0, 0},

	{8, "9110 §8.6", "a number", "PUT / HTTP/1.1\r\n" + host + "Content-Length: 5\r\n\r\n", 0, 0},
	{8, "9110 §8.6", "2^63-1", "PUT / HTTP/1.1\r\n" + host + "Content-Length: 9223372036854775807\r\n\r\n", 0, 0},
	{8, "9112 §6.3", "2^63", "PUT / HTTP/1.1\r\n" + host + "Content-Length: 9223372036854775808\r\n\r\n", 400, KindContentLength},
	{8, "9112 §6.3", "2^64+5", "PUT / HTTP/1.1\r\n" + host + "Content-Length: 18446744073709551621\r\n\r\n", 400, KindContentLength},
	{8, "9112 §6.3", "a leading zero", "PUT / HTTP/1.1\r\n" + host + "Content-Length: 05\r\n\r\n", 400, KindContentLength},
	{8, "9112 §6.3", "two zeros", "PUT / HTTP/1.1\r\n" + host + "Content-Length: 00\r\n\r\n", 400, KindContentLength},
	{8, "9112 §6.3", "a sign", "PUT / HTTP/1.1\r\n" + host + "Content-Length: +5\r\n\r\n", 400, KindContentLength},
	{8, "9112 §6.3", "a list", "PUT / HTTP/1.1\r\n" + host + "Content-Length: 5, 5\r\n\r\n", 400, KindContentLength},
	{8, "9112 §6.3", "two lines", "PUT / HTTP/1.1\r\n" + host + "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400, KindContentLength},
	{8, "9112 §6.3", "empty", "PUT / HTTP/1.1\r\n" + host + "Content-Length:\r\n\r\n", 400, KindContentLength},
	{8, "9112 §6.3", "a letter", "PUT / HTTP/1.1\r\n" + host + "Content-Length: a\r\n\r\n", 400, KindContentLength},

	{9, "9112 §6.1", "chunked", "PUT / HTTP/1.1\r\n" + host + "Transfer-Encoding: cHuNked\r\n\r\n", 0, 0},
	{9, "9110 §5.6.1.2", "empty members", "PUT / HTTP/1.1\r\n" + host + "Transfer-Encoding:\r\nTransfer-Encoding: , chunked ,\r\n\r\n", 0, 0},
	{9, "9112 §6.1", "with a length", "PUT / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", 400, KindTransferCoding},
	{9, "9112 §6.1", "in 1.0", "PUT / HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n", 400, KindTransferCoding},
	{9, "9112 §6.1", "gzip", "PUT / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip\r\n\r\n", 400, KindTransferCoding},
	{9, "9112 §6.1", "chunked is not last", "PUT / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked, gzip\r\n\r\n", 400, KindTransferCoding},
	{9, "9112 §6.1", "empty", "PUT / HTTP/1.1\r\n" + host + "Transfer-Encoding: \r\n\r\n", 400, KindTransferCoding},
	{9, "9112 §6.1", "twice", "PUT / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked, chunked\r\n\r\n", 400, KindTransferCoding},
	{9, "9112 §6.1", "on two lines", "PUT / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400, KindTransferCoding},
	{9, "9112 §7", "parameters", "PUT / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked;a=b\r\n\r\n", 400, KindTransferCoding},
	{9, "9112 §6.1", "no comma", "PUT / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip chunked\r\n\r\n", 400, KindTransferCoding},
	{9, "9112 §6.1", "an unknown coding before", "PUT / HTTP/1.1\r\n" + host + "Transfer-Encoding: x;a=b, chunked\r\n\r\n", 501, KindUnknownCoding},
	{9, "9112 §6.1", "an unknown coding on a line before", "PUT / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", 501, KindUnknownCoding},

	{10, "9112 §6.3", "neither", "POST / HTTP/1.1\r\n" + host + "\r\n", 0, 0},
	{15, "9112 §9.3", "TLS", "\x16\x03\x01\x00/\x01", 400, KindTLS},
}

func TestHead(t *testing.T) {
	for _, tt := range heads {
		t.Run(fmt.Sprintf("rule %d: %s", tt.rule, tt.name), func(t *testing.T) {
			var p Parser
			var h Head
			done, err := p.Parse([]byte(tt.in), &h)
			switch {
			case err != nil:
				if err.Status != tt.status || err.Kind != tt.kind {
					t.Errorf("%s: %d of kind %d (%s), want %d of kind %d", tt.section, err.Status, err.Kind, err, tt.status, tt.kind)
				}
			case done != (tt.status == 0) || !done && tt.status != -1:
				t.Errorf("%s: done is %v, want status %d", tt.section, done, tt.status)
			case done && h.Size != len(tt.in):
				t.Errorf("size is %d of %d", h.Size, len(tt.in))
			}
			if len(tt.in) < 2000 {
				checkCuts(t, nil, []byte(tt.in))
			}
		})
	}
}

// TestHeadSays looks at what is told of a head.
func TestHeadSays(t *testing.T) {
	in := "\r\n\r\nPUT /x?y HTTP/1.3\r\nhost:  a:80\t\r\nX-Other: 1 \t 2 \r\nCONNECTION: x, Close\r\nContent-Length: 12\r\n" +
		"ACCEPT: a\r\naccept: b\r\nx-other:\r\nExpect: 100-Continue\r\n\r\nGET"
	want := `"PUT" "/x?y" 1 3 ["host" "a:80" 1]["X-Other" "1 \t 2" 0]["CONNECTION" "x, Close" 2]["Content-Length" "12" 3]` +
		`["ACCEPT" "a" 9]["accept" "b" 9]["x-other" "" 0]["Expect" "100-Continue" 8]` +
		fmt.Sprintf(" seen %x twice %x", SetOf(Other, Host, Connection, ContentLength, Accept, Expect), SetOf(Accept)) +
		fmt.Sprintf(` host "a:80" length 12 close true keep false expect true size %d octets 125 longest 22 largest 2`, len(in)-3)
	if got := parseCut(nil, []byte(in)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	checkCuts(t, nil, []byte(in))
}

// TestLimits tries each limit at its last octet, and one after it (rule 4).
func TestLimits(t *testing.T) {
	limits := &Limits{Method: 4, Target: 5, Fields: 40, Lines: 3}
	for _, tt := range []struct {
		name, in       string
		status         int
		largest        string
		limit, counted int64
	}{
		{"all that is allowed", "POST /2345 HTTP/1.1\r\nHost: a\r\nAbc: 2345678901234567890\r\nD:\r\n\r\n", 0, "", 0, 0},
		{"method", "POSTS", 501, "", 4, 5},
		{"target", "GET /23456", 414, "", 5, 6},
		{"value", "GET / HTTP/1.1\r\nHost: a\r\nAbc: 234567890123456789012345x", 431, "Abc", 40, 41},
		{"value up to the limit", "GET / HTTP/1.1\r\nHost: a\r\nAbc: 234567890123456789012345 \t\t \r\n\r\n", 0, "", 0, 0},
		{"value after white space", "GET / HTTP/1.1\r\nHost: a\r\nAbc: 2345678901234567890123   x", 431, "Abc", 40, 41},
		{"name", "GET / HTTP/1.1\r\nHost: abcdefghijklmnopqrstuvwxyz01\r\nA", 431, "Host", 40, 41},
		{"a long name", "GET / HTTP/1.1\r\nhost: a\r\nabcdefghijklmnopqrstuvwxyz01", 431, "Abcdefghijklmnopqrstuvwxyz0", 40, 41},
		{"lines", "GET / HTTP/1.1\r\nhost: a\r\na:\r\nb:\r\nc", 431, "Host", 3, 4},
		{"white space before values", "GET / HTTP/1.1\r\nHost:" + strings.Repeat(" ", 41), 431, "", 40, 41},
		{"white space after values", "GET / HTTP/1.1\r\nHost: " + strings.Repeat("\t", 39) + "a \r\n", 431, "", 40, 41},
		{"endless white space after a value", "GET / HTTP/1.1\r\nHost: a" + strings.Repeat(" ", 80), 431, "", 40, 41},
		{"as much white space as is allowed", "GET / HTTP/1.1\r\nHost:" + strings.Repeat(" ", 20) + "a" + strings.Repeat(" ", 20) + "\r\n\r\n", 0, "", 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			checkCuts(t, limits, []byte(tt.in))
			p, h := Parser{Limits: limits}, Head{}
			done, err := p.Parse([]byte(tt.in), &h)
			switch {
			case err == nil:
				if !done || tt.status != 0 {
					t.Errorf("done is %v, want status %d", done, tt.status)
				}
			case err.Status != tt.status || err.Largest != tt.largest || err.Limit != tt.limit || err.Value != tt.counted:
				t.Errorf("got %+v", *err)
			case tt.largest != "" && !strings.HasSuffix(err.Text, "; the largest is "+tt.largest+"."):
				t.Errorf("text is %q", err.Text)
			}
		})
	}
	if name := strings.Repeat("n", 70); !strings.HasSuffix(largeFields(textTooLarge, 1, []byte(name)).Text, " "+name[:64]+"....") {
		t.Errorf("a long name is told whole: %s", largeFields(textTooLarge, 1, []byte(name)).Text)
	}
}

// TestMaxHead sends the largest head that there can be.
func TestMaxHead(t *testing.T) {
	limits := Limits{Method: 4, Target: 5, Fields: 40, Lines: 3}
	in := strings.Repeat("\r\n", 8) + "POST /2345 HTTP/1.1\r\nHost:" + strings.Repeat(" ", 40) + strings.Repeat("a", 32) + "\r\n\r\n"
	p, h := Parser{Limits: &limits}, Head{}
	if done, err := p.Parse([]byte(in), &h); !done {
		t.Fatalf("refused: %v", err)
	}
	if h.Octets != 40 || h.Size > limits.MaxHead() || h.Size < limits.MaxHead()-2 {
		t.Errorf("size %d, octets %d; the largest is %d", h.Size, h.Octets, limits.MaxHead())
	}
}

// TestConnection is rule 15 (RFC 9112 §9.3).
func TestConnection(t *testing.T) {
	for _, tt := range []struct {
		version, lines string
		closes, keeps  bool
	}{
		{"1.1", "", false, false},
		{"1.1", "Connection: close\r\n", true, false},
		{"1.1", "Connection: x ,\tCLOSE\r\n", true, false},
		{"1.1", "Connection: x\r\nConnection: close\r\n", true, false},
		{"1.1", "Connection: keep-alive, close\r\n", true, false},
		{"1.1", "Connection: keep-alive\r\n", false, false},
		{"1.1", "Connection: closed, x-close, close;a\r\n", false, false},
		{"1.0", "", true, false},
		{"1.0", "Connection: Keep-Alive\r\n", false, true},
		{"1.0", "Connection: close, keep-alive\r\n", true, false},
	} {
		var p Parser
		var h Head
		if done, err := p.Parse([]byte("GET / HTTP/"+tt.version+"\r\nHost: a\r\n"+tt.lines+"\r\n"), &h); !done {
			t.Fatal(err)
		}
		if h.Close != tt.closes || h.KeepAlive != tt.keeps {
			t.Errorf("rule 15: HTTP/%s with %q: closes %v, keep-alive %v", tt.version, tt.lines, h.Close, h.KeepAlive)
		}
	}
}

// TestExpect is rule 15 (RFC 9110 §10.1.1).
func TestExpect(t *testing.T) {
	for _, tt := range []struct {
		version, lines string
		want           bool
	}{
		{"1.1", "Expect: 100-continue\r\nContent-Length: 1\r\n", true},
		{"1.1", "Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n", true},
		{"1.1", "Expect: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n", true},
		{"1.1", "Expect: 100-continue\r\n", false},
		{"1.1", "Expect: 100-continue\r\nContent-Length: 0\r\n", false},
		{"1.1", "Expect: 100-continues\r\nContent-Length: 1\r\n", false},
		{"1.0", "Expect: 100-continue\r\nContent-Length: 1\r\n", false},
	} {
		var p Parser
		var h Head
		if done, err := p.Parse([]byte("PUT / HTTP/"+tt.version+"\r\nHost: a\r\n"+tt.lines+"\r\n"), &h); !done {
			t.Fatal(err)
		}
		if h.ExpectContinue != tt.want {
			t.Errorf("rule 15: HTTP/%s with %q: %v", tt.version, tt.lines, h.ExpectContinue)
		}
	}
}

// TestPipeline reads several heads from one piece of memory, with one parser.
func TestPipeline(t *testing.T) {
	in := []byte(strings.Repeat(small, 3) + "GET /last HTTP/1.0\r\n\r\n")
	var p Parser
	var h Head
	var targets []string
	for len(in) > 0 {
		done, err := p.Parse(in, &h)
		if !done {
			t.Fatal(err)
		}
		targets = append(targets, string(h.Target))
		in = in[h.Size:]
	}
	if want := []string{"/x", "/x", "/x", "/last"}; !slices.Equal(targets, want) {
		t.Errorf("got %q", targets)
	}
}

// TestRefusedStays gives octets to a parser that has refused.
func TestRefusedStays(t *testing.T) {
	for _, bad := range []string{"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/2.0\r\n"} {
		var p Parser
		var h Head
		_, want := p.Parse([]byte(bad), &h)
		for _, in := range []string{"", bad, small, bad + small} {
			if done, err := p.Parse([]byte(in), &h); done || err != want || err == nil {
				t.Errorf("%q, then %q: %v, %v", bad, in, done, err)
			}
		}
		p.Reset()
		if done, err := p.Parse([]byte(small), &h); !done {
			t.Errorf("after Reset: %v", err)
		}
	}
}

// TestAllocations holds a head that is as it should be to none.
func TestAllocations(t *testing.T) {
	for _, in := range []string{small, browser, "GET / HTTP/1.1\r\nHost: " + strings.Repeat("a", 100) + ":80\r\nX-Other: b\r\n\r\n"} {
		var p Parser
		var h Head
		b := []byte(in)
		n := testing.AllocsPerRun(100, func() {
			if done, _ := p.Parse(b[:20], &h); done {
				t.Error("done")
			}
			if done, _ := p.Parse(b, &h); !done {
				t.Error("not done")
			}
		})
		if n != 0 {
			t.Errorf("%v allocations", n)
		}
	}
}

// What wrk sends, and what a browser does.
const (
	small   = "GET /x HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"
	browser = "GET /kitchen/lamp HTTP/1.1\r\nHost: roost.example.org:8080\r\nConnection: keep-alive\r\nCache-Control: max-age=0\r\n" +
		"Upgrade-Insecure-Requests: 1\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8\r\n" +
		"Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n" +
		"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9,de;q=0.8\r\nIf-None-Match: \"k3x9-17\"\r\n\r\n"
)

func BenchmarkParse(b *testing.B) {
	for _, tt := range []struct{ name, in string }{{"small", small}, {"browser", browser}} {
		in := []byte(tt.in)
		b.Run(tt.name, func(b *testing.B) {
			var p Parser
			var h Head
			b.ReportAllocs()
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				if done, err := p.Parse(in, &h); !done {
					b.Fatal(err)
				}
			}
		})
		b.Run(tt.name+"/sum", func(b *testing.B) { // what it costs to look at each octet
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				total += sumOf(in)
			}
		})
	}
}

// BenchmarkDrip is a head that comes octet by octet.
func BenchmarkDrip(b *testing.B) {
	in := []byte(browser)
	var p Parser
	var h Head
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		for n := range in {
			p.Parse(in[:n+1], &h)
		}
		if h.Size != len(in) {
			b.Fatal("not done")
		}
	}
}

var total byte

//go:noinline
func sumOf(in []byte) (sum byte) {
	for _, c := range in {
		sum += c
	}
	return sum
}

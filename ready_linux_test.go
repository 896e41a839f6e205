package roost_test

import (
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"roost"
)

var dateLine = regexp.MustCompile(`\r\nDate: [^\r]*`)

// The first answer to a plain GET, those that are ready made, and those that the steps make, are
// the same octets.
func TestPlainAnswers(t *testing.T) {
	s := fast.start(t, roost.Config{})
	octets := func(uri, fields string) string {
		c := s.dial()
		c.send("GET " + uri + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n")
		c.Conn.(*net.TCPConn).CloseWrite()
		return dateLine.ReplaceAllString(c.rest(), "")
	}
	long := strings.Repeat("0123456789", 1000)
	for i, c := range []struct {
		value   string
		options []roost.Option
	}{
		{"text", []roost.Option{roost.WithContentType(roost.Plain)}},
		{"text\xff", []roost.Option{roost.WithContentType(roost.Plain)}},
		{"text", []roost.Option{roost.WithContentType("text/plain; charset=us-ascii")}},
		{"text", []roost.Option{roost.WithContentType("text/plain;")}},
		{"", []roost.Option{roost.WithContentType(roost.Plain)}},
		{"{}", []roost.Option{roost.WithContentType(roost.JSON), roost.WithCacheControl("max-age=5")}},
		{"<p>", nil},
		{"<a/>", []roost.Option{roost.WithContentType(roost.XML)}},
		{"\x00", []roost.Option{roost.WithContentType(roost.Octet)}},
		{long[:1023], []roost.Option{roost.WithContentType(roost.Plain)}},
		{long[:1024], []roost.Option{roost.WithContentType(roost.Plain)}},
		{long[:1025], []roost.Option{roost.WithContentType(roost.Octet)}},
		{long, []roost.Option{roost.WithContentType(roost.Plain)}},
		{"text", []roost.Option{roost.WithContentType(roost.Plain), roost.WithTTL(time.Hour)}},
	} {
		uri := fmt.Sprint("/", i)
		s.add(uri, roost.GET|roost.PUT, nil, append(c.options, roost.WithString(c.value))...)
		first, second := octets(uri, ""), octets(uri, "Accept: */*\r\n")
		by := octets(uri, "Prefer: nothing\r\n")
		if first != second || first != by {
			t.Errorf("%s:\n%.400q\n%.400q\n%.400q", uri, first, second, by)
		}
		if !strings.HasSuffix(first, "\r\n\r\n"+c.value) {
			t.Errorf("%s: %.400q", uri, first)
		}
	}
	s.do("PUT", "/6", "<script>").expect(t, 204, "")
	for range 3 {
		if got := octets("/6", ""); !strings.Contains(got, "\r\nContent-Security-Policy: sandbox\r\n") {
			t.Errorf("a client's page: %q", got)
		}
	}
}

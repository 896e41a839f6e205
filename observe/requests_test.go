package observe_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"roost"
	"roost/observe"
)

var (
	asText = func(b *bytes.Buffer, o *slog.HandlerOptions) slog.Handler { return slog.NewTextHandler(b, o) }
	asJSON = func(b *bytes.Buffer, o *slog.HandlerOptions) slog.Handler { return slog.NewJSONHandler(b, o) }
)

// logged is what an observer writes about r, without the time.
func logged(handler func(*bytes.Buffer, *slog.HandlerOptions) slog.Handler, level slog.Level, r *roost.RequestRecord) string {
	var b bytes.Buffer
	o := observe.Requests(slog.New(handler(&b, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})))
	o.Connection(&roost.ConnectionRecord{Peer: "not logged"})
	o.Change(&roost.ChangeRecord{URI: "/not-logged"})
	o.Request(r)
	return b.String()
}

var record = roost.RequestRecord{
	Method: "POST", URI: "/list", Query: "token=s3cret",
	Header: http.Header{
		"Host":                {"roost.example"},
		"X-Twice":             {"a", "b c"},
		"Authorization":       {"Bearer s3cret"},
		"Cookie":              {"a=s3cret", "b=s3cret"},
		"proxy-authorization": {"Basic s3cret"},
	},
	Body: []byte("Hello"), NewURI: "/list/12345", Status: 201,
	Peer: "192.0.2.1:4711", Duration: 1500 * time.Microsecond,
}

func TestRequests(t *testing.T) {
	const text = `level=INFO msg=request uri=/list method=POST headers.Authorization=[redacted] headers.Cookie=[redacted] ` +
		`headers.Host=roost.example headers.X-Twice="a, b c" headers.proxy-authorization=[redacted] ` +
		`body=Hello new_uri=/list/12345 status=201 peer=192.0.2.1:4711 duration=1.5ms` + "\n"
	if got := logged(asText, slog.LevelInfo, &record); got != text {
		t.Errorf("as text:\n%swant\n%s", got, text)
	}
	const json = `{"level":"INFO","msg":"request","uri":"/list","method":"POST","headers":{"Authorization":"[redacted]","Cookie":"[redacted]",` +
		`"Host":"roost.example","X-Twice":"a, b c","proxy-authorization":"[redacted]"},` +
		`"body":"Hello","new_uri":"/list/12345","status":201,"peer":"192.0.2.1:4711","duration":1500000}` + "\n"
	if got := logged(asJSON, slog.LevelInfo, &record); got != json {
		t.Errorf("as JSON:\n%swant\n%s", got, json)
	}
	if got := logged(asText, slog.LevelWarn, &record); got != "" {
		t.Errorf("above level Info: %s", got)
	}
}

func TestBodies(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"empty", "", `"body":""`},
		{"200 characters", strings.Repeat("é", 200), `"body":"` + strings.Repeat("é", 200) + `"`},
		{"201 characters", strings.Repeat("é", 201), `"body":"` + strings.Repeat("é", 200) + `… (402 bytes)"`},
		{"octets that are no text", "\xff\xfeA\x00", `"body":"\\xff\\xfeA\u0000"`},
		{"200 such octets", strings.Repeat("\xff", 200), `"body":"` + strings.Repeat(`\\xff`, 200) + `"`},
		{"201 such octets", strings.Repeat("\xff", 201), `"body":"` + strings.Repeat(`\\xff`, 200) + `… (201 bytes)"`},
		{"a replacement character that was sent", "\uFFFD\xff", `"body":"` + "\uFFFD" + `\\xff"`},
		{"lines", "a\nlevel=ERROR\r\n", `"body":"a\nlevel=ERROR\r\n"`},
	} {
		r := record
		r.Body = []byte(c.body)
		if got := logged(asJSON, slog.LevelInfo, &r); !strings.Contains(got, c.want) || strings.Count(got, "\n") != 1 {
			t.Errorf("%s: no %s in\n%s", c.name, c.want, got)
		}
		if got := logged(asText, slog.LevelInfo, &r); strings.Count(got, "\n") != 1 {
			t.Errorf("%s: more than a line:\n%s", c.name, got)
		}
	}
}

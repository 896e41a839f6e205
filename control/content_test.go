package control

import (
	"net/http"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"roost"
)

func TestLoneSurrogate(t *testing.T) {
	for text, want := range map[string]bool{
		`{"value": "plain"}`:         false,
		`"\u00e9\n\"\\"`:             false,
		`"\ud83d\ude00"`:             false,
		`"\uD83D\uDE00\ud83d\ude00"`: false,
		`"\\ud800"`:                  false, // an escaped backslash
		`"\\\\ud800"`:                false,
		`"\ud800"`:                   true,
		`"\udc00"`:                   true,
		`"\ude00\ud83d"`:             true,
		`"\ud800\u0041"`:             true,
		`"\ud800\ud83d\ude00"`:       true,
		`"\ud800\n"`:                 true,
		`"\\\ud800"`:                 true,
		`"\ud83d`:                    true,
		`"\u12`:                      false, // no JSON, which others tell
		`"\`:                         false,
	} {
		if got := loneSurrogate([]byte(text)); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

// What the library refuses by itself is told in our form, and nothing of a request is
// repeated.
func TestExplain(t *testing.T) {
	for status, name := range map[int]string{400: "invalid-request", 408: "late-content", 413: "content-too-large", 415: "media-type-not-accepted", 422: "invalid-request", 418: "internal"} {
		model := &huma.ErrorModel{Status: status, Detail: "validation failed", Errors: []*huma.ErrorDetail{
			{Message: "expected string", Location: "body.a", Value: "secret"}, {Message: "too long", Location: "body.b"},
		}}
		v, err := explain(nil, "", model)
		p, ok := v.(*Problem)
		if err != nil || !ok || p.Type != "urn:roost:problem:"+name || p.Status != status || p.Errors[0].Value != nil {
			t.Errorf("%d is told as %+v, %v", status, v, err)
			continue
		}
		if !strings.HasPrefix(p.Detail, "Validation failed: body.a: expected string; body.b: too long") || !strings.HasSuffix(p.Detail, ".") {
			t.Errorf("%d: %q", status, p.Detail)
		}
	}
	if v, err := explain(nil, "", 7); v != 7 || err != nil {
		t.Errorf("an answer became %v, %v", v, err)
	}
}

// Where a server listens by its settings.
func TestAddresses(t *testing.T) {
	port := 8080
	for _, row := range []struct {
		cfg  EngineConfig
		s    Settings
		want string
	}{
		{EngineConfig{}, Settings{}, ":80"},
		{EngineConfig{Host: "127.0.0.1"}, Settings{}, "127.0.0.1:80"},
		{EngineConfig{Host: "::1"}, Settings{Port: &port}, "[::1]:8080"},
		{EngineConfig{Host: "127.0.0.1", Listen: []string{"127.0.0.2:1", "127.0.0.2:2"}}, Settings{}, "127.0.0.2:1 127.0.0.2:2"},
		{EngineConfig{Host: "127.0.0.1", Listen: []string{"127.0.0.2:1"}}, Settings{Port: &port}, "127.0.0.1:8080"},
		{EngineConfig{Listen: []string{"127.0.0.2:1"}}, Settings{Listen: []string{"127.0.0.3:3"}}, "127.0.0.3:3"},
		// What the base says of it doesn't count.
		{EngineConfig{Base: roost.Config{Port: 7, Addr: ":9"}}, Settings{}, ":80"},
	} {
		e := NewEngine(row.cfg)
		addrs, err := e.addresses(row.s)
		if err != nil || strings.Join(addrs, " ") != row.want {
			t.Errorf("%+v, %+v: %q, %v, want %s", row.cfg, row.s, addrs, err, row.want)
		}
		if cfg := row.s.apply(row.cfg.Base); cfg.Port != 0 || cfg.Addr != "" {
			t.Errorf("the configuration has Port %d, Addr %q", cfg.Port, cfg.Addr)
		}
	}
}

// Clients that take their time don't keep what is the engine's for ever.
func TestTimes(t *testing.T) {
	a := New(NewEngine(EngineConfig{}), Config{})
	for _, s := range []*http.Server{a.private, a.guarded} {
		if s.ReadHeaderTimeout <= 0 || s.MaxHeaderBytes <= 0 {
			t.Errorf("a head may take %v and %d octets", s.ReadHeaderTimeout, s.MaxHeaderBytes)
		}
	}
	if a.guarded.IdleTimeout <= 0 || a.private.IdleTimeout > 0 {
		t.Errorf("a connection may be silent for %v, on a Unix socket %v", a.guarded.IdleTimeout, a.private.IdleTimeout)
	}
	if op := operation("PUT", "/", "", "", ""); op.BodyReadTimeout <= 0 || op.MaxBodyBytes <= 0 {
		t.Errorf("a body may take %v and %d octets", op.BodyReadTimeout, op.MaxBodyBytes)
	}
}

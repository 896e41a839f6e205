package roost

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// crossOrigin is the gate that keeps pages of foreign origins from writing, and
// tells browsers which of them may read (rule 22). It always stands first.
type crossOrigin struct {
	any     bool
	origins map[string][]Field // the fields of an answer, by origin
	fields  []Field            // those of an answer to nobody in particular
}

var (
	corsExpose = Field{"Access-Control-Expose-Headers", []string{
		"Allow, Content-Location, ETag, Link, Location, Preference-Applied, Retry-After, Roost-Capacity, Sunset"}}
	corsMethods    = Field{"Access-Control-Allow-Methods", []string{strings.Join(allowed(allMethods), ", ")}}
	corsMaxAge     = Field{"Access-Control-Max-Age", []string{"600"}}
	varyOrigin     = Field{"Vary", []string{"Origin"}}
	allowAnyOrigin = Field{"Access-Control-Allow-Origin", []string{"*"}}
)

// newCrossOrigin makes the gate that allows origins, each "scheme://host" with
// an optional port as browsers send it, or "*".
func newCrossOrigin(origins []string) (*crossOrigin, error) {
	g := &crossOrigin{origins: make(map[string][]Field)}
	for _, o := range origins {
		if o == "*" {
			g.any = true
			continue
		}
		if err := checkOrigin(o); err != nil {
			return nil, err
		}
		g.origins[o] = []Field{{"Access-Control-Allow-Origin", []string{o}}, corsExpose, varyOrigin}
	}
	switch {
	case g.any:
		g.fields = []Field{allowAnyOrigin, corsExpose}
	case len(origins) > 0:
		g.fields = []Field{varyOrigin}
	}
	return g, nil
}

func checkOrigin(o string) error {
	u, err := url.Parse(o)
	if err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != o || o != strings.ToLower(o) {
		return fmt.Errorf(`CORS %q is not an origin: write it as a browser sends it, like "https://app.example" or "http://localhost:3000", or "*"`, o)
	}
	return nil
}

func (g *crossOrigin) Admit(h *Head) Verdict {
	unsafe := h.Method == "PUT" || h.Method == "POST" || h.Method == "DELETE"
	if !unsafe && !g.on() {
		return Verdict{}
	}
	origin := h.Header.Get("Origin")
	v := Verdict{Fields: g.fields}
	trusted := g.any
	if fields, ok := g.origins[origin]; ok && !g.any {
		v.Fields, trusted = fields, true
	}
	switch {
	case unsafe && !trusted && foreign(h, origin):
		v.Status, v.Problem, v.Title = problemForeign.status, problemForeign.name, problemForeign.title
		v.Detail = "A page of another origin may not change resources here. The operator can allow its origin with the setting cors."
	case trusted && origin != "" && h.Method == "OPTIONS" && h.Header.Get("Access-Control-Request-Method") != "":
		v.Status = http.StatusNoContent
		v.Fields = preflight(h, v.Fields)
	}
	return v
}

func (g *crossOrigin) on() bool { return g.any || len(g.origins) > 0 }

// foreign says whether a browser sent the request for a page of another origin.
// What no browser sent has neither field and is not foreign.
func foreign(h *Head, origin string) bool {
	switch h.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "":
		_, host, _ := strings.Cut(origin, "://")
		return origin != "" && !strings.EqualFold(host, h.Host)
	}
	return true
}

func preflight(h *Head, fields []Field) []Field {
	fields = append(fields[:len(fields):len(fields)], corsMethods, corsMaxAge)
	if asked := h.Header.Values("Access-Control-Request-Headers"); len(asked) > 0 {
		fields = append(fields, Field{"Access-Control-Allow-Headers", []string{strings.Join(asked, ", ")}})
	}
	return fields
}

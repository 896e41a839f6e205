package roost

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"roost/internal/negotiate"
	"roost/store"
)

// Representation is a resource's value at one revision: octets, their media type
// and their validator. It is immutable and may be shared and kept.
type Representation struct {
	item *store.Item   // shared with the store; its Modified is zero where nobody knows
	meta *resourceMeta // parsed
	tag  string        // the store's epoch; or the whole tag, in quotes

	// Made when they are first asked for.
	served  atomic.Pointer[servedValue]
	asEvent atomic.Pointer[[]byte]
}

// Value returns the octets, shared and read-only. Resource.Value returns a copy.
func (r *Representation) Value() []byte { return r.item.Value }

// MediaType returns the media type as it was set, with its parameters.
func (r *Representation) MediaType() string { return r.meta.Type }

// ETag returns the entity-tag with its quotes (RFC 9110 §8.8.3). It is strong, and
// never given twice for one URI.
func (r *Representation) ETag() string { return r.etag() }

// Revision returns the store's revision that made the representation. Revisions
// rise with every change of any resource.
func (r *Representation) Revision() uint64 { return r.item.Revision }

// Modified returns when the representation was made.
func (r *Representation) Modified() time.Time { return r.item.Modified }

// Expires returns when the resource ceases to be there unless it is written again; the zero
// time for never.
func (r *Representation) Expires() time.Time { return r.item.Expires }

// expired says whether the time of the representation, and with it of the resource, is over.
func (r *Representation) expired(now time.Time) bool {
	return !r.item.Expires.IsZero() && !now.Before(r.item.Expires)
}

// isText says whether the value can be told as text: it is of a textual type, and valid UTF-8.
func (r *Representation) isText() bool {
	m, _ := negotiate.ParseMediaType(r.meta.Type)
	return m.Textual() && utf8.Valid(r.item.Value)
}

// metaWith is the stored Meta of the same resource with a value of another type or
// origin. Mostly neither differs, and nothing is encoded.
func (r *Representation) metaWith(mediaType string, client bool) []byte {
	if r.meta.Type == mediaType && r.meta.Client == client {
		return r.item.Meta
	}
	meta := *r.meta
	meta.Client = client
	meta.retype(mediaType)
	return mustJSON(meta)
}

// retype gives the type that a request brought, and remembers the program's.
func (m *resourceMeta) retype(mediaType string) {
	declared := cmp.Or(m.Declared, m.Type)
	m.Type, m.Declared = mediaType, ""
	if mediaType != declared {
		m.Declared = declared
	}
}

// foreign says whether a browser should take a value of HTML or XML for a client's:
// it came in a request, or the program set it and a request had made HTML or XML of
// what was neither.
func (m *resourceMeta) foreign() bool {
	if m.Client || m.Declared == "" {
		return m.Client
	}
	declared, err := negotiate.ParseMediaType(m.Declared)
	return err == nil && !declared.Markup()
}

// etag is made when it is asked for, which for most is never.
func (r *Representation) etag() string {
	if strings.HasPrefix(r.tag, `"`) {
		return r.tag
	}
	return etag(r.tag, r.item.Revision)
}

// etag is the validator of the representation that revision made (rule 39).
func etag(epoch string, revision uint64) string {
	var buf [64]byte // more than the longest epoch and number take
	b := append(buf[:0], '"')
	b = append(b, epoch...)
	b = append(b, '-')
	b = strconv.AppendUint(b, revision, 10)
	return string(append(b, '"'))
}

// servedValue is what a GET of a representation says, ready made.
type servedValue struct {
	mediaType negotiate.MediaType
	modified  int64 // seconds since 1970
	codable   bool  // a text long enough that a coding may be worth it
	plain     *variant
	coded     atomic.Pointer[coded]
	answer    atomic.Pointer[readyAnswer]
}

// Shared lines of answers.
var (
	nosniff = Field{"X-Content-Type-Options", []string{"nosniff"}}
	noStore = Field{"Cache-Control", []string{"no-store"}}
	noCache = []string{"no-cache"}
	varies  = Field{"Vary", []string{"Accept"}}

	variesCoded = Field{"Vary", []string{"Accept, Accept-Encoding"}}

	acceptRanges = Field{"Accept-Ranges", []string{"bytes"}}
	sandbox      = []string{"sandbox"}
	noScripts    = Field{"Content-Security-Policy", []string{"default-src 'none'"}}
)

// servedOnce stands for what is not kept: a plain GET was answered, and if there is another, it will be.
var servedOnce = new(servedValue)

func (r *Representation) serve(policy string) *servedValue {
	if s := r.served.Load(); s != nil && s != servedOnce {
		return s
	}
	s := r.prepare(policy)
	r.served.Store(s)
	return s
}

// prepare makes the fields of rule 48, with rules 29, 30 and 32.
func (r *Representation) prepare(policy string) *servedValue {
	// The type was checked when it was stored; one that a store brings and that
	// can't be read is served as it is, and matches "*/*" only.
	m, _ := negotiate.ParseMediaType(r.meta.Type)
	s := &servedValue{mediaType: m, modified: r.item.Modified.Unix(), codable: len(r.item.Value) >= minCoded && m.Textual()}
	fields := []Field{
		nosniff,
		{"Content-Type", []string{withCharset(r.meta.Type, &m, r.item.Value)}},
		{"Content-Length", []string{strconv.Itoa(len(r.item.Value))}},
		{"Etag", []string{r.etag()}},
		{"Cache-Control", noCache},
		s.varies(),
		acceptRanges,
	}
	if r.meta.CacheControl != "" {
		fields[4].Values = []string{r.meta.CacheControl}
	}
	if !r.item.Modified.IsZero() {
		fields = append(fields, Field{"Last-Modified", []string{httpDate(r.item.Modified)}})
	}
	if !r.item.Expires.IsZero() {
		fields = append(fields, sunset(r.item.Expires))
	}
	switch {
	case !m.Markup():
	case policy != "":
		fields = append(fields, Field{"Content-Security-Policy", []string{policy}})
	case r.meta.foreign():
		fields = append(fields, Field{"Content-Security-Policy", sandbox})
	}
	s.plain = newVariant(r.item.Value, r.etag(), fields)
	return s
}

// withCharset tells the charset of HTML and plain text that has none (rule 29).
func withCharset(mediaType string, m *negotiate.MediaType, value []byte) string {
	if e := m.Essence(); e != Text && e != Plain {
		return mediaType
	}
	if _, ok := m.Param("charset"); ok || !utf8.Valid(value) {
		return mediaType
	}
	return strings.TrimRight(mediaType, " \t;") + "; charset=utf-8"
}

// httpDate is an IMF-fixdate (RFC 9110 §5.6.7). The one that was made last is kept, as changes
// come many in a second.
func httpDate(t time.Time) string {
	seconds := t.Unix()
	if last := lastDate.Load(); last != nil && last.seconds == seconds {
		return last.text
	}
	d := &dateText{seconds, t.UTC().Format(http.TimeFormat)}
	lastDate.Store(d)
	return d.text
}

type dateText struct {
	seconds int64
	text    string
}

var lastDate atomic.Pointer[dateText]

package control

import (
	"cmp"
	"encoding"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"roost"
)

// Settings are those of roost.Config that can be told in JSON, with the names of its
// fields. What is left out, and a zero, is as the process was started with.
type Settings struct {
	Port   *int     `json:"port,omitempty" minimum:"0" maximum:"65535" doc:"Where to listen, on every interface unless the process was told otherwise; 0 lets the system choose. Not together with listen."`
	Listen []string `json:"listen,omitempty" minItems:"1" example:"[\"127.0.0.1:8080\"]" doc:"Where to listen: host:port, or unix:///path."`

	KeyFile  string   `json:"key_file,omitempty" doc:"PEM file with the private key, on the server's machine; with cert_file, every listener speaks TLS."`
	CertFile string   `json:"cert_file,omitempty" doc:"PEM file with the certificate chain."`
	Prefix   string   `json:"prefix,omitempty" doc:"The path below which a router in front of the server has it."`
	Hosts    []string `json:"hosts,omitempty" doc:"The names that the server answers to, and to no other."`
	CORS     []string `json:"cors,omitempty" doc:"The origins whose pages may read and write; * for all."`

	MaxURI             int       `json:"max_uri,omitempty" doc:"How many resources there can be; -1 is no limit."`
	MaxBytes           int64     `json:"max_bytes,omitempty" doc:"How long all values are together at most; no limit if it is left out."`
	MaxBodyBytes       int64     `json:"max_body_bytes,omitempty" doc:"The longest content of a request; -1 is no limit."`
	MaxPendingBytes    int64     `json:"max_pending_bytes,omitempty" doc:"All contents being received together; -1 is no limit."`
	MaxConns           int       `json:"max_conns,omitempty" doc:"Connections open together; -1 is no limit."`
	MaxQueuedCallbacks int       `json:"max_queued_callbacks,omitempty" doc:"Callbacks that wait for their turn; -1 is no limit."`
	MaxQueuedBytes     int64     `json:"max_queued_bytes,omitempty" doc:"Their content; -1 is no limit."`
	MaxWatchers        int       `json:"max_watchers,omitempty" doc:"Requests that wait for changes, as long polls and event streams; -1 is no limit."`
	MaxHooks           int       `json:"max_hooks,omitempty" doc:"Hooks of the program that run at once; -1 is no limit."`
	MaxRemembered      int       `json:"max_remembered,omitempty" doc:"Answers remembered for their Idempotency-Key; -1 is no limit."`
	Index              *bool     `json:"index,omitempty" doc:"GET of a path that ends in / and is no resource tells what is below it."`
	Timeouts           *Timeouts `json:"timeouts,omitempty"`

	Plane roost.Plane `json:"plane,omitempty" enum:"auto,fast,reference" doc:"What serves the connections: fast is event loops, in the clear and on Linux alone; reference is net/http."`

	MediaTypes            []string `json:"media_types,omitempty" doc:"Accepted in PUT and POST beside the document's six."`
	ContentSecurityPolicy string   `json:"content_security_policy,omitempty" doc:"Sent with every HTML and XML value."`
	BareChildren          bool     `json:"bare_children,omitempty" doc:"What POST makes starts with no method registered."`
}

// Timeouts are those of roost.Config.
type Timeouts struct {
	Idle        Duration `json:"idle,omitempty" doc:"A connection's silence between requests."`
	Head        Duration `json:"head,omitempty" doc:"A request's head."`
	Content     Duration `json:"content,omitempty" doc:"A request's content."`
	ContentRate int64    `json:"content_rate,omitempty" doc:"Octets that earn the content a second more."`
	Write       Duration `json:"write,omitempty" doc:"A client that takes nothing of an answer."`
	Hook        Duration `json:"hook,omitempty" doc:"A client that waits for a hook of the program."`
}

// Duration is a time.Duration that is text in JSON, such as "1m30s".
type Duration time.Duration

var _ encoding.TextMarshaler = Duration(0)

func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf(`%q is no duration: give one such as "15s" or "1m30s"`, text)
	}
	*d = Duration(parsed)
	return nil
}

// Schema describes a duration as the text that it is.
func (Duration) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Description: `A duration such as "15s"; a negative one is no limit.`, Examples: []any{"15s"}}
}

// apply fills what s gives into base.
func (s *Settings) apply(base roost.Config) roost.Config {
	c := base
	c.Port, c.Addr = 0, ""
	put(&c.KeyFile, s.KeyFile)
	put(&c.CertFile, s.CertFile)
	put(&c.Prefix, s.Prefix)
	put(&c.MaxURI, s.MaxURI)
	put(&c.MaxBytes, s.MaxBytes)
	put(&c.MaxBodyBytes, s.MaxBodyBytes)
	put(&c.MaxPendingBytes, s.MaxPendingBytes)
	put(&c.MaxConns, s.MaxConns)
	put(&c.MaxQueuedCallbacks, s.MaxQueuedCallbacks)
	put(&c.MaxQueuedBytes, s.MaxQueuedBytes)
	put(&c.MaxWatchers, s.MaxWatchers)
	put(&c.MaxHooks, s.MaxHooks)
	put(&c.MaxRemembered, s.MaxRemembered)
	if s.Index != nil {
		c.Index = *s.Index
	}
	put(&c.Plane, s.Plane)
	put(&c.ContentSecurityPolicy, s.ContentSecurityPolicy)
	put(&c.BareChildren, s.BareChildren)
	putAll(&c.Hosts, s.Hosts)
	putAll(&c.CORS, s.CORS)
	putAll(&c.MediaTypes, s.MediaTypes)
	if t := s.Timeouts; t != nil {
		put(&c.Timeouts.Idle, time.Duration(t.Idle))
		put(&c.Timeouts.Head, time.Duration(t.Head))
		put(&c.Timeouts.Content, time.Duration(t.Content))
		put(&c.Timeouts.ContentRate, t.ContentRate)
		put(&c.Timeouts.Write, time.Duration(t.Write))
		put(&c.Timeouts.Hook, time.Duration(t.Hook))
	}
	return c
}

func put[T comparable](to *T, v T) {
	if v != *new(T) {
		*to = v
	}
}

func putAll(to *[]string, v []string) {
	if v != nil {
		*to = v
	}
}

// settingsOf tells the settings of a running server, with the defaults in place.
func settingsOf(run *Running) Settings {
	c := run.Server.Config()
	s := Settings{
		KeyFile: c.KeyFile, CertFile: c.CertFile, Prefix: c.Prefix, Hosts: c.Hosts, CORS: c.CORS,
		MaxURI: c.MaxURI, MaxBytes: c.MaxBytes, MaxBodyBytes: c.MaxBodyBytes, MaxPendingBytes: c.MaxPendingBytes, MaxConns: c.MaxConns,
		MaxQueuedCallbacks: c.MaxQueuedCallbacks, MaxQueuedBytes: c.MaxQueuedBytes,
		MaxWatchers: c.MaxWatchers, MaxHooks: c.MaxHooks, MaxRemembered: c.MaxRemembered, Index: &c.Index,
		Timeouts: &Timeouts{
			Idle: Duration(c.Timeouts.Idle), Head: Duration(c.Timeouts.Head), Content: Duration(c.Timeouts.Content),
			ContentRate: c.Timeouts.ContentRate, Write: Duration(c.Timeouts.Write),
			Hook: Duration(c.Timeouts.Hook),
		},
		Plane:      c.Plane,
		MediaTypes: c.MediaTypes, ContentSecurityPolicy: c.ContentSecurityPolicy, BareChildren: c.BareChildren,
	}
	for _, l := range run.Listeners {
		s.Listen = append(s.Listen, l.Asked)
	}
	return s
}

// settingNames are the names that clients know, by those of roost.Config's fields.
var settingNames = func() map[string]string {
	names := make(map[string]string)
	t := reflect.TypeFor[Settings]()
	for i := range t.NumField() {
		field := t.Field(i)
		names[field.Name], _, _ = strings.Cut(field.Tag.Get("json"), ",")
	}
	return names
}()

var goName = regexp.MustCompile(`\b[A-Z]\w+\b`)

// inClientWords is what the library says of its settings, with the clients' names.
func inClientWords(s string) string {
	return goName.ReplaceAllStringFunc(s, func(name string) string { return cmp.Or(settingNames[name], name) })
}

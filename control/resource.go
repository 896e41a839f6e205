package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"roost"
	"roost/internal/condition"
)

// Resource is what is told of a resource.
type Resource struct {
	URI         string    `json:"uri" example:"/greeting" doc:"As the program wrote it."`
	Life        string    `json:"life" doc:"Names the time from its making to its removal; another resource at the same URI has another."`
	ContentType string    `json:"content_type" example:"text/html"`
	Methods     []string  `json:"methods" nullable:"false" enum:"GET,PUT,POST,DELETE" doc:"What it answers, by its own registration or that of the resource it was made under."`
	Size        int       `json:"size" doc:"Of its value, in octets."`
	ETag        string    `json:"etag" doc:"Its entity-tag, with the quotes."`
	Revision    uint64    `json:"revision" doc:"Of its last change; revisions rise with every change of any resource."`
	Modified    time.Time `json:"modified"`
	Expires     time.Time `json:"expires,omitzero" doc:"When it ceases to be there unless it is written again; left out for never."`
}

// ResourceWithValue is a resource and its value.
type ResourceWithValue struct {
	Resource
	Content
}

// resourceOf tells of r as it was with rep.
func resourceOf(r *roost.Resource, rep *roost.Representation) Resource {
	return Resource{
		URI: r.URI(), Life: r.Life(), ContentType: rep.MediaType(), Methods: r.Methods().Names(),
		Size: len(rep.Value()), ETag: rep.ETag(), Revision: rep.Revision(), Modified: rep.Modified(),
		Expires: rep.Expires(),
	}
}

// methodSet is the set of the methods with these names.
func methodSet(names []string) (set roost.Method, err error) {
	for _, name := range names {
		m, err := roost.ParseMethod(name)
		if err != nil {
			return 0, err
		}
		set |= m
	}
	return set, nil
}

// Target is the resource that a call is about.
type Target struct {
	URI  string `query:"uri" required:"true" example:"/greeting" doc:"The resource's URI, in any of its spellings."`
	Life string `query:"life" doc:"If given, the life that the resource must be in."`
}

// Preconditions are the fields of a change that must hold for it to be made (RFC 9110 §13.1).
type Preconditions struct {
	IfMatch     string `header:"If-Match" doc:"Entity-tags, of which the resource must have one; or *."`
	IfNoneMatch string `header:"If-None-Match" doc:"Entity-tags, of which the resource must have none."`

	match, noneMatch []string // all lines
}

// Resolve takes every line of the fields, of which the library reads the first.
func (p *Preconditions) Resolve(ctx huma.Context) []error {
	r, _ := humago.Unwrap(ctx)
	p.match, p.noneMatch = r.Header.Values("If-Match"), r.Header.Values("If-None-Match")
	return nil
}

// conditions are what the fields ask for.
func (p *Preconditions) conditions() (all []roost.Condition) {
	if lines := p.match; len(lines) > 0 && !condition.Any(lines) {
		all = append(all, func(present *roost.Representation) bool { return condition.Strong(lines, present.ETag()) })
	}
	if lines := p.noneMatch; len(lines) > 0 {
		all = append(all, func(present *roost.Representation) bool {
			return !condition.Any(lines) && !condition.Weak(lines, present.ETag())
		})
	}
	return all
}

// find looks the target up.
func (a *API) find(t Target) (*roost.Resource, error) {
	s, err := a.engine.server()
	if err != nil {
		return nil, a.problemOf(err)
	}
	r, err := s.GetResource(t.URI)
	if err != nil {
		return nil, a.problemOf(err)
	}
	if t.Life != "" && t.Life != r.Life() {
		return nil, problemNotFound.with(fmt.Sprintf("the resource %q in the life %q was removed; the one that is there now is another", t.URI, t.Life))
	}
	return r, nil
}

type (
	resourceAnswer          struct{ Body Resource }
	resourceWithValueAnswer struct{ Body ResourceWithValue }
)

func (a *API) registerResources(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/resources", "list-resources", "List resources",
		"Page by page; the field Link has the URL of the next page.", problemNotRunning), a.listResources)

	add := operation(http.MethodPost, "/v1/resources", "add-resource", "Add a resource",
		"The document's `add_resource`. The resource answers no method yet.",
		problemNotRunning, problemExists, problemFull, problemURI, problemSetting)
	add.DefaultStatus, add.MaxBodyBytes = http.StatusCreated, maxValueBytes
	huma.Register(api, add, a.addResource)

	huma.Register(api, operation(http.MethodGet, "/v1/resource", "get-resource", "Get a resource",
		"The document's `get_resource` and `value`.", problemNotRunning, problemNotFound, problemURI), a.getResource)
	huma.Register(api, operation(http.MethodDelete, "/v1/resource", "remove-resource", "Remove a resource",
		"The document's `remove_resource`. Resources below it stay.", problemNotRunning, problemNotFound, problemPrecondition, problemURI), a.removeResource)
	set := operation(http.MethodPut, "/v1/resource/value", "set-value", "Set a resource's value",
		"The document's `value`. It is visible to every reader when the call is answered.",
		problemNotRunning, problemNotFound, problemPrecondition, problemFull, problemURI, problemSetting)
	set.MaxBodyBytes = maxValueBytes
	huma.Register(api, set, a.setValue)
	huma.Register(api, operation(http.MethodPut, "/v1/resource/ttl", "set-ttl", "Set a resource's time to live",
		"How long each value lives from its writing, the present one from now.",
		problemNotRunning, problemNotFound, problemFull, problemURI, problemSetting), a.setTTL)
	huma.Register(api, operation(http.MethodPut, "/v1/resource/handler", "register-request-handler", "Register a request handler",
		"The document's `register_request_handler`. It replaces what was registered, methods and callback both.",
		problemNotRunning, problemNotFound, problemFull, problemURI), a.registerHandler)
}

type listing struct {
	Prefix string `query:"prefix" doc:"What their URIs begin with."`
	Order  string `query:"order" enum:"uri,created" default:"uri" doc:"By URI, or by age."`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many at most."`
	After  string `query:"after" doc:"The next of the page before."`
}

// ResourceList is a page of a listing.
type ResourceList struct {
	Resources []Resource `json:"resources" nullable:"false"`
	Next      string     `json:"next,omitempty" doc:"What after takes for the next page; left out on the last."`
}

type listingAnswer struct {
	Link string `header:"Link" doc:"The URL of the next page, as rel=\"next\"."`
	Body ResourceList
}

func (a *API) listResources(_ context.Context, in *listing) (*listingAnswer, error) {
	s, err := a.engine.server()
	if err != nil {
		return nil, a.problemOf(err)
	}
	list := listByURI
	if in.Order == "created" {
		list = listByAge
	}
	page, next, err := list(s, in)
	if err != nil {
		return nil, err
	}
	answer := new(listingAnswer)
	answer.Body.Resources = []Resource{}
	for _, r := range page {
		if rep, err := r.Representation(); err == nil { // else it was removed meanwhile
			answer.Body.Resources = append(answer.Body.Resources, resourceOf(r, rep))
		}
	}
	if next != "" {
		answer.Body.Next = next
		query := url.Values{"prefix": {in.Prefix}, "order": {in.Order}, "limit": {strconv.Itoa(in.Limit)}, "after": {next}}
		answer.Link = "</v1/resources?" + query.Encode() + `>; rel="next"`
	}
	return answer, nil
}

func listByURI(s *roost.Server, in *listing) (page []*roost.Resource, next string, err error) {
	for r := range s.Resources(in.Prefix, in.After) {
		if len(page) == in.Limit {
			return page, page[in.Limit-1].URI(), nil
		}
		page = append(page, r)
	}
	return page, "", nil
}

// listByAge keeps no order of its own: it looks at every resource, as few as there
// mostly are.
func listByAge(s *roost.Server, in *listing) (page []*roost.Resource, next string, err error) {
	after := uint64(0)
	if in.After != "" {
		if after, err = strconv.ParseUint(in.After, 10, 64); err != nil {
			return nil, "", problemRequest.with("after is the next of a page in the same order, here a number")
		}
	}
	for r := range s.Resources(in.Prefix, "") {
		if r.Created() > after {
			page = append(page, r)
		}
	}
	slices.SortFunc(page, func(x, y *roost.Resource) int { return cmp.Compare(x.Created(), y.Created()) })
	if len(page) > in.Limit {
		page = page[:in.Limit]
		next = strconv.FormatUint(page[in.Limit-1].Created(), 10)
	}
	return page, next, nil
}

// NewResource is a resource that is to be made. Its value is the text 0 if none is given.
type NewResource struct {
	URI          string   `json:"uri" example:"/greeting"`
	ContentType  string   `json:"content_type,omitempty" example:"text/plain" doc:"text/html if it is left out."`
	CacheControl string   `json:"cache_control,omitempty" doc:"The Cache-Control field of its answers; no-cache if it is left out."`
	TTL          Duration `json:"ttl,omitempty" doc:"How long each value lives from its writing; for ever if it is left out."`
	ClientTTL    bool     `json:"client_ttl,omitempty" doc:"Clients may give the time to live of what they PUT and POST, in the field Roost-TTL."`
	Content
}

func (a *API) addResource(ctx context.Context, in *struct{ Body NewResource }) (*resourceWithValueAnswer, error) {
	s, err := a.engine.server()
	if err != nil {
		return nil, a.problemOf(err)
	}
	options, err := in.Body.options()
	if err != nil {
		return nil, problemRequest.with(err.Error())
	}
	r, err := s.AddResource(ctx, in.Body.URI, options...)
	if err != nil {
		return nil, a.problemOf(err)
	}
	return a.withValue(r)
}

func (n *NewResource) options() ([]roost.Option, error) {
	value, given, err := n.octets()
	var options []roost.Option
	if given {
		options = append(options, roost.WithValue(value))
	}
	if n.ContentType != "" {
		options = append(options, roost.WithContentType(n.ContentType))
	}
	if n.CacheControl != "" {
		options = append(options, roost.WithCacheControl(n.CacheControl))
	}
	if n.ClientTTL {
		options = append(options, roost.WithClientTTL())
	}
	options = append(options, roost.WithTTL(time.Duration(n.TTL)))
	return options, err
}

func (a *API) withValue(r *roost.Resource) (*resourceWithValueAnswer, error) {
	rep, err := r.Representation()
	if err != nil {
		return nil, a.problemOf(err)
	}
	return &resourceWithValueAnswer{Body: ResourceWithValue{resourceOf(r, rep), contentOf(rep.Value())}}, nil
}

func (a *API) withoutValue(r *roost.Resource) (*resourceAnswer, error) {
	rep, err := r.Representation()
	if err != nil {
		return nil, a.problemOf(err)
	}
	return &resourceAnswer{Body: resourceOf(r, rep)}, nil
}

func (a *API) getResource(_ context.Context, in *Target) (*resourceWithValueAnswer, error) {
	r, err := a.find(*in)
	if err != nil {
		return nil, err
	}
	return a.withValue(r)
}

func (a *API) removeResource(ctx context.Context, in *struct {
	Target
	Preconditions
}) (*struct{}, error) {
	r, err := a.find(in.Target)
	if err != nil {
		return nil, err
	}
	if err := r.Remove(ctx, in.conditions()...); err != nil {
		return nil, a.problemOf(err)
	}
	return nil, nil
}

// NewValue is a value that is to replace the present one.
type NewValue struct {
	ContentType string `json:"content_type,omitempty" doc:"Its media type; the present one stays if it is left out."`
	Content
}

var errNoValue = errors.New("neither value nor base64 is given: give one")

func (a *API) setValue(ctx context.Context, in *struct {
	Target
	Preconditions
	Body NewValue
}) (*resourceAnswer, error) {
	value, given, err := in.Body.octets()
	if err == nil && !given {
		err = errNoValue
	}
	if err != nil {
		return nil, problemRequest.with(err.Error())
	}
	r, err := a.find(in.Target)
	if err != nil {
		return nil, err
	}
	rep, err := represent(ctx, r, value, in.Body.ContentType, in.conditions())
	if err != nil {
		return nil, a.problemOf(err)
	}
	return &resourceAnswer{Body: resourceOf(r, rep)}, nil
}

func represent(ctx context.Context, r *roost.Resource, value []byte, mediaType string, conditions []roost.Condition) (*roost.Representation, error) {
	if mediaType == "" {
		return r.SetValue(ctx, value, conditions...)
	}
	return r.SetRepresentation(ctx, value, mediaType, conditions...)
}

// TimeToLive is how long a resource's values live.
type TimeToLive struct {
	TTL Duration `json:"ttl" doc:"0s for ever."`
}

func (a *API) setTTL(ctx context.Context, in *struct {
	Target
	Body TimeToLive
}) (*resourceAnswer, error) {
	r, err := a.find(in.Target)
	if err != nil {
		return nil, err
	}
	err = r.SetTTL(ctx, time.Duration(in.Body.TTL))
	if err != nil {
		return nil, a.problemOf(err)
	}
	return a.withoutValue(r)
}

// Handler is what a resource is to answer, and whom it tells.
type Handler struct {
	Methods    []string `json:"methods" nullable:"false" enum:"GET,PUT,POST,DELETE" doc:"What it answers, and nothing else; with none it answers nothing."`
	Subscriber string   `json:"subscriber,omitempty" pattern:"^[A-Za-z0-9._-]{1,64}$" doc:"Who is told of its requests, by an event each; nobody if it is left out."`
	Callback   string   `json:"callback,omitempty" maxLength:"256" doc:"Any text, which comes back in those events."`
}

func (a *API) registerHandler(ctx context.Context, in *struct {
	Target
	Body Handler
}) (*resourceAnswer, error) {
	if in.Body.Callback != "" && in.Body.Subscriber == "" {
		return nil, problemRequest.with("callback is given without subscriber: give both")
	}
	r, err := a.find(in.Target)
	if err != nil {
		return nil, err
	}
	methods, err := methodSet(in.Body.Methods)
	if err != nil {
		return nil, a.problemOf(err)
	}
	callback, err := a.callback(in.Body.Subscriber, in.Body.Callback)
	if err == nil {
		err = r.RegisterRequestHandler(ctx, methods, callback)
	}
	if err != nil {
		return nil, a.problemOf(err)
	}
	return a.withoutValue(r)
}

// callback makes events for a subscriber; it is nil where there is none.
func (a *API) callback(name, token string) (roost.Callback, error) {
	if name == "" {
		return nil, nil
	}
	if _, err := a.engine.subscribers.get(name); err != nil {
		return nil, err
	}
	return func(x *roost.Exchange) {
		a.engine.subscribers.deliver(name, func(number uint64) []byte { return encodeEvent(number, token, x) })
	}, nil
}

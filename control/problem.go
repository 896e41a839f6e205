package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"

	"github.com/danielgtaylor/huma/v2"

	"roost"
	"roost/store"
)

// Problem is an answer of 400 or more: problem details (RFC 9457). docs/control-api.md
// lists every type with what to do.
type Problem struct {
	Type   string              `json:"type" example:"urn:roost:problem:not-found" doc:"Stable: test for it, not for the texts."`
	Title  string              `json:"title"`
	Status int                 `json:"status"`
	Detail string              `json:"detail,omitempty" doc:"What is wrong with what was sent, and what to do."`
	Errno  int                 `json:"errno,omitempty" doc:"With cannot-listen: the system's error number."`
	Errors []*huma.ErrorDetail `json:"errors,omitempty" doc:"With invalid-request: what is wrong, and where."`
}

func (p *Problem) Error() string  { return p.Title + ": " + p.Detail }
func (p *Problem) GetStatus() int { return p.Status }

// ContentType makes the library send problem details as what they are.
func (p *Problem) ContentType(string) string { return problemType }

const (
	problemType   = "application/problem+json"
	problemPrefix = "urn:roost:problem:"
)

// problemKind is everything about a refusal that is the same each time.
type problemKind struct {
	name   string
	status int
	title  string
}

// Every kind of refusal.
var (
	problemRequest      = problemKind{"invalid-request", 422, "Invalid request"}
	problemSetting      = problemKind{"invalid-setting", 400, "Invalid setting"}
	problemURI          = problemKind{"invalid-uri", 400, "Invalid URI"}
	problemToken        = problemKind{"token-required", 401, "Token required"}
	problemNotFound     = problemKind{"not-found", 404, "No such resource"}
	problemPath         = problemKind{"no-such-call", 404, "No such call"}
	problemSubscriber   = problemKind{"no-such-subscriber", 404, "No such subscriber"}
	problemMethod       = problemKind{"method-not-allowed", 405, "Method not allowed"}
	problemLate         = problemKind{"late-content", 408, "Content came too slowly"}
	problemExists       = problemKind{"resource-exists", 409, "Resource exists"}
	problemRunning      = problemKind{"server-running", 409, "Server is running"}
	problemNotRunning   = problemKind{"server-not-running", 409, "Server is not running"}
	problemListen       = problemKind{"cannot-listen", 409, "Cannot listen"}
	problemPrecondition = problemKind{"precondition-failed", 412, "Precondition failed"}
	problemTooLarge     = problemKind{"content-too-large", 413, "Content too large"}
	problemMediaType    = problemKind{"media-type-not-accepted", 415, "Media type not accepted"}
	problemHost         = problemKind{"misdirected", 421, "Misdirected request"}
	problemInternal     = problemKind{"internal", 500, "Internal error"}
	problemUnavailable  = problemKind{"store-unavailable", 503, "Store unavailable"}
	problemUnknown      = problemKind{"outcome-unknown", 503, "Outcome unknown"}
	problemFull         = problemKind{"full", 507, "No room"}
)

func (k problemKind) with(detail string) *Problem {
	return &Problem{Type: problemPrefix + k.name, Title: k.title, Status: k.status, Detail: sentence(detail)}
}

// sentence makes the text of an error one.
func sentence(s string) string {
	if s == "" {
		return s
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}

// write sends the problem where the library is not asked.
func (p *Problem) write(w http.ResponseWriter) {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and numbers
	}
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	w.Write(append(b, '\n'))
}

// problemResponse describes the answers of one status, which may have several kinds.
func problemResponse(before *huma.Response, k problemKind) *huma.Response {
	if before != nil {
		before.Description += "; `" + k.name + "`"
		return before
	}
	description := k.title
	if k.name != "" {
		description = "`" + k.name + "`"
	}
	return &huma.Response{
		Description: description,
		Content:     map[string]*huma.MediaType{problemType: {Schema: &huma.Schema{Ref: "#/components/schemas/Problem"}}},
	}
}

// byStatus are the kinds of what the library refuses by itself.
var byStatus = map[int]problemKind{
	http.StatusBadRequest:            problemRequest,
	http.StatusUnprocessableEntity:   problemRequest,
	http.StatusRequestTimeout:        problemLate,
	http.StatusRequestEntityTooLarge: problemTooLarge,
	http.StatusUnsupportedMediaType:  problemMediaType,
}

// explain gives the library's own refusals the form of all others.
func explain(_ huma.Context, _ string, v any) (any, error) {
	model, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	k, ok := byStatus[model.Status]
	if !ok {
		k = problemInternal
	}
	errs := model.Errors[:min(len(model.Errors), maxErrors)]
	parts := []string{}
	for _, e := range errs {
		parts = append(parts, e.Location+": "+e.Message)
		e.Value = nil // the client knows it, and it may be long
	}
	if more := len(model.Errors) - len(errs); more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	if k == problemMediaType {
		parts = append(parts, "send JSON, with Content-Type: application/json")
	}
	p := k.with(strings.TrimSuffix(model.Detail+": "+strings.Join(parts, "; "), ": "))
	p.Status, p.Errors = model.Status, errs
	return p, nil
}

// maxErrors is how many of a request's errors are told of.
const maxErrors = 10

// kinds maps what the library may fail for. The first that fits counts.
var kinds = []struct {
	err  error
	kind problemKind
}{
	{ErrNotRunning, problemNotRunning},
	{ErrRunning, problemRunning},
	{ErrListen, problemListen},
	{errNoSubscriber, problemSubscriber},
	{errSubscribers, problemFull},
	{roost.ErrExist, problemExists},
	{roost.ErrNotExist, problemNotFound},
	{roost.ErrPrecondition, problemPrecondition},
	{roost.ErrFull, problemFull},
	{roost.ErrURI, problemURI},
	{roost.ErrConfig, problemSetting},
	{roost.ErrClosed, problemNotRunning},
	{store.ErrUnknown, problemUnknown},
	{store.ErrUnavailable, problemUnavailable},
}

// detail is what the library says of err, in the words of this API.
func (k problemKind) detail(err error) string {
	var e *roost.Error
	switch {
	case k == problemSetting && errors.As(err, &e):
		return inClientWords(err.Error())
	case k == problemExists && errors.As(err, &e):
		return fmt.Sprintf("there is a resource %q already, in this or another spelling: get it, or remove it first", e.URI)
	case k == problemFull && errors.Is(err, roost.ErrFull) && !errors.Is(err, store.ErrFull):
		return "the server holds as many resources as max_uri allows: remove one, or start it with more"
	}
	return err.Error()
}

// problemOf is the answer that stands for err.
func (a *API) problemOf(err error) error {
	for _, k := range kinds {
		if !errors.Is(err, k.err) {
			continue
		}
		p := k.kind.with(k.kind.detail(err))
		var errno syscall.Errno
		if k.kind == problemListen && errors.As(err, &errno) {
			p.Errno = int(errno)
		}
		return p
	}
	a.log.Error("control call failed", "error", err)
	return problemInternal.with("The call failed. The log has the details.")
}

// Package control is the interface by which other programs manage a Roost server:
// HTTP with JSON on an address of its own, never on those where resources are
// served. It can do what the library can: start and stop the server with its
// settings, add, read, change, list and remove resources, register request
// handlers, and stream the requests that callbacks are told of.
//
// [NewEngine] makes the place where one server at a time runs, [New] the API over it,
// [Listen] an address that only this machine reaches, and [API.Serve] serves there.
// spec/control-openapi.json describes every call, docs/control-api.md shows them.
//
// It serves no pages, and no resources: those are for package roost.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path"
	"reflect"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"golang.org/x/net/netutil"
)

// API is the control API over an engine. Make one with New. All methods may be called
// from many goroutines at once.
type API struct {
	engine      *Engine
	token       string
	log         *slog.Logger
	mux         *http.ServeMux
	description []byte
	private     *http.Server // of Unix sockets, whose mode decides who may connect
	guarded     *http.Server // of TCP addresses, where everybody on this machine may

	finishing chan struct{} // closed when streams shall end once they have sent everything
	ending    sync.Once
}

// Config is the settings of an API.
type Config struct {
	// Token is what clients on a TCP address must send as "Authorization: Bearer TOKEN".
	// Serve refuses such an address without it. On a Unix socket nobody is asked.
	Token string

	// Logger gets what has no caller to be returned to. Default: slog.Default().
	Logger *slog.Logger
}

// The limits of what a client may send, and of the time that it may take for it. A
// value of Config.MaxBodyBytes octets, sent as base64, has to fit.
const (
	maxHeadBytes  = 32 << 10
	maxValueBytes = 64 << 20 // of a body with a value
	maxBodyBytes  = 1 << 20  // of any other
	headTime      = 5 * time.Second
	bodyTime      = 30 * time.Second
)

// What others on this machine can hold of the process: connections to a TCP address,
// and each of them while it is silent.
const (
	maxConns = 256
	idleTime = time.Minute
)

// New makes the API over engine. Nothing listens yet.
func New(engine *Engine, cfg Config) *API {
	a := &API{engine: engine, token: cfg.Token, log: cfg.Logger, mux: http.NewServeMux(), finishing: make(chan struct{})}
	if a.log == nil {
		a.log = slog.Default()
	}
	a.description = a.register()
	a.private = a.newServer(a)
	a.guarded = a.newServer(http.HandlerFunc(a.serveGuarded))
	a.guarded.IdleTimeout = idleTime
	return a
}

func (a *API) newServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:                      h,
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            headTime,
		MaxHeaderBytes:               maxHeadBytes,
		ErrorLog:                     slog.NewLogLogger(a.log.Handler(), slog.LevelWarn),
	}
}

// describing is what the description says of the API as a whole.
const describing = `Manages a Roost server on this machine. On a TCP address every request carries the token; on a Unix socket the file's mode decides who may ask.

Octets survive exactly: a value that is UTF-8 text stands in "value" (in an event in "body"), any other in "base64". Errors are problem details (RFC 9457) whose "type" is stable.`

// register adds every operation, and returns the description made of them.
func (a *API) register() []byte {
	cfg := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: "Roost control API", Version: "1", Description: describing},
			Components: &huma.Components{
				Schemas:         huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer", Description: "On a TCP address."}},
			},
			Security: []map[string][]string{{"token": {}}, {}},
		},
		Formats:                      map[string]huma.Format{"application/json": strictJSON, "json": strictJSON},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{explain},
	}
	cfg.Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "")
	api := humago.New(a.mux, cfg)
	a.registerServer(api)
	a.registerResources(api)
	a.registerEvents(api)
	a.mux.HandleFunc("GET /v1/openapi.json", a.describe)
	a.mux.HandleFunc("/", a.unknown)

	// The library's own form of an error is never sent (see explain).
	delete(api.OpenAPI().Components.Schemas.Map(), "ErrorModel")
	b, err := json.MarshalIndent(api.OpenAPI(), "", "  ")
	if err != nil {
		panic(err) // made of this package's own types
	}
	return append(b, '\n')
}

// operation is what every call's description has in common. Problems are those that
// it may answer, beside those of any call.
func operation(method, path, id, summary, description string, problems ...problemKind) huma.Operation {
	op := huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary, Description: description,
		MaxBodyBytes: maxBodyBytes, BodyReadTimeout: bodyTime,
		Responses: map[string]*huma.Response{},
	}
	for _, k := range append(problems, problemRequest) {
		op.Responses[fmt.Sprint(k.status)] = problemResponse(op.Responses[fmt.Sprint(k.status)], k)
	}
	op.Responses["default"] = problemResponse(nil, problemKind{title: "Any other problem"})
	return op
}

// Description returns the OpenAPI 3.1 description of the API, as it is served.
func (a *API) Description() []byte { return a.description }

func (a *API) describe(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/openapi+json")
	w.Write(a.description)
}

// ServeHTTP answers a call that was let in. Serve guards TCP addresses; a program that
// mounts the API elsewhere does that itself.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer a.recover(w, r)
	prepare(w)
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
	if path.Clean(r.URL.Path) != r.URL.Path { // the mux would redirect to another path
		a.unknown(w, r)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// prepare sets what every answer says.
func prepare(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
}

func (a *API) recover(w http.ResponseWriter, r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler {
		panic(v)
	}
	a.log.Error("control call panicked", "method", r.Method, "path", r.URL.Path, "panic", v, "stack", string(debug.Stack()))
	problemInternal.with("The call failed. The log has the details.").write(w)
}

// unknown answers what no operation does.
func (a *API) unknown(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := a.mux.Handler(other); strings.HasPrefix(pattern, method+" ") && path.Clean(r.URL.Path) == r.URL.Path {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		problemPath.with("There is no such call. /v1/openapi.json describes them all.").write(w)
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	problemMethod.with("This call is made with " + strings.Join(allowed, " or ") + ".").write(w)
}

// Serve answers calls on l until Shutdown or Close, and then returns nil. l must be a
// Unix socket or a TCP address of the loopback interface; see Listen. It closes l.
func (a *API) Serve(l net.Listener) error {
	if err := a.checkListener(l); err != nil {
		l.Close()
		return fmt.Errorf("serve the control API on %s: %w", l.Addr(), err)
	}
	var err error
	if isPrivate(l) {
		err = a.private.Serve(l)
	} else {
		err = a.guarded.Serve(netutil.LimitListener(l, maxConns))
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func isPrivate(l net.Listener) bool { return l.Addr().Network() == "unix" }

func (a *API) checkListener(l net.Listener) error {
	tcp, ok := l.Addr().(*net.TCPAddr)
	switch {
	case isPrivate(l):
		return nil
	case !ok || !tcp.IP.IsLoopback():
		return errNotLoopback
	case a.token == "":
		return errors.New("a TCP address needs a token")
	}
	return nil
}

// Shutdown ends the API: calls under way finish, and streams end once they have sent
// the events that are held. When ctx is done first, what is still open is cut off, and
// the error is ctx's. The engine is left as it is.
func (a *API) Shutdown(ctx context.Context) error {
	a.ending.Do(func() { close(a.finishing) })
	err := errors.Join(a.private.Shutdown(ctx), a.guarded.Shutdown(ctx))
	return errors.Join(err, a.Close())
}

// Close ends the API at once.
func (a *API) Close() error { return errors.Join(a.private.Close(), a.guarded.Close()) }

package control

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Server is what is told of the server.
type Server struct {
	Running   bool           `json:"running"`
	Since     *time.Time     `json:"since,omitempty" doc:"When it was started."`
	Listeners []ListenerInfo `json:"listeners" nullable:"false" doc:"Where it listens."`
	Resources int            `json:"resources" doc:"How many there are."`
	Settings  *Settings      `json:"settings,omitempty" doc:"As they are in force, with the defaults."`
}

// ListenerInfo is what is told of a listener.
type ListenerInfo struct {
	Asked   string `json:"asked" example:"127.0.0.1:80" doc:"The address that was to be opened."`
	Address string `json:"address" example:"127.0.0.1:8080" doc:"The address that is open: another one where the system chose the port, or a port is mapped."`
	URL     string `json:"url" example:"http://127.0.0.1:8080" doc:"The beginning of its URLs; unix:///path for a Unix socket."`
}

// URL is the beginning of what l serves: "unix:///path" for a Unix socket.
func (l Listener) URL() string {
	if l.TLS {
		return URL("https", l.Addr())
	}
	return URL("http", l.Addr())
}

// URL is the beginning of what is served at addr; for a Unix socket it is "unix://" and
// the path as it is, which the flags take.
func URL(scheme string, addr net.Addr) string {
	if addr.Network() == "unix" {
		return "unix://" + addr.String()
	}
	return (&url.URL{Scheme: scheme, Host: addr.String()}).String()
}

type serverAnswer struct{ Body Server }

// StopTime is how long open requests may take to finish when the server is stopped.
const StopTime = 10 * time.Second

func (a *API) registerServer(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/server", "get-server", "Tell of the server",
		"Whether it runs, where it listens, and its settings."), a.getServer)

	start := operation(http.MethodPost, "/v1/server", "start-server", "Start the server",
		"The document's `init`. What a setting leaves out is as the process was started with; without a body, all is. It starts with no resources, but for those that a store keeps.",
		problemRunning, problemSetting, problemListen)
	start.DefaultStatus = http.StatusCreated
	huma.Register(api, start, a.startServer)

	huma.Register(api, operation(http.MethodDelete, "/v1/server", "stop-server", "Stop the server",
		"The document's `deinit`. The listeners close, requests that are open finish within 10 seconds, the callbacks that are due become events, and the resources are gone. The process and this API stay.",
		problemNotRunning), a.stopServer)
}

func (a *API) getServer(context.Context, *struct{}) (*serverAnswer, error) {
	return &serverAnswer{Body: serverOf(a.engine.Running())}, nil
}

func (a *API) startServer(ctx context.Context, in *struct{ Body *Settings }) (*serverAnswer, error) {
	var s Settings
	if in.Body != nil {
		s = *in.Body
	}
	run, err := a.engine.Start(ctx, s, nil)
	if err != nil {
		return nil, a.problemOf(err)
	}
	return &serverAnswer{Body: serverOf(run)}, nil
}

// stopServer goes on when the client goes away: it may be a program that ends.
func (a *API) stopServer(ctx context.Context, _ *struct{}) (*struct{}, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), StopTime)
	defer cancel()
	err := a.engine.Stop(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		a.log.Warn("server stopped; requests still open were cut off", "after", StopTime)
		return nil, nil
	}
	if err != nil {
		return nil, a.problemOf(err)
	}
	return nil, nil
}

func serverOf(run *Running) Server {
	s := Server{Listeners: []ListenerInfo{}}
	if run == nil {
		return s
	}
	settings := settingsOf(run)
	s.Running, s.Since, s.Settings = true, &run.Since, &settings
	s.Resources = run.Server.CountResources()
	for _, l := range run.Listeners {
		s.Listeners = append(s.Listeners, ListenerInfo{Asked: l.Asked, Address: l.Addr().String(), URL: l.URL()})
	}
	return s
}

package roost_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"roost"
)

// A resource with a callback, asked by a client.
func Example() {
	ctx := context.Background()
	srv, err := roost.New(ctx, roost.Config{Addr: "127.0.0.1:0"})
	check(err)
	res, err := srv.AddResource(ctx, "/greeting", roost.WithString("Hello Client!"))
	check(err)
	check(res.RegisterRequestHandler(ctx, roost.GET, func(e *roost.Exchange) {
		fmt.Println(e.Method, e.URI, e.Status)
	}))
	check(srv.Start())

	resp, err := http.Get("http://" + srv.Addr().String() + "/greeting")
	check(err)
	body, err := io.ReadAll(resp.Body)
	check(err)
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	check(srv.Shutdown(ctx)) // delivers what is due
	fmt.Println(string(body))
	// Output:
	// GET /greeting 200
	// Hello Client!
}

// Mounted below a path of another router.
func ExampleServer_ServeHTTP() {
	ctx := context.Background()
	srv, err := roost.New(ctx, roost.Config{Prefix: "/api"})
	check(err)
	defer srv.Close()
	notes, err := srv.AddResource(ctx, "/notes")
	check(err)
	check(notes.RegisterRequestHandler(ctx, roost.GET|roost.PUT, nil))

	mux := http.NewServeMux()
	mux.Handle("/api/", srv)

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("PUT", "/api/notes", strings.NewReader("first")))
	fmt.Println(w.Code, w.Header().Get("Content-Location"), notes)
	// Output:
	// 204 /api/notes first
}

// A child that a client made answers as the resource it was made under.
func ExampleResource_RegisterRequestHandler() {
	ctx := context.Background()
	srv, err := roost.New(ctx, roost.Config{})
	check(err)
	defer srv.Close()
	notes, err := srv.AddResource(ctx, "/notes")
	check(err)
	check(notes.RegisterRequestHandler(ctx, roost.GET|roost.POST, nil))

	w := httptest.NewRecorder()
	srv.ServeHTTP(w, httptest.NewRequest("POST", "/notes", strings.NewReader("a note")))
	child, err := srv.GetResource(w.Header().Get("Location"))
	check(err)
	fmt.Println(child, child.Methods())
	// Output:
	// a note GET|POST
}

// check ends an example that can't go on.
func check(err error) {
	if err != nil {
		panic(err)
	}
}

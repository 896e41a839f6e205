package disk_test

import (
	"context"
	"fmt"
	"os"

	"roost"
	"roost/store/disk"
)

// A server whose resources survive. What is stored is there after New, and nobody is served
// before Start: between the two a program registers its callbacks, which are not kept.
func Example_server() {
	folder, err := os.MkdirTemp("", "example-")
	check(err)
	defer os.RemoveAll(folder)
	for _, add := range []bool{true, false} { // as if the program ran twice
		ctx := context.Background()
		values, err := disk.Open(folder, disk.Options{})
		check(err)
		srv, err := roost.New(ctx, roost.Config{Addr: "127.0.0.1:0", Store: values})
		check(err)
		if add {
			_, err = srv.AddResource(ctx, "/greeting", roost.WithString("Hello Client!"))
			check(err)
		}
		greeting, err := srv.GetResource("/greeting")
		check(err)
		check(greeting.RegisterRequestHandler(ctx, roost.GET|roost.PUT, func(e *roost.Exchange) {
			fmt.Println(e.Method, e.URI, e.Status)
		}))
		check(srv.Start())
		fmt.Println(greeting.String())
		check(srv.Shutdown(ctx))
		check(values.Close()) // the server does not close what it was given
	}
	// Output:
	// Hello Client!
	// Hello Client!
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

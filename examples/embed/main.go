// Command embed is the smallest program with a face: it serves one value over
// HTTP, lets clients change it, and says so when they do.
//
//	go run . [host:port]
//
// Then, from another terminal:
//
//	curl http://127.0.0.1:8080/greeting
//	curl -X PUT -H 'Content-Type: text/plain' -d 'Hello yourself!' http://127.0.0.1:8080/greeting
//
// Ctrl-C stops it.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	"roost"
)

func main() {
	// Only this machine can reach 127.0.0.1. An address such as ":8080" is open
	// to the network, and port 0 lets the system choose one.
	addr := "127.0.0.1:8080"
	if len(os.Args) > 1 {
		addr = os.Args[1]
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, addr); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx is done.
func run(ctx context.Context, addr string) error {
	// The zero Config is complete; every field of it has a default.
	srv, err := roost.New(ctx, roost.Config{Addr: addr})
	if err != nil {
		return err
	}
	defer srv.Close()

	// A resource is a URI with a value. It is served to nobody yet.
	greeting, err := srv.AddResource(ctx, "/greeting",
		roost.WithContentType(roost.Plain), roost.WithString("Hello Client!"))
	if err != nil {
		return err
	}

	// Now clients can read and replace it, and nothing else. The function is
	// called after each answer, one at a time, so it needs no lock.
	if err := greeting.RegisterRequestHandler(ctx, roost.GET|roost.PUT, func(x *roost.Exchange) {
		fmt.Printf("%s %s: %d; the value is %q\n", x.Method, x.URI, x.Status, greeting.String())
	}); err != nil {
		return err
	}

	// Start listens, then serves in the background: the program goes on.
	if err := srv.Start(); err != nil {
		return err
	}
	fmt.Printf("http://%s/greeting\n", srv.Addr())

	// This program has nothing else to do, so it waits. Then it lets requests that
	// are under way finish, for some seconds at most.
	<-ctx.Done()
	grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return srv.Shutdown(grace)
}

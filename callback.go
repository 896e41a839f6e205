package roost

import (
	"crypto/tls"
	"net/http"
	"time"
)

// Exchange is a request and its answer, as a callback is told of them.
type Exchange struct {
	URI    string      // of the resource, as the program registered it
	Method Method      // GET, PUT, POST or DELETE
	Header http.Header // every field line, Host and Content-Length too; read-only
	Body   []byte      // read-only; empty where the content could not be had whole
	NewURI string      // of the resource that a POST created, else empty
	Status int

	Query string // of the target, without the "?"
	Peer  string // the client's address
	TLS   *tls.ConnectionState
	Time  time.Time // when the head of the request was read
}

// Callback is told of each request for a resource, of the methods that it was
// registered with, whatever the answer was. It runs after the answer was
// written. A server runs its callbacks one at a time, apart from its
// connections: for one URI in the order of the changes, for one connection in
// the order of the responses, otherwise as they finish. So a program that keeps a
// copy of a value by its callback ends with the newest.
//
// A callback may use the server in every way, Shutdown included. What it should
// not do is to wait for a request of its own to this server: while the queue of
// callbacks is full, that request's connection waits for the callback to return.
// A panic is logged, and the next callback runs.
type Callback func(*Exchange)

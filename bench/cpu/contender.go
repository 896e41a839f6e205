//go:build unix

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"roost/bench"
)

// request is what a load repeats, as it goes over the wire.
type request struct {
	name, what string
	octets     []byte
	status     string
}

var requests = []request{
	{"GET", "GET of 100 octets", []byte("GET " + bench.URI + " HTTP/1.1\r\n" +
		"Host: 127.0.0.1:8080\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"), "200"},
	{"PUT", "PUT of 100 octets", []byte("PUT " + bench.URI + " HTTP/1.1\r\n" +
		"Host: 127.0.0.1:8080\r\nUser-Agent: bench\r\nAccept: */*\r\n" +
		"Content-Type: text/plain\r\nContent-Length: 100\r\n\r\n" + bench.Value), "204"},
}

// roundTime ends a round that hangs.
const roundTime = time.Minute

// contender is a server process and the connections to it.
type contender struct {
	*bench.Process
	name  string
	conns []*client
	costs []float64 // µs a request, of each round
}

func startContender(name, profile string, connections int) (*contender, error) {
	process, err := bench.StartProcess("-serve", name, "-serve-profile", profile)
	if err != nil {
		return nil, err
	}
	c := &contender{Process: process, name: name}
	if err := c.connect(connections); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

func (c *contender) connect(connections int) error {
	for range connections {
		conn, err := net.Dial("tcp", c.Addr)
		if err != nil {
			return err
		}
		c.conns = append(c.conns, &client{conn, bufio.NewReader(conn)})
	}
	return nil
}

func (c *contender) stop() {
	for _, conn := range c.conns {
		conn.Close()
	}
	c.Stop()
}

// round sends n requests, shared by the connections, and returns what each cost the
// server in µs.
func (c *contender) round(r request, n int) (float64, error) {
	before, err := c.used()
	if err != nil {
		return 0, err
	}
	errs := make([]error, len(c.conns))
	var all sync.WaitGroup
	for i, conn := range c.conns {
		share := n / len(c.conns)
		if i < n%len(c.conns) {
			share++
		}
		all.Go(func() { errs[i] = conn.repeat(r, share) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return 0, err
	}
	after, err := c.used()
	return float64(after-before) / float64(n), err
}

// used is the processor time that the server took so far, in µs.
func (c *contender) used() (t int64, err error) {
	err = c.Ask("", &t)
	return t, err
}

// client is a connection that knows just enough of HTTP.
type client struct {
	net.Conn
	in *bufio.Reader
}

func (c *client) repeat(r request, n int) error {
	c.SetDeadline(time.Now().Add(roundTime))
	for range n {
		if _, err := c.Write(r.octets); err != nil {
			return err
		}
		if err := c.skipAnswer(r.status); err != nil {
			return err
		}
	}
	return nil
}

var contentLength = []byte("Content-Length: ")

// skipAnswer reads a response to the end that its Content-Length tells.
func (c *client) skipAnswer(status string) error {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 "+status)) {
		return fmt.Errorf("got %q, want %s", line, status)
	}
	length := 0
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if value, ok := bytes.CutPrefix(line, contentLength); ok {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return err
			}
		}
	}
	_, err = c.in.Discard(length)
	return err
}

package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strconv"
	"time"
)

// waitTime ends what hangs.
const waitTime = time.Minute

// Client is a connection that knows just enough of HTTP.
type Client struct {
	net.Conn
	in   *bufio.Reader
	line []byte // that was read last
}

// Dial opens a connection.
func Dial(addr string) (*Client, error) {
	conn, err := net.DialTimeout("tcp", addr, waitTime)
	if err != nil {
		return nil, err
	}
	return &Client{Conn: conn, in: bufio.NewReaderSize(conn, 512)}, nil
}

const head = " " + URI + " HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: bench\r\n"

// Get asks for the value, after which the connection is silent.
func (c *Client) Get() error {
	return c.ask("GET"+head+"Accept: */*\r\n\r\n", "200")
}

// Put replaces the value.
func (c *Client) Put(value string) error {
	return c.ask("PUT"+head+"Accept: */*\r\nContent-Type: text/plain\r\nContent-Length: "+
		strconv.Itoa(len(value))+"\r\n\r\n"+value, "204")
}

// Watch asks for the stream, and reads the event of the present value.
func (c *Client) Watch() error {
	if err := c.send("GET"+head+"Accept: text/event-stream\r\n\r\n", "200"); err != nil {
		return err
	}
	return c.Data()
}

// send sends a request and reads the status.
func (c *Client) send(request, status string) error {
	c.SetDeadline(time.Now().Add(waitTime))
	defer c.SetDeadline(time.Time{})
	if _, err := c.Write([]byte(request)); err != nil {
		return err
	}
	if err := c.next(); err != nil {
		return err
	}
	if !bytes.HasPrefix(c.line, []byte("HTTP/1.1 "+status)) {
		return fmt.Errorf("got %q, want %s", c.line, status)
	}
	return nil
}

// ask sends a request and reads the response to the end that its Content-Length tells.
func (c *Client) ask(request, status string) error {
	if err := c.send(request, status); err != nil {
		return err
	}
	length := 0
	for len(c.line) > len("\r\n") {
		if err := c.next(); err != nil {
			return err
		}
		if value, ok := bytes.CutPrefix(c.line, []byte("Content-Length: ")); ok {
			length, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
		}
	}
	_, err := c.in.Discard(length)
	return err
}

// Data reads up to the data of an event. It passes over the lines of the chunks, which end
// where events do.
func (c *Client) Data() error {
	for {
		if err := c.next(); err != nil {
			return err
		}
		if bytes.HasPrefix(c.line, []byte("data: ")) {
			return nil
		}
	}
}

func (c *Client) next() (err error) {
	c.line, err = c.in.ReadSlice('\n')
	return err
}

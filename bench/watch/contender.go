//go:build linux

package main

import (
	"fmt"
	"slices"
	"time"

	"roost/bench"
)

// contender is a server process and the connections to it.
type contender struct {
	*bench.Process
	conns    []*bench.Client
	watchers *bench.Watchers
}

func startContender(name, profiles string) (*contender, error) {
	process, err := bench.StartProcess("-serve", name, "-profile", profiles)
	return &contender{Process: process}, err
}

// stop ends the process before its connections: its profile is of the time with them.
func (c *contender) stop() {
	c.Stop()
	for _, conn := range c.conns {
		conn.Close()
	}
}

// memory is what the server uses now.
func (c *contender) memory() (m memory, err error) {
	err = c.Ask("memory", &m.rss, &m.pss, &m.heap, &m.stack)
	return m, err
}

// used is the processor time that the server took so far.
func (c *contender) used() (t time.Duration, err error) {
	err = c.Ask("processor", &t)
	return t, err
}

// slope is what each connection beyond the first few adds to the memory when begin has
// been done with it.
func (c *contender) slope(few, many int, begin func(*bench.Client) error) (s memory, err error) {
	if err := c.connect(few, begin); err != nil {
		return s, err
	}
	before, err := c.memory()
	if err != nil {
		return s, err
	}
	if err := c.connect(many, begin); err != nil {
		return s, err
	}
	after, err := c.memory()
	more := float64(many - few)
	return memory{
		(after.rss - before.rss) / more, (after.pss - before.pss) / more,
		(after.heap - before.heap) / more, (after.stack - before.stack) / more,
	}, err
}

// connect opens connections until there are n.
func (c *contender) connect(n int, begin func(*bench.Client) error) error {
	for len(c.conns) < n {
		conn, err := bench.Dial(c.Addr)
		if err != nil {
			return err
		}
		c.conns = append(c.conns, conn)
		if err := begin(conn); err != nil {
			return fmt.Errorf("connection %d: %w", len(c.conns), err)
		}
	}
	return nil
}

// change sends a PUT by a connection of its own, and waits until every watcher was told.
func (c *contender) change(writer *bench.Client, value string) (r round, err error) {
	before, err := c.used()
	if err != nil {
		return r, err
	}
	answered, at, err := c.watchers.Change(writer, value)
	if err != nil {
		return r, err
	}
	r.answered = answered
	sorted := slices.Sorted(slices.Values(at))
	r.middle, r.last = sorted[len(sorted)/2], sorted[len(sorted)-1]
	after, err := c.used()
	r.each = (after - before) / time.Duration(len(sorted))
	return r, err
}

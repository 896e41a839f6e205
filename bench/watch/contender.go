//go:build linux

package main

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"roost/bench"
)

// waitTime ends what hangs.
const waitTime = time.Minute

// contender is a server process and the connections to it.
type contender struct {
	*bench.Process
	conns []*client
	told  told
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
func (c *contender) slope(few, many int, begin func(*client) error) (s memory, err error) {
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
func (c *contender) connect(n int, begin func(*client) error) error {
	for len(c.conns) < n {
		conn, err := dial(c.Addr)
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

// watch has every connection, which is one of a watcher, listen from now on.
func (c *contender) watch() {
	c.told.at = make([]time.Duration, len(c.conns))
	for i, conn := range c.conns {
		go func() {
			for conn.data() == nil {
				c.told.by(i, conn.line)
			}
		}()
	}
}

// told is when each watcher was told of a change.
type told struct {
	value string // of the change
	start time.Time
	at    []time.Duration
	left  atomic.Int64
	all   chan struct{} // closed when none is left
	wrong atomic.Pointer[string]
}

func (t *told) by(i int, line []byte) {
	t.at[i] = time.Since(t.start)
	if string(line) != "data: "+t.value+"\n" {
		wrong := string(line)
		t.wrong.Store(&wrong)
	}
	if t.left.Add(-1) == 0 {
		close(t.all)
	}
}

// change sends a PUT by a connection of its own, and waits until every watcher was told.
func (c *contender) change(writer *client, value string) (r round, err error) {
	before, err := c.used()
	if err != nil {
		return r, err
	}
	if r.answered, err = c.tell(writer, value); err != nil {
		return r, err
	}
	sorted := slices.Sorted(slices.Values(c.told.at))
	r.middle, r.last = sorted[len(sorted)/2], sorted[len(sorted)-1]
	after, err := c.used()
	r.each = (after - before) / time.Duration(len(sorted))
	return r, err
}

// tell returns how long the answer took.
func (c *contender) tell(writer *client, value string) (answered time.Duration, err error) {
	t := &c.told
	t.value, t.all = value, make(chan struct{})
	t.left.Store(int64(len(t.at)))
	t.start = time.Now()
	if err := writer.put(value); err != nil {
		return 0, err
	}
	answered = time.Since(t.start)
	select {
	case <-t.all:
	case <-time.After(waitTime):
		return 0, fmt.Errorf("%d watchers were not told within %v", t.left.Load(), waitTime)
	}
	if wrong := t.wrong.Load(); wrong != nil {
		return 0, fmt.Errorf("a watcher was told %q of %q", *wrong, value)
	}
	return answered, nil
}

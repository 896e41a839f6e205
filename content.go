package roost

import (
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"sync/atomic"
	"time"
)

// budget bounds the octets that are held for contents being received. Its zero
// limit means none.
type budget struct {
	limit int64
	held  atomic.Int64
}

func (b *budget) take(n int64) bool {
	if held := b.held.Add(n); b.limit > 0 && held > b.limit {
		b.held.Add(-n)
		return false
	}
	return true
}

func (b *budget) give(n int64) { b.held.Add(-n) }

// firstRead is the buffer that content starts in. It grows with what arrives, so
// that a large Content-Length alone reserves nothing.
const firstRead = 4 << 10

// contentBuffer holds content while it comes, within a budget.
type contentBuffer struct {
	budget   *budget
	reserved int64 // of the budget; whoever made the buffer gives it back
	buf      []byte
}

// contentReader receives the content of one request from a reader, within a limit, a budget and
// its time (rules 12 to 14).
type contentReader struct {
	contentBuffer
	body     io.Reader
	conn     interface{ SetReadDeadline(time.Time) error }
	timeouts *Timeouts

	start time.Time
	until int64 // octets that the deadline in force was set for
}

// read returns the content, how much of it came, and what kept it from being
// whole. limit is its longest length, declared its length if that is known, else
// negative.
func (c *contentReader) read(limit, declared int64) ([]byte, int64, contentFault) {
	c.start = time.Now()
	c.extend()
	for {
		if len(c.buf) == cap(c.buf) && !c.grow(limit, declared) {
			return nil, int64(len(c.buf)), contentNoRoom
		}
		n, err := c.body.Read(c.piece())
		c.buf = c.buf[:len(c.buf)+n]
		count := int64(len(c.buf))
		switch {
		case limit >= 0 && count > limit:
			return nil, count, contentLarge
		case err == io.EOF:
			c.clear()
			return slices.Clip(c.trim()), count, contentWhole
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, count, contentLate
		case err != nil && errors.As(err, new(*http.MaxBytesError)): // set by a router before this server
			return nil, count, contentLarge
		case err != nil:
			return nil, count, contentBroken
		}
		if rate := c.timeouts.ContentRate; rate > 0 && count-c.until >= rate {
			c.extend()
		}
	}
}

// piece is where the next octets go. net/http fills it whole from a chunk before it
// returns, however slowly the chunk comes, so it is no longer than what the
// deadline is extended for, where it is.
func (c *contentReader) piece() []byte {
	free := c.buf[len(c.buf):cap(c.buf)]
	if c.timeouts.ContentRate <= 0 {
		return free
	}
	return free[:min(int64(len(free)), max(minPiece, c.timeouts.ContentRate))]
}

const minPiece = 512

// grow makes room for more: twice what there was, but no more than was declared, or
// is allowed, and one octet to see the end in.
func (c *contentBuffer) grow(limit, declared int64) bool {
	most := declared
	if most < 0 {
		most = limit
	}
	size := max(firstRead, 2*int64(cap(c.buf)))
	if most >= 0 && most < size {
		size = max(most+1, int64(cap(c.buf))+1)
	}
	if !c.budget.take(size - c.reserved) {
		return false
	}
	c.reserved = size
	grown := make([]byte, len(c.buf), size)
	copy(grown, c.buf)
	c.buf = grown
	return true
}

// trim copies content that would keep a much larger buffer alive.
func (c *contentBuffer) trim() []byte {
	if cap(c.buf)-len(c.buf) > len(c.buf)/8+64 {
		return slices.Clone(c.buf)
	}
	return c.buf
}

// extend sets the time by which the content must be whole, for what came so far.
func (c *contentReader) extend() {
	if c.timeouts.Content < 0 {
		return
	}
	c.until = int64(len(c.buf))
	c.conn.SetReadDeadline(c.start.Add(c.timeouts.content(c.until)))
}

// content is how long content may take of which so many octets have come.
func (t *Timeouts) content(octets int64) time.Duration {
	if t.ContentRate <= 0 {
		return t.Content
	}
	return t.Content + time.Duration(octets/t.ContentRate)*time.Second
}

// clear takes the deadline away, so that it can't end what the request waits for
// next.
func (c *contentReader) clear() {
	if c.timeouts.Content >= 0 {
		c.conn.SetReadDeadline(time.Time{})
	}
}

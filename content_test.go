package roost

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// pieces records how much it was asked for, as net/http's reader of chunks, which
// fills what it is given, would wait for.
type pieces struct {
	io.Reader
	largest int
}

func (p *pieces) Read(b []byte) (int, error) {
	p.largest = max(p.largest, len(b))
	n, err := io.ReadFull(p.Reader, b)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

// deadlines are those that were set.
type deadlines []time.Time

func (d *deadlines) SetReadDeadline(at time.Time) error {
	*d = append(*d, at)
	return nil
}

// No read waits for more than the next extension of the deadline covers, and none for
// much more than the limit: a chunk that comes slowly earns its time as it comes,
// and is refused as soon as it is too long.
func TestContentIsReadInPieces(t *testing.T) {
	for _, c := range []struct {
		length, limit, declared int64
		fault                   contentFault
		largest                 int
	}{
		{100_000, -1, -1, contentWhole, 8192},
		{100_000, -1, 100_000, contentWhole, 8192},
		{100_000, 1000, -1, contentLarge, 1001},
		{1000, 1000, -1, contentWhole, 1001},
		{50, 1000, 50, contentWhole, 51},
	} {
		var set deadlines
		body := &pieces{Reader: strings.NewReader(strings.Repeat("x", int(c.length)))}
		r := contentReader{
			contentBuffer: contentBuffer{budget: new(budget)}, body: body,
			timeouts: &Timeouts{Content: time.Second, ContentRate: 8192},
			conn:     &set,
		}
		got, count, fault := r.read(c.limit, c.declared)
		if fault != c.fault || body.largest > c.largest {
			t.Errorf("%+v: fault %d, reads of up to %d", c, fault, body.largest)
		}
		if fault != contentWhole {
			continue
		}
		if int64(len(got)) != c.length || count != c.length || cap(got) != len(got) {
			t.Errorf("%+v: got %d of %d octets, capacity %d", c, len(got), count, cap(got))
		}
		last := set[len(set)-2]
		if extra := last.Sub(set[0]).Round(time.Second); extra < time.Duration(c.length/8192-1)*time.Second {
			t.Errorf("%+v: %v more for %d octets", c, extra, c.length)
		}
		if !set[len(set)-1].IsZero() {
			t.Errorf("%+v: a deadline stays", c)
		}
	}
}

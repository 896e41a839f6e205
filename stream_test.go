package roost_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http/httputil"
	"slices"
	"strings"
)

// block is one event of a stream as it came, dispatched or not: its fields by name. A comment
// has an empty name.
type block map[string]string

// readBlock reads up to an empty line; io.EOF is the end of the stream.
func readBlock(in *bufio.Reader) (block, error) {
	b := make(block)
	for {
		line, err := in.ReadString('\n')
		if err == io.EOF && (line != "" || len(b) > 0) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		if line == "\n" {
			return b, nil
		}
		if err := b.add(strings.TrimSuffix(line, "\n")); err != nil {
			return nil, err
		}
	}
}

func (b block) add(line string) error {
	name, value, _ := strings.Cut(line, ":")
	value = strings.TrimPrefix(value, " ")
	before, twice := b[name]
	switch {
	case strings.Contains(line, "\r"), !slices.Contains([]string{"", "data", "event", "id", "retry"}, name):
		return fmt.Errorf("line %q in a stream", line)
	case twice && name == "data":
		value = before + "\n" + value
	case twice:
		return fmt.Errorf("second line %q in an event", line)
	}
	b[name] = value
	return nil
}

// wantedEvent has a condition for each field of an event, which has no others.
type wantedEvent map[string]condition

func (w wantedEvent) check(b block) error {
	if a, b := slices.Sorted(maps.Keys(b)), slices.Sorted(maps.Keys(w)); !slices.Equal(a, b) {
		return fmt.Errorf("it has %q, want %q", a, b)
	}
	for name, want := range w {
		if err := want.check(b[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// isStream says whether the content is an event stream.
func (r *response) isStream() bool { return r.fields.Get("Content-Type") == "text/event-stream" }

// readStream reads an event stream up to the last event that is wanted, or to its end.
func (p *peer) readStream(w *wanted) (*response, error) {
	p.t.Helper()
	r, err := readHead(p.in)
	if err != nil {
		return nil, err
	}
	if !r.isStream() {
		if err := r.readContent(p.in); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("no stream: %s %v %q", r.line, r.fields, r.content)
	}
	events := p.in
	chunked := r.fields.Get("Transfer-Encoding") == "chunked"
	if chunked {
		events = bufio.NewReader(httputil.NewChunkedReader(p.in))
	}
	for i, want := range w.Stream {
		b, err := readBlock(events)
		if err == nil {
			err = want.check(b)
		}
		if err != nil {
			return nil, fmt.Errorf("event %d is %q: %w", i, b, err)
		}
		p.came <- nil
	}
	if w.Ends {
		return r, p.endStream(events, chunked)
	}
	return r, nil
}

func (p *peer) endStream(events *bufio.Reader, chunked bool) error {
	if b, err := readBlock(events); err != io.EOF {
		return fmt.Errorf("the stream goes on: %q, %w", b, err)
	}
	if !chunked {
		return nil
	}
	if line, err := readLine(p.in); err != nil || line != "" {
		return errors.Join(fmt.Errorf("trailer %q", line), err)
	}
	return nil
}

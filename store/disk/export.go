package disk

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"roost/store"
)

// The lines of an export: a head, an item each, and a foot. spec/disk-format.md describes them.

const (
	exportKind   = "roost store export"
	exportFormat = 1
)

// exportHead is the first line.
type exportHead struct {
	Kind     string    `json:"kind"`
	Format   int       `json:"format"`
	Epoch    string    `json:"epoch"`
	Revision uint64    `json:"revision"`
	Time     time.Time `json:"time"`
}

// exportItem is a line in between. What is not UTF-8 is in the fields of base64.
type exportItem struct {
	Space       *string         `json:"space,omitempty"`
	SpaceBase64 []byte          `json:"space_base64,omitempty"`
	Name        *string         `json:"name,omitempty"`
	NameBase64  []byte          `json:"name_base64,omitempty"`
	Meta        json.RawMessage `json:"meta,omitempty"`
	MetaBase64  []byte          `json:"meta_base64,omitempty"`
	Value       *string         `json:"value,omitempty"`
	ValueBase64 []byte          `json:"value_base64,omitempty"`
	Created     uint64          `json:"created"`
	Revision    uint64          `json:"revision"`
	Modified    time.Time       `json:"modified,omitzero"`
	Expires     time.Time       `json:"expires,omitzero"`
}

// exportFoot is the last line: an export without it was cut off.
type exportFoot struct {
	Items uint64 `json:"items"`
}

// Export writes what the store in dir has, which must not be in use, for [Import] and other
// programs, and changes nothing. Its errors are those of [ReadStat], and of w.
func Export(dir string, w io.Writer, opts Options) error {
	return reading("export", dir, opts, func(v *view) error {
		if err := v.readState(); err != nil {
			return err
		}
		out := newExportWriter(w)
		head := exportHead{exportKind, exportFormat, v.state.epoch, v.state.revision, time.Now().UTC()}
		if err := out.lines.Encode(head); err != nil {
			return err
		}
		if err := v.items(out.item); err != nil {
			return err
		}
		return out.end()
	})
}

// exportWriter writes lines.
type exportWriter struct {
	buffer *bufio.Writer
	lines  *json.Encoder
	items  uint64
}

func newExportWriter(w io.Writer) *exportWriter {
	buffer := bufio.NewWriterSize(w, 64<<10)
	lines := json.NewEncoder(buffer)
	lines.SetEscapeHTML(false)
	return &exportWriter{buffer: buffer, lines: lines}
}

func (e *exportWriter) item(item *store.Item) error {
	line := exportItem{Created: item.Created, Revision: item.Revision, Modified: item.Modified, Expires: item.Expires}
	line.Space, line.SpaceBase64 = textOrOctets([]byte(item.Key.Space))
	line.Name, line.NameBase64 = textOrOctets([]byte(item.Key.Name))
	line.Value, line.ValueBase64 = textOrOctets(item.Value)
	if isObject(item.Meta) {
		line.Meta = item.Meta
	} else {
		line.MetaBase64 = item.Meta
	}
	if err := e.lines.Encode(&line); err != nil {
		return fmt.Errorf("item %q in space %q: %w", item.Key.Name, item.Key.Space, err)
	}
	e.items++
	return nil
}

func (e *exportWriter) end() error {
	if err := e.lines.Encode(exportFoot{e.items}); err != nil {
		return err
	}
	return e.buffer.Flush()
}

// textOrOctets returns one of the two.
func textOrOctets(b []byte) (*string, []byte) {
	if !utf8.Valid(b) {
		return nil, b
	}
	text := string(b)
	return &text, nil
}

// isObject says whether octets are an object of JSON that stays as it is in a line: one
// without spaces between its parts.
func isObject(b []byte) bool {
	if len(b) == 0 || b[0] != '{' || !utf8.Valid(b) {
		return false
	}
	var compact bytes.Buffer
	return json.Compact(&compact, b) == nil && bytes.Equal(compact.Bytes(), b)
}

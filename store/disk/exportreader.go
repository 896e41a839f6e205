package disk

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"roost/store"
)

// ErrExport: what was to be imported is no whole export. Nothing of it was kept.
var ErrExport = errors.New("not a whole export")

// exportReader reads lines, and tests each.
type exportReader struct {
	in     *bufio.Reader
	number int // of the line
	read   int64
	head   exportHead
	items  uint64
	seen   map[store.Key]struct{}
	ended  bool
}

// readExport reads the head of an export.
func readExport(r io.Reader) (*exportReader, error) {
	e := &exportReader{in: bufio.NewReaderSize(r, 64<<10), seen: make(map[store.Key]struct{})}
	line, err := e.line()
	if err == io.EOF {
		return nil, fmt.Errorf("%w: it is empty", ErrExport)
	}
	if err == nil {
		err = e.parseHead(line)
	}
	return e, err
}

// item returns the next item, and io.EOF after the last one of a whole export.
func (e *exportReader) item() (*store.Item, error) {
	if e.ended {
		return nil, io.EOF
	}
	text, err := e.line()
	if err == io.EOF {
		return nil, fmt.Errorf("%w: it ends after line %d without the line that counts its items, so it was cut off: export again", ErrExport, e.number)
	}
	if err != nil {
		return nil, err
	}
	var line struct {
		exportItem
		Items *uint64 `json:"items"`
	}
	if err := parseLine(text, &line); err != nil {
		return nil, e.wrong("%w", err)
	}
	if line.Items != nil {
		return nil, e.end(*line.Items)
	}
	item, err := line.parse()
	if err == nil {
		err = e.admit(item)
	}
	if err != nil {
		return nil, e.wrong("%w", err)
	}
	return item, nil
}

func (e *exportReader) wrong(format string, args ...any) error {
	return fmt.Errorf("%w: line %d: %w", ErrExport, e.number, fmt.Errorf(format, args...))
}

// line returns the next line. The last one may be without its end.
func (e *exportReader) line() ([]byte, error) {
	line, err := e.in.ReadBytes('\n')
	e.read += int64(len(line))
	if err != nil && (err != io.EOF || len(line) == 0) {
		return nil, err
	}
	e.number++
	return bytes.TrimRight(line, "\r\n"), nil
}

func (e *exportReader) parseHead(line []byte) error {
	var about struct { // all formats have these
		Kind   string
		Format int
	}
	if json.Unmarshal(line, &about) != nil || about.Kind != exportKind {
		return e.wrong("it does not begin as one: give a file that roost store export wrote")
	}
	if about.Format != exportFormat {
		return fmt.Errorf("%w: the export is in format %d, and this version reads %d: import it with the version that wrote it", ErrFormat, about.Format, exportFormat)
	}
	if err := parseLine(line, &e.head); err != nil {
		return e.wrong("%w", err)
	}
	if e.head.Revision > math.MaxInt64 {
		return e.wrong("revision %d leaves none for what comes: the most is %d", e.head.Revision, int64(math.MaxInt64))
	}
	return nil
}

// admit tests an item against what came before it.
func (e *exportReader) admit(item *store.Item) error {
	switch {
	case item.Created == 0:
		return errors.New("created is missing or 0: revisions start at 1")
	case item.Revision < item.Created:
		return fmt.Errorf("revision %d is below created, %d", item.Revision, item.Created)
	case item.Revision > e.head.Revision:
		return fmt.Errorf("revision %d is above that of the export, %d", item.Revision, e.head.Revision)
	}
	if _, twice := e.seen[item.Key]; twice {
		return fmt.Errorf("item %q in space %q was in a line before: leave one of them", item.Key.Name, item.Key.Space)
	}
	e.seen[item.Key] = struct{}{}
	e.items++
	return nil
}

// end is the last line, which says how many items there are.
func (e *exportReader) end(items uint64) error {
	if items != e.items {
		return e.wrong("it says that the export has %d items, and there are %d: export again, or count what you took out or added", items, e.items)
	}
	if _, err := e.line(); err == nil {
		return e.wrong("there is something after the line that counts the items: an import takes one export")
	} else if err != io.EOF {
		return err
	}
	e.ended = true
	return io.EOF
}

// parse makes an item of its line.
func (l *exportItem) parse() (*store.Item, error) {
	space, err := octets("space", l.Space, l.SpaceBase64, true)
	if err != nil {
		return nil, err
	}
	name, err := octets("name", l.Name, l.NameBase64, true)
	if err != nil {
		return nil, err
	}
	value, err := octets("value", l.Value, l.ValueBase64, false)
	if err != nil {
		return nil, err
	}
	meta, err := l.meta()
	if err != nil {
		return nil, err
	}
	return &store.Item{
		Key: store.Key{Space: string(space), Name: string(name)}, Meta: meta, Value: value,
		Created: l.Created, Revision: l.Revision, Modified: l.Modified.UTC(), Expires: l.Expires.UTC(),
	}, nil
}

// octets returns what a pair of fields has.
func octets(field string, text *string, base64 []byte, needed bool) ([]byte, error) {
	switch {
	case text != nil && base64 != nil:
		return nil, fmt.Errorf("it has both %s and %s_base64: leave one of them", field, field)
	case text != nil:
		return []byte(*text), nil
	case base64 == nil && needed:
		return nil, fmt.Errorf("it has no %s", field)
	}
	return base64, nil
}

func (l *exportItem) meta() ([]byte, error) {
	if l.Meta == nil {
		return l.MetaBase64, nil
	}
	if l.MetaBase64 != nil {
		return octets("meta", new(string), l.MetaBase64, false)
	}
	if l.Meta[0] != '{' {
		return nil, errors.New("meta is no object: write what is none as meta_base64")
	}
	var compact bytes.Buffer // a program that rewrote the line may have put spaces there
	err := json.Compact(&compact, l.Meta)
	return compact.Bytes(), err
}

// parseLine reads one object of JSON strictly: what would be read as something else, or
// overlooked, is an error.
func parseLine(line []byte, to any) error {
	if !utf8.Valid(line) {
		return errors.New("it is not UTF-8")
	}
	if loneSurrogate(line) {
		return errors.New(`it has half of a pair of surrogates (\ud800 to \udfff), which is no text: write such octets in base64`)
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	err := d.Decode(to)
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it is no whole object of JSON: an export has one in each line (jq writes it so with -c)")
	}
	if err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("there is something after its object")
	}
	return nil
}

// loneSurrogate says whether a line of JSON has an escaped surrogate without its partner.
func loneSurrogate(line []byte) bool {
	for i := 0; i < len(line); i++ {
		if line[i] != '\\' {
			continue
		}
		first, ok := escape(line[i:])
		if !ok {
			i++ // what it escapes
			continue
		}
		i += 5
		if !utf16.IsSurrogate(first) {
			continue
		}
		second, _ := escape(line[i+1:])
		if utf16.DecodeRune(first, second) == utf8.RuneError {
			return true
		}
		i += 6
	}
	return false
}

// escape returns the code of the \u at the start of b.
func escape(b []byte) (code rune, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	for _, c := range b[2:6] {
		digit := strings.IndexByte("0123456789abcdef", c|0x20)
		if digit < 0 {
			return 0, false
		}
		code = code<<4 | rune(digit)
	}
	return code, true
}

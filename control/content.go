package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// Content is octets in JSON: as text where they are UTF-8, else as base64, so that
// text stays readable and octets survive exactly.
type Content struct {
	Value  *string `json:"value,omitempty" doc:"The octets, where they are UTF-8 text."`
	Base64 Octets  `json:"base64,omitempty" doc:"The octets, where they are not UTF-8 text; in a request it may be any. Base64 with padding."`
}

// Octets are base64 in JSON (RFC 4648 §4); unlike the library's own form of them, they
// may be none.
type Octets []byte

// Schema describes octets as the text that they are.
func (Octets) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Extensions: map[string]any{"contentEncoding": "base64"}}
}

func contentOf(octets []byte) Content {
	if utf8.Valid(octets) {
		text := string(octets)
		return Content{Value: &text}
	}
	return Content{Base64: octets}
}

var errTwoContents = errors.New("value and base64 are both given: give one")

// octets returns what the content holds, and false where it is left out.
func (c *Content) octets() (octets []byte, given bool, err error) {
	switch {
	case c.Value != nil && c.Base64 != nil:
		return nil, false, errTwoContents
	case c.Value != nil:
		return []byte(*c.Value), true, nil
	}
	return c.Base64, c.Base64 != nil, nil
}

// strictJSON is JSON that refuses text which encoding/json would change in silence:
// what is not UTF-8, and halves of surrogate pairs (RFC 8259 §8).
var strictJSON = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		var b bytes.Buffer
		if err := huma.DefaultJSONFormat.Marshal(&b, v); err != nil {
			return err
		}
		w.Write(b.Bytes()) // where the client is gone there is nothing left to do
		return nil
	},
	Unmarshal: func(data []byte, v any) error {
		if !utf8.Valid(data) {
			return errors.New("the content is not UTF-8; send octets that are not text in base64")
		}
		if loneSurrogate(data) {
			return errors.New(`a string holds half of a surrogate pair, as \ud800, which is no character; send octets that are not text in base64`)
		}
		return json.Unmarshal(data, v)
	},
}

// loneSurrogate says whether an escape in data stands for half a pair.
func loneSurrogate(data []byte) bool {
	for {
		i := bytes.IndexByte(data, '\\')
		if i < 0 || len(data) < i+2 {
			return false
		}
		data = data[i:]
		unit, ok := escaped(data)
		if !ok {
			data = data[2:]
			continue
		}
		data = data[len(`\u0000`):]
		switch {
		case unit < 0xd800 || unit > 0xdfff:
			continue
		case unit > 0xdbff:
			return true
		}
		low, ok := escaped(data)
		if !ok || low < 0xdc00 || low > 0xdfff {
			return true
		}
		data = data[len(`\u0000`):]
	}
}

// escaped reads an escape \uXXXX at the beginning of data.
func escaped(data []byte) (unit uint64, ok bool) {
	const length = len(`\u0000`)
	if len(data) < length || data[0] != '\\' || data[1] != 'u' {
		return 0, false
	}
	unit, err := strconv.ParseUint(string(data[2:length]), 16, 16)
	return unit, err == nil
}

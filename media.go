package roost

import (
	"fmt"
	"strings"

	"roost/internal/negotiate"
)

// The media types of the document. A server accepts all six in PUT and POST, and
// those that Config.MediaTypes adds. A new resource is Text if nothing else is said.
const (
	Text   = "text/html"
	XML    = "text/xml"
	Plain  = "text/plain"
	JSON   = "application/json"
	Octet  = "application/octet-stream"
	AppXML = "application/xml"
)

const (
	formType   = "application/x-www-form-urlencoded"
	streamType = "text/event-stream" // HTML §9.2

	// maxMediaType is how many octets a media type may have, its parameters included. It is
	// kept with each value.
	maxMediaType = 255
)

// acceptedTypes are the media types that a server takes in PUT and POST.
type acceptedTypes struct {
	essences map[string]bool
	line     []string // the Accept field of a 415 (rule 31)
}

func acceptTypes(more []string) (acceptedTypes, error) {
	a := acceptedTypes{essences: make(map[string]bool)}
	var listed []string
	for _, s := range append([]string{Text, XML, Plain, JSON, Octet, AppXML}, more...) {
		m, err := negotiate.ParseMediaType(s)
		if err != nil {
			return a, fmt.Errorf("media type %q: %w", s, err)
		}
		essence := m.Essence()
		if essence == streamType {
			return a, fmt.Errorf("media type %q can't be accepted: a request for it opens an event stream", s)
		}
		if !a.essences[essence] {
			a.essences[essence] = true
			listed = append(listed, essence)
		}
	}
	a.line = []string{strings.Join(listed, ", ")}
	return a, nil
}

// checkType says whether a program may give a resource the media type s.
func checkType(s string) error {
	m, err := negotiate.ParseMediaType(s)
	if err != nil {
		return fmt.Errorf("content type %q: %w", s, err)
	}
	if len(s) > maxMediaType {
		return fmt.Errorf("content type of %d octets: give one of up to %d", len(s), maxMediaType)
	}
	if m.Essence() == streamType {
		return fmt.Errorf("content type %q is kept for watching a resource; choose another", s)
	}
	return nil
}

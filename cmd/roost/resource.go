package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"mime"
	"os"
	"path/filepath"
	"strings"

	"roost"
	"roost/internal/uri"
	"roost/store"
)

// declaration is a resource as --resource gives it.
type declaration struct {
	text        string // the whole of it
	uri         string
	value, file string // file, unless it is empty, holds the value
}

func parseDeclaration(s string) (declaration, error) {
	name, value, ok := strings.Cut(s, "=")
	if !ok {
		return declaration{}, errors.New("give URI=VALUE or URI=@FILE, such as /hello=Hello")
	}
	if _, err := uri.Register(name); err != nil {
		return declaration{}, fmt.Errorf("URI %q %w; give URI=VALUE, such as /hello=Hello", name, err)
	}
	d := declaration{text: s, uri: name, value: value}
	if rest, ok := strings.CutPrefix(value, "@"); ok {
		d.value, d.file = "", rest
		switch {
		case rest == "":
			return d, errors.New("no file after @; a value that begins with @ is written @@")
		case rest[0] == '@':
			d.value, d.file = rest, ""
		}
	}
	return d, nil
}

// read returns the value, and the media type where the file's name tells it.
func (d *declaration) read() (value []byte, mediaType string, err error) {
	if d.file == "" {
		return []byte(d.value), "", nil
	}
	value, err = os.ReadFile(d.file)
	if err != nil {
		return nil, "", fmt.Errorf("%w; give a file that can be read, or write @@ for a value that begins with @", err)
	}
	return value, typeOfFile(d.file), nil
}

// fileTypes are media types by the ending of a file's name, so that common ones
// don't depend on what the machine knows.
var fileTypes = map[string]string{
	".html": "text/html", ".htm": "text/html", ".xml": "text/xml",
	".txt": "text/plain", ".log": "text/plain", ".csv": "text/csv", ".md": "text/markdown",
	".css": "text/css", ".js": "text/javascript", ".mjs": "text/javascript",
	".json": "application/json", ".yaml": "application/yaml", ".yml": "application/yaml",
	".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif",
	".svg": "image/svg+xml", ".webp": "image/webp", ".ico": "image/vnd.microsoft.icon",
	".wasm": "application/wasm", ".woff2": "font/woff2", ".pdf": "application/pdf",
	".gz": "application/gzip", ".zip": "application/zip", ".bin": "application/octet-stream",
}

func typeOfFile(name string) string {
	ending := strings.ToLower(filepath.Ext(name))
	return cmp.Or(fileTypes[ending], mime.TypeByExtension(ending), roost.Octet)
}

// addResources makes the resources of the command line.
func (s *settings) addResources(ctx context.Context, server *roost.Server) error {
	for _, d := range s.resources {
		if err := s.addResource(ctx, server, &d); err != nil {
			return err
		}
	}
	return nil
}

func (s *settings) addResource(ctx context.Context, server *roost.Server, d *declaration) error {
	value, guess, err := d.read()
	if err != nil {
		return fmt.Errorf("%s %q: %w", s.source("resource"), d.text, err)
	}
	mediaType := cmp.Or(s.mediaType, guess, roost.Text)
	options := []roost.Option{roost.WithContentType(mediaType), roost.WithValue(value), roost.WithTTL(s.ttl)}
	if s.clientTTL {
		options = append(options, roost.WithClientTTL())
	}
	r, err := server.AddResource(ctx, d.uri, options...)
	if err == nil && s.resetValues {
		_, err = r.SetRepresentation(ctx, value, mediaType)
	}
	if err == nil {
		err = r.RegisterRequestHandler(ctx, s.methods, nil)
	}
	switch {
	case errors.Is(err, roost.ErrExist):
		return usagef("%s %q: there is a resource %q already; give each URI once", s.source("resource"), d.text, d.uri)
	case errors.Is(err, store.ErrFull):
		return fmt.Errorf("%s %q: the disk of %s is nearly full: make room there", s.source("resource"), d.text, s.source("data"))
	case errors.Is(err, roost.ErrFull) && s.maxBytes > 0:
		return usagef("%s %q: there is no room: raise %s, which is %d, or %s", s.source("resource"), d.text, s.source("max-bytes"), s.maxBytes, s.source("max-uri"))
	case errors.Is(err, roost.ErrFull):
		return usagef("%s %q: there are as many resources as %s allows; raise that", s.source("resource"), d.text, s.source("max-uri"))
	case errors.Is(err, roost.ErrConfig):
		return usagef("%s: %w", s.source("type"), reason(err))
	case err != nil:
		return fmt.Errorf("%s %q: %w", s.source("resource"), d.text, err)
	}
	return nil
}

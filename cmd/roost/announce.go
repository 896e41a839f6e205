package main

import (
	"fmt"
	"strings"

	"roost"
	"roost/control"
	"roost/internal/uri"
)

// maxAnnounced is how many resources are printed; a store may have brought very many.
const maxAnnounced = 100

// announcement is what serve prints when everything listens: a line for each
// listener, one for each resource, and a command to try.
func (s *settings) announcement(run *control.Running) string {
	var b strings.Builder
	server, listeners := run.Server, listenersOf(run)
	for _, l := range listeners {
		fmt.Fprintf(&b, "listening on %s\n", l)
	}
	paths := []string{}
	for r := range server.Resources("", "") {
		if len(paths) == maxAnnounced {
			fmt.Fprintf(&b, "and %d more\n", server.CountResources()-maxAnnounced)
			break
		}
		if path, err := uri.Register(r.URI()); err == nil {
			b.WriteString(describe(server, path))
			paths = append(paths, path)
		}
	}
	fmt.Fprintf(&b, "try: %s\n", s.curl(listeners[0], paths))
	return b.String()
}

// describe is the line of the resource that clients find at path. It is empty if
// that is gone meanwhile.
func describe(server *roost.Server, path string) string {
	r, err := server.GetResource(path)
	if err != nil {
		return ""
	}
	rep, err := r.Representation()
	if err != nil {
		return ""
	}
	size := fmt.Sprintf("%d bytes", len(rep.Value()))
	if len(rep.Value()) == 1 {
		size = "1 byte"
	}
	return fmt.Sprintf("%s %s %s %s\n", r.Methods(), path, rep.MediaType(), size)
}

// curl is a command that gets the first resource, or, where that isn't answered,
// asks what is.
func (s *settings) curl(l listener, paths []string) string {
	words := []string{"curl"}
	if l.TLS {
		words = append(words, "--insecure") // the certificate may name neither 127.0.0.1 nor a known authority
	}
	if path := l.socket(); path != "" {
		words = append(words, "--unix-socket", shellWord(path))
	}
	if len(s.hosts) > 0 {
		words = append(words, "--header", shellWord("Host: "+hostField(s.hosts[0])))
	}
	path := ""
	switch {
	case len(paths) == 0:
		words = append(words, "--include --request OPTIONS --request-target '*'")
	case s.methods.Has(roost.GET):
		path = paths[0]
	default:
		words = append(words, "--include --request OPTIONS")
		path = paths[0]
	}
	return strings.Join(append(words, shellWord(l.try()+s.prefix+path)), " ")
}

// hostField is a name as the Host field has it.
func hostField(name string) string {
	if strings.Contains(name, ":") {
		return "[" + name + "]"
	}
	return name
}

// shellWord quotes s where a shell would not take it as it is.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-._/:@%+,", r)
	}
	if strings.TrimFunc(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

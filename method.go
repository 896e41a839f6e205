package roost

import (
	"fmt"
	"strings"
)

// Method is a set of the methods that a resource can be registered for. Join
// them with |. HEAD and OPTIONS are not among them: HEAD is answered wherever
// GET is registered, OPTIONS always.
type Method uint8

const (
	GET Method = 1 << iota
	PUT
	POST
	DELETE

	allMethods = GET | PUT | POST | DELETE
)

var methodNames = [...]struct {
	method Method
	name   string
}{{GET, "GET"}, {PUT, "PUT"}, {POST, "POST"}, {DELETE, "DELETE"}}

// Has reports whether m holds all methods of other.
func (m Method) Has(other Method) bool { return m&other == other }

// Names lists the methods as requests name them, in the order above.
func (m Method) Names() []string {
	names := []string{}
	for _, n := range methodNames {
		if m.Has(n.method) {
			names = append(names, n.name)
		}
	}
	return names
}

// String lists the methods as "GET|PUT", and none as "".
func (m Method) String() string { return strings.Join(m.Names(), "|") }

// ParseMethod returns the method that has a name. Names are in upper case. Its error
// is ErrConfig.
func ParseMethod(name string) (Method, error) {
	for _, n := range methodNames {
		if n.name == name {
			return n.method, nil
		}
	}
	return 0, &Error{Op: "parse method", Kind: ErrConfig, Err: fmt.Errorf("%q is none of %s", name, strings.Join(allMethods.Names(), ", "))}
}

// check finds bits that are no method's.
func (m Method) check() error {
	if bad := m &^ allMethods; bad != 0 {
		return fmt.Errorf("method %#x is none of GET, PUT, POST, DELETE", uint8(bad))
	}
	return nil
}

// allow is the Allow field for each set of registered methods (rule 21), made
// once because a 405 is cheap to ask for.
var allow = func() (lines [allMethods + 1][]string) {
	for m := range lines {
		lines[m] = []string{strings.Join(allowed(Method(m)), ", ")}
	}
	return lines
}()

func allowed(m Method) []string {
	var names []string
	for _, n := range methodNames {
		if !m.Has(n.method) {
			continue
		}
		names = append(names, n.name)
		if n.method == GET {
			names = append(names, "HEAD")
		}
	}
	return append(names, "OPTIONS")
}

// verb is a method token as the rules see it (rule 20).
type verb struct {
	// method must be registered for the request to be served; HEAD asks for GET's.
	method Method

	// callback says that the document's callback hears of it (rule 57).
	callback bool
}

// verbs are the tokens that a target is looked up for. PATCH, QUERY and TRACE
// are known but never registered; whatever is missing here is answered 501.
var verbs = map[string]verb{
	"GET":     {GET, true},
	"HEAD":    {GET, false},
	"PUT":     {PUT, true},
	"POST":    {POST, true},
	"DELETE":  {DELETE, true},
	"OPTIONS": {},
	"PATCH":   {},
	"QUERY":   {},
	"TRACE":   {},
}

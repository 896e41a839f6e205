package roost

import (
	"math/rand/v2"
	"strconv"
	"strings"

	"roost/internal/uri"
)

// The URIs that POST makes: five digits below the parent (rule 50).
const (
	childDigits = 5
	firstChild  = 10_000
	childCount  = 90_000

	// childGuesses by chance find a free URI unless nearly all are taken; then
	// they are tried one after the other.
	childGuesses = 32
)

// freeChild chooses the key of a child that doesn't exist below parent.
func (s *site) freeChild(parent string) (string, bool) {
	if len(parent)+1+childDigits > uri.MaxLength {
		return "", false
	}
	for range childGuesses {
		name := childURI(parent, strconv.Itoa(firstChild+rand.IntN(childCount)))
		if s.free(name) {
			return name, true
		}
	}
	start := rand.IntN(childCount)
	for i := range childCount {
		name := childURI(parent, strconv.Itoa(firstChild+(start+i)%childCount))
		if s.free(name) {
			return name, true
		}
	}
	return "", false
}

// free says whether a POST may make a child under name: nothing is there, and no POST that
// is remembered would be answered with it.
func (s *site) free(name string) bool { return s.lookup(name) == nil && !s.replies.made(name) }

func childURI(parent, digits string) string {
	if strings.HasSuffix(parent, "/") {
		return parent + digits
	}
	return parent + "/" + digits
}

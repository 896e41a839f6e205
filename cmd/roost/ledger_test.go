package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// ledger is what a server said that it stores, for comparison with what it has when it was
// killed and started again. Each value is sent once, so a value tells which request it is of.
//
// The shared resources are written by all, and never deleted: the revisions tell which change
// is the newest. A child is written by one alone, that has the answer before it goes on.
type ledger struct {
	t *testing.T

	mu     sync.Mutex
	known  map[string]state // by URI; also of what is gone
	doubts []change         // without an answer
	keyed  []change         // POSTs with a key, and their answers
	epoch  string
	newest uint64            // revision that was seen
	floor  uint64            // newest, when the server was started
	given  map[uint64]change // since then, by revision
	sum    sum
}

// sum counts what was checked.
type sum struct{ acknowledged, refused, unanswered, made, checked, repeated int }

func (s sum) String() string {
	return fmt.Sprintf("%d changes acknowledged, %d refused, %d without an answer, of which %d were made; %d values compared, %d POSTs repeated; 0 lost",
		s.acknowledged, s.refused, s.unanswered, s.made, s.checked, s.repeated)
}

// state is that of a resource.
type state struct {
	body     string
	revision uint64
	gone     bool
}

// change is a request, and where it has one its answer.
type change struct {
	method, uri, body, key string

	from     uint64 // revision that it asks for
	revision uint64
	child    string // that a POST made
}

func newLedger(t *testing.T) *ledger {
	return &ledger{t: t, known: make(map[string]state)}
}

// acknowledged notes a change that the server says it made.
func (l *ledger) acknowledged(c change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sum.acknowledged++
	if c.method == http.MethodDelete {
		if s := l.known[c.uri]; s.revision == c.from { // else the URI has another life already
			l.known[c.uri] = state{revision: s.revision, gone: true}
		}
		return
	}
	if c.revision <= l.floor {
		l.t.Errorf("%s %s: revision %d, after %d before the server was started", c.method, c.uri, c.revision, l.floor)
	}
	if twice, ok := l.given[c.revision]; ok {
		l.t.Errorf("revision %d is given twice: %s and %s", c.revision, twice.uri, c.uri)
	}
	l.given[c.revision] = c
	if c.method == http.MethodPost {
		l.see(c.child, state{body: c.body, revision: c.revision})
		if c.key != "" {
			l.keyed = append(l.keyed, c)
		}
		return
	}
	l.see(c.uri, state{body: c.body, revision: c.revision})
}

// served notes what the server has served, which has to survive too.
func (l *ledger) served(uri string, s state) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.see(uri, s)
}

func (l *ledger) see(uri string, s state) {
	l.newest = max(l.newest, s.revision)
	if s.revision > l.known[uri].revision {
		l.known[uri] = s
	}
}

// refused counts a change that the server says it did not make: its value may be nowhere.
func (l *ledger) refused(change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sum.refused++
}

// unanswered notes a change that may be made or not.
func (l *ledger) unanswered(c change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sum.unanswered++
	l.doubts = append(l.doubts, c)
}

// check compares all that the server has with what it may have. From then on that is known.
func (l *ledger) check(client *sender) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.checkConditions()
	present := l.list(client)
	for uri, known := range l.known {
		if got, there := present[uri]; !l.explained(uri, known, got, there) {
			l.t.Errorf("%s: it has %s, and %s was acknowledged; without an answer: %v", uri, got, known, l.doubts)
		}
		l.sum.checked++
	}
	at := make(map[string]string)
	for uri, got := range present {
		if _, ok := l.known[uri]; !ok && !l.explained(uri, state{gone: true}, got, true) {
			l.t.Errorf("%s: it has %s, which nobody was told", uri, got)
		}
		if got.body != declared && at[got.body] != "" {
			l.t.Errorf("%s and %s: both have %s", uri, at[got.body], got)
		}
		at[got.body] = uri
		l.newest = max(l.newest, got.revision)
	}
	for uri := range l.known {
		if _, there := present[uri]; !there { // its revision is that of another life from now on
			l.known[uri] = state{revision: l.known[uri].revision, gone: true}
		}
	}
	maps.Copy(l.known, present)
	l.floor, l.given = l.newest, make(map[uint64]change)
}

// checkConditions says whether changes were made that asked for a revision which another had
// replaced already.
func (l *ledger) checkConditions() {
	for _, c := range l.given {
		for revision, other := range l.given {
			puts := c.method == http.MethodPut && other.method == http.MethodPut
			if puts && c.from != 0 && other.uri == c.uri && c.from < revision && revision < c.revision {
				l.t.Errorf("PUT %s made revision %d of %d, and %d was between them", c.uri, c.revision, c.from, revision)
			}
		}
	}
}

// explained says whether a resource may be as it is: as it was acknowledged, or as a change
// without an answer made it.
func (l *ledger) explained(uri string, known, got state, there bool) bool {
	if there != known.gone && got == known || !there && known.gone {
		return true
	}
	if known.revision == 0 && slices.Contains(shared, uri) && got.body == declared {
		return true
	}
	removed := known.gone
	for _, d := range l.doubts {
		removed = removed || d.method == http.MethodDelete && d.uri == uri
	}
	if !there {
		return removed
	}
	for _, d := range l.doubts {
		put := d.method == http.MethodPut && d.uri == uri && !known.gone && (d.from == 0 || d.from >= known.revision)
		post := d.method == http.MethodPost && d.uri == path.Dir(uri) && removed
		if (put || post) && d.body == got.body && got.revision > known.revision {
			l.sum.made++
			return true
		}
	}
	return false
}

func (s state) String() string {
	if s.revision == 0 || s.gone {
		return "nothing"
	}
	return fmt.Sprintf("revision %d of %d octets %.30q…", s.revision, len(s.body), s.body)
}

// list asks for everything: by the index, and one by one.
func (l *ledger) list(client *sender) map[string]state {
	present := make(map[string]state)
	for after := ""; ; {
		a := client.must(l.t, change{method: http.MethodGet, uri: "/?value=1&limit=1000&after=" + url.QueryEscape(after)}, "application/json")
		if a.status != http.StatusOK {
			l.t.Fatalf("index: %d %s", a.status, a.body)
		}
		var page struct {
			Resources []struct{ URI, ETag, Value string }
		}
		if err := json.Unmarshal([]byte(a.body), &page); err != nil {
			l.t.Fatal(err)
		}
		for _, r := range page.Resources {
			present[r.URI] = state{body: r.Value, revision: l.revision(r.ETag)}
			after = r.URI
		}
		if !strings.Contains(a.link, `rel="next"`) {
			break
		}
	}
	for uri, listed := range present {
		a := client.must(l.t, change{method: http.MethodGet, uri: uri}, "")
		if got := (state{body: a.body, revision: l.revision(a.etag)}); a.status != http.StatusOK || got != listed {
			l.t.Errorf("%s: %d, %s; the index has %s", uri, a.status, got, listed)
		}
	}
	return present
}

// repeat sends POSTs again, with their keys: those without an answer, and some others. Each
// has one child, whether it was there already or not.
func (l *ledger) repeat(client *sender, chance *rand.Rand) {
	l.mu.Lock()
	defer l.mu.Unlock()
	again := l.keyed[max(0, len(l.keyed)-40):]
	for range min(20, len(l.keyed)) {
		again = append(again[:len(again):len(again)], l.keyed[chance.IntN(len(l.keyed))])
	}
	for _, d := range l.doubts {
		if d.key != "" && d.method == http.MethodPost {
			again = append(again[:len(again):len(again)], l.present(d))
		}
	}
	l.doubts = nil
	for _, c := range again {
		a := client.must(l.t, c, "")
		revision := l.revision(a.etag)
		if a.status != http.StatusCreated || c.child != "" && (a.location != c.child || revision != c.revision) {
			l.t.Errorf("POST %s with the key %s again: %d, %s at %d; the first: %s at %d", c.uri, c.key, a.status, a.location, revision, c.child, c.revision)
		}
		if c.child == "" {
			c.child, c.revision = a.location, revision
			l.see(c.child, state{body: c.body, revision: revision})
			l.keyed = append(l.keyed, c)
		}
		l.sum.repeated++
	}
	l.floor = l.newest
}

// present adds to a POST without an answer what it has made, if it has.
func (l *ledger) present(c change) change {
	for uri, s := range l.known {
		if s.body == c.body && !s.gone {
			c.child, c.revision = uri, s.revision
		}
	}
	return c
}

// deal gives each child to one of n writers.
func (l *ledger) deal(n int) []map[string]state {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := make([]map[string]state, n)
	for i := range own {
		own[i] = make(map[string]state)
	}
	i := 0
	for _, uri := range slices.Sorted(maps.Keys(l.known)) {
		if s := l.known[uri]; !s.gone && !slices.Contains(shared, uri) {
			own[i%n][uri] = s
			i++
		}
	}
	return own
}

// revision reads a tag. The epoch in it never changes.
func (l *ledger) revision(tag string) uint64 {
	epoch, digits, _ := strings.Cut(strings.Trim(tag, `"`), "-")
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		l.t.Errorf("tag %q", tag)
	}
	if l.epoch == "" {
		l.epoch = epoch
	}
	if epoch != l.epoch {
		l.t.Errorf("epoch %s, and %s before", epoch, l.epoch)
	}
	return n
}

package roost

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"slices"
	"sync"
	"time"

	"roost/internal/structured"
	"roost/store"
)

// replySpace is where a store keeps what POSTs with an Idempotency-Key were answered (rule
// 50). A record is made in the transaction that makes the child, and so has its revision.
const replySpace = "reply"

func replyKey(name string) store.Key { return store.Key{Space: replySpace, Name: name} }

// keyLifetime is how long a key is remembered.
const keyLifetime = 24 * time.Hour

// replyMeta is the Meta of such a record.
type replyMeta struct {
	Child   string    `json:"child"`            // the key of what was made
	Content []byte    `json:"content"`          // a hash of what was sent
	Expires time.Time `json:"expires,omitzero"` // of the child, as it was made
}

// remembered is a POST that was answered.
type remembered struct {
	replyMeta
	revision uint64
	made     time.Time
	until    time.Time
}

// replies are the POSTs that are remembered, and those under way.
type replies struct {
	mu       sync.Mutex // taken after a store's own lock; nothing is taken after it
	known    map[string]*remembered
	children map[string]int      // what POST must not make again, and by how many records
	running  map[string]struct{} // keys of POSTs under way in this process
}

func (r *replies) remember(name string, m *remembered) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known, r.children = make(map[string]*remembered), make(map[string]int)
	}
	r.forgetLocked(name)
	r.known[name] = m
	r.children[m.Child]++
}

func (r *replies) forget(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forgetLocked(name)
}

func (r *replies) forgetLocked(name string) {
	m := r.known[name]
	if m == nil {
		return
	}
	delete(r.known, name)
	if r.children[m.Child]--; r.children[m.Child] == 0 {
		delete(r.children, m.Child)
	}
}

func (r *replies) forgetAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known, r.children = nil, nil
}

// made says whether a POST that is remembered made child.
func (r *replies) made(child string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.children[child] > 0
}

// claim begins a POST with a key, unless one is remembered or under way.
func (r *replies) claim(name string) (m *remembered, busy bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.known[name]; m != nil {
		return m, false
	}
	if _, busy = r.running[name]; busy {
		return nil, true
	}
	if r.running == nil {
		r.running = make(map[string]struct{})
	}
	r.running[name] = struct{}{}
	return nil, false
}

func (r *replies) release(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.running, name)
}

func (r *replies) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.known)
}

func (r *replies) lookup(name string) *remembered {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known[name]
}

// applyReply publishes a record.
func (g *registry) applyReply(c store.Change, _ any) error {
	name := c.Item.Key.Name
	if c.Deleted {
		g.replies.forget(name)
		g.expiries.remove(c.Item.Key)
		return nil
	}
	m := &remembered{revision: c.Item.Revision, made: c.Item.Modified, until: c.Item.Expires}
	if err := json.Unmarshal(c.Item.Meta, &m.replyMeta); err != nil {
		return fmt.Errorf("its meta: %w", err)
	}
	g.replies.remember(name, m)
	g.expiries.add(c.Item.Key, c.Item)
	return nil
}

// admitKey reads Idempotency-Key.
func (q *request) admitKey() *Problem {
	lines := q.head.Header.Values("Idempotency-Key")
	if len(lines) == 0 {
		return nil
	}
	key, ok := structured.Key(lines[0])
	if !ok {
		return problemKey.with(`Idempotency-Key is 1 to 255 characters in quotes, such as "8e03978e-40d5".`)
	}
	q.replyName = hashed(q.verdict.Caller, q.entry.key, key, q.entry.created)
	return nil
}

// hashed names a key of one caller for one life of a resource.
func hashed(caller, uri, key string, life uint64) string {
	h := sha256.New()
	for _, s := range []string{caller, uri, key} {
		hashPart(h, s)
	}
	binary.Write(h, binary.BigEndian, life)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func hashPart[T string | []byte](h hash.Hash, part T) {
	binary.Write(h, binary.BigEndian, uint64(len(part)))
	io.WriteString(h, string(part))
}

// hashContent is what the same request again has the same of. The type is as it was sent: without
// one it is that of the resource, which may change meanwhile.
func (q *request) hashContent() []byte {
	h := sha256.New()
	hashPart(h, q.head.Header.Get("Content-Type"))
	h.Write(q.content)
	return h.Sum(nil)
}

// recall answers a POST whose key is remembered, or in use. It is false where the POST is
// the first.
func (q *request) recall() (step, bool) {
	if q.replyName == "" {
		return 0, false
	}
	var m *remembered
	var busy bool
	if q.claimed {
		m = q.site.replies.lookup(q.replyName) // another node's may be there meanwhile
	} else {
		m, busy = q.site.replies.claim(q.replyName)
		q.claimed = m == nil && !busy
	}
	switch {
	case busy:
		return q.refuse(problemKeyInUse.with("The first request with this Idempotency-Key is still under way."), retrySoon), true
	case m == nil, !q.now.Before(m.until):
		return 0, false
	case !slices.Equal(m.Content, q.hashContent()):
		return q.refuse(problemKeyReused.with("This Idempotency-Key came with other content, or another type. A new request needs a new key.")), true
	}
	q.callback = nil // was called for the first
	q.newURI = q.childWritten(m.Child)
	return q.created(&made201{child: m.Child, revision: m.revision, modified: m.made, expires: m.Expires}), true
}

// remember adds the record of a POST to its transaction.
func (q *request) remember(expires time.Time) store.Write {
	return store.Write{
		Key:      replyKey(q.replyName),
		Meta:     mustJSON(replyMeta{Child: q.child, Content: q.hashContent(), Expires: expires}),
		Modified: q.now,
		Expires:  until(q.now, keyLifetime),
	}
}

// end gives back what the request holds.
func (q *request) end() {
	if q.claimed {
		q.site.replies.release(q.replyName)
	}
}

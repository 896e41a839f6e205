package roost

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"roost/store"
)

// The spaces that a server keeps in its store. A resource's item has the
// representation and what never changes in its life; its registration has an
// item of its own, so that neither a PUT nor RegisterRequestHandler writes over
// what the other wrote. Both are named by the normal form of the URI.
const (
	resourceSpace = "resource"
	handlerSpace  = "handler"
)

func resourceKey(key string) store.Key { return store.Key{Space: resourceSpace, Name: key} }
func handlerKey(key string) store.Key  { return store.Key{Space: handlerSpace, Name: key} }

// resourceMeta is the Meta of a resource's item.
type resourceMeta struct {
	Type   string `json:"type"`
	Client bool   `json:"client,omitempty"` // the value came in a request

	// Declared is the type that the program gave, where a request has changed it.
	Declared string `json:"declared,omitempty"`

	// The rest stays the same for the resource's life.

	URI          string `json:"uri,omitempty"` // as the program wrote it, where that isn't the key
	CacheControl string `json:"cache,omitempty"`
	Parent       string `json:"parent,omitempty"`  // key of the resource whose POST made it
	Methods      Method `json:"methods,omitempty"` // what the parent answered then

	// Each value lives for TTL from its writing, for ever if zero; a client may say
	// otherwise where ClientTTL is set.
	TTL       time.Duration `json:"ttl,omitempty"` // nanoseconds
	ClientTTL bool          `json:"client_ttl,omitempty"`
}

// handlerMeta is the Meta of a registration's item.
type handlerMeta struct {
	Methods Method `json:"methods"`
}

// check finds what no server writes, but an import may bring.
func (m *resourceMeta) check() error {
	err := checkType(m.Type)
	if err == nil && m.CacheControl != "" {
		err = checkFieldValue(m.CacheControl)
	}
	if err == nil && m.TTL < 0 {
		err = fmt.Errorf("time to live of %v", m.TTL)
	}
	return cmp.Or(err, m.Methods.check())
}

// removal are the writes that remove a resource and its registration.
func removal(key string) [2]store.Write {
	return [...]store.Write{{Key: resourceKey(key), Delete: true}, {Key: handlerKey(key), Delete: true}}
}

// mustJSON encodes what can't fail: structs of strings, numbers, booleans, octets and times.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// made marks the transactions of this process that nothing else marks.
type made struct{}

// registration is what a resource answers, and whom it tells.
type registration struct {
	methods  Method
	callback Callback
}

// entry is one life of a resource. Its atomic fields are written by the registry
// alone.
type entry struct {
	key     string
	created uint64

	current   atomic.Pointer[Representation]
	own       atomic.Pointer[registration] // nil until it registers its own
	hooked    atomic.Pointer[hooked]
	gone      atomic.Bool
	adoptable atomic.Bool // brought by the store, and not declared in this process yet
}

// What never changes in a resource's life is in the Meta of each of its representations.

// uri is as the program wrote it.
func (e *entry) uri() string { return cmp.Or(e.meta().URI, e.key) }

// parent is the key of the resource whose POST made e, or empty.
func (e *entry) parent() string { return e.meta().Parent }

func (e *entry) meta() *resourceMeta { return e.current.Load().meta }

// registry holds every resource of a server, ready to be read. Readers never wait for a change
// to be applied, only for one entry of the directory to be written. Its one writer is apply,
// which the store calls, mostly under its own lock.
type registry struct {
	epoch    string
	log      *slog.Logger
	courier  *courier
	observer Observer

	entries directory

	hooks    atomic.Bool // some resource had one
	hub      hub
	expiries expiries
	replies  replies
	metas    metas
	bytes    atomic.Int64 // of all values

	startsOver bool // the batch under way is everything: who watches is told at its end
	loads      bool // and nothing was there before it

	mu    sync.Mutex // taken after a store's own lock; nothing is taken after it
	live  int        // entries that are not gone
	byURI order
	tree  *tree // nil where there is no index
}

func newRegistry(epoch string, c *courier, cfg *Config) *registry {
	g := &registry{
		epoch: epoch, log: cfg.Logger, courier: c, observer: cfg.Observer,
		byURI: order{name: (*entry).uri},
	}
	g.entries.prepare()
	g.hub.prepare(cfg.MaxWatchers)
	if cfg.Index {
		g.tree = newTree()
	}
	return g
}

// lookup returns what is stored under key, also if its time is over.
func (g *registry) lookup(key string) *entry { return g.entries.get(key) }

// find returns the resource that is there at a time: what has expired is not, whether
// the store knows already or not.
func (g *registry) find(key string, now time.Time) *entry {
	e := g.lookup(key)
	if e == nil || e.current.Load().expired(now) {
		return nil
	}
	return e
}

// count is how many resources there are.
func (g *registry) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.live
}

// registered returns what e answers: by its own registration, or as the resource
// it was made under, at present. A child whose parent is gone keeps the methods
// that the parent had when the child was made, and calls nobody back.
func (g *registry) registered(e *entry) registration {
	for {
		if own := e.own.Load(); own != nil {
			return *own
		}
		if e.parent() == "" {
			return registration{}
		}
		parent := g.parentOf(e)
		if parent == nil {
			return registration{methods: e.meta().Methods}
		}
		e = parent
	}
}

// parentOf is the resource that e was made under; nil if there was none, or it is gone: one
// that is not older is another at the same URI, or no parent: what a store brings may name
// anything, and must not lead round in a circle.
func (g *registry) parentOf(e *entry) *entry {
	if e.parent() == "" {
		return nil
	}
	parent := g.lookup(e.parent())
	if parent == nil || parent.created >= e.created {
		return nil
	}
	return parent
}

// list returns up to most entries whose URIs start with prefix and come after the URI
// after, sorted.
func (g *registry) list(prefix, after string, most int) []*entry {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.byURI.list(prefix, after, most)
}

// apply publishes a batch of the store. It is the only way by which anything
// becomes visible.
func (g *registry) apply(b store.Batch) {
	g.startsOver, g.loads = b.Reset, b.Reset && g.count() == 0
	if b.Reset {
		g.replies.forgetAll()
	}
	switch {
	case g.loads:
		g.expect(len(b.Changes))
	case b.Reset:
		g.reset(b)
	}
	g.applySpace(resourceSpace, b, g.applyResource)
	g.applySpace(handlerSpace, b, g.applyHandler)
	g.applySpace(replySpace, b, g.applyReply)
	if b.Reset {
		g.hub.restart(b.Revision)
		if g.tree != nil {
			g.tree.restart(b.Revision)
		}
	}
}

func (g *registry) applySpace(space string, b store.Batch, apply func(store.Change, any) error) {
	for _, c := range b.Changes {
		if c.Item.Key.Space != space {
			continue
		}
		if err := apply(c, b.Mark); err != nil {
			g.log.Error("store brought an item that can't be read; it is left out", "item", c.Item.Key.String(), "error", err)
		}
	}
}

// expect makes room for what up to n items bring.
func (g *registry) expect(n int) {
	g.entries.expect(n)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.byURI.expect(n)
	if g.tree != nil {
		g.tree.byKey.expect(n)
	}
}

// reset removes what a batch that starts over no longer has.
func (g *registry) reset(b store.Batch) {
	kept := make(map[store.Key]uint64, len(b.Changes))
	for _, c := range b.Changes {
		kept[c.Item.Key] = c.Item.Created
	}
	for _, e := range g.entries.all() {
		switch created, ok := kept[resourceKey(e.key)]; {
		case !ok || created != e.created:
			g.remove(e, b.Revision)
		default:
			if _, ok := kept[handlerKey(e.key)]; !ok {
				e.own.Store(nil)
			}
		}
	}
}

func (g *registry) applyResource(c store.Change, mark any) error {
	item := c.Item
	key := item.Key.Name
	if d, ok := mark.(*delivery); ok {
		// The event's place in line is taken here, in the order of revisions:
		// for the resource that was asked, and for the child that it made.
		g.courier.place(d, d.key)
		g.courier.place(d, key)
	}
	var e *entry
	if !g.loads {
		e = g.lookup(key)
	}
	if c.Deleted {
		if e != nil {
			g.remove(e, item.Revision)
		}
		return nil
	}
	if e != nil && e.created != item.Created {
		g.remove(e, item.Revision)
		e = nil
	}
	if e != nil && e.current.Load().item.Revision == item.Revision {
		return nil // a batch that starts over has what did not change too
	}
	rep, err := g.represent(e, item)
	if err != nil {
		return err
	}
	if e != nil {
		g.bytes.Add(int64(len(rep.item.Value) - len(e.current.Swap(rep).item.Value)))
		g.expiries.add(resourceKey(key), item)
		g.published(change{entry: e, kind: Updated, rep: rep, revision: item.Revision})
		return nil
	}
	g.add(item, rep, mark)
	return nil
}

// represent makes the representation of an item of e, which is nil for a new one.
func (g *registry) represent(e *entry, item *store.Item) (*Representation, error) {
	rep := &Representation{item: item, tag: g.epoch}
	if e != nil {
		if before := e.current.Load(); bytes.Equal(before.item.Meta, item.Meta) {
			rep.meta = before.meta
			return rep, nil
		}
	}
	meta, err := g.metas.parse(item.Meta)
	if err != nil {
		return nil, fmt.Errorf("its meta: %w", err)
	}
	rep.meta = meta
	return rep, nil
}

// metas are the ones that were parsed last. Many resources have the same, as children of
// one parent do, and then share it.
type metas struct {
	mu     sync.Mutex
	parsed map[string]*resourceMeta
}

const maxMetas = 1 << 10

func (m *metas) parse(encoded []byte) (*resourceMeta, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if meta, ok := m.parsed[string(encoded)]; ok {
		return meta, nil
	}
	meta := new(resourceMeta)
	err := json.Unmarshal(encoded, meta)
	if err == nil {
		err = meta.check()
	}
	if err != nil {
		return nil, err
	}
	if m.parsed == nil || len(m.parsed) >= maxMetas {
		m.parsed = make(map[string]*resourceMeta)
	}
	m.parsed[string(encoded)] = meta
	return meta, nil
}

func (g *registry) add(item *store.Item, rep *Representation, mark any) {
	e := &entry{key: item.Key.Name, created: item.Created}
	e.adoptable.Store(mark == nil)
	e.current.Store(rep)
	g.entries.put(e)
	g.bytes.Add(int64(len(rep.item.Value)))
	g.mu.Lock()
	g.live++
	g.byURI.add(e)
	if g.tree != nil {
		g.tree.add(e)
	}
	g.mu.Unlock()
	g.expiries.add(item.Key, item)
	g.published(change{entry: e, kind: Created, rep: rep, revision: item.Revision})
}

func (g *registry) remove(e *entry, revision uint64) {
	under := g.lookUnder(e)
	e.gone.Store(true)
	g.entries.drop(e.key)
	g.expiries.remove(resourceKey(e.key))
	g.bytes.Add(-int64(len(e.current.Load().item.Value)))
	g.mu.Lock()
	g.live--
	g.byURI.tidy(g.live)
	if g.tree != nil {
		g.tree.remove(e, g.live)
	}
	g.mu.Unlock()
	g.tellUnder(e, under, revision)
	g.published(change{entry: e, kind: Deleted, revision: revision})
}

func (g *registry) applyHandler(c store.Change, mark any) error {
	e := g.lookup(c.Item.Key.Name)
	if e == nil || c.Deleted {
		return nil // goes with its resource
	}
	shown := g.visible(e)
	own, ok := mark.(*registration)
	if !ok {
		var meta handlerMeta
		err := json.Unmarshal(c.Item.Meta, &meta)
		if err == nil {
			err = meta.Methods.check()
		}
		if err != nil {
			return fmt.Errorf("its meta: %w", err)
		}
		own = &registration{methods: meta.Methods}
		if before := e.own.Load(); before != nil {
			own.callback = before.callback
		}
	}
	under := g.lookUnder(e)
	e.own.Store(own)
	g.tellUnder(e, under, c.Item.Revision)
	g.registeredAnew(e, shown, c.Item.Revision)
	return nil
}

// registeredAnew tells those who watch that what e answers may have changed.
func (g *registry) registeredAnew(e *entry, shown bool, revision uint64) {
	g.touch(e, revision)
	g.tellSight(sight{entry: e, shown: shown}, revision)
	g.hub.wakeAll()
}

// sight is what a resource answered, and whether the index could tell of it.
type sight struct {
	entry   *entry
	methods Method
	shown   bool
}

// lookUnder looks at the resources below e, which may have been made under it and then answer
// as it does, before that changes.
func (g *registry) lookUnder(e *entry) (all []sight) {
	if e.own.Load() == nil && e.hooked.Load() == nil && e.parent() == "" || !g.hasBelow(e) {
		return nil
	}
	path := folderOf(e.key)
	for after := path; ; {
		step := g.below(path, after)
		for _, e := range step {
			if e.own.Load() == nil {
				all = append(all, sight{e, g.registered(e).methods, g.visible(e)})
			}
		}
		if len(step) < listStep {
			return all
		}
		after = step[len(step)-1].key
	}
}

// tellUnder tells of those that answer otherwise since.
func (g *registry) tellUnder(e *entry, under []sight, revision uint64) {
	changed := false
	for _, s := range under {
		if g.registered(s.entry).methods != s.methods || g.visible(s.entry) != s.shown {
			changed = true
			g.tellSight(s, revision)
		}
	}
	if changed {
		g.reshape(e, revision)
		g.hub.wakeAll()
	}
}

// tellSight tells of a resource that the index can tell of now, or not any more.
func (g *registry) tellSight(s sight, revision uint64) {
	kind := hiddenKind
	switch now := g.visible(s.entry); {
	case now == s.shown:
		return
	case now:
		kind = shownKind
	}
	g.hub.publish(change{entry: s.entry, kind: kind, rep: s.entry.current.Load(), revision: revision})
}

// touch and hasBelow keep and ask the index.
func (g *registry) touch(e *entry, revision uint64) {
	if g.tree == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tree.touch(e.key, revision)
}

// reshape notes in the index that what was made under e answers otherwise.
func (g *registry) reshape(e *entry, revision uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tree.reshape(folderOf(e.key), revision)
}

func (g *registry) hasBelow(e *entry) bool {
	if g.tree == nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.tree.below(folderOf(e.key)) != nil
}

// published tells everybody of a change of a resource, which readers see already.
func (g *registry) published(c change) {
	if !g.startsOver {
		g.tell(c)
	}
	if g.observer != nil {
		g.observer.Change(&ChangeRecord{URI: c.entry.uri(), Kind: c.kind, Revision: c.revision})
	}
}

// tell tells those who watch.
func (g *registry) tell(c change) {
	g.touch(c.entry, c.revision)
	c.shown = g.visible(c.entry)
	g.hub.publish(c)
}

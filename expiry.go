package roost

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"roost/internal/structured"
	"roost/store"
)

// MaxTTL is the longest time to live: a hundred years.
const MaxTTL = 100 * 365 * 24 * time.Hour

// sunset tells when a resource will cease to be there (RFC 8594 §3).
func sunset(t time.Time) Field { return Field{"Sunset", []string{httpDate(t)}} }

// until is the end of a value that is written now and lives for ttl, or for ever if that
// is zero.
func until(now time.Time, ttl time.Duration) time.Time {
	if ttl <= 0 {
		return time.Time{}
	}
	return now.Round(0).Add(ttl)
}

// admitTTL reads Roost-TTL (rule 56).
func (q *request) admitTTL() *Problem {
	lines := q.head.Header.Values("Roost-Ttl")
	if len(lines) == 0 {
		return nil
	}
	if m := q.head.Method; m != http.MethodPut && m != http.MethodPost {
		return problemTTL.with("Roost-TTL goes with PUT and POST.")
	}
	if !q.entry.current.Load().meta.ClientTTL {
		return problemTTL.with("This resource does not let clients say how long its values live. The program can allow it (WithClientTTL in Go).")
	}
	seconds, ok := structured.Integer(lines[0])
	if !ok || seconds < 1 || seconds > int64(MaxTTL/time.Second) {
		return problemTTL.withLimit(int64(MaxTTL/time.Second), seconds, "", "Roost-TTL is a number of seconds from 1 to limit.")
	}
	q.ttl = time.Duration(seconds) * time.Second
	return nil
}

// lifetime is how long what the request stores lives.
func (q *request) lifetime(meta *resourceMeta) time.Duration {
	if q.ttl > 0 {
		return q.ttl
	}
	return meta.TTL
}

// withSunset tells when what was stored expires.
func withSunset(fields []Field, expires time.Time) []Field {
	if expires.IsZero() {
		return fields
	}
	return append(fields, sunset(expires))
}

// expiries knows what will expire, and calls due, on a goroutine of its own, when the
// first of it has. The same way serves every store: the engine ceases to answer at the
// deadline, and then deletes what nobody wrote again.
type expiries struct {
	due func() bool // false if the store failed

	mu      sync.Mutex // taken after a store's own lock; nothing is taken after it
	queue   expiryQueue
	byKey   map[store.Key]*expiry
	timer   *time.Timer
	stopped bool
	running sync.WaitGroup
}

// expiry is the end of one item's time.
type expiry struct {
	key      store.Key
	revision uint64
	at       time.Time
	place    int // in the queue
}

// maxNap bounds how long nobody looks at the clock, which may be set meanwhile.
const maxNap = time.Minute

// retryExpiry is how long to wait when the store could not delete.
const retryExpiry = time.Second

// add takes the end of an item's time in place of what was known of its key.
func (x *expiries) add(key store.Key, item *store.Item) { x.set(key, item.Revision, item.Expires) }

func (x *expiries) remove(key store.Key) { x.set(key, 0, time.Time{}) }

func (x *expiries) set(key store.Key, revision uint64, at time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := x.byKey[key]
	switch {
	case at.IsZero() && e == nil:
		return
	case at.IsZero():
		delete(x.byKey, key)
		heap.Remove(&x.queue, e.place)
		return
	case e == nil:
		e = &expiry{key: key, revision: revision, at: at}
		x.pushLocked(e)
	default:
		e.revision, e.at = revision, at
		heap.Fix(&x.queue, e.place)
	}
	if x.queue[0] == e {
		x.napLocked(0)
	}
}

// napLocked has due called when the first is due, and not before least.
func (x *expiries) napLocked(least time.Duration) {
	if x.stopped || len(x.queue) == 0 {
		return
	}
	nap := min(maxNap, max(least, time.Until(x.queue[0].at)))
	if x.timer == nil {
		x.timer = time.AfterFunc(nap, x.fire)
		return
	}
	x.timer.Reset(nap)
}

func (x *expiries) fire() {
	x.mu.Lock()
	if x.stopped {
		x.mu.Unlock()
		return
	}
	x.running.Add(1)
	x.mu.Unlock()
	defer x.running.Done()
	least := time.Duration(0)
	if !x.due() {
		least = retryExpiry
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.napLocked(least)
}

// take returns the first of what has expired, and forgets it.
func (x *expiries) take(now time.Time) (e expiry, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.stopped || len(x.queue) == 0 || now.Before(x.queue[0].at) {
		return expiry{}, false
	}
	first := heap.Pop(&x.queue).(*expiry)
	delete(x.byKey, first.key)
	return *first, true
}

// stop lets nothing expire any more, and waits for what is under way.
func (x *expiries) stop() {
	x.mu.Lock()
	x.stopped = true
	if x.timer != nil {
		x.timer.Stop()
	}
	x.mu.Unlock()
	x.running.Wait()
}

// expiryGroup is how much of what has expired is deleted at once. A store that waits for a disk or
// a network does it together then; one by one, it would be deleted more slowly than it can be made.
const expiryGroup = 128

// expire deletes what has expired. It is false if the store failed.
func (s *Server) expire() bool {
	for {
		var group sync.WaitGroup
		var failed atomic.Bool
		n := 0
		for ; n < expiryGroup; n++ {
			x, ok := s.site.expiries.take(time.Now())
			if !ok {
				break
			}
			group.Go(func() { s.expireOne(x, &failed) })
		}
		group.Wait()
		if failed.Load() || n == 0 {
			return n == 0
		}
	}
}

func (s *Server) expireOne(x expiry, failed *atomic.Bool) {
	if x.key.Space == resourceSpace {
		s.site.hub.wakeKey(x.key.Name) // those who watch need not wait for the store
	}
	_, err := s.store.Commit(s.life, deletion(x.key, x.revision))
	if err == nil || errors.As(err, new(*store.ConditionError)) || errors.Is(err, store.ErrClosed) || errors.Is(err, context.Canceled) {
		return // gone, or written again and so known anew
	}
	s.site.expiries.again(x)
	if !failed.Swap(true) { // one line tells of all
		s.cfg.Logger.Error("store did not delete what expired; trying again", "item", x.key.String(), "error", err)
	}
}

// checkTTL says whether the program may give a time to live.
func checkTTL(ttl time.Duration) error {
	if ttl < 0 || ttl > MaxTTL {
		return fmt.Errorf("time to live %v: give none, or one of up to %v", ttl, MaxTTL)
	}
	return nil
}

// sweep removes the resource under key at once if its time is over.
func (s *Server) sweep(ctx context.Context, key string, now time.Time) error {
	e := s.site.lookup(key)
	if e == nil || !e.current.Load().expired(now) {
		return nil
	}
	_, err := s.commit(ctx, deletion(resourceKey(key), e.current.Load().item.Revision))
	if errors.As(err, new(*store.ConditionError)) {
		return nil
	}
	return err
}

// deletion removes what was written at a revision and not since.
func deletion(key store.Key, revision uint64) store.Txn {
	txn := store.Txn{
		If:   []store.Condition{store.At(key, revision)},
		Then: []store.Write{{Key: key, Delete: true}},
		Mark: made{},
	}
	if key.Space == resourceSpace {
		writes := removal(key.Name)
		txn.Then = writes[:]
	}
	return txn
}

// again takes back what could not be deleted, unless it was written since.
func (x *expiries) again(e expiry) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.byKey[e.key] == nil {
		x.pushLocked(&e)
	}
}

func (x *expiries) pushLocked(e *expiry) {
	if x.byKey == nil {
		x.byKey = make(map[store.Key]*expiry)
	}
	x.byKey[e.key] = e
	heap.Push(&x.queue, e)
}

// expiryQueue is a heap, the first to expire on top.
type expiryQueue []*expiry

func (q expiryQueue) Len() int           { return len(q) }
func (q expiryQueue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q expiryQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

func (q *expiryQueue) Push(x any) {
	e := x.(*expiry)
	e.place = len(*q)
	*q = append(*q, e)
}

func (q *expiryQueue) Pop() any {
	old := *q
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return last
}

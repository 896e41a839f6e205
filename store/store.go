// Package store is the contract between Roost's engine and the places where
// representations are kept.
//
// A store keeps [Item]s under [Key]s. Every change to it is a [Txn], which
// applies whole or not at all and gets the next revision. The engine follows
// the store: it learns of every change, its own and everybody else's, from the
// [Batch]es that the store hands to one function, in the order of their
// revisions. Nothing becomes visible in another way.
//
// What an implementation promises, beside the comments at each method:
//
//   - Revisions rise by at least one with every transaction that changes
//     something, start above zero, and are never given twice within one epoch.
//   - [Store.Commit] returns only after its own batch has been applied, so that
//     a writer reads its own write.
//   - Batches arrive one at a time, in the order of their revisions, with no
//     gap and none twice.
//   - Byte slices given to the store belong to it from then on, and those it
//     hands out belong to nobody: neither side changes them afterwards.
//   - All methods may be called from many goroutines at once, but not from
//     inside the function given to [Store.Follow].
//
// Package roost/store/storetest is this contract as a test suite.
package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Key names an item. A space is a flat set of names with its own count and size,
// such as the resources of a server; a name is any text, compared octet by octet.
type Key struct {
	Space string
	Name  string
}

// String is for messages; two keys may share one.
func (k Key) String() string { return k.Space + ":" + k.Name }

// Item is what a store keeps under a key. Items are immutable: a change makes a
// new one.
type Item struct {
	Key Key

	// Meta and Value are opaque to the store. Only the length of Value counts
	// for [BytesBelow].
	Meta  []byte
	Value []byte

	// Created is the revision that made the item, and identifies its life:
	// deleted and made again, it has another one. Revision is that of its last
	// write.
	Created  uint64
	Revision uint64

	// Modified and Expires are the writer's: the store keeps them as instants, to
	// the nanosecond, and neither reads a clock nor deletes anything because of
	// them. A zero Expires means never.
	Modified time.Time
	Expires  time.Time
}

// Txn is a transaction: if all conditions hold, all writes are done, under one
// revision. A transaction that changes nothing, because it has no writes or only
// deletes what is absent, makes no batch, and its Mark goes nowhere. One that
// writes a key twice, or has an unknown Op, is refused and changes nothing.
//
// If and Then are lent until Commit returns: a store that goes on with a
// transaction after that keeps copies of them.
type Txn struct {
	If   []Condition
	Then []Write

	// Mark travels with the transaction into the Batch that applies it, in this
	// process only: elsewhere, and for what was loaded, Batch.Mark is nil. It is how a
	// writer learns its place among the changes. A writer whose Mark has not come back
	// when Commit returns finds its change in a batch with Reset set.
	Mark any
}

// Write puts an item, replacing the one that is there, or deletes it. Deleting
// what does not exist is no error.
type Write struct {
	Key    Key
	Delete bool

	Meta     []byte
	Value    []byte
	Modified time.Time
	Expires  time.Time
}

// Op says what a Condition tests.
type Op uint8

const (
	OpExists     Op = iota + 1 // an item is there
	OpAbsent                   // no item is there
	OpRevision                 // an item is there and its Revision equals N
	OpCreated                  // an item is there and its Created equals N
	OpCountBelow               // the space holds fewer than N items
	OpBytesBelow               // the values of the space are together shorter than N bytes
)

// Condition must hold at the moment a transaction is applied. Make one with
// [Exists], [Absent], [At], [Born], [CountBelow] or [BytesBelow].
type Condition struct {
	Op  Op
	Key Key // for the limits only Key.Space
	N   uint64
}

// Exists holds while an item is stored under key.
func Exists(key Key) Condition { return Condition{Op: OpExists, Key: key} }

// Absent holds while nothing is stored under key.
func Absent(key Key) Condition { return Condition{Op: OpAbsent, Key: key} }

// At holds while the item under key is the one written at revision.
func At(key Key, revision uint64) Condition {
	return Condition{Op: OpRevision, Key: key, N: revision}
}

// Born holds while the item under key is in the life that began at revision created.
func Born(key Key, created uint64) Condition {
	return Condition{Op: OpCreated, Key: key, N: created}
}

// CountBelow holds while space has fewer than n items, as it was before the
// transaction's own writes.
func CountBelow(space string, n uint64) Condition {
	return Condition{Op: OpCountBelow, Key: Key{Space: space}, N: n}
}

// BytesBelow holds while the values in space take fewer than n bytes together,
// as it was before the transaction's own writes.
func BytesBelow(space string, n uint64) Condition {
	return Condition{Op: OpBytesBelow, Key: Key{Space: space}, N: n}
}

func (c Condition) String() string {
	switch c.Op {
	case OpExists:
		return fmt.Sprintf("%s exists", c.Key)
	case OpAbsent:
		return fmt.Sprintf("%s is absent", c.Key)
	case OpRevision:
		return fmt.Sprintf("%s is at revision %d", c.Key, c.N)
	case OpCreated:
		return fmt.Sprintf("%s was created at revision %d", c.Key, c.N)
	case OpCountBelow:
		return fmt.Sprintf("space %s has fewer than %d items", c.Key.Space, c.N)
	case OpBytesBelow:
		return fmt.Sprintf("space %s has fewer than %d bytes", c.Key.Space, c.N)
	}
	return fmt.Sprintf("condition %d", c.Op)
}

// Batch is what one revision changed. The slice and what it points to are
// read-only and may be kept.
type Batch struct {
	Revision uint64

	// Reset says that the changes are everything the store holds: what is not
	// among them is gone. The first batch is one, and any later one that had to
	// skip history.
	Reset bool

	Changes []Change
	Mark    any
}

// Change is one item as it is now. Of a deleted one only Key, Created and Revision,
// the revision of its deletion, are set.
type Change struct {
	Deleted bool
	Item    *Item
}

// Info describes a store. It does not change while the store is open.
type Info struct {
	// Epoch names the store since it was made: 1 to 32 of the letters a-z and
	// digits. Two stores never share one, so epoch and revision together never
	// repeat, not across a restart that lost everything either.
	Epoch string

	// Blocks says that Commit and Sync may wait for a disk or a network. Where it is
	// false an event loop may call them itself.
	Blocks bool

	// Promise says in one line what an acknowledged change survives.
	Promise string
}

// Store keeps items.
type Store interface {
	// Follow hands apply everything that is stored, as one batch with Reset set, and
	// returns when that has been applied. From then on each later batch is handed
	// to apply until ctx is done or the store is closed. If ctx is done before
	// Follow returns, its error is returned and apply is not called again.
	// Afterwards a call under way when ctx ends may still finish; the next
	// Follow waits for it. The first batch of an empty store has revision 0.
	//
	// A store has one follower at a time: another gets ErrFollowed. apply must
	// not block and must not call the store.
	Follow(ctx context.Context, apply func(Batch)) error

	// Commit applies a transaction and returns its revision: that of its changes,
	// or if nothing changed the one its conditions were tested at. A condition
	// that does not hold is a *ConditionError, of the first such condition. If ctx
	// is done before the call, or ends it, the error is ctx's.
	// Any error but one that is ErrUnknown means that nothing was changed.
	Commit(ctx context.Context, txn Txn) (uint64, error)

	// Sync returns a revision that is applied and not older than any change that
	// was acknowledged, anywhere, before Sync was called.
	Sync(ctx context.Context) (uint64, error)

	Info() Info

	// Close ends following and releases what the store holds. apply is not running
	// when Close returns, and is not called again. Calls under way finish, or fail
	// with ErrClosed or, where the outcome is not known, ErrUnknown; every later
	// Follow, Commit and Sync fails with ErrClosed. Closing again does nothing.
	Close() error
}

// AsyncCommitter is a [Store] that needs no goroutine for a transaction that waits. Who serves
// thousands of writers uses it where it is there.
type AsyncCommitter interface {
	Store

	// CommitAsync does what Commit does and calls done once with what Commit would have
	// returned: before it returns itself, or later from any goroutine. It does not wait for a
	// disk or a network. The transaction's slices are lent until done is called. done must not
	// block, must not panic and must not call the store.
	CommitAsync(ctx context.Context, txn Txn, done func(revision uint64, err error))
}

var (
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("store is closed")

	// ErrFollowed: the store has a follower already.
	ErrFollowed = errors.New("store is followed already")

	// ErrFull: there is no room for the change; nothing was changed.
	ErrFull = errors.New("store is full")

	// ErrUnavailable: the store can't be reached; the change was certainly not
	// made.
	ErrUnavailable = errors.New("store is unavailable")

	// ErrUnknown: whether the change was made could not be learned.
	ErrUnknown = errors.New("outcome of the change is unknown")
)

// ConditionError tells which condition of a transaction did not hold.
type ConditionError struct {
	// Index is the condition's place in Txn.If.
	Index     int
	Condition Condition

	// Present is the item found under the condition's key; nil if there is none,
	// and for limits.
	Present *Item
}

func (e *ConditionError) Error() string { return "condition failed: " + e.Condition.String() }

package control

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// subscribers are those of an engine, by name. One is made when it is named first, in a
// registration or by a stream, and is there until it is forgotten.
type subscribers struct {
	maxEvents int
	maxBytes  int64

	mu       sync.Mutex // taken before a subscriber's own
	byName   map[string]*subscriber
	released bool
}

// maxSubscribers bounds what clients that choose new names can make the engine keep.
const maxSubscribers = 256

var (
	errSubscribers  = fmt.Errorf("there are %d subscribers, as many as there can be: forget one", maxSubscribers)
	errNoSubscriber = errors.New("there is no such subscriber")
)

func newSubscribers(maxEvents int, maxBytes int64) *subscribers {
	return &subscribers{maxEvents: maxEvents, maxBytes: maxBytes, byName: make(map[string]*subscriber)}
}

// get returns the subscriber called name, and makes it where there is none.
func (all *subscribers) get(name string) (*subscriber, error) {
	all.mu.Lock()
	defer all.mu.Unlock()
	return all.getLocked(name)
}

// opened is a stream as subscriber.open returns it.
type opened struct {
	*subscriber
	stream  *stream
	after   uint64
	unknown bool
}

// open opens a stream of the subscriber called name, which nobody can forget meanwhile.
func (all *subscribers) open(name string, last *uint64, hold bool) (o opened, err error) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if o.subscriber, err = all.getLocked(name); err != nil {
		return o, err
	}
	o.stream, o.after, o.unknown = o.subscriber.open(last, hold)
	return o, nil
}

func (all *subscribers) getLocked(name string) (*subscriber, error) {
	s := all.byName[name]
	if s != nil {
		return s, nil
	}
	if len(all.byName) >= maxSubscribers {
		return nil, errSubscribers
	}
	s = newSubscriber(all.maxEvents, all.maxBytes)
	s.released = all.released
	all.byName[name] = s
	return s, nil
}

// deliver gives an event to the subscriber called name, unless it was forgotten.
func (all *subscribers) deliver(name string, encode func(number uint64) []byte) {
	all.mu.Lock()
	s := all.byName[name]
	all.mu.Unlock()
	if s != nil {
		s.deliver(encode)
	}
}

// forget ends a subscriber, and drops what is held for it.
func (all *subscribers) forget(name string) error {
	all.mu.Lock()
	defer all.mu.Unlock()
	s := all.byName[name]
	if s == nil {
		return errNoSubscriber
	}
	delete(all.byName, name)
	s.end()
	return nil
}

// release lets the callbacks that are due become events without limits, or ends that.
// Their number is bounded by the server's queue, and it is stopping.
func (all *subscribers) release(released bool) {
	all.mu.Lock()
	defer all.mu.Unlock()
	all.released = released
	for _, s := range all.byName {
		s.release(released)
	}
}

// list tells of all, by name.
func (all *subscribers) list() []Subscriber {
	all.mu.Lock()
	defer all.mu.Unlock()
	list := []Subscriber{}
	for _, name := range slices.Sorted(maps.Keys(all.byName)) {
		list = append(list, all.byName[name].info(name))
	}
	return list
}

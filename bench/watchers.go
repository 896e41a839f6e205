package bench

import (
	"fmt"
	"sync/atomic"
	"time"
)

// Watchers are connections that are told of changes.
type Watchers struct {
	value string // of the change
	start time.Time
	at    []time.Duration
	left  atomic.Int64
	all   chan struct{} // closed when none is left
	wrong atomic.Pointer[string]
}

// Listen has every connection, which is one of a watcher, listen from now on.
func Listen(conns []*Client) *Watchers {
	w := &Watchers{at: make([]time.Duration, len(conns))}
	for i, conn := range conns {
		go func() {
			for conn.Data() == nil {
				w.told(i, conn.line)
			}
		}()
	}
	return w
}

func (w *Watchers) told(i int, line []byte) {
	w.at[i] = time.Since(w.start)
	if string(line) != "data: "+w.value+"\n" {
		wrong := string(line)
		w.wrong.Store(&wrong)
	}
	if w.left.Add(-1) == 0 {
		close(w.all)
	}
}

// Change sends a PUT by a connection of its own, and waits until every watcher was told. It
// returns how long the answer took, and when each watcher was told.
func (w *Watchers) Change(writer *Client, value string) (answered time.Duration, at []time.Duration, err error) {
	w.value, w.all = value, make(chan struct{})
	w.left.Store(int64(len(w.at)))
	w.start = time.Now()
	if err := writer.Put(value); err != nil {
		return 0, nil, err
	}
	answered = time.Since(w.start)
	select {
	case <-w.all:
	case <-time.After(waitTime):
		return 0, nil, fmt.Errorf("%d watchers were not told within %v", w.left.Load(), waitTime)
	}
	if wrong := w.wrong.Load(); wrong != nil {
		return 0, nil, fmt.Errorf("a watcher was told %q of %q", *wrong, value)
	}
	return answered, w.at, nil
}

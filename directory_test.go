package roost

import (
	"fmt"
	"sync"
	"testing"
)

func TestDirectory(t *testing.T) {
	var d directory
	d.prepare()
	if d.get("/x") != nil || len(d.all()) != 0 {
		t.Error("an empty directory has something")
	}
	for i := range 1000 {
		d.put(&entry{key: fmt.Sprint("/", i)})
	}
	younger := &entry{key: "/7", created: 2}
	d.put(younger)
	d.drop("/8")
	d.drop("/none")
	if d.get("/7") != younger {
		t.Error("the older one of /7 is found")
	}
	if d.get("/8") != nil {
		t.Error("/8 is still there")
	}
	for _, i := range []int{0, 9, 999} {
		if key := fmt.Sprint("/", i); d.get(key) == nil || d.get(key).key != key {
			t.Error(key, "is not found")
		}
	}
	seen := make(map[string]bool)
	for _, e := range d.all() {
		if seen[e.key] {
			t.Error(e.key, "comes twice")
		}
		seen[e.key] = true
	}
	if len(seen) != 999 {
		t.Error(len(seen), "entries, not 999")
	}
}

// TestDirectoryWhileWritten is of use with -race.
func TestDirectoryWhileWritten(t *testing.T) {
	var d directory
	d.prepare()
	d.expect(100)
	stays := &entry{key: "/stays"}
	d.put(stays)
	var readers sync.WaitGroup
	written := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				if d.get("/stays") != stays {
					t.Error("what stays is not found")
					return
				}
				d.all()
				select {
				case <-written:
					return
				default:
				}
			}
		})
	}
	for i := range 2000 {
		key := fmt.Sprint("/", i%100)
		d.put(&entry{key: key})
		if i%3 == 0 {
			d.drop(key)
		}
	}
	close(written)
	readers.Wait()
}

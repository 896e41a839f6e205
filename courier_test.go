package roost

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"
)

func newTestCourier(told *[]string) (*courier, func(peer string) *delivery, func(*delivery, string)) {
	c := newCourier(0, 0, slog.New(slog.DiscardHandler))
	begin := func(peer string) *delivery {
		return c.begin(func(e *Exchange) { *told = append(*told, e.URI) }, "/a", peer)
	}
	answered := func(d *delivery, name string) { c.answered(d, &Exchange{URI: name}) }
	return c, begin, answered
}

func mustDrain(t *testing.T, c *courier) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := c.drain(ctx); err != nil {
		t.Fatalf("%d are open: %v", c.open, err)
	}
	if len(c.lines) != 0 || len(c.behind) != 0 || c.due != 0 || c.bytes != 0 {
		t.Errorf("left behind: %d lines, %d peers, %d due, %d octets", len(c.lines), len(c.behind), c.due, c.bytes)
	}
}

// A change whose place comes after its answer, because nobody knew whether it was
// made, holds nobody up.
func TestPlaceAfterAnswer(t *testing.T) {
	var told []string
	c, begin, answered := newTestCourier(&told)
	late := begin("1")
	answered(late, "late")
	c.place(late, "/a")
	next := begin("2")
	c.place(next, "/a")
	answered(next, "next")
	mustDrain(t, c)
	if fmt.Sprint(told) != "[late next]" {
		t.Errorf("told %v", told)
	}
}

// However many of one connection are held back, each follows only the one before,
// and they come in order.
func TestLongChainOfOnePeer(t *testing.T) {
	var told []string
	c, begin, answered := newTestCourier(&told)
	first := begin("slow")
	c.place(first, "/a")
	const n = 2000
	for i := range n {
		d := begin("busy")
		if len(d.follows) > 1 {
			t.Fatalf("number %d follows %d others", i, len(d.follows))
		}
		c.place(d, "/a")
		answered(d, fmt.Sprint(i))
	}
	answered(first, "first")
	mustDrain(t, c)
	if len(told) != n+1 || told[0] != "first" || told[1] != "0" || told[n] != fmt.Sprint(n-1) {
		t.Errorf("told %d: %.60v…", len(told), told)
	}
}

// On one connection of HTTP/2: what began after an answer follows it, what was under
// way already does not.
func TestOrderOfStreams(t *testing.T) {
	var told []string
	c, begin, answered := newTestCourier(&told)
	slow := begin("slow")
	c.place(slow, "/a")
	held, beside := begin("h2"), begin("h2")
	c.place(held, "/a")
	answered(held, "held")
	after := begin("h2")
	answered(after, "after")
	answered(beside, "beside")
	c.mu.Lock()
	if c.due == 0 {
		t.Error("nothing is held back")
	}
	c.mu.Unlock()
	answered(slow, "slow")
	mustDrain(t, c)
	at := map[string]int{}
	for i, name := range told {
		at[name] = i
	}
	if at["beside"] > at["slow"] || at["held"] < at["slow"] || at["after"] < at["held"] {
		t.Errorf("told %v", told)
	}
}

// Nothing begins once the server has ended.
func TestSealedCourier(t *testing.T) {
	var told []string
	c, begin, _ := newTestCourier(&told)
	c.seal()
	if begin("1") != nil {
		t.Error("a delivery began")
	}
}

//go:build linux

package reactor

import (
	"math/rand/v2"
	"testing"
	"time"
)

// A wheel against a plain map: what is due comes, in the tick that it is due, whatever was put
// off, brought forward, taken away or closed meanwhile.
func TestWheel(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		start := time.Unix(1e9, 0)
		w := wheel{start: start}
		now := start
		conns := make([]*Conn, 20)
		due := make(map[*Conn]time.Time)
		for i := range conns {
			conns[i] = new(Conn)
			w.add(conns[i])
		}
		for range 2000 {
			i := random.IntN(len(conns))
			c := conns[i]
			switch random.IntN(6) {
			case 0, 1:
				d := time.Duration(random.Int64N(int64(200 * time.Second)))
				if random.IntN(2) == 0 {
					d /= 100
				}
				w.set(c, now.Add(d))
				due[c] = now.Add(d)
			case 2:
				w.clear(c)
				delete(due, c)
			case 3:
				w.remove(c)
				delete(due, c)
				conns[i] = new(Conn)
				w.add(conns[i])
			default:
				nap := w.next(now)
				if nap < 0 {
					nap = time.Minute
				}
				if random.IntN(4) == 0 { // woken by something else
					nap = time.Duration(random.Int64N(int64(nap) + 1))
				}
				if random.IntN(50) == 0 { // or the machine slept
					nap += 300 * time.Second
				}
				now = now.Add(nap)
				w.expire(now, func(c *Conn) {
					at, ok := due[c]
					if !ok || at.After(now) {
						t.Fatalf("seed %d: one that is not due is over", seed)
					}
					delete(due, c)
				})
				for _, at := range due {
					if now.Sub(at) >= 2*tick {
						t.Fatalf("seed %d: one is late by %v", seed, now.Sub(at))
					}
				}
			}
		}
	}
}

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"
)

// torture is TestKill's settings. TORTURE_SEED repeats what is chosen by chance, but for how
// the requests meet; docs/reliability.md tells of the long run.
type torture struct {
	seed            uint64
	rounds, writers int
}

// TestKill kills a server under load by SIGKILL, again and again, and starts it again with
// the same folder: what it had answered has to be there each time.
func TestKill(t *testing.T) {
	t.Parallel()
	o := torture{seed: number("TORTURE_SEED", rand.Uint64()), rounds: 10, writers: 12}
	if os.Getenv("ROOST_TORTURE") != "" {
		o.rounds = int(number("TORTURE_ROUNDS", 200))
	}
	t.Logf("TORTURE_SEED=%d", o.seed)
	v := &victim{t: t, dir: t.TempDir()}
	l := newLedger(t)
	chance := rand.New(rand.NewPCG(o.seed, 0))
	for range 3 {
		v.start()
		v.killSoon(chance, time.Second) // while it makes the store
	}
	for round := range o.rounds {
		if chance.IntN(4) == 0 {
			v.start()
			v.killSoon(chance, v.took)
		}
		url := v.start().await()
		client := newSender(url)
		l.check(client)
		l.repeat(client, chance)
		o.load(v, l, client, round, chance)
		client.Close()
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	client := newSender(v.start().await())
	defer client.Close()
	l.check(client)
	l.repeat(client, chance)
	v.kill()
	t.Logf("%d rounds, %d kills: %s", o.rounds, v.kills, l.sum)
}

// load has the writers write until the server is killed.
func (o torture) load(v *victim, l *ledger, client *sender, round int, chance *rand.Rand) {
	var writing sync.WaitGroup
	own := l.deal(o.writers)
	for i := range o.writers {
		w := &writer{
			name: fmt.Sprintf("%d.%d", round, i), ledger: l, sender: client, own: own[i],
			chance: rand.New(rand.NewPCG(o.seed, uint64(round+1)<<32|uint64(i))),
		}
		writing.Go(w.write)
	}
	v.killSoon(chance, 400*time.Millisecond)
	writing.Wait()
}

// number is an environment variable's.
func number(name string, otherwise uint64) uint64 {
	if n, err := strconv.ParseUint(os.Getenv(name), 10, 64); err == nil {
		return n
	}
	return otherwise
}

// launch starts the program, for as long as the test.
func launch(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command("roost", args...)}
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

// victim is a server that is killed, and started again with the same folder.
type victim struct {
	t       *testing.T
	dir     string
	kills   int
	running *process
	started time.Time
	took    time.Duration // to start, the last time
}

// shared are the resources of the command line, which all writers write.
var shared = []string{"/a", "/b", "/c"}

const declared = "declared"

func (v *victim) start() *victim {
	args := []string{"serve", "--listen", "127.0.0.1:0", "--data", v.dir, "--methods", "GET,PUT,POST,DELETE", "--type", "PLAIN", "--max-uri", "-1", "--max-remembered", "-1"}
	for _, uri := range shared {
		args = append(args, "--resource", uri+"="+declared)
	}
	v.started = time.Now()
	v.running = launch(v.t, args...)
	return v
}

var listens = regexp.MustCompile(`(?m)^listening on (\S+)$`)

// await waits until the server serves, and returns its address. No start may fail.
func (v *victim) await() (url string) {
	found := v.running.find(&v.running.stdout, listens)
	if found == nil {
		text, _ := v.running.stderr.now()
		v.t.Fatalf("after %d kills it does not start:\n%s", v.kills, text)
	}
	v.took = time.Since(v.started)
	return found[1]
}

// killSoon kills the server at an instant by chance.
func (v *victim) killSoon(chance *rand.Rand, within time.Duration) {
	time.Sleep(time.Duration(chance.Int64N(int64(within) + 1)))
	v.kill()
}

func (v *victim) kill() {
	select {
	case <-v.running.ended: // of itself
		text, _ := v.running.stderr.now()
		v.t.Fatalf("after %d kills it ended: %v\n%s", v.kills, v.running.err, text)
	default:
	}
	v.running.kill()
	v.kills++
}

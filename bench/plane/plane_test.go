//go:build linux

package main

import (
	"strings"
	"testing"
	"time"
)

const said4 = `Running 1s test @ http://127.0.0.1:34569/value
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.17ms  300.00us   5.07ms   91.40%
    Req/Sec    54.72k     2.10k   56.99k    80.00%
  Latency Distribution
     50%  980.00us
     75%    1.20ms
     90%    1.31ms
     99%    2.53ms
  54726 requests in 1.00s, 19.31MB read
Requests/sec:  54711.25
Transfer/sec:     19.30MB
`

func TestParseWrk(t *testing.T) {
	got, err := parseWrk([]byte(said4))
	want := turn{54726, 54711.25, 980 * time.Microsecond, 2530 * time.Microsecond, ""}
	if err != nil || got != want {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	const sockets = "  Socket errors: connect 0, read 0, write 0, timeout 7\n"
	got, err = parseWrk([]byte(strings.Replace(said4, "Requests/sec", sockets+"Requests/sec", 1)))
	if err != nil || got.errors != strings.TrimSpace(sockets) {
		t.Errorf("got %v, %v; want the errors of sockets", got, err)
	}
	for what, out := range map[string]string{
		"nothing":   "unable to connect",
		"refusals":  strings.Replace(said4, "Requests/sec", "  Non-2xx or 3xx responses: 12\nRequests/sec", 1),
		"no answer": strings.Replace(said4, "  54726 requests", "  0 requests", 1),
	} {
		if got, err := parseWrk([]byte(out)); err == nil {
			t.Errorf("%s: got %v, want an error", what, got)
		}
	}
}

func TestParseWrkWithoutLatency(t *testing.T) {
	got, err := parseWrk([]byte(strings.Replace(said4, "99%    2.53ms", "99%    0.00us", 1)))
	if err != nil || got.p99 != 0 || got.p50 != 980*time.Microsecond {
		t.Errorf("got %v, %v; want no p99", got, err)
	}
}

func TestSlope(t *testing.T) {
	if got := slope(1_000, 9_000, 5<<20, 5<<20+8_000*150); got != 150 {
		t.Errorf("got %v, want 150", got)
	}
}

func TestAims(t *testing.T) {
	m := &measurement{servers: []string{"roost-fast", "nginx"}, results: make(map[key]*result)}
	m.result("get-64", "roost-fast").cpu = []float64{4, 6, 5}
	m.result("get-64", "nginx").cpu = []float64{4}
	m.result("idle", "roost-fast").memory = []float64{102.4}
	var b strings.Builder
	m.aims(&b)
	for _, want := range []string{"nginx's | 1 | 1.25 | **missed**", "connection, KiB | 0.15 | 0.10 | met", "loop's | 1.25 | not measured"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

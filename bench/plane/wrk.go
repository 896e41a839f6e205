//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

// said by wrk of a turn.
type turn struct {
	requests int
	rate     float64
	p50, p99 time.Duration // 0 where wrk does not tell it, as sometimes of pipelined requests
	errors   string        // of sockets
}

var (
	wrkRequests = regexp.MustCompile(`(?m)^\s*(\d+) requests in `)
	wrkRate     = regexp.MustCompile(`(?m)^Requests/sec:\s+([0-9.]+)`)
	wrkLatency  = regexp.MustCompile(`(?m)^\s+(50|99)%\s+([0-9.]+)(us|ms|s|m)\s*$`)
	wrkErrors   = regexp.MustCompile(`(?m)^\s*(Socket errors: .*)$`)
	wrkRefused  = regexp.MustCompile(`(?m)^\s*(Non-2xx or 3xx responses: \d+)`)
)

// parseWrk reads what wrk --latency says.
func parseWrk(out []byte) (t turn, err error) {
	requests, rate := wrkRequests.FindSubmatch(out), wrkRate.FindSubmatch(out)
	if requests == nil || rate == nil {
		return t, fmt.Errorf("wrk says %q", out)
	}
	if refused := wrkRefused.FindSubmatch(out); refused != nil {
		return t, fmt.Errorf("wrk: %s of %s", refused[1], requests[1])
	}
	if t.requests, err = strconv.Atoi(string(requests[1])); err != nil {
		return t, err
	}
	if t.requests == 0 {
		return t, fmt.Errorf("wrk got no answer: %q", out)
	}
	if t.rate, err = strconv.ParseFloat(string(rate[1]), 64); err != nil {
		return t, err
	}
	for _, found := range wrkLatency.FindAllSubmatch(out, -1) {
		d, err := time.ParseDuration(string(found[2]) + string(found[3]))
		if err != nil {
			return t, err
		}
		if string(found[1]) == "50" {
			t.p50 = d
		} else {
			t.p99 = d
		}
	}
	if found := wrkErrors.FindSubmatch(out); found != nil {
		t.errors = string(found[1])
	}
	return t, nil
}

// wrk is a turn of load.
func (m *measurement) wrk(addr, path, script string, connections int, length time.Duration) (t turn, err error) {
	args := []string{"-t", "1", "-c", strconv.Itoa(connections), "-d", fmt.Sprintf("%.0fs", length.Seconds()), "--latency"}
	if script != "" {
		args = append(args, "-s", script)
	}
	cmd := exec.CommandContext(m.ctx, "wrk", append(args, "http://"+addr+path)...)
	cmd.SysProcAttr = ending()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := onCPU(m.loadCPU, cmd.Start); err != nil {
		return t, err
	}
	if err := cmd.Wait(); err != nil {
		return t, fmt.Errorf("wrk: %w: %s", err, out.Bytes())
	}
	return parseWrk(out.Bytes())
}

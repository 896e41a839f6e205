//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// files is how many a process with the most connections needs.
const files = 10_500

// raiseFiles has every process that is started from here open enough.
func raiseFiles() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Max = max(limit.Max, files)
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("%d open files are needed (ulimit -Hn): %w", files, err)
	}
	return nil
}

// pin chooses a processor for the servers and one for the load, which includes this program.
func (m *measurement) pin() error {
	var may unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		return err
	}
	m.serverCPU, m.loadCPU = -1, -1
	for cpu := range 8 * len(may) * 8 {
		switch {
		case !may.IsSet(cpu):
		case m.serverCPU < 0:
			m.serverCPU = cpu
		case m.loadCPU < 0:
			m.loadCPU = cpu
		}
	}
	if m.loadCPU < 0 {
		m.note("there is one processor, which the servers share with the load")
		m.loadCPU = m.serverCPU
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range threads {
		tid, _ := strconv.Atoi(t.Name())
		if err := unix.SchedSetaffinity(tid, only(m.loadCPU)); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}

func only(cpu int) *unix.CPUSet {
	var set unix.CPUSet
	set.Set(cpu)
	return &set
}

// onCPU does what starts a process, which stays on the processor, as do its threads.
func onCPU(cpu int, start func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	if err := unix.SchedSetaffinity(0, only(cpu)); err != nil {
		return err
	}
	defer unix.SchedSetaffinity(0, &before)
	return start()
}

// memory is what a process has in memory or was swapped out, in octets.
func memory(pid int) (float64, error) {
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	var rss, swap float64
	for name, n := range map[string]*float64{"\nRss:": &rss, "\nSwap:": &swap} {
		_, rest, ok := bytes.Cut(rollup, []byte(name))
		if !ok {
			return 0, fmt.Errorf("smaps_rollup has no %q", name)
		}
		if _, err := fmt.Sscan(string(rest), n); err != nil {
			return 0, err
		}
	}
	return (rss + swap) * 1024, nil
}

// slope is what each beyond the few adds.
func slope(few, many int, before, after float64) float64 {
	return (after - before) / float64(many-few)
}

// child is the one process that another started, and serves for it.
func child(pid int) (int, error) {
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
	if err != nil {
		return 0, err
	}
	words := strings.Fields(string(children))
	if len(words) != 1 {
		return 0, fmt.Errorf("process %d has %d children, not one", pid, len(words))
	}
	return strconv.Atoi(words[0])
}

func loadavg() string {
	text, _ := os.ReadFile("/proc/loadavg")
	words := strings.Fields(string(text))
	return strings.Join(words[:min(3, len(words))], " ")
}

// machine is what is measured on.
func machine() string {
	model := "unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(info), "model name"); ok {
			line, _, _ := strings.Cut(rest, "\n")
			model = strings.Trim(line, "\t :")
		}
	}
	var u unix.Utsname
	unix.Uname(&u)
	return fmt.Sprintf("%d processors (%s), Linux %s %s", runtime.NumCPU(), model, unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Machine[:]))
}

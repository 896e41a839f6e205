package roost

import (
	"bytes"
	"runtime"
	"strconv"
)

// goroutineID is the number of the calling goroutine. It serves one question that
// nothing else answers: whether Shutdown was called from inside a callback, for
// which it then must not wait.
func goroutineID() uint64 {
	var buf [64]byte
	s := bytes.TrimPrefix(buf[:runtime.Stack(buf[:], false)], []byte("goroutine "))
	digits, _, _ := bytes.Cut(s, []byte(" "))
	id, err := strconv.ParseUint(string(digits), 10, 64)
	if err != nil {
		panic("roost: the runtime no longer numbers goroutines in its stack traces: " + err.Error())
	}
	return id
}

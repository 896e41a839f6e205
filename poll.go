package roost

import (
	"strconv"
	"time"

	"roost/internal/negotiate"
)

// maxWait is the longest that a request is held (rule 41): less than what common
// clients and proxies wait for an answer.
const maxWait = 55

// waiting is how long the client prefers to wait for a change, and whether it does at all.
func (h *Head) waiting() (seconds int64, ok bool) {
	value, ok := negotiate.Preference(h.Header.Values("Prefer"), "wait")
	if !ok || value == "" {
		return 0, false
	}
	for _, c := range []byte(value) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	seconds, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		seconds = maxWait // more than an int64 holds
	}
	return min(seconds, maxWait), seconds > 0
}

// hold keeps a request whose answer would be 304 until there is another, if the client
// asked for that and the 304 comes of If-None-Match.
func (q *request) hold(what watched) bool {
	if q.held {
		return !q.over
	}
	if len(q.head.Header.Values("If-None-Match")) == 0 {
		return false
	}
	seconds, ok := q.head.waiting()
	if !ok {
		return false
	}
	q.held, q.patience, q.watched = true, time.Duration(seconds)*time.Second, what
	return true
}

// changed judges a request again that waits for a change. Where the wait is over, what
// comes out is the answer.
func (q *request) changed(now time.Time, over bool) step {
	q.now, q.over = now, over
	return q.find(verbs[q.head.Method])
}

// applied tells that the request was held.
func (q *request) applied(fields []Field) []Field {
	if !q.held {
		return fields
	}
	seconds := strconv.FormatInt(int64(q.patience/time.Second), 10)
	return append(fields[:len(fields):len(fields)], Field{"Preference-Applied", []string{"wait=" + seconds}})
}

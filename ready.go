package roost

import (
	"net/http"

	"roost/internal/http1"
)

// readyAnswer is an answer of HTTP/1.1 that is made already: only its Date is still to be filled in.
type readyAnswer struct {
	octets []byte // the head, and the value if it is short
	date   int    // where Date stands in them
	body   []byte // the value if it is long
}

// maxReady is up to which length a value stands in its answer. It is there twice then.
const maxReady = 1 << 10

// ready is the answer 200 to a GET that asks for nothing special.
func (s *servedValue) ready() *readyAnswer {
	if r := s.answer.Load(); r != nil {
		return r
	}
	r := new(readyAnswer)
	b := http1.AppendStatusLine(make([]byte, 0, 512), http.StatusOK)
	r.date = len(b) + len("Date: ")
	b = new(http1.Date).AppendDate(b, 0)
	b = http1.AppendEnd(appendFields(b, s.plain.fields))
	if v := s.plain.value; len(v) <= maxReady {
		b = append(b, v...)
	} else {
		r.body = v
	}
	r.octets = append(make([]byte, 0, len(b)), b...)
	s.answer.Store(r)
	return r
}

func appendFields(b []byte, fields []Field) []byte {
	for i := range fields {
		for _, v := range fields[i].Values {
			b = http1.AppendField(b, fields[i].Name, v)
		}
	}
	return b
}

package roost

import (
	"errors"
	"fmt"
	"strconv"

	"roost/store"
)

// What a server holds at most is a condition of each transaction that adds to it, so that
// it holds for all who write at once.

// roomFor are the conditions for adding resources and the octets of values.
func (s *site) roomFor(resources int, octets int64) (ifs []store.Condition) {
	if limit := s.cfg.MaxURI; limit > 0 && resources > 0 {
		ifs = append(ifs, store.CountBelow(resourceSpace, uint64(limit)))
	}
	if limit := s.cfg.MaxBytes; limit > 0 && octets > 0 {
		ifs = append(ifs, store.BytesBelow(resourceSpace, uint64(max(0, limit-octets+1))))
	}
	return ifs
}

// limited says whether the values that a change adds octets to are limited. What takes their
// place must then be known.
func (s *site) limited(octets int64) bool { return s.cfg.MaxBytes > 0 && octets > 0 }

// roomError tells the program that a limit was met.
func (s *site) roomError(failed store.Condition) error {
	switch failed.Op {
	case store.OpCountBelow:
		return fmt.Errorf("it holds %d resources: remove one or raise MaxURI", s.cfg.MaxURI)
	case store.OpBytesBelow:
		return fmt.Errorf("its values are %d bytes of %d: remove some or raise MaxBytes", s.bytes.Load(), s.cfg.MaxBytes)
	}
	return errors.New("a limit was met")
}

func isLimit(op store.Op) bool { return op == store.OpCountBelow || op == store.OpBytesBelow }

// withCapacity adds what is left of the server's room (rule 55).
func (q *request) withCapacity(fields ...Field) []Field {
	line := ""
	if limit := q.site.cfg.MaxURI; limit > 0 {
		line = "resources=" + capacity(int64(q.site.count()), int64(limit))
	}
	if limit := q.site.cfg.MaxBytes; limit > 0 {
		if line != "" {
			line += ", "
		}
		line += "bytes=" + capacity(q.site.bytes.Load(), limit)
	}
	if line == "" {
		return fields
	}
	return append(fields, Field{"Roost-Capacity", []string{line}})
}

// capacity is what is left, and how much there is in all, as RFC 9651 §3.2 writes it.
func capacity(used, limit int64) string {
	return strconv.FormatInt(max(0, limit-used), 10) + ";limit=" + strconv.FormatInt(limit, 10)
}

func (q *request) noMoreResources() *Problem {
	limit := int64(q.site.cfg.MaxURI)
	return problemFull.withLimit(limit, limit, "max-uri", "The server holds as many resources as it may. DELETE one, or have the limit raised.")
}

func (q *request) noMoreBytes() *Problem {
	return problemFull.withLimit(q.site.cfg.MaxBytes, q.site.bytes.Load(), "max-bytes", "All values together may have `limit` octets, and have `value` without this change. Send a shorter one, DELETE something, or have the limit raised.")
}

func (q *request) noMoreKeys() *Problem {
	limit := int64(q.site.cfg.MaxRemembered)
	return problemFull.withLimit(limit, limit, "max-remembered", "The server remembers as many Idempotency-Keys as it may. Each is forgotten after a day.")
}

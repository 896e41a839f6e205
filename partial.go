package roost

import (
	"net/http"
	"strconv"

	"roost/internal/byterange"
	"roost/internal/condition"
)

// part answers a GET that asks for a range of a variant's octets (rule 40). It is false
// where the whole is to be served: no range, one that is ignored, or one for another
// variant than If-Range names.
func (q *request) part(v *variant, fields []Field) bool {
	if !q.head.lines.ranged || q.head.Method != http.MethodGet || len(v.value) == 0 {
		return false
	}
	asked := q.head.Header.Values("Range")
	if len(asked) != 1 || !q.head.inRange(v) {
		return false
	}
	size := int64(len(v.value))
	first, last, result := byterange.Parse(asked[0], size)
	switch result {
	case byterange.Ignored:
		return false
	case byterange.Unsatisfiable:
		q.refuse(problemRange.withLimit(size, 0, "", "The range begins after the end of the value, which has as many octets as limit says."),
			Field{"Content-Range", []string{"bytes */" + strconv.FormatInt(size, 10)}})
		return true
	}
	of := strconv.FormatInt(first, 10) + "-" + strconv.FormatInt(last, 10) + "/" + strconv.FormatInt(size, 10)
	all := append(make([]Field, 0, len(fields)+1), fields...)
	for i := range all {
		if all[i].Name == "Content-Length" {
			all[i].Values = []string{strconv.FormatInt(last-first+1, 10)}
		}
	}
	all = append(all, Field{"Content-Range", []string{"bytes " + of}})
	octets := v.value[first : last+1]
	q.send(reply{status: http.StatusPartialContent, fields: q.withDigests(all, v, octets), body: octets})
	return true
}

// inRange says whether If-Range lets a range be served (RFC 9110 §13.1.5): there is none,
// or it is the present tag. A date is not exact enough for it.
func (h *Head) inRange(v *variant) bool {
	lines := h.Header.Values("If-Range")
	return len(lines) == 0 || len(lines) == 1 && condition.Sole(lines[0], v.etag)
}

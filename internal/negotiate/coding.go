package negotiate

import "strings"

// Codings is the weights that a request's Accept-Encoding field gives to the codings
// that this server knows (rule 33, RFC 9110 §12.5.3). lines are as for [Accept].
//
// A coding has the weight that it is named with, else that of "*". Where there is
// neither, gzip has 0, and identity, which stays acceptable, the lowest weight that is
// not 0: what is listed goes first, if gzip is chosen among equals. "x-gzip" is gzip.
// Of a coding that is named twice the highest weight counts.
//
// Members that are malformed are skipped: a bad q, a second one, another parameter. If
// the field is absent or nothing is left, only identity is acceptable, with
// [MaxWeight].
//
// Codings does not allocate.
func Codings(lines []string) (identity, gzip Weight) {
	const absent Weight = -1
	other := absent
	identity, gzip = absent, absent
	list := members{lines: lines}
	found := false
	for member, more := list.next(); more; member, more = list.next() {
		coding, w, ok := cutCoding(member)
		if !ok {
			continue
		}
		found = true
		switch {
		case coding == "*":
			other = max(other, w)
		case strings.EqualFold(coding, "identity"):
			identity = max(identity, w)
		case strings.EqualFold(coding, "gzip"), strings.EqualFold(coding, "x-gzip"):
			gzip = max(gzip, w)
		}
	}
	if !found {
		return MaxWeight, 0
	}
	if identity == absent {
		if identity = other; other == absent {
			identity = 1
		}
	}
	if gzip == absent {
		gzip = max(other, 0)
	}
	return identity, gzip
}

// cutCoding takes a member of Accept-Encoding apart.
func cutCoding(member string) (coding string, w Weight, ok bool) {
	coding, rest := cutToken(member)
	if coding == "" {
		return "", 0, false
	}
	w = MaxWeight
	weighed := false
	for rest != "" {
		var p rawParam
		if p, rest, ok = cutParam(rest); !ok {
			return "", 0, false
		}
		if p.name == "" {
			continue
		}
		if weighed || !strings.EqualFold(p.name, "q") {
			return "", 0, false
		}
		if w, ok = parseWeight(p.value); !ok {
			return "", 0, false
		}
		weighed = true
	}
	return coding, w, true
}

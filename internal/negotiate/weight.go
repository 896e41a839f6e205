package negotiate

// Weight is the weight of a member of a list field, in thousandths (RFC 9110
// §12.4.2): from 0, not acceptable, to [MaxWeight].
type Weight int

// MaxWeight is "q=1", and the weight of what has none.
const MaxWeight Weight = 1000

// parseWeight reads a qvalue: 0 to 1, with at most three digits after the point. One
// without the 0 before the point is taken too: "*/*; q=.2" is how the Accept field
// of Java's HttpURLConnection ends, and without it these clients would get nothing
// but HTML and images.
func parseWeight(s string) (w Weight, ok bool) {
	if s == "" || s == "." {
		return 0, false
	}
	if s[0] == '0' || s[0] == '1' {
		w = Weight(s[0]-'0') * MaxWeight
		s = s[1:]
	}
	if s == "" {
		return w, true
	}
	if s[0] != '.' || len(s) > len(".000") {
		return 0, false
	}
	worth := MaxWeight / 10
	for i := 1; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		w += Weight(s[i]-'0') * worth
		worth /= 10
	}
	return w, w <= MaxWeight
}

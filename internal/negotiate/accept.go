package negotiate

import "strings"

// Accept is the weight that a request's Accept field gives to m (rule 26, RFC 9110
// §12.5.1). lines are the field's values, in the order received; none means the
// field is absent.
//
// The range that fits m most specifically decides, and 0 excludes m: type and
// subtype before type/* before */*, and among those the one with more parameters.
// A range fits only if m has all its parameters, with equal values in equal case; q
// and charset are not counted among them. Where several ranges are equally
// specific, the highest weight counts, so that the order of ranges never matters.
//
// Members that are malformed are skipped: no slash, "*/html", a parameter without a
// value, a bad q or a second one. If the field is absent or nothing is left, everything
// is acceptable: [MaxWeight]. If there are ranges and none fits: 0.
//
// Accept does not allocate.
func Accept(lines []string, m *MediaType) Weight {
	if len(lines) == 0 || len(lines) == 1 && lines[0] == "*/*" {
		return MaxWeight
	}
	best, found := decide(lines, m)
	if !found {
		return MaxWeight
	}
	return best.weight
}

// Named reports whether m is acceptable because the Accept field names its type and
// subtype: the range that decides for [Accept] has no wildcard, and its weight is
// above 0. It does not allocate.
func Named(lines []string, m *MediaType) bool {
	best, _ := decide(lines, m)
	return best.level == exact && best.weight > 0
}

// level is how specific a range is, not counting parameters.
type level int

const (
	unfit    level = iota // the range does not fit the media type
	anyType               // */*
	anyOfOne              // type/*
	exact                 // type/subtype
)

// verdict is what a range says about a media type.
type verdict struct {
	level  level
	params int // how many parameters had to be equal
	weight Weight
}

// overrules reports whether v decides where w is there too.
func (v verdict) overrules(w verdict) bool {
	switch {
	case v.level != w.level:
		return v.level > w.level
	case v.params != w.params:
		return v.params > w.params
	}
	return v.weight > w.weight
}

// decide is the verdict of the range that decides, unfit with weight 0 if none
// fits; found tells whether there was any valid range.
func decide(lines []string, m *MediaType) (best verdict, found bool) {
	list := members{lines: lines}
	for {
		member, more := list.next()
		if !more {
			return best, found
		}
		v, ok := judge(member, m)
		if !ok {
			continue
		}
		found = true
		if v.level != unfit && v.overrules(best) {
			best = v
		}
	}
}

// judge reads one range. It reads all of it, even if it cannot fit: ok tells
// whether it is valid.
func judge(member string, m *MediaType) (v verdict, ok bool) {
	typ, subtype, rest, ok := cutType(member)
	if !ok || typ == "*" && subtype != "*" {
		return v, false
	}
	v = verdict{level: fit(typ, subtype, m), weight: MaxWeight}
	weighed := false
	for rest != "" {
		var p rawParam
		if p, rest, ok = cutParam(rest); !ok {
			return v, false
		}
		switch {
		case p.name == "", strings.EqualFold(p.name, "charset"):
		case strings.EqualFold(p.name, "q"):
			if v.weight, ok = parseWeight(p.value); !ok || weighed {
				return v, false
			}
			weighed = true
		case has(m, p):
			v.params++
		default:
			v.level = unfit
		}
	}
	return v, true
}

// fit compares the range typ/subtype with m, without parameters.
func fit(typ, subtype string, m *MediaType) level {
	switch {
	case typ == "*":
		return anyType
	case !strings.EqualFold(typ, m.Type):
		return unfit
	case subtype == "*":
		return anyOfOne
	case !strings.EqualFold(subtype, m.Subtype):
		return unfit
	}
	return exact
}

// has reports whether m has the parameter p.
func has(m *MediaType, p rawParam) bool {
	value, ok := m.Param(p.name)
	return ok && unquotesTo(p.value, value)
}

package http1

import "net/textproto"

// ID is the name of a field that the server knows; 0 is any other name.
type ID uint8

// The fields that decide something.
const (
	Other ID = iota
	Host
	Connection
	ContentLength
	TransferEncoding
	ContentType
	ContentEncoding
	ContentRange
	Expect
	Accept
	AcceptEncoding
	IfMatch
	IfNoneMatch
	IfModifiedSince
	IfUnmodifiedSince
	IfRange
	Range
	Prefer
	Authorization
	IdempotencyKey
	RoostTTL
	WantReprDigest
	WantContentDigest
	ReprDigest
	ContentDigest
	LastEventID
	Origin
	SecFetchSite
	AccessControlRequestMethod
	Cookie
	Forwarded
	XForwardedFor
	XForwardedProto

	// Those of everyday clients that decide nothing.
	UserAgent
	CacheControl
	Pragma
	AcceptLanguage
	Upgrade
	KeepAlive
	TE
	Referer

	numIDs
)

// names are the canonical forms.
var names = [numIDs]string{
	Host: "Host", Connection: "Connection", ContentLength: "Content-Length", TransferEncoding: "Transfer-Encoding",
	ContentType: "Content-Type", ContentEncoding: "Content-Encoding", ContentRange: "Content-Range", Expect: "Expect",
	Accept: "Accept", AcceptEncoding: "Accept-Encoding", IfMatch: "If-Match", IfNoneMatch: "If-None-Match",
	IfModifiedSince: "If-Modified-Since", IfUnmodifiedSince: "If-Unmodified-Since", IfRange: "If-Range", Range: "Range",
	Prefer: "Prefer", Authorization: "Authorization", IdempotencyKey: "Idempotency-Key", RoostTTL: "Roost-Ttl",
	WantReprDigest: "Want-Repr-Digest", WantContentDigest: "Want-Content-Digest", ReprDigest: "Repr-Digest",
	ContentDigest: "Content-Digest", LastEventID: "Last-Event-Id", Origin: "Origin", SecFetchSite: "Sec-Fetch-Site",
	AccessControlRequestMethod: "Access-Control-Request-Method", Cookie: "Cookie", Forwarded: "Forwarded",
	XForwardedFor: "X-Forwarded-For", XForwardedProto: "X-Forwarded-Proto",
	UserAgent: "User-Agent", CacheControl: "Cache-Control", Pragma: "Pragma", AcceptLanguage: "Accept-Language",
	Upgrade: "Upgrade", KeepAlive: "Keep-Alive", TE: "Te", Referer: "Referer",
}

// String is the canonical name, "" of Other.
func (id ID) String() string { return names[id] }

// Set is a set of known fields; Other is in it for any name that is not known.
type Set uint64

// SetOf makes a set of its members.
func SetOf(ids ...ID) (s Set) {
	for _, id := range ids {
		s |= 1 << id
	}
	return s
}

// Has says whether id is in the set.
func (s Set) Has(id ID) bool { return s>>id&1 != 0 }

// Harmless are the fields that decide nothing but what Parse already read from them:
// where Seen is within them, the field lines need no second look.
const Harmless = 1<<Host | 1<<Connection | 1<<ContentLength | 1<<TransferEncoding |
	1<<UserAgent | 1<<CacheControl | 1<<Pragma | 1<<AcceptLanguage | 1<<Upgrade | 1<<KeepAlive | 1<<TE | 1<<Referer

// Within says whether all members of s are members of other.
func (s Set) Within(other Set) bool { return s&^other == 0 }

// slots finds the id of a name by its length and two of its octets; each known name has a
// slot of its own.
var slots = func() (t [128]ID) {
	for id := Other + 1; id < numIDs; id++ {
		slot := &t[slotOf(names[id])]
		if *slot != Other {
			panic("http1: " + names[id] + " and " + names[*slot] + " have one slot")
		}
		*slot = id
	}
	return t
}()

// The factors of slotOf were found by trying.
const (
	slotLength = 6
	slotFirst  = 48
	slotMiddle = 15
	slotLast   = 18
)

// slotOf is the slot of a name that has at least two octets. Case makes no difference.
func slotOf[T string | []byte](name T) uint8 {
	n := len(name)
	return (uint8(n)*slotLength + (name[0]|0x20)*slotFirst + (name[n/2]|0x20)*slotMiddle + (name[n-1]|0x20)*slotLast) >> 1
}

// Lookup is the id of a name in any case.
func Lookup[T string | []byte](name T) ID {
	if len(name) < 2 {
		return Other
	}
	id := slots[slotOf(name)]
	known := names[id]
	if len(known) != len(name) {
		return Other
	}
	if string(name) == known { // how most clients write it
		return id
	}
	for i := range len(name) {
		if lower[name[i]] != lower[known[i]] {
			return Other
		}
	}
	return id
}

// Canonical is the name as net/textproto writes it: capitals at the start and after each
// hyphen. It allocates for a name that is not known only.
func Canonical(name []byte) string {
	if id := Lookup(name); id != Other {
		return names[id]
	}
	return textproto.CanonicalMIMEHeaderKey(string(name))
}

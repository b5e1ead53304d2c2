package name

import (
	"encoding/hex"
	"strings"
)

// Prefix is the first Len bytes of a name, 0 … 6. Bytes past Len are 0 (P-7), so equal prefixes are equal values and
// serve as keys. The zero value contains every name.
//
// Length 6 is one name. In a hashed network 0 and 6 are the only lengths (P-14).
type Prefix struct {
	Len  uint8
	Name Name
}

// MakePrefix takes the first length bytes of n; above 6 counts as 6.
func MakePrefix(n Name, length uint8) Prefix {
	length = min(length, Size)
	return Prefix{Len: length, Name: FromUint48(n.Uint48() & prefixBits(length))}
}

// prefixBits has a one for each bit of the first length bytes of a name's 48 bits.
func prefixBits(length uint8) uint64 { return (1<<48 - 1) &^ (1<<(48-8*uint(length)) - 1) }

// Contains tells whether n starts with the prefix. Wildcards are bytes like others here: what contains a pattern contains
// every name that the pattern matches. See [Network.Overlaps] for the other question. It does not allocate.
func (p Prefix) Contains(n Name) bool {
	return (p.Name.Uint48()^n.Uint48())&prefixBits(p.Len) == 0
}

// ContainsPrefix tells whether every name of q is in p.
func (p Prefix) ContainsPrefix(q Prefix) bool { return p.Len <= q.Len && p.Contains(q.Name) }

// String gives two hex digits a byte; the prefix of everything is the empty text, as in a configuration.
func (p Prefix) String() string { return hex.EncodeToString(p.Name[:min(p.Len, Size)]) }

// PrefixSet is a policy: a list of prefixes such as publish, ask or announce (P-17). The zero value covers nothing. It is
// immutable, so goroutines may share it. It holds a handful of prefixes, so it is a slice that is read to the end; its questions do not allocate.
type PrefixSet struct{ list []masked }

// masked is a prefix as bits: a name is in it if name&mask == bits.
type masked struct{ bits, mask uint64 }

// NewPrefixSet makes a set; prefixes that another one contains are left out.
func NewPrefixSet(prefixes ...Prefix) PrefixSet {
	var s PrefixSet
	for i, p := range prefixes {
		if !containedBefore(prefixes, i) {
			s.list = append(s.list, masked{bits: p.Name.Uint48() & prefixBits(p.Len), mask: prefixBits(p.Len)})
		}
	}
	return s
}

// containedBefore tells whether another prefix contains prefixes[i]; of equal ones the first is kept.
func containedBefore(prefixes []Prefix, i int) bool {
	for j, p := range prefixes {
		if j != i && p.ContainsPrefix(prefixes[i]) && (j < i || p != prefixes[i]) {
			return true
		}
	}
	return false
}

// Covers tells whether a name is in one of the prefixes. For a pattern: whether one prefix has all the names that it matches.
func (s PrefixSet) Covers(n Name) bool {
	v := n.Uint48()
	for _, m := range s.list {
		if v&m.mask == m.bits {
			return true
		}
	}
	return false
}

// CoversPrefix tells whether all of p is in one of the prefixes.
func (s PrefixSet) CoversPrefix(p Prefix) bool {
	v, length := p.Name.Uint48(), prefixBits(p.Len)
	for _, m := range s.list {
		if m.mask&^length == 0 && v&m.mask == m.bits {
			return true
		}
	}
	return false
}

// Len is the number of prefixes that are kept.
func (s PrefixSet) Len() int { return len(s.list) }

// String lists the prefixes in hex, with commas; the prefix of everything is "".
func (s PrefixSet) String() string {
	texts := make([]string, len(s.list))
	for i, m := range s.list {
		texts[i] = `"` + prefixOf(m).String() + `"`
	}
	return strings.Join(texts, ", ")
}

// prefixOf is the prefix that a masked was made from.
func prefixOf(m masked) Prefix {
	length := uint8(0)
	for prefixBits(length) != m.mask {
		length++
	}
	return Prefix{Len: length, Name: FromUint48(m.bits)}
}

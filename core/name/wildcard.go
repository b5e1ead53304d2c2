package name

import "math/bits"

// A pattern is a name of a hierarchical network that holds the wildcard byte at one or more of levels 1 to 5. There it matches exactly
// one byte that is not 00; every other byte matches itself, so a pattern matches only names of its own depth (P-5).
// Nothing in this file allocates.

// DefaultWildcard is the byte that matches any other at levels 1 to 5 (P-5); limits.wildcard changes it.
const DefaultWildcard byte = 0xFF

// Wildcard is the wildcard byte of the network; it has no meaning in a hashed one.
func (w *Network) Wildcard() byte { return w.wildcard }

// IsWildcard tells whether n is a pattern. It is always false in a hashed network (P-14).
func (w *Network) IsWildcard(n Name) bool { return w.Mask(n) != 0 }

// Mask gives the positions of the wildcards of a pattern: bit i is byte i of the name, so 0 means that n is none.
// Bit 0 is never set.
func (w *Network) Mask(pattern Name) uint8 {
	if w.naming == Hashed || !holds(pattern.Uint48(), w.wildcard) {
		return 0
	}
	var mask uint8
	for i := 1; i < Size; i++ {
		if pattern[i] == w.wildcard {
			mask |= 1 << i
		}
	}
	return mask
}

// behind has a one for each bit behind the last byte of a name that is not 00.
func behind(n uint64) uint64 { return 1<<(bits.TrailingZeros64(n)&^7) - 1 }

// holds tells whether one of bytes 1 to 5 of a name is b, in a few instructions: most names hold none (Warren, Hacker's Delight, 6-1).
func holds(n uint64, b byte) bool {
	const ones = 0x01_01_01_01_01
	n = (n ^ uint64(b)*ones) & (0xFF * ones)
	return (n-ones)&^n&(0x80*ones) != 0
}

// ApplyMask gives the pattern with wildcards at the positions of mask that would match n. ok is false if there is
// none, because n ends before one of them. A table of patterns keeps the masks that are in use and looks up each by its hash.
func (w *Network) ApplyMask(n Name, mask uint8) (pattern Name, ok bool) {
	for i := 1; i < Size; i++ {
		if mask&(1<<i) == 0 {
			continue
		}
		if n[i] == 0 {
			return n, false
		}
		n[i] = w.wildcard
	}
	return n, true
}

// Match tells whether pattern matches n. A pattern without wildcards matches itself alone.
func (w *Network) Match(pattern, n Name) bool {
	p, ok := w.ApplyMask(n, w.Mask(pattern))
	return ok && p == pattern
}

// Overlaps tells whether the prefix contains some name that pattern matches. An Interest for a pattern goes to the next
// hops of every prefix that overlaps it.
func (w *Network) Overlaps(p Prefix, pattern Name) bool {
	mask := w.Mask(pattern)
	for i := range int(p.Len) {
		if mask&(1<<i) != 0 && p.Name[i] != 0 {
			continue
		}
		if p.Name[i] != pattern[i] {
			return false
		}
	}
	return true
}

package table

import (
	"math/bits"

	"github.com/zmesh/zmesh/core/name"
)

// Seed makes the hashes of one node unpredictable to others. Whoever can choose names (in a hashed network: anyone who
// can choose URIs) could otherwise fill one chain of a table. It is drawn at start and handed in; simulations fix it.
type Seed [2]uint64

// The primes of wyhash (github.com/wangyi-fudan/wyhash, final version 4): 32 of 64 bits set, odd.
const (
	wy0 = 0xa0761d6478bd642f
	wy1 = 0xe7037ed1a0b428db
)

// Key hashes a name and one more number: a FSEQ, a face, or 0.
func (s Seed) Key(k name.Key, x uint64) uint64 { return s.Mix(uint64(k), x) }

// Mix3 hashes three numbers: the third goes between the two products of Mix.
func (s Seed) Mix3(a, b, c uint64) uint64 {
	hi, lo := bits.Mul64(a^s[0]^wy0, b^s[1]^wy1)
	hi, lo = bits.Mul64(lo^c^s[0]^wy1, hi^s[1]^wy0)
	return hi ^ lo
}

// Mix hashes two numbers. It is wyhash's hash of two words with a secret of 128 bits: a product of 128 bits, both halves
// of which go into a second one.
func (s Seed) Mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^s[0]^wy0, b^s[1]^wy1)
	hi, lo = bits.Mul64(lo^s[0]^wy1, hi^s[1]^wy0)
	return hi ^ lo
}

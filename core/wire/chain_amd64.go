//go:build !purego

package wire

import "unsafe"

// chain is AES-128 in cipher block chaining as [portable] does it, by the processor's AES instructions where it has them: then round keys stay in
// registers over all blocks of a message, and nothing is called for each.
type chain struct {
	keys     [11][KeySize]byte
	portable *portable // nil where there are AES instructions
}

var haveAES = hasAES()

func (c *chain) init(key *[KeySize]byte) {
	if !haveAES {
		c.portable = &portable{}
		c.portable.init(key)
		return
	}
	expandAES(&c.keys, key)
}

func (c *chain) encrypt(blocks []byte, last block) block {
	if c.portable != nil {
		return c.portable.encrypt(blocks, last)
	}
	lo, hi := chainAES(&c.keys, unsafe.SliceData(blocks), len(blocks)/KeySize, last.lo, last.hi)
	return block{lo, hi}
}

func (c *chain) encryptTogether(t *together, n int) {
	if c.portable != nil {
		c.portable.encryptTogether(t, n)
		return
	}
	chainAES4(&c.keys, t, n)
}

// hasAES asks the processor for AES-NI (CPUID leaf 1, ECX bit 25).
func hasAES() bool

// expandAES makes the round keys of key (FIPS 197, 5.2).
//
//go:noescape
func expandAES(keys *[11][KeySize]byte, key *[KeySize]byte)

// chainAES gives the last block of the chain over n blocks and a last one, as two little-endian words.
//
//go:noescape
func chainAES(keys *[11][KeySize]byte, blocks *byte, n int, lo, hi uint64) (outLo, outHi uint64)

// chainAES4 does the same for four chains of n blocks each.
//
//go:noescape
func chainAES4(keys *[11][KeySize]byte, t *together, n int)

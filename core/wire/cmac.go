package wire

import (
	"crypto/aes"
	"encoding/binary"
	"math/bits"
)

// KeySize is the length of a network key in bytes.
const KeySize = 16

// CMAC computes AES-128-CMAC (RFC 4493). It owns the block it works in, so it does not allocate and must not be used by
// two goroutines at once. The standard library has no CMAC; this is RFC 4493, 2.3 and 2.4 on a [chain].
type CMAC struct {
	chain  chain
	k1, k2 block
	x      [aes.BlockSize]byte
}

// block is 16 bytes as two words, little-endian: what is put together in registers need not be written and read again.
type block struct{ lo, hi uint64 }

// NewCMAC prepares the subkeys of key (RFC 4493, 2.3).
func NewCMAC(key [KeySize]byte) *CMAC {
	c := &CMAC{}
	c.chain.init(&key)
	c.k1 = double(c.chain.encrypt(nil, block{}))
	c.k2 = double(c.k1)
	return c
}

// double multiplies by x in GF(2^128) with the constant R_128 = 0x87 (RFC 4493, 2.3), without a branch on the key.
func double(b block) block {
	hi, lo := bits.ReverseBytes64(b.lo), bits.ReverseBytes64(b.hi)
	carry := hi >> 63
	return block{bits.ReverseBytes64(hi<<1 | lo>>63), bits.ReverseBytes64(lo<<1 ^ carry*0x87)}
}

// Sum gives the 16-byte MAC of msg. The result is valid until the next call.
func (c *CMAC) Sum(msg []byte) *[aes.BlockSize]byte {
	b := c.sum(msg)
	binary.LittleEndian.PutUint64(c.x[:8], b.lo)
	binary.LittleEndian.PutUint64(c.x[8:], b.hi)
	return &c.x
}

// sum is Sum, with the last block made in registers.
func (c *CMAC) sum(msg []byte) block {
	n := len(msg)
	before := (n - 1) &^ (aes.BlockSize - 1) // bytes of the blocks in front of the last
	if n == 0 {
		before = 0
	}
	last, k := tail(msg, n-before), &c.k2
	if n-before == aes.BlockSize {
		k = &c.k1
	}
	return c.chain.encrypt(msg[:before], block{last.lo ^ k.lo, last.hi ^ k.hi})
}

// tail gives the last rest bytes of msg, up to 16, padded to a block (RFC 4493, 2.4). All but the shortest messages
// have 8 or 16 bytes to be read at once, of which those in front of the rest are shifted out.
func tail(msg []byte, rest int) (b block) {
	n := len(msg)
	switch {
	case n >= aes.BlockSize:
		end := msg[n-aes.BlockSize:]
		b.lo, b.hi = binary.LittleEndian.Uint64(end[:8]), binary.LittleEndian.Uint64(end[8:16])
		if rest == aes.BlockSize {
			return b
		}
		if out := uint(aes.BlockSize-rest) * 8; out >= 64 {
			b.lo, b.hi = b.hi>>(out-64), 0
		} else {
			b.lo, b.hi = b.lo>>out|b.hi<<(64-out), b.hi>>out
		}
	case n >= 8:
		b.lo = binary.LittleEndian.Uint64(msg)
		b.hi = binary.LittleEndian.Uint64(msg[n-8:]) >> (uint(aes.BlockSize-n) * 8)
	default:
		for i, v := range msg {
			b.lo |= uint64(v) << (8 * i)
		}
	}
	if rest >= 8 {
		b.hi |= 0x80 << (8 * uint(rest-8))
	} else {
		b.lo |= 0x80 << (8 * uint(rest))
	}
	return b
}

// mac is what a frame has of the MAC over msg: its last four bytes, little-endian.
func (c *CMAC) mac(msg []byte) uint32 { return uint32(c.sum(msg).hi >> 32) }

// verify tells whether the last four bytes of body are the last four of the CMAC over what stands before them. They are compared
// as one word, which takes the same time whichever byte differs.
func (c *CMAC) verify(body []byte) bool {
	n := len(body) - MACSize
	return c.mac(body[:n]) == binary.LittleEndian.Uint32(body[n:])
}

// sign writes the MAC into the last four bytes of body.
func (c *CMAC) sign(body []byte) {
	n := len(body) - MACSize
	binary.LittleEndian.PutUint32(body[n:], c.mac(body[:n]))
}

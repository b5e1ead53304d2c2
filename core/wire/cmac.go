package wire

import (
	"crypto/aes"
	"encoding/binary"
	"math/bits"
	"unsafe"
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
	before := beforeLast(msg)
	return c.chain.encrypt(msg[:before], c.last(msg, before))
}

// beforeLast is how many bytes of msg are in front of its last block.
func beforeLast(msg []byte) int { return max(len(msg)-1, 0) &^ (aes.BlockSize - 1) }

// last is the last block of msg with its subkey (RFC 4493, 2.4).
func (c *CMAC) last(msg []byte, before int) block {
	b, k := tail(msg, len(msg)-before), &c.k2
	if len(msg)-before == aes.BlockSize {
		k = &c.k1
	}
	return block{b.lo ^ k.lo, b.hi ^ k.hi}
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

// mac is what a frame has of a MAC: its last four bytes, little-endian.
func (b block) mac() uint32 { return uint32(b.hi >> 32) }

// macOf is the MAC that a frame came with, likewise.
func macOf(body []byte) uint32 { return binary.LittleEndian.Uint32(body[len(body)-MACSize:]) }

// verify tells whether the last four bytes of body are the last four of the CMAC over what stands before them. They are compared
// as one word, which takes the same time whichever byte differs.
func (c *CMAC) verify(body []byte) bool {
	return c.sum(body[:len(body)-MACSize]).mac() == macOf(body)
}

// lanes is how many chains go side by side: a block of one waits for the block before, but not for those of the others.
const lanes = 4

// together is the work of one go.
type together struct {
	blocks [lanes]*byte // of each message, in front of its last
	last   [lanes]block // with its subkey; and then what the chain ends with
}

// verifyTogether is verify for the bodies of up to 4 frames that have as many blocks.
func (c *CMAC) verifyTogether(t *together, bodies *[lanes][]byte, n int, good *[lanes]bool) {
	before := beforeLast(bodies[0][:len(bodies[0])-MACSize])
	for i := range lanes {
		if i >= n { // takes no time of its own
			t.blocks[i] = t.blocks[0]
			continue
		}
		msg := bodies[i][:len(bodies[i])-MACSize]
		t.blocks[i], t.last[i] = unsafe.SliceData(msg), c.last(msg, before)
	}
	c.chain.encryptTogether(t, before/aes.BlockSize)
	for i := range n {
		good[i] = t.last[i].mac() == macOf(bodies[i])
	}
}

// sign writes the MAC into the last four bytes of body.
func (c *CMAC) sign(body []byte) {
	n := len(body) - MACSize
	binary.LittleEndian.PutUint32(body[n:], c.sum(body[:n]).mac())
}

package wire

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
)

// KeySize is the length of a network key in bytes.
const KeySize = 16

// CMAC computes AES-128-CMAC (RFC 4493). It owns the block it works in, so it does not allocate and must not be used by
// two goroutines at once. The standard library has no CMAC; this is RFC 4493, 2.3 and 2.4 on crypto/aes.
type CMAC struct {
	block  cipher.Block
	k1, k2 [aes.BlockSize]byte
	x      [aes.BlockSize]byte
}

// NewCMAC prepares the subkeys of key (RFC 4493, 2.3).
func NewCMAC(key [KeySize]byte) *CMAC {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // only a wrong key length, which the type excludes
	}
	c := &CMAC{block: block}
	block.Encrypt(c.x[:], c.x[:])
	double(&c.k1, &c.x)
	double(&c.k2, &c.k1)
	return c
}

// double multiplies by x in GF(2^128) with the constant R_128 = 0x87 (RFC 4493, 2.3), without a branch on the key.
func double(dst, src *[aes.BlockSize]byte) {
	hi, lo := binary.BigEndian.Uint64(src[0:8]), binary.BigEndian.Uint64(src[8:16])
	carry := hi >> 63
	binary.BigEndian.PutUint64(dst[0:8], hi<<1|lo>>63)
	binary.BigEndian.PutUint64(dst[8:16], lo<<1^(carry*0x87))
}

// Sum gives the 16-byte MAC of msg. The result is valid until the next call.
func (c *CMAC) Sum(msg []byte) *[aes.BlockSize]byte {
	x := &c.x
	if len(msg) > aes.BlockSize { // the block before the first is all zeros
		c.block.Encrypt(x[:], msg[:aes.BlockSize])
		msg = msg[aes.BlockSize:]
	} else {
		clear(x[:])
	}
	for len(msg) > aes.BlockSize {
		subtle.XORBytes(x[:], x[:], msg[:aes.BlockSize])
		c.block.Encrypt(x[:], x[:])
		msg = msg[aes.BlockSize:]
	}
	subtle.XORBytes(x[:], x[:], msg)
	if len(msg) == aes.BlockSize {
		subtle.XORBytes(x[:], x[:], c.k1[:])
	} else {
		x[len(msg)] ^= 0x80
		subtle.XORBytes(x[:], x[:], c.k2[:])
	}
	c.block.Encrypt(x[:], x[:])
	return x
}

// verify tells whether the last four bytes of body are the last four of the CMAC over what stands before them.
func (c *CMAC) verify(body []byte) bool {
	n := len(body) - MACSize
	sum := c.Sum(body[:n])
	return subtle.ConstantTimeCompare(sum[aes.BlockSize-MACSize:], body[n:]) == 1
}

// sign writes the MAC into the last four bytes of body.
func (c *CMAC) sign(body []byte) {
	n := len(body) - MACSize
	sum := c.Sum(body[:n])
	copy(body[n:], sum[aes.BlockSize-MACSize:])
}

package wire

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"unsafe"
)

// portable is AES-128 in cipher block chaining from a block of zeros (RFC 4493, 2.4), on the standard library. It keeps no
// more than what stands in x while it works.
type portable struct {
	block cipher.Block
	x, y  [aes.BlockSize]byte
}

func (p *portable) init(key *[KeySize]byte) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // only a wrong key length, which the type excludes
	}
	p.block = block
}

// encrypt gives the last block of the chain over blocks, whose length is a multiple of 16, and last.
func (p *portable) encrypt(blocks []byte, last block) block {
	x := &p.x
	clear(x[:])
	for len(blocks) > 0 {
		subtle.XORBytes(x[:], x[:], blocks[:aes.BlockSize])
		p.block.Encrypt(x[:], x[:])
		blocks = blocks[aes.BlockSize:]
	}
	binary.LittleEndian.PutUint64(p.y[:8], last.lo)
	binary.LittleEndian.PutUint64(p.y[8:], last.hi)
	subtle.XORBytes(x[:], x[:], p.y[:])
	p.block.Encrypt(x[:], x[:])
	return block{binary.LittleEndian.Uint64(x[:8]), binary.LittleEndian.Uint64(x[8:])}
}

// encryptTogether does the chains one after the other, each over n blocks and a last one.
func (p *portable) encryptTogether(t *together, n int) {
	for i := range t.last {
		t.last[i] = p.encrypt(unsafe.Slice(t.blocks[i], n*aes.BlockSize), t.last[i])
	}
}

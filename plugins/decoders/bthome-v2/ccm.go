package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"strings"

	"github.com/zmesh/zmesh/sdk/guest"
)

// What stands at the end of encrypted data: the counter, which is part of the nonce, and the check value.
const (
	counterSize = 4
	tagSize     = 4
	keySize     = 16
	nonceSize   = 13
)

// decrypt opens encrypted data with the device's variables: bindkey, 32 hex digits; mac, the address, unless it stands in the payload.
// head is where the ciphertext begins. why says what is wrong.
func decrypt(b []byte, head int, v guest.Values) (plain []byte, why string) {
	key, ok := unhex(v.Text("bindkey", ""), keySize)
	if !ok {
		return nil, "the payload is encrypted: give the stream the variable bindkey, 32 hex digits"
	}
	address := make([]byte, addressSize)
	if head > 1 {
		for i := range address {
			address[i] = b[head-1-i]
		}
	} else if address, ok = unhex(strings.ReplaceAll(v.Text("mac", ""), ":", ""), addressSize); !ok {
		return nil, "the payload is encrypted and has no address: give the stream the variable mac, like 54:48:E6:8F:80:A5"
	}
	if len(b) < head+counterSize+tagSize {
		return nil, "wrong length: the counter and the check value of encrypted data are cut off"
	}
	end := len(b) - counterSize - tagSize
	nonce := append(append(address, 0xD2, 0xFC, b[0]), b[end:end+counterSize]...)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err.Error()
	}
	if plain, ok = openCCM(block, nonce, b[head:end], b[end+counterSize:]); !ok {
		return nil, "the check value is wrong: another bindkey or mac, or the payload was changed"
	}
	return plain, ""
}

// openCCM decrypts and checks (RFC 3610) with a nonce of 13 bytes, so a length of 2 bytes, a tag of 4, and no associated data.
func openCCM(block cipher.Block, nonce, data, tag []byte) (plain []byte, ok bool) {
	var counter, mac, stream [aes.BlockSize]byte
	counter[0] = 15 - nonceSize - 1 // L' = L-1, L = 2
	copy(counter[1:], nonce)
	plain = make([]byte, len(data))
	for at := 0; at < len(data); at += aes.BlockSize {
		n := uint16(at/aes.BlockSize + 1)
		counter[14], counter[15] = byte(n>>8), byte(n)
		block.Encrypt(stream[:], counter[:])
		subtle.XORBytes(plain[at:], data[at:], stream[:])
	}
	mac = counter
	mac[0] |= (tagSize - 2) / 2 << 3
	mac[14], mac[15] = byte(len(data)>>8), byte(len(data))
	block.Encrypt(mac[:], mac[:])
	for at := 0; at < len(plain); at += aes.BlockSize {
		subtle.XORBytes(mac[:], mac[:], pad(plain[at:]))
		block.Encrypt(mac[:], mac[:])
	}
	counter[14], counter[15] = 0, 0
	block.Encrypt(stream[:], counter[:])
	subtle.XORBytes(mac[:], mac[:], stream[:])
	return plain, subtle.ConstantTimeCompare(mac[:tagSize], tag) == 1
}

// pad gives the first block, filled up with zeros.
func pad(b []byte) []byte {
	if len(b) >= aes.BlockSize {
		return b[:aes.BlockSize]
	}
	block := make([]byte, aes.BlockSize)
	copy(block, b)
	return block
}

// unhex reads exactly size bytes.
func unhex(s string, size int) ([]byte, bool) {
	if len(s) != 2*size {
		return nil, false
	}
	b := make([]byte, size)
	for i := range s {
		digit := strings.IndexByte("0123456789abcdef", s[i]|0x20)
		if digit < 0 {
			return nil, false
		}
		b[i/2] = b[i/2]<<4 | byte(digit)
	}
	return b, true
}

package node

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/zmesh/zmesh/core/name"
)

// Method is how payloads of a stream are encrypted (P-10).
type Method uint8

// The methods with their ids. 0x01 and 0x02 are in the public record; 0x80 is ours (P-10).
const (
	None             Method = 0x01
	AES128CTR        Method = 0x02
	ChaCha20Poly1305 Method = 0x80
)

var methods = map[Method]struct {
	text string
	key  int
}{None: {"none", 0}, AES128CTR: {"aes-128-ctr", 16}, ChaCha20Poly1305: {"chacha20-poly1305", 32}}

// String is the method as it stands in a configuration.
func (m Method) String() string {
	if d, ok := methods[m]; ok {
		return d.text
	}
	return fmt.Sprintf("method(%#02x)", uint8(m))
}

// ParseMethod reads a method from a configuration.
func ParseMethod(s string) (Method, error) {
	for m, d := range methods {
		if d.text == s {
			return m, nil
		}
	}
	return 0, fmt.Errorf("encryption %q: want none, aes-128-ctr or chacha20-poly1305", s)
}

// KeySize is the length of a method's key in bytes.
func (m Method) KeySize() int { return methods[m].key }

// IVSize is the length of a content IV in bytes; the FSEQ's three bytes follow it in the counter block.
const IVSize = 9

// Stream is what is shared of a Content Name by its producer and its consumers.
type Stream struct {
	Name   name.Name
	Method Method
	sealer sealer
}

type sealer interface {
	seal(dst, plain []byte, n name.Name, seq uint32) []byte
	open(dst, sealed []byte, n name.Name, seq uint32) ([]byte, error)
	overhead() int
}

// ErrPayload says that a payload does not open: another key, or altered bytes.
var ErrPayload = errors.New("payload does not open with this key")

// NewStream prepares the cipher. key has the method's size and iv IVSize bytes; with None both are empty.
func NewStream(n name.Name, m Method, key, iv []byte) (*Stream, error) {
	d, ok := methods[m]
	if !ok {
		return nil, fmt.Errorf("stream %s: unknown encryption method %#02x", n, uint8(m))
	}
	wantIV := IVSize
	if m == None {
		wantIV = 0
	}
	if len(key) != d.key || len(iv) != wantIV {
		return nil, fmt.Errorf("stream %s: %s wants a key of %d and an IV of %d bytes, got %d and %d", n, d.text, d.key, wantIV, len(key), len(iv))
	}
	s := &Stream{Name: n, Method: m}
	switch m {
	case None:
		s.sealer = clear0{}
	case AES128CTR:
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("stream %s: %w", n, err)
		}
		s.sealer = ctr{block, [IVSize]byte(iv)}
	case ChaCha20Poly1305:
		aead, err := chacha20poly1305.New(key)
		if err != nil {
			return nil, fmt.Errorf("stream %s: %w", n, err)
		}
		s.sealer = chacha{aead, [IVSize]byte(iv)}
	}
	return s, nil
}

// Seal encrypts a payload under its number.
func (s *Stream) Seal(plain []byte, seq uint32) []byte { return s.sealer.seal(nil, plain, s.Name, seq) }

// Open decrypts what Seal made. AES-128-CTR cannot tell a wrong key; ChaCha20-Poly1305 gives ErrPayload.
func (s *Stream) Open(sealed []byte, seq uint32) ([]byte, error) {
	return s.sealer.open(nil, sealed, s.Name, seq)
}

// Overhead is by how many bytes Seal makes a payload longer.
func (s *Stream) Overhead() int { return s.sealer.overhead() }

// clear0 is method none.
type clear0 struct{}

func (clear0) seal(dst, plain []byte, _ name.Name, _ uint32) []byte { return append(dst, plain...) }
func (clear0) open(dst, sealed []byte, _ name.Name, _ uint32) ([]byte, error) {
	return append(dst, sealed...), nil
}
func (clear0) overhead() int { return 0 }

// ctr is AES-128-CTR: counter block = IV(9) ‖ FSEQ(3) ‖ 00000000 (protocol page, part 1).
type ctr struct {
	block cipher.Block
	iv    [IVSize]byte
}

func (c ctr) seal(dst, plain []byte, _ name.Name, seq uint32) []byte {
	var counter [aes.BlockSize]byte
	copy(counter[:], c.iv[:])
	putSeq(counter[IVSize:], seq)
	out := append(dst, plain...)
	text := out[len(dst):]
	cipher.NewCTR(c.block, counter[:]).XORKeyStream(text, text)
	return out
}

func (c ctr) open(dst, sealed []byte, n name.Name, seq uint32) ([]byte, error) {
	return c.seal(dst, sealed, n, seq), nil // counter mode is its own inverse
}

func (ctr) overhead() int { return 0 }

// chacha is ChaCha20-Poly1305: nonce = IV(9) ‖ FSEQ(3), additional data = Content Name(6) ‖ FSEQ(3), tag(16) at the end
// (P-10).
type chacha struct {
	aead cipher.AEAD
	iv   [IVSize]byte
}

func (c chacha) params(n name.Name, seq uint32) (nonce [12]byte, ad [9]byte) {
	copy(nonce[:], c.iv[:])
	putSeq(nonce[IVSize:], seq)
	copy(ad[:], n[:])
	putSeq(ad[name.Size:], seq)
	return nonce, ad
}

func (c chacha) seal(dst, plain []byte, n name.Name, seq uint32) []byte {
	nonce, ad := c.params(n, seq)
	return c.aead.Seal(dst, nonce[:], plain, ad[:])
}

func (c chacha) open(dst, sealed []byte, n name.Name, seq uint32) ([]byte, error) {
	nonce, ad := c.params(n, seq)
	out, err := c.aead.Open(dst, nonce[:], sealed, ad[:])
	if err != nil {
		return nil, ErrPayload
	}
	return out, nil
}

func (chacha) overhead() int { return chacha20poly1305.Overhead }

func putSeq(b []byte, seq uint32) { b[0], b[1], b[2] = byte(seq>>16), byte(seq>>8), byte(seq) }

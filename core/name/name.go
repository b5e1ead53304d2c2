package name

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// Size is the length of a Content Name on the wire, in bytes.
const Size = 6

// Name is a Content Name: six bytes, as on the wire.
//
// In a hashed network it is the low 48 bits of FNV-1a-64 of the URI; in a hierarchical one each byte is a level and
// 00 ends the name (protocol page, part 1). Which of the two is not visible in the bytes (P-14).
type Name [Size]byte

// Uint48 gives the name as a number below 2^48, first byte highest.
func (n Name) Uint48() uint64 {
	return uint64(binary.BigEndian.Uint16(n[0:2]))<<32 | uint64(binary.BigEndian.Uint32(n[2:6]))
}

// FromUint48 is the inverse of [Name.Uint48]; higher bits are ignored.
func FromUint48(v uint64) Name {
	var n Name
	binary.BigEndian.PutUint16(n[0:2], uint16(v>>32))
	binary.BigEndian.PutUint32(n[2:6], uint32(v))
	return n
}

// String gives the twelve hex digits of the name.
func (n Name) String() string { return hex.EncodeToString(n[:]) }

// ParseHex reads a name from exactly twelve hex digits.
func ParseHex(s string) (Name, error) {
	var n Name
	if len(s) != 2*Size {
		return n, fmt.Errorf("content name %q has %d characters, want 12 hex digits", s, len(s))
	}
	if _, err := hex.Decode(n[:], []byte(s)); err != nil {
		return n, fmt.Errorf("content name %q is not hex: %w", s, err)
	}
	return n, nil
}

// Key identifies a name in the tables of a node: the index of its network (see wire.Keyring; 0 is the node's own, P-19)
// in bits 63:48 and the Content Name in bits 47:0.
type Key uint64

// MakeKey joins a network index and a name.
func MakeKey(net uint8, n Name) Key { return Key(uint64(net)<<48 | n.Uint48()) }

// Net is the network index.
func (k Key) Net() uint8 { return uint8(k >> 48) }

// Name is the Content Name.
func (k Key) Name() Name { return FromUint48(uint64(k)) }

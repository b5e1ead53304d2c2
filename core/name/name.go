package name

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/fnv"
)

// Size is the length of a Content Name on the wire, in bytes.
const Size = 6

// Name is a Content Name: six bytes, as on the wire.
//
// In a hashed network it is the low 48 bits of FNV-1a-64 of the URI; in a hierarchical one each byte is a level and
// 00 ends the name (protocol page, part 1). Which of the two is not visible in the bytes (P-14).
type Name [Size]byte

// Hello is the reserved name that forwarders greet each other under (P-18): the byte of device management and "ZHELO".
// It is reserved in both namings and never stored.
var Hello = Name{0xFE, 0x5A, 0x48, 0x45, 0x4C, 0x4F}

// Hash makes the name of a URI in a hashed network: the low 48 bits of FNV-1a-64 of its bytes (protocol page, part 1).
// It takes any text; [Network.Parse] is the one that refuses what cannot be meant.
func Hash(uri string) Name {
	h := fnv.New64a()
	h.Write([]byte(uri)) // never fails
	return FromUint48(h.Sum64())
}

// Uint48 gives the name as a number below 2^48, first byte highest. It reads four bytes and then two because the compiler
// copies names in these pieces: reading them otherwise stalls on the copy, and every key in the tables is made here.
func (n Name) Uint48() uint64 {
	return uint64(binary.BigEndian.Uint32(n[0:4]))<<16 | uint64(binary.BigEndian.Uint16(n[4:6]))
}

// FromUint48 is the inverse of [Name.Uint48]; higher bits are ignored.
func FromUint48(v uint64) Name {
	var n Name
	binary.BigEndian.PutUint32(n[0:4], uint32(v>>16))
	binary.BigEndian.PutUint16(n[4:6], uint16(v))
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

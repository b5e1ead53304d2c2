package outside

import (
	"bytes"
	"crypto/aes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"testing"
)

// Packet types, FCTRL bits 1:0.
const (
	kindInterest     = 0
	kindContent      = 1
	kindReturn       = 2
	kindAnnouncement = 3
)

// Values of FSEQ in an Interest.
const (
	newest    = 0
	subscribe = 0xFFFFFF
)

// Reasons of an Interest Return (P-6).
const (
	reasonNoRoute = 1
	reasonNotHere = 2
	reasonRefused = 4
	reasonExpired = 5
	reasonTTL     = 6
	reasonHello   = 7
)

// longest is the budget of a frame on UDP.
const longest = 1280

// title is a Content Name.
type title [6]byte

// of makes a name of hex digits; those that are missing are 0.
func of(digits string) (n title) {
	b, err := hex.DecodeString(digits)
	if err != nil || len(b) > len(n) {
		panic("bad name " + digits)
	}
	copy(n[:], b)
	return n
}

func (n title) String() string { return hex.EncodeToString(n[:]) }

// hashed is the name of a URI in a hashed network: the low 48 bits of FNV-1a-64.
func hashed(uri string) (n title) {
	h := fnv.New64a()
	_, _ = h.Write([]byte(uri))
	copy(n[:], h.Sum(nil)[2:])
	return n
}

// greeting is the reserved name of hellos (P-18).
var greeting = of("fe5a48454c4f")

// frame is a Z-Mesh frame with all its fields, those that have to be 0 included.
type frame struct {
	version  byte
	hasNet   bool // the Net ID field is there
	net      uint32
	proxyMe  bool
	reserved bool // FHDR bit 3
	ttl      byte
	name     title
	key      byte // id of the network key
	bits     byte // FCTRL bits 5:2
	kind     byte
	seq      uint32
	payload  []byte
	mac      [4]byte // of a frame that was read
}

// bytes makes the frame with a MAC under a key.
func (f frame) bytes(key cipherKey) []byte {
	head := f.version<<6 | f.ttl&7
	head |= bit(f.hasNet, 0x20) | bit(f.proxyMe, 0x10) | bit(f.reserved, 0x08)
	out := []byte{head}
	if f.hasNet {
		out = binary.BigEndian.AppendUint32(out, f.net)
	}
	body := f.body()
	mac := cmac(key, body)
	out = append(out, body...)
	return append(out, mac[12:]...)
}

// body is what the MAC covers: Content Name, FCTRL, FSEQ and payload.
func (f frame) body() []byte {
	b := append([]byte(nil), f.name[:]...)
	b = append(b, f.key<<6|f.bits&15<<2|f.kind&3, byte(f.seq>>16), byte(f.seq>>8), byte(f.seq))
	return append(b, f.payload...)
}

func bit(set bool, value byte) byte {
	if set {
		return value
	}
	return 0
}

// parse reads a frame as a peer does that believes nothing but the page.
func parse(raw []byte) (f frame, err error) {
	rest := raw
	take := func(n int) []byte {
		if len(rest) < n {
			err = errors.New("too short")
			rest = make([]byte, n)
		}
		part := rest[:n]
		rest = rest[n:]
		return part
	}
	head := take(1)[0]
	f.version, f.ttl = head>>6, head&7
	f.hasNet, f.proxyMe, f.reserved = head&0x20 != 0, head&0x10 != 0, head&0x08 != 0
	if f.hasNet {
		f.net = binary.BigEndian.Uint32(take(4))
	}
	f.name = title(take(6))
	control := take(1)[0]
	f.key, f.bits, f.kind = control>>6, control>>2&15, control&3
	f.seq = uint32(binary.BigEndian.Uint32(append([]byte{0}, take(3)...)))
	if len(rest) < 4 {
		return f, errors.New("too short")
	}
	f.payload = rest[:len(rest)-4]
	f.mac = [4]byte(rest[len(rest)-4:])
	return f, err
}

// signed tells whether the MAC of a frame that was read is that of a key.
func (f frame) signed(key cipherKey) bool {
	mac := cmac(key, f.body())
	return bytes.Equal(f.mac[:], mac[12:])
}

func (f frame) String() string {
	kinds := [...]string{"interest", "content", "return", "announcement"}
	return fmt.Sprintf("%s %s #%d ttl %d payload %x", kinds[f.kind], f.name, f.seq, f.ttl, f.payload)
}

// cipherKey is a network key: AES-128.
type cipherKey [16]byte

// cmac is AES-CMAC as RFC 4493, section 2.4, has it.
func cmac(key cipherKey, message []byte) (mac [16]byte) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err)
	}
	var zero [16]byte
	block.Encrypt(zero[:], zero[:])
	k1 := double(zero)
	k2 := double(k1)
	for len(message) > 16 {
		xor(&mac, message[:16])
		block.Encrypt(mac[:], mac[:])
		message = message[16:]
	}
	if len(message) == 16 {
		xor(&mac, k1[:])
	} else {
		message = append(append([]byte(nil), message...), 0x80)
		xor(&mac, k2[:])
	}
	xor(&mac, message)
	block.Encrypt(mac[:], mac[:])
	return mac
}

// double is the step of the subkeys, RFC 4493, section 2.3.
func double(in [16]byte) (out [16]byte) {
	for i := range in {
		out[i] = in[i] << 1
		if i < 15 {
			out[i] |= in[i+1] >> 7
		}
	}
	if in[0]&0x80 != 0 {
		out[15] ^= 0x87
	}
	return out
}

func xor(to *[16]byte, from []byte) {
	for i, b := range from {
		to[i] ^= b
	}
}

// The examples of RFC 4493, section 4.
func TestOwnCMACIsThatOfTheRFC(t *testing.T) {
	key := cipherKey(unhex("2b7e151628aed2a6abf7158809cf4f3c"))
	message := unhex("6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51" +
		"30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710")
	for n, want := range map[int]string{
		0:  "bb1d6929e95937287fa37d129b756746",
		16: "070a16b46b4d4144f79bdd9dd04a287c",
		40: "dfa66747de9ae63030ca32611497c827",
		64: "51f0bebf7e3b9d92fc49741779363cfe",
	} {
		if got := cmac(key, message[:n]); hex.EncodeToString(got[:]) != want {
			t.Errorf("of %d bytes: %x, want %s", n, got, want)
		}
	}
}

// What is made is read as the same, and a hashed name is that of the public record.
func TestOwnFramesAreReadAsMade(t *testing.T) {
	if got := hashed("location/hq/floor/2/room/22/event/temp"); got != of("f49f767abffb") {
		t.Errorf("the hash is %s", got)
	}
	f := frame{
		hasNet: true, net: 0x10010, proxyMe: true, reserved: true, ttl: 5, name: of("010203010000"), key: 2, bits: 9,
		kind: kindContent, seq: 0x010203, payload: []byte("23.5"),
	}
	raw := f.bytes(networkKey)
	if want := "3d00010010" + "010203010000" + "a5" + "010203" + "32332e35"; hex.EncodeToString(raw[:len(raw)-4]) != want {
		t.Errorf("it is % x, want %s", raw, want)
	}
	back, err := parse(raw)
	if err != nil || !back.signed(networkKey) || back.signed(publicKey) || !bytes.Equal(back.bytes(networkKey), raw) {
		t.Errorf("%v came back as %v (%v)", f, back, err)
	}
	if _, err := parse(raw[:18]); err == nil {
		t.Error("18 bytes are no frame with a Net ID")
	}
}

func unhex(digits string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

package node

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

var temperature = name.Name{1, 2, 3, 1, 0, 0}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The vectors were made by other implementations than ours.
//
// aes-128-ctr, with OpenSSL 3.0, where the IV argument is the whole counter block, content IV ‖ FSEQ ‖ 00000000:
//
//	printf '21.5 C' | openssl enc -aes-128-ctr -K 000102030405060708090a0b0c0d0e0f \
//	    -iv a0a1a2a3a4a5a6a7a800002a00000000 | xxd -p
//	head -c 40 /dev/zero | openssl enc -aes-128-ctr -K 000102030405060708090a0b0c0d0e0f \
//	    -iv a0a1a2a3a4a5a6a7a8fffffe00000000 | xxd -p -c 80
//
// chacha20-poly1305, with Python's cryptography (RFC 8439 by OpenSSL); the tag is the last 16 bytes:
//
//	n, s = bytes.fromhex('010203010000'), seq.to_bytes(3, 'big')
//	ChaCha20Poly1305(bytes(range(0x80, 0xa0))).encrypt(bytes.fromhex('a0a1a2a3a4a5a6a7a8') + s, plain, n + s).hex()
var cipherVectors = []struct {
	method        Method
	seq           uint32
	plain, sealed string
}{
	{None, 42, "32312e352043", "32312e352043"},
	{AES128CTR, 42, "32312e352043", "13c4246a2abb"},
	{
		AES128CTR, 0xFFFFFE, "00000000000000000000000000000000000000000000000000000000000000000000000000000000",
		"392295032465d660935bdad4540a05a605ee74415d343f370d66500403c7113d25c3898e6becaf05",
	},
	{ChaCha20Poly1305, 42, "32312e352043", "a23f068fcc5d4b059cb0a46abd4296e07afac382f6fc"},
	{ChaCha20Poly1305, 0xFFFFFE, "", "14ce419d1c74758d55e7ea33b23d9821"},
	{
		ChaCha20Poly1305, 1,
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536373839" +
			"3a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f60616263",
		"d9e5cb8df17e4b05d284fcb25a2bcffd5541d5115b85dffdae4da89b8b0782280ffc3f2982e308bab47d01dd61985c94e9ea9d1de6b4e25c3d49" +
			"4679c7bbe587491627425a49c1ffecd72c7d19349995b81f537fa272757b6750b8b3479cf4f1deea5c02aa0e13dc12ced99acb27b1a434bf1414",
	},
}

// testStream has key 00 01 … or 80 81 … 9f and IV a0 … a8.
func testStream(t testing.TB, m Method) *Stream {
	t.Helper()
	var key, iv []byte
	for i := range m.KeySize() {
		key = append(key, byte(i))
		if m == ChaCha20Poly1305 {
			key[i] += 0x80
		}
	}
	for i := 0; m != None && i < IVSize; i++ {
		iv = append(iv, 0xA0+byte(i))
	}
	s, err := NewStream(temperature, m, key, iv)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestP10Vectors(t *testing.T) {
	for _, v := range cipherVectors {
		s := testStream(t, v.method)
		plain, sealed := unhex(t, v.plain), unhex(t, v.sealed)
		got := s.Seal(plain, v.seq)
		if !bytes.Equal(got, sealed) {
			t.Errorf("%s number %d: sealed %x, want %s", v.method, v.seq, got, v.sealed)
		}
		if len(got)-len(plain) != s.Overhead() {
			t.Errorf("%s: %d bytes longer, says %d", v.method, len(got)-len(plain), s.Overhead())
		}
		opened, err := s.Open(sealed, v.seq)
		if err != nil || !bytes.Equal(opened, plain) {
			t.Errorf("%s number %d: opened %x, %v", v.method, v.seq, opened, err)
		}
	}
}

func TestP10MethodIDs(t *testing.T) {
	for m, text := range map[Method]string{0x01: "none", 0x02: "aes-128-ctr", 0x80: "chacha20-poly1305", 0x03: "method(0x03)"} {
		if m.String() != text {
			t.Errorf("%#02x is %s, want %s", uint8(m), m, text)
		}
		if got, err := ParseMethod(text); m != 3 && (err != nil || got != m) {
			t.Errorf("%s is %v, %v", text, got, err)
		}
	}
	if _, err := ParseMethod("aes"); err == nil {
		t.Error("a method that is none")
	}
}

// One byte changed in payload, number or name must not open (P-10: both are additional data).
func TestP10TagCoversPayloadNumberAndName(t *testing.T) {
	s := testStream(t, ChaCha20Poly1305)
	sealed := s.Seal([]byte("21.5 C"), 42)
	for i := range sealed {
		bad := slices.Clone(sealed)
		bad[i] ^= 1
		if _, err := s.Open(bad, 42); !errors.Is(err, ErrPayload) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	if _, err := s.Open(sealed, 43); !errors.Is(err, ErrPayload) {
		t.Errorf("another number: %v", err)
	}
	other := *s
	other.Name[5] = 1
	if _, err := other.Open(sealed, 42); !errors.Is(err, ErrPayload) {
		t.Errorf("another name: %v", err)
	}
}

func TestSealAndOpenLeaveTheirInputAlone(t *testing.T) {
	for _, m := range []Method{None, AES128CTR, ChaCha20Poly1305} {
		s := testStream(t, m)
		plain := append(make([]byte, 0, 64), "21.5 C"...) // room behind, into which an append could write
		sealed := append(make([]byte, 0, 64), s.Seal(plain, 9)...)
		before := slices.Clone(sealed)
		if _, err := s.Open(sealed, 9); err != nil || string(plain) != "21.5 C" || !bytes.Equal(sealed, before) {
			t.Errorf("%s: %v, plain %q, sealed %x", m, err, plain, sealed)
		}
	}
}

func TestNewStreamRefusesWrongLengths(t *testing.T) {
	for _, c := range []struct {
		m       Method
		key, iv int
	}{{None, 16, 0}, {None, 0, 9}, {AES128CTR, 32, 9}, {AES128CTR, 16, 12}, {ChaCha20Poly1305, 16, 9}, {ChaCha20Poly1305, 32, 0}, {9, 0, 0}} {
		if _, err := NewStream(temperature, c.m, make([]byte, c.key), make([]byte, c.iv)); err == nil {
			t.Errorf("%s with a key of %d and an IV of %d bytes", c.m, c.key, c.iv)
		}
	}
}

func TestParse(t *testing.T) {
	if _, err := ParseStream("a/b", "aes-128-ctr", "000102030405060708090a0b0c0d0e0f", "a0a1a2a3a4a5a6a7a8"); err != nil {
		t.Error(err)
	}
	for _, bad := range [][4]string{
		{"", "none", "", ""},
		{"a/*", "none", "", ""},
		{"a/b", "rot13", "", ""},
		{"a/b", "aes-128-ctr", "zz0102030405060708090a0b0c0d0e0f", "a0a1a2a3a4a5a6a7a8"},
		{"a/b", "aes-128-ctr", "00", "a0a1a2a3a4a5a6a7a8"},
	} {
		if _, err := ParseStream(bad[0], bad[1], bad[2], bad[3]); err == nil {
			t.Errorf("%q", bad)
		}
	}
	n, err := ParseName("location/hq/floor/2/room/22/event/temp")
	if err != nil || n.String() != "f49f767abffb" { // protocol page, part 1
		t.Errorf("%s, %v", n, err)
	}
	if c, err := ParseConfig("0102030405060708090a0b0c0d0e0f10"); err != nil || *c.Network.Keys[0] != testKey {
		t.Errorf("%v, %v", c, err)
	}
	for _, bad := range []string{"", "01", "0102030405060708090a0b0c0d0e0f1g"} {
		if _, err := ParseConfig(bad); err == nil {
			t.Errorf("network key %q", bad)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte("21.5 C"), uint32(42))
	f.Fuzz(func(t *testing.T, b []byte, seq uint32) {
		seq = seq%wire.SeqLast + 1
		for _, m := range []Method{None, AES128CTR, ChaCha20Poly1305} {
			s := testStream(t, m)
			if plain, err := s.Open(s.Seal(b, seq), seq); err != nil || !bytes.Equal(plain, b) {
				t.Fatalf("%s: %x, %v", m, plain, err)
			}
			if _, err := s.Open(b, seq); m == ChaCha20Poly1305 && err == nil {
				t.Fatalf("%x opens", b)
			}
		}
	})
}

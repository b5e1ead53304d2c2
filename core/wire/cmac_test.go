package wire_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/zmesh/zmesh/core/wire"
)

// The key and the message of RFC 4493, section 4.
const (
	rfcKey     = "2b7e151628aed2a6abf7158809cf4f3c"
	rfcMessage = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51" +
		"30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)

// The four examples of RFC 4493, section 4. The first and the third pad the last block and so use the subkey K2, the
// second and the fourth do not and use K1.
func TestCMACOfRFC4493(t *testing.T) {
	c := wire.NewCMAC(key(t, rfcKey))
	for length, want := range map[int]string{
		0:  "bb1d6929e95937287fa37d129b756746",
		16: "070a16b46b4d4144f79bdd9dd04a287c",
		40: "dfa66747de9ae63030ca32611497c827",
		64: "51f0bebf7e3b9d92fc49741779363cfe",
	} {
		msg := unhex(t, rfcMessage)[:length]
		if got := hex.EncodeToString(c.Sum(msg)[:]); got != want {
			t.Errorf("MAC of %d bytes is %s, want %s", length, got, want)
		}
		if !bytes.Equal(msg, unhex(t, rfcMessage)[:length]) {
			t.Errorf("the message of %d bytes was changed", length)
		}
	}
}

// K1 and K2 of RFC 4493, section 4, through what they are for: CMAC of a message that makes the last block zero is
// AES(0), which is the start of the same section.
func TestSubkeysOfRFC4493(t *testing.T) {
	c := wire.NewCMAC(key(t, rfcKey))
	const aesOfZero = "7df76b0c1ab899b33e42f047b91b546f"
	k1 := unhex(t, "fbeed618357133667c85e08f7236a8de")
	if got := hex.EncodeToString(c.Sum(k1)[:]); got != aesOfZero {
		t.Errorf("CMAC(K1) is %s, want AES(0)", got)
	}
	// No message is padded to K2, which ends in 3b; the empty one is AES(K2 ^ 80 00 …) and so shows it as well.
	if got := hex.EncodeToString(c.Sum(nil)[:]); got != "bb1d6929e95937287fa37d129b756746" {
		t.Errorf("CMAC of nothing is %s", got)
	}
}

// A carry out of the top bit is folded in with 0x87. The MACs are from openssl:
//
//	printf '' | openssl mac -cipher AES-128-CBC -macopt hexkey:KEY CMAC
func TestSubkeysWithAndWithoutCarry(t *testing.T) {
	for k, want := range map[string]string{
		"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a": "a05d948eaebf082f895ebc5db1970a86", // carries 0 and 0
		"00000000000000000000000000000000": "4387c14b46ef7e176dceefa862d72ff9", // carries 0 and 1
		"01010101010101010101010101010101": "368c6ccb03939dfba7182ddb9dc3d940", // carries 1 and 0
		"02020202020202020202020202020202": "2ddd70fae3ca71d1dfc96b511f08f66f", // carries 1 and 1
	} {
		if got := hex.EncodeToString(wire.NewCMAC(key(t, k)).Sum(nil)[:]); got != want {
			t.Errorf("CMAC of nothing under %s is %s, want %s", k, got, want)
		}
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func key(t testing.TB, s string) [wire.KeySize]byte {
	t.Helper()
	return [wire.KeySize]byte(unhex(t, s))
}

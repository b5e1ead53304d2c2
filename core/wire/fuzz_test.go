package wire_test

import (
	"bytes"
	"testing"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/wire"
)

// What parses and is built again from its fields has the same bytes, apart from reserved bits, which our own frames
// send as 0, and a Net ID of 0 or 1, which is sent without a field.
func FuzzParse(f *testing.F) {
	for _, c := range vectors() {
		f.Add(unhex(f, c.hex))
	}
	f.Add([]byte{0x20, 0, 0, 0, 1})
	f.Add(make([]byte, wire.MaxFrame+1))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var frame wire.Frame
		before := bytes.Clone(raw)
		why := frame.Parse(raw)
		if !bytes.Equal(raw, before) {
			t.Fatal("Parse changed the bytes")
		}
		if why != drop.None {
			return
		}
		h := headerOf(&frame)
		built := h.Append(nil, frame.Payload)
		copy(built[len(built)-wire.MACSize:], frame.MAC())
		if want := plain(raw, frame.NetID); !bytes.Equal(built, want) {
			t.Fatalf("%x is built again as\n%x, want\n%x", raw, built, want)
		}
		relayed := frame.AppendRelay(nil, frame.TTL, frame.NetID)
		if !bytes.Equal(relayed[wire.BodyOffset(relayed):], frame.Body) || relayed[0] != built[0]&^0x10|raw[0]&0x08 {
			t.Fatalf("%x is relayed as %x", raw, relayed)
		}
	})
}

// plain is raw without reserved bits and without a Net ID field that says nothing.
func plain(raw []byte, netID uint32) []byte {
	body := raw[wire.BodyOffset(raw):]
	out := []byte{raw[0] &^ 0x08}
	if netID > 1 {
		out = append(out, raw[1:5]...)
	} else {
		out[0] &^= 0x20
	}
	out = append(out, body...)
	out[len(out)-len(body)+6] &^= 0x3C
	return out
}

// Any change of the body is refused. (A MAC has 32 bits, so one change in 2^32 would not be: P-20.)
func FuzzKeyring(f *testing.F) {
	v := ring(f).Verifier()
	for _, c := range vectors() {
		f.Add(unhex(f, c.hex), uint16(57))
	}
	f.Fuzz(func(t *testing.T, raw []byte, bit uint16) {
		var frame wire.Frame
		if len(raw) == 0 {
			return
		}
		raw = bytes.Clone(raw)
		raw[0] &^= 0x20 // of the own network
		if frame.Parse(raw) != drop.None || v.Sign(0, raw) != nil {
			return
		}
		if net, why := v.Verify(&frame); why != drop.None || net != 0 {
			t.Fatalf("%x does not verify: %s", raw, why)
		}
		at := int(bit) % (8 * len(frame.Body))
		frame.Body[at/8] ^= 0x80 >> (at % 8)
		var mutated wire.Frame
		if mutated.Parse(raw) != drop.None {
			return
		}
		if _, why := v.Verify(&mutated); why == drop.None {
			t.Fatalf("%x verifies with bit %d of the body flipped", raw, at)
		}
	})
}

// The same without luck: every single bit of every vector.
func TestEveryBitOfTheBodyIsCovered(t *testing.T) {
	v := ring(t).Verifier()
	for _, c := range vectors() {
		raw := unhex(t, c.hex)
		for at := 8 * wire.BodyOffset(raw); at < 8*len(raw); at++ {
			raw[at/8] ^= 0x80 >> (at % 8)
			var f wire.Frame
			if f.Parse(raw) == drop.None {
				if _, why := v.Verify(&f); why == drop.None || v.VerifyPublic(&f) {
					t.Errorf("%s verifies with bit %d flipped", c.what, at)
				}
			}
			raw[at/8] ^= 0x80 >> (at % 8)
		}
	}
}

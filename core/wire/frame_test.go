package wire_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
	"pgregory.net/rapid"
)

var (
	merkur = name.Name{1, 2, 3, 1}
	room22 = name.Hash("location/hq/floor/2/room/22/event/temp")
	asked  = wire.MakeAsked(1_700_000_000_000, 60)
)

// vector is a frame whose MAC was computed by two other implementations, over the body b without its last 4 bytes:
//
//	openssl mac -cipher AES-128-CBC -macopt hexkey:KEY -in b CMAC          (OpenSSL 3.0)
//	cryptography.hazmat.primitives.cmac.CMAC(AES(KEY)).update(b)           (Python, cryptography 48)
//
// KEY is by key id: 0 is that of RFC 4493, 2 is 00 01 … 0f, 3 is ff ee … 00; P is the public key.
type vector struct {
	what    string
	hex     string
	public  bool
	header  wire.Header
	payload []byte
}

func vectors() []vector {
	radio := make([]byte, wire.RadioPayload)
	for i := range radio {
		radio[i] = byte(i)
	}
	returned := wire.Returned{Reason: wire.ReturnNoRoute, Asked: asked, Node: 42}
	hello := wire.Returned{Reason: wire.ReturnHello, Asked: wire.Asked{0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6}, Node: 42, Boot: 3}
	announced := wire.Announced{PrefixLen: 2, Cost: 10, Lifetime: 600, Origin: 42}
	return []vector{
		{
			"Interest, newest", "0701020301000000000000018bcfe56800003c159c6347", false,
			wire.Header{Name: merkur, Type: wire.Interest, TTL: 7},
			asked[:],
		},
		{
			"Interest without payload, subscribe, key 3", "00010203010000c0ffffff28ca3708", false,
			wire.Header{Name: merkur, Seq: wire.SeqSubscribe, KeyID: 3},
			nil,
		},
		{
			"Content with Net ID and ProxyMe, key 2", "3300010010f49f767abffb8100002a32312e35cdc3c8af", false,
			wire.Header{NetID: 0x00010010, Name: room22, Seq: 42, Type: wire.Content, KeyID: 2, TTL: 3, ProxyMe: true},
			[]byte("21.5"),
		},
		{
			"Content with the payload of radio, last number",
			"0701020301000001fffffe000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c46b83341",
			false,
			wire.Header{Name: merkur, Seq: wire.SeqLast, Type: wire.Content, TTL: 7},
			radio,
		},
		{
			"Return", "070102030100000200000001018bcfe56800003c0000002ad1c65adc", false,
			wire.Header{Name: merkur, Type: wire.Return, TTL: 7},
			returned.Append(nil),
		},
		{
			"Return, hello", "07fe5a48454c4f0200000007a1a2a3a4a5a600000000002a00000003c5edbe7b", false,
			wire.Header{Name: name.Hello, Type: wire.Return, TTL: 7},
			hello.Append(nil),
		},
		{
			"Announcement", "070102000000000300000902000a02580000002aaed799e8", false,
			wire.Header{Name: name.Name{1, 2}, Seq: 9, Type: wire.Announcement, TTL: 7},
			announced.Append(nil),
		},
		{
			"Interest under the public key", "07fe010000000000000001000000000000000a99ffcba8", true,
			wire.Header{Name: name.Name{0xFE, 1}, Seq: 1, TTL: 7},
			[]byte{7: 10},
		},
	}
}

func TestFramesOfOtherImplementations(t *testing.T) {
	v := ring(t).Verifier()
	for _, c := range vectors() {
		t.Run(c.what, func(t *testing.T) {
			raw := unhex(t, c.hex)
			f := parsed(t, raw)
			if _, why := v.Verify(&f); (why == drop.None) == c.public {
				t.Errorf("verified under the network key: %s", why)
			}
			if v.VerifyPublic(&f) != c.public {
				t.Errorf("verified under the public key: %v", !c.public)
			}
			if got := headerOf(&f); got != c.header || !bytes.Equal(f.Payload, c.payload) {
				t.Errorf("parsed as %+v, payload %x", got, f.Payload)
			}
			built := c.header.Append(nil, c.payload)
			if c.public {
				v.SignPublic(built)
			} else if err := v.Sign(0, built); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(built, raw) {
				t.Errorf("built as\n%x, want\n%x", built, raw)
			}
		})
	}
}

// Every prefix of a frame is refused or read as a shorter frame, and none makes Parse look past its end.
func TestTruncatedFrames(t *testing.T) {
	v := ring(t).Verifier()
	for _, c := range vectors() {
		raw := unhex(t, c.hex)
		least := wire.MinFrame
		if c.header.NetID != 0 {
			least += wire.NetIDSize
		}
		for n := range len(raw) {
			var f wire.Frame
			why := f.Parse(raw[:n:n])
			if (n < least) != (why == drop.Short) {
				t.Errorf("%s: %d bytes of %d: %s", c.what, n, len(raw), why)
			}
			if why != drop.None {
				continue
			}
			if _, why := v.Verify(&f); why != drop.BadMAC || v.VerifyPublic(&f) {
				t.Errorf("%s: %d bytes of %d verify", c.what, n, len(raw))
			}
		}
	}
}

func TestP23Lengths(t *testing.T) {
	frame := func(typ wire.Type, payload []byte, netID uint32) []byte {
		return (&wire.Header{Name: merkur, Type: typ, Seq: 1, NetID: netID}).Append(nil, payload)
	}
	for n := range wire.MaxPayload + 10 {
		payload := make([]byte, n)
		for typ, c := range map[wire.Type]struct {
			right bool
			why   drop.Reason
		}{
			wire.Interest:     {n == 0 || n == 8, drop.InterestLength},
			wire.Content:      {true, drop.None},
			wire.Return:       {n == 13, drop.ReturnLength},
			wire.Announcement: {n == 9, drop.AnnouncementLength},
		} {
			raw, want := frame(typ, payload, 9), drop.None
			if !c.right {
				want = c.why
			}
			if len(raw) > 1280 {
				want = drop.Long
			}
			if got := new(wire.Frame).Parse(raw); got != want {
				t.Fatalf("%s with %d bytes of payload: %s, want %s", typ, n, got, want)
			}
		}
	}
	if n := len(frame(wire.Content, make([]byte, wire.MaxPayload), 9)); n != wire.MaxFrame {
		t.Errorf("the longest frame has %d bytes", n)
	}
}

// The first byte of a Return tells its length: 17 with the reason of a hello, else 13.
func TestP18ReturnLengthDependsOnReason(t *testing.T) {
	for reason := range 256 {
		for n := 1; n < 20; n++ {
			payload := make([]byte, n)
			payload[0] = byte(reason)
			h := wire.Header{Name: merkur, Type: wire.Return}
			right := n == wire.ReturnPayload && reason != 7 || n == wire.HelloPayload && reason == 7
			if why := new(wire.Frame).Parse(h.Append(nil, payload)); (why == drop.None) != right {
				t.Fatalf("reason %d with %d bytes: %s", reason, n, why)
			}
		}
	}
}

func TestP23NumbersThatAContentCannotHave(t *testing.T) {
	for seq, want := range map[uint32]drop.Reason{
		0: drop.ContentNumber, 1: drop.None, 2: drop.None, 0x800000: drop.None, 0xFFFFFE: drop.None, 0xFFFFFF: drop.ContentNumber,
	} {
		h := wire.Header{Name: merkur, Seq: seq, Type: wire.Content}
		if got := new(wire.Frame).Parse(h.Append(nil, nil)); got != want {
			t.Errorf("Content %#x: %s, want %s", seq, got, want)
		}
		h.Type = wire.Interest
		if got := new(wire.Frame).Parse(h.Append(nil, nil)); got != drop.None {
			t.Errorf("Interest %#x: %s", seq, got)
		}
	}
}

func TestP23EachBitOfFHDR(t *testing.T) {
	for fhdr := range 256 {
		raw := append([]byte{byte(fhdr)}, make([]byte, 30)...) // all zeros: an Interest for the newest
		n := wire.MinFrame
		if fhdr&0x20 != 0 {
			n += 4
			raw[1], raw[2], raw[3], raw[4] = 1, 2, 3, 4
		}
		var f wire.Frame
		why := f.Parse(raw[:n])
		if fhdr&0xC0 != 0 {
			if why != drop.Version {
				t.Errorf("%08b: %s", fhdr, why)
			}
			continue
		}
		wantNet := uint32(0)
		if fhdr&0x20 != 0 {
			wantNet = 0x01020304
		}
		if why != drop.None || f.TTL != uint8(fhdr&7) || f.ProxyMe != (fhdr&0x10 != 0) || f.NetID != wantNet || len(f.Payload) != 0 {
			t.Errorf("%08b: %s, %+v", fhdr, why, f)
		}
		if wire.BodyOffset(raw) != n-(wire.MinFrame-1) || len(f.Body) != wire.MinFrame-1 {
			t.Errorf("%08b: body at %d, %d bytes", fhdr, wire.BodyOffset(raw), len(f.Body))
		}
	}
}

func TestP23EachBitOfFCTRL(t *testing.T) {
	for fctrl := range 256 {
		payload := make([]byte, map[int]int{0: 0, 1: 3, 2: wire.ReturnPayload, 3: wire.AnnouncementPayload}[fctrl&3])
		h := wire.Header{Name: merkur, Seq: 0x010203}
		raw := h.Append(nil, payload)
		raw[7] = byte(fctrl)
		f := parsed(t, raw)
		if f.KeyID != uint8(fctrl>>6) || f.Type != wire.Type(fctrl&3) || f.Seq != 0x010203 {
			t.Errorf("%08b: key %d, %s, number %#x", fctrl, f.KeyID, f.Type, f.Seq)
		}
	}
}

// Reserved bits are inside and outside of the MAC; both kinds are ignored and go on as they came.
func TestP23ReservedBitsAreRelayed(t *testing.T) {
	// As the vectors: Content 1 with FHDR bit 3 and all of FCTRL bits 5:2, key 0.
	raw := unhex(t, "0f0102030100003d000001aa4878a8db")
	f := parsed(t, raw)
	if f.Type != wire.Content || f.KeyID != 0 || f.TTL != 7 {
		t.Fatalf("parsed as %+v", f)
	}
	if _, why := ring(t).Verifier().Verify(&f); why != drop.None {
		t.Fatalf("not verified: %s", why)
	}
	if got := hex.EncodeToString(f.AppendRelay(nil, 6, 0)); got != "0e0102030100003d000001aa4878a8db" {
		t.Errorf("relayed as %s", got)
	}
}

func TestP8P19Relay(t *testing.T) {
	raw := unhex(t, vectors()[2].hex) // ProxyMe, Net ID 0x00010010, TTL 3
	body := "f49f767abffb8100002a32312e35cdc3c8af"
	f := parsed(t, raw)
	for netID, want := range map[uint32]string{
		0: "02" + body, 1: "02" + body, 2: "2200000002" + body, 0x00010010: "2200010010" + body,
	} {
		if got := hex.EncodeToString(f.AppendRelay([]byte{0xEE}, 2, netID)); got != "ee"+want {
			t.Errorf("Net ID %#x: relayed as %s, want ee%s", netID, got, want)
		}
	}
	if !bytes.Equal(raw, unhex(t, vectors()[2].hex)) {
		t.Error("relaying changed the received bytes")
	}
}

// What is built is read back, whatever the header.
func TestHeaderRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := anyHeader().Draw(t, "header")
		payload := anyPayload(h.Type).Draw(t, "payload")
		raw := h.Append(nil, payload)
		var f wire.Frame
		if why := f.Parse(raw); why != drop.None {
			t.Fatalf("%x: %s", raw, why)
		}
		if h.NetID == 1 {
			h.NetID = 0 // sent without a field
		}
		if headerOf(&f) != h || !bytes.Equal(f.Payload, payload) || !bytes.Equal(f.Raw, raw) || !bytes.Equal(f.MAC(), make([]byte, 4)) {
			t.Fatalf("%+v comes back as %+v", h, f)
		}
	})
}

// P-1 on a circle of 2^24 numbers: b comes after a if it is 1 to 2^23-1 steps ahead (RFC 1982, section 3.2).
func TestP1NewerIsSerialComparison(t *testing.T) {
	for _, c := range []struct {
		a, b uint32
		want bool
	}{
		{2, 1, true},
		{1, 2, false},
		{1, 1, false},
		{1, 0xFFFFFE, true},
		{0xFFFFFE, 1, false},
		{0x7FFFFF, 0, true},
		{0x800000, 0, false},
		{0, 0x800000, false}, // exactly half way round: neither
	} {
		if got := wire.Newer(c.a, c.b); got != c.want {
			t.Errorf("Newer(%#x, %#x) is %v", c.a, c.b, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		seq := rapid.Uint32Range(0, 0xFFFFFF)
		b, ahead := seq.Draw(t, "b"), seq.Draw(t, "ahead")
		a := (b + ahead) % (1 << 24)
		if got, want := wire.Newer(a, b), ahead >= 1 && ahead < 1<<23; got != want {
			t.Fatalf("Newer(%#x, %#x), %#x ahead, is %v", a, b, ahead, got)
		}
	})
}

func TestTypeNames(t *testing.T) {
	for typ, want := range map[wire.Type]string{
		wire.Interest: "interest", wire.Content: "content", wire.Return: "return", wire.Announcement: "announcement", 4: "type(4)",
	} {
		if fmt.Sprint(typ) != want {
			t.Errorf("type %d is %s", uint8(typ), typ)
		}
	}
}

func parsed(t testing.TB, raw []byte) wire.Frame {
	t.Helper()
	var f wire.Frame
	if why := f.Parse(raw); why != drop.None {
		t.Fatalf("%x: %s", raw, why)
	}
	return f
}

func headerOf(f *wire.Frame) wire.Header {
	return wire.Header{NetID: f.NetID, Name: f.Name, Seq: f.Seq, Type: f.Type, KeyID: f.KeyID, TTL: f.TTL, ProxyMe: f.ProxyMe}
}

func anyHeader() *rapid.Generator[wire.Header] {
	return rapid.Custom(func(t *rapid.T) wire.Header {
		return wire.Header{
			NetID:   rapid.OneOf(rapid.Uint32Range(0, 2), rapid.Uint32()).Draw(t, "net"),
			Name:    name.FromUint48(rapid.Uint64().Draw(t, "name")),
			Seq:     rapid.Uint32Range(wire.SeqFirst, wire.SeqLast).Draw(t, "seq"),
			Type:    wire.Type(rapid.IntRange(0, 3).Draw(t, "type")),
			KeyID:   uint8(rapid.IntRange(0, 3).Draw(t, "key")),
			TTL:     uint8(rapid.IntRange(0, 7).Draw(t, "ttl")),
			ProxyMe: rapid.Bool().Draw(t, "proxy"),
		}
	})
}

// anyPayload draws payloads of a length that the type allows.
func anyPayload(typ wire.Type) *rapid.Generator[[]byte] {
	switch typ {
	case wire.Interest:
		return rapid.OneOf(rapid.SliceOfN(rapid.Byte(), 0, 0), rapid.SliceOfN(rapid.Byte(), 8, 8))
	case wire.Return:
		return rapid.Custom(func(t *rapid.T) []byte {
			r := anyReturned().Draw(t, "returned")
			return r.Append(nil)
		})
	case wire.Announcement:
		return rapid.SliceOfN(rapid.Byte(), 9, 9)
	}
	return rapid.SliceOfN(rapid.Byte(), 0, 200)
}

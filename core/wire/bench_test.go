package wire_test

import (
	"testing"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/wire"
)

// frame60 is a Content of 60 bytes, the longest on radio without a Net ID.
func frame60(b testing.TB, v *wire.Verifier) []byte {
	h := wire.Header{Name: merkur, Seq: 1, Type: wire.Content, TTL: 7}
	raw := h.Append(nil, make([]byte, wire.RadioPayload))
	if err := v.Sign(0, raw); err != nil || len(raw) != 60 {
		b.Fatalf("frame of %d bytes: %v", len(raw), err)
	}
	return raw
}

// The work of an ingress for each frame. Aim: 200 ns, no allocations.
func BenchmarkParseVerify60(b *testing.B) {
	v := ring(b).Verifier()
	raw := frame60(b, v)
	var f wire.Frame
	b.ReportAllocs()
	for b.Loop() {
		if f.Parse(raw) != drop.None {
			b.Fatal("not parsed")
		}
		if _, why := v.Verify(&f); why != drop.None {
			b.Fatal(why)
		}
	}
}

func BenchmarkParse60(b *testing.B) {
	raw := frame60(b, ring(b).Verifier())
	var f wire.Frame
	b.ReportAllocs()
	for b.Loop() {
		if f.Parse(raw) != drop.None {
			b.Fatal("not parsed")
		}
	}
}

func BenchmarkBuildSign60(b *testing.B) {
	v := ring(b).Verifier()
	h := wire.Header{Name: merkur, Seq: 1, Type: wire.Content, TTL: 7}
	payload, buf := make([]byte, wire.RadioPayload), make([]byte, 0, wire.MaxFrame)
	b.ReportAllocs()
	for b.Loop() {
		if v.Sign(0, h.Append(buf, payload)) != nil {
			b.Fatal("not signed")
		}
	}
}

func BenchmarkRelay60(b *testing.B) {
	f := parsed(b, frame60(b, ring(b).Verifier()))
	buf := make([]byte, 0, wire.MaxFrame)
	b.ReportAllocs()
	for b.Loop() {
		f.AppendRelay(buf, 6, 0)
	}
}

func TestNoAllocations(t *testing.T) {
	v := ring(t).Verifier()
	raw, buf := frame60(t, v), make([]byte, 0, wire.MaxFrame)
	returned := wire.Returned{Reason: wire.ReturnHello, Asked: asked}
	announced := wire.Announced{PrefixLen: 1}
	f := parsed(t, raw)
	for what, work := range map[string]func(){
		"parse and verify": func() { f.Parse(raw); v.Verify(&f); v.VerifyPublic(&f) },
		"build and sign": func() {
			h := headerOf(&f)
			_ = v.Sign(0, h.Append(buf, f.Payload))
			v.SignPublic(h.Append(buf, f.Payload))
		},
		"relay": func() { f.AppendRelay(buf, 6, ownNet) },
		"payloads": func() {
			wire.ReturnedOf(returned.Append(buf))
			wire.AnnouncedOf(announced.Append(buf))
			wire.AskedOf(asked[:])
		},
	} {
		if got := testing.AllocsPerRun(100, work); got != 0 {
			t.Errorf("%s: %v allocations", what, got)
		}
	}
}

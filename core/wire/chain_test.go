package wire

import (
	"bytes"
	"crypto/aes"
	"math/rand/v2"
	"testing"
)

// What is made of this processor's instructions is what the standard library makes, for messages of all lengths and wherever they lie; and
// so is what is put together in words.
func TestChainIsTheStandardLibrarys(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	buf := make([]byte, 300)
	for range 50 {
		var key [KeySize]byte
		fill(rnd, key[:])
		own, std := NewCMAC(key), naiveCMAC(key)
		fill(rnd, buf)
		before := bytes.Clone(buf)
		for n := range 280 {
			msg := buf[n%17:][:n]
			if got, want := *own.Sum(msg), std(msg); got != want {
				t.Fatalf("MAC of %x under %x is %x, want %x", msg, key, got, want)
			}
		}
		if !bytes.Equal(buf, before) {
			t.Fatal("a message was changed")
		}
		var fast chain
		var slow portable
		fast.init(&key)
		slow.init(&key)
		for n := range 10 {
			last := block{rnd.Uint64(), rnd.Uint64()}
			if got, want := fast.encrypt(buf[:16*n], last), slow.encrypt(buf[:16*n], last); got != want {
				t.Fatalf("chain over %d blocks under %x is %x, want %x", n, key, got, want)
			}
		}
	}
}

func fill(rnd *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
}

// naiveCMAC is RFC 4493 byte by byte.
func naiveCMAC(key [KeySize]byte) func(msg []byte) [16]byte {
	c, _ := aes.NewCipher(key[:])
	double := func(b [16]byte) (out [16]byte) {
		for i := range b {
			out[i] = b[i] << 1
			if i < 15 {
				out[i] |= b[i+1] >> 7
			}
		}
		if b[0]&0x80 != 0 {
			out[15] ^= 0x87
		}
		return out
	}
	var l [16]byte
	c.Encrypt(l[:], l[:])
	k1 := double(l)
	k2 := double(k1)
	return func(msg []byte) (x [16]byte) {
		k := k1
		if len(msg) == 0 || len(msg)%16 != 0 {
			k = k2
			msg = append(bytes.Clone(msg), 0x80)
			for len(msg)%16 != 0 {
				msg = append(msg, 0)
			}
		}
		for i := 0; i < len(msg); i += 16 {
			for j := range x {
				x[j] ^= msg[i+j]
				if i+16 == len(msg) {
					x[j] ^= k[j]
				}
			}
			c.Encrypt(x[:], x[:])
		}
		return x
	}
}

// Frames that are verified together have the verdicts that each has alone: whatever their lengths, keys and networks, and whichever are forged.
func TestVerifyTogetherIsVerify(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	var own, second, other [16]byte
	fill(rnd, own[:])
	fill(rnd, second[:])
	fill(rnd, other[:])
	ring, err := NewKeyring(Network{Keys: [4]*[16]byte{0: &own, 2: &second}}, Network{NetID: 7, Keys: [4]*[16]byte{&other}})
	if err != nil {
		t.Fatal(err)
	}
	v, good := ring.Verifier(), 0
	for range 5000 {
		frames := make([]*Frame, rnd.IntN(Together+1))
		verdicts := make([]Verdict, len(frames))
		longest := 1 << rnd.IntN(7)
		for i := range frames {
			h := Header{Seq: 1, Type: Content, KeyID: 2 * uint8(rnd.IntN(2)), NetID: []uint32{0, 0, 0, 7, 8}[rnd.IntN(5)]}
			fill(rnd, h.Name[:])
			payload := make([]byte, rnd.IntN(longest))
			fill(rnd, payload)
			raw := h.Append(nil, payload)
			net, _ := ring.Index(h.NetID)
			_ = v.Sign(net, raw)
			if rnd.IntN(4) == 0 {
				raw[len(raw)-1-rnd.IntN(len(payload)+MACSize)] ^= 1 << rnd.IntN(8)
			}
			frames[i] = new(Frame)
			frames[i].Parse(raw)
		}
		v.VerifyTogether(frames, verdicts)
		if v.work.blocks != [lanes]*byte{} {
			t.Fatal("a buffer is kept")
		}
		for i, f := range frames {
			net, why := v.Verify(f)
			if verdicts[i] != (Verdict{net, why}) {
				t.Fatalf("frame %d of %d, %x: %v together, %v %v alone", i, len(frames), f.Raw, verdicts[i], net, why)
			}
			if why == 0 {
				good++
			}
		}
	}
	if good < 10000 {
		t.Errorf("%d good frames: too few to tell", good)
	}
}

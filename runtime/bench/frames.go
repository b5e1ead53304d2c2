package bench

import (
	"fmt"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// class is what happens to an exchange. It stands in byte 1 of its name, so that a raw server does the same with it as a
// forwarder: answer, relay, or send to the subscribers.
type class uint8

const (
	classHit     class = 1 // an Interest that the store answers
	classMiss    class = 2 // an Interest that goes on to the producer, and its Content back
	classPublish class = 3 // a Content that goes to all subscribers
)

// Names are 01, the class, and a number to the base of 250 in four bytes without 00, which ends a name, and FF, the wildcard.
const (
	firstByte = 0x01
	radix     = 250
	maxNames  = radix * radix * radix * radix
)

func nameOf(c class, n uint64) name.Name {
	d := func(by uint64) byte { return byte(n/by%radix) + 1 }
	return name.Name{firstByte, byte(c), d(radix * radix * radix), d(radix * radix), d(radix), d(1)}
}

// parts is what is read of a frame that came in.
type parts struct {
	kind  wire.Type
	class class
	name  uint64
	seq   uint32
}

// read takes a frame apart; ok is false for what is not of this measurement, such as a hello.
func read(raw []byte) (p parts, ok bool) {
	if len(raw) < wire.MinFrame {
		return p, false
	}
	b := raw[wire.BodyOffset(raw):]
	if len(b) < wire.MinFrame-1 || b[0] != firstByte {
		return p, false
	}
	p.class, p.kind = class(b[1]), wire.Type(b[6]&3)
	p.name = ((uint64(b[2]-1)*radix+uint64(b[3]-1))*radix+uint64(b[4]-1))*radix + uint64(b[5]-1)
	p.seq = uint32(b[7])<<16 | uint32(b[8])<<8 | uint32(b[9])
	return p, true
}

// maker makes frames with valid MACs.
type maker struct {
	v       *wire.Verifier
	netID   uint32
	key     uint8
	payload []byte
	lengths int // 0 or 1: payloads are all as long; else a hit's is up to so many bytes less one shorter, as its name says
}

func newMaker(ring *wire.Keyring, payload int) *maker {
	m := &maker{v: ring.Verifier(), netID: ring.NetID(0), key: ring.Use(0), payload: make([]byte, payload)}
	for i := range m.payload {
		m.payload[i] = byte(i)
	}
	return m
}

func (m *maker) head() int {
	if m.netID > 1 {
		return wire.NetIDSize
	}
	return 0
}

func (m *maker) interestSize() int { return m.head() + wire.MinFrame + wire.InterestPayload }
func (m *maker) contentSize() int  { return m.head() + wire.MinFrame + len(m.payload) }

// expiry of Interests and subscriptions. A window of lost ones must not fill the tables for long.
const (
	interestExpiry  = 4
	subscribeExpiry = 120
)

// interest appends an Interest made at a moment in Unix ms.
func (m *maker) interest(dst []byte, n name.Name, seq uint32, at int64) []byte {
	expiry := uint16(interestExpiry)
	if seq == wire.SeqSubscribe {
		expiry = subscribeExpiry
	}
	asked := wire.MakeAsked(at, expiry)
	return m.sign(dst, wire.Header{Name: n, Seq: seq, Type: wire.Interest}, asked[:])
}

// stored appends the content that a hit is answered with.
func (m *maker) stored(dst []byte, k uint64) []byte {
	shorter := uint64(0)
	if m.lengths > 1 {
		shorter = uint64(m.lengths) - 1 - k%uint64(m.lengths)
	}
	return m.sign(dst, wire.Header{Name: nameOf(classHit, k), Seq: 1, Type: wire.Content}, m.payload[:len(m.payload)-int(shorter)])
}

func (m *maker) content(dst []byte, n name.Name, seq uint32) []byte {
	return m.sign(dst, wire.Header{Name: n, Seq: seq, Type: wire.Content}, m.payload)
}

func (m *maker) sign(dst []byte, h wire.Header, payload []byte) []byte {
	start := len(dst)
	h.NetID, h.KeyID, h.TTL = m.netID, m.key, wire.MaxTTL
	dst = h.Append(dst, payload)
	if err := m.v.Sign(0, dst[start:]); err != nil {
		panic(err) // the keyring has its key in use
	}
	return dst
}

// verify tells whether a content is what was asked for: its MAC, and as long as it should be.
func (m *maker) verify(raw []byte) error {
	var f wire.Frame
	if why := f.Parse(raw); why != 0 {
		return fmt.Errorf("an answer is no frame: %s", why)
	}
	if _, why := m.v.Verify(&f); why != 0 {
		return fmt.Errorf("an answer does not verify: %s", why)
	}
	if n := len(f.Payload); n > len(m.payload) || n < len(m.payload)+1-max(m.lengths, 1) {
		return fmt.Errorf("an answer has %d bytes of payload, not %d", len(f.Payload), len(m.payload))
	}
	return nil
}

func unixMilli() int64 { return time.Now().UnixMilli() }

package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/name"
)

// Sizes in bytes (protocol page, part 1).
const (
	HeaderSize   = 11 // FHDR, Content Name, FCTRL, FSEQ
	NetIDSize    = 4
	MACSize      = 4
	MinFrame     = HeaderSize + MACSize // smallest frame, without Net ID
	MaxFrame     = 1280                 // of UDP payload
	MaxPayload   = MaxFrame - MinFrame - NetIDSize
	RadioFrame   = 64 // budget of a frame on radio
	RadioPayload = 45 // payload on radio; room for a Net ID is kept
)

// Values of FSEQ. In an Interest 0 asks for the newest, 0xFFFFFF subscribes; a Content has neither.
const (
	SeqNewest    uint32 = 0
	SeqFirst     uint32 = 1
	SeqLast      uint32 = 0xFFFFFE
	SeqSubscribe uint32 = 0xFFFFFF
)

// MaxTTL is what a frame made at this node starts with, and what an answer from a store leaves with (P-21).
const MaxTTL = 7

// Type is FCTRL bits 1:0.
type Type uint8

// The four packet types.
const (
	Interest     Type = 0
	Content      Type = 1
	Return       Type = 2
	Announcement Type = 3
)

var typeNames = [4]string{"interest", "content", "return", "announcement"}

// String is the type in lower case, as in metrics.
func (t Type) String() string {
	if t > Announcement {
		return fmt.Sprintf("type(%d)", uint8(t))
	}
	return typeNames[t]
}

// Bits of FHDR: version 7:6, Net-ID-present 5, ProxyMe 4, reserved 3, TTL 2:0.
const (
	fhdrVersion = 0xC0
	fhdrNetID   = 0x20
	fhdrProxyMe = 0x10
	fhdrTTL     = 0x07
)

// ReservedFHDR is bit 3 of FHDR: ignored, and relayed as it came (P-23). Our own frames send 0.
const ReservedFHDR = 0x08

// Bits of FCTRL: network key id 7:6, reserved 5:2, packet type 1:0.
const (
	fctrlKeyShift = 6
	fctrlType     = 0x03
)

// Frame is a parsed view of a received frame. It holds no copy: it is valid as long as the bytes are.
type Frame struct {
	Raw     []byte // the whole frame, FHDR … MAC
	Body    []byte // Content Name … MAC: what is the same on every hop
	Payload []byte
	NetID   uint32 // 0 if the frame has none
	Seq     uint32 // FSEQ, 24 bits
	Name    name.Name
	Type    Type
	KeyID   uint8 // 0 … 3
	TTL     uint8 // 0 … 7
	ProxyMe bool
}

// Parse reads raw, which must be one whole frame, into f. It checks what bytes alone can tell (P-23) and returns a
// drop.Reason (Short, Long, Version, InterestLength, ReturnLength, AnnouncementLength, ContentNumber) or drop.None.
// Reserved bits are ignored. The MAC is not checked: see [Verifier.Verify].
func (f *Frame) Parse(raw []byte) drop.Reason {
	if len(raw) < MinFrame {
		return drop.Short
	}
	if len(raw) > MaxFrame {
		return drop.Long
	}
	fhdr := raw[0]
	if fhdr&fhdrVersion != 0 {
		return drop.Version
	}
	off := 1
	f.NetID = 0
	if fhdr&fhdrNetID != 0 {
		off += NetIDSize
		if len(raw) < MinFrame+NetIDSize {
			return drop.Short
		}
		f.NetID = binary.BigEndian.Uint32(raw[1:5])
	}
	b := raw[off:]
	f.Raw, f.Body = raw, b
	f.TTL = fhdr & fhdrTTL
	f.ProxyMe = fhdr&fhdrProxyMe != 0
	f.Name = name.Name(b[0:6])
	f.KeyID = b[6] >> fctrlKeyShift
	f.Type = Type(b[6] & fctrlType)
	f.Seq = uint32(b[7])<<16 | uint32(b[8])<<8 | uint32(b[9])
	f.Payload = b[10 : len(b)-MACSize]
	return f.checkPayload()
}

// P-23: lengths by packet type, and the numbers that a Content cannot have.
func (f *Frame) checkPayload() drop.Reason {
	switch f.Type {
	case Interest:
		if n := len(f.Payload); n != 0 && n != InterestPayload {
			return drop.InterestLength
		}
	case Content:
		if f.Seq == SeqNewest || f.Seq == SeqSubscribe {
			return drop.ContentNumber
		}
	case Return:
		return checkReturn(f.Payload)
	case Announcement:
		if len(f.Payload) != AnnouncementPayload {
			return drop.AnnouncementLength
		}
	}
	return drop.None
}

// MAC gives the frame's last four bytes.
func (f *Frame) MAC() []byte { return f.Body[len(f.Body)-MACSize:] }

// Header is what a frame built here starts with. NetID 0 and 1 are sent without a field (protocol page, part 1).
type Header struct {
	NetID   uint32
	Name    name.Name
	Seq     uint32
	Type    Type
	KeyID   uint8
	TTL     uint8
	ProxyMe bool
}

// Append appends the frame of h and payload to dst, with four zero bytes where the MAC goes: [Verifier.Sign] fills
// them in. It allocates only if dst is too small. The caller keeps to MaxPayload.
func (h *Header) Append(dst, payload []byte) []byte {
	dst = h.AppendFHDR(dst)
	dst = append(dst, h.Name[:]...)
	dst = append(dst, h.KeyID<<fctrlKeyShift|uint8(h.Type)&fctrlType, byte(h.Seq>>16), byte(h.Seq>>8), byte(h.Seq))
	dst = append(dst, payload...)
	return append(dst, 0, 0, 0, 0)
}

// AppendAgain is Append for a frame that came here and leaves again, from what was kept of it: the reserved bits of its FHDR and its FCTRL as
// they came (P-23), and its MAC.
func (h *Header) AppendAgain(dst, payload []byte, fhdr, fctrl byte, mac *[MACSize]byte) []byte {
	start := len(dst)
	dst = h.AppendFHDR(dst)
	dst[start] |= fhdr & ReservedFHDR
	dst = append(dst, h.Name[:]...)
	dst = append(dst, fctrl, byte(h.Seq>>16), byte(h.Seq>>8), byte(h.Seq))
	dst = append(dst, payload...)
	return append(dst, mac[:]...)
}

// AppendFHDR appends FHDR and, where h.NetID is above 1, the Net ID: what stands before the body.
func (h *Header) AppendFHDR(dst []byte) []byte {
	fhdr := h.TTL & fhdrTTL
	if h.ProxyMe {
		fhdr |= fhdrProxyMe
	}
	if h.NetID > 1 {
		dst = append(dst, fhdr|fhdrNetID)
		return binary.BigEndian.AppendUint32(dst, h.NetID)
	}
	return append(dst, fhdr)
}

// AppendRelay appends f as it leaves again: the TTL given, ProxyMe cleared (P-8), the Net ID field written if
// netID is above 1 (P-19), FHDR's reserved bit as it came (P-23), and the body unchanged, MAC included.
func (f *Frame) AppendRelay(dst []byte, ttl uint8, netID uint32) []byte {
	start := len(dst)
	h := Header{NetID: netID, TTL: ttl}
	dst = h.AppendFHDR(dst)
	dst[start] |= f.Raw[0] & ReservedFHDR
	return append(dst, f.Body...)
}

// BodyOffset tells where the body of a well-formed frame starts: 1, or 5 with a Net ID.
func BodyOffset(raw []byte) int {
	if raw[0]&fhdrNetID != 0 {
		return 1 + NetIDSize
	}
	return 1
}

// Newer is serial-number comparison (RFC 1982, SERIAL_BITS 24): whether a comes after b. P-1 orders content with it,
// P-7 the numbers of an origin's Announcements.
func Newer(a, b uint32) bool {
	d := (a - b) & 0xFFFFFF
	return d != 0 && d < 1<<23
}

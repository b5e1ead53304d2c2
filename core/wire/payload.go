package wire

import (
	"encoding/binary"
	"time"

	"github.com/zmesh/zmesh/core/drop"
)

// Sizes of payloads in bytes.
const (
	InterestPayload     = 8  // Unix time in ms 6, expiry in s 2
	ReturnPayload       = 13 // reason 1, the Interest's payload 8, node id 4 (P-6)
	HelloPayload        = 17 // the same and the boot number 4 (P-18)
	AnnouncementPayload = 9  // prefix length 1, cost 2, lifetime in s 2, origin 4 (P-7)
)

// EmptyExpiry is the expiry of an Interest without payload (P-3).
const EmptyExpiry = 2 * time.Second

// Asked is the payload of an Interest: when it was made and how long it stands. It is kept as it came, since a
// Return carries it back byte for byte (P-6) and a retry is told from a repetition by it (P-2a).
type Asked [InterestPayload]byte

// MakeAsked builds the payload from a Unix time in milliseconds (0: no clock, P-4) and an expiry in seconds.
func MakeAsked(unixMilli int64, expiry uint16) Asked {
	var a Asked
	binary.BigEndian.PutUint16(a[0:2], uint16(unixMilli>>32))
	binary.BigEndian.PutUint32(a[2:6], uint32(unixMilli))
	binary.BigEndian.PutUint16(a[6:8], expiry)
	return a
}

// UnixMilli is the time in the payload; 0 means a device without a clock (P-4).
func (a Asked) UnixMilli() int64 {
	return int64(binary.BigEndian.Uint16(a[0:2]))<<32 | int64(binary.BigEndian.Uint32(a[2:6]))
}

// Expiry is how long the Interest stands, counted from its arrival at each hop (P-3). 0 means: from the store only.
func (a Asked) Expiry() time.Duration {
	return time.Duration(binary.BigEndian.Uint16(a[6:8])) * time.Second
}

// Bits is the payload as a number, first byte highest: the time in bits 63:16, the expiry in bits 15:0.
func (a Asked) Bits() uint64 { return binary.BigEndian.Uint64(a[:]) }

// AskedOf reads an Interest's payload. ok is false where there is none: then the expiry is EmptyExpiry and there is
// no timestamp, and asked is all zeros, which is what a Return for it carries (P-6).
func AskedOf(payload []byte) (asked Asked, ok bool) {
	if len(payload) != InterestPayload {
		return asked, false
	}
	return Asked(payload), true
}

// ReturnReason is the first byte of an Interest Return (P-6).
type ReturnReason uint8

// The reasons of an Interest Return (P-6).
const (
	ReturnNoRoute    ReturnReason = 1 // no route
	ReturnNotHere    ReturnReason = 2 // from the producer or its first-hop node: never existed or gone
	ReturnCongestion ReturnReason = 3 // congestion or quota
	ReturnRefused    ReturnReason = 4
	ReturnExpired    ReturnReason = 5 // expired upstream
	ReturnTTL        ReturnReason = 6 // the TTL ended here
	ReturnHello      ReturnReason = 7 // the echo of a hello (P-18)
)

var returnNames = [8]string{"reserved", "no route", "not here", "congestion", "refused", "expired", "ttl ended", "hello"}

// String gives the reason in words.
func (r ReturnReason) String() string {
	if int(r) < len(returnNames) {
		return returnNames[r]
	}
	return "unknown"
}

// Returned is the payload of an Interest Return.
//
//	offset  size  field
//	0       1     reason
//	1       8     the Interest's payload, zeros if it had none
//	9       4     node id of the returner
//	13      4     boot number, only with reason 7 (P-18)
type Returned struct {
	Reason ReturnReason
	Asked  Asked
	Node   uint32
	Boot   uint32
}

// Append appends the payload to dst: 13 bytes, or 17 with reason 7.
func (r *Returned) Append(dst []byte) []byte {
	dst = append(dst, byte(r.Reason))
	dst = append(dst, r.Asked[:]...)
	dst = binary.BigEndian.AppendUint32(dst, r.Node)
	if r.Reason == ReturnHello {
		dst = binary.BigEndian.AppendUint32(dst, r.Boot)
	}
	return dst
}

// ReturnedOf reads the payload of a parsed Interest Return.
func ReturnedOf(payload []byte) Returned {
	r := Returned{
		Reason: ReturnReason(payload[0]),
		Asked:  Asked(payload[1:9]),
		Node:   binary.BigEndian.Uint32(payload[9:13]),
	}
	if r.Reason == ReturnHello {
		r.Boot = binary.BigEndian.Uint32(payload[13:17])
	}
	return r
}

func checkReturn(payload []byte) drop.Reason {
	want := ReturnPayload
	if len(payload) > 0 && ReturnReason(payload[0]) == ReturnHello {
		want = HelloPayload
	}
	if len(payload) != want {
		return drop.ReturnLength
	}
	return drop.None
}

// Announced is the payload of a Content Announcement (P-7). The frame's name is the prefix.
//
//	offset  size  field
//	0       1     prefix length in bytes, 0 … 6
//	1       2     cost from the sender
//	3       2     lifetime in s; 0 withdraws
//	5       4     node id of the origin
type Announced struct {
	PrefixLen uint8
	Cost      uint16
	Lifetime  uint16
	Origin    uint32
}

// CostUnreachable is the cost that bounds how far an Announcement goes (P-7).
const CostUnreachable = 0xFFFF

// Append appends the nine bytes to dst.
func (a *Announced) Append(dst []byte) []byte {
	dst = append(dst, a.PrefixLen)
	dst = binary.BigEndian.AppendUint16(dst, a.Cost)
	dst = binary.BigEndian.AppendUint16(dst, a.Lifetime)
	return binary.BigEndian.AppendUint32(dst, a.Origin)
}

// AnnouncedOf reads the payload of a parsed Content Announcement.
func AnnouncedOf(payload []byte) Announced {
	return Announced{
		PrefixLen: payload[0],
		Cost:      binary.BigEndian.Uint16(payload[1:3]),
		Lifetime:  binary.BigEndian.Uint16(payload[3:5]),
		Origin:    binary.BigEndian.Uint32(payload[5:9]),
	}
}

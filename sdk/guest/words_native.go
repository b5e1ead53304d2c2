//go:build !wasm

package guest

import (
	"encoding/binary"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

func get16(b []byte, at int) uint16 { return binary.LittleEndian.Uint16(b[at:]) }
func get32(b []byte, at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
func get64(b []byte, at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }

func put16(b []byte, at int, v uint16) { binary.LittleEndian.PutUint16(b[at:], v) }
func put32(b []byte, at int, v uint32) { binary.LittleEndian.PutUint32(b[at:], v) }
func put64(b []byte, at int, v uint64) { binary.LittleEndian.PutUint64(b[at:], v) }

// word is a number as it stands in memory, little-endian.
func word(v uint64) uint64 {
	var b [8]byte
	put64(b[:], 0, v)
	return binary.NativeEndian.Uint64(b[:])
}

// inPlace is false: a native machine may have another byte order.
const inPlace = false

func (p *strategyPlugin) input() []byte { return bytesOf(p.in[:]) }

// hopsIn is for wasm alone.
func hopsIn(_ []byte, _, _, _ int) []Hop { return nil }

// readFixed reads the fixed part of an item, abi.EventFixed bytes.
func (e *Event) readFixed(in []byte) {
	e.size, e.Kind, e.fixed = get32(in, abi.ItemSize), get16(in, abi.ItemKind), get16(in, abi.ItemFixed)
	e.Now = int64(get64(in, abi.EventTime))
	e.Name = [6]byte(in[abi.EventName:abi.EventTTL])
	e.TTL, e.Reason = in[abi.EventTTL], in[abi.EventReason]
	e.Seq, e.InFace = get32(in, abi.EventSeq), get32(in, abi.EventInFace)
	e.hopSize, e.hopCount, e.More = get16(in, abi.EventHopSize), get16(in, abi.EventHopCount), get32(in, abi.EventMore)
	e.Expiry = int64(get64(in, abi.EventExpiry))
	e.Length, e.Signal = get16(in, abi.EventLength), int16(get16(in, abi.EventSignal))
	e.Type, e.FHDR, e.KeyID, e.InKind = in[abi.EventType], in[abi.EventFHDR], in[abi.EventKeyID], in[abi.EventInKind]
	e.Face, e.Random = get32(in, abi.EventFace), get32(in, abi.EventRandom)
	e.Prefix, e.facts, e.shares = in[abi.EventPrefix], in[abi.EventFacts], get16(in, abi.EventShares)
}

// tidy leaves nothing in an event that its reader cannot name, so that tests may compare events.
func (e *Event) tidy() { e.size, e.fixed, e.hopSize, e.hopCount, e.facts, e.shares = 0, 0, 0, 0, 0, 0 }

package guest

import (
	"unsafe"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// The compiler for wasm puts a number together from bytes one by one, which made a decision a tenth slower. Wasm is
// little-endian and loads unaligned, so a load of the whole word is the same.

func get16(b []byte, at int) uint16 { _ = b[at+1]; return *(*uint16)(unsafe.Pointer(&b[at])) }
func get32(b []byte, at int) uint32 { _ = b[at+3]; return *(*uint32)(unsafe.Pointer(&b[at])) }
func get64(b []byte, at int) uint64 { _ = b[at+7]; return *(*uint64)(unsafe.Pointer(&b[at])) }

func put16(b []byte, at int, v uint16) { _ = b[at+1]; *(*uint16)(unsafe.Pointer(&b[at])) = v }
func put32(b []byte, at int, v uint32) { _ = b[at+3]; *(*uint32)(unsafe.Pointer(&b[at])) = v }
func put64(b []byte, at int, v uint64) { _ = b[at+7]; *(*uint64)(unsafe.Pointer(&b[at])) = v }

// word is a number as it stands in memory, little-endian.
func word(v uint64) uint64 { return v }

// hopsIn gives the next hops as they stand in an item: a Hop is laid out like a record of abi.HopSize. nil if those here are larger.
func hopsIn(item []byte, fixed, size, n int) []Hop {
	if size != abi.HopSize || fixed%8 != 0 || n == 0 {
		return nil
	}
	return unsafe.Slice((*Hop)(unsafe.Pointer(&item[fixed])), n)
}

// readFixed reads the fixed part of an item, abi.EventFixed bytes: the event ends with the same layout.
func (e *Event) readFixed(in []byte) {
	_ = in[abi.EventFixed-1]
	*(*[abi.EventFixed / 8]uint64)(unsafe.Pointer(&e.size)) = *(*[abi.EventFixed / 8]uint64)(unsafe.Pointer(&in[0]))
}

// inPlace says that an event can be used where the host has written it.
const inPlace = true

// input begins with the fixed part of the event, and its next hops follow in in.
func (p *strategyPlugin) input() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(&p.event.size)), abi.EventFixed+strategyInput)
}

// tidy is for native tests.
func (*Event) tidy() {}

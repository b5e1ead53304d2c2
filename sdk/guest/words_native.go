//go:build !wasm

package guest

import "encoding/binary"

func get16(b []byte, at int) uint16 { return binary.LittleEndian.Uint16(b[at:]) }
func get32(b []byte, at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
func get64(b []byte, at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }

func put16(b []byte, at int, v uint16) { binary.LittleEndian.PutUint16(b[at:], v) }
func put32(b []byte, at int, v uint32) { binary.LittleEndian.PutUint32(b[at:], v) }
func put64(b []byte, at int, v uint64) { binary.LittleEndian.PutUint64(b[at:], v) }

// hopsIn is for wasm alone: a native machine may have another byte order.
func hopsIn(_ []byte, _, _, _ int) []Hop { return nil }

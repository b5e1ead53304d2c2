package guest

import (
	"math"
	"unsafe"
)

//go:wasmimport zmesh_0 count
func hostCountOf(name unsafe.Pointer, size uint32, n int64)

//go:wasmimport zmesh_0 gauge
func hostGaugeOf(name unsafe.Pointer, size uint32, bits uint64)

//go:wasmimport zmesh_0 state_get
func hostGetOf(key unsafe.Pointer, size uint32, to unsafe.Pointer, room uint32) int32

//go:wasmimport zmesh_0 state_set
func hostSetOf(key unsafe.Pointer, size uint32, value unsafe.Pointer, n uint32) uint32

func text(s string) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.StringData(s)), uint32(len(s))
}

func block(b []byte) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b))
}

func hostCount(name string, n int64) {
	at, size := text(name)
	hostCountOf(at, size, n)
}

func hostGauge(name string, value float64) {
	at, size := text(name)
	hostGaugeOf(at, size, math.Float64bits(value))
}

func hostGet(key string, to []byte) int {
	at, size := text(key)
	room, n := block(to)
	return int(hostGetOf(at, size, room, n))
}

func hostSet(key string, value []byte) bool {
	at, size := text(key)
	v, n := block(value)
	return hostSetOf(at, size, v, n) == 0
}

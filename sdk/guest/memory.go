package guest

import "unsafe"

// bytesOf sees words as bytes: regions are declared as words so that they begin at multiples of 8. unsafe.Slice would
// be a call in wasm.
func bytesOf(words []uint64) []byte {
	return (*[1 << 30]byte)(unsafe.Pointer(unsafe.SliceData(words)))[: 8*len(words) : 8*len(words)]
}

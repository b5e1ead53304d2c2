package guest

import "unsafe"

// bytesOf sees words as bytes: regions are declared as words so that they begin at multiples of 8.
func bytesOf(words []uint64) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), 8*len(words))
}

package guest

import "unsafe"

//go:wasmimport zmesh_0 log
func hostLogLine(level uint32, offset unsafe.Pointer, size uint32)

func hostLog(level uint32, text string) {
	hostLogLine(level, unsafe.Pointer(unsafe.StringData(text)), uint32(len(text)))
}

package guest

import (
	"unsafe"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

//go:wasmimport zmesh_0 features
func hostFeatures() uint64

// exportInit tells the host where the arena lies. It fails the start of a module that serves nothing: its init function does not
// call ServeStrategy, ServeDecoder or ServeDriver.
//
//go:wasmexport zmesh_init
func exportInit() uint32 {
	if served == nil {
		panic("the plugin registers nothing: call guest.ServeStrategy, ServeDecoder or ServeDriver from init")
	}
	features := hostFeatures()
	input, output := served.regions()
	d := bytesOf(arenaWords[:])
	put32(d, 0, abi.ArenaSize)
	put32(d, abi.ArenaVersion, abi.Major<<16|abi.Minor)
	if s, ok := served.(interface{ state() []byte }); ok {
		put32(d, abi.ArenaState, address(s.state()))
		put32(d, abi.ArenaState+4, uint32(len(s.state())))
	}
	if s, ok := served.(interface{ features() uint64 }); ok { // those that the host has
		put64(d, abi.ArenaFeatures, s.features()&features)
	}
	for at, region := range map[int][]byte{
		abi.ArenaInput: input, abi.ArenaOutput: output, abi.ArenaConfig: bytesOf(configWords[:]),
		abi.ArenaProgress: unsafe.Slice((*byte)(unsafe.Pointer(&progressWord)), 4), abi.ArenaMessage: bytesOf(messageWords[:]),
	} {
		put32(d, at, address(region))
		put32(d, at+4, uint32(len(region)))
	}
	return address(d)
}

func address(b []byte) uint32 { return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

//go:wasmexport zmesh_configure
func exportConfigure(size uint32) uint32 {
	config := bytesOf(configWords[:])
	if size > configSize {
		size = configSize
	}
	return configure(served, config[:size], bytesOf(messageWords[:]))
}

//go:wasmexport zmesh_process
func exportProcess(n uint32) uint32 { return served.process(n) }

package guest

import "runtime"

// What an idle hook looks at. It is static, so that looking makes no garbage.
var (
	heap      runtime.MemStats
	collected uint64 // bytes that had been allocated when the garbage was last collected
)

// garbage is how many bytes are allocated until they are worth a collection, which takes one to two milliseconds.
const garbage = 256 << 10

// exportIdle collects the garbage between two calls: in the middle of one, a collection costs more fuel than a decision has. The host
// tells the Go runtime to leave it to this hook (GOGC=off), unless the memory runs full.
//
//go:wasmexport zmesh_idle
func exportIdle() {
	runtime.ReadMemStats(&heap)
	if heap.TotalAlloc-collected >= garbage {
		collected = heap.TotalAlloc
		runtime.GC()
	}
}

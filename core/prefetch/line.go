//go:build amd64 || arm64

package prefetch

import "unsafe"

// Line brings the cache line at p, 64 bytes on most processors, close to the processor. It does not wait, and does not touch the memory: p may point anywhere.
//
//go:noescape
func Line(p unsafe.Pointer)

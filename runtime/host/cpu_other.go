//go:build !unix

package host

import "time"

// processCPU is not known here.
func processCPU() time.Duration { return 0 }

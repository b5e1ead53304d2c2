//go:build unix

package host

import (
	"time"

	"golang.org/x/sys/unix"
)

// processCPU is the CPU time of this process, the kernel's work for it included.
func processCPU() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

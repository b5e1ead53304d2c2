package engine

import (
	"os"
	"syscall"
	"time"
)

// limitProcess bounds this process for good: processor time, memory, no file with its memory when it is ended. It also steps back
// behind the node that waits for it.
func limitProcess(seconds, memory uint64) error {
	for resource, limit := range map[int]uint64{syscall.RLIMIT_CPU: seconds, syscall.RLIMIT_DATA: memory, syscall.RLIMIT_CORE: 0} {
		if err := syscall.Setrlimit(resource, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
			return err
		}
	}
	return syscall.Setpriority(syscall.PRIO_PROCESS, 0, 10)
}

// outOfTime tells whether a process was killed, and had used up its processor time.
func outOfTime(p *os.ProcessState, limit time.Duration) bool {
	w, ok := p.Sys().(syscall.WaitStatus)
	return ok && w.Signaled() && p.UserTime()+p.SystemTime() >= limit
}

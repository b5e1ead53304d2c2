package bench

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// cpuOf is the CPU time that a process has taken, threads that have ended and the kernel's work for it included: its
// CPU-time clock (clock_getcpuclockid(3)).
func cpuOf(pid int) (time.Duration, error) {
	const perProcess = 2 // CPUCLOCK_SCHED
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|perProcess), &ts); err != nil {
		return 0, fmt.Errorf("CPU time of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// threadCPU is that of the calling thread.
func threadCPU() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts) // cannot fail: the clock is the caller's own
	return time.Duration(ts.Nano())
}

// memoryOf is the resident memory of a process in bytes.
func memoryOf(pid int) (uint64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(b)
	if len(fields) < 2 {
		return 0, errors.New("statm has no resident size")
	}
	pages, err := strconv.ParseUint(string(fields[1]), 10, 64)
	return pages * uint64(os.Getpagesize()), err
}

// pin keeps the calling thread on one CPU, and what it starts meanwhile; the function that it gives back undoes that. The
// caller has locked its goroutine to the thread. cpu -1: it does nothing.
func pin(cpu int) (undo func(), err error) {
	return pinBy(cpu, func(on *unix.CPUSet) error { return unix.SchedSetaffinity(0, on) })
}

// pinAll keeps all threads of this process on one CPU, and those that they start: Go's monitor and its collector of garbage would else
// run beside what is measured.
func pinAll(cpu int) (undo func(), err error) { return pinBy(cpu, setAll) }

func pinBy(cpu int, set func(*unix.CPUSet) error) (undo func(), err error) {
	if cpu < 0 {
		return func() {}, nil
	}
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return nil, err
	}
	one.Set(cpu)
	if err := set(&one); errors.Is(err, unix.EINVAL) {
		return nil, fmt.Errorf("CPU %d is not among those that this process may use", cpu)
	} else if err != nil {
		return nil, fmt.Errorf("CPU %d: %w", cpu, err)
	}
	return func() { _ = set(&before) }, nil
}

// setAll says where the threads of this process may run. One that starts meanwhile has it from who starts it, so a second look finds those that were missed.
func setAll(on *unix.CPUSet) error {
	for range 2 {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, t := range tasks {
			tid, err := strconv.Atoi(t.Name())
			if err == nil {
				err = unix.SchedSetaffinity(tid, on)
			}
			if err != nil && !errors.Is(err, unix.ESRCH) { // it has ended
				return err
			}
		}
	}
	return nil
}

// sharpTimers makes the sleeps of the calling thread end when they should, not up to 50 µs later.
func sharpTimers() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) }

// kernel names the system that was measured on.
func kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return runtime.GOOS
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
}

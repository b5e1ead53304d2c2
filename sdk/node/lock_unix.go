//go:build unix

package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lock keeps two processes from taking the same numbers. It waits: the other holds it for one write at most.
func (w *Watermark) lock() (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(w.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("producer's watermarks: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, fmt.Errorf("producer's watermarks: lock: %w", errors.Join(err, f.Close()))
	}
	return func() { _ = f.Close() }, nil
}

//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lock keeps two processes from taking the same numbers, and two Watermarks of one process too. It waits: the other holds it
// for one write at most.
func (w *Watermark) lock() (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(w.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("producer's watermarks: %w", err)
	}
	for err = syscall.EINTR; errors.Is(err, syscall.EINTR); {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		return nil, fmt.Errorf("producer's watermarks: lock: %w", errors.Join(err, f.Close()))
	}
	return func() { _ = f.Close() }, nil
}

// syncDir makes a rename survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("producer's watermarks: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}

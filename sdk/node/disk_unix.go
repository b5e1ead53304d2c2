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
	unlock, err = flock(filepath.Join(w.dir, "lock"), syscall.LOCK_EX)
	if err != nil {
		return nil, fmt.Errorf("producer's watermarks: %w", err)
	}
	return unlock, nil
}

// lock keeps two subscribers from moving one cursor. It does not wait: the other may hold it for days.
func (c *Cursor) lock() (unlock func(), err error) {
	unlock, err = flock(c.path+".lock", syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("%s: %w", c, ErrCursorInUse)
	}
	return unlock, err
}

// flock locks a file, which is made if it is missing and stays.
func flock(path string, how int) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for err = syscall.EINTR; errors.Is(err, syscall.EINTR); {
		err = syscall.Flock(int(f.Fd()), how)
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, errors.Join(err, f.Close()))
	}
	return func() { _ = f.Close() }, nil
}

// syncDir makes a rename survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

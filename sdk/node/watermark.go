package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// watermarkStep is how many numbers one write to the disk pays for (P-1).
const watermarkStep = 64

// ErrNumbersSpent says that a producer has used the last number of a stream: it needs a new content key or IV before it can go
// on from 1, since the number is part of the cipher's counter block (P-1).
var ErrNumbersSpent = errors.New("all numbers of the stream are used: give it a new key or IV")

// Watermark hands out a producer's numbers so that none is used twice, whatever happens to the process (P-1): before a number is
// used, a file says that numbers up to 64 further may have been. A start after a crash takes up above that mark, so up to 64 numbers
// are left out; Close gives them back. It is safe for concurrent use, also by several processes on one folder.
type Watermark struct {
	mu    sync.Mutex
	dir   string
	next  map[name.Name]uint32
	limit map[name.Name]uint32
}

// OpenWatermark uses a folder, one small file for each name. It is made if it is missing.
func OpenWatermark(dir string) (*Watermark, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("producer's watermarks: %w", err)
	}
	return &Watermark{dir: dir, next: map[name.Name]uint32{}, limit: map[name.Name]uint32{}}, nil
}

// Next gives the next number of a name.
func (w *Watermark) Next(n name.Name) (uint32, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next[n] >= w.limit[n] {
		if err := w.reserve(n); err != nil {
			return 0, err
		}
	}
	w.next[n]++
	return w.next[n] - 1, nil
}

// reserve takes the numbers behind the mark, which may have been moved on by another process.
func (w *Watermark) reserve(n name.Name) error {
	unlock, err := w.lock()
	if err != nil {
		return err
	}
	defer unlock()
	mark, err := w.read(n)
	if err != nil {
		return err
	}
	if mark > wire.SeqLast {
		return ErrNumbersSpent
	}
	w.next[n] = mark
	return w.raise(n, min(mark+watermarkStep, wire.SeqLast+1))
}

// Close gives back the numbers that were reserved and not used, so that an orderly stop leaves no gap.
func (w *Watermark) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	unlock, err := w.lock()
	if err != nil {
		return err
	}
	defer unlock()
	var errs []error
	for n, limit := range w.limit {
		mark, err := w.read(n)
		if err == nil && mark == limit && w.next[n] < limit { // nobody has reserved behind us
			err = w.raise(n, w.next[n])
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Reset starts a name's numbers anew at 1: only after its key or IV was changed.
func (w *Watermark) Reset(n name.Name) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next[n] = wire.SeqFirst
	return w.raise(n, wire.SeqFirst)
}

// read gives the mark in a name's file: the first number that was certainly not used.
func (w *Watermark) read(n name.Name) (uint32, error) {
	text, err := os.ReadFile(w.path(n))
	if errors.Is(err, fs.ErrNotExist) {
		return wire.SeqFirst, nil
	}
	if err != nil {
		return 0, fmt.Errorf("watermark of %s: %w", n, err)
	}
	mark, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	if err != nil || mark < uint64(wire.SeqFirst) || mark > uint64(wire.SeqLast)+1 {
		return 0, fmt.Errorf("watermark of %s: %s holds %q, want a number from 1 to %d", n, w.path(n), text, wire.SeqLast+1)
	}
	return uint32(mark), nil
}

// raise writes the mark so that it survives a power cut: a new file, synced, renamed over the old one, and the folder synced.
func (w *Watermark) raise(n name.Name, mark uint32) error {
	f, err := os.CreateTemp(w.dir, n.String()+".*")
	if err != nil {
		return fmt.Errorf("watermark of %s: %w", n, err)
	}
	_, err = fmt.Fprintf(f, "%d\n", mark)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), w.path(n))
	}
	if err != nil {
		return fmt.Errorf("watermark of %s: %w", n, errors.Join(err, os.Remove(f.Name())))
	}
	w.limit[n] = mark
	return w.syncDir()
}

func (w *Watermark) syncDir() error {
	d, err := os.Open(w.dir)
	if err != nil {
		return fmt.Errorf("producer's watermarks: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}

func (w *Watermark) path(n name.Name) string { return filepath.Join(w.dir, n.String()) }

package node

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
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
// are left out; Close gives them back. It is safe for concurrent use, also by several processes on one folder: each has 64 numbers
// of its own, so theirs are not in order among each other.
//
// A name's file is called after it (12 hex digits) and holds the mark in decimal and a random word, by which a Watermark knows
// its own mark again.
type Watermark struct {
	dir string

	mu     sync.Mutex
	closed bool
	blocks map[name.Name]*block
}

// block is the numbers that are reserved for this Watermark: next … limit-1.
type block struct {
	next, limit uint32
	text        string // what the file held when they were reserved
}

// OpenWatermark uses a folder, one small file for each name. It is made if it is missing.
func OpenWatermark(dir string) (*Watermark, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("producer's watermarks: %w", err)
	}
	return &Watermark{dir: dir, blocks: map[name.Name]*block{}}, nil
}

// Next gives the next number of a name.
func (w *Watermark) Next(n name.Name) (uint32, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return 0, fmt.Errorf("producer's watermarks: %w", ErrClosed)
	}
	b := w.blocks[n]
	if b == nil || b.next == b.limit {
		var err error
		if b, err = w.reserve(n); err != nil {
			return 0, err
		}
		w.blocks[n] = b
	}
	b.next++
	return b.next - 1, nil
}

// reserve takes the numbers behind the mark, which may have been moved on by another process. They are ours once the new mark is
// safe on the disk, and not before.
func (w *Watermark) reserve(n name.Name) (*block, error) {
	unlock, err := w.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	mark, _, err := w.read(n)
	if err != nil {
		return nil, err
	}
	if mark > wire.SeqLast {
		return nil, fmt.Errorf("stream %s: %w", n, ErrNumbersSpent)
	}
	b := &block{next: mark, limit: min(mark+watermarkStep, wire.SeqLast+1)}
	b.text, err = w.write(n, b.limit)
	return b, err
}

// Close gives back the numbers that were reserved and not used, so that an orderly stop leaves no gap. It hands out no more.
func (w *Watermark) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	w.closed = true
	if len(w.blocks) == 0 {
		return nil
	}
	unlock, err := w.lock()
	if err != nil {
		return err
	}
	defer unlock()
	var errs []error
	for n, b := range w.blocks {
		errs = append(errs, w.giveBack(n, b))
	}
	return errors.Join(errs...)
}

// giveBack lowers the mark if it is still the one that we wrote: nobody has reserved numbers behind ours, nor begun anew.
func (w *Watermark) giveBack(n name.Name, b *block) error {
	_, text, err := w.read(n)
	if err != nil || text != b.text || b.next == b.limit {
		return err
	}
	_, err = w.write(n, b.next)
	return err
}

// Reset starts a name's numbers anew at 1: only after its key or IV was changed. What another Watermark has reserved it goes on using:
// stop the producers first.
func (w *Watermark) Reset(n name.Name) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return fmt.Errorf("producer's watermarks: %w", ErrClosed)
	}
	unlock, err := w.lock()
	if err != nil {
		return err
	}
	defer unlock()
	delete(w.blocks, n)
	_, err = w.write(n, wire.SeqFirst)
	return err
}

// read gives the mark in a name's file, the first number that was certainly not used, and the file's text. A damaged file is an error:
// no number is safer than one used twice.
func (w *Watermark) read(n name.Name) (mark uint32, text string, err error) {
	raw, err := os.ReadFile(w.path(n))
	if errors.Is(err, fs.ErrNotExist) {
		return wire.SeqFirst, "", nil
	}
	if err != nil {
		return 0, "", fmt.Errorf("watermark of %s: %w", n, err)
	}
	mark, ok := parseMark(string(raw))
	if !ok {
		return 0, "", fmt.Errorf("watermark of %s: %s holds %.40q, want a number from 1 to %d and a word", n, w.path(n), raw, wire.SeqLast+1)
	}
	return mark, string(raw), nil
}

// parseMark reads "mark word" and a line feed; the word may be missing.
func parseMark(text string) (mark uint32, ok bool) {
	line, whole := strings.CutSuffix(text, "\n")
	number, _, _ := strings.Cut(line, " ")
	v, err := strconv.ParseUint(number, 10, 32)
	return uint32(v), whole && err == nil && v >= uint64(wire.SeqFirst) && v <= uint64(wire.SeqLast)+1
}

// write puts a mark into a name's file so that it survives a power cut: a new file, synced, renamed over the old one, and the folder
// synced. The caller holds the lock, so one new file at a time has the same name, and what a crash has left of it is written over.
func (w *Watermark) write(n name.Name, mark uint32) (text string, err error) {
	text = fmt.Sprintf("%d %08x\n", mark, rand.Uint32())
	if err := replaceSynced(w.path(n), text); err != nil {
		return "", fmt.Errorf("watermark of %s: %w", n, err)
	}
	return text, nil
}

// replaceSynced gives a file another text so that a power cut leaves the old one or the new one.
func replaceSynced(path, text string) error {
	if err := writeSynced(path+".new", text); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func writeSynced(path, text string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

func (w *Watermark) path(n name.Name) string { return filepath.Join(w.dir, n.String()) }

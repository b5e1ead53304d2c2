package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Trap is why an instance died: a trap, an end of its own, or an output that cannot be.
type Trap struct {
	In    string // start-up, or the export
	Item  int    // the item of the batch; -1: before the first, or none
	Input []byte // a copy of that item, to find out later
	Cause error  // one line
	Said  string // the last that the guest printed: a Go guest's panic
}

// Error is one sentence.
func (t *Trap) Error() string {
	s := "trap in " + t.In
	if t.Item >= 0 {
		s += fmt.Sprintf(" at item %d", t.Item)
	}
	s += ": " + t.Cause.Error()
	if t.Said != "" {
		s += " (it said: " + t.Said + ")"
	}
	return s
}

// Unwrap gives the cause.
func (t *Trap) Unwrap() error { return t.Cause }

// trap makes the instance dead and tells why. n is how many items the call had.
func (i *Instance) trap(in string, item, n int, cause error) *Trap {
	i.dead = true
	t := &Trap{In: in, Item: item, Cause: firstLine(cause), Said: said(i.said)}
	switch {
	case errors.Is(cause, ErrFuel):
		i.countFuel(in)
	case errors.Is(cause, ErrTime):
		i.hit(LimitCallTime)
	case errors.Is(cause, ErrOutput):
		i.hit(LimitOutput)
	}
	if limit := i.mod.opt.memory(i.mod.Manifest); i.mem != nil && i.Memory()+min(heapStep, limit/4) > limit {
		i.hit(LimitMemory)
	}
	if i.mem != nil && n > 0 {
		t.Input = itemAt(i.Input(), max(item, 0))
	}
	return t
}

// heapStep is what Go's heap grows by. An instance that ends with less to grow counts as one that met its memory limit, since what
// memory.grow was denied does not show otherwise.
const heapStep = 4 << 20

// itemAt copies an item of an input region.
func itemAt(in []byte, index int) []byte {
	for ; len(in) >= 8; index-- {
		size := binary.LittleEndian.Uint32(in)
		if size < 8 || size > uint32(len(in)) {
			return nil
		}
		if index == 0 {
			return append([]byte(nil), in[:size]...)
		}
		in = in[size:]
	}
	return nil
}

// firstLine shortens an error to its first line: the rest is addresses in a module without names.
func firstLine(err error) error {
	line, _, more := strings.Cut(err.Error(), "\n")
	if !more {
		return err
	}
	line = strings.TrimSuffix(strings.TrimSuffix(line, " (recovered by wazero)"), ":")
	return &shortened{line, err}
}

type shortened struct {
	text string
	err  error
}

func (s *shortened) Error() string { return s.text }
func (s *shortened) Unwrap() error { return s.err }

// said finds the line of what a guest printed that tells most: a Go guest's panic, or the last one.
func said(b []byte) string {
	last := ""
	for _, line := range strings.Split(string(b), "\n") {
		line = clean([]byte(line))
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return line
		}
		if line != "" {
			last = line
		}
	}
	return last
}

// clean makes a guest's text fit for a log: one line of printable UTF-8, at most maxLine bytes.
func clean(b []byte) string {
	b = b[:min(len(b), maxLine)]
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, string(b)))
}

// ExitCode tells whether a guest ended itself, and with which code.
func ExitCode(err error) (code uint32, ok bool) {
	var e exit
	if errors.As(err, &e) {
		return uint32(e), true
	}
	return 0, false
}

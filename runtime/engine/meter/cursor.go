package meter

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// What kind of refusal an [Error] is; for errors.Is.
var (
	ErrMalformed = errors.New("malformed module")            // the bytes are no module of the binary format
	ErrExcluded  = errors.New("feature not in the contract") // a module, but with something that the contract leaves out
	ErrLimit     = errors.New("module too large")            // beyond one of the [Limits]
)

// Error says why a module is refused.
type Error struct {
	Kind   error  // ErrMalformed, ErrExcluded or ErrLimit
	Func   int    // index of the function, imports counted; -1: outside of code
	Offset int    // in bytes from the module's first
	Text   string // a sentence that names the item
}

// Error is one sentence.
func (e *Error) Error() string {
	if e.Func >= 0 {
		return fmt.Sprintf("%s (function %d, offset %#x)", e.Text, e.Func, e.Offset)
	}
	return fmt.Sprintf("%s (offset %#x)", e.Text, e.Offset)
}

// Unwrap gives the kind.
func (e *Error) Unwrap() error { return e.Kind }

// cursor reads buf[pos:end]. The first failure sticks: it moves pos to end, and every read gives zero from then on, so that
// loops over counts need to look at err only.
type cursor struct {
	buf      []byte
	pos, end int
	fn       int // for errors
	err      *Error
}

func (c *cursor) fail(kind error, at int, format string, args ...any) {
	if c.err == nil {
		c.err = &Error{Kind: kind, Func: c.fn, Offset: at, Text: fmt.Sprintf(format, args...)}
	}
	c.pos = c.end
}

func (c *cursor) left() int { return c.end - c.pos }

func (c *cursor) byte() byte {
	if c.pos >= c.end {
		c.fail(ErrMalformed, c.pos, "the module ends too early")
		return 0
	}
	c.pos++
	return c.buf[c.pos-1]
}

// u32 reads an unsigned LEB128 of at most 5 bytes (core spec 5.2.2). Longer forms than needed are allowed up to that.
func (c *cursor) u32() uint32 {
	if c.pos < c.end && c.buf[c.pos] < 0x80 { // nearly all are one byte
		c.pos++
		return uint32(c.buf[c.pos-1])
	}
	return c.u32Long()
}

func (c *cursor) u32Long() (v uint32) {
	at := c.pos
	for shift := 0; shift < 35; shift += 7 {
		b := c.byte()
		if shift == 28 && b > 0x0F {
			break
		}
		v |= uint32(b&0x7F) << shift
		if b < 0x80 {
			return v
		}
	}
	c.fail(ErrMalformed, at, "a number of 32 bits is too long or too large")
	return 0
}

// skipSigned passes a signed LEB128 of 32 or 64 bits (core spec 5.2.2): at most 5 or 10 bytes, and the bits of the last one
// that do not fit repeat the sign.
func (c *cursor) skipSigned(bits int) {
	at, n := c.pos, (bits+6)/7
	for i := 1; i <= n; i++ {
		b := c.byte()
		if i == n {
			spare := int8(b<<1) >> (bits - 7*(n-1)) // sign bit and what is beyond the number; all equal if in range
			if b >= 0x80 || spare != 0 && spare != -1 {
				break
			}
		}
		if b < 0x80 {
			return
		}
	}
	c.fail(ErrMalformed, at, "a signed number of %d bits is too long or too large", bits)
}

func (c *cursor) bytes(n uint32) []byte {
	if uint64(n) > uint64(c.left()) {
		c.fail(ErrMalformed, c.pos, "%d bytes are announced and %d are left", n, c.left())
		return nil
	}
	c.pos += int(n)
	return c.buf[c.pos-int(n) : c.pos]
}

// name reads a vector of bytes that must be UTF-8 (5.2.4).
func (c *cursor) name() []byte {
	at := c.pos
	b := c.bytes(c.u32())
	if !utf8.Valid(b) {
		c.fail(ErrMalformed, at, "a name is no UTF-8")
	}
	return b
}

// count reads the length of a vector (5.1.3) and holds it against a limit, and against what is left: an entry has at least
// one byte.
func (c *cursor) count(what string, limit int) int {
	at := c.pos
	n := c.u32()
	if c.err == nil && uint64(n) > uint64(limit) {
		c.fail(ErrLimit, at, "the module has %d %s and may have %d", n, what, limit)
		return 0
	}
	if int(n) > c.left() {
		c.fail(ErrMalformed, at, "%d %s are announced and %d bytes are left", n, what, c.left())
		return 0
	}
	return int(n)
}

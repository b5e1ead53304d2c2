package wasmtest

import "encoding/binary"

// Instructions that more than one test needs.
var (
	Local0      = []byte{0x20, 0} // the parameter
	Unreachable = []byte{0x00}
	Forever     = []byte{0x03, 0x40, 0x0C, 0x00, 0x0B} // loop br 0 end
)

// Const pushes an i32.
func Const(v int) []byte { return append([]byte{0x41}, sleb(int64(int32(v)))...) }

// Store writes an i32 to an address.
func Store(at, v int) []byte { return Code(Const(at), Const(v), []byte{0x36, 2, 0}) }

// Call calls an import by its index: 0 is features.
func Call(index int) []byte { return append([]byte{0x10}, uleb(uint64(index))...) }

// Const64 pushes an i64.
func Const64(v int64) []byte { return append([]byte{0x42}, sleb(v)...) }

// Repeat does something n times, with a local of its own kind: it counts in memory, at an address that nothing else has.
func Repeat(n int, what ...[]byte) []byte {
	const at = 512
	load := Code(Const(at), []byte{0x28, 2, 0})
	return Code(Store(at, n), []byte{0x03, 0x40}, Code(what...), // loop
		Const(at), load, Const(1), []byte{0x6B, 0x36, 2, 0}, load, []byte{0x0D, 0, 0x0B}) // one less; again unless none
}

// Drop drops what a call gave.
var Drop = []byte{0x1A}

// Grow asks for more pages, and drops the answer.
func Grow(pages int) []byte { return Code(Const(pages), []byte{0x40, 0}, Drop) }

// From does something on the nth call and after. It counts in the guest's one global, so a guest has one of these.
func From(n int, what ...[]byte) []byte {
	return Code([]byte{0x23, 0}, Const(1), []byte{0x6A, 0x24, 0}, // global 0 += 1
		[]byte{0x23, 0}, Const(n), []byte{0x4E, 0x04, 0x40}, Code(what...), []byte{0x0B}) // if global 0 >= n
}

// Write writes bytes to an address.
func Write(at int, b ...byte) (code []byte) {
	for k, c := range b {
		code = append(code, Code(Const(at+k), Const(int(c)), []byte{0x3A, 0, 0})...)
	}
	return code
}

// Copy copies bytes within the memory.
func Copy(to, from, size int) []byte {
	return Code(Const(to), Const(from), Const(size), []byte{0xFC, 10, 0, 0})
}

// Unless does something if the 16 bits at an address have another value.
func Unless(at, value int, what ...[]byte) []byte {
	return Code(Const(at), []byte{0x2F, 1, 0}, Const(value), []byte{0x47, 0x04, 0x40}, Code(what...), []byte{0x0B})
}

// Code joins instructions.
func Code(parts ...[]byte) (code []byte) {
	for _, p := range parts {
		code = append(code, p...)
	}
	return code
}

// body makes the code of a function without locals.
func body(code []byte) []byte { return sized(append(append([]byte{0}, code...), 0x0B)) }

func section(m []byte, id byte, b []byte) []byte { return append(append(m, id), sized(b)...) }

// list writes a count and the entries.
func list(entries [][]byte) []byte {
	b := uleb(uint64(len(entries)))
	for _, e := range entries {
		b = append(b, e...)
	}
	return b
}

func vector(b ...byte) []byte { return b }

func sized(b []byte) []byte { return append(uleb(uint64(len(b))), b...) }

func name(s string) []byte { return sized([]byte(s)) }

func uleb(v uint64) []byte { return binary.AppendUvarint(nil, v) }

// sleb writes a signed LEB128.
func sleb(v int64) (b []byte) {
	for {
		c := byte(v & 0x7F)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

// Nested is loops within each other, n deep, with a way out of each: it takes a compiler long for its size.
func Nested(n int) (code []byte) {
	for range n {
		code = append(code, 0x03, 0x40)
	}
	for range n {
		code = append(code, Code(Const(0), []byte{0x0D, 0, 0x0B})...)
	}
	return code
}

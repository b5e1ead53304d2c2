package engine

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// Binary is what the engine reads from a module's bytes without compiling it.
type Binary struct {
	Imports []Import
	Exports []string // names of functions and memories, in the module's order

	MemoryMin uint32 // pages of 64 KiB that it starts with
	MemoryMax uint32 // pages it declares at most; 0: no bound declared
	Memories  int

	kinds  []byte // of Exports
	custom map[string][][]byte
}

// Import is something that a module wants from the host.
type Import struct {
	Module, Name string
	Kind         byte // 0 function, 1 table, 2 memory, 3 global
}

// String gives module.name.
func (i Import) String() string { return i.Module + "." + i.Name }

// Sections of a module (core specification, 5.5.2).
const (
	sectionCustom = 0
	sectionImport = 2
	sectionMemory = 5
	sectionExport = 7
)

// Kinds of exports (core specification, 5.5.10).
const (
	kindFunction = 0
	kindMemory   = 2
)

// ErrNotWasm says that bytes are no core module.
var ErrNotWasm = errors.New("this is not a WebAssembly module")

// parse walks the sections of a module. It checks what it reads and nothing else: the compiler validates the rest.
func parse(code []byte) (*Binary, error) {
	if len(code) < 8 || string(code[:4]) != "\x00asm" {
		return nil, ErrNotWasm
	}
	if string(code[4:8]) != "\x01\x00\x00\x00" {
		return nil, fmt.Errorf("%w of the core format, version 1 (a component perhaps)", ErrNotWasm)
	}
	b := &Binary{custom: map[string][][]byte{}}
	for r := (reader{buf: code, pos: 8}); r.pos < len(code); {
		at, id := r.pos, r.byte()
		body := reader{buf: r.bytes(r.u32())}
		if r.bad {
			return nil, fmt.Errorf("the section at byte %d reaches beyond the end of the module: it is cut off or damaged", at)
		}
		if b.section(id, &body); body.bad {
			return nil, fmt.Errorf("the section at byte %d (kind %d) is damaged", at, id)
		}
	}
	return b, nil
}

func (b *Binary) section(id byte, r *reader) {
	switch id {
	case sectionCustom:
		if name := r.name(); !r.bad {
			b.custom[name] = append(b.custom[name], r.buf[r.pos:])
		}
	case sectionImport:
		r.each(func() { b.Imports = append(b.Imports, b.importEntry(r)) })
	case sectionMemory:
		r.each(func() { b.memory(r) })
	case sectionExport:
		r.each(func() {
			name, kind := r.name(), r.byte()
			r.u32()
			if kind == kindFunction || kind == kindMemory {
				b.Exports, b.kinds = append(b.Exports, name), append(b.kinds, kind)
			}
		})
	}
}

func (b *Binary) importEntry(r *reader) Import {
	i := Import{Module: r.name(), Name: r.name(), Kind: r.byte()}
	switch i.Kind {
	case 0:
		r.u32() // type
	case 1:
		r.byte()
		r.limits()
	case 2:
		r.limits()
	case 3:
		r.byte()
		r.byte()
	default:
		r.bad = true
	}
	return i
}

func (b *Binary) memory(r *reader) {
	low, high := r.limits()
	b.Memories++
	b.MemoryMin, b.MemoryMax = low, high
}

// exports tells whether a module exports something of a kind.
func (b *Binary) exports(name string, kind byte) bool {
	for k, e := range b.Exports {
		if e == name && b.kinds[k] == kind {
			return true
		}
	}
	return false
}

// reader reads the binary format. After the first thing that cannot be, bad is set and everything reads as zero.
type reader struct {
	buf []byte
	pos int
	bad bool
}

func (r *reader) byte() byte {
	if r.bad || r.pos >= len(r.buf) {
		r.bad = true
		return 0
	}
	r.pos++
	return r.buf[r.pos-1]
}

// u32 reads an unsigned LEB128 of at most 32 bits.
func (r *reader) u32() (v uint32) {
	for shift := 0; shift < 35; shift += 7 {
		b := r.byte()
		if shift == 28 && b > 0x0F {
			break
		}
		v |= uint32(b&0x7F) << shift
		if b < 0x80 {
			return v
		}
	}
	r.bad = true
	return 0
}

func (r *reader) bytes(n uint32) []byte {
	if r.bad || uint64(n) > uint64(len(r.buf)-r.pos) {
		r.bad = true
		return nil
	}
	r.pos += int(n)
	return r.buf[r.pos-int(n) : r.pos]
}

func (r *reader) name() string {
	b := r.bytes(r.u32())
	if !utf8.Valid(b) {
		r.bad = true
	}
	return string(b)
}

// limits reads the bounds of a table or memory; no upper bound is 0.
func (r *reader) limits() (low, high uint32) {
	flags := r.byte()
	low = r.u32()
	if flags&1 != 0 {
		high = r.u32()
	}
	if flags > 1 { // shared or 64-bit: not in the contract
		r.bad = true
	}
	return low, high
}

// each calls fn for every entry of a vector, as long as they can be read.
func (r *reader) each(fn func()) {
	for n := r.u32(); n > 0 && !r.bad; n-- {
		fn()
	}
}

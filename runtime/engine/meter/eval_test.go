package meter_test

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// evaluator runs a program by the letter of the core spec (4.4), slowly, and counts instructions. It is what metering is held
// against: it shares no code with the package and none with wazero. It knows the instructions that the generator writes.
type evaluator struct {
	p       *program
	bodies  [][]instr
	globals []uint64
	mem     []byte
	max     int // pages
	steps   uint64
	limit   uint64
	moved   uint64 // bytes and pages by bulk operations, in what metering charges at least
	depth   int
}

// instr is a decoded instruction. end is where its block ends, other where its else is.
type instr struct {
	op         byte
	sub        byte
	a, b       uint64
	end, other int
	labels     []uint64
}

var (
	errSteps = errors.New("too many steps")
	errTrap  = errors.New("trap")
)

func newEvaluator(p *program, limit uint64) *evaluator {
	e := &evaluator{p: p, globals: make([]uint64, len(p.globals)), limit: limit, max: 1024}
	if p.pages != nil {
		e.mem = make([]byte, p.pages[0]<<16)
	}
	if len(p.pages) > 1 {
		e.max = int(p.pages[1])
	}
	for _, f := range p.fns {
		e.bodies = append(e.bodies, decode(append(append([]byte{}, f.code...), 0x0B)))
	}
	return e
}

func decode(b []byte) (list []instr) {
	var open []int
	pos := 0
	u := func() uint64 { v, n := binary.Uvarint(b[pos:]); pos += n; return v }
	s := func() uint64 {
		v, shift := int64(0), 0
		for {
			c := b[pos]
			pos++
			v |= int64(c&0x7F) << shift
			if shift += 7; c < 0x80 {
				if c&0x40 != 0 && shift < 64 {
					v |= -1 << shift
				}
				return uint64(v)
			}
		}
	}
	for pos < len(b) {
		i := instr{op: b[pos], end: -1, other: -1}
		pos++
		switch op := i.op; {
		case op == 0x02 || op == 0x03 || op == 0x04:
			i.a = uint64(b[pos])
			pos++
			open = append(open, len(list))
		case op == 0x05:
			list[open[len(open)-1]].other = len(list)
			i.end = open[len(open)-1] // the if; its end is found at run time
		case op == 0x0B && len(open) > 0:
			list[open[len(open)-1]].end = len(list)
			open = open[:len(open)-1]
		case op == 0x0C || op == 0x0D || op == 0x10 || 0x20 <= op && op <= 0x24:
			i.a = u()
		case op == 0x0E:
			for n := u() + 1; n > 0; n-- {
				i.labels = append(i.labels, u())
			}
		case op == 0x11 || 0x28 <= op && op <= 0x3E:
			i.a, i.b = u(), u()
		case op == 0x3F || op == 0x40:
			pos++
		case op == 0x41 || op == 0x42:
			i.a = s()
		case op == 0xFC:
			i.sub = b[pos]
			pos++
			switch i.sub {
			case 8:
				i.a = u()
				pos++
			case 10:
				pos += 2
			case 11:
				pos++
			}
		}
		list = append(list, i)
	}
	return list
}

// call runs function f, counting imports, and gives its result, if any.
func (e *evaluator) call(f int, args []uint64) (uint64, error) {
	if f -= len(e.p.imports); f < 0 {
		return 0, nil
	}
	if e.depth++; e.depth > 5000 {
		return 0, errSteps
	}
	defer func() { e.depth-- }()
	fr := frame{e: e, f: &e.p.fns[f], code: e.bodies[f], locals: make([]uint64, len(e.p.fns[f].params)+len(e.p.fns[f].locals))}
	copy(fr.locals, args)
	if err := fr.run(); err != nil {
		return 0, err
	}
	if len(fr.f.results) > 0 {
		return fr.pop(), nil
	}
	return 0, nil
}

type frame struct {
	e      *evaluator
	f      *fn
	code   []instr
	locals []uint64
	stack  []uint64
	blocks []openBlock
}

type openBlock struct {
	at, height int
	loop       bool
	arity      int // of a branch to it
}

func (f *frame) pop() uint64 {
	v := f.stack[len(f.stack)-1]
	f.stack = f.stack[:len(f.stack)-1]
	return v
}

func (f *frame) push(v uint64)   { f.stack = append(f.stack, v) }
func (f *frame) push32(v uint32) { f.push(uint64(v)) }

// branch goes to label k and gives where to go on; -1: out of the function.
func (f *frame) branch(k int) int {
	at := len(f.blocks) - 1 - k
	if at < 0 {
		return -1
	}
	b := f.blocks[at]
	kept := append([]uint64(nil), f.stack[len(f.stack)-b.arity:]...)
	f.stack = append(f.stack[:b.height], kept...)
	if b.loop {
		f.blocks = f.blocks[:at+1]
		return b.at + 1
	}
	f.blocks = f.blocks[:at]
	return f.code[b.at].end + 1
}

func (f *frame) open(pc int, loop bool) {
	arity := 1
	if loop || f.code[pc].a == empty {
		arity = 0
	}
	f.blocks = append(f.blocks, openBlock{at: pc, height: len(f.stack), loop: loop, arity: arity})
}

func (f *frame) run() error {
	for pc := 0; pc >= 0 && pc < len(f.code); {
		if f.e.steps++; f.e.steps > f.e.limit {
			return errSteps
		}
		next, err := f.step(pc)
		if err != nil {
			return err
		}
		pc = next
	}
	return nil
}

// step runs one instruction and gives the next.
func (f *frame) step(pc int) (int, error) {
	i := &f.code[pc]
	switch i.op {
	case 0x00:
		return 0, errTrap
	case 0x01:
	case 0x02:
		f.open(pc, false)
	case 0x03:
		f.open(pc, true)
	case 0x04:
		cond := uint32(f.pop())
		f.open(pc, false)
		if cond == 0 && i.other >= 0 {
			return i.other + 1, nil
		}
		if cond == 0 {
			f.blocks = f.blocks[:len(f.blocks)-1]
			return i.end + 1, nil
		}
	case 0x05:
		return f.code[i.end].end, nil
	case 0x0B:
		if len(f.blocks) > 0 {
			f.blocks = f.blocks[:len(f.blocks)-1]
		}
	case 0x0C:
		return f.branch(int(i.a)), nil
	case 0x0D:
		if uint32(f.pop()) != 0 {
			return f.branch(int(i.a)), nil
		}
	case 0x0E:
		k := min(uint64(uint32(f.pop())), uint64(len(i.labels)-1))
		return f.branch(int(i.labels[k])), nil
	case 0x0F:
		return -1, nil
	case 0x10:
		return pc + 1, f.call(int(i.a))
	case 0x11:
		k := uint32(f.pop())
		if int(k) >= len(f.e.p.table) {
			return 0, errTrap
		}
		return pc + 1, f.call(int(f.e.p.table[k]))
	default:
		return pc + 1, f.plain(i)
	}
	return pc + 1, nil
}

func (f *frame) call(callee int) error {
	var params, results []byte
	if own := callee - len(f.e.p.imports); own < 0 {
		params, results = f.e.p.imports[callee].params, f.e.p.imports[callee].results
	} else {
		params, results = f.e.p.fns[own].params, f.e.p.fns[own].results
	}
	args := f.stack[len(f.stack)-len(params):]
	v, err := f.e.call(callee, args)
	f.stack = f.stack[:len(f.stack)-len(params)]
	if len(results) > 0 {
		f.push(v)
	}
	return err
}

func (f *frame) plain(i *instr) error {
	switch i.op {
	case 0x1A:
		f.pop()
	case 0x1B:
		c, y, x := f.pop(), f.pop(), f.pop()
		if uint32(c) != 0 {
			y = x
		}
		f.push(y)
	case 0x20:
		f.push(f.locals[i.a])
	case 0x21:
		f.locals[i.a] = f.pop()
	case 0x22:
		f.locals[i.a] = f.stack[len(f.stack)-1]
	case 0x23:
		f.push(f.e.globals[i.a])
	case 0x24:
		f.e.globals[i.a] = f.pop()
	case 0x41:
		f.push32(uint32(i.a))
	case 0x42:
		f.push(i.a)
	case 0x3F:
		f.push(uint64(len(f.e.mem) >> 16))
	case 0x40:
		f.push32(f.e.grow(uint32(f.pop())))
	case 0xFC:
		return f.bulk(i)
	default:
		if 0x28 <= i.op && i.op <= 0x3E {
			return f.memory(i)
		}
		return f.numeric(i.op)
	}
	return nil
}

func (e *evaluator) grow(n uint32) uint32 {
	old := len(e.mem) >> 16
	if old+int(n) > e.max {
		return ^uint32(0)
	}
	e.mem = append(e.mem, make([]byte, int(n)<<16)...)
	return uint32(old)
}

func (f *frame) bulk(i *instr) error {
	n, y, d := uint64(uint32(f.pop())), uint64(uint32(f.pop())), uint64(uint32(f.pop()))
	m := f.e.mem
	switch i.sub {
	case 10:
		if y+n > uint64(len(m)) || d+n > uint64(len(m)) {
			return errTrap
		}
		copy(m[d:d+n], m[y:y+n])
	case 11:
		if d+n > uint64(len(m)) {
			return errTrap
		}
		for k := d; k < d+n; k++ {
			m[k] = byte(y)
		}
	}
	f.e.moved += n / 8
	return nil
}

// widths of loads and stores by opcode: bytes.
var widths = map[byte]int{0x28: 4, 0x29: 8, 0x2D: 1, 0x2F: 2, 0x36: 4, 0x37: 8, 0x3A: 1, 0x3B: 2}

func (f *frame) memory(i *instr) error {
	store, v := i.op >= 0x36, uint64(0)
	if store {
		v = f.pop()
	}
	at, w := uint64(uint32(f.pop()))+i.b, widths[i.op]
	if at+uint64(w) > uint64(len(f.e.mem)) {
		return errTrap
	}
	var b [8]byte
	if store {
		binary.LittleEndian.PutUint64(b[:], v)
		copy(f.e.mem[at:], b[:w])
		return nil
	}
	copy(b[:w], f.e.mem[at:])
	f.push(binary.LittleEndian.Uint64(b[:]))
	return nil
}

func truth(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// numeric runs the integer instructions that the generator writes (4.3.2).
func (f *frame) numeric(op byte) error {
	switch op { // of one operand
	case 0x45:
		f.push(truth(uint32(f.pop()) == 0))
		return nil
	case 0x50:
		f.push(truth(f.pop() == 0))
		return nil
	case 0xA7:
		f.push(uint64(uint32(f.pop())))
		return nil
	case 0xAC:
		f.push(uint64(int64(int32(f.pop()))))
		return nil
	case 0xAD:
		return nil
	}
	y, x := f.pop(), f.pop()
	a, b := uint32(x), uint32(y)
	switch op {
	case 0x46:
		f.push(truth(a == b))
	case 0x48:
		f.push(truth(int32(a) < int32(b)))
	case 0x49:
		f.push(truth(a < b))
	case 0x4F:
		f.push(truth(a >= b))
	case 0x54:
		f.push(truth(x < y))
	case 0x6A:
		f.push32(a + b)
	case 0x6B:
		f.push32(a - b)
	case 0x6C:
		f.push32(a * b)
	case 0x6E:
		if b == 0 {
			return errTrap
		}
		f.push32(a / b)
	case 0x71:
		f.push32(a & b)
	case 0x73:
		f.push32(a ^ b)
	case 0x74:
		f.push32(a << (b & 31))
	case 0x76:
		f.push32(a >> (b & 31))
	case 0x77:
		f.push32(bits.RotateLeft32(a, int(b&31)))
	case 0x7C:
		f.push(x + y)
	case 0x7D:
		f.push(x - y)
	case 0x7E:
		f.push(x * y)
	case 0x85:
		f.push(x ^ y)
	default:
		panic(op)
	}
	return nil
}

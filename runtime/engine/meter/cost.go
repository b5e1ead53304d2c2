package meter

// Units of fuel beyond one for each instruction. One unit is what a plain instruction takes: 0.2 to 0.5 ns in compiled code.
const (
	costLoad        = 2  // from memory: one nanosecond as a rule, up to 60 if every one misses the caches in 64 MiB
	costDivide      = 8  // integer division and remainder: up to 40 cycles on a processor of 2015
	costFloatDivide = 4  // f32, f64: div and sqrt
	costCall        = 3  // to a function of the module: moving arguments, checking the stack
	costIndirect    = 6  // with bounds, type and module looked up
	costImport      = 60 // leaving for the host and coming back takes 30 ns before the host does anything
	costBulk        = 16 // a bulk operation of no bytes: a call of the host's memmove
	costGrow        = 60 // memory.grow of nothing
	costEntry       = 2  // a frame, before what lies in it
	costDeeper      = 64 // beside that, of a function that calls others: it bounds how deep a recursion gets

	bytesPerUnit = 8  // of memory.copy, fill and init: 10 GB/s is 0.1 ns a byte, and a page fault 0.1 ns a byte more
	pageShift    = 11 // memory.grow: 2,048 units for each page that there is afterwards. All of it may be copied, at 10 to 40 µs a page
	smallCost    = 40 // what a function may take and be charged by its callers alone
	unitsPerSlot = 1  // of parameters and locals
	spillShift   = 3  // one unit for 8 instructions, each of which may leave a value in the frame
)

// mostCharge keeps sums of lengths that a module announces far from the end of 64 bits. No budget is as large.
const mostCharge = 1 << 56

// frameCost is charged at entry for the function's frame, so that fuel bounds the stack: see the package comment.
func frameCost(b *body) uint64 {
	return costEntry + unitsPerSlot*uint64(b.slots) + uint64(b.instructions)>>spillShift
}

// loopCost is what one round of a loop is charged: the instructions in it that are in no loop further inside.
type loopCost struct {
	units  uint64
	calls  bool // in it or further inside
	parent int  // -1: none
}

// plan is where a body is charged, and how much.
type plan struct {
	entry uint64     // outside of loops, with the frame
	stack uint64     // for how deep it may get, beside entry; 0 if it calls nobody
	loops []loopCost // in the order of their beginnings
	first bool       // the first loop is reached in any case, by nothing but plain instructions
}

// costing walks through bodies and adds up what they take.
type costing struct {
	m     *Module
	small []int16 // of each own function: what it takes if its callers are charged for it; see small.go
	least uint64  // what an indirect call adds: the most that a small function takes that it may reach
}

// plan adds up a body, using p's memory.
func (k *costing) plan(b *body, fn int, p *plan) {
	*p = plan{entry: frameCost(b), loops: p.loops[:0], first: true}
	if b.calls > 0 {
		p.stack = costDeeper
	}
	w := walker{m: k.m, c: &cursor{buf: k.m.raw, pos: b.code, end: b.end, fn: fn}, slots: b.slots}
	var open []int // for each open block: the loop that it is or is in
	in, straight, last := -1, true, lengthBefore{}
	for w.next() {
		units := k.units(&w, last)
		if in < 0 {
			p.entry = min(p.entry+units, mostCharge)
		} else {
			p.loops[in].units = min(p.loops[in].units+units, mostCharge)
			p.loops[in].calls = p.loops[in].calls || w.op == opCall || w.op == opCallIndirect
		}
		last.see(&w)
		switch w.op {
		case opBlock, opIf:
			open = append(open, in)
			straight = straight && w.op == opBlock
		case opLoop:
			p.first = p.first && (straight || len(p.loops) > 0)
			p.loops = append(p.loops, loopCost{parent: in})
			in = len(p.loops) - 1
			open = append(open, in)
			straight = false
		case opEnd:
			if !w.done {
				open = open[:len(open)-1]
				if in = -1; len(open) > 0 {
					in = open[len(open)-1]
				}
			}
		case opBr, opBrIf, opBrTable, opReturn, opCall, opCallIndirect, opUnreachable:
			straight = false
		}
	}
	for i := len(p.loops) - 1; i >= 0; i-- {
		if l := p.loops[i]; l.calls && l.parent >= 0 {
			p.loops[l.parent].calls = true
		}
	}
	p.first = p.first && len(p.loops) > 0
}

// units is what the walker's instruction is charged with where it stands.
func (k *costing) units(w *walker, last lengthBefore) uint64 {
	units := cost(w.op)
	switch w.op {
	case opCall:
		own := int(w.index) - k.m.imported.funcs
		switch {
		case own < 0:
			units += costImport
		case k.small != nil && k.small[own] > 0:
			units += uint64(k.small[own])
		}
	case opCallIndirect:
		units += k.least
	case opPrefix:
		if w.sub < subMemoryInit {
			return 1
		}
	}
	if n, known := last.length(w); known {
		units += lengthUnits(w, n)
	}
	return units
}

// What the cost of an instruction depends on besides.
type lengthKind uint8

const (
	staticOnly lengthKind = iota
	inBytes
	inEntries
	inPages
)

// dynamic tells how the length on top of the stack is charged.
func dynamic(w *walker) lengthKind {
	if w.op == opMemoryGrow {
		return inPages
	}
	if w.op != opPrefix {
		return staticOnly
	}
	switch w.sub {
	case subMemoryInit, subMemoryCopy, subMemoryFill:
		return inBytes
	case subTableInit, subTableCopy:
		return inEntries
	}
	return staticOnly
}

// lengthUnits is the charge for a known length.
func lengthUnits(w *walker, n uint32) uint64 {
	if dynamic(w) == inBytes {
		return uint64(n) / bytesPerUnit
	}
	return uint64(n)
}

// lengthBefore remembers whether the instruction before was an i32.const: a length that is known is charged with the code
// around.
type lengthBefore struct {
	at, end int
	buf     []byte
}

func (l *lengthBefore) see(w *walker) {
	if *l = (lengthBefore{}); w.op == opI32Const {
		*l = lengthBefore{w.at + 1, w.c.pos, w.c.buf}
	}
}

// length gives the constant if the walker's instruction takes it for a length. What memory.grow takes depends on the
// memory's size as well and is never known.
func (l *lengthBefore) length(w *walker) (n uint32, known bool) {
	if kind := dynamic(w); l.buf == nil || kind != inBytes && kind != inEntries {
		return 0, false
	}
	shift := 0
	for _, b := range l.buf[l.at:l.end] {
		n |= uint32(b&0x7F) << shift
		if shift += 7; b < 0x80 && b&0x40 != 0 && shift < 32 {
			n |= ^uint32(0) << shift
		}
	}
	return n, true
}

package meter

// readCode reads vec(size locals expr) (5.5.13) and walks through every body once.
func (m *Module) readCode(c *cursor) {
	own := len(m.funcs) - m.imported.funcs
	n := c.count("functions", m.limits.Functions)
	if n > own {
		c.fail(ErrMalformed, c.pos, "the module announces %d functions and has code for %d", own, n)
		return
	}
	m.bodies = make([]body, 0, n)
	for i := 0; i < n && c.err == nil; i++ {
		fn := m.imported.funcs + i
		b := body{at: c.pos}
		size := c.u32()
		b.locals = c.pos
		c.bytes(size)
		b.end = c.pos
		if c.err != nil {
			return
		}
		inner := &cursor{buf: m.raw, pos: b.locals, end: b.end, fn: fn}
		m.readBody(inner, fn, &b)
		if c.err = inner.err; c.err != nil {
			c.pos = c.end
		}
		m.bodies = append(m.bodies, b)
	}
}

func (m *Module) readBody(c *cursor, fn int, b *body) {
	if size := b.end - b.locals; size > m.limits.Body {
		c.fail(ErrLimit, b.locals, "a body has %d bytes and may have %d", size, m.limits.Body)
		return
	}
	m.readLocals(c, fn, b)
	b.code = c.pos
	w := walker{m: m, c: c, slots: b.slots}
	for w.next() {
	}
	b.stats = w.stats
	if c.err != nil {
		return
	}
	if c.pos != b.end {
		c.fail(ErrMalformed, c.pos, "the body has %d bytes after its end", c.left())
	}
	m.checkWork(c, b)
	if b.init && m.counted < 0 {
		c.fail(ErrMalformed, b.code, "memory.init or data.drop without a data count section")
	}
}

// checkWork holds a body against what takes time beyond its size.
func (m *Module) checkWork(c *cursor, b *body) {
	work, reloads := b.blocks*int(b.slots), (b.calls+b.loops+b.dynamic)*len(m.globals) // a charge may call the host
	m.effort += b.effort(work, reloads)
	switch {
	case work > m.limits.Work:
		c.fail(ErrLimit, b.locals, "a body has %d blocks with %d locals and parameters: their product may be %d",
			b.blocks, b.slots, m.limits.Work)
	case reloads > m.limits.Reloads:
		c.fail(ErrLimit, b.locals, "a body has %d calls, loops and bulk operations and the module %d globals: their product may be %d",
			b.calls+b.loops+b.dynamic, len(m.globals), m.limits.Reloads)
	case m.effort > m.limits.Effort:
		c.fail(ErrLimit, b.locals, "the module would take more than %d s to compile", m.limits.Effort/1_000_000)
	}
}

// joins counts what splits the body; see Limits.Joins.
func (s *stats) joins() int { return s.blocks + s.branches + 3*(s.loops+s.dynamic) }

// effort estimates what compiling the body takes, in µs: 1 for each instruction, 0.02 for each pair of joins, 3 for each
// value to carry, 0.2 for each global to load, 8 for each entry of a br_table.
func (s *stats) effort(work, reloads int) int {
	return s.instructions + s.joins()*s.joins()/50 + 3*work + reloads/5 + 8*s.targets
}

// readLocals reads vec(count valtype) (5.4.9, 5.5.13).
func (m *Module) readLocals(c *cursor, fn int, b *body) {
	at := c.pos
	b.groups = uint32(c.count("runs of locals", m.limits.Locals))
	total := uint64(0)
	for i := uint32(0); i < b.groups && c.err == nil; i++ {
		total += uint64(c.u32())
		m.valueType(c)
	}
	if total > uint64(m.limits.Locals) {
		c.fail(ErrLimit, at, "a body has %d locals and may have %d", total, m.limits.Locals)
		return
	}
	b.slots = uint32(total) + uint32(len(m.types[m.funcs[fn]].params))
}

// walker goes through the instructions of a body (5.4) and keeps account of the blocks. While Parse walks it checks; the
// rewriter walks the same way and looks at op, sub, index and at.
type walker struct {
	m     *Module
	c     *cursor
	slots uint32
	stack []byte // opcodes of the open blocks; opElse after else
	stats

	at    int // of the instruction
	op    byte
	sub   uint32 // of opPrefix
	index uint32 // label, function, type, local, global or segment
	table cursor // at the labels of a br_table, their count in index
	done  bool
}

// next reads an instruction. It is false after the end that closes the body, or after a failure.
func (w *walker) next() bool {
	if w.done || w.c.err != nil {
		return false
	}
	w.at = w.c.pos
	w.op = w.c.byte()
	w.instructions++
	w.immediates()
	if w.joins() > w.m.limits.Joins {
		w.c.fail(ErrLimit, w.at, "a body has more than %d blocks, branches, loops and bulk operations together", w.m.limits.Joins)
	}
	switch w.op {
	case opBrIf:
		w.branches++
	case opBlock, opLoop, opIf:
		w.open()
	case opElse:
		w.otherwise()
	case opEnd:
		w.close()
	}
	return w.c.err == nil
}

func (w *walker) open() {
	w.blocks++
	if w.op == opLoop {
		w.loops++
	}
	w.stack = append(w.stack, w.op)
	w.nesting = max(w.nesting, len(w.stack))
	if w.nesting > w.m.limits.Nesting {
		w.c.fail(ErrLimit, w.at, "blocks nest deeper than %d", w.m.limits.Nesting)
	}
}

func (w *walker) otherwise() {
	top := len(w.stack) - 1
	if top < 0 || w.stack[top] != opIf {
		w.c.fail(ErrMalformed, w.at, "else without if")
		return
	}
	w.stack[top] = opElse
}

func (w *walker) close() {
	if len(w.stack) == 0 {
		w.done = true
		return
	}
	w.stack = w.stack[:len(w.stack)-1]
}

// immediates reads what follows the opcode.
func (w *walker) immediates() {
	c := w.c
	switch shapes[w.op] {
	case none:
	case blockType:
		w.blockType()
	case label:
		w.label()
	case labels:
		w.labels()
	case funcIndex:
		w.calls++
		w.index = w.m.index(c, "function", len(w.m.funcs))
	case indirect:
		w.calls++
		w.index = w.m.index(c, "type", len(w.m.types))
		w.m.index(c, "table", w.m.tables)
	case local:
		w.index = w.m.index(c, "local", int(w.slots))
	case global:
		w.global()
	case memarg:
		c.u32()
		c.u32()
		w.memory()
	case zero:
		w.zero()
		w.memory()
		if w.op == opMemoryGrow {
			w.dynamic++
		}
	case const32:
		c.skipSigned(32)
	case const64:
		c.skipSigned(64)
	case raw4:
		c.bytes(4)
	case raw8:
		c.bytes(8)
	case prefixed:
		w.prefixed()
	default:
		w.refuse()
	}
}

func (w *walker) refuse() {
	if name := excluded(w.op); name != "" {
		w.c.fail(ErrExcluded, w.at, "the instruction %#02x (%s) is not in the contract", w.op, name)
		return
	}
	w.c.fail(ErrMalformed, w.at, "there is no instruction %#02x", w.op)
}

// blockType reads a block's type in its one-byte forms (5.4.1). An index into the types is multi-value; a longer form of
// the same is refused so that no two readers can see different blocks.
func (w *walker) blockType() {
	at := w.c.pos
	t := w.c.byte()
	switch {
	case t == emptyBlock:
	case t&0x80 == 0 && t&0x40 == 0 || t&0x80 != 0:
		w.c.fail(ErrExcluded, at, "a block has a type by index (more than one value), which the contract leaves out")
	default:
		w.c.pos = at
		w.m.valueType(w.c)
	}
}

func (w *walker) label() { w.index = w.m.index(w.c, "label", len(w.stack)+1) }

// labels reads br_table: vec(label) and the default.
func (w *walker) labels() {
	n := w.c.count("entries in br_table", w.m.limits.Targets-w.targets)
	w.targets += n
	w.table = *w.c
	for i := 0; i <= n && w.c.err == nil; i++ {
		w.label()
	}
	w.index = uint32(n)
}

func (w *walker) global() {
	w.index = w.m.index(w.c, "global", len(w.m.globals))
	if w.op == opGlobalSet && w.c.err == nil && w.m.constant[w.index] {
		w.c.fail(ErrMalformed, w.at, "global %d is constant and is set", w.index)
	}
}

// zero reads the index of the one memory, as the one byte that every reader takes it for.
func (w *walker) zero() {
	at := w.c.pos
	if b := w.c.byte(); b != 0 {
		w.c.fail(ErrExcluded, at, "an instruction is for a memory other than 0")
	}
}

func (w *walker) memory() {
	if len(w.m.memories) == 0 {
		w.c.fail(ErrMalformed, w.at, "an instruction is for a memory and the module has none")
	}
}

// prefixed reads what follows 0xFC. The sub-opcode must be one byte: longer forms are read differently by different readers.
func (w *walker) prefixed() {
	w.sub = uint32(w.c.byte())
	switch w.sub {
	case 0, 1, 2, 3, 4, 5, 6, 7:
		return
	case subMemoryInit:
		w.segment()
		w.zero()
		w.memory()
	case subDataDrop:
		w.segment()
		return
	case subMemoryCopy:
		w.zero()
		w.zero()
		w.memory()
	case subMemoryFill:
		w.zero()
		w.memory()
	case subTableInit:
		w.index = w.m.index(w.c, "element segment", w.m.elements)
		w.m.index(w.c, "table", w.m.tables)
	case subElemDrop:
		w.index = w.m.index(w.c, "element segment", w.m.elements)
		return
	case subTableCopy:
		w.m.index(w.c, "table", w.m.tables)
		w.m.index(w.c, "table", w.m.tables)
	case 15, 16, 17:
		w.c.fail(ErrExcluded, w.at, "table.grow, table.size and table.fill (reference types) are not in the contract")
	case 18, 19, 20, 21, 22:
		w.c.fail(ErrExcluded, w.at, "the instruction 0xfc %d (wide arithmetic, memory.discard) is not in the contract", w.sub)
	default:
		w.c.fail(ErrMalformed, w.at, "there is no instruction 0xfc %d", w.sub)
	}
	w.dynamic++
}

// segment reads the index of a data segment. Their number is known from the data count section.
func (w *walker) segment() {
	w.init = true
	w.index = w.m.index(w.c, "data segment", max(w.m.counted, 0))
}

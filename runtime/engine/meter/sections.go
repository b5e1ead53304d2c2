package meter

// index reads an index that must be below n.
func (m *Module) index(c *cursor, what string, n int) uint32 {
	at := c.pos
	i := c.u32()
	if uint64(i) >= uint64(n) {
		c.fail(ErrMalformed, at, "there is no %s %d: the module has %d", what, i, n)
		return 0
	}
	return i
}

// valueType reads one of the four number types (5.3.1).
func (m *Module) valueType(c *cursor) byte {
	at := c.pos
	t := c.byte()
	if 0x7C <= t && t <= 0x7F {
		return t
	}
	switch t {
	case 0x7B:
		c.fail(ErrExcluded, at, "the value type v128 is SIMD, which the contract leaves out")
	case 0x70, 0x6F, 0x64, 0x63, 0x6E, 0x6D, 0x6C, 0x6B, 0x6A, 0x69, 0x71, 0x72, 0x73, 0x74:
		c.fail(ErrExcluded, at, "a value of the reference type %#x is not in the contract", t)
	default:
		c.fail(ErrMalformed, at, "%#x is no value type", t)
	}
	return 0
}

func (m *Module) valueTypes(c *cursor, what string, limit int) []byte {
	n := c.count(what, limit)
	at := c.pos
	for i := 0; i < n && c.err == nil; i++ {
		m.valueType(c)
	}
	return c.buf[at:max(c.pos, at)]
}

// maxParams bounds the parameters of one function type: wazero passes those beyond the registers through memory, and frames
// are charged by the function's slots.
const maxParams = 1000

// readTypes reads vec(0x60 vec(valtype) vec(valtype)) (5.3.6).
func (m *Module) readTypes(c *cursor) {
	n := c.count("types", m.limits.Types)
	for i := 0; i < n && c.err == nil; i++ {
		at := c.pos
		switch form := c.byte(); form {
		case 0x60:
		case 0x4E, 0x4F, 0x50, 0x5E, 0x5F:
			c.fail(ErrExcluded, at, "type %d is of garbage collection, which the contract leaves out", i)
		default:
			c.fail(ErrMalformed, at, "type %d begins with %#x", i, form)
		}
		t := funcType{params: m.valueTypes(c, "parameters in a type", maxParams)}
		at = c.pos
		t.results = m.valueTypes(c, "results in a type", maxParams)
		if len(t.results) > 1 {
			c.fail(ErrExcluded, at, "type %d has %d results: the contract allows one", i, len(t.results))
		}
		m.types = append(m.types, t)
	}
}

// readImports reads vec(name name desc) (5.5.5).
func (m *Module) readImports(c *cursor) {
	n := c.count("imports", m.limits.Imports)
	for i := 0; i < n && c.err == nil; i++ {
		module, name := c.name(), c.name()
		at := c.pos
		switch kind := c.byte(); kind {
		case 0:
			m.imported.funcs++
			m.names = append(m.names, string(module)+"."+string(name))
			m.funcs = append(m.funcs, m.index(c, "type", len(m.types)))
		case 1:
			m.imported.tables++
			m.table(c)
		case 2:
			m.imported.memories++
			m.memory(c)
		case 3:
			m.imported.globals++
			m.global(c)
		case 4:
			c.fail(ErrExcluded, at, "import %d is a tag (exceptions)", i)
		default:
			c.fail(ErrMalformed, at, "import %d is of the kind %d", i, kind)
		}
	}
}

// readFunctions reads vec(typeidx) (5.5.6).
func (m *Module) readFunctions(c *cursor) {
	n := c.count("functions", m.limits.Functions-len(m.funcs))
	for i := 0; i < n && c.err == nil; i++ {
		m.funcs = append(m.funcs, m.index(c, "type", len(m.types)))
	}
}

// bounds reads limits (5.3.7): 0x00 min, or 0x01 min max.
func (m *Module) bounds(c *cursor, what string) (low, high uint32, bounded bool) {
	at := c.pos
	flags := c.byte()
	if flags > 1 {
		kind := ErrMalformed
		if flags < 16 {
			kind = ErrExcluded
		}
		c.fail(kind, at, "the %s is shared, of 64 bits or has pages of its own (flags %#x)", what, flags)
		return 0, 0, false
	}
	low = c.u32()
	if flags == 1 {
		high, bounded = c.u32(), true
	}
	if bounded && high < low {
		c.fail(ErrMalformed, at, "the %s has at least %d and at most %d", what, low, high)
	}
	return low, high, bounded
}

func (m *Module) table(c *cursor) {
	at := c.pos
	if t := c.byte(); t != 0x70 {
		c.fail(ErrExcluded, at, "a table of the type %#x is not in the contract: only funcref is", t)
	}
	low, _, _ := m.bounds(c, "table") // without table.grow it stays as it begins
	if uint64(low) > uint64(m.limits.Table) {
		c.fail(ErrLimit, at, "the table has %d entries and may have %d", low, m.limits.Table)
	}
	if m.tables++; m.tables > 1 {
		c.fail(ErrExcluded, at, "the module has more than one table, which is of reference types")
	}
}

// readTables reads vec(reftype limits) (5.5.7).
func (m *Module) readTables(c *cursor) {
	n := c.count("tables", 100)
	for i := 0; i < n && c.err == nil; i++ {
		m.table(c)
	}
}

// maxPages is what 32 bits can address.
const maxPages = 65536

func (m *Module) memory(c *cursor) {
	mem := memory{at: c.pos}
	mem.min, mem.max, mem.bounded = m.bounds(c, "memory")
	mem.end = c.pos
	if mem.min > maxPages || mem.max > maxPages {
		c.fail(ErrMalformed, mem.at, "the memory has %d to %d pages, beyond 32 bits", mem.min, mem.max)
	}
	if m.memories = append(m.memories, mem); len(m.memories) > 1 {
		c.fail(ErrExcluded, mem.at, "the module has more than one memory")
	}
}

// readMemories reads vec(limits) (5.5.8).
func (m *Module) readMemories(c *cursor) {
	n := c.count("memories", 100)
	for i := 0; i < n && c.err == nil; i++ {
		m.memory(c)
	}
}

func (m *Module) global(c *cursor) {
	m.globals = append(m.globals, m.valueType(c))
	at := c.pos
	mutable := c.byte()
	if mutable > 1 {
		c.fail(ErrMalformed, at, "a global is neither constant nor mutable: %#x", mutable)
	}
	m.constant = append(m.constant, mutable == 0)
	if len(m.globals) > m.limits.Globals {
		c.fail(ErrLimit, at, "the module has %d globals and may have %d", len(m.globals), m.limits.Globals)
	}
}

// readGlobals reads vec(valtype mut expr) (5.5.9).
func (m *Module) readGlobals(c *cursor) {
	n := c.count("globals", m.limits.Globals-len(m.globals))
	for i := 0; i < n && c.err == nil; i++ {
		m.global(c)
		m.constantExpr(c)
	}
}

// constantExpr passes a constant expression (3.3.7): one constant or an imported global, and end.
func (m *Module) constantExpr(c *cursor) {
	at := c.pos
	switch op := c.byte(); op {
	case opI32Const:
		c.skipSigned(32)
	case opI64Const:
		c.skipSigned(64)
	case 0x43:
		c.bytes(4)
	case 0x44:
		c.bytes(8)
	case opGlobalGet:
		m.index(c, "imported global", m.imported.globals)
	default:
		c.fail(ErrExcluded, at, "a constant expression begins with %#x: only a constant or an imported global is in the contract", op)
	}
	at = c.pos
	if c.byte() != opEnd {
		c.fail(ErrExcluded, at, "a constant expression has more than one instruction (extended constants)")
	}
}

// readExports reads vec(name desc) (5.5.10).
func (m *Module) readExports(c *cursor) {
	n := c.count("exports", m.limits.Exports)
	for i := 0; i < n && c.err == nil; i++ {
		e := export{name: c.name()}
		at := c.pos
		e.kind = c.byte()
		switch e.kind {
		case 0:
			e.index = m.index(c, "function", len(m.funcs))
		case 1:
			e.index = m.index(c, "table", m.tables)
		case 2:
			e.index = m.index(c, "memory", len(m.memories))
		case 3:
			e.index = m.index(c, "global", len(m.globals))
		case 4:
			c.fail(ErrExcluded, at, "export %d is a tag (exceptions)", i)
		default:
			c.fail(ErrMalformed, at, "export %d is of the kind %d", i, e.kind)
		}
		m.exports = append(m.exports, e)
	}
}

// readElements reads vec(elem) (5.5.12). Of its eight forms those with indices of functions are read: 0 active, 1 passive,
// 2 active with a table, 3 declared. Those with expressions, 4 to 7, are of reference types and no toolchain writes them
// for wasm 1.
func (m *Module) readElements(c *cursor) {
	n := c.count("element segments", m.limits.Elements)
	for i := 0; i < n && c.err == nil; i++ {
		m.element(c, i)
	}
	m.elements = n
}

func (m *Module) element(c *cursor, i int) {
	at := c.pos
	form := c.u32()
	switch {
	case form > 7:
		c.fail(ErrMalformed, at, "element segment %d is of the form %d", i, form)
	case form > 3:
		c.fail(ErrExcluded, at, "element segment %d has expressions (reference types)", i)
	}
	if form == 2 {
		m.index(c, "table", m.tables)
	}
	if form == 0 || form == 2 {
		if m.tables == 0 {
			c.fail(ErrMalformed, at, "element segment %d is for a table and the module has none", i)
		}
		m.constantExpr(c)
	}
	if form != 0 {
		if kind := c.byte(); kind != 0 {
			c.fail(ErrExcluded, c.pos, "element segment %d is of the kind %d: only functions are in the contract", i, kind)
		}
	}
	n := c.count("entries in element segments", m.limits.ElementFuncs-len(m.indirect))
	for k := 0; k < n && c.err == nil; k++ {
		m.indirect = append(m.indirect, m.index(c, "function", len(m.funcs)))
	}
}

// readData reads vec(data) (5.5.14): 0 expr bytes, 1 bytes (passive), 2 memory expr bytes.
func (m *Module) readData(c *cursor) {
	n, total := c.count("data segments", m.limits.Segments), 0
	for i := 0; i < n && c.err == nil; i++ {
		at := c.pos
		form := c.u32()
		if form > 2 {
			c.fail(ErrMalformed, at, "data segment %d is of the form %d", i, form)
		}
		if form != 1 && len(m.memories) == 0 {
			c.fail(ErrMalformed, at, "data segment %d is for a memory and the module has none", i)
		}
		if form == 2 {
			m.index(c, "memory", len(m.memories))
		}
		if form != 1 {
			m.constantExpr(c)
		}
		if total += len(c.bytes(c.u32())); total > m.limits.Data {
			c.fail(ErrLimit, at, "the data segments have more than %d bytes", m.limits.Data)
		}
	}
	m.segments = n
}

// readDataCount reads the number of data segments to come, for memory.init in the code before them (5.5.16).
func (m *Module) readDataCount(c *cursor) {
	at := c.pos
	n := c.u32()
	if uint64(n) > uint64(m.limits.Segments) {
		c.fail(ErrLimit, at, "the module has %d data segments and may have %d", n, m.limits.Segments)
		return
	}
	m.counted = int(n)
}

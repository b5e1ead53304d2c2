package meter

import "slices"

// Module is a module that has been parsed and is within the limits. Its slices point into the bytes it was parsed from.
type Module struct {
	raw      []byte
	limits   Limits
	sections []section

	types    []funcType
	funcs    []uint32 // type of each function, imports first
	imported struct{ funcs, tables, memories, globals int }
	names    []string // of imported functions, module.name
	tables   int
	memories []memory // own ones: at most one
	globals  []byte   // value type of each, imports first
	constant []bool   // of each global: not mutable
	exports  []export
	start    int // -1: none
	elements int
	indirect []uint32 // functions in element segments, as often as they stand there
	segments int
	counted  int // data segments by the data count section; -1: none
	bodies   []body
	effort   int // to compile, estimated, in µs
}

// section is raw[at:end]; its content begins at body. id is as in the core spec 5.5.2.
type section struct {
	id            byte
	at, body, end int
	name          string // of a custom section
}

// funcType has value types in the binary format's bytes.
type funcType struct{ params, results []byte }

type memory struct {
	at, end  int // of its type
	min, max uint32
	bounded  bool
}

type export struct {
	name  []byte
	kind  byte
	index uint32
}

// body is a function's code: raw[at:end] with its size, locals from locals, instructions from code to end.
type body struct {
	at, locals, code, end int
	groups                uint32 // runs of locals
	slots                 uint32 // parameters and locals
	stats
}

// stats are what a walk through the instructions counts.
type stats struct {
	instructions, blocks, loops, nesting int
	targets                              int // of br_table
	branches                             int // br_if
	calls, dynamic                       int // dynamic: instructions whose cost depends on a length
	init                                 bool
}

// Section ids (core spec 5.5.2).
const (
	idCustom = iota
	idType
	idImport
	idFunction
	idTable
	idMemory
	idGlobal
	idExport
	idStart
	idElement
	idCode
	idData
	idDataCount
)

var sectionNames = [...]string{
	"custom", "type", "import", "function", "table", "memory", "global", "export", "start", "element", "code", "data", "data count",
}

// place is where a section must stand: the data count comes before the code.
var place = [...]int{
	idType: 1, idImport: 2, idFunction: 3, idTable: 4, idMemory: 5, idGlobal: 6, idExport: 7, idStart: 8, idElement: 9,
	idDataCount: 10, idCode: 11, idData: 12,
}

// Parse reads a module in the binary format (core spec 5) and holds it against the limits. It checks structure, sizes and
// indices; types of operands are left to the validation of who compiles it. It takes at most 64 bytes for each byte of the
// module, and keeps the module's bytes, which must not change. The error is an *[Error].
func Parse(module []byte, limits Limits) (*Module, error) {
	m := &Module{raw: module, limits: limits.withDefaults(), start: -1, counted: -1}
	c := &cursor{buf: module, end: len(module), fn: -1}
	switch {
	case len(module) > m.limits.Module:
		c.fail(ErrLimit, 0, "the module has %d bytes and may have %d", len(module), m.limits.Module)
	case len(module) < 8 || string(module[:4]) != "\x00asm":
		c.fail(ErrMalformed, 0, "this is no wasm module")
	case string(module[4:8]) != "\x01\x00\x00\x00":
		c.fail(ErrExcluded, 4, "this is no core module of version 1")
	}
	c.pos = min(8, len(module))
	for last := 0; c.err == nil && c.left() > 0; {
		last = m.section(c, last)
	}
	m.whole(c)
	if c.err != nil {
		return nil, c.err
	}
	return m, nil
}

// section reads one section and gives its place.
func (m *Module) section(c *cursor, last int) int {
	s := section{at: c.pos}
	s.id = c.byte()
	size := c.u32()
	s.body = c.pos
	c.bytes(size)
	s.end = c.pos
	if c.err != nil {
		return last
	}
	if s.id > idDataCount {
		what := map[byte]string{13: "a tag section (exceptions)", 14: "a string section (garbage collection)"}[s.id]
		if what == "" {
			c.fail(ErrMalformed, s.at, "the module has a section %d, which is not known", s.id)
		} else {
			c.fail(ErrExcluded, s.at, "the module has %s", what)
		}
		return last
	}
	inner := &cursor{buf: m.raw, pos: s.body, end: s.end, fn: -1}
	if s.id == idCustom {
		s.name = string(inner.name())
		inner.pos = inner.end
	} else {
		if place[s.id] <= last {
			c.fail(ErrMalformed, s.at, "the %s section stands twice or in the wrong place", sectionNames[s.id])
			return last
		}
		last = place[s.id]
		m.read(s.id, inner)
	}
	if inner.err == nil && inner.pos != inner.end {
		inner.fail(ErrMalformed, inner.pos, "the %s section has %d bytes too many", sectionNames[s.id], inner.left())
	}
	if c.err = inner.err; c.err != nil {
		c.pos = c.end
	}
	m.sections = append(m.sections, s)
	return last
}

func (m *Module) read(id byte, c *cursor) {
	switch id {
	case idType:
		m.readTypes(c)
	case idImport:
		m.readImports(c)
	case idFunction:
		m.readFunctions(c)
	case idTable:
		m.readTables(c)
	case idMemory:
		m.readMemories(c)
	case idGlobal:
		m.readGlobals(c)
	case idExport:
		m.readExports(c)
	case idStart:
		m.start = int(m.index(c, "function", len(m.funcs)))
	case idElement:
		m.readElements(c)
	case idDataCount:
		m.readDataCount(c)
	case idCode:
		m.readCode(c)
	case idData:
		m.readData(c)
	}
}

// whole checks what no section shows alone.
func (m *Module) whole(c *cursor) {
	own, custom := len(m.funcs)-m.imported.funcs, 0
	for _, s := range m.sections {
		if s.id == idCustom {
			custom += s.end - s.body
		}
	}
	switch {
	case c.err != nil:
	case own != len(m.bodies):
		c.fail(ErrMalformed, len(m.raw), "the module announces %d functions and has code for %d", own, len(m.bodies))
	case m.counted >= 0 && m.counted != m.segments:
		c.fail(ErrMalformed, len(m.raw), "the module announces %d data segments and has %d", m.counted, m.segments)
	case custom > m.limits.Custom:
		c.fail(ErrLimit, len(m.raw), "the custom sections have %d bytes and may have %d", custom, m.limits.Custom)
	}
}

// Functions is how many functions there are, imports counted.
func (m *Module) Functions() int { return len(m.funcs) }

// Custom gives the content of the custom sections of a name, without it.
func (m *Module) Custom(name string) (list [][]byte) {
	for _, s := range m.sections {
		if s.id == idCustom && s.name == name {
			c := &cursor{buf: m.raw, pos: s.body, end: s.end}
			c.name()
			list = append(list, m.raw[c.pos:c.end])
		}
	}
	return list
}

// Bytes puts the module together again. Nothing is normalised: what was parsed comes out.
func (m *Module) Bytes() []byte { return m.assemble(nil, nil) }

// assemble writes the module with other contents for some sections, by id, and without the custom sections that drop names. A
// section in replace that the module does not have is put where it belongs.
func (m *Module) assemble(replace map[byte][]byte, drop func(name string) bool) []byte {
	size := len(m.raw)
	for _, content := range replace {
		size += len(content) + 6
	}
	out := append(make([]byte, 0, size), m.raw[:8]...)
	missing := m.missing(replace)
	for _, s := range m.sections {
		for len(missing) > 0 && s.id != idCustom && place[missing[0]] < place[s.id] {
			out = appendSection(out, missing[0], replace[missing[0]])
			missing = missing[1:]
		}
		content, changed := replace[s.id]
		switch {
		case s.id == idCustom && drop != nil && drop(s.name):
		case changed && s.id != idCustom:
			out = appendSection(out, s.id, content)
		default:
			out = append(out, m.raw[s.at:s.end]...)
		}
	}
	for _, id := range missing {
		out = appendSection(out, id, replace[id])
	}
	return out
}

// missing lists the sections of replace that the module does not have, in their order.
func (m *Module) missing(replace map[byte][]byte) (list []byte) {
	for id := range replace {
		if !slices.ContainsFunc(m.sections, func(s section) bool { return s.id == id }) {
			list = append(list, id)
		}
	}
	slices.SortFunc(list, func(a, b byte) int { return place[a] - place[b] })
	return list
}

func appendSection(out []byte, id byte, content []byte) []byte {
	return append(appendU32(append(out, id), uint32(len(content))), content...)
}

package meter

import (
	"bytes"
	"fmt"
	"slices"
)

// Options say how a module is metered.
type Options struct {
	// FuelExport is the name under which the fuel, a mutable i64 global, is exported. It must not be one of the module's.
	FuelExport string

	// MaxPages is the most that the memory may have, in pages of 64 KiB: it becomes the maximum in the memory section,
	// unless the module has a lower one. 0: what the module says.
	MaxPages uint32

	// Refill names an imported function without parameters, as module.name, that is called when the fuel is below zero: it sets the
	// fuel anew or ends the call, so that a budget can be given in slices. What it gives is dropped. Empty: no fuel is a trap.
	Refill string

	// Initial is the fuel that an instance begins with: for the start function, which runs before the host can set it. 0:
	// none, so that a start function traps.
	Initial int64

	Limits Limits
}

// Report is what metering found and did.
type Report struct {
	Functions    int // own ones
	LargestBody  int // bytes
	Instructions int
	Loops        int
	Effort       int // to compile the module, estimated, in µs
	Joins        int // the most of one body; see Limits.Joins
	Small        int // functions charged by their callers
	Points       int // charges injected
	Injected     int // bytes by which the module grew, with what was dropped counted as zero
	Dropped      int // bytes of custom sections that would have become wrong
}

// Meter rewrites a module so that it counts down its fuel. What it gives validates if the module did. The error is an
// *[Error], or a plain one for options that cannot be.
func Meter(module []byte, opt Options) ([]byte, Report, error) {
	m, err := Parse(module, opt.Limits)
	if err != nil {
		return nil, Report{}, err
	}
	return m.Meter(opt)
}

// Meter is as the function of the same name; opt.Limits is not looked at again.
func (m *Module) Meter(opt Options) ([]byte, Report, error) {
	if opt.FuelExport == "" {
		return nil, Report{}, fmt.Errorf("metering needs a name for the fuel")
	}
	for _, e := range m.exports {
		if string(e.name) == opt.FuelExport {
			return nil, Report{}, m.refuse(ErrExcluded, "the module exports %q, which is the host's name for the fuel", opt.FuelExport)
		}
	}
	refill, err := m.refill(opt.Refill)
	if err != nil {
		return nil, Report{}, err
	}
	replace := map[byte][]byte{idGlobal: m.globalSection(opt.Initial), idExport: m.exportSection(opt.FuelExport)}
	if err := m.bound(opt.MaxPages, replace); err != nil {
		return nil, Report{}, err
	}
	r := Report{Functions: len(m.bodies), Effort: m.effort}
	if len(m.bodies) > 0 {
		replace[idCode] = m.codeSection(refill, &r)
	}
	for _, s := range m.sections {
		if s.id == idCustom && stale(s.name) {
			r.Dropped += s.end - s.at
		}
	}
	out := m.assemble(replace, stale)
	r.Injected = len(out) + r.Dropped - len(m.raw)
	return out, r, nil
}

func (m *Module) refuse(kind error, format string, args ...any) error {
	return &Error{Kind: kind, Func: -1, Text: fmt.Sprintf(format, args...)}
}

// refill gives the instructions for when no fuel is left.
func (m *Module) refill(name string) ([]byte, error) {
	if name == "" {
		return []byte{opUnreachable}, nil
	}
	k := slices.Index(m.names, name)
	if k < 0 {
		return nil, m.refuse(ErrExcluded, "the module does not import %s, by which it gets its fuel", name)
	}
	t := m.types[m.funcs[k]]
	if len(t.params) > 0 {
		return nil, m.refuse(ErrExcluded, "the module imports %s with parameters: it has none", name)
	}
	b := appendU32([]byte{opCall}, uint32(k))
	return append(b, bytes.Repeat([]byte{opDrop}, len(t.results))...), nil
}

// stale tells which custom sections are about offsets in the code, which have changed. Names stay: functions, locals and
// globals keep their indices.
func stale(name string) bool {
	switch name {
	case "sourceMappingURL", "external_debug_info", "linking", "dylink", "dylink.0":
		return true
	}
	for _, prefix := range []string{".debug_", "reloc.", "metadata.code."} {
		if len(name) >= len(prefix) && name[:len(prefix)] == prefix {
			return true
		}
	}
	return false
}

// content gives a section's content after its count, and the count.
func (m *Module) content(id byte) (count uint32, rest []byte) {
	for _, s := range m.sections {
		if s.id == id {
			c := &cursor{buf: m.raw, pos: s.body, end: s.end}
			count = c.u32()
			return count, m.raw[c.pos:s.end]
		}
	}
	return 0, nil
}

// globalSection appends the fuel: i64, mutable, with a constant (core spec 5.5.9).
func (m *Module) globalSection(initial int64) []byte {
	n, rest := m.content(idGlobal)
	b := append(appendU32(nil, n+1), rest...)
	b = appendS64(append(b, typeI64, 1, opI64Const), initial)
	return append(b, opEnd)
}

// exportSection appends the fuel's name (5.5.10).
func (m *Module) exportSection(name string) []byte {
	n, rest := m.content(idExport)
	b := append(appendU32(nil, n+1), rest...)
	b = append(appendU32(b, uint32(len(name))), name...)
	return appendU32(append(b, 3), uint32(len(m.globals)))
}

// bound sets the memory's maximum.
func (m *Module) bound(pages uint32, replace map[byte][]byte) error {
	if pages == 0 || len(m.memories) == 0 {
		return nil
	}
	mem := m.memories[0]
	if mem.min > pages {
		return m.refuse(ErrLimit, "the memory begins with %d pages and may have %d", mem.min, pages)
	}
	if m.imported.memories > 0 {
		return m.refuse(ErrExcluded, "the module imports its memory: it must have one of its own to be bounded")
	}
	if mem.bounded {
		pages = min(pages, mem.max)
	}
	replace[idMemory] = appendU32(appendU32([]byte{1, 1}, mem.min), pages)
	return nil
}

// codeSection rewrites the bodies (5.5.13). Those without a charge stay as they are, byte for byte.
func (m *Module) codeSection(refill []byte, r *Report) []byte {
	j := &injector{costing: costing{m: m}, fuel: uint32(len(m.globals)), refill: refill}
	j.findSmall()
	out := appendU32(nil, uint32(len(m.bodies)))
	var locals []byte
	for i := range m.bodies {
		b := &m.bodies[i]
		r.LargestBody = max(r.LargestBody, b.end-b.locals)
		r.Instructions += b.instructions
		r.Loops += b.loops
		r.Joins = max(r.Joins, b.joins())
		code := j.body(b, m.imported.funcs+i)
		if code == nil {
			r.Small++
			out = append(out, m.raw[b.at:b.end]...)
			continue
		}
		locals = j.locals(locals[:0])
		out = appendU32(out, uint32(len(locals)+len(code)))
		out = append(append(out, locals...), code...)
	}
	r.Points = j.points
	return out
}

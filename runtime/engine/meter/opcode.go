package meter

// shape says what follows an opcode (core spec 5.4).
type shape uint8

const (
	none      shape = iota
	bad             // not in the contract, or not an instruction
	blockType       // one byte: 0x40 or a value type
	label           // u32
	labels          // vector of u32, then u32
	funcIndex       // u32
	indirect        // type u32, table u32
	local           // u32
	global          // u32
	memarg          // alignment u32, offset u32
	zero            // 0x00, a memory's index
	const32         // signed 32
	const64         // signed 64
	raw4            // 4 bytes
	raw8            // 8 bytes
	prefixed        // 0xFC: u32, then by that
)

// Opcodes that are looked at by name.
const (
	opUnreachable  = 0x00
	opBlock        = 0x02
	opLoop         = 0x03
	opIf           = 0x04
	opElse         = 0x05
	opEnd          = 0x0B
	opBr           = 0x0C
	opBrIf         = 0x0D
	opBrTable      = 0x0E
	opReturn       = 0x0F
	opCall         = 0x10
	opCallIndirect = 0x11
	opDrop         = 0x1A
	opLocalGet     = 0x20
	opLocalSet     = 0x21
	opLocalTee     = 0x22
	opGlobalGet    = 0x23
	opGlobalSet    = 0x24
	opMemoryGrow   = 0x40
	opI32Const     = 0x41
	opI64Const     = 0x42
	opI64LtS       = 0x53
	opI32LtU       = 0x49
	opI32Sub       = 0x6B
	opI64Add       = 0x7C
	opI64Mul       = 0x7E
	opMemorySize   = 0x3F
	opI64Sub       = 0x7D
	opI64ShrU      = 0x88
	opI64ExtendU   = 0xAD
	opI64Shl       = 0x86
	opPrefix       = 0xFC

	emptyBlock = 0x40
	typeI32    = 0x7F
	typeI64    = 0x7E
)

// Sub-opcodes of 0xFC (5.4.6, 5.4.7). 0 to 7 are the saturating conversions.
const (
	subMemoryInit = 8
	subDataDrop   = 9
	subMemoryCopy = 10
	subMemoryFill = 11
	subTableInit  = 12
	subElemDrop   = 13
	subTableCopy  = 14
)

// shapes is the table of 5.4, with what the contract leaves out marked bad.
var shapes = makeShapes()

func makeShapes() (t [256]shape) {
	for op := range t {
		t[op] = bad
	}
	for _, r := range []struct {
		first, last int
		shape       shape
	}{
		{0x00, 0x01, none},
		{0x02, 0x04, blockType},
		{0x05, 0x05, none},
		{0x0B, 0x0B, none},
		{0x0C, 0x0D, label},
		{0x0E, 0x0E, labels},
		{0x0F, 0x0F, none},
		{0x10, 0x10, funcIndex},
		{0x11, 0x11, indirect},
		{0x1A, 0x1B, none},
		{0x20, 0x22, local},
		{0x23, 0x24, global},
		{0x28, 0x3E, memarg},
		{0x3F, 0x40, zero},
		{0x41, 0x41, const32},
		{0x42, 0x42, const64},
		{0x43, 0x43, raw4},
		{0x44, 0x44, raw8},
		{0x45, 0xC4, none},
		{0xFC, 0xFC, prefixed},
	} {
		for op := r.first; op <= r.last; op++ {
			t[op] = r.shape
		}
	}
	return t
}

// excluded names what an opcode belongs to that the contract leaves out; empty: it is in no proposal that is known here.
func excluded(op byte) string {
	for _, r := range []struct {
		first, last byte
		name        string
	}{
		{0x06, 0x0A, "exceptions"},
		{0x18, 0x19, "exceptions"},
		{0x1F, 0x1F, "exceptions"},
		{0x12, 0x13, "tail calls"},
		{0x14, 0x15, "typed function references"},
		{0xD4, 0xD6, "typed function references"},
		{0x1C, 0x1C, "select with a type, of reference types"},
		{0x25, 0x26, "table.get and table.set, of reference types"},
		{0xD0, 0xD2, "reference types"},
		{0xD3, 0xD3, "garbage collection"},
		{0xFB, 0xFB, "garbage collection"},
		{0xFD, 0xFD, "SIMD"},
		{0xFE, 0xFE, "threads"},
		{0xE0, 0xE5, "stack switching"},
	} {
		if r.first <= op && op <= r.last {
			return r.name
		}
	}
	return ""
}

// cost is what an instruction takes in units of fuel, at least one. The table is in the package comment; what is dynamic
// (bulk operations, memory.grow) is charged besides.
func cost(op byte) uint64 {
	switch {
	case op >= 0x6D && op <= 0x70, op >= 0x7F && op <= 0x82: // integer division
		return costDivide
	case op == 0x91 || op == 0x9F || op == 0x95 || op == 0xA3: // sqrt and div of f32, f64
		return costFloatDivide
	case 0x28 <= op && op <= 0x35:
		return costLoad
	case op == opCall:
		return costCall
	case op == opCallIndirect:
		return costIndirect
	case op == opMemoryGrow:
		return costGrow
	case op == opPrefix:
		return costBulk
	}
	return 1
}

package meter_test

import "math/rand/v2"

// generator writes random programs that are valid: nested blocks, loops that count and loops that may not end, branches out of
// several, br_table, calls to functions before and after, through the table and to the host, bulk operations, growth.
type generator struct {
	*rand.Rand
	p      *program
	locals []byte // types
	labels []bool // open blocks, the innermost last; true: a loop
	depth  int
	fn     int
	size   int
}

// All generated functions take and give one i32. Locals: the parameter, three of i32, two of i64, then counters.
func randomProgram(seed uint64) *program {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 1)), p: &program{pages: []uint32{1, 3}, globals: []byte{i32, i64}}}
	g.p.imports = []imported{{name: "nop"}}
	n := 2 + g.IntN(4)
	for k := range n {
		g.p.table = append(g.p.table, 1+k)
	}
	for k := range n {
		g.locals, g.fn, g.size = []byte{i32, i32, i32, i32, i64, i64}, k, 0
		g.labels = g.labels[:0]
		body := code(g.statements(3+g.IntN(4)), g.int32(2))
		g.p.fns = append(g.p.fns, fn{
			name: "f" + string(rune('0'+k)), params: []byte{i32}, results: []byte{i32}, locals: g.locals[1:], code: body,
		})
	}
	return g.p
}

func (g *generator) statements(n int) (b []byte) {
	for range n {
		b = append(b, g.statement()...)
	}
	return b
}

func (g *generator) statement() []byte {
	g.depth++
	defer func() { g.depth-- }()
	if g.size++; g.depth > 5 || g.size > 60 {
		return code(g.int32(1), set(1+g.IntN(3)))
	}
	switch g.IntN(18) {
	case 0, 1:
		return code(g.int64(3), set(4+g.IntN(2)))
	case 2:
		return code(g.int32(3), 0x24, 0)
	case 3:
		return code(g.int32(2), const32(0xFFFC), 0x71, g.int32(3), mem(0x36, g.IntN(4)))
	case 4:
		return code(g.int32(2), 0x04, empty, g.block(false, 2), 0x0B)
	case 5:
		return code(g.int32(2), 0x04, empty, g.block(false, 2), 0x05, g.block(false, 2), 0x0B)
	case 6, 7, 8:
		return g.counting()
	case 9:
		return g.wild()
	case 10:
		return code(0x02, empty, g.block(false, 3), 0x0B)
	case 11:
		return code(g.int32(1), 0x04, empty, g.int32(1), 0x0F, 0x0B) // return in an if
	case 12:
		return g.jump()
	case 13:
		return code(call(0))
	case 14:
		return g.bulk()
	case 15:
		return g.table()
	}
	return code(g.int32(3), set(1+g.IntN(3)))
}

// block writes statements inside a block that has been opened.
func (g *generator) block(loop bool, n int) []byte {
	g.labels = append(g.labels, loop)
	b := g.statements(1 + g.IntN(n))
	g.labels = g.labels[:len(g.labels)-1]
	return b
}

// counting is a loop of a few rounds, with its own counter.
func (g *generator) counting() []byte {
	c := len(g.locals)
	g.locals = append(g.locals, i32)
	rounds := 1 + g.IntN(6)
	return code(const32(0), set(c), 0x03, empty, g.block(true, 3),
		get(c), const32(1), 0x6A, tee(c), const32(rounds), 0x49, 0x0D, 0, 0x0B)
}

// wild is a loop that ends by chance.
func (g *generator) wild() []byte {
	g.labels = append(g.labels, true)
	inside := code(g.statements(2), get(1+g.IntN(3)), const32(g.IntN(7)), 0x71, 0x0D, 0)
	g.labels = g.labels[:len(g.labels)-1]
	return code(0x03, empty, inside, 0x0B)
}

// jump goes out of blocks, mostly forwards: a loop's label may never end.
func (g *generator) jump() []byte {
	if len(g.labels) == 0 {
		return []byte{0x01}
	}
	k := g.IntN(len(g.labels))
	if g.labels[len(g.labels)-1-k] && g.IntN(4) > 0 {
		return []byte{0x01}
	}
	return code(g.int32(2), 0x0D, k)
}

// table is a br_table to blocks around, or to the function's end, which takes a value.
func (g *generator) table() []byte {
	b := code(0x02, empty, 0x02, empty)
	g.labels = append(g.labels, false, false)
	b = code(b, g.int32(2), const32(3), 0x71, 0x0E, 2, 0, 1)
	if outer := g.IntN(len(g.labels)); g.labels[len(g.labels)-1-outer] {
		b = append(b, 0)
	} else {
		b = append(b, byte(outer))
	}
	g.labels = g.labels[:len(g.labels)-1]
	b = code(b, 0x0B, g.statements(1))
	g.labels = g.labels[:len(g.labels)-1]
	return code(b, 0x0B)
}

func (g *generator) bulk() []byte {
	if g.IntN(4) == 0 {
		return code(g.length(2), 0x40, 0, 0x1A)
	}
	op := code(0xFC, 11, 0)
	if g.IntN(2) == 0 {
		op = code(0xFC, 10, 0, 0)
	}
	return code(g.int32(1), const32(0x7FFF), 0x71, g.int32(1), const32(0x7FFF), 0x71, g.length(5000), op)
}

// length is one that is known, or not.
func (g *generator) length(n int) []byte {
	if g.IntN(2) == 0 {
		return const32(g.IntN(n))
	}
	return code(g.int32(1), const32(n-1), 0x71)
}

// int32 is an expression.
func (g *generator) int32(depth int) []byte {
	if depth == 0 {
		if g.IntN(2) == 0 {
			return const32(int(g.Int32N(100)) - 20)
		}
		return get(g.IntN(4))
	}
	switch g.IntN(14) {
	case 0:
		return code(g.int64(depth-1), 0xA7)
	case 1:
		return code(g.int32(depth-1), const32(0xFFFF), 0x71, mem(0x28, 0))
	case 2:
		return code(0x23, 0)
	case 3:
		return code(g.int32(depth-1), g.int32(depth-1), g.int32(depth-1), 0x1B)
	case 4: // a function after this one: it ends if they do
		if g.fn+1 < len(g.p.table) {
			return code(g.int32(depth-1), call(2+g.fn+g.IntN(len(g.p.table)-g.fn-1)))
		}
	case 5: // any function, with a smaller argument
		return code(const32(0), get(0), 0x48, 0x04, i32, get(0), const32(1), 0x6B, get(1), const32(len(g.p.table)-1), 0x71, 0x11, 1, 0, 0x05, g.int32(0), 0x0B)
	case 6:
		return code(0x3F, 0)
	case 7:
		return code(0x02, i32, g.int32(depth-1), g.int32(depth-1), 0x0D, 0, 0x0B)
	}
	ops := []byte{0x46, 0x48, 0x49, 0x4F, 0x6A, 0x6B, 0x6C, 0x6E, 0x71, 0x73, 0x74, 0x76, 0x77}
	return code(g.int32(depth-1), g.int32(depth-1), []byte{ops[g.IntN(len(ops))]})
}

func (g *generator) int64(depth int) []byte {
	switch {
	case depth == 0 && g.IntN(2) == 0:
		return const64(g.Int64N(1000) - 500)
	case depth == 0:
		return get(4 + g.IntN(2))
	case g.IntN(5) == 0:
		return code(g.int32(depth-1), 0xAC)
	}
	ops := []byte{0x7C, 0x7D, 0x7E, 0x85}
	return code(g.int64(depth-1), g.int64(depth-1), []byte{ops[g.IntN(len(ops))]})
}

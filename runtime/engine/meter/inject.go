package meter

// injector writes one body after the other with the countdown in it.
type injector struct {
	costing
	fuel   uint32 // index of the global
	refill []byte // what to do when it is below zero
	plan   plan
	next   int // loop of the plan

	out      []byte
	b        *body
	fuelHere uint32 // local with the fuel, in a region
	length   uint32 // local with a length
	needs    struct{ fuel, length bool }
	region   int // place of the region's loop in the walker's stack; -1: outside
	points   int // charges written
}

// body writes a body's new content, without its size, or nil if nothing is to be injected.
func (j *injector) body(b *body, fn int) []byte {
	j.costing.plan(b, fn, &j.plan)
	j.b, j.next, j.region, j.out = b, 0, -1, j.out[:0]
	j.fuelHere, j.length = b.slots, b.slots+1
	j.needs.fuel, j.needs.length = false, false
	entry := j.plan.entry
	own := fn - j.m.imported.funcs
	switch {
	case j.small[own] > 0:
		return nil
	case j.plan.first && entry <= j.plan.loops[0].units/2+mergeCost && (j.plan.stack == 0 || j.plan.loops[0].calls):
		j.plan.loops[0].units += entry + j.plan.stack // the loop is reached in any case: one charge for both
	default:
		j.charge(entry + j.plan.stack)
	}
	j.instructions(fn)
	return j.out
}

// mergeCost is what the code outside of a function's first loop may take to be charged with each of its rounds.
const mergeCost = 32

func (j *injector) instructions(fn int) {
	w := walker{m: j.m, c: &cursor{buf: j.m.raw, pos: j.b.code, end: j.b.end, fn: fn}, slots: j.b.slots}
	last := lengthBefore{}
	for depth := 0; w.next(); depth = len(w.stack) {
		switch w.op {
		case opLoop:
			j.loop(&w)
			last.see(&w)
			continue
		case opBr, opBrIf, opBrTable, opReturn:
			if j.region >= 0 && j.leaves(&w) {
				j.flush()
			}
		case opMemoryGrow, opPrefix:
			if _, known := last.length(&w); !known && dynamic(&w) != staticOnly {
				j.chargeLength(&w)
			}
		case opEnd:
			if j.region >= 0 && depth-1 == j.region {
				j.out = append(j.out, opEnd)
				j.flush()
				j.region = -1
				last.see(&w)
				continue
			}
		}
		j.out = append(j.out, w.c.buf[w.at:w.c.pos]...)
		if w.op == opMemoryGrow && j.slices() {
			j.comeBack()
		}
		last.see(&w)
	}
}

// loop writes a loop's beginning and its charge. A loop that makes no calls, and is in none that makes none, begins a region:
// the fuel is in a local until it is left.
func (j *injector) loop(w *walker) {
	l := j.plan.loops[j.next]
	j.next++
	if j.region < 0 && !l.calls {
		j.region = len(w.stack) - 1
		j.needs.fuel = true
		j.out = appendU32(append(j.out, opGlobalGet), j.fuel)
		j.out = appendU32(append(j.out, opLocalSet), j.fuelHere)
	}
	j.out = append(j.out, w.c.buf[w.at:w.c.pos]...)
	j.begin()
	j.out = appendS64(append(j.out, opI64Const), int64(l.units))
	j.take()
	if j.slices() {
		// What was taken is given back, and the loop begun again: so what follows has one way to it, and the compiler need not forget
		// what it has in registers.
		j.out = appendU32(append(j.out, opGlobalGet), j.fuel)
		j.out = appendS64(append(j.out, opI64Const), int64(l.units))
		j.out = append(j.out, opI64Add)
		if j.region >= 0 {
			j.out = appendU32(append(j.out, opLocalSet), j.fuelHere)
		} else {
			j.out = appendU32(append(j.out, opGlobalSet), j.fuel)
		}
		j.out = append(j.out, opBr, 1)
	}
	j.out = append(j.out, opEnd)
}

// leaves tells whether a branch may leave the region.
func (j *injector) leaves(w *walker) bool {
	inside := uint32(len(w.stack) - j.region) // labels below are the region's loop and what is in it
	switch w.op {
	case opReturn:
		return true
	case opBrTable:
		t := w.table
		for i := uint32(0); i <= w.index; i++ {
			if t.u32() >= inside {
				return true
			}
		}
		return false
	}
	return w.index >= inside
}

// flush puts the region's fuel back into the global.
func (j *injector) flush() {
	j.out = appendU32(append(j.out, opLocalGet), j.fuelHere)
	j.out = appendU32(append(j.out, opGlobalSet), j.fuel)
}

// charge takes units off and traps if none are left. Nothing is left on the stack.
func (j *injector) charge(units uint64) {
	j.begin()
	j.out = appendS64(append(j.out, opI64Const), int64(units))
	j.finish()
}

// chargeLength charges by the length on top of the stack, which stays there.
func (j *injector) chargeLength(w *walker) {
	j.needs.length = true
	j.out = appendU32(append(j.out, opLocalTee), j.length)
	j.begin()
	j.out = appendU32(append(j.out, opLocalGet), j.length)
	j.out = append(j.out, opI64ExtendU)
	switch dynamic(w) {
	case inBytes:
		j.out = append(j.out, opI64Const, 3, opI64ShrU)
	case inPages:
		j.pages()
	}
	j.finish()
}

// pages turns the number of pages to grow by, on top of the stack as 64 bits, into units: by the pages that the memory then has,
// because what is there may be copied. Growing by nothing, or by more than a memory may have, does no work and is free: the units
// are taken times one if length-1 is below maxPages, else times zero.
func (j *injector) pages() {
	j.out = append(j.out, opMemorySize, 0, opI64ExtendU, opI64Add, opI64Const, pageShift, opI64Shl)
	j.out = appendU32(append(j.out, opLocalGet), j.length)
	j.out = append(j.out, opI32Const, 1, opI32Sub)
	j.out = appendS64(append(j.out, opI32Const), maxPages)
	j.out = append(j.out, opI32LtU, opI64ExtendU, opI64Mul)
}

// begin pushes the fuel.
func (j *injector) begin() {
	if j.region >= 0 {
		j.out = appendU32(append(j.out, opLocalGet), j.fuelHere)
		return
	}
	j.out = appendU32(append(j.out, opGlobalGet), j.fuel)
}

// finish takes what is on top of the stack off the fuel below it, and goes on.
func (j *injector) finish() {
	j.take()
	j.fetch()
	j.out = append(j.out, opEnd)
}

// slices tells whether fuel comes in slices.
func (j *injector) slices() bool { return j.refill[0] == opCall }

// fetch gets a region's fuel after the host has set the global.
func (j *injector) fetch() {
	if j.region >= 0 && j.slices() {
		j.out = appendU32(append(j.out, opGlobalGet), j.fuel)
		j.out = appendU32(append(j.out, opLocalSet), j.fuelHere)
	}
}

// comeBack calls the host though there is fuel: it may want to look at the memory that has grown.
func (j *injector) comeBack() {
	if j.region >= 0 {
		j.flush()
	}
	j.out = append(j.out, j.refill...)
	j.fetch()
}

// take takes what is on top of the stack off the fuel below it, and begins what is done if none is left.
func (j *injector) take() {
	j.points++
	j.out = append(j.out, opI64Sub)
	if j.region >= 0 {
		j.out = appendU32(append(j.out, opLocalTee), j.fuelHere)
	} else {
		j.out = appendU32(append(j.out, opGlobalSet), j.fuel)
		j.out = appendU32(append(j.out, opGlobalGet), j.fuel)
	}
	j.out = append(j.out, opI64Const, 0, opI64LtS, opIf, emptyBlock)
	if j.region >= 0 {
		j.flush() // so that the host sees it
	}
	j.out = append(j.out, j.refill...)
}

// locals writes a body's locals with those that the charges need.
func (j *injector) locals(out []byte) []byte {
	c := &cursor{buf: j.m.raw, pos: j.b.locals, end: j.b.code}
	c.u32()
	extra := uint32(0)
	if j.needs.fuel || j.needs.length {
		extra = 1
	}
	if j.needs.length {
		extra = 2
	}
	out = appendU32(out, j.b.groups+extra)
	out = append(out, j.m.raw[c.pos:j.b.code]...)
	if extra >= 1 {
		out = append(out, 1, typeI64)
	}
	if extra == 2 {
		out = append(out, 1, typeI32)
	}
	return out
}

package meter

// Small functions are not charged at their own entry: whoever calls them is charged for them, with the code around the
// call. That takes away the countdown where it would weigh most. A function is small if it has no loop, no indirect call
// and no bulk operation, and takes at most smallCost with its frame and all that it calls. So a chain of calls among small
// functions is shorter than smallCost, and recursion never small. An indirect call is charged for the most expensive small
// function that is in an element segment. What is left uncharged is a call from the host: at most smallCost each.

const (
	smallUnknown = 0
	smallNot     = -1
	smallOpen    = -2 // being looked at: a cycle if met again
)

// findSmall fills k.small and k.least.
func (k *costing) findSmall() {
	k.small = make([]int16, len(k.m.bodies))
	for i := range k.small {
		k.classify(i)
	}
	for _, fn := range k.m.indirect {
		if own := int(fn) - k.m.imported.funcs; own >= 0 && k.small[own] > 0 {
			k.least = max(k.least, uint64(k.small[own]))
		}
		if int(fn) < k.m.imported.funcs {
			k.least = max(k.least, costImport)
		}
	}
	for i, t := range k.small {
		if t <= 0 {
			k.small[i] = 0
		}
	}
}

// classify gives what a small function takes, or smallNot. Each function is looked at once; what is met while it is being
// looked at is part of a cycle and not small. It recurses as deep as the module's chain of candidates: at most
// [Limits.Functions].
func (k *costing) classify(own int) int16 {
	b := &k.m.bodies[own]
	switch known := k.small[own]; {
	case known == smallOpen:
		return smallNot
	case known != smallUnknown:
		return known
	}
	k.small[own] = smallNot
	if b.loops > 0 || b.dynamic > 0 || frameCost(b)+uint64(b.instructions) > smallCost {
		return smallNot
	}
	k.small[own] = smallOpen
	units := k.sum(own, b)
	if k.small[own] = smallNot; units <= smallCost {
		k.small[own] = int16(units)
	}
	return k.small[own]
}

// sum adds up a function without loops; more than smallCost if it is not small.
func (k *costing) sum(own int, b *body) (units uint64) {
	units = frameCost(b)
	w := walker{m: k.m, c: &cursor{buf: k.m.raw, pos: b.code, end: b.end, fn: own + k.m.imported.funcs}, slots: b.slots}
	for units <= smallCost && w.next() {
		units += cost(w.op)
		switch w.op {
		case opCallIndirect:
			return smallCost + 1
		case opCall:
			callee := int(w.index) - k.m.imported.funcs
			if callee < 0 {
				return smallCost + 1
			}
			t := k.classify(callee)
			if t <= 0 {
				return smallCost + 1
			}
			units += uint64(t)
		}
	}
	return units
}

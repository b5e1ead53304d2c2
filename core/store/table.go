package store

import (
	"math/bits"
	"unsafe"

	"github.com/zmesh/zmesh/core/prefetch"
)

// parts of a table grow each on its own, so that a grown index never stops the path for longer than a 64th of it takes.
const tableParts = 64

// table is an open-addressing map from uint64 to uint64 with linear probing and backward-shift deletion, keyed with a
// secret seed. Key 0 is not allowed: it marks an empty slot. It allocates only when it grows.
//
// Go's map would do but for three things: it takes no seed that a simulation can repeat, it never gives the same order of
// growth, and it cannot grow piecewise. core/table has a map of the same kind; the two can become one.
type table struct {
	seed  [2]uint64
	parts [tableParts]part
	n     int

	stale func(v uint64) bool // nil: no value ever is. What is stale may be gone, and goes when its part is full
	spare []slot              // empty: a part that was swept moves here
}

type part struct {
	slots []slot // power of two
	n     int
}

type slot struct{ key, val uint64 }

const minSlots = 8

func (t *table) hash(k uint64) uint64 {
	hi, lo := bits.Mul64(k^t.seed[0], 0x9E3779B97F4A7C15)
	hi, lo = bits.Mul64(hi^lo^t.seed[1], 0xE7037ED1A0B428DB)
	return hi ^ lo
}

// find gives the part and, if k is there, its slot; -1 otherwise.
func (t *table) find(k uint64) (p *part, i int) {
	p, i, _ = t.probe(k)
	return p, i
}

// probe is find, and the empty slot where k belongs if it is not there and there are slots.
func (t *table) probe(k uint64) (p *part, i, free int) {
	h := t.hash(k)
	p = &t.parts[h>>(64-6)]
	mask := len(p.slots) - 1
	if mask < 0 {
		return p, -1, -1
	}
	for i = int(h) & mask; p.slots[i].key != 0; i = (i + 1) & mask {
		if p.slots[i].key == k {
			return p, i, -1
		}
	}
	return p, -1, i
}

// ahead says that k will be asked for soon. What is not there, as a content that is new, is looked for in a line and a half.
func (t *table) ahead(k uint64) {
	h := t.hash(k)
	if p := &t.parts[h>>(64-6)]; len(p.slots) > 0 {
		i := int(h) & (len(p.slots) - 1)
		prefetch.Line(unsafe.Pointer(&p.slots[i]))
		prefetch.Line(unsafe.Pointer(&p.slots[(i+4)&(len(p.slots)-1)]))
	}
}

func (t *table) get(k uint64) (uint64, bool) {
	p, i := t.find(k)
	if i < 0 {
		return 0, false
	}
	return p.slots[i].val, true
}

func (t *table) put(k, v uint64) { t.swap(k, v) }

// swap is put, and gives the value of before; 0 if k was not there.
func (t *table) swap(k, v uint64) (old uint64) {
	p, i, free := t.probe(k)
	switch {
	case i >= 0:
		old, p.slots[i].val = p.slots[i].val, v
		return old
	case 4*(p.n+1) > 3*len(p.slots):
		if t.sweep(p); 8*(p.n+1) > 5*len(p.slots) {
			t.grow(p)
		}
		t.insert(p, slot{k, v})
	default:
		p.slots[free] = slot{k, v}
	}
	p.n++
	t.n++
	return 0
}

// insert places s, which is not there, in p, which has room.
func (t *table) insert(p *part, s slot) {
	mask := len(p.slots) - 1
	i := int(t.hash(s.key)) & mask
	for p.slots[i].key != 0 {
		i = (i + 1) & mask
	}
	p.slots[i] = s
}

// sweep takes out what is stale.
func (t *table) sweep(p *part) {
	if t.stale == nil || len(p.slots) == 0 {
		return
	}
	if len(t.spare) != len(p.slots) {
		t.spare = make([]slot, len(p.slots))
	}
	old := p.slots
	p.slots, t.spare = t.spare, old
	t.n -= p.n
	p.n = 0
	for _, s := range old {
		if s.key != 0 && !t.stale(s.val) {
			t.insert(p, s)
			p.n++
		}
	}
	clear(old)
	t.n += p.n
}

func (t *table) grow(p *part) {
	old := p.slots
	p.slots = make([]slot, max(minSlots, 2*len(old)))
	for _, s := range old {
		if s.key != 0 {
			t.insert(p, s)
		}
	}
}

func (t *table) del(k uint64) {
	p, i := t.find(k)
	if i < 0 {
		return
	}
	p.n--
	t.n--
	t.closeGap(p, i)
}

// closeGap moves back what stands behind an emptied slot and would no longer be found.
func (t *table) closeGap(p *part, gap int) {
	mask := len(p.slots) - 1
	for i := (gap + 1) & mask; p.slots[i].key != 0; i = (i + 1) & mask {
		home := int(t.hash(p.slots[i].key)) & mask
		if (i-home)&mask >= (i-gap)&mask {
			p.slots[gap] = p.slots[i]
			gap = i
		}
	}
	p.slots[gap] = slot{}
}

func (t *table) clear() {
	for i := range t.parts {
		clear(t.parts[i].slots)
		t.parts[i].n = 0
	}
	t.n = 0
}

package disk

import (
	"bytes"
	"encoding/binary"
	"slices"
	"unsafe"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/prefetch"
	"github.com/zmesh/zmesh/core/store"
)

// group is contents that are written together. Both items and values lie in pages: a group grows to some MiB in a second, and is
// filled under a worker's mutex.
type group struct {
	items    []*itemPage
	n        int // items
	values   [][]byte
	filled   int // pages of values that are full; the next is being filled
	pointers []pointer
	clear    []clearing
	size     int // about what all that takes in memory
}

type itemPage [itemPageSize]item

const (
	itemPageBits = 10
	itemPageSize = 1 << itemPageBits // 48 KiB
	valuePage    = 64 << 10
)

// item is one content of a group. Without pointers: the garbage collector has nothing to look for in a page.
type item struct {
	ticket  uint64 // of the write
	key     name.Key
	ext     uint64
	at      place // of its value
	length  uint32
	pointer uint32 // number of its pointer in the group, from 1; 0: none
	part    uint16
	late    bool // its number may be on disk already (P-17)
}

// place is where a value lies: the number of its page 2, and where it begins there 2.
type place uint32

// itemBytes is about what an item takes beside its body, with what sorting takes.
const itemBytes = 48 + contentHeader + 2*16

// add copies a content into the group. Its dates are those that the clock would show had it never been set: steps is the sum of its
// steps until now.
func (g *group) add(p *part, w *store.Write, steps int64) {
	it := g.next()
	*it = item{ticket: p.ticket, key: w.Key, ext: w.Ext, part: p.index, late: w.Late}
	flags := flagIf(w.Producer, flagProducer) | flagIf(w.Published, flagPublished) | flagIf(w.Newest != w.Ext, flagNotNewest)
	if w.Newest != w.Ext && w.Newest != 0 {
		g.pointers = append(g.pointers, pointer{
			newest: w.Newest, wall: w.NewestAt - steps, mac: w.NewestMAC, producer: w.FromFirst, published: w.Published,
		})
		it.pointer = uint32(len(g.pointers))
		g.size += pointerSize
	}
	putContent(g.room(it, contentHeader+len(w.Body)), w.Wall-steps, flags, w.Body)
	g.size += itemBytes + len(w.Body)
}

// next makes room for an item.
func (g *group) next() *item {
	page, at := g.n>>itemPageBits, g.n%itemPageSize
	if page == len(g.items) {
		g.items = append(g.items, new(itemPage))
	}
	g.n++
	return &g.items[page][at]
}

// room makes room for the value of it. One that is larger than a page gets a page of its own.
func (g *group) room(it *item, size int) []byte {
	if g.filled < len(g.values) {
		if n := len(g.values[g.filled]); n+size > cap(g.values[g.filled]) || n >= valuePage { // a larger page may be used again
			g.filled++
		}
	}
	if g.filled == len(g.values) || cap(g.values[g.filled]) < size {
		g.values = append(g.values[:g.filled], make([]byte, 0, max(valuePage, size)))
	}
	page := &g.values[g.filled]
	start := len(*page)
	it.at, it.length = place(g.filled<<16|start), uint32(size)
	*page = (*page)[:start+size]
	return (*page)[start:]
}

func (g *group) item(i uint32) *item { return &g.items[i>>itemPageBits][i%itemPageSize] }

// value is what is written of it: its date is still to be moved to the clock of an hour.
func (g *group) value(it *item) []byte {
	return g.values[it.at>>16][it.at&0xFFFF:][:it.length]
}

func (g *group) body(it *item) []byte { return g.value(it)[contentHeader:] }

// reset empties the group. It keeps the memory that it took this time, and gives back what it took before.
func (g *group) reset() {
	pages := (g.n + itemPageSize - 1) >> itemPageBits
	clear(g.items[pages:])
	g.items = g.items[:pages]
	values := min(g.filled+1, len(g.values))
	clear(g.values[values:])
	g.values = g.values[:values]
	for i := range g.values {
		g.values[i] = g.values[i][:0]
	}
	g.n, g.filled, g.size, g.pointers, g.clear = 0, 0, 0, g.pointers[:0], nil
}

// ref is an item of a group, to be sorted by its name.
type ref struct {
	key uint64
	i   uint32
	at  place
}

// sortByName sorts refs by their names and leaves those of a name in their order: by the least digits first. What it gives is refs or
// spare, which is as long. A comparing sort takes four times as long for a table's.
func sortByName(refs, spare []ref) []ref {
	const (
		bits = 12
		mask = 1<<bits - 1
	)
	var differ uint64
	for i := range refs {
		differ |= refs[i].key ^ refs[0].key
	}
	var place [1 << bits]uint32
	for shift := 0; differ>>shift != 0; shift += bits {
		if differ>>shift&mask == 0 {
			continue
		}
		clear(place[:])
		for i := range refs {
			place[refs[i].key>>shift&mask]++
		}
		sum := uint32(0)
		for d := range place {
			place[d], sum = sum, sum+place[d]
		}
		for i := range refs {
			p := &place[refs[i].key>>shift&mask]
			spare[*p] = refs[i]
			*p++
		}
		refs, spare = spare, refs
	}
	return refs
}

// ahead is how many items are fetched into the cache before they are used: in the order of names they lie anywhere.
const ahead = 12

// aheadOf fetches what comes after refs[i].
func (g *group) aheadOf(refs []ref, i int) {
	if i += ahead; i < len(refs) {
		r := &refs[i]
		prefetch.Line(unsafe.Pointer(g.item(r.i)))
		v := g.values[r.at>>16][r.at&0xFFFF:]
		prefetch.Line(unsafe.Pointer(unsafe.SliceData(v)))
		for line := cacheLine; line <= 2*cacheLine && line < len(v); line += cacheLine {
			prefetch.Line(unsafe.Pointer(&v[line]))
		}
	}
}

const cacheLine = 64

// nameEnds gives where the items of the name of refs[from] end.
func nameEnds(refs []ref, from int) (to int) {
	for to = from + 1; to < len(refs) && refs[to].key == refs[from].key; to++ {
	}
	return to
}

// sortByNumber sorts the items of one name by their numbers. Most are in order.
func (g *group) sortByNumber(of []ref) {
	byNumber := func(a, b ref) int {
		x, y := g.item(a.i).ext, g.item(b.i).ext
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	}
	if !slices.IsSortedFunc(of, byNumber) {
		slices.SortStableFunc(of, byNumber)
	}
}

// each calls use for each key and value that is written of the items, which are sorted: the contents of a name, and behind them the
// pointer that was the last to come. Their dates are moved by off, once.
func (g *group) each(refs []ref, off int64, use func(key, value []byte) error) error {
	var key [contentKeySize]byte
	var value [pointerSize]byte
	for from, to := 0, 0; from < len(refs); from = to {
		to = nameEnds(refs, from)
		last := uint32(0)
		for i := from; i < to; i++ {
			g.aheadOf(refs, i)
			it := g.item(refs[i].i)
			v := g.value(it)
			binary.BigEndian.PutUint64(v, binary.BigEndian.Uint64(v)+uint64(off))
			putContentKey(key[:], it.key, it.ext)
			if err := use(key[:], v); err != nil {
				return err
			}
			last = max(last, it.pointer)
		}
		if last == 0 {
			continue
		}
		p := g.pointers[last-1]
		p.wall += off
		p.put(value[:])
		putPointerKey(key[:], name.Key(refs[from].key))
		if err := use(key[:pointerKeySize], value[:]); err != nil {
			return err
		}
	}
	return nil
}

// twin gives the last of refs if it has the name and number of it.
func (g *group) twin(refs []ref, it *item) *item {
	if len(refs) == 0 {
		return nil
	}
	if last := g.item(refs[len(refs)-1].i); last.ext == it.ext && last.key == it.key {
		return last
	}
	return nil
}

// same tells whether two contents have the same bytes.
func (g *group) same(a, b *item) bool { return bytes.Equal(g.body(a), g.body(b)) }

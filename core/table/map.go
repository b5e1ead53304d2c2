package table

import "iter"

// Map is a hash table with open addressing: linear probing, deletion by shifting back (so no tombstones collect under
// steady coming and going), a power of two of slots, at most 3/4 of them used. It grows by doubling and never shrinks.
//
// Go's own map hashes with a seed of its own (no two runs iterate alike) and cannot take the hash that the worker has
// computed; here the order of iteration depends on the hash function and the calls alone. A Map is not bounded by itself:
// its owner is.
type Map[K comparable, V any] struct {
	hash  func(K) uint64
	slots []slot[K, V]
	mask  uint32
	used  int
}

// slot keeps 31 bits of the hash beside the entry: shifting back needs every neighbour's home, and most unequal keys differ
// there already. mark 0 is an empty slot.
type slot[K comparable, V any] struct {
	key  K
	val  V
	mark uint32
}

const (
	minSlots = 8
	taken    = 1 << 31 // set in the mark of every used slot
)

// NewMap makes an empty Map. It takes no memory for slots until the first Put.
func NewMap[K comparable, V any](hash func(K) uint64) *Map[K, V] { return &Map[K, V]{hash: hash} }

// Len is the number of entries.
func (m *Map[K, V]) Len() int { return m.used }

// Get gives the value of k.
func (m *Map[K, V]) Get(k K) (v V, ok bool) {
	if p := m.Ptr(k); p != nil {
		return *p, true
	}
	return v, false
}

// Ptr gives a pointer to the value of k, or nil. It is valid until the next Put or Delete.
func (m *Map[K, V]) Ptr(k K) *V {
	if m.used == 0 {
		return nil
	}
	return m.at(k, m.mark(k))
}

// at is Ptr for who knows the mark of k.
func (m *Map[K, V]) at(k K, mark uint32) *V {
	if m.used == 0 {
		return nil
	}
	if i, ok := m.find(k, mark); ok {
		return &m.slots[i].val
	}
	return nil
}

// Put sets the value of k.
func (m *Map[K, V]) Put(k K, v V) { m.put(k, m.mark(k), v) }

// put is Put for who knows the mark of k.
func (m *Map[K, V]) put(k K, mark uint32, v V) {
	if m.used >= len(m.slots)/4*3 && m.at(k, mark) == nil {
		m.grow()
	}
	i, ok := m.find(k, mark)
	s := &m.slots[i]
	if !ok {
		s.key, s.mark = k, mark
		m.used++
	}
	s.val = v
}

// Delete removes k and tells whether it was there.
func (m *Map[K, V]) Delete(k K) bool { return m.used != 0 && m.remove(k, m.mark(k)) }

// remove is Delete for who knows the mark of k. There must be slots.
func (m *Map[K, V]) remove(k K, mark uint32) bool {
	i, ok := m.find(k, mark)
	if ok {
		m.empty(i)
	}
	return ok
}

// empty takes out what stands in slot i.
func (m *Map[K, V]) empty(i uint32) {
	m.used--
	m.slots[m.shiftBack(i)] = slot[K, V]{} // zeroed, so that the collector sees no old pointer
}

// All iterates over the entries in the order of their slots. The Map must not be changed meanwhile.
func (m *Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for i := range m.slots {
			if s := &m.slots[i]; s.mark != 0 && !yield(s.key, s.val) {
				return
			}
		}
	}
}

func (m *Map[K, V]) mark(k K) uint32 { return uint32(m.hash(k)) | taken }

// find gives the slot of k, or else the empty slot where it belongs. There must be slots.
func (m *Map[K, V]) find(k K, mark uint32) (i uint32, ok bool) {
	for i = mark & m.mask; ; i = (i + 1) & m.mask {
		s := &m.slots[i]
		if s.mark == mark && s.key == k {
			return i, true
		}
		if s.mark == 0 {
			return i, false
		}
	}
}

// shiftBack fills slot i with the next entry of its run that may stand there, and so on; it gives the slot that is
// free at the end (Knuth, volume 3, 6.4, algorithm R).
func (m *Map[K, V]) shiftBack(i uint32) uint32 {
	for j := (i + 1) & m.mask; m.slots[j].mark != 0; j = (j + 1) & m.mask {
		home := m.slots[j].mark & m.mask
		if (j-home)&m.mask >= (j-i)&m.mask { // its home is not behind the gap
			m.slots[i] = m.slots[j]
			i = j
		}
	}
	return i
}

func (m *Map[K, V]) grow() {
	old := m.slots
	m.slots = make([]slot[K, V], max(minSlots, 2*len(old)))
	m.mask = uint32(len(m.slots) - 1)
	for i := range old {
		if old[i].mark == 0 {
			continue
		}
		j, _ := m.find(old[i].key, old[i].mark)
		m.slots[j] = old[i]
	}
}

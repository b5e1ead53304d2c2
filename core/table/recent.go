package table

import "time"

// recent remembers hashes for a while, each with when it was put and a number. It is a ring of what was put, oldest
// first, and a Map from a hash to its latest place in the ring. When the ring is full, the oldest is overwritten, so it
// serves only what saves work. A hash of 64 seeded bits stands for the key: that two keys fall together has a chance of
// 1 in 2^64 for each pair, and nobody without the seed can bring it about.
type recent struct {
	keep  time.Duration // older ones are as good as gone
	limit uint32        // places, a power of two
	ring  []memory
	first uint32 // places are counted on for ever: place p is ring[p%len(ring)], which is right across 2^32 too
	used  uint32
	index *Map[uint64, uint32]
}

type memory struct {
	hash  uint64
	value uint64
	at    time.Duration
}

// newRecent makes a recent of at most limit entries, rounded up to a power of two.
func newRecent(limit int, keep time.Duration) *recent {
	r := &recent{keep: keep, limit: minSlots}
	for int(r.limit) < limit {
		r.limit *= 2
	}
	r.index = NewMap[uint64, uint32](func(h uint64) uint64 { return h })
	return r
}

// get finds what was last put for hash within keep, or nil. It is valid until the next put.
func (r *recent) get(now time.Duration, hash uint64) *memory {
	place, ok := r.index.Get(hash)
	if !ok {
		return nil
	}
	if m := r.at(place); now-m.at <= r.keep {
		return m
	}
	return nil
}

func (r *recent) put(now time.Duration, hash, value uint64) {
	for range 2 { // two go for one that comes, so the ring shrinks to what is in time
		if r.used > 0 && now-r.at(r.first).at > r.keep {
			r.forget()
		}
	}
	if int(r.used) == len(r.ring) {
		r.makeRoom()
	}
	place := r.first + r.used
	r.used++
	*r.at(place) = memory{hash, value, now}
	r.index.Put(hash, place)
}

func (r *recent) at(place uint32) *memory { return &r.ring[place&uint32(len(r.ring)-1)] }

// forget gives up the oldest place. Its hash may have been put again since: then the index names the later place.
func (r *recent) forget() {
	hash := r.at(r.first).hash
	if i, ok := r.index.find(hash, r.index.mark(hash)); ok && r.index.slots[i].val == r.first {
		r.index.empty(i)
	}
	r.first++
	r.used--
}

func (r *recent) makeRoom() {
	if uint32(len(r.ring)) >= r.limit {
		r.forget()
		return
	}
	old := r.ring
	r.ring = make([]memory, max(minSlots, 2*len(old)))
	for i := range uint32(len(old)) {
		place := r.first + i
		*r.at(place) = old[place&uint32(len(old)-1)]
	}
}

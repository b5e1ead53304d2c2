package table

import (
	"time"
	"unsafe"

	"github.com/zmesh/zmesh/core/prefetch"
)

// recent remembers hashes for a while, each with a value. It serves only what saves work: a hash has its place in one set of a few, which lie side by
// side, and when all of a set are in use the one that ends first is overwritten. So a question costs one look into memory that is in no cache,
// and so does what is put. Sets double while one overflows, until there are places for twice the limit: then few of the latest limit have
// been overwritten. A hash of 64 seeded bits stands for the key: that two keys fall together has a chance of 1 in 2^64 for each pair, and
// nobody without the seed can bring it about.
type recent[V any] struct {
	keep time.Duration // older ones are as good as gone
	most int           // sets, a power of two
	sets []memorySet[V]
	last time.Duration // until when anything is kept
}

const memoryWays = 4

type memorySet[V any] [memoryWays]memory[V]

type memory[V any] struct {
	value V
	hash  uint64
	until time.Duration // it is in time before this; 0: the place is free
}

const leastSets = 4

// newRecent makes a recent that has room for twice limit entries, rounded up to a power of two.
func newRecent[V any](limit int, keep time.Duration) *recent[V] {
	r := &recent[V]{keep: keep, most: leastSets}
	for r.most*memoryWays < 2*limit {
		r.most *= 2
	}
	return r
}

func (r *recent[V]) set(hash uint64) *memorySet[V] { return &r.sets[hash&uint64(len(r.sets)-1)] }

// ahead says that hash will be asked for soon.
func (r *recent[V]) ahead(hash uint64) {
	if len(r.sets) > 0 {
		prefetch.Line(unsafe.Pointer(r.set(hash)))
	}
}

// get finds what was last put for hash within keep, or nil. It is valid until the next put.
func (r *recent[V]) get(now time.Duration, hash uint64) *memory[V] {
	if r.empty(now) {
		return nil
	}
	s := r.set(hash)
	for i := range s {
		if m := &s[i]; m.hash == hash && now < m.until {
			return m
		}
	}
	return nil
}

func (r *recent[V]) put(now time.Duration, hash uint64, value V) {
	if r.sets == nil {
		r.sets = make([]memorySet[V], leastSets)
	}
	m := r.place(hash)
	for now < m.until && m.hash != hash && len(r.sets) < r.most {
		r.grow(now)
		m = r.place(hash)
	}
	r.last = now + r.keep + 1
	m.value, m.hash, m.until = value, hash, r.last
}

// place gives the place of hash: its own, or else the one of its set that is free or ends first.
func (r *recent[V]) place(hash uint64) *memory[V] {
	s := r.set(hash)
	first := &s[0]
	for i := range s {
		m := &s[i]
		if m.hash == hash && m.until != 0 {
			return m
		}
		if m.until < first.until {
			first = m
		}
	}
	return first
}

// at is when m was put.
func (r *recent[V]) at(m *memory[V]) time.Duration { return m.until - r.keep - 1 }

// empty tells whether nothing is in time.
func (r *recent[V]) empty(now time.Duration) bool { return now >= r.last }

func (r *recent[V]) grow(now time.Duration) {
	old := r.sets
	r.sets = make([]memorySet[V], 2*len(old))
	for i := range old {
		for _, m := range old[i] {
			if now < m.until {
				*r.place(m.hash) = m
			}
		}
	}
}

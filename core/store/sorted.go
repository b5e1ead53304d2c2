package store

import (
	"math/bits"
	"slices"

	"github.com/zmesh/zmesh/core/name"
)

// sorted is the set of names in order: a sorted main slice and a small tail of newcomers, merged when the tail is full.
// The tail grows with the main slice, so that each newcomer costs a constant number of moves: a flood of new names stays
// cheap. Names that were let go of stay until the next merge; whoever reads asks the index whether a name is still there.
type sorted struct {
	main, tail  []name.Key
	gone        []name.Key // let go of since the last merge; some may be back
	spare       []name.Key // the main slice before the last merge
	tailInOrder bool
}

const (
	minTail = 256
	maxTail = 8192 // a merge of a million names takes about 2 ms
)

// add takes k, which the index did not have. It may still stand here from an earlier life; the merge leaves one of the two.
func (s *sorted) add(k name.Key, alive func(name.Key) bool) {
	if len(s.tail) >= min(max(len(s.main)/16, minTail), maxTail) {
		s.merge(alive)
	}
	s.tail = append(s.tail, k)
	s.tailInOrder = false
}

// remove takes note that the index let go of k.
func (s *sorted) remove(k name.Key) { s.gone = append(s.gone, k) }

func (s *sorted) order() {
	if !s.tailInOrder {
		slices.Sort(s.tail)
		s.tail = slices.Compact(s.tail)
		s.tailInOrder = true
	}
}

// merge makes one slice of main and tail. Only what was let go of is looked up: a look-up of each name would take far
// longer than the merge.
func (s *sorted) merge(alive func(name.Key) bool) {
	s.order()
	slices.Sort(s.gone)
	gone := s.gone
	out := slices.Grow(s.spare[:0], len(s.main)+len(s.tail))
	i, j := 0, 0
	for i < len(s.main) || j < len(s.tail) {
		k := s.next(&i, &j)
		for len(gone) > 0 && gone[0] < k {
			gone = gone[1:]
		}
		if len(gone) == 0 || gone[0] != k || alive(k) {
			out = append(out, k)
		}
	}
	s.spare, s.main, s.tail, s.gone = s.main, out, s.tail[:0], s.gone[:0]
}

// next gives the lowest of main[i:] and tail[j:], one of which is not empty, and steps over it in both.
func (s *sorted) next(i, j *int) name.Key {
	var k name.Key
	switch {
	case *j >= len(s.tail):
		k = s.main[*i]
	case *i >= len(s.main):
		k = s.tail[*j]
	default:
		k = min(s.main[*i], s.tail[*j])
	}
	if *i < len(s.main) && s.main[*i] == k {
		*i++
	}
	if *j < len(s.tail) && s.tail[*j] == k {
		*j++
	}
	return k
}

// Pattern is a wildcard name (P-5): the bytes of Name, of which those in Wild match any byte but zero. The network is
// never wild. A host makes it from its own wildcard byte (limits.wildcard).
type Pattern struct {
	Name name.Key
	Wild uint8 // bit i: byte i of the Content Name is a wildcard
}

// compiled is a Pattern as masks over the key.
type compiled struct {
	fixed, want uint64 // k&fixed == want
	low, high   uint64 // what a match lies between, by the bytes in front of the first wildcard
	wild        uint64 // 0xFF at each wild byte
}

func (p Pattern) compile() compiled {
	c := compiled{fixed: ^uint64(0)}
	for i := range name.Size {
		if p.Wild&(1<<i) != 0 {
			c.wild |= 0xFF << (8 * (name.Size - 1 - i))
		}
	}
	c.fixed &^= c.wild
	c.want = uint64(p.Name) & c.fixed
	below := uint64(1)<<bits.Len64(c.wild) - 1
	c.low = c.want &^ below
	c.high = c.low | below
	return c
}

func (c *compiled) matches(k name.Key) bool {
	if uint64(k)&c.fixed != c.want {
		return false
	}
	// A byte of ones stands where k has a byte that is not zero.
	const ones, tops = 0x7F7F7F7F7F7F7F7F, 0x8080808080808080
	nonzero := (uint64(k)&ones + ones | uint64(k)) & tops
	return c.wild&tops&^nonzero == 0
}

// matchVisits bounds the names that one call looks at for each that it may give: a pattern that matches little must not
// hold the worker up.
const matchVisits = 64

// Match calls yield for the names with stored content that p matches, in order, beginning behind after (0: from the
// beginning), until max were given, yield says false or as many were looked at as one call may. more tells that the search
// has not come to its end: call again with next as after. That is how answers to a wildcard are paced (P-5). Without
// Config.Sorted there are none.
func (s *Shard) Match(p Pattern, after name.Key, max int, yield func(name.Key) bool) (next name.Key, more bool) {
	c := p.compile()
	s.names.order()
	start := name.Key(c.low)
	if after >= start {
		start = after + 1
	}
	i, _ := slices.BinarySearch(s.names.main, start)
	j, _ := slices.BinarySearch(s.names.tail, start)
	given := 0
	for visits := 0; i < len(s.names.main) || j < len(s.names.tail); visits++ {
		if visits >= matchVisits*max || given >= max {
			return after, true
		}
		k := s.names.next(&i, &j)
		if uint64(k) > c.high {
			return after, false
		}
		after = k
		if !c.matches(k) || !s.answers(k) {
			continue
		}
		given++
		if !yield(k) {
			return after, true
		}
	}
	return after, false
}

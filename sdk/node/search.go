package node

import (
	"time"

	"github.com/zmesh/zmesh/core/wire"
)

// search finds where to go on when more than longGap numbers are missing: at the oldest that there is (P-12). Contents
// leave stores by age, so it halves. A producer's numbers have holes, 64 wide after a crash (P-1), so it looks at several
// numbers behind each point, further and further apart, and takes the point for gone only if all of them are. What it
// settles on may have holes still; those are fetched one by one.
type search struct {
	from    uint32 // the number of offset 0
	end     uint32 // offset of a number that exists
	lo, hi  uint32 // the offset looked for is in lo … hi
	at      uint32 // offset looked at now; the first is 0, so that nothing is lost by a subscriber who is slow
	answers map[uint32]bool
}

// probes are the distances behind a point.
var probes = [...]uint32{0, 1, 2, 4, 8, 16, 32, 64, 128}

func newSearch(from, end uint32) *search {
	return &search{from: from, end: end, hi: end, answers: map[uint32]bool{}}
}

func (s *search) found(seq uint32)   { s.answers[seq] = true }
func (s *search) missing(seq uint32) { s.answers[seq] = false }

// step goes on as far as the answers allow, and what the stream has without asking. It gives the numbers to ask for, or done.
func (s *search) step(has func(uint32) bool) (open []uint32, done bool) {
	for s.lo < s.hi {
		here, open := s.look(has)
		switch {
		case here:
			s.hi = s.at
		case len(open) > 0:
			return open, false
		default:
			s.lo = s.at + 1
		}
		s.at = s.lo + (s.hi-s.lo)/2
		clear(s.answers)
	}
	return nil, true
}

// look tells whether something is known to be behind the point, and what is not known.
func (s *search) look(has func(uint32) bool) (here bool, open []uint32) {
	for _, d := range probes {
		if s.at+d >= s.end {
			return true, nil
		}
		seq := advance(s.from, s.at+d)
		switch there, known := s.answers[seq]; {
		case there || has(seq):
			return true, nil
		case !known:
			open = append(open, seq)
		}
	}
	return false, open
}

// oldest is where to go on, once the search is done.
func (s *search) oldest() uint32 { return advance(s.from, s.lo) }

// tooLong tells whether so much is missing that it is looked for the oldest first. What a search has left over is there, or was a
// moment ago: it is fetched without another one.
func (q *sequence) tooLong() bool {
	if q.patient != 0 && wire.Newer(q.want, q.patient) {
		q.patient = 0
	}
	return q.patient == 0 && distance(q.want, q.high) > longGap
}

// has tells whether a number is here or was given.
func (q *sequence) has(seq uint32) bool {
	_, here := q.here[seq]
	return here || wire.Newer(q.want, seq)
}

// seek goes on with the search and, when it is done, with what it found.
func (q *sequence) seek(now time.Time, from int64, heard uint64) (asks []uint32, wait time.Duration) {
	open, done := q.search.step(q.has)
	if !done {
		return q.fetch(now, from, heard, open)
	}
	oldest := q.search.oldest()
	for seq := range q.here {
		if wire.Newer(oldest, seq) {
			oldest = seq
		}
	}
	q.search, q.patient = nil, q.high
	clear(q.tries)
	if wire.Newer(oldest, q.want) {
		clear(q.gone)
		q.skip(back(oldest, 1))
	}
	return q.fetch(now, from, heard, q.missing())
}

// next is the number after seq; 1 follows the last (P-1).
func next(seq uint32) uint32 { return advance(seq, 1) }

// advance is the number d after seq.
func advance(seq, d uint32) uint32 { return (seq-wire.SeqFirst+d)%wire.SeqLast + wire.SeqFirst }

// back is the number d before seq, d less than all there are.
func back(seq, d uint32) uint32 { return advance(seq, wire.SeqLast-d) }

// distance is how many steps it is from a on to b.
func distance(a, b uint32) uint32 {
	if b >= a {
		return b - a
	}
	return b + wire.SeqLast - a
}

// remembered is how many contents that were given are told from those of a new epoch by their bytes (P-1).
const remembered = 256

// memory holds the numbers and MACs of the last contents that were given.
type memory struct {
	list []given
	at   int
}

type given struct {
	seq uint32
	mac [wire.MACSize]byte
}

func (m *memory) add(c Content) {
	if len(m.list) < remembered {
		m.list = append(m.list, given{c.Seq, c.mac})
		return
	}
	m.list[m.at] = given{c.Seq, c.mac}
	m.at = (m.at + 1) % remembered
}

// has tells whether a content's number was given, and whether with the same bytes.
func (m *memory) has(c Content) (known, same bool) {
	for _, g := range m.list {
		known = known || g.seq == c.Seq
		if g.seq == c.Seq && g.mac == c.mac {
			return true, true
		}
	}
	return known, false
}

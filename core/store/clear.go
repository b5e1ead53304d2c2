package store

import "github.com/zmesh/zmesh/core/name"

// Clear forgets the names from low to high, with all that is in memory of them and their place in the order, and tells how many there
// were. The Backend's part is the host's to clear, before anything else is put. It goes through the whole memory: some milliseconds.
func (s *Shard) Clear(low, high name.Key) (names int) {
	in := func(e *entry) bool { return e.key >= low && e.key <= high }
	s.handed.clear(low, high)
	for number := s.log.first; number <= s.log.head; number++ {
		seg := s.log.segment(number)
		for off := 0; off < seg.used; {
			r := s.log.at(pos(number<<s.log.bits | uint64(off)))
			off += r.size()
			if id := r.entry(); id != orphan && in(s.entry(id)) {
				s.index.del(indexKey(id, r.seq()))
				s.entry(id).live--
				r.disown()
			}
		}
	}
	for id := uint32(1); id < s.entries; id++ {
		e := s.entry(id)
		if known, ok := s.ids.get(uint64(e.key) | keyMark); !ok || uint32(known) != id || !in(e) {
			continue
		}
		names++
		s.dropRun(e)
		if e.pins == 0 {
			s.rest(id, e)
			s.forget(id, e)
			continue
		}
		s.wake(id, e)
		*e = entry{key: e.key, rule: e.rule, pins: e.pins, face: e.face}
		s.rest(id, e)
	}
	return names
}

// Records calls yield for what lies in a few segments of the memory, of names of class memory alone: what the Backend does not have.
// from is 0 at first and then next, until next is 0.
func (s *Shard) Records(from uint64, yield func(k name.Key, ext uint64, arrived int64, bytes int)) (next uint64) {
	from = max(from, s.log.first)
	for end := from + sinceSegments; from <= s.log.head; from++ {
		if from == end {
			return from
		}
		for off, seg := 0, s.log.segment(from); off < seg.used; {
			r := s.log.at(pos(from<<s.log.bits | uint64(off)))
			off += r.size()
			if r.entry() == orphan {
				continue
			}
			e := s.entry(r.entry())
			if s.rules[e.rule].Class == Memory && !s.expired(e, r) {
				yield(e.key, r.ext(), s.wall-(s.now-r.arrived()).Milliseconds(), r.length())
			}
		}
	}
	return 0
}

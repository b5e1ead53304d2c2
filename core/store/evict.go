package store

import "time"

// What leaves the memory, and when. The log is first in, first out, a segment at a time, with one exception: the newest
// content of a name moves to the head instead, as long as that keeps no more than half of what the segment held, or what segments before
// it have left of their half. So one busy name does not push out the last value of a thousand quiet ones, nor where they were published
// side by side, and yet to make room for a content takes a bounded time.

// maxSaved is how many full segments may be kept whole one after the other, from what those before them have left: each takes some 50 µs.
const maxSaved = 16

// saveable is the most bytes that [Shard.saved] may be.
func (l *recordLog) saveable() int { return max(1, min(maxSaved, l.limit/4)) << l.bits / 2 }

// reserve makes room for a record of size bytes.
func (s *Shard) reserve(size int) {
	for !s.log.room(size) || s.records >= s.cfg.MaxEntries {
		s.log.next()
		if s.log.segments() > s.log.limit || s.records >= s.cfg.MaxEntries {
			s.evictFirst(EvictedSpace) // what it moves finds room in the new segment, and may leave none there
		}
	}
}

// Advance hands in the time and gives back the memory of what is past its retention: one segment a call, nothing when none
// is due. Call it before each burst: the questions are answered by the time that was handed in last.
func (s *Shard) Advance(now time.Duration, wall int64) {
	s.tick(now, wall)
	if !s.due() {
		return
	}
	if s.log.first == s.log.head {
		s.log.next()
	}
	s.evictFirst(EvictedAge)
}

// due tells whether the oldest segment with contents that age holds only such as are past every retention. Segments in
// front of it that hold only what keep_newest keeps go with it: they move on.
func (s *Shard) due() bool {
	const looks = 8
	for i := uint64(0); i < looks && s.log.first+i <= s.log.head; i++ {
		if last := s.log.segment(s.log.first + i).last; last != 0 {
			return s.now-last > s.longest
		}
	}
	return false
}

// evictFirst empties the oldest segment, which is not the open one.
func (s *Shard) evictFirst(cause Eviction) {
	seg := s.log.segment(s.log.first)
	moved, most := 0, seg.used/2+s.saved
	for off := 0; off < seg.used; {
		at := pos(s.log.first<<s.log.bits | uint64(off))
		r := s.log.at(at)
		size := r.size()
		off += size
		if s.worthMoving(r, at) && (cause == EvictedAge || moved+size <= most) {
			s.move(r, at)
			moved += size
			continue
		}
		s.drop(r, at, cause)
	}
	if cause == EvictedSpace {
		s.saved = min(most-moved, s.log.saveable())
	}
	s.log.dropFirst()
}

// worthMoving tells whether r is the newest of its name and within its retention, or kept by a rule.
func (s *Shard) worthMoving(r record, at pos) bool {
	e := s.entry(r.entry())
	return r.entry() != orphan && e.newestAt == at && !s.aged(e)
}

// move copies r to the head of the log. On age there may be no room there: another segment is opened, and the one that is
// about to be dropped makes up for it.
func (s *Shard) move(r record, at pos) {
	size := r.size()
	if !s.log.room(size) {
		s.log.next()
	}
	e := s.entry(r.entry())
	to := s.log.end()
	copy(s.log.add(r.body()), r[:recordHeader])
	head := s.log.open
	if !s.rules[e.rule].KeepNewest {
		head.last = max(head.last, r.arrived())
	}
	e.newestAt = to
	key := indexKey(r.entry(), r.seq())
	if v, _ := s.index.get(key); pos(v) == at {
		s.index.put(key, uint64(to))
	}
}

// drop lets go of r. That the index still points to it does no harm: it is known for gone by its place (recordLog.holds), and to look for it
// there would cost more than all the rest.
func (s *Shard) drop(r record, at pos, cause Eviction) {
	id := r.entry()
	if id == orphan {
		s.records--
		return
	}
	e := s.entry(id)
	s.stats.Evicted[s.causeOf(e, r, cause)]++
	s.records--
	e.live--
	if e.newestAt == at {
		e.newestAt = 0
	}
	if r.ext() == e.lowest && !s.onDisk(e) {
		e.lowest = followingExt(e.lowest)
	}
	s.rest(id, e)
}

func (s *Shard) causeOf(e *entry, r record, cause Eviction) Eviction {
	if s.now-r.arrived() > s.rules[e.rule].Retention {
		return EvictedAge
	}
	return cause
}

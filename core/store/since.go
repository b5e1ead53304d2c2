package store

import (
	"time"

	"github.com/zmesh/zmesh/core/name"
)

// sinceSegments is how many segments of the log one call of Since looks at: about 50 µs of the worker's time.
const sinceSegments = 8

// Since looks for the lowest content of k in memory that arrived at or after wall (Unix ms), or less than a millisecond before, in a few segments of the log at
// a time: from is 0 at first and then next, until next is 0. ext is the lowest of those that this call has seen, 0 if there is none.
func (s *Shard) Since(k name.Key, wall int64, from uint64) (ext, next uint64) {
	id, e := s.lookup(k)
	if e == nil || e.live == 0 {
		return 0, 0
	}
	since := s.arrivedAt(wall)
	from = max(from, s.log.first)
	for end := from + sinceSegments; from <= s.log.head; from++ {
		if from == end {
			return ext, from
		}
		for off, seg := 0, s.log.segment(from); off < seg.used; {
			r := s.log.at(pos(from<<s.log.bits | uint64(off)))
			off += r.size()
			if r.entry() == id && r.arrived() >= since && !s.expired(e, r) && (ext == 0 || r.ext() < ext) {
				ext = r.ext()
			}
		}
	}
	return ext, 0
}

// arrivedAt gives the monotonic time of a wall time, which may lie ahead, and up to a millisecond less: s.wall was cut to the millisecond, and to give
// one content too many is better than to leave one out.
func (s *Shard) arrivedAt(wall int64) time.Duration {
	const most = int64(200 * 365 * 24 * time.Hour / time.Millisecond) // what a Duration holds, and more than any retention
	return s.now - time.Duration(min(max(s.wall-wall, -most), most)+1)*time.Millisecond
}

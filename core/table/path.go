package table

import (
	"time"

	"github.com/zmesh/zmesh/core/name"
)

// MaxPaths is how many next hops a route's measurements are kept of; a further one takes the place of the one that was not asked
// for longest.
const MaxPaths = 16

// Path is what was measured of a next hop under a route: from an Interest that left to the Content or Return that came back.
// The round-trip time is smoothed as in RFC 6298, 2, in µs; 0: nothing has come back yet. Loss is a moving average with the weight
// 1/8 of what was asked for and did not come, 65,535 being all.
type Path struct {
	Face     FaceID
	RTT, Var uint32
	Loss     uint16
	asked    time.Duration // the last Interest
	since    time.Duration // the first Interest since something came back; 0: nothing is missing
}

// Bounds of a timeout. An Interest for which nothing was measured waits as long as a first TCP segment (RFC 6298, 2.1); what comes from
// a store next door in less than a tick must not be called lost for that.
const (
	FirstTimeout = time.Second
	leastSpread  = 10 * time.Millisecond
)

// Timeout is RFC 6298's retransmission timeout: RTT + 4 Var, where the second part is at least 10 ms.
func (p *Path) Timeout() time.Duration {
	if p.RTT == 0 {
		return FirstTimeout
	}
	return time.Duration(p.RTT)*time.Microsecond + max(4*time.Duration(p.Var)*time.Microsecond, leastSpread)
}

// Silent is for how long nothing has come back although something was asked; 0: nothing is missing.
func (p *Path) Silent(now time.Duration) time.Duration {
	if p.since == 0 {
		return 0
	}
	return max(now-p.since, 1)
}

// Asked notes that an Interest left.
func (p *Path) Asked(now time.Duration) {
	p.asked = now
	if p.since == 0 {
		p.since = max(now, 1)
	}
}

// Heard notes that the next hop is alive, whatever it said.
func (p *Path) Heard() { p.since = 0 }

// Sample takes one round trip.
func (p *Path) Sample(rtt time.Duration) {
	r := uint32(min(max(rtt/time.Microsecond, 1), 1<<31))
	if p.RTT == 0 {
		p.RTT, p.Var = r, r/2
		return
	}
	off := max(p.RTT, r) - min(p.RTT, r)
	p.Var -= p.Var / 4
	p.Var += off / 4
	p.RTT -= p.RTT / 8
	p.RTT = max(p.RTT+r/8, 1)
}

// Came and Lost note what became of an Interest.
func (p *Path) Came() { p.Loss -= p.Loss / 8 }

// Lost notes one that was not answered.
func (p *Path) Lost() { p.Loss += (65535 - p.Loss) / 8 }

// Path gives what was measured of a next hop, or nil.
func (s *RouteState) Path(face FaceID) *Path {
	for i := range s.paths {
		if s.paths[i].Face == face {
			return &s.paths[i]
		}
	}
	return nil
}

// MakePath gives the same, and begins with it if there is none. It is valid until the next call.
func (s *RouteState) MakePath(face FaceID) *Path {
	if p := s.Path(face); p != nil {
		return p
	}
	if len(s.paths) < MaxPaths {
		s.paths = append(s.paths, Path{Face: face})
		return &s.paths[len(s.paths)-1]
	}
	oldest := &s.paths[0]
	for i := range s.paths {
		if s.paths[i].asked < oldest.asked {
			oldest = &s.paths[i]
		}
	}
	*oldest = Path{Face: face}
	return oldest
}

// lateKept is how long an answer that comes behind another one still counts.
const lateKept = 10 * time.Second

// Late remembers Interests that have ended while a face was still at work, so that what comes from there is known for an answer: to measure a way that
// is slower than another, and to tell an old number from one that is pushed (P-1). Full, it forgets old ones.
type Late struct {
	seed  Seed
	asked *recent[uint64]
}

// NewLate makes a table of limit Interests, rounded up to a power of two.
func NewLate(seed Seed, limit int) *Late { return &Late{seed, newRecent[uint64](limit, lateKept)} }

func (l *Late) hash(k name.Key, seq uint32, face FaceID) uint64 {
	return l.seed.Mix(l.seed.Key(k, 0), uint64(seq)<<32|uint64(face))
}

// Put notes that a face was asked at the time sent and has not answered yet.
func (l *Late) Put(now time.Duration, k PITKey, face FaceID, sent time.Duration) {
	l.asked.put(now, l.hash(k.Name, k.Seq, face), uint64(sent)+1)
}

// Take gives the time at which a face was asked for what it sends now, once. seq 0 is an Interest for the newest.
func (l *Late) Take(now time.Duration, k PITKey, face FaceID) (sent time.Duration, ok bool) {
	m := l.asked.get(now, l.hash(k.Name, k.Seq, face))
	if m == nil || m.value == 0 {
		return 0, false
	}
	sent, m.value = time.Duration(m.value-1), 0
	return sent, true
}

// Has tells whether a face was asked for what it sends now.
func (l *Late) Has(now time.Duration, k PITKey, face FaceID) bool {
	return l.asked.get(now, l.hash(k.Name, k.Seq, face)) != nil
}

// Empty tells whether nothing is remembered.
func (l *Late) Empty(now time.Duration) bool { return l.asked.empty(now) }

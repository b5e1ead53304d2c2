package table

import (
	"math"
	"slices"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/wire"
)

// sourceKey is what an origin announces: RFC 8966 calls it a source (3.2.5).
type sourceKey struct {
	route  fibKey
	origin uint32
}

// source is an announced route. The pair (seq, limit) is its feasibility distance, and only ever gets better: seq newer, or
// the same and limit lower.
type source struct {
	key      sourceKey
	seq      uint32        // newest FSEQ that this node announced, or saw withdrawn
	limit    uint16        // lowest cost that this node announced under seq
	told     uint16        // cost that it announced last; unreachable after a retraction
	known    bool          // seq counts: not so only before the first entry is taken up
	gone     bool          // seq was withdrawn, which is passed on once; its deadline has passed
	buried   bool          // without entries, and in the list of tombstones
	deadline time.Duration // of seq
	adoptAt  time.Duration // when a newer FSEQ that waits is taken up (RIBSettings.Settle); 0: none waits
	timer    TimerID
	grave    links
	entries  []entry // one for each face; those under a newer FSEQ than seq wait
}

type entry struct {
	heard    time.Duration
	deadline time.Duration
	face     FaceID
	seq      uint32
	cost     uint16 // as received
}

func (s *source) entry(face FaceID) *entry {
	for i := range s.entries {
		if s.entries[i].face == face {
			return &s.entries[i]
		}
	}
	return nil
}

// feasible is the condition of RFC 8966, 3.5.1, with the bounds of P-7 on the life of an FSEQ.
func (s *source) feasible(now time.Duration, seq uint32, cost uint16) bool {
	if !s.known || wire.Newer(seq, s.seq) {
		return true
	}
	return seq == s.seq && now < s.deadline && cost < s.limit
}

// usable tells whether an entry is a next hop: it has the FSEQ that this node has announced, and is nearer.
func (s *source) usable(e entry) bool { return s.known && e.seq == s.seq && e.cost < s.limit }

// first takes an Announcement of a route that is not known. A withdrawal leaves a tombstone, since what it withdraws may
// be late; it is not sent on, since nobody can have the route from here.
func (r *RIB) first(now time.Duration, face FaceID, k sourceKey, seq uint32, a wire.Announced) drop.Reason {
	cost, _ := r.faces.Get(face)
	if a.Lifetime == 0 {
		i := r.create(k)
		s := r.sources.At(i)
		s.seq, s.known, s.gone = seq, true, true
		r.bury(now, i)
		return drop.AnnouncementOld
	}
	if addCost(a.Cost, cost) == wire.CostUnreachable {
		return drop.AnnouncementOld
	}
	if !r.entries.Room(face) {
		return drop.AnnouncementQuota
	}
	return r.update(now, face, r.create(k), seq, a)
}

func (r *RIB) create(k sourceKey) int32 {
	i := r.sources.Alloc()
	s := r.sources.At(i)
	s.key, s.limit, s.told = k, wire.CostUnreachable, wire.CostUnreachable
	r.index.Put(k, i)
	d := r.dest(k.route)
	d.sources = append(d.sources, i)
	return i
}

// update takes an Announcement of a known route.
func (r *RIB) update(now time.Duration, face FaceID, i int32, seq uint32, a wire.Announced) drop.Reason {
	s := r.sources.At(i)
	e := s.entry(face)
	if s.known && wire.Newer(s.seq, seq) || e != nil && e.outdates(seq, a.Cost) {
		return drop.AnnouncementOld // late, or repeated: it says nothing about the present
	}
	cost, _ := r.faces.Get(face)
	if addCost(a.Cost, cost) == wire.CostUnreachable {
		return r.retracted(now, face, i)
	}
	if !s.feasible(now, seq, a.Cost) {
		return drop.AnnouncementOld
	}
	if e == nil {
		if !r.entries.Take(face) {
			return drop.AnnouncementQuota
		}
		s.entries = append(s.entries, entry{face: face})
		e = &s.entries[len(s.entries)-1]
	}
	e.heard, e.seq, e.cost = now, seq, a.Cost
	e.deadline = now + min(time.Duration(a.Lifetime)*time.Second, MaxLifetime)
	if s.known && seq == s.seq {
		e.deadline = min(e.deadline, s.deadline)
	}
	r.settle(now, i, face)
	return drop.None
}

// outdates tells whether an entry is newer than another update from its face. Under one FSEQ a node sends only costs that
// fall, so a higher one was sent before; unless the way was lost in between, which cost 65,535 says.
func (e *entry) outdates(seq uint32, cost uint16) bool {
	return wire.Newer(e.seq, seq) || e.seq == seq && cost >= e.cost && cost != wire.CostUnreachable
}

// retracted removes the entry of a face through which the route cannot be reached any longer.
func (r *RIB) retracted(now time.Duration, face FaceID, i int32) drop.Reason {
	if !r.removeEntry(r.sources.At(i), face) {
		return drop.AnnouncementOld
	}
	r.settle(now, i, face)
	return drop.None
}

// withdraw takes back all that was announced up to seq, and passes the word on.
func (r *RIB) withdraw(now time.Duration, face FaceID, i int32, seq uint32, a wire.Announced) drop.Reason {
	s := r.sources.At(i)
	if wire.Newer(s.seq, seq) || seq == s.seq && s.gone {
		return drop.AnnouncementOld
	}
	if s.buried {
		r.exhume(i) // to be buried anew: the time of the tombstone starts with the last withdrawal
	}
	s.seq, s.gone, s.deadline = seq, true, now
	s.limit, s.told = wire.CostUnreachable, wire.CostUnreachable
	r.pruneIf(s, func(e entry) bool { return !wire.Newer(e.seq, seq) }) // what is newer was announced after this
	r.settle(now, i, face)
	cost, _ := r.faces.Get(face)
	r.send(s, Send{FSEQ: seq, Cost: addCost(a.Cost, cost), Except: face})
	return drop.None
}

// settle draws the conclusions after the entries of a source, or their costs, have changed: it takes up a newer FSEQ,
// tells OnRoute, then the neighbours, and sets the timer. from is the face that caused it, or 0.
func (r *RIB) settle(now time.Duration, i int32, from FaceID) {
	s := r.sources.At(i)
	r.pruneIf(s, func(e entry) bool { return now >= e.deadline })
	r.adopt(now, s)
	best := r.best(s, s.seq)
	tell, except := s.tell(now, best, from)
	r.pruneIf(s, func(e entry) bool { return !s.usable(e) && !wire.Newer(e.seq, s.seq) })
	r.bury(now, i)
	r.arm(i)
	r.publish(s.key.route)
	if tell { // after our own next hops: an Interest may come back with the answer
		r.send(s, Send{FSEQ: s.seq, Cost: best.Cost, Lifetime: seconds(s.deadline - now), Except: except})
	}
}

// tell decides whether the neighbours must know of the best way: when it is cheaper than what they were told, or when
// the last is lost while its FSEQ lives. It changes the feasibility distance with it.
func (s *source) tell(now time.Duration, best Hop, from FaceID) (tell bool, except FaceID) {
	switch {
	case best.Cost < s.told:
		s.told, s.limit = best.Cost, min(s.limit, best.Cost)
		return true, best.Face
	case best.Cost == wire.CostUnreachable && s.told != wire.CostUnreachable:
		s.told = wire.CostUnreachable // limit stays: what we announced before is still abroad
		return now < s.deadline, from
	}
	return false, 0
}

// adopt takes up a newer FSEQ, if an entry has one and it need not wait for a cheaper copy. From here on this node has
// announced it: settle sends it in the same call.
func (r *RIB) adopt(now time.Duration, s *source) {
	seq, ahead := s.newest()
	if !ahead {
		s.adoptAt = 0
		return
	}
	if s.known && r.waits(now, s, r.best(s, seq).Cost) {
		return
	}
	s.seq, s.known, s.gone, s.adoptAt, s.deadline = seq, true, false, 0, 0
	s.limit, s.told = wire.CostUnreachable, wire.CostUnreachable
	for i := range s.entries {
		if e := &s.entries[i]; e.seq == seq {
			s.deadline = max(s.deadline, e.deadline)
		}
	}
}

// newest is the newest FSEQ of an entry, if this node has not announced it yet.
func (s *source) newest() (seq uint32, ahead bool) {
	seq = s.seq
	for i := range s.entries {
		if e := &s.entries[i]; !s.known && !ahead || wire.Newer(e.seq, seq) {
			seq, ahead = e.seq, true
		}
	}
	return seq, ahead
}

// waits tells whether a newer FSEQ at this cost waits for the present, cheaper next hop to bring it.
func (r *RIB) waits(now time.Duration, s *source, cost uint16) bool {
	if r.set.Settle < 0 || cost <= r.best(s, s.seq).Cost {
		return false
	}
	if s.adoptAt == 0 {
		s.adoptAt = now + r.set.Settle
	}
	return now < s.adoptAt
}

// best is the cheapest way under an FSEQ; its cost is unreachable if there is none.
func (r *RIB) best(s *source, seq uint32) Hop {
	best := Hop{Cost: wire.CostUnreachable}
	for i := range s.entries {
		e := &s.entries[i]
		if e.seq != seq || seq == s.seq && !s.usable(*e) {
			continue
		}
		if h := (Hop{e.face, r.costOf(e)}); h.Cost < wire.CostUnreachable && (best.Face == 0 || compareHops(h, best) < 0) {
			best = h
		}
	}
	return best
}

func (r *RIB) removeEntry(s *source, face FaceID) (was bool) {
	return r.pruneIf(s, func(e entry) bool { return e.face == face })
}

// pruneIf removes the entries for which gone is true and tells whether there were any.
func (r *RIB) pruneIf(s *source, gone func(entry) bool) (any bool) {
	n := len(s.entries)
	s.entries = slices.DeleteFunc(s.entries, func(e entry) bool {
		if !gone(e) {
			return false
		}
		r.entries.Give(e.face)
		return true
	})
	return len(s.entries) < n
}

// bury keeps the list of tombstones: sources without entries, each for MaxLifetime and at most set.Tombstones.
func (r *RIB) bury(now time.Duration, i int32) {
	s := r.sources.At(i)
	empty := len(s.entries) == 0
	if empty == s.buried {
		return
	}
	if !empty {
		r.exhume(i)
		return
	}
	s.buried = true
	r.wheel.Cancel(s.timer)
	s.timer = r.wheel.Add(now+MaxLifetime, timerSource, uint32(i))
	r.buried.push(i, r.grave)
	if r.graves++; r.graves > r.set.Tombstones {
		r.forget(r.buried.first)
	}
}

func (r *RIB) exhume(i int32) {
	r.sources.At(i).buried = false
	r.buried.remove(i, r.grave)
	r.graves--
}

func (r *RIB) grave(i int32) *links { return &r.sources.At(i).grave }

// forget removes a tombstone.
func (r *RIB) forget(i int32) {
	s := r.sources.At(i)
	r.wheel.Cancel(s.timer)
	r.exhume(i)
	r.index.Delete(s.key)
	route := s.key.route
	d := r.dest(route)
	d.sources = slices.DeleteFunc(d.sources, func(j int32) bool { return j == i })
	r.sources.Free(i)
	r.publish(route)
}

// arm sets the timer of a source with entries to what comes first: the end of one, or the end of waiting.
func (r *RIB) arm(i int32) {
	s := r.sources.At(i)
	if s.buried {
		return
	}
	at := time.Duration(math.MaxInt64)
	if s.adoptAt != 0 {
		at = s.adoptAt
	}
	for i := range s.entries {
		at = min(at, s.entries[i].deadline)
	}
	if s.timer != 0 {
		r.wheel.Move(s.timer, at)
	} else {
		s.timer = r.wheel.Add(at, timerSource, uint32(i))
	}
}

func (r *RIB) send(s *source, out Send) {
	out.Net, out.Prefix, out.Origin = s.key.route.net(), s.key.route.prefix(), s.key.origin
	r.set.OnSend(out)
}

// seconds rounds a lifetime up to what a frame says: a route that has not ended must not look withdrawn.
func seconds(d time.Duration) uint16 {
	return uint16(max(1, min(d+time.Second-1, MaxLifetime)/time.Second))
}

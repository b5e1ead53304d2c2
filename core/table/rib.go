package table

import (
	"slices"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// Numbers of P-7.
const (
	MaxLifetime          = 3600 * time.Second // of an Announcement; longer is cut
	DefaultAnnouncements = 1000               // entries from one face
	renewals             = 3                  // an origin renews at a third of the lifetime
)

// Numbers of P-7 that are ours alone.
const (
	DefaultSettle     = time.Second     // see RIBSettings.Settle
	DefaultTombstones = 1000            // see RIBSettings.Tombstones
	ownPause          = 5 * time.Second // between two jumps of our own FSEQ; two nodes with one id would race each other
)

// RIBSettings are what a [RIB] is made with. Node, FirstSeq, Seed and the two callbacks are required.
type RIBSettings struct {
	// Node is this node's id: the origin of its own Announcements.
	Node uint32

	// FirstSeq is the FSEQ from which this node numbers its Announcements at time 0: seconds of wall-clock time, modulo
	// 2^24, so that a node that was started anew is ahead of what it announced before.
	FirstSeq uint32

	Seed Seed

	// PerFace is how many announced entries one face may have (0: 1,000, P-7). All faces together may have eight times
	// as many (P-22). Full: the newcomer is refused.
	PerFace int

	// Tombstones is how many routes without a next hop are remembered with their FSEQ, so that an Announcement that is
	// late does not bring them back; each for MaxLifetime, after which nothing of them can be left in the network.
	// 0: 1,000. Full: the oldest is forgotten.
	Tombstones int

	// Settle is how long a newer FSEQ that came at a higher cost than the present one waits for the present next hop
	// to bring it too. Without it each renewal would first run over the quickest way and then over the cheapest, and
	// next hops, subscriptions behind them and Announcements would follow it twice. It delays nothing when a next hop is
	// lost. 0: 1 s; below 0: none.
	Settle time.Duration

	// OnRoute is handed the next hops of a prefix whenever they change, sorted by cost, then face; none when it has no
	// route any longer. The slice stays as it is.
	OnRoute func(net uint8, p name.Prefix, hops []Hop)

	// OnSend is handed each Announcement to send. Neither callback may call the RIB.
	OnSend func(Send)
}

// Send is an Announcement to be sent by this node, with TTL 7 and its own MAC (P-7). Only and Except are faces, 0 for
// none: on Only alone; or on every face between forwarders that is up, but Except.
type Send struct {
	Net      uint8
	Prefix   name.Prefix
	FSEQ     uint32
	Cost     uint16 // from this node; wire.CostUnreachable takes it back (see RIB)
	Lifetime uint16 // s; 0 withdraws
	Origin   uint32
	Except   FaceID
	Only     FaceID
}

// RIB is the routes of a node (P-7): those that the operator set, and those that were announced. There is one for the
// whole node, beside the workers; what it works out goes into their [FIB]s by OnRoute.
//
// # Feasibility
//
// Announced routes are kept by (network, prefix, origin), with an entry for each face that brought one. The rule that
// keeps them free of loops is RFC 8966, 3.5.1: a face is a next hop only if what it announced is newer than what this
// node last announced, or as new and cheaper than the cheapest that this node announced under that FSEQ. Then what the
// nodes of a path have announced grows strictly better from hop to hop, whatever was lost or late. A node that takes up
// a newer FSEQ announces it in the same moment, so after that its next hops all have that FSEQ. Each hop adds the
// cost of the face, at least 1, since the rule needs costs that rise.
//
// A route is sent on when its FSEQ is newer or its cost fell, not to the face that it came from. So under one FSEQ a face's
// costs only fall, and a higher one is a late copy, which is ignored. An entry that stops being feasible is removed. A
// cost of 65,535 is unreachable, and so is one that a hop would raise to it: then the face's entry is removed.
//
// # Retraction (ours; the page is silent)
//
// When a route loses its last next hop, because a face went down or became dearer or its route was lost, the node says so at
// once: the same FSEQ, cost 65,535, the lifetime that is left. To others it means "not through me", and only a node that
// loses its own last next hop by it passes it on. Otherwise Interests would run into the gap until the next renewal. When
// the FSEQ itself ends, everybody's route ends with it and nothing is sent.
//
// # Lifetime
//
// An FSEQ lives as long as its first copy said, at most an hour. Later copies and repeated ones do not extend it: the
// origin alone renews, with a new FSEQ, at a third of the lifetime. Lifetime 0 with a newer or the same FSEQ withdraws,
// and is sent on.
//
// A face counts as one neighbour. On a face with several (radio) the nearest stands for all, a retraction by one takes the
// route from all, and the others hear what is meant for it: freedom of loops is promised for faces with one neighbour.
type RIB struct {
	set     RIBSettings
	faces   *Map[FaceID, uint16] // that are up, with their cost
	dests   *Map[fibKey, *dest]
	index   *Map[sourceKey, int32]
	sources Slab[source]
	owns    *Map[fibKey, int32]
	own     Slab[own]
	entries *Quota
	buried  list // sources without entries, oldest first
	graves  int
	wheel   Wheel
	hops    []Hop   // scratch
	touched []int32 // scratch
}

// dest is a prefix and where its next hops come from.
type dest struct {
	static  []Hop
	sources []int32
	hops    []Hop // as OnRoute had them last
}

const (
	timerSource uint8 = iota
	timerOwn
)

// NewRIB makes an empty RIB. No face is up.
func NewRIB(set RIBSettings) *RIB {
	set.defaults()
	r := &RIB{set: set}
	route := func(k fibKey) uint64 { return set.Seed.Mix(uint64(k), 0) }
	r.faces = NewMap[FaceID, uint16](FaceID.hash)
	r.dests = NewMap[fibKey, *dest](route)
	r.owns = NewMap[fibKey, int32](route)
	r.index = NewMap[sourceKey, int32](func(k sourceKey) uint64 { return set.Seed.Mix(uint64(k.route), uint64(k.origin)) })
	r.entries = NewQuota(DefaultShare*set.PerFace, nil)
	return r
}

func (s *RIBSettings) defaults() {
	if s.PerFace == 0 {
		s.PerFace = DefaultAnnouncements
	}
	if s.Tombstones == 0 {
		s.Tombstones = DefaultTombstones
	}
	if s.Settle == 0 {
		s.Settle = DefaultSettle
	}
}

// AddStatic sets a route of the operator's; cost is that of the whole way. Where a prefix has static routes over faces that
// are up, announced ones are not used.
func (r *RIB) AddStatic(net uint8, p name.Prefix, face FaceID, cost uint16) {
	k := prefixKey(net, p)
	d := r.dest(k)
	d.static = append(slices.DeleteFunc(d.static, func(h Hop) bool { return h.Face == face }), Hop{face, cost})
	r.publish(k)
}

// RemoveStatic takes a static route away and tells whether it was there.
func (r *RIB) RemoveStatic(net uint8, p name.Prefix, face FaceID) bool {
	k := prefixKey(net, p)
	d, ok := r.dests.Get(k)
	if !ok {
		return false
	}
	n := len(d.static)
	d.static = slices.DeleteFunc(d.static, func(h Hop) bool { return h.Face == face })
	r.publish(k)
	return len(d.static) < n
}

// FaceUp says that a face is up and what a hop over it costs; 0 counts as 1. It is offered every route that this node has
// announced and did not learn there. It may be called again with another cost. A peer that was started anew has forgotten
// what it announced, on which freedom of loops rests: then FaceDown comes first.
func (r *RIB) FaceUp(now time.Duration, face FaceID, cost uint16) {
	cost = max(cost, 1)
	before, _ := r.faces.Get(face)
	r.faces.Put(face, cost)
	if before != cost {
		r.eachFrom(face, func(i int32) { r.settle(now, i, 0) })
		r.publishStatic(face)
	}
	r.offer(now, face)
}

// FaceDown says that a face is down: what was learned there is forgotten.
func (r *RIB) FaceDown(now time.Duration, face FaceID) {
	if !r.faces.Delete(face) {
		return
	}
	r.eachFrom(face, func(i int32) {
		r.removeEntry(r.sources.At(i), face)
		r.settle(now, i, face)
	})
	r.publishStatic(face)
}

// eachFrom hands fn the sources with an entry from face. They are collected first: fn may change the tables.
func (r *RIB) eachFrom(face FaceID, fn func(i int32)) {
	if r.entries.Used(face) == 0 {
		return // most on-demand faces
	}
	r.touched = r.touched[:0]
	for _, i := range r.index.All() {
		if r.sources.At(i).entry(face) != nil {
			r.touched = append(r.touched, i)
		}
	}
	for _, i := range r.touched {
		fn(i)
	}
}

func (r *RIB) publishStatic(face FaceID) {
	var routes []fibKey
	for k, d := range r.dests.All() {
		if slices.ContainsFunc(d.static, func(h Hop) bool { return h.Face == face }) {
			routes = append(routes, k)
		}
	}
	for _, k := range routes {
		r.publish(k)
	}
}

// Receive takes an Announcement that came in on a face whose policy allows it. a.PrefixLen is not read: p is the prefix.
// It returns drop.None if it was of use, or drop.OwnAnnouncement, drop.AnnouncementOld (not newer and not feasible), drop.AnnouncementQuota or drop.FaceDown.
func (r *RIB) Receive(now time.Duration, face FaceID, net uint8, p name.Prefix, seq uint32, a wire.Announced) drop.Reason {
	if _, up := r.faces.Get(face); !up {
		return drop.FaceDown
	}
	k := prefixKey(net, p)
	if a.Origin == r.set.Node {
		r.ownHeard(now, k, seq)
		return drop.OwnAnnouncement
	}
	i, known := r.index.Get(sourceKey{k, a.Origin})
	if !known {
		return r.first(now, face, sourceKey{k, a.Origin}, seq, a)
	}
	if a.Lifetime == 0 {
		return r.withdraw(now, face, i, seq, a)
	}
	return r.update(now, face, i, seq, a)
}

// Advance lets routes end, renews our own and forgets tombstones.
func (r *RIB) Advance(now time.Duration) {
	r.wheel.Advance(now, func(kind uint8, ref uint32) {
		if kind == timerOwn {
			o := r.own.At(int32(ref))
			o.timer = 0
			r.announce(now, int32(ref))
			return
		}
		s := r.sources.At(int32(ref))
		s.timer = 0
		if s.buried {
			r.forget(int32(ref))
			return
		}
		r.settle(now, int32(ref), 0)
	})
}

// Next is the time at which Advance has something to do; see [Wheel.Next].
func (r *RIB) Next() (at time.Duration, ok bool) { return r.wheel.Next() }

func (r *RIB) dest(k fibKey) *dest {
	d, ok := r.dests.Get(k)
	if !ok {
		d = &dest{}
		r.dests.Put(k, d)
	}
	return d
}

// publish works out the next hops of a prefix and tells OnRoute if they changed.
func (r *RIB) publish(k fibKey) {
	d, ok := r.dests.Get(k)
	if !ok {
		return
	}
	r.hops = r.hops[:0]
	for _, h := range d.static {
		if _, up := r.faces.Get(h.Face); up {
			r.addHop(h)
		}
	}
	if len(r.hops) == 0 {
		for _, i := range d.sources {
			r.addUsable(r.sources.At(i))
		}
	}
	slices.SortFunc(r.hops, compareHops)
	if len(d.static) == 0 && len(d.sources) == 0 {
		r.dests.Delete(k)
	}
	if !slices.Equal(r.hops, d.hops) {
		d.hops = slices.Clone(r.hops)
		r.set.OnRoute(k.net(), k.prefix(), d.hops)
	}
}

// addHop adds to the hops being worked out; of two over one face the cheaper counts.
func (r *RIB) addHop(h Hop) {
	if h.Cost == wire.CostUnreachable {
		return
	}
	for i := range r.hops {
		if r.hops[i].Face == h.Face {
			r.hops[i].Cost = min(r.hops[i].Cost, h.Cost)
			return
		}
	}
	r.hops = append(r.hops, h)
}

func (r *RIB) addUsable(s *source) {
	for i := range s.entries {
		if e := &s.entries[i]; s.usable(*e) {
			r.addHop(Hop{e.face, r.costOf(e)})
		}
	}
}

// costOf is what the way over an entry costs from here; costs stop at unreachable.
func (r *RIB) costOf(e *entry) uint16 {
	cost, _ := r.faces.Get(e.face)
	return addCost(e.cost, cost)
}

func addCost(a, b uint16) uint16 {
	return uint16(min(uint32(a)+uint32(b), wire.CostUnreachable))
}

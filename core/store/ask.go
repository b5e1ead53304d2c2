package store

import (
	"time"
	"unsafe"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/prefetch"
)

// Newest is the newest stored content of a name, with what P-15 asks about it.
type Newest struct {
	Body      []byte // valid until the next call on the shard
	Seq       uint32
	Ext       uint64
	Arrived   time.Duration // since the node's start; below 0 if an earlier run stored it
	Heard     time.Duration // when it came last as the newest, also as a copy of what was stored; below 0 as Arrived, or if it never did
	Face      uint32        // where it came from; 0 after it was read from disk
	Producer  bool          // came from the name's producer face
	Covered   bool          // came through a live upstream subscription; false after it was read from disk
	Published bool          // the name was published here: this node is its first hop
	MaxAge    time.Duration // how old it may be to be an answer, if a rule says so (P-15 c); 0: none does
	Stale     bool          // a newer one passed and was not kept: P-15 must not answer with this as the newest
}

// Known is what the index alone knows of a name.
type Known struct {
	Newest    uint32 // FSEQ of the newest admitted
	Ext       uint64 // the same, extended
	Stored    uint64 // ext of the newest stored; 0: none
	Lowest    uint32 // nothing before it is stored; it need not be stored itself
	LowestExt uint64
	Published bool  // admitted from a producer face here at some time: this node is the first hop
	Class     Class // Memory: never on disk, so never confirmed (P-13)
	OnDisk    bool  // some of it may be on disk only
}

// Coming says that a name will be asked for soon. It changes nothing.
func (s *Shard) Coming(k name.Key) { s.ids.ahead(uint64(k) | keyMark) }

// Ahead says that the content numbered seq will be asked for or put soon, so that what is known of it is in the cache by then. It changes nothing.
func (s *Shard) Ahead(k name.Key, seq uint32) {
	id, e := s.lookup(k)
	if e == nil {
		return
	}
	prefetch.Line(unsafe.Pointer(e)) // it has two lines, and a Put needs both
	prefetch.Line(unsafe.Pointer(&e.newestMAC))
	s.index.ahead(indexKey(id, seq))
}

// Exact answers for the content numbered seq: the one stored last under this number (P-1). The body comes with Hit,
// Uncommitted and Unwritten and is valid until the next call on the shard.
func (s *Shard) Exact(k name.Key, seq uint32) (body []byte, st Status) {
	id, e := s.lookup(k)
	if e == nil {
		return nil, Miss
	}
	var at uint64
	if e.inMemory(seq) {
		at, _ = s.index.get(indexKey(id, seq))
	}
	if s.log.holds(pos(at)) {
		r := s.log.at(pos(at))
		if s.expired(e, r) {
			return nil, Miss
		}
		return r.body(), e.status(r)
	}
	if s.mayBeOnDisk(e, seq) {
		return nil, OnDisk
	}
	return nil, Miss
}

// status tells whether the record is as safe as its class promises (P-13).
func (e *entry) status(r record) Status {
	switch r.flags() & (queued | committed | failed) {
	case queued:
		e.awaited = true
		return Uncommitted
	case queued | failed:
		e.awaited = true // it may be sent again
		return Unwritten
	}
	return Hit
}

// Newest answers for the newest stored content. With OnDisk all but Body, Face and Covered is filled in.
func (s *Shard) Newest(k name.Key) (n Newest, st Status) {
	_, e := s.lookup(k)
	if e == nil || e.newest == 0 {
		return n, Miss
	}
	if s.aged(e) {
		return n, Miss
	}
	n = Newest{
		Seq: uint32(e.newest) & seqMask, Ext: e.newest, Arrived: e.newestTime, Heard: e.newestHeard, Producer: e.byProducer,
		Published: e.published, Stale: e.newest < e.top, MaxAge: s.rules[e.rule].NewestMaxAge,
	}
	if e.newestAt != 0 {
		r := s.log.at(e.newestAt)
		n.Body, n.Face, n.Covered = r.body(), r.face(), r.is(covered)
		return n, e.status(r)
	}
	if e.safe && s.onDisk(e) {
		return n, OnDisk
	}
	return Newest{}, Miss
}

// Known tells what the index has of k; all of it is zero if there is nothing. It is good until the next Known.
func (s *Shard) Known(k name.Key) (known *Known, ok bool) {
	known = &s.known
	_, e := s.lookup(k)
	if e == nil || e.top == 0 {
		*known = Known{}
		return known, false
	}
	known.Newest, known.Ext, known.Stored = uint32(e.top)&seqMask, e.top, e.newest
	known.Lowest, known.LowestExt = uint32(e.lowest)&seqMask, e.lowest
	known.Published, known.Class, known.OnDisk = e.published, s.rules[e.rule].Class, s.onDisk(e)
	return known, true
}

// answers tells whether a wildcard finds k: something of it is here.
func (s *Shard) answers(k name.Key) bool {
	_, e := s.lookup(k)
	return e != nil && e.newest != 0 && !s.aged(e) && (e.live > 0 || s.onDisk(e))
}

// aged tells whether the newest of e is past its retention and no rule keeps it.
func (s *Shard) aged(e *entry) bool {
	rule := &s.rules[e.rule]
	return !rule.KeepNewest && s.now-e.newestTime > rule.Retention
}

// expired tells the same of any record of e. Retention is exact on read: what is past it is not here, whether or not its
// memory was given back.
func (s *Shard) expired(e *entry, r record) bool {
	rule := &s.rules[e.rule]
	if s.now-r.arrived() <= rule.Retention {
		return false
	}
	return !rule.KeepNewest || r.ext() != e.newest
}

// onDisk tells whether the disk may have contents of e.
func (s *Shard) onDisk(e *entry) bool {
	if e.highest == 0 {
		return false
	}
	return e.lastHour >= s.oldest || s.rules[e.rule].KeepNewest
}

// mayBeOnDisk tells whether the disk may have seq of e: in some epoch it lies between the lowest and the newest there.
func (s *Shard) mayBeOnDisk(e *entry, seq uint32) bool {
	if !s.onDisk(e) {
		return false
	}
	_, ok := extOnDisk(e.highest, e.lowest, seq)
	return ok
}

// extOnDisk gives the latest ext with this FSEQ that is not above highest; ok is false if it is below lowest.
func extOnDisk(highest, lowest uint64, seq uint32) (ext uint64, ok bool) {
	ext = highest&^seqMask | uint64(seq)
	if ext > highest {
		ext -= 1 << seqBits
	}
	return ext, ext >= lowest && ext <= highest
}

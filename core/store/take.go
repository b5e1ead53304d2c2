package store

import (
	"time"

	"github.com/zmesh/zmesh/core/name"
)

// What lies between the shard and its Backend: reads that are asked for, and what comes back.

// Fetch has the content numbered seq, or the newest if seq is 0, read from the Backend; [Shard.Take] gives the result. A
// read that is under way already is not begun again. False: there is nothing to read, or too many reads are under way.
func (s *Shard) Fetch(k name.Key, seq uint32) bool {
	id, e := s.lookup(k)
	if e == nil || !s.onDisk(e) {
		return false
	}
	key := indexKey(id, seq)
	if _, ok := s.fetching.get(key); ok {
		return true
	}
	r := Read{Key: k, Seq: seq, Ext: e.newest, Lowest: e.lowest}
	if seq != 0 {
		r.Ext, _ = extOnDisk(e.highest, e.lowest, seq)
	}
	if s.fetching.n >= s.cfg.MaxFetches || !s.cfg.Backend.Read(&r) {
		s.stats.FetchesRefused++
		return false
	}
	s.fetching.put(key, 1)
	e.pins++
	s.stats.Fetches++
	return true
}

// Take calls yield for what the Backend has finished since the last call: reads, commits, and frames that were kept aside
// and are admitted now. What a Result holds is valid until yield returns. Yield may ask the shard but not Put. With more
// there is more: a sync makes a second's contents safe at once, and whoever holds a mutex for Take can let others have it in between.
func (s *Shard) Take(yield func(Result)) (more bool) {
	if s.cfg.Backend == nil {
		return false
	}
	s.cfg.Backend.Completions(func(c *Completion) { s.complete(c, yield) })
	return s.settle(yield)
}

func (s *Shard) complete(c *Completion, yield func(Result)) {
	switch c.Done {
	case DoneRead:
		s.fetched(c, yield)
	case DoneCommit, DoneFailed:
		s.handed.verdict(c)
	case DoneTaken:
		if h := s.handed.single(c.Ticket); h.ext != 0 {
			s.taken(&h, yield)
		}
	case DoneHeld:
		if h := s.handed.single(c.Ticket); h.ext != 0 {
			s.settleOne(&h, &verdict{hour: c.Hour, done: DoneCommit}, yield)
		}
	case DoneCheck:
		s.checked(c, yield)
	case DoneRetired:
		s.oldest = max(s.oldest, c.Hour)
	}
}

// fetched takes what was read. The newest of a name goes back into memory: who asks for it once will ask again. Other
// numbers do not, since a replay of old contents must not push the present ones out.
func (s *Shard) fetched(c *Completion, yield func(Result)) {
	id, e := s.lookup(c.Key)
	if e == nil {
		return
	}
	s.fetching.del(indexKey(id, c.Seq))
	e.pins--
	if c.Body != nil && s.pastRetention(e, c) {
		c.Body = nil
	}
	if c.Body == nil {
		s.notFound(e, c, yield)
		return
	}
	s.stats.Fetched++
	if c.Seq == 0 && e.newestAt == 0 && c.Ext <= e.newest {
		s.recall(id, e, c)
	}
	out := Result{Done: DoneRead, Key: c.Key, Seq: uint32(c.Ext) & seqMask, Asked: c.Seq, Ext: c.Ext, Body: c.Body, Unsafe: c.Unsafe}
	if c.Seq == 0 {
		out.Newest, _ = s.Newest(c.Key)
	}
	yield(out)
}

func (s *Shard) pastRetention(e *entry, c *Completion) bool {
	rule := &s.rules[e.rule]
	return s.now-s.arrival(c.Wall) > rule.Retention && !(rule.KeepNewest && c.Ext == e.newest)
}

// arrival gives the monotonic time of a wall time, by the pair that was handed in last: below 0 before the node's start.
func (s *Shard) arrival(wall int64) time.Duration {
	return min(s.now, s.now-time.Duration(s.wall-wall)*time.Millisecond)
}

// notFound learns from a read that found nothing, so that the next question is not sent to the disk in vain.
func (s *Shard) notFound(e *entry, c *Completion, yield func(Result)) {
	s.stats.NotFound++
	if c.Unsure {
		yield(Result{Done: DoneRead, Key: c.Key, Seq: c.Seq, Asked: c.Seq})
		return
	}
	if c.Seq == 0 && c.Ext == 0 {
		e.safe = false
	}
	if c.Next > e.lowest && c.Next <= e.highest {
		e.lowest = c.Next
	}
	yield(Result{Done: DoneRead, Key: c.Key, Seq: c.Seq, Asked: c.Seq})
}

// recall puts the newest back into memory. It may be an older one, where the newest was lost with a damaged part of the
// disk; then it is stale. What may not be safe stands there as what the disk refused.
func (s *Shard) recall(id uint32, e *entry, c *Completion) {
	p := Put{Key: c.Key, Seq: uint32(c.Ext) & seqMask, Body: c.Body, Now: s.arrival(c.Wall)}
	safe := uint8(committed)
	if c.Unsafe && s.rules[e.rule].Class != Memory {
		safe = queued | failed
	}
	e.newestAt = s.append(id, e, &p, c.Ext, safe|flag(c.Producer, fromProducer))
	e.newest, e.newestTime, e.newestHeard = c.Ext, p.Now, p.Now
	e.newestMAC, e.byProducer = macOf(c.Body), c.Producer
}

// settle takes what was committed and what has failed, some of it at a time.
func (s *Shard) settle(yield func(Result)) (more bool) {
	const atOnce = 256 // some 20 µs
	for range atOnce {
		h, v, ok := s.handed.next()
		if !ok {
			return false
		}
		if h.ext != 0 { // else it was told of by itself, or cleared
			s.settleOne(&h, &v, yield)
		}
	}
	return true
}

// settleOne marks a content as committed, or as one that the disk did not take: it is answered from memory but never confirmed.
func (s *Shard) settleOne(h *handed, v *verdict, yield func(Result)) {
	failure := v.done == DoneFailed
	if failure {
		s.stats.WriteFailures++
	} else {
		s.stats.Commits++
	}
	id, e := s.handedTo(h)
	if e == nil {
		return
	}
	seq := uint32(h.ext) & seqMask
	out := Result{Done: v.done, Key: h.key, Seq: seq, Asked: seq, Ext: h.ext, Awaited: e.awaited}
	if !failure {
		e.onDiskNow(h.ext, v.hour)
	}
	if r := s.handedRecord(id, h); r != nil && failure {
		r.set(r.flags() | failed)
	} else if r != nil {
		r.set(r.flags() | committed)
		out.Body = r.body()
	}
	yield(out)
}

// handedTo gives the entry of the name of h: nil if it was forgotten or cleared since.
func (s *Shard) handedTo(h *handed) (id uint32, e *entry) {
	id, e = h.id, s.entry(h.id)
	if e.key != h.key || e.top == 0 {
		id, e = s.lookup(h.key)
	}
	if e == nil || e.top == 0 {
		return 0, nil
	}
	return id, e
}

// handedRecord gives the record of h, or nil if it is not in memory. It may have moved.
func (s *Shard) handedRecord(id uint32, h *handed) record {
	if !s.log.holds(h.at) {
		return s.recordOf(id, h.ext)
	}
	if r := s.log.at(h.at); r.entry() == id && r.ext() == h.ext {
		return r
	}
	return nil
}

// onDiskNow takes note that ext is on disk.
func (e *entry) onDiskNow(ext uint64, hour uint32) {
	if e.highest == 0 || ext < e.lowest {
		e.lowest = min(e.lowest, ext)
	}
	e.highest = max(e.highest, ext)
	e.lastHour = max(e.lastHour, hour)
	e.safe = e.safe || ext == e.newest
}

// taken lets go of a late content whose number turned out to be taken by other bytes: the first stays (P-17). Whoever waited for it
// is told that the number is safe, and gets what is on disk.
func (s *Shard) taken(h *handed, yield func(Result)) {
	s.stats.Conflicts++
	id, e := s.handedTo(h)
	if e == nil {
		return
	}
	seq := uint32(h.ext) & seqMask
	if r := s.recordOf(id, h.ext); r != nil {
		s.event(ConflictSeen, h.key, h.ext, r.face())
		s.unlink(id, r)
	}
	yield(Result{Done: DoneCommit, Key: h.key, Seq: seq, Asked: seq, Ext: h.ext, Awaited: e.awaited})
}

// unlink lets nobody find r any more; its memory is given back with its segment's.
func (s *Shard) unlink(id uint32, r record) {
	key := indexKey(id, r.seq())
	at, _ := s.index.get(key)
	if top := s.log.at(pos(at)); top.ext() != r.ext() {
		for s.log.holds(top.prev()) && s.log.at(top.prev()).ext() != r.ext() {
			top = s.log.at(top.prev())
		}
		top.setPrev(r.prev())
	} else if s.log.holds(r.prev()) {
		s.index.put(key, uint64(r.prev()))
	} else {
		s.index.del(key)
	}
}

// recordOf gives the record in memory that holds ext, or nil.
func (s *Shard) recordOf(id uint32, ext uint64) record {
	at, _ := s.index.get(indexKey(id, uint32(ext)&seqMask))
	for s.log.holds(pos(at)) {
		r := s.log.at(pos(at))
		if r.ext() == ext {
			return r
		}
		at = uint64(r.prev())
	}
	return nil
}

// notify is called from a goroutine of the Backend.
func (s *Shard) notify() {
	if s.cfg.Ready != nil {
		s.cfg.Ready(s)
	}
}

// load takes a name into the index at the start. A name without room is not found until it is published again.
func (s *Shard) load(l *Loaded) {
	if s.ids.n >= s.cfg.MaxNames {
		s.stats.NotKept[NamesFull]++
		return
	}
	id, e := s.newEntry(l.Key)
	e.top, e.newest, e.highest, e.lowest = l.Newest, l.Newest, l.Newest, 1
	e.newestTime, e.newestHeard = s.arrival(l.Wall), s.arrival(l.Wall)
	e.newestMAC, e.byProducer, e.published = l.MAC, l.Producer, l.Published
	e.lastHour, e.safe = l.Hour, true
	s.rest(id, e)
}

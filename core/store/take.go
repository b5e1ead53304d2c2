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
// and are admitted now. What a Result holds is valid until yield returns. Yield may ask the shard but not Put.
func (s *Shard) Take(yield func(Result)) {
	if s.cfg.Backend == nil {
		return
	}
	s.cfg.Backend.Completions(func(c *Completion) { s.complete(c, yield) })
}

func (s *Shard) complete(c *Completion, yield func(Result)) {
	switch c.Done {
	case DoneRead:
		s.fetched(c, yield)
	case DoneCommit:
		s.written(c, yield)
	case DoneFailed:
		s.refused(c, yield)
	case DoneTaken:
		s.taken(c, yield)
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
	out := Result{Done: DoneRead, Key: c.Key, Seq: uint32(c.Ext) & seqMask, Asked: c.Seq, Ext: c.Ext, Body: c.Body}
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
// disk; then it is stale.
func (s *Shard) recall(id uint32, e *entry, c *Completion) {
	p := Put{Key: c.Key, Seq: uint32(c.Ext) & seqMask, Body: c.Body, Now: s.arrival(c.Wall)}
	e.newestAt = s.append(id, e, &p, c.Ext, committed|flag(c.Producer, fromProducer))
	e.newest, e.newestTime, e.newestHeard = c.Ext, p.Now, p.Now
	e.newestMAC, e.byProducer = macOf(c.Body), c.Producer
}

// written marks a content as committed.
func (s *Shard) written(c *Completion, yield func(Result)) {
	s.stats.Commits++
	id, e := s.lookup(c.Key)
	if e == nil {
		return
	}
	s.onDiskNow(e, c)
	out := Result{Done: DoneCommit, Key: c.Key, Seq: uint32(c.Ext) & seqMask, Asked: uint32(c.Ext) & seqMask, Ext: c.Ext}
	if r := s.recordOf(id, c.Ext); r != nil {
		r.set(r.flags() | committed)
		out.Body = r.body()
	}
	yield(out)
}

func (s *Shard) onDiskNow(e *entry, c *Completion) {
	if e.highest == 0 || c.Ext < e.lowest {
		e.lowest = min(e.lowest, c.Ext)
	}
	e.highest = max(e.highest, c.Ext)
	e.lastHour = max(e.lastHour, c.Hour)
	e.safe = e.safe || c.Ext == e.newest
}

// refused marks a content that the disk did not take: it is answered from memory but never confirmed.
func (s *Shard) refused(c *Completion, yield func(Result)) {
	s.stats.WriteFailures++
	id, e := s.lookup(c.Key)
	if e == nil {
		return
	}
	if r := s.recordOf(id, c.Ext); r != nil {
		r.set(r.flags() | failed)
	}
	yield(Result{Done: DoneFailed, Key: c.Key, Seq: uint32(c.Ext) & seqMask, Asked: uint32(c.Ext) & seqMask, Ext: c.Ext})
}

// taken lets go of a late content whose number turned out to be taken by other bytes: the first stays (P-17). Whoever waited for it
// is told that the number is safe, and gets what is on disk.
func (s *Shard) taken(c *Completion, yield func(Result)) {
	s.stats.Conflicts++
	id, e := s.lookup(c.Key)
	if e == nil {
		return
	}
	seq := uint32(c.Ext) & seqMask
	if r := s.recordOf(id, c.Ext); r != nil {
		s.event(ConflictSeen, c.Key, c.Ext, r.face())
		s.unlink(id, r)
	}
	yield(Result{Done: DoneCommit, Key: c.Key, Seq: seq, Asked: seq, Ext: c.Ext})
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

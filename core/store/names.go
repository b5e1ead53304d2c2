package store

import (
	"time"

	"github.com/zmesh/zmesh/core/name"
)

// Entries lie in pages that never move, so that taking in a name never copies those that are there.
const (
	pageBits = 8
	pageMask = 1<<pageBits - 1
)

type page [1 << pageBits]entry

func (s *Shard) entry(id uint32) *entry { return &s.pages[id>>pageBits][id&pageMask] }

// addEntry gives the number of an entry that was never used.
func (s *Shard) addEntry() uint32 {
	id := s.entries
	if id>>pageBits == uint32(len(s.pages)) {
		s.pages = append(s.pages, new(page))
	}
	s.entries++
	return id
}

// lookup gives the entry of k, or 0 and nil.
func (s *Shard) lookup(k name.Key) (uint32, *entry) {
	key := uint64(k) | keyMark
	r := s.recentOf(key)
	if r.key != key {
		id, _ := s.ids.get(key) // 0, which is no name's, if there is none
		r.key, r.id = key, uint32(id)
	}
	if r.id == 0 {
		return 0, nil
	}
	return r.id, s.entry(r.id)
}

// intern makes an entry for p's name, which has none. nil: there is no room.
func (s *Shard) intern(p *Put) (uint32, *entry) {
	if s.ids.n >= s.cfg.MaxNames && !s.forgetOne() {
		if s.now-s.warned >= time.Hour {
			s.warned = s.now
			s.event(NamesExhausted, p.Key, 0, p.Face)
		}
		return 0, nil
	}
	id, e := s.newEntry(p.Key)
	e.face = p.Face
	s.bring(e, 1)
	return id, e
}

func (s *Shard) newEntry(k name.Key) (uint32, *entry) {
	var id uint32
	if n := len(s.unused); n > 0 {
		id, s.unused = s.unused[n-1], s.unused[:n-1]
	} else {
		id = s.addEntry()
	}
	*s.entry(id) = entry{key: k, rule: uint16(ruleIndex(s.rules, k))}
	s.ids.put(uint64(k)|keyMark, uint64(id))
	*s.recentOf(uint64(k) | keyMark) = recentName{uint64(k) | keyMark, id}
	if s.cfg.Sorted {
		s.names.add(k, s.exists)
	}
	return id, s.entry(id)
}

func (s *Shard) exists(k name.Key) bool {
	_, e := s.lookup(k)
	return e != nil
}

// forgetOne lets go of the name that has had nothing in memory for longest and has nothing on disk. A few are looked at
// for each newcomer; those that are still needed go to the end.
func (s *Shard) forgetOne() bool {
	const tries = 8
	for range tries {
		id := s.entry(0).next
		if id == 0 {
			return false
		}
		e := s.entry(id)
		if e.pins == 0 && !s.onDisk(e) {
			s.forget(id, e)
			return true
		}
		s.wake(id, e)
		s.rest(id, e)
	}
	return false
}

func (s *Shard) forget(id uint32, e *entry) {
	s.wake(id, e)
	s.dropRun(e)
	s.bring(e, -1)
	s.ids.del(uint64(e.key) | keyMark)
	*s.recentOf(uint64(e.key) | keyMark) = recentName{}
	if s.cfg.Sorted {
		s.names.remove(e.key)
	}
	*e = entry{}
	s.unused = append(s.unused, id)
	s.stats.NamesForgotten++
}

// rest puts a name with nothing in memory at the end of the ring.
func (s *Shard) rest(id uint32, e *entry) {
	if e.inRing || e.live > 0 {
		return
	}
	head := s.entry(0)
	e.prev, e.next = head.prev, 0
	s.entry(head.prev).next = id
	head.prev = id
	e.inRing = true
}

// wake takes a name out of the ring.
func (s *Shard) wake(id uint32, e *entry) {
	if !e.inRing {
		return
	}
	s.entry(e.prev).next = e.next
	s.entry(e.next).prev = e.prev
	e.prev, e.next, e.inRing = 0, 0, false
}

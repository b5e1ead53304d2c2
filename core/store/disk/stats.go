package disk

import "sync/atomic"

// counters are what the store's goroutines count.
type counters struct {
	refused, written, failures, groups, tables, syncs atomic.Uint64
	reads, readsRefused, readErrors                   atomic.Uint64
	damaged, dropped                                  atomic.Uint64
}

// Stats is what a [Store] did since it was opened, and what it holds.
type Stats struct {
	Hours        int    // directories
	Queued       int    // bytes that wait to be written
	Written      uint64 // contents that are safe
	Refused      uint64 // contents for which the queue had no room
	Failures     uint64 // contents that the disk did not take
	Groups       uint64 // contents that were written together
	Tables       uint64 // those of the groups that were written as a table
	Syncs        uint64
	Reads        uint64
	ReadsRefused uint64 // the queue of reads was full
	ReadErrors   uint64
	Damaged      uint64 // hours set aside
	Dropped      uint64 // hours removed before their time
	DiskBytes    uint64
}

// Stats gives the counters. It may wait for the disk: not under a worker's mutex.
func (s *Store) Stats() Stats {
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.queue.mu.Lock()
	queued := s.queue.fill.size
	s.queue.mu.Unlock()
	c := &s.stats
	return Stats{
		Hours: len(s.hours) - 1, Queued: queued, Written: c.written.Load(), Refused: c.refused.Load(),
		Failures: c.failures.Load(), Groups: c.groups.Load(), Tables: c.tables.Load(), Syncs: c.syncs.Load(), Reads: c.reads.Load(),
		ReadsRefused: c.readsRefused.Load(), ReadErrors: c.readErrors.Load(), Damaged: c.damaged.Load(), Dropped: c.dropped.Load(), DiskBytes: s.diskBytes(),
	}
}

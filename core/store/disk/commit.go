package disk

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/zmesh/zmesh/core/store"
)

// The committer: the one goroutine that writes. It lets contents collect until a durable one is among them, until they have waited for
// SyncEvery, or until there are enough for a table (table.go), writes them, and makes them safe. After a failure it reports, closes the hour
// and opens it again, at growing intervals.

const (
	firstRetry = time.Second
	lastRetry  = time.Minute
	// housekeeping is how often it looks whether an hour is past its retention while nothing is written.
	housekeeping = time.Minute
	// tableShare is the part of a memtable that one batch may fill: more becomes a table of its own. Pebble counts some 100 bytes for each key
	// on top of what we count, and would do that with a batch that comes to half a memtable.
	tableShare = 4
)

type committer struct {
	s         *Store
	writing   int // contents of the group that is being written
	dueAt     <-chan time.Time
	lookAt    <-chan time.Time
	retryAt   <-chan time.Time // not nil: the disk fails
	retryIn   time.Duration
	sinceLook uint64 // bytes written since the folder's size was looked at

	refs, spare []ref
	taken       []item // of the group that is being written: other bytes are in it under their numbers
	piece       []byte // of a table
	pointers    []byte
}

func (s *Store) commitLoop() {
	defer s.done.Done()
	c := committer{s: s, lookAt: s.cfg.After(housekeeping)}
	if s.unwritable != nil {
		c.broken(s.unwritable)
	}
	c.retire()
	var g group
	for running := true; running; {
		due := false
		select {
		case <-s.queue.wake:
		case <-c.dueAt:
			due = true
		case <-c.lookAt:
			c.lookAt = s.cfg.After(housekeeping)
			c.retire()
			g, c.refs, c.spare, c.pointers, c.piece = group{}, nil, nil, nil, nil
			s.queue.trim()
		case <-c.retryAt:
			c.retry()
		case <-s.shared.failed:
			c.failed()
		case <-s.stop:
			s.queue.close()
			due, running = true, false
		}
		taken, waits := s.queue.take(&g, due)
		switch {
		case taken:
			c.dueAt = nil
			full := g.size >= s.queue.enough
			if full {
				c.dueAt = s.cfg.After(s.cfg.SyncEvery)
			}
			c.write(&g)
			g.reset()
			c.pace(full)
		case waits && c.dueAt == nil:
			c.dueAt = s.cfg.After(s.cfg.SyncEvery)
		case due && running:
			c.dueAt = nil
			c.pace(false)
		}
	}
}

// patience is how many times Config.TablesOver tables may lie over each other before the hour is compacted at full rate, too.
const patience = 4

// pace puts the compaction of the hour off while contents come at full rate, enough for a table before SyncEvery has passed, until too many tables
// lie over each other: to write all once more takes a tenth of the processor from who forwards.
func (c *committer) pace(full bool) {
	if h := c.s.active; h != nil && h.db != nil {
		h.turn.hold(full && int(h.db.Metrics().Levels[0].Sublevels) < patience*c.s.cfg.TablesOver)
	}
}

// write writes a group, and removes what is to be cleared where it stands in it.
func (c *committer) write(g *group) {
	from := 0
	for i := range g.clear {
		cl := &g.clear[i]
		c.writeItems(g, from, cl.after)
		from = cl.after
		cl.done <- c.clear(cl)
	}
	c.writeItems(g, from, g.n)
}

// writeItems writes some of the items of a group and makes them safe, and says so.
func (c *committer) writeItems(g *group, from, to int) {
	if from == to {
		return
	}
	c.note(g, from, to)
	err := c.ready()
	if err == nil {
		err = c.store(g, c.settleItems(g))
	}
	if err != nil {
		c.broken(err)
		return
	}
	c.s.stats.groups.Add(1)
	c.confirm()
	if limit := c.s.cfg.MaxBytes; limit > 0 && c.sinceLook > limit/64 {
		c.sinceLook = 0
		c.retire()
	}
}

// note makes the items those that are being written.
func (c *committer) note(g *group, from, to int) {
	c.writing = to - from
	c.taken = c.taken[:0]
	c.refs = slices.Grow(c.refs[:0], c.writing)
	for i := from; i < to; i++ {
		it := g.item(uint32(i))
		c.s.parts[it.part].logged = it.ticket
		c.refs = append(c.refs, ref{uint64(it.key), uint32(i), it.at})
	}
}

// settleItems sorts the items by name and number, and takes those out whose numbers are there already: the first stays (P-17).
func (c *committer) settleItems(g *group) []ref {
	c.spare = slices.Grow(c.spare[:0], len(c.refs))[:len(c.refs)]
	sorted := sortByName(c.refs, c.spare)
	out := sorted[:0]
	for from, to := 0, 0; from < len(sorted); from = to {
		to = nameEnds(sorted, from)
		g.sortByNumber(sorted[from:to])
		for _, r := range sorted[from:to] {
			it := g.item(r.i)
			if first := g.twin(out, it); first != nil {
				if !g.same(first, it) {
					c.taken = append(c.taken, *it)
				}
				continue
			}
			if !it.late || !c.settleLate(g, it) {
				out = append(out, r)
			}
		}
	}
	return out
}

// settleLate tells whether the number of a late content is on disk.
func (c *committer) settleLate(g *group, it *item) bool {
	h, same := c.s.held(it.key, it.ext, g.body(it))
	if h == nil {
		return false
	}
	done := store.DoneTaken
	if same {
		done = store.DoneHeld
	}
	c.s.parts[it.part].tell(&store.Completion{Done: done, Ticket: it.ticket, Hour: h.number})
	return true
}

// retire removes the hours that have to go.
func (c *committer) retire() {
	if c.retryAt != nil {
		return
	}
	if err := errors.Join(c.s.reopen(), c.s.noteSteps(), c.s.retire()); err != nil {
		c.broken(err)
	}
}

var errBroken = errors.New("the disk failed and was not tried again yet")

// ready sees to it that there is an hour to write to.
func (c *committer) ready() error {
	if c.retryAt != nil {
		return errBroken
	}
	s := c.s
	wall, steps := s.clock.now()
	if h := s.active; h != nil && !h.ended(wall, steps, s.cfg.hourMillis()) && !s.full(h) {
		if h.stuck || h.db == nil { // a backup held it when it was to be opened again
			return errBroken
		}
		return nil
	}
	return s.beginHour()
}

// store writes items to the active hour and makes them safe: few in a batch, many as a table.
func (c *committer) store(g *group, refs []ref) error {
	h := c.s.active
	if len(refs) == 0 {
		return h.guard.failed()
	}
	_, steps := c.s.clock.now()
	off := steps - h.lag(steps) // from the clock that was never set to the hour's own
	size := 0
	for i := range refs {
		size += len(g.value(g.item(refs[i].i))) + itemBytes
	}
	h.written += uint64(size)
	c.sinceLook += uint64(size)
	var err error
	if size < int(c.s.cfg.MemTableBytes/tableShare) {
		err = writeBatch(h, g, refs, off)
	} else {
		err = c.writeTable(h, g, refs, off)
	}
	if err = errors.Join(err, h.guard.failed()); err != nil {
		return fmt.Errorf("write hour %s: %w", h.dir, err)
	}
	return nil
}

// writeBatch goes by way of the log and the memtable.
func writeBatch(h *hour, g *group, refs []ref, off int64) error {
	batch := h.db.NewBatch()
	defer batch.Close()
	err := g.each(refs, off, func(key, value []byte) error { return batch.Set(key, value, nil) })
	if err != nil {
		return err
	}
	return batch.Commit(pebble.Sync)
}

// confirm tells the shards that all that was written is safe.
func (c *committer) confirm() {
	if c.retryIn != 0 {
		c.retryIn = 0
		c.s.cfg.Event(Event{Kind: Recovered, Dir: c.s.cfg.Dir})
	}
	c.s.stats.syncs.Add(1)
	c.s.stats.written.Add(uint64(c.writing))
	for i := range c.taken {
		it := &c.taken[i]
		c.s.parts[it.part].tell(&store.Completion{Done: store.DoneTaken, Ticket: it.ticket, Hour: c.s.active.number})
	}
	c.settle(store.DoneCommit, c.s.active.number)
}

// settle tells the shards what became of what was written.
func (c *committer) settle(done store.Done, hour uint32) {
	c.writing = 0
	for _, p := range c.s.parts {
		p.settle(done, p.logged, hour)
	}
}

// failed looks which hours have failed. Without the active one that is no reason to write nothing more.
func (c *committer) failed() {
	if err := c.s.freeze(); err != nil {
		c.broken(err)
	}
}

// broken takes note that the disk failed: what was being written is lost to the disk, and the active hour is tried again later.
func (c *committer) broken(err error) {
	c.s.stats.failures.Add(uint64(c.writing))
	c.settle(store.DoneFailed, 0)
	if c.retryAt != nil {
		return
	}
	if c.retryIn == 0 {
		c.s.cfg.Event(Event{Kind: WriteFailed, Dir: c.s.cfg.Dir, Err: err})
	}
	c.retryIn = min(max(2*c.retryIn, firstRetry), lastRetry)
	c.retryAt = c.s.cfg.After(c.retryIn)
}

// retry opens the hours that failed for writing again: they go on from their last sync. The disk counts as recovered once
// something was made safe again.
func (c *committer) retry() {
	c.retryAt = nil
	err := c.s.takeLock()
	if err != nil {
		c.broken(err)
		return
	}
	err = c.s.reopen()
	if err != nil && c.retryIn == lastRetry && c.s.beginInstead() == nil {
		err = nil
	}
	if err != nil {
		c.broken(err)
	}
}

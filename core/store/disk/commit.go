package disk

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/zmesh/zmesh/core/store"
)

// The committer: the one goroutine that writes. It takes what is queued as one group, puts it into one batch, and waits
// for nothing else to come; while it writes, the next group collects. After a failure it reports, closes the hour and opens
// it again, at growing intervals.

const (
	firstRetry = time.Second
	lastRetry  = time.Minute
	// housekeeping is how often it looks whether an hour is past its retention while nothing is written.
	housekeeping = time.Minute
	// batchShare is the part of a memtable that one batch may fill. Pebble counts some 100 bytes for each key on top of what
	// we count, and a batch that comes to half a memtable is flushed as a table of its own.
	batchShare = 16
)

type committer struct {
	s         *Store
	unsynced  int // contents that the next sync makes safe
	syncAt    <-chan time.Time
	lookAt    <-chan time.Time
	retryAt   <-chan time.Time // not nil: the disk fails
	retryIn   time.Duration
	sinceLook uint64 // bytes written since the folder's size was looked at
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
		select {
		case <-s.queue.wake:
		case <-c.syncAt:
			c.syncAt = nil
			c.sync()
		case <-c.lookAt:
			c.lookAt = s.cfg.After(housekeeping)
			c.retire()
		case <-c.retryAt:
			c.retry()
		case <-s.shared.failed:
			c.failed()
		case <-s.stop:
			s.queue.close()
			running = false
		}
		g = s.queue.take(g)
		c.write(&g)
		g.reset()
	}
	c.sync()
}

// write writes a group, and removes what is to be cleared where it stands in it.
func (c *committer) write(g *group) {
	from := 0
	for i := range g.clear {
		cl := &g.clear[i]
		c.writeItems(&group{items: g.items[from:cl.after:cl.after], bytes: g.bytes})
		from = cl.after
		cl.done <- c.clear(cl)
	}
	c.writeItems(&group{items: g.items[from:], bytes: g.bytes})
}

// writeItems writes the items of a group, in as many batches as it takes.
func (c *committer) writeItems(g *group) {
	limit := int(c.s.cfg.MemTableBytes / batchShare)
	c.settleLate(g)
	durable := slices.ContainsFunc(g.items, func(it item) bool { return it.class == store.Durable })
	for from := 0; from < len(g.items); {
		to, bytes := from, 0
		for to < len(g.items) && (to == from || bytes < limit) {
			bytes += g.items[to].end - g.items[to].start + itemBytes
			to++
		}
		c.writeBatch(g, g.items[from:to], uint64(bytes), durable && to == len(g.items))
		c.sinceLook += uint64(bytes)
		from = to
	}
	if limit := c.s.cfg.MaxBytes; limit > 0 && c.sinceLook > limit/64 {
		c.sinceLook = 0
		c.retire()
	}
}

// settleLate takes late contents out of g whose numbers are on disk: the first stays (P-17).
func (c *committer) settleLate(g *group) {
	if !slices.ContainsFunc(g.items, func(it item) bool { return it.late }) {
		return
	}
	g.items = slices.DeleteFunc(g.items, func(it item) bool {
		if !it.late {
			return false
		}
		h, same := c.s.held(it.key, it.ext, g.body(&it))
		if h == nil {
			return false
		}
		done := store.DoneTaken
		if same {
			if h == c.s.active {
				c.sync() // it may have been written a moment ago
			}
			if c.retryAt != nil {
				return false // to be refused with the others
			}
			done = store.DoneHeld
		}
		it.part.tell(&store.Completion{Done: done, Ticket: it.ticket, Hour: h.number})
		return true
	})
}

// retire removes the hours that have to go. What is written is made safe first: it is not to be lost to trouble with them.
func (c *committer) retire() {
	if c.retryAt != nil {
		return
	}
	if c.sync(); c.retryAt != nil {
		return
	}
	if err := errors.Join(c.s.reopen(), c.s.noteSteps(), c.s.retire()); err != nil {
		c.broken(err)
	}
}

// writeBatch writes some of a group, of so many bytes; with sync it makes safe all that was written until then.
func (c *committer) writeBatch(g *group, items []item, bytes uint64, sync bool) {
	err := c.ready()
	if err == nil {
		err = c.apply(g, items, sync)
	}
	for i := range items {
		it := &items[i]
		it.part.logged = it.ticket
	}
	c.unsynced += len(items)
	if err != nil {
		c.broken(err)
		return
	}
	c.s.stats.groups.Add(1)
	c.s.active.written += bytes
	switch {
	case sync:
		c.confirm()
	case c.syncAt == nil:
		c.syncAt = c.s.cfg.After(c.s.cfg.SyncEvery)
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
	c.sync()
	if c.retryAt != nil {
		return errBroken
	}
	return s.beginHour()
}

// apply writes a batch to the active hour.
func (c *committer) apply(g *group, items []item, sync bool) error {
	h := c.s.active
	batch := h.db.NewBatch()
	defer batch.Close()
	_, steps := c.s.clock.now()
	for i := range items {
		it := &items[i]
		off := steps - it.steps - h.lag(steps) // from the clock when it came to the hour's own
		if err := it.add(batch, g.body(it), off); err != nil {
			return err
		}
	}
	if err := batch.Commit(&pebble.WriteOptions{Sync: sync}); err != nil {
		return fmt.Errorf("write hour %s: %w", h.dir, err)
	}
	return h.guard.failed()
}

// add puts a content into the batch, and a pointer to the name's newest if that is another one, their dates moved by off.
func (it *item) add(b *pebble.Batch, body []byte, off int64) error {
	op := b.SetDeferred(contentKeySize, contentHeader+len(body))
	putContentKey(op.Key, it.key, it.ext)
	flags := flagIf(it.producer, flagProducer) | flagIf(it.pointer.published, flagPublished) | flagIf(it.pointer.newest != it.ext, flagNotNewest)
	putContent(op.Value, it.wall+off, flags, body)
	if err := op.Finish(); err != nil || flags&flagNotNewest == 0 || it.pointer.newest == 0 {
		return err
	}
	op = b.SetDeferred(pointerKeySize, pointerSize)
	putPointerKey(op.Key, it.key)
	p := it.pointer
	p.wall += off
	p.put(op.Value)
	return op.Finish()
}

// sync makes safe what was written since the last sync, and says so.
func (c *committer) sync() {
	if c.unsynced == 0 {
		return
	}
	h := c.s.active
	if err := h.db.LogData(nil, pebble.Sync); err != nil {
		h.guard.fail(err)
	}
	if err := h.guard.failed(); err != nil {
		c.broken(err)
		return
	}
	c.confirm()
}

// confirm tells the shards that all that was written is safe.
func (c *committer) confirm() {
	if c.retryIn != 0 {
		c.retryIn = 0
		c.s.cfg.Event(Event{Kind: Recovered, Dir: c.s.cfg.Dir})
	}
	c.s.stats.syncs.Add(1)
	c.s.stats.written.Add(uint64(c.unsynced))
	c.settle(store.DoneCommit, c.s.active.number)
}

// settle tells the shards what became of all that was written since the last sync.
func (c *committer) settle(done store.Done, hour uint32) {
	c.syncAt = nil
	c.unsynced = 0
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

// broken takes note that the disk failed: what was not synced is lost to the disk, and the active hour is tried again later.
func (c *committer) broken(err error) {
	c.s.stats.failures.Add(uint64(c.unsynced))
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

package disk

import (
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// turn says when an hour may be compacted: one compaction at a time, and none is begun while it is held. It is the pebble.CompactionScheduler of one
// database. Pebble's own has no way to be held, and a timer that looks ten times a second, in each hour.
type turn struct {
	db       pebble.DBForCompaction
	offering sync.Mutex // held while the database is asked; taken before its mutex, mu after it

	mu      sync.Mutex
	held    bool
	taken   bool // a compaction runs, or is being asked for
	refused bool // one waits since
	gone    bool
}

// hold lets no compaction begin, or lets the one that waits begin.
func (t *turn) hold(held bool) {
	t.mu.Lock()
	changed := t.held != held
	t.held = held
	t.mu.Unlock()
	if changed && !held {
		t.offer()
	}
}

// offer asks for a compaction that waits.
func (t *turn) offer() {
	t.offering.Lock()
	defer t.offering.Unlock()
	for t.take() {
		if waits, _ := t.db.GetWaitingCompaction(); waits && t.db.Schedule(t) {
			return
		}
		if !t.giveBack() {
			return
		}
	}
}

func (t *turn) take() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.taken || t.held || t.gone {
		t.refused = true
		return false
	}
	t.taken, t.refused = true, false
	return true
}

// giveBack tells whether a compaction was refused since it was taken.
func (t *turn) giveBack() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taken = false
	return t.refused
}

// Register is pebble.CompactionScheduler.
func (t *turn) Register(_ int, db pebble.DBForCompaction) { t.db = db }

// Unregister is pebble.CompactionScheduler: from then on db is not asked any more.
func (t *turn) Unregister() {
	t.mu.Lock()
	t.gone = true
	t.mu.Unlock()
	t.offering.Lock() // it may be asked at this moment
	defer t.offering.Unlock()
}

// TrySchedule is pebble.CompactionScheduler.
func (t *turn) TrySchedule() (bool, pebble.CompactionGrantHandle) { return t.take(), t }

// UpdateGetAllowedWithoutPermission is pebble.CompactionScheduler; there is one compaction at any time.
func (t *turn) UpdateGetAllowedWithoutPermission() {}

// Done is pebble.CompactionGrantHandle.
func (t *turn) Done() {
	t.giveBack()
	t.offer()
}

// Started is pebble.CompactionGrantHandle.
func (t *turn) Started() {}

// MeasureCPU is pebble.CompactionGrantHandle.
func (t *turn) MeasureCPU(pebble.CompactionGoroutineKind) {}

// CumulativeStats is pebble.CompactionGrantHandle.
func (t *turn) CumulativeStats(pebble.CompactionGrantHandleStats) {}

package disk

import (
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"
)

// inTurn is what a [turn] sees of a database: compactions that are needed, and at most one that has been picked and waits.
type inTurn struct {
	t *turn

	mu              sync.Mutex
	needed, running int
	most            int // of running
	waits           bool
	handle          pebble.CompactionGrantHandle
	itself          bool // a compaction ends as soon as it was begun
	ended           sync.WaitGroup
	pebble.WaitingCompaction
}

func newInTurn() *inTurn {
	d := &inTurn{t: new(turn)}
	d.t.Register(1, d)
	return d
}

func (d *inTurn) GetAllowedWithoutPermission() int { return 1 }

func (d *inTurn) GetWaitingCompaction() (bool, pebble.WaitingCompaction) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waits = d.waits && d.needed > 0
	return d.waits, d.WaitingCompaction
}

func (d *inTurn) Schedule(h pebble.CompactionGrantHandle) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waits = d.waits && d.needed > 0
	if d.waits {
		d.begin(h)
	}
	return d.waits
}

func (d *inTurn) begin(h pebble.CompactionGrantHandle) {
	d.needed--
	d.running++
	d.most = max(d.most, d.running)
	d.handle = h
	if d.itself {
		d.ended.Add(1)
		go func() {
			d.end()
			d.ended.Done()
		}()
	}
}

// need says that so many more are to run.
func (d *inTurn) need(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.needed += n; d.needed > 0 && !d.waits; {
		ok, h := d.t.TrySchedule()
		if !ok {
			d.waits = true
			return
		}
		d.begin(h)
	}
}

func (d *inTurn) end() {
	d.mu.Lock()
	d.running--
	h := d.handle
	d.mu.Unlock()
	h.Done()
	d.need(0)
}

func (d *inTurn) left() (needed, running int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.needed, d.running
}

// One compaction runs if one is needed and none is held back, and never a second.
func TestTurnIsAsTheModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := newInTurn()
		held, needed, running := false, 0, 0
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"need", "hold", "let", "end"}).Draw(rt, "step") {
			case "need":
				n := rapid.IntRange(1, 3).Draw(rt, "n")
				needed += n
				d.need(n)
			case "hold":
				held = true
				d.t.hold(true)
			case "let":
				held = false
				d.t.hold(false)
			case "end":
				if running == 0 {
					continue
				}
				running = 0
				if !held && needed > 0 {
					needed, running = needed-1, 1
				}
				d.end()
			}
			if running == 0 && !held && needed > 0 {
				needed, running = needed-1, 1
			}
			if n, r := d.left(); n != needed || r != running {
				rt.Fatalf("%d needed and %d run, want %d and %d; held: %v", n, r, needed, running, held)
			}
		}
	})
}

// Whoever comes from whatever side: no compaction is forgotten, no two run at a time, and none runs once the database is told that it will not be asked.
func TestTurnForgetsNone(t *testing.T) {
	d := newInTurn()
	d.itself = true
	const each = 2000
	var all sync.WaitGroup
	for range 3 {
		all.Add(2)
		go func() {
			defer all.Done()
			for range each {
				d.need(1)
			}
		}()
		go func() {
			defer all.Done()
			for i := range each {
				d.t.hold(i%3 == 0)
			}
		}()
	}
	all.Wait()
	d.t.hold(false)
	for end := time.Now().Add(20 * time.Second); ; runtime.Gosched() {
		needed, running := d.left()
		if needed+running == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d are needed and %d run after 20 s", needed, running)
		}
	}
	d.ended.Wait()
	if d.most != 1 {
		t.Errorf("%d ran at a time", d.most)
	}
	d.t.hold(true)
	d.need(1)
	d.t.Unregister()
	d.t.hold(false)
	if needed, _ := d.left(); needed != 1 {
		t.Error("a compaction was begun in a closed database")
	}
}

// tables writes at full rate until there are so many, which lie over each other.
func (n *node) tables(want int, seq *uint32) {
	n.t.Helper()
	for n.store.Stats().Tables < uint64(want) {
		*seq++
		n.keep(key(int(*seq%2)), *seq, strings.Repeat("x", 1000))
	}
}

// waitCompacted waits until something of the active hour was compacted. Meanwhile no time goes by, or as much as the committer waits for.
func (n *node) waitCompacted(calm bool) {
	n.t.Helper()
	for end := time.Now().Add(20 * time.Second); n.store.compactions() == 0; n.poll() {
		if calm && n.clock.hasTimer(time.Second) {
			n.pass(time.Second)
		}
		if time.Now().After(end) {
			n.t.Fatalf("nothing is compacted after 20 s; %d tables", n.store.Stats().Tables)
		}
	}
}

func atFullRate() settings {
	set := settings{fs: vfs.NewMem(), shard: buffered, clock: newClock(), disk: small()}
	set.disk.QueueBytes = 64 << 10
	return set
}

// At full rate an hour is not compacted until it has so many times TablesOver tables.
func TestCompactionWaitsWhileContentsComeAtFullRate(t *testing.T) {
	n := atFullRate().start(t)
	seq := uint32(0)
	n.tables((patience-1)*16, &seq)
	if got := n.store.compactions(); got != 0 {
		t.Fatalf("%d compactions at full rate", got)
	}
	n.waitCompacted(true)
	n.wantExact(key(0), 2, strings.Repeat("x", 1000))
	n.stop()
}

func TestCompactionDoesNotWaitForEver(t *testing.T) {
	n := atFullRate().start(t)
	seq := uint32(0)
	n.tables(patience*16+6, &seq) // Pebble puts one into each of the six levels below
	n.waitCompacted(false)
	n.wantExact(key(0), 2, strings.Repeat("x", 1000))
	n.stop()
}

// An hour that ended at full rate can be sealed.
func TestAnHourThatWaitsIsSealed(t *testing.T) {
	set := atFullRate()
	n := set.start(t)
	seq := uint32(0)
	n.tables(20, &seq)
	n.stop()
	n = set.start(t)
	h := n.store.active
	h.turn.hold(true)
	if err := compact(h); err != nil {
		t.Fatal(err)
	}
	n.stop()
}

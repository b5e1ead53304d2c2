package disk

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// setBy sets the wall clock.
func (c *clock) setBy(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall += d.Milliseconds()
}

// However the clock is set while a node runs, what it has stored keeps its age, there and after a restart.
func TestClockStepsLoseNothing(t *testing.T) {
	for name, step := range map[string]time.Duration{
		"a year ahead": 365 * 24 * time.Hour, "a year back": -365 * 24 * time.Hour, "across the hour": 50 * time.Minute,
		"back across it": -50 * time.Minute, "from 1970": 54 * 365 * 24 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) { testClockStep(t, step) })
	}
}

func testClockStep(t *testing.T, step time.Duration) {
	set := settings{fs: vfs.NewMem(), shard: durable, clock: newClock()}
	set.shard.LogBytes = 32 << 10
	n := set.start(t)
	for i := range uint32(20) { // ten hours
		n.store1(key(1), i+1, label(int(i+1)))
		n.pass(30 * time.Minute)
	}
	set.clock.setBy(step)
	n.pass(time.Second)
	for i := range uint32(4) {
		n.store1(key(1), i+21, label(int(i+21)))
		n.pass(30 * time.Minute)
	}
	check := func() {
		t.Helper()
		for seq := uint32(1); seq <= 24; seq++ {
			n.wantExact(key(1), seq, label(int(seq)))
		}
		n.wantNewest(key(1), 24, label(24))
		if st := n.store.Stats(); st.Dropped != 0 {
			t.Fatalf("%d hours were dropped", st.Dropped)
		}
	}
	check()
	n.stop()
	n = set.start(t)
	check()
	if got := n.newest(key(1)); n.clock.now-got.Arrived != 30*time.Minute {
		t.Fatalf("the newest arrived %s ago", n.clock.now-got.Arrived)
	}
	// They go when the retention has passed.
	for i := range uint32(60) {
		n.pass(30 * time.Minute)
		n.store1(key(2), i+1, "time goes by")
	}
	n.wantNone(key(1), 24)
	if dirs := n.store.Dirs(); len(dirs) > maxHours {
		t.Fatalf("%d hours", len(dirs))
	}
	n.stop()
}

// A gateway that was off for days begins in 1970, and is set later: what is there from before keeps its dates, and nothing goes
// before the clock could be set.
func TestClockThatBeginsIn1970(t *testing.T) {
	set := settings{fs: vfs.NewMem(), shard: durable, clock: newClock()}
	n := set.start(t)
	n.store1(key(1), 1, "before")
	n.stop()
	real := set.clock.wall + (3 * time.Hour).Milliseconds()
	set.clock.setBy(-time.Duration(set.clock.wall-1000) * time.Millisecond)
	n = set.start(t)
	n.pass(time.Minute)
	n.store1(key(1), 2, "in 1970")
	set.clock.setBy(time.Duration(real-set.clock.wall) * time.Millisecond)
	n.pass(20 * time.Minute)
	n.store1(key(1), 3, "today")
	n.wantExact(key(1), 1, "before")
	n.wantExact(key(1), 2, "in 1970")
	n.stop()
	n = set.start(t)
	defer n.stop()
	n.wantExact(key(1), 1, "before")
	n.wantExact(key(1), 2, "in 1970")
	n.wantNewest(key(1), 3, "today")
}

// With the clock set ahead while no node runs, nothing is removed in the first ten minutes; set right again, all is there.
func TestWrongClockAtTheStart(t *testing.T) {
	set := settings{fs: vfs.NewMem(), shard: durable, clock: newClock()}
	n := set.start(t)
	n.store1(key(1), 1, "x")
	n.stop()
	set.clock.setBy(1000 * time.Hour)
	n = set.start(t)
	n.store1(key(2), 1, "by the wrong clock")
	n.clock.waitTimer(housekeeping)
	n.pass(5 * time.Minute)
	set.clock.setBy(-1000 * time.Hour)
	n.store1(key(2), 2, "by the right one")
	n.pass(time.Hour)
	n.store1(key(2), 3, "later")
	n.wantExact(key(1), 1, "x")
	n.stop()
	n = set.start(t)
	defer n.stop()
	n.wantExact(key(1), 1, "x")
	n.wantExact(key(2), 1, "by the wrong clock")
}

// Set ahead and left so, what is past its retention by that clock goes after a while, and a sentence says so.
func TestClockThatStaysAhead(t *testing.T) {
	set := settings{fs: vfs.NewMem(), shard: durable, clock: newClock()}
	n := set.start(t)
	n.store1(key(1), 1, "x")
	n.stop()
	set.clock.setBy(1000 * time.Hour)
	n = set.start(t)
	defer n.stop()
	n.store1(key(2), 1, "x")
	n.wantNone(key(1), 1)
	n.clock.waitTimer(housekeeping)
	n.pass(11 * time.Minute)
	n.event(HourRetired)
	n.wantNewest(key(2), 1, "x")
}

package disk

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
)

// store1 keeps a durable content and waits for its commit.
func (n *node) store1(k name.Key, seq uint32, payload string) {
	n.t.Helper()
	n.keep(k, seq, payload)
	n.committed(k, seq)
}

func TestRetentionRemovesDirectories(t *testing.T) {
	fs := vfs.NewMem()
	set := settings{fs: fs, shard: durable, clock: newClock()}
	n := set.start(t)
	for hour := range 60 {
		n.store1(key(hour%5), uint32(hour+1), label(hour))
		n.pass(time.Hour)
	}
	hours := func() []string {
		entries, _ := fs.List("data/store")
		return slices.DeleteFunc(entries, func(e string) bool { _, _, ok := parseHourName(e); return !ok })
	}
	dirs := n.store.Dirs()
	for len(hours()) != len(dirs) { // an hour leaves the list, then its directory goes, then it is told
		n.event(HourRetired)
		dirs = n.store.Dirs()
	}
	if len(dirs) < 24 || len(dirs) > maxHours {
		t.Fatalf("%d hours are open", len(dirs))
	}
	n.wantExact(key(40%5), 41, label(40))
	n.wantNone(key(30%5), 31)
	n.wantNone(key(4%5), 5)
	// Nothing comes any more: housekeeping removes the rest but for the current hour.
	n.clock.waitTimer(housekeeping)
	n.pass(48 * time.Hour)
	for len(n.store.Dirs()) > 1 {
		n.event(HourRetired)
	}
	n.wantNone(key(40%5), 41)
	n.stop()
	n = set.start(t)
	defer n.stop()
	if n.newest(key(1)).Body != nil {
		t.Fatal("the newest is there after its retention")
	}
}

func TestLowestIsLearntFromWhatIsNotFound(t *testing.T) {
	set := settings{fs: vfs.NewMem(), shard: durable, clock: newClock()}
	n := set.start(t)
	for i := range uint32(10) {
		n.store1(key(1), i+1, "x")
		n.pass(4 * time.Hour)
	}
	n.stop()
	n = set.start(t)
	defer n.stop()
	n.store1(key(1), 11, "x") // and with it the hours that are past their retention go
	n.wantNone(key(1), 2)
	known, _ := n.shard(key(1)).Known(key(1))
	if known.Lowest < 4 || known.Lowest > 6 {
		t.Fatalf("lowest is %d", known.Lowest)
	}
	if _, st := n.shard(key(1)).Exact(key(1), 3); st != store.Miss {
		t.Fatalf("the disk is asked again: %v", st)
	}
}

func TestKeepNewestSurvivesItsHour(t *testing.T) {
	rules := []store.Rule{{Prefix: name.Name{1}, Length: 1, KeepNewest: true, Class: store.Durable}}
	set := settings{fs: vfs.NewMem(), shard: store.Config{Class: store.Durable, Rules: rules}, clock: newClock()}
	n := set.start(t)
	kept, moved, other := key(1), key(2), name.Key(0x020000000000)
	n.store1(kept, 1, "older")
	n.store1(kept, 2, "kept")
	n.store1(moved, 1, "superseded")
	n.store1(other, 1, "not kept")
	n.pass(time.Hour)
	n.store1(moved, 2, "newer")
	for range 40 {
		n.pass(time.Hour)
		n.store1(name.Key(0x030000000000), uint32(n.clock.now/time.Hour), "time goes by")
	}
	check := func() {
		t.Helper()
		n.wantNewest(kept, 2, "kept")
		n.wantNone(kept, 1)
		n.wantNewest(moved, 2, "newer")
		if n.newest(other).Body != nil {
			t.Fatal("what no rule keeps is there")
		}
	}
	check()
	n.stop()
	n = set.start(t)
	check()
	n.store1(kept, 3, "the next")
	for range 30 {
		n.pass(time.Hour)
		n.store1(name.Key(0x030000000000), uint32(n.clock.now/time.Hour), "time goes by")
	}
	n.stop()
	n = set.start(t)
	defer n.stop()
	n.wantNewest(kept, 3, "the next")
	n.wantNone(kept, 2)
}

func TestMaxBytes(t *testing.T) {
	shard := durable
	shard.LogBytes = 64 << 10
	n := settings{fs: vfs.NewMem(), shard: shard, clock: newClock(), disk: Config{MaxBytes: 1 << 20, MemTableBytes: 64 << 10}}.start(t)
	defer n.stop()
	filler := strings.Repeat("x", 1000)
	for i := range uint32(5000) {
		n.keep(key(1), i+1, filler)
		if i%100 == 99 {
			n.committed(key(1), i+1)
		}
	}
	if st := n.store.Stats(); st.DiskBytes > 3<<19 || st.Written != 5000 {
		t.Fatalf("stats are %+v", st)
	}
	n.wantNone(key(1), 1)
	n.wantExact(key(1), 4900, filler)
}

func TestClockThatIsSet(t *testing.T) {
	set := settings{fs: vfs.NewMem(), shard: durable, clock: newClock()}
	real := set.clock.wall
	set.clock.wall = 1000 // a gateway without a battery begins in 1970
	n := set.start(t)
	n.store1(key(1), 1, "in 1970")
	set.clock.wall = real
	n.pass(time.Second)
	n.store1(key(1), 2, "today")
	n.pass(time.Hour)
	set.clock.wall = real - 3*time.Hour.Milliseconds() // and is set back by some hours
	n.store1(key(1), 3, "before")
	n.stop()
	n = set.start(t)
	defer n.stop()
	n.wantNewest(key(1), 3, "before")
	n.wantExact(key(1), 2, "today")
}

func TestOnTheMachinesFileSystem(t *testing.T) {
	t.Chdir(t.TempDir())
	set := settings{fs: vfs.Default, shard: durable, clock: newClock()}
	n := set.start(t)
	n.store1(key(1), 1, "x")
	if _, err := set.open(t); !errors.Is(err, ErrLocked) {
		t.Fatalf("a second node gets %v", err)
	}
	n.pass(2 * time.Hour)
	n.store1(key(1), 2, "y")
	n.stop()
	n = set.start(t)
	defer n.stop()
	n.wantNewest(key(1), 2, "y")
	n.wantExact(key(1), 1, "x")
}

func TestQueueThatIsFull(t *testing.T) {
	n := settings{fs: vfs.NewMem(), shard: buffered, clock: newClock(), disk: Config{QueueBytes: 1}}.start(t)
	defer n.stop()
	out := n.put(key(1), 1, "x")
	if out.Verdict != store.NotKept || out.Cause != store.QueueFull || !out.Newest {
		t.Fatalf("outcome is %+v", out)
	}
	if st := n.shard(key(1)).Stats(); st.NotKept[store.QueueFull] != 1 || n.store.Stats().Refused != 1 {
		t.Fatalf("stats are %+v", st)
	}
}

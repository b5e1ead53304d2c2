package disk

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
)

var (
	buffered = store.Config{Class: store.Buffered}
	durable  = store.Config{Class: store.Durable}
)

func TestRestartRoundTrip(t *testing.T) {
	set := settings{fs: vfs.NewMem(), shard: buffered}
	n := set.start(t)
	for i := range uint32(5) {
		n.keep(key(1), i+1, label(int(i)))
	}
	n.stop()
	set.workers = 3
	n = set.start(t)
	defer n.stop()
	n.wantNewest(key(1), 5, label(4))
	n.wantExact(key(1), 2, label(1))
	n.wantNone(key(1), 6)
	n.wantNone(key(2), 1)
	known, ok := n.shard(key(1)).Known(key(1))
	if !ok || known.Newest != 5 || !known.Published || !known.OnDisk || known.Class != store.Buffered {
		t.Fatalf("known is %+v", known)
	}
	if got := n.newest(key(1)); !got.Producer || got.Face != 0 || got.Covered || got.Arrived != n.clock.now {
		t.Fatalf("newest is %+v", got)
	}
	out := n.put(key(1), 5, label(4))
	if out.Verdict != store.Duplicate {
		t.Fatalf("the newest once more is %+v", out)
	}
	n.keep(key(1), 6, "six")
	n.wantNewest(key(1), 6, "six")
}

func TestManyNamesComeBack(t *testing.T) {
	names, each := 10_000, 10
	if testing.Short() || underRace {
		names = 1000
	}
	shard := buffered
	shard.LogBytes = 1 << 20
	set := settings{fs: vfs.NewMem(), shard: shard, workers: 2}
	set.clock, set.disk = eagerly()
	set.disk.MemTableBytes = 0
	n := set.start(t)
	for seq := range each {
		for i := range names {
			n.keep(key(i), uint32(seq+1), label(i*each+seq))
		}
	}
	n.stop()
	set.workers = 3
	n = set.start(t)
	defer n.stop()
	for i := range names {
		n.wantNewest(key(i), uint32(each), label(i*each+each-1))
		seq := i % each
		n.wantExact(key(i), uint32(seq+1), label(i*each+seq))
		n.wantReplay(key(i), i*each, each)
	}
}

// wantReplay replays k and wants numbers 1 … each with the payloads from first on.
func (n *node) wantReplay(k name.Key, first, each int) {
	n.t.Helper()
	next := 0
	err := n.store.replay(context.Background(), k, 0, func(c *replayed) bool {
		if !bytes.Equal(c.Body, bodyOf(k, uint32(next+1), label(first+next))) {
			n.t.Fatalf("replay gives %x as number %d", c.Body, next)
		}
		next++
		return true
	})
	if err != nil || next != each {
		n.t.Fatalf("replay gave %d contents, want %d: %v", next, each, err)
	}
}

// wantReplayed replays k and wants that many contents.
func (n *node) wantReplayed(k name.Key, want int) {
	n.t.Helper()
	got := 0
	err := n.store.replay(context.Background(), k, 0, func(*replayed) bool { got++; return true })
	if err != nil || got != want {
		n.t.Fatalf("replay gave %d contents, want %d: %v", got, want, err)
	}
}

func TestReplayInOrderAcrossHours(t *testing.T) {
	set := settings{fs: vfs.NewMem(), shard: buffered}
	set.clock, set.disk = eagerly()
	n := set.start(t)
	defer n.stop()
	// 600 numbers in three hours, each hour with every third: replay has to go to and fro.
	for part := range uint32(3) {
		for i := range uint32(200) {
			k := key(1)
			seq := 1 + 3*i + part
			if out := n.putFrom(k, seq, label(int(seq-1)), false); out.Verdict != store.Stored {
				t.Fatalf("put %d: %+v", seq, out)
			}
			if i == 199 {
				n.committed(k, seq)
			}
		}
		n.pass(time.Hour)
	}
	if dirs := n.store.Dirs(); len(dirs) != 3 {
		t.Fatalf("hours are %v", dirs)
	}
	n.wantReplay(key(1), 0, 600)
	got := 0
	if err := n.store.replay(context.Background(), key(1), 1<<24|595, func(*replayed) bool { got++; return got < 3 }); err != nil || got != 3 {
		t.Fatalf("%d contents: %v", got, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := n.store.replay(ctx, key(1), 0, func(*replayed) bool { return true }); !errors.Is(err, context.Canceled) {
		t.Fatalf("replay says %v", err)
	}
}

func TestNewestNeverGoesBack(t *testing.T) {
	set := settings{fs: vfs.NewMem(), shard: durable, clock: newClock()}
	n := set.start(t)
	n.keep(key(1), 50, "newest")
	n.committed(key(1), 50)
	n.pass(2 * time.Hour)
	n.keep(key(1), 49, "late, in another hour")
	n.committed(key(1), 49)
	n.stop()
	n = set.start(t)
	defer n.stop()
	n.wantNewest(key(1), 50, "newest")
	n.wantExact(key(1), 49, "late, in another hour")
	n.keep(key(1), 48, "later still")
	n.wantNewest(key(1), 50, "newest")
}

func TestEpochsComeBack(t *testing.T) {
	set := settings{fs: vfs.NewMem(), shard: durable, clock: newClock()}
	n := set.start(t)
	for i := range uint32(100) {
		n.keep(key(1), i+1, "first life")
	}
	for i := range uint32(3) {
		n.put(key(1), i+1, "second life")
	}
	n.committed(key(1), 3)
	n.stop()
	n = set.start(t)
	defer n.stop()
	n.wantNewest(key(1), 3, "second life")
	n.wantExact(key(1), 2, "second life")
	n.wantExact(key(1), 50, "first life")
	if known, _ := n.shard(key(1)).Known(key(1)); known.Ext != 2<<24|3 {
		t.Fatalf("known is %+v", known)
	}
}

func TestP1DiskIsAskedBeforeAnEpochOpens(t *testing.T) {
	set := settings{fs: vfs.NewMem(), shard: durable, clock: newClock()}
	n := set.start(t)
	for i := range uint32(200) {
		n.keep(key(1), i+1, "first life")
	}
	n.committed(key(1), 200)
	n.stop()
	n = set.start(t)
	defer n.stop()
	// A replay of what is on disk only.
	for i := range uint32(20) {
		if out := n.put(key(1), i+1, "first life"); out.Verdict != store.Suspect {
			t.Fatalf("number %d of a replay is %+v", i+1, out)
		}
	}
	n.keep(key(1), 201, "first life")
	n.committed(key(1), 201) // by then the disk has answered
	n.wantNewest(key(1), 201, "first life")
	// A new life.
	for i := range uint32(3) {
		if out := n.put(key(1), i+1, "second life"); out.Verdict != store.Suspect {
			t.Fatalf("number %d of a new life is %+v", i+1, out)
		}
	}
	var opened []uint64
	n.until(func(r store.Result) bool {
		if r.Done == store.DoneOpened {
			if r.Epoch != (r.Seq == 1) || !bytes.Equal(r.Body, bodyOf(key(1), r.Seq, "second life")) {
				t.Fatalf("opened %+v", r)
			}
			opened = append(opened, r.Ext)
		}
		return len(opened) == 3
	})
	if opened[0] != 2<<24|1 || opened[2] != 2<<24|3 {
		t.Fatalf("opened %x", opened)
	}
	n.wantNewest(key(1), 3, "second life")
}

func TestP13ConfirmationWaitsForTheCommit(t *testing.T) {
	n := settings{fs: vfs.NewMem(), shard: store.Config{Class: store.Buffered, Rules: []store.Rule{
		{Prefix: name.Name{2}, Length: 1, Class: store.Durable},
		{Prefix: name.Name{3}, Length: 1, Class: store.Memory},
	}}}.start(t)
	defer n.stop()
	buf, dur, mem := key(1), name.Key(0x020000000000), name.Key(0x030000000000)
	want := func(k name.Key, st store.Status) {
		t.Helper()
		if body, got := n.shard(k).Exact(k, 1); got != st || body == nil {
			t.Fatalf("exact is %v %x, want %v", got, body, st)
		}
	}
	n.keep(mem, 1, "x")
	want(mem, store.Hit)
	n.keep(buf, 1, "x")
	want(buf, store.Uncommitted)
	n.clock.waitTimer(time.Second) // it is in the log, not yet synced
	want(buf, store.Uncommitted)
	n.pass(time.Second)
	n.committed(buf, 1)
	want(buf, store.Hit)
	n.keep(dur, 1, "x")
	want(dur, store.Uncommitted)
	n.committed(dur, 1) // without time going by
	want(dur, store.Hit)
	// A durable content takes along what was buffered before it.
	n.keep(buf, 2, "x")
	n.clock.waitTimer(time.Second)
	n.keep(dur, 2, "x")
	n.committed(dur, 2)
	if _, st := n.shard(buf).Exact(buf, 2); st != store.Hit {
		t.Fatalf("the buffered content is %v", st)
	}
}

func TestLockedFolder(t *testing.T) {
	set := settings{fs: vfs.NewMem(), shard: buffered}
	n := set.start(t)
	_, err := set.open(t)
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "open store data/store: another node uses this folder") {
		t.Fatalf("a second node gets %v", err)
	}
	n.stop()
	set.start(t).stop()
}

func TestFolderOfAnotherVersion(t *testing.T) {
	fs := vfs.NewMem()
	set := settings{fs: fs, shard: buffered}
	set.start(t).stop()
	f, _ := fs.Create("data/store/FORMAT", vfs.WriteCategoryUnspecified)
	_, _ = io.WriteString(f, "zmesh-store 9\n")
	_ = f.Close()
	if _, err := set.open(t); err == nil || !strings.Contains(err.Error(), "format 9, and this zmesh knows formats up to 2") {
		t.Fatalf("open says %v", err)
	}
}

func TestRequiredOptions(t *testing.T) {
	if _, err := Open(Config{Dir: "x", FS: vfs.NewMem()}); err == nil {
		t.Fatal("a store without a clock was opened")
	}
}

func TestNamesOfEvents(t *testing.T) {
	for k := HourOpened; k <= ClockStepped; k++ {
		if k.String() == "" || k.String() == "unknown" {
			t.Fatalf("event %d has no name", k)
		}
	}
	if EventKind(99).String() != "unknown" {
		t.Fatal("event 99 has a name")
	}
}

func TestHourNames(t *testing.T) {
	for _, s := range []string{"", "kept", "00000001", "1-2", "00000001-x", "damaged-00000001-5", "00000001-5-6"} {
		if _, _, ok := parseHourName(s); ok {
			t.Errorf("%q is an hour", s)
		}
	}
	if n, start, ok := parseHourName(hourName(12, -5)); !ok || n != 12 || start != -5 {
		t.Errorf("%q is %d %d %v", hourName(12, -5), n, start, ok)
	}
}

// A number that is not there says nothing of those in front of it: a reader who asks for numbers before they have come must not
// lose sight of the older ones.
func TestAHoleHidesNothing(t *testing.T) {
	set := settings{fs: vfs.NewMem(), shard: buffered}
	n := set.start(t)
	for seq := uint32(1); seq <= 5; seq++ {
		n.keep(key(1), seq, label(int(seq)))
	}
	n.keep(key(1), 9, label(9))
	n.stop()
	n = set.start(t)
	defer n.stop()
	for range 2 {
		n.wantNone(key(1), 7)
		for seq := uint32(1); seq <= 5; seq++ {
			n.wantExact(key(1), seq, label(int(seq)))
		}
	}
}

// However many hours are open, what was read once is in the block cache: Pebble takes the memtables of all of them out of it.
func TestBlocksOfManyHoursAreCached(t *testing.T) {
	set := settings{fs: vfs.NewMem(), shard: store.Config{Class: store.Durable, LogBytes: 32 << 10}, clock: newClock(), disk: Config{CacheBytes: 1 << 20, MemTableBytes: 64 << 10}}
	n := set.start(t)
	for hour := range uint32(24) {
		for i := range 20 {
			n.store1(key(i), hour+1, strings.Repeat("x", 200))
		}
		n.pass(time.Hour)
	}
	n.waitSealed()
	n.stop()
	n = set.start(t)
	defer n.stop()
	all := func() (misses int64) {
		before := n.store.shared.cache.Metrics().Misses
		for hour := range uint32(24) {
			n.wantExact(key(3), hour+1, strings.Repeat("x", 200))
		}
		return n.store.shared.cache.Metrics().Misses - before
	}
	first := all()
	again := all()
	for range 20 { // Pebble reads some blocks by itself after it has opened a table
		again = min(again, all())
	}
	if first < 24 || again > 0 {
		t.Errorf("%d blocks were read from the disk at first, and %d each time", first, again)
	}
}

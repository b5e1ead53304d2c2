package disk

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
)

// crashes takes a copy of what would be on disk after a power cut, before every operation on the file system, or every n-th, each with what
// had been confirmed until then.
type crashes struct {
	mem   *vfs.MemFS
	every int64
	ops   atomic.Int64
	armed atomic.Bool

	mu        sync.Mutex
	confirmed map[number]string
	list      []crash
	rng       *rand.Rand
}

type number struct {
	key name.Key
	seq uint32
}

type crash struct {
	fs        *vfs.MemFS
	confirmed map[number]string
}

func (c *crashes) MaybeError(errorfs.Op) error {
	if c.armed.Load() && c.ops.Add(1)%c.every == 0 {
		c.cut()
	}
	return nil
}

func (c *crashes) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	safe := map[number]string{}
	for k, v := range c.confirmed {
		safe[k] = v
	}
	// In one half of the crashes some of what was not synced is there as well.
	cfg := vfs.CrashCloneCfg{}
	if c.rng.IntN(2) == 0 {
		cfg = vfs.CrashCloneCfg{UnsyncedDataPercent: c.rng.IntN(100), RNG: c.rng}
	}
	c.list = append(c.list, crash{fs: c.mem.CrashClone(cfg), confirmed: safe})
}

// lockable keeps CrashClone apart from those operations of MemFS that take its lock for reading twice: a clone that comes in between
// waits for the first, while the second waits for the clone.
type lockable struct {
	vfs.FS
	mu *sync.Mutex
}

func (l lockable) Lock(path string) (io.Closer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.FS.Lock(path)
}

func (l lockable) Link(from, to string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.FS.Link(from, to)
}

func (l lockable) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.FS.ReuseForWrite(from, to, c)
}

func (c *crashes) String() string { return "crashes" }

func (c *crashes) confirm(r store.Result) bool {
	if r.Done == store.DoneCommit {
		c.mu.Lock()
		c.confirmed[number{r.Key, r.Seq}] = string(r.Body)
		c.mu.Unlock()
	}
	return r.Done == store.DoneCommit
}

// Whenever the power goes: what was confirmed is there, whole, and the newest is not older than any of it. The race detector takes eight
// times as long for each cut, and has every fifth alone.
func TestPowerCutKeepsWhatWasConfirmed(t *testing.T) {
	every := int64(1)
	if underRace {
		every = 5
	}
	powerCuts(t, 45, every)
}

// TestSoakPowerCut cuts at every operation, also under the race detector, with more contents.
func TestSoakPowerCut(t *testing.T) { powerCuts(t, max(int(150*soak(t)), 45), 1) }

func powerCuts(t *testing.T, contents int, every int64) {
	for _, class := range []store.Class{store.Durable, store.Buffered} {
		t.Run(class.String(), func(t *testing.T) { testPowerCuts(t, class, contents, every) })
	}
}

// testPowerCuts has three hours filled and sealed, and the power cut meanwhile and at the end.
func testPowerCuts(t *testing.T, class store.Class, contents int, every int64) {
	mem := vfs.NewCrashableMem()
	c := &crashes{mem: mem, every: every, confirmed: map[number]string{}, rng: rand.New(rand.NewPCG(1, uint64(class)))}
	set := settings{fs: errorfs.Wrap(lockable{mem, &c.mu}, c), workers: 2, shard: store.Config{Class: class}}
	set.clock = newClock()
	set.disk.TablesOver = 16
	set.disk.MemTableBytes = 16 << 10 // so small that it is flushed within an hour, too
	n := set.start(t)
	c.armed.Store(true)
	filler := strings.Repeat("x", 900)
	for i := range contents {
		n.keep(key(i%7), uint32(i/7+1), label(i)+filler)
		last := i%(contents/3) == contents/3-1
		if class == store.Buffered && i%8 != 5 && i%8 != 7 && !last { // six, which are enough for a table, and two
			continue
		}
		n.due()
		n.until(c.confirm)
		if last {
			n.pass(time.Hour)
		}
	}
	n.waitSealed()
	stats := n.store.Stats()
	if batches := stats.Groups - stats.Tables; batches < 3 || class == store.Buffered && stats.Tables < 3 {
		t.Errorf("%d tables and %d batches were written", stats.Tables, batches)
	}
	n.stop()
	c.armed.Store(false)
	c.cut()
	t.Logf("%d operations, %d power cuts", c.ops.Load(), len(c.list))
	if len(c.list) < 3*contents/int(every) {
		t.Errorf("only %d power cuts for %d contents", len(c.list), contents)
	}
	for i, cr := range c.list {
		if t.Failed() {
			return
		}
		t.Run(fmt.Sprintf("cut %d", i), func(t *testing.T) { checkCrash(t, set, cr) })
	}
}

func checkCrash(t *testing.T, set settings, c crash) {
	set.fs, set.workers = c.fs, 3
	n := set.start(t)
	defer n.stop()
	newest := map[name.Key]uint32{}
	for id, body := range c.confirmed {
		got := n.exact(id.key, id.seq)
		if got == nil || body != "" && string(got) != body {
			t.Fatalf("content %d of %x was confirmed with %d bytes and has %d, or others", id.seq, id.key, len(body), len(got))
		}
		newest[id.key] = max(newest[id.key], id.seq)
	}
	for k, seq := range newest {
		got := n.newest(k)
		if got.Seq < seq || string(got.Body) != string(n.exact(k, got.Seq)) {
			t.Fatalf("newest of %x is %d, want at least %d", k, got.Seq, seq)
		}
	}
	if d := n.store.Stats().Damaged; d != 0 {
		t.Fatalf("%d hours were set aside after a power cut", d)
	}
	n.keep(key(99), 1, "it takes contents again")
	n.wantNewest(key(99), 1, "it takes contents again")
}

func TestDamagedHourIsSetAside(t *testing.T) {
	fs := vfs.NewMem()
	set := settings{fs: fs, shard: durable, clock: newClock()}
	n := set.start(t)
	for hour := range 3 {
		n.keep(key(1), uint32(hour+1), label(hour))
		n.committed(key(1), uint32(hour+1))
		n.pass(time.Hour)
	}
	dirs := n.store.Dirs()
	n.stop()
	damage(t, fs, "data/store/"+dirs[1])
	n = set.start(t)
	e := n.event(HourDamaged)
	if e.Err == nil || !strings.HasPrefix(e.Dir, "data/store/damaged-"+dirs[1]) {
		t.Fatalf("event is %+v", e)
	}
	if _, err := fs.Stat(e.Dir); err != nil {
		t.Fatalf("the damaged hour is gone: %v", err)
	}
	n.wantExact(key(1), 1, label(0))
	n.wantNone(key(1), 2)
	n.wantNewest(key(1), 3, label(2))
	n.stop()
	n = set.start(t)
	defer n.stop()
	if d := n.store.Stats().Damaged; d != 0 {
		t.Fatalf("%d hours were set aside a second time", d)
	}
}

// damage overwrites the MANIFEST files of an hour.
func damage(t *testing.T, fs vfs.FS, dir string) {
	entries, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e, "MANIFEST") {
			continue
		}
		f, err := fs.Create(dir+"/"+e, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(f, strings.Repeat("not a manifest ", 10))
		_ = f.Close()
	}
}

func TestNewestIsTheLastLeftWhereItsHourWasLost(t *testing.T) {
	fs := vfs.NewMem()
	set := settings{fs: fs, shard: durable, clock: newClock()}
	n := set.start(t)
	for hour := range 3 {
		n.keep(key(1), uint32(10*hour+10), label(hour))
		n.committed(key(1), uint32(10*hour+10))
		n.pass(time.Hour)
	}
	n.keep(key(1), 29, "late") // its pointer, in the last hour, names 30
	n.committed(key(1), 29)
	dirs := n.store.Dirs()
	n.stop()
	damage(t, fs, "data/store/"+dirs[2])
	n = set.start(t)
	defer n.stop()
	got := n.newest(key(1))
	if got.Seq != 29 || !got.Stale {
		t.Fatalf("newest is %+v, want a stale 29", got)
	}
}

// fullDisk lets every write fail while it is on.
type fullDisk struct{ on atomic.Bool }

func (f *fullDisk) MaybeError(op errorfs.Op) error {
	if f.on.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && !removes(op.Kind) {
		return syscall.ENOSPC
	}
	return nil
}

func removes(k errorfs.OpKind) bool { return k == errorfs.OpRemove || k == errorfs.OpRemoveAll }

func (f *fullDisk) String() string { return "full disk" }

func TestFullDiskBlocksNobody(t *testing.T) {
	for _, class := range []store.Class{store.Durable, store.Buffered} {
		t.Run(class.String(), func(t *testing.T) { testFullDisk(t, class) })
	}
}

func testFullDisk(t *testing.T, class store.Class) {
	full := &fullDisk{}
	mem := vfs.NewMem()
	set := settings{fs: errorfs.Wrap(mem, full), shard: store.Config{Class: class}}
	set.clock, set.disk = eagerly()
	n := set.start(t)
	n.keep(key(1), 1, "before")
	n.committed(key(1), 1)
	full.on.Store(true)
	filler := strings.Repeat("x", 1000)
	for i := range uint32(500) { // several memtables
		if out := n.put(key(1), i+2, filler); out.Verdict != store.Stored && out.Cause != store.QueueFull {
			t.Fatalf("put %d: %+v", i+2, out)
		}
	}
	failures := 0
	n.until(func(r store.Result) bool {
		if r.Done == store.DoneFailed {
			failures++
		}
		return failures > 0
	})
	if e := n.event(WriteFailed); e.Err == nil || !strings.Contains(e.Err.Error(), "no space left") {
		t.Fatalf("event is %+v", e)
	}
	if body, st := n.shard(key(1)).Exact(key(1), 2); st != store.Unwritten || body == nil {
		t.Fatalf("what was not written is %v", st)
	}
	for i := range 3 { // it fails again, less and less often
		n.clock.waitTimer(lastRetry)
		n.pass(lastRetry)
		n.put(key(2), uint32(i+1), "still full")
	}
	full.on.Store(false)
	n.recovers(key(3))
	n.stop()
	set.fs = mem
	n = set.start(t)
	defer n.stop()
	n.wantExact(key(1), 1, "before")
	n.wantExact(key(3), 1, "after")
}

// recovers lets time go by until the disk takes a content of k again, of which there was none.
func (n *node) recovers(k name.Key) {
	n.t.Helper()
	for seq := uint32(1); ; seq++ {
		n.clock.waitTimer(lastRetry)
		n.pass(lastRetry)
		n.put(k, seq, "after")
		ok := false
		n.until(func(r store.Result) bool {
			done := r.Key == k && r.Seq == seq && (r.Done == store.DoneCommit || r.Done == store.DoneFailed)
			ok = ok || done && r.Done == store.DoneCommit
			return done
		})
		if ok {
			n.event(Recovered)
			n.put(k, 1, "after")
			return
		}
	}
}

package disk

import (
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/zmesh/zmesh/core/store"
)

// waitSealed waits until no hour is left to seal.
func (n *node) waitSealed() {
	n.t.Helper()
	for end := time.Now().Add(20 * time.Second); n.store.unsealed() != nil; n.poll() {
		if time.Now().After(end) {
			n.t.Fatal("an hour is not sealed after 20 s")
		}
	}
}

func TestHoursThatEndedAreSealed(t *testing.T) {
	fs := vfs.NewMem()
	set := settings{fs: fs, shard: durable, clock: newClock(), disk: Config{MemTableBytes: 64 << 10}}
	n := set.start(t)
	filler := strings.Repeat("x", 500)
	for hour := range 3 {
		for i := range uint32(200) {
			n.keep(key(int(i%5)), uint32(hour)*200+i+1, filler)
		}
		n.committed(key(4), uint32(hour)*200+200)
		n.pass(time.Hour)
	}
	n.store1(key(9), 1, "the last hour")
	n.waitSealed()
	check := func() {
		t.Helper()
		for _, h := range n.store.hours[1 : len(n.store.hours)-1] {
			if !h.sealed || !n.store.exists(h.dir, sealedName) {
				t.Fatalf("hour %s is not sealed", h.dir)
			}
			if err := h.db.Set([]byte("x"), nil, nil); !errors.Is(err, pebble.ErrReadOnly) {
				t.Errorf("hour %s can be written: %v", h.dir, err)
			}
			m := h.db.Metrics()
			if have := filesOf(t, fs, h.dir); m.DiskSpaceUsage() > have {
				t.Errorf("hour %s counts %d bytes, and has %d", h.dir, m.DiskSpaceUsage(), have)
			}
			for level := range m.Levels[:6] {
				if files := m.Levels[level].TablesCount; files != 0 {
					t.Errorf("hour %s has %d tables on level %d", h.dir, files, level)
				}
			}
		}
		for i := range uint32(600) {
			n.wantExact(key(int(i%200%5)), i+1, filler)
		}
		n.wantNewest(key(4), 600, filler)
		n.wantReplayed(key(0), 120)
	}
	check()
	n.stop()
	n = set.start(t)
	check()
	n.stop()
}

// filesOf is the size of all files in a folder.
func filesOf(t *testing.T, fs vfs.FS, dir string) (bytes uint64) {
	t.Helper()
	list, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range list {
		info, err := fs.Stat(fs.PathJoin(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		bytes += uint64(info.Size())
	}
	return bytes
}

// A disk on which there is no room to seal an hour holds it as it is, and it is sealed later.
func TestNoRoomToSeal(t *testing.T) {
	full := &noTables{}
	set := settings{fs: errorfs.Wrap(vfs.NewMem(), full), shard: durable, clock: newClock()}
	n := set.start(t)
	defer n.stop()
	n.store1(key(1), 1, "x")
	n.pass(time.Hour)
	full.on.Store(true)
	n.store1(key(1), 2, "y")
	n.event(SealFailed)
	n.wantExact(key(1), 1, "x")
	n.store1(key(1), 3, "z")
	full.on.Store(false)
	n.sealedInTheEnd()
	n.wantExact(key(1), 1, "x")
	n.wantNewest(key(1), 3, "z")
}

// An hour that is compacted, and then cannot be opened for reading only, is read as before, and sealed later.
func TestSealedHourCannotBeOpened(t *testing.T) {
	shut := &shutWhenSealed{}
	set := settings{fs: errorfs.Wrap(vfs.NewMem(), shut), shard: durable, clock: newClock()}
	n := set.start(t)
	defer n.stop()
	n.store1(key(1), 1, "x")
	n.pass(time.Hour)
	n.store1(key(1), 2, "y")
	n.event(SealFailed)
	if n.sealedFirst() {
		t.Error("it counts as sealed")
	}
	n.wantExact(key(1), 1, "x")
	shut.never.Store(true)
	n.sealedInTheEnd()
	n.wantExact(key(1), 1, "x")
}

// sealedInTheEnd waits until the first hour is sealed.
func (n *node) sealedInTheEnd() {
	n.t.Helper()
	for minute := 0; minute < 20 && !n.sealedFirst(); minute++ {
		n.clock.waitTimer(housekeeping)
		n.pass(housekeeping)
		for end := time.Now().Add(time.Second); !n.sealedFirst() && time.Now().Before(end); {
			n.poll()
		}
	}
	if !n.sealedFirst() {
		n.t.Fatal("it is not sealed though nothing fails any more")
	}
}

func (n *node) sealedFirst() bool {
	n.store.mu.RLock()
	defer n.store.mu.RUnlock()
	return n.store.hours[1].sealed
}

// noTables is a disk with no room for tables.
type noTables struct{ on atomic.Bool }

func (f *noTables) MaybeError(op errorfs.Op) error {
	if f.on.Load() && isTable(op.Path) && op.Kind == errorfs.OpCreate {
		return syscall.ENOSPC
	}
	return nil
}

func (f *noTables) String() string { return "no room for tables" }

// shutWhenSealed is a disk on which no file can be opened any more once an hour is marked as sealed.
type shutWhenSealed struct{ sealed, never atomic.Bool }

func (f *shutWhenSealed) MaybeError(op errorfs.Op) error {
	if op.Kind == errorfs.OpCreate && strings.Contains(op.Path, sealedName) {
		f.sealed.Store(true)
	}
	if op.Kind == errorfs.OpOpen && f.sealed.Load() && !f.never.Load() {
		return syscall.EIO
	}
	return nil
}

func (f *shutWhenSealed) String() string { return "shut when sealed" }

// A folder of format 1, as an earlier zmesh has left it: BEGUN is empty, contents have pointers beside them, nothing is sealed.
func TestFolderOfFormat1IsMigrated(t *testing.T) {
	fs := vfs.NewMem()
	set := settings{fs: fs, shard: durable, clock: newClock()}
	old := makeFormat1(t, fs, set.clock.Wall())
	set.clock.pass(10 * time.Minute)
	n := set.start(t)
	n.waitSealed()
	n.wantNewest(key(1), 7, "newest")
	n.store1(key(1), 8, "goes on")
	n.stop()
	n = set.start(t)
	defer n.stop()
	n.wantNewest(key(1), 8, "goes on")
	n.wantExact(key(1), 7, "newest")
	if line, _ := n.store.readFile("data/store", formatName); line != formatLine {
		t.Errorf("FORMAT says %q", line)
	}
	if !n.store.exists(old, sealedName) {
		t.Error("the old hour is not sealed")
	}
}

// makeFormat1 writes a folder by hand.
func makeFormat1(t *testing.T, fs vfs.FS, wall int64) (dir string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir = "data/store/" + hourName(1, wall)
	must(fs.MkdirAll(dir, 0o700))
	file := func(path, text string) {
		f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
		must(err)
		_, err = io.WriteString(f, text)
		must(errors.Join(err, f.Sync(), f.Close()))
	}
	db, err := pebble.Open(dir, &pebble.Options{FS: fs, FormatMajorVersion: pebble.FormatNewest, Logger: newGuard(fs, dir, nil)})
	must(err)
	for _, c := range []struct {
		seq, newest uint32
		payload     string
	}{{6, 6, "older"}, {7, 7, "newest"}, {90000, 7, "far ahead, and not believed"}} {
		body := bodyOf(key(1), c.seq, c.payload)
		value := make([]byte, contentHeader+len(body))
		putContent(value, wall, flagProducer, body)
		must(db.Set(contentKey(key(1), 1<<24|uint64(c.seq)), value, pebble.Sync))
		var ptr [pointerSize]byte
		(&pointer{newest: 1<<24 | uint64(c.newest), wall: wall, producer: true, published: true}).put(ptr[:])
		must(db.Set(pointerKey(key(1)), ptr[:], pebble.Sync))
	}
	must(db.Close())
	file(dir+"/"+begunName, "")
	file("data/store/"+formatName, "zmesh-store 1\n")
	return dir
}

// The number of a content that is on disk only stays with its first bytes (P-17).
func TestP17ConflictWithWhatIsOnDiskOnly(t *testing.T) {
	set := settings{fs: vfs.NewMem(), shard: durable, clock: newClock()}
	n := set.start(t)
	for i := range uint32(10) {
		n.store1(key(1), i+1, label(int(i+1)))
	}
	n.pass(time.Hour)
	n.store1(key(1), 11, label(11))
	n.stop()
	n = set.start(t)
	n.putFrom(key(1), 5, "other bytes", false)
	if body, st := n.shard(key(1)).Exact(key(1), 5); body == nil || st.String() != "uncommitted" {
		t.Errorf("before the disk was asked: %v", st)
	}
	n.committed(key(1), 5) // whoever waits for the number is answered from the disk
	n.wantExact(key(1), 5, label(5))
	n.putFrom(key(1), 6, label(6), false)
	n.committed(key(1), 6)
	n.wantExact(key(1), 6, label(6))
	n.keep(key(1), 12, "and a new one")
	n.committed(key(1), 12)
	if st := n.shard(key(1)).Stats(); st.Conflicts != 1 {
		t.Errorf("%d conflicts, want 1", st.Conflicts)
	}
	n.wantReplayed(key(1), 12)
	n.stop()
	n = set.start(t)
	n.wantExact(key(1), 5, label(5))
	n.stop()
}

// A late content of which a copy waits to be written is not confirmed before it is safe (P-13, P-17).
func TestP13LateCopyIsConfirmedWhenTheFirstIsSafe(t *testing.T) {
	mem := vfs.NewCrashableMem()
	shard := buffered
	shard.LogBytes = 32 << 10
	set := settings{fs: mem, shard: shard, clock: newClock()}
	n := set.start(t)
	n.keep(key(1), 1, label(1))
	n.keep(key(1), 10, label(10))
	n.clock.waitTimer(time.Second)
	n.pass(time.Second)
	n.committed(key(1), 10)
	n.putFrom(key(1), 5, label(5), false)
	filler := strings.Repeat("x", 1000)
	for i := range uint32(200) { // until 5 is not in memory any more
		n.keep(key(2), i+1, filler)
	}
	if _, st := n.shard(key(1)).Exact(key(1), 5); st != store.OnDisk {
		t.Fatalf("the late content is %v", st)
	}
	n.clock.waitTimer(time.Second) // it waits for that
	if out := n.putFrom(key(1), 5, label(5), false); out.Verdict != store.Stored {
		t.Fatalf("once more it is %+v", out)
	}
	for len(n.ready) > 0 {
		n.take(func(r store.Result) {
			if r.Key == key(1) && r.Seq == 5 && r.Done != store.DoneRead {
				t.Errorf("%v before it is safe", r.Done)
			}
		})
	}
	n.pass(time.Second)
	n.committed(key(1), 5)
	set.fs = mem.CrashClone(vfs.CrashCloneCfg{})
	n.stop()
	n = set.start(t)
	n.wantExact(key(1), 5, label(5))
	n.stop()
}

// A sealed hour holds no log: Pebble's, which it keeps to write over, would be a third of its bytes.
func TestSealedHourHasNoLogs(t *testing.T) {
	mem := vfs.NewMem()
	clock, cfg := eagerly()
	n := settings{fs: mem, clock: clock, disk: cfg, shard: durable}.start(t)
	for i := range 500 {
		n.store1(key(i%50), uint32(i/50+1), strings.Repeat("some logs ", 20))
	}
	dir := n.store.active.dir
	n.pass(2 * time.Hour)
	n.store1(key(1), 11, "the next hour")
	n.waitSealed()
	entries, err := mem.List(dir)
	if err != nil || slices.ContainsFunc(entries, isLog) {
		t.Errorf("%v in a sealed hour, %v", entries, err)
	}
	n.stop()
	n = settings{fs: mem, clock: clock, disk: cfg, shard: durable}.start(t)
	defer n.stop()
	n.wantReplayed(key(1), 11)
}

// An hour that is gone is renamed at once; what its files take comes back in the background, also after a crash in between.
func TestRemovedHourGivesItsRoomBack(t *testing.T) {
	mem := vfs.NewMem()
	if err := mem.MkdirAll("data/store/removed-00000001-5", 0o700); err != nil {
		t.Fatal(err)
	}
	set := settings{fs: mem, clock: newClock(), shard: durable}
	n := set.start(t)
	defer n.stop()
	n.store1(key(1), 1, "goes")
	n.pass(2 * time.Hour)
	n.store1(key(1), 2, "stays")
	n.waitSealed()
	n.store.remove(n.store.hours[1], HourRetired)
	for end := time.Now().Add(20 * time.Second); ; runtime.Gosched() {
		entries, err := mem.List("data/store")
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(entries, func(e string) bool { return strings.HasPrefix(e, removedName) }) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("still there: %v", entries)
		}
	}
	n.wantExact(key(1), 2, "stays")
}

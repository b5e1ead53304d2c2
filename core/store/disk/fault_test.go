package disk

import (
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/zmesh/zmesh/core/store"
)

// fault lets operations on some files fail while it is on.
type fault struct {
	on    atomic.Bool
	err   error
	file  func(path string) bool
	kinds []errorfs.OpKind
	half  bool // a write leaves its first half on the disk
}

func (f *fault) MaybeError(op errorfs.Op) error {
	if !f.on.Load() || f.half || !f.file(op.Path) {
		return nil
	}
	for _, k := range f.kinds {
		if k == op.Kind {
			return f.err
		}
	}
	return nil
}

func (f *fault) String() string { return "fault" }

// halves is a file system on which a write takes place by half.
type halves struct {
	vfs.FS
	f *fault
}

func (h halves) Create(path string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := h.FS.Create(path, c)
	if err != nil {
		return nil, err
	}
	return halfFile{f, h.f, path}, nil
}

func (h halves) ReuseForWrite(old, path string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := h.FS.ReuseForWrite(old, path, c)
	if err != nil {
		return nil, err
	}
	return halfFile{f, h.f, path}, nil
}

type halfFile struct {
	vfs.File
	f    *fault
	path string
}

func (h halfFile) Write(p []byte) (int, error) {
	if !h.f.on.Load() || !h.f.half || !h.f.file(h.path) {
		return h.File.Write(p)
	}
	n, err := h.File.Write(p[:len(p)/2])
	if err == nil {
		err = h.f.err
	}
	return n, err
}

func isManifest(path string) bool { return strings.Contains(path, "MANIFEST") }
func anyFile(string) bool         { return true }

// Kinds of changes that can fail.
var (
	makes      = []errorfs.OpKind{errorfs.OpCreate, errorfs.OpReuseForWrite, errorfs.OpFilePreallocate}
	writes     = []errorfs.OpKind{errorfs.OpFileWrite, errorfs.OpFileWriteAt}
	syncs      = []errorfs.OpKind{errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo}
	allChanges = slices.Concat([]errorfs.OpKind{errorfs.OpMkdirAll, errorfs.OpRename, errorfs.OpLink, errorfs.OpRemove, errorfs.OpRemoveAll}, makes, writes, syncs)
)

// What the disk can do to a write: before it, no file can be made or grow; during it, a part is written; after it, it cannot be made safe.
// Pebble takes each in its own way: an error of a log is fatal to it, of a table is tried again, of the MANIFEST is a panic.
func TestFaultsOfWriting(t *testing.T) {
	for what, f := range map[string]*fault{
		"no log can be made":               {err: syscall.ENOSPC, file: isLog, kinds: makes},
		"a log cannot grow":                {err: syscall.ENOSPC, file: isLog, kinds: writes},
		"a log is written by half":         {err: syscall.ENOSPC, file: isLog, half: true},
		"a log cannot be made safe":        {err: syscall.EIO, file: isLog, kinds: syncs},
		"no table can be made":             {err: syscall.ENOSPC, file: isTable, kinds: makes},
		"a table is written by half":       {err: syscall.ENOSPC, file: isTable, half: true},
		"a table cannot be made safe":      {err: syscall.EIO, file: isTable, kinds: syncs},
		"the MANIFEST cannot grow":         {err: syscall.ENOSPC, file: isManifest, kinds: writes},
		"the MANIFEST is written by half":  {err: syscall.ENOSPC, file: isManifest, half: true},
		"the MANIFEST cannot be made safe": {err: syscall.EIO, file: isManifest, kinds: syncs},
		"the disk is read-only":            {err: syscall.EROFS, file: anyFile, kinds: allChanges},
	} {
		t.Run(what, func(t *testing.T) { testFault(t, f) })
	}
}

func testFault(t *testing.T, f *fault) {
	mem := vfs.NewMem()
	set := settings{fs: halves{errorfs.Wrap(mem, f), f}, shard: durable}
	set.clock, set.disk = eagerly()
	n := set.start(t)
	filler := strings.Repeat("x", 1000)
	confirmed := map[uint32]bool{}
	failed := 0
	note := func(r store.Result) {
		switch {
		case r.Key == key(1) && r.Done == store.DoneCommit:
			confirmed[r.Seq] = true
		case r.Done == store.DoneFailed:
			failed++
		}
	}
	seq := uint32(0)
	put := func() {
		seq++
		if out := n.put(key(1), seq, filler); out.Verdict != store.Stored {
			t.Fatalf("put %d: %+v", seq, out)
		}
	}
	put()
	n.until(func(r store.Result) bool { note(r); return confirmed[1] })
	f.on.Store(true)
	for failed == 0 {
		if seq == 1000 {
			t.Fatal("nothing fails")
		}
		put()
		n.until(func(r store.Result) bool { note(r); return r.Key == key(1) && r.Seq == seq }) // each goes by way of the log and the memtable
		if body, st := n.shard(key(1)).Exact(key(1), seq); st == store.Miss || body == nil {
			t.Fatalf("what came last is %v in memory", st)
		}
	}
	if e := n.event(WriteFailed); e.Err == nil {
		t.Errorf("event is %+v", e)
	}
	for range 2 { // it stays so for two retries: no second sentence
		n.clock.waitTimer(lastRetry)
		n.pass(lastRetry)
		put()
	}
	for len(n.events) > 0 {
		if e := <-n.events; e.Kind == WriteFailed && e.Dir == n.store.cfg.Dir {
			t.Errorf("told once more: %v", e.Err)
		}
	}
	f.on.Store(false)
	n.recovers(key(3))
	for len(n.ready) > 0 {
		n.take(note)
	}
	n.stop()
	set.fs = mem
	n = set.start(t)
	defer n.stop()
	for seq := range confirmed {
		n.wantExact(key(1), seq, filler)
	}
	n.wantExact(key(3), 1, "after")
}

// What was confirmed can be read while no table can be written, although Pebble believes that it is in one.
func TestWhatWasConfirmedIsReadWhileTablesFail(t *testing.T) {
	f := &fault{err: syscall.EIO, file: isTable, kinds: syncs}
	shard := durable
	shard.LogBytes = 32 << 10
	set := settings{fs: errorfs.Wrap(vfs.NewMem(), f), shard: shard, disk: Config{MemTableBytes: 64 << 10}, clock: newClock()}
	n := set.start(t)
	n.store1(key(1), 1, "confirmed")
	f.on.Store(true)
	filler := strings.Repeat("x", 1000)
	for seq := uint32(1); n.store.stats.failures.Load() == 0; seq++ {
		n.keep(key(2), seq, filler)
		for len(n.ready) > 0 {
			n.take(nil)
		}
	}
	n.event(WriteFailed)
	for end := time.Now().Add(20 * time.Second); n.store.frozen() == 0; n.poll() {
		if time.Now().After(end) {
			t.Fatal("the hour is not opened for reading after 20 s")
		}
	}
	n.wantExact(key(1), 1, "confirmed")
	for len(n.events) > 0 {
		if e := <-n.events; e.Kind == ReadFailed {
			t.Errorf("reading failed: %v", e.Err)
		}
	}
	f.on.Store(false)
	n.recovers(key(3))
	n.wantExact(key(1), 1, "confirmed")
	n.stop()
}

// frozen counts the hours that can be read only, though they are not sealed.
func (s *Store) frozen() (n int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, h := range s.hours {
		if h.stuck {
			n++
		}
	}
	return n
}

// Where the files of one hour alone cannot be written any more, another is begun in its stead, and one only.
func TestAnHourThatFailsForGoodIsReplaced(t *testing.T) {
	f := &fault{err: syscall.EIO, kinds: []errorfs.OpKind{errorfs.OpCreate, errorfs.OpReuseForWrite, errorfs.OpFileWrite, errorfs.OpFileSync, errorfs.OpFileSyncData}}
	set := settings{fs: errorfs.Wrap(vfs.NewMem(), f), shard: durable, clock: newClock()}
	first := hourName(1, set.clock.Wall())
	var both atomic.Bool
	f.file = func(path string) bool {
		return strings.Contains(path, first) || both.Load() && strings.Contains(path, "data/store/0")
	}
	n := set.start(t)
	n.store1(key(1), 1, "before")
	f.on.Store(true)
	n.recovers(key(3))
	if dirs := n.store.Dirs(); len(dirs) != 2 || dirs[0] != first || n.store.frozen() != 1 {
		t.Errorf("hours are %v, %d of them for reading only", dirs, n.store.frozen())
	}
	n.wantExact(key(1), 1, "before")
	both.Store(true)
	for seq := uint32(10); seq < 20; seq++ {
		n.put(key(2), seq, "fails")
		n.clock.waitTimer(lastRetry)
		n.pass(lastRetry)
	}
	if dirs := n.store.Dirs(); len(dirs) != 2 {
		t.Errorf("hours are %v", dirs)
	}
	f.on.Store(false)
	n.recovers(key(4))
	n.pass(housekeeping)
	n.waitSealed()
	if n.store.frozen() != 0 {
		t.Errorf("%d hours for reading only when the disk is well again", n.store.frozen())
	}
	n.stop()
}

// readOnly is a file system that was mounted read-only.
type readOnly struct {
	vfs.FS
	f *fault
}

func (r readOnly) Lock(path string) (io.Closer, error) {
	if r.f.on.Load() {
		return nil, r.f.err
	}
	return r.FS.Lock(path)
}

// A store on a read-only file system gives what it has, takes what comes into memory, confirms nothing, says so once, and goes on when it can
// write again.
func TestReadOnlyFileSystem(t *testing.T) {
	f := &fault{err: syscall.EROFS, file: anyFile, kinds: allChanges}
	set := settings{fs: readOnly{errorfs.Wrap(vfs.NewMem(), f), f}, shard: durable}
	set.clock, set.disk = eagerly()
	n := set.start(t)
	for hour := range uint32(3) {
		n.store1(key(1), hour+1, label(int(hour)))
		n.pass(time.Hour)
	}
	n.store1(key(1), 4, "in the hour that is written to")
	n.stop()
	f.on.Store(true)
	n = set.start(t)
	if e := n.event(WriteFailed); !errors.Is(e.Err, syscall.EROFS) {
		t.Errorf("event is %+v", e)
	}
	for hour := range 3 {
		n.wantExact(key(1), uint32(hour+1), label(hour))
	}
	n.wantNewest(key(1), 4, "in the hour that is written to")
	n.put(key(1), 5, "in memory only")
	n.until(func(r store.Result) bool {
		if r.Done == store.DoneCommit {
			t.Fatalf("%d was confirmed", r.Seq)
		}
		return r.Done == store.DoneFailed && r.Seq == 5
	})
	if body, st := n.shard(key(1)).Exact(key(1), 5); st != store.Unwritten || body == nil {
		t.Errorf("what was not written is %v", st)
	}
	for range 3 {
		n.clock.waitTimer(lastRetry)
		n.pass(lastRetry)
	}
	for len(n.events) > 0 {
		t.Errorf("one sentence more: %+v", <-n.events)
	}
	f.on.Store(false)
	n.recovers(key(3))
	n.wantExact(key(1), 1, label(0))
	n.stop()
}

// slow is a disk on which a log is not made safe until it is let go on.
type slow struct {
	on      atomic.Bool
	blocked chan struct{} // holds one when somebody waits
	release chan struct{}
}

func (s *slow) MaybeError(op errorfs.Op) error {
	sync := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
	if s.on.Load() && sync && isLog(op.Path) {
		select {
		case s.blocked <- struct{}{}:
		default:
		}
		<-s.release
	}
	return nil
}

func (s *slow) String() string { return "slow" }

// While a sync hangs contents are taken, what is in memory and what is on the disk is answered, and nothing is confirmed.
func TestSlowDiskHoldsNobodyUp(t *testing.T) {
	s := &slow{blocked: make(chan struct{}, 1), release: make(chan struct{})}
	shard := durable
	shard.LogBytes = 32 << 10
	n := settings{fs: errorfs.Wrap(vfs.NewMem(), s), shard: shard, clock: newClock(), disk: Config{QueueBytes: 64 << 10}}.start(t)
	for i := range uint32(100) {
		n.store1(key(1), i+1, strings.Repeat("x", 1000))
	}
	s.on.Store(true)
	n.put(key(2), 1, "hangs")
	<-s.blocked
	n.put(key(2), 2, "waits behind it")
	if body, st := n.shard(key(2)).Exact(key(2), 1); st != store.Uncommitted || body == nil {
		t.Errorf("what hangs is %v", st)
	}
	n.wantExact(key(1), 1, strings.Repeat("x", 1000)) // from the disk
	if newest, st := n.shard(key(1)).Newest(key(1)); st != store.Hit || newest.Seq != 100 {
		t.Errorf("the newest is %d, %v", newest.Seq, st)
	}
	refused := 0
	for i := range uint32(500) { // more than the queue holds
		if out := n.put(key(3), i+1, strings.Repeat("x", 1000)); out.Cause == store.QueueFull {
			refused++
		}
	}
	if refused == 0 || refused == 500 {
		t.Errorf("%d of 500 were refused", refused)
	}
	s.on.Store(false)
	close(s.release)
	n.committed(key(2), 2)
	n.stop()
}

package disk

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"pgregory.net/rapid"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
)

// small are options with which a group of 8 KiB is enough for a table.
func small() Config { return Config{MemTableBytes: 8 << 10 * tableShare, TablesOver: 16} }

// burst puts so many contents of k that they become a table, has them written, and waits until they are safe.
func (n *node) burst(k name.Key, first uint32) (last uint32) {
	n.t.Helper()
	for last = first; last < first+10; last++ {
		n.keep(k, last, label(int(last))+strings.Repeat("x", 1000))
	}
	n.due()
	n.committed(k, last-1)
	return last - 1
}

// due lets time go by until what waits is being written.
func (n *node) due() {
	n.t.Helper()
	for end := time.Now().Add(20 * time.Second); n.store.Stats().Queued > 0; runtime.Gosched() {
		if n.clock.hasTimer(time.Second) {
			n.pass(time.Second)
		}
		if time.Now().After(end) {
			n.t.Fatal("what waits is not written after 20 s")
		}
	}
}

func (n *node) wantTables(want uint64) {
	n.t.Helper()
	if got := n.store.Stats().Tables; got != want {
		n.t.Fatalf("%d tables were written, want %d", got, want)
	}
}

// Many contents become a table, few go by way of the log, and what lies in both is read right, the later one first: before and after a restart,
// a power cut, and sealing.
func TestManyContentsGoToDiskAsATable(t *testing.T) {
	mem := vfs.NewCrashableMem()
	shard := buffered
	shard.LogBytes = 32 << 10
	set := settings{fs: mem, shard: shard, clock: newClock(), disk: small()}
	n := set.start(t)
	few := func(seq uint32) {
		t.Helper()
		n.keep(key(1), seq, label(int(seq)))
		n.keep(key(2), seq, label(int(seq)))
		n.due()
		n.committed(key(2), seq)
	}
	few(1)
	n.wantTables(0)
	n.burst(key(1), 2)
	n.wantTables(1)
	few(12)
	n.wantTables(1)
	n.burst(key(2), 20)
	n.burst(key(3), 1)
	n.wantTables(3)
	for i := range uint32(100) { // so that all that is in memory is of another name
		n.keep(key(4), i+1, strings.Repeat("x", 1000))
	}
	n.clock.waitTimer(time.Second)
	check := func(n *node) {
		t.Helper()
		n.wantExact(key(1), 1, label(1))
		n.wantExact(key(1), 5, label(5)+strings.Repeat("x", 1000))
		n.wantExact(key(1), 12, label(12))
		n.wantExact(key(2), 1, label(1))
		n.wantNewest(key(1), 12, label(12))
		n.wantNewest(key(2), 29, label(29)+strings.Repeat("x", 1000))
		n.wantNewest(key(3), 10, label(10)+strings.Repeat("x", 1000))
		n.wantReplayed(key(2), 12)
		n.wantNone(key(2), 13)
	}
	check(n)
	set.fs = mem.CrashClone(vfs.CrashCloneCfg{})
	cut := set.start(t)
	check(cut)
	cut.stop()
	set.fs = mem
	n.stop()
	n = set.start(t)
	check(n)
	n.pass(2 * time.Hour)
	n.keep(key(9), 1, "the next hour")
	n.due()
	n.committed(key(9), 1)
	n.waitSealed()
	check(n)
	n.stop()
}

// A durable content does not wait, and takes with it what waits.
func TestDurableContentsDoNotWait(t *testing.T) {
	shard := store.Config{Class: store.Buffered, Rules: []store.Rule{{Prefix: name.Name{2}, Length: 1, Class: store.Durable}}}
	n := settings{fs: vfs.NewMem(), shard: shard, clock: newClock(), disk: small()}.start(t)
	n.keep(key(1), 1, "waits")
	n.keep(lastName, 1, "does not")
	n.until(func(r store.Result) bool { return r.Done == store.DoneCommit && r.Key == lastName })
	if _, st := n.shard(key(1)).Exact(key(1), 1); st != store.Hit {
		t.Errorf("what waited is %v", st)
	}
	n.stop()
}

// When there is enough for a table nothing waits for its time.
func TestEnoughForATableDoesNotWait(t *testing.T) {
	set := settings{fs: vfs.NewMem(), shard: buffered, clock: newClock(), disk: small()}
	set.disk.QueueBytes = 64 << 10
	n := set.start(t)
	seq := uint32(0)
	for size := 0; size < 32<<10; size += 1000 + itemBytes {
		seq++
		n.keep(key(1), seq, strings.Repeat("x", 1000))
	}
	n.committed(key(1), seq-3)
	n.wantTables(1)
	n.stop()
}

// What came after the time of a group had begun is safe once SyncEvery has passed: also where nothing else comes.
func TestFewContentsAreSafeInTime(t *testing.T) {
	n := settings{fs: vfs.NewMem(), shard: buffered, clock: newClock(), disk: small()}.start(t)
	for seq := uint32(1); seq < 5; seq++ {
		n.keep(key(1), seq, "alone")
		n.clock.waitTimer(time.Second)
		if s := n.store.Stats(); s.Written != uint64(seq-1) || s.Queued == 0 {
			t.Fatalf("before %d is due: %+v", seq, s)
		}
		n.pass(time.Second)
		n.committed(key(1), seq)
	}
	n.stop()
}

// What can fail while a table is written and taken in is told, counted and not confirmed; it stays in memory, and what was confirmed before and
// comes after is there.
func TestFaultsOfATable(t *testing.T) {
	written := func(path string) bool { return strings.HasSuffix(path, tableName) }
	for what, f := range map[string]*fault{
		"it cannot be made":                        {err: syscall.ENOSPC, file: written, kinds: makes},
		"it cannot grow":                           {err: syscall.ENOSPC, file: written, kinds: writes},
		"it is written by half":                    {err: syscall.ENOSPC, file: written, half: true},
		"it cannot be made safe":                   {err: syscall.EIO, file: written, kinds: syncs},
		"it cannot be read":                        {err: syscall.EIO, file: written, kinds: []errorfs.OpKind{errorfs.OpFileReadAt, errorfs.OpFileRead}},
		"it cannot be opened":                      {err: syscall.EIO, file: written, kinds: []errorfs.OpKind{errorfs.OpOpen}},
		"it cannot be moved":                       {err: syscall.EIO, file: anyFile, kinds: append([]errorfs.OpKind{errorfs.OpRename}, makes...)},
		"it may not be moved":                      {err: syscall.EPERM, file: anyFile, kinds: []errorfs.OpKind{errorfs.OpRename}},
		"the folder cannot be made safe":           {err: syscall.EIO, file: func(path string) bool { return !strings.Contains(path, ".") }, kinds: syncs},
		"the MANIFEST cannot be made safe with it": {err: syscall.EIO, file: isManifest, kinds: syncs},
		"the disk is full":                         {err: syscall.ENOSPC, file: anyFile, kinds: allChanges},
	} {
		for _, before := range []string{"in a table", "in the memtable"} {
			t.Run(what+", with others "+before, func(t *testing.T) { testTableFault(t, f, before == "in the memtable") })
		}
	}
}

func testTableFault(t *testing.T, f *fault, inMemTable bool) {
	mem := vfs.NewCrashableMem()
	shard := buffered
	set := settings{fs: halves{errorfs.Wrap(mem, f), f}, shard: shard, clock: newClock(), disk: small()}
	n := set.start(t)
	n.burst(key(1), 1)
	if inMemTable {
		n.keep(key(1), 11, "alone")
		n.due()
		n.committed(key(1), 11)
	}
	f.on.Store(true)
	for seq := uint32(20); seq < 30; seq++ {
		n.keep(key(1), seq, strings.Repeat("x", 1000))
	}
	n.due()
	failed := 0
	n.until(func(r store.Result) bool {
		if r.Done == store.DoneCommit && r.Seq >= 20 {
			t.Fatalf("%d was confirmed", r.Seq)
		}
		if r.Done == store.DoneFailed {
			failed++
		}
		return failed == 10
	})
	if n.event(WriteFailed); n.store.Stats().Failures != 10 {
		t.Errorf("%d failures were counted", n.store.Stats().Failures)
	}
	if body, st := n.shard(key(1)).Exact(key(1), 25); st != store.Unwritten || body == nil {
		t.Errorf("what was not written is %v", st)
	}
	set.fs = mem.CrashClone(vfs.CrashCloneCfg{})
	f.on.Store(false)
	check := func(n *node) {
		t.Helper()
		for seq := uint32(1); seq <= 10; seq++ {
			n.wantExact(key(1), seq, label(int(seq))+strings.Repeat("x", 1000))
		}
		if inMemTable {
			n.wantExact(key(1), 11, "alone")
		}
	}
	cut := set.start(t)
	check(cut)
	cut.burst(key(1), 40)
	cut.stop()

	n.clock.waitTimer(lastRetry)
	n.pass(lastRetry)
	check(n)
	for seq := uint32(40); ; seq++ {
		n.keep(key(3), seq, strings.Repeat("x", 10_000))
		n.due()
		safe := false
		n.until(func(r store.Result) bool {
			mine := r.Key == key(3) && r.Seq == seq
			safe = safe || mine && r.Done == store.DoneCommit
			return mine
		})
		if safe {
			break
		}
		n.clock.waitTimer(lastRetry)
		n.pass(lastRetry)
	}
	n.stop()
	set.fs = mem
	n = set.start(t)
	check(n)
	n.burst(key(1), 40)
	n.stop()
}

// FAT and exFAT have no links: tables are taken in there, too.
func TestTablesWithoutLinks(t *testing.T) {
	f := &fault{err: syscall.EPERM, file: anyFile, kinds: []errorfs.OpKind{errorfs.OpLink}}
	f.on.Store(true)
	mem := vfs.NewMem()
	set := settings{fs: errorfs.Wrap(mem, f), shard: buffered, clock: newClock(), disk: small()}
	n := set.start(t)
	n.burst(key(1), 1)
	n.burst(key(1), 11)
	n.wantTables(2)
	if entries, err := mem.List(n.store.active.dir); err != nil || slices.Contains(entries, tableName) {
		t.Errorf("the hour holds %v, %v", entries, err)
	}
	n.stop()
	n = set.start(t)
	n.wantExact(key(1), 15, label(15)+strings.Repeat("x", 1000))
	n.stop()
}

// What a power cut leaves of a table is gone when the hour is opened again.
func TestWhatIsLeftOfATableGoes(t *testing.T) {
	mem := vfs.NewMem()
	set := settings{fs: mem, shard: buffered, clock: newClock(), disk: small()}
	n := set.start(t)
	n.burst(key(1), 1)
	dir := n.store.active.dir
	n.stop()
	before, err := mem.List(dir)
	if err != nil || slices.Contains(before, tableName) {
		t.Fatalf("%v, %v", before, err)
	}
	tables := len(slices.DeleteFunc(slices.Clone(before), func(e string) bool { return !isTable(e) }))
	for _, left := range []string{tableName, "000099.sst"} { // not linked yet, and linked but not taken in
		f, err := mem.Create(mem.PathJoin(dir, left), vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(f, "a part of a table")
		_ = f.Close()
	}
	n = set.start(t)
	n.wantExact(key(1), 5, label(5)+strings.Repeat("x", 1000))
	n.stop()
	after, err := mem.List(dir)
	if got := len(slices.DeleteFunc(after, func(e string) bool { return !isTable(e) })); err != nil || got != tables {
		t.Errorf("%d tables are left, %v; there were %d", got, err, tables)
	}
}

// putAway stores a content, and then so many of key(2) that it is not in memory any more; filler is the number of the last of those.
func (n *node) putAway(k name.Key, seq uint32, payload string, filler *uint32) {
	n.t.Helper()
	if out := n.putFrom(k, seq, payload, false); out.Verdict != store.Stored {
		n.t.Fatalf("%q is %+v", payload, out)
	}
	for range 100 {
		*filler++
		n.keep(key(2), *filler, strings.Repeat("x", 1000))
	}
}

// Of contents with one number the first stays, also where both wait for the same table, and who sent the other is told (P-17).
func TestP17TheFirstStaysInOneTable(t *testing.T) {
	shard := buffered
	shard.LogBytes = 32 << 10
	n := settings{fs: vfs.NewMem(), shard: shard, clock: newClock(), disk: small()}.start(t)
	n.keep(key(1), 1, label(1))
	n.keep(key(1), 9, label(9))
	n.due()
	n.committed(key(1), 9)
	filler := uint32(0)
	n.putAway(key(1), 5, "first", &filler)
	n.putAway(key(1), 5, "other", &filler)
	n.putAway(key(1), 5, "first", &filler)
	told := 0
	n.due()
	n.until(func(r store.Result) bool {
		if r.Key == key(1) && r.Done == store.DoneCommit {
			told++
		}
		return r.Key == key(2) && r.Seq == filler
	})
	if got := n.shard(key(1)).Stats().Conflicts; told != 3 || got != 1 {
		t.Errorf("%d were told, %d conflicts; want 3, 1", told, got)
	}
	n.wantExact(key(1), 5, "first")
	n.wantTables(1)
	n.stop()
}

// A table's contents are sorted as Go's sort would, and each comes once with its bytes; of a name's pointers comes the last.
func TestGroupGivesWhatWasPut(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := &Store{}
		p := &part{s: s}
		var g group
		for range rapid.IntRange(1, 3).Draw(rt, "times") {
			checkGroup(rt, &g, p)
			g.reset()
		}
	})
}

func checkGroup(rt *rapid.T, g *group, p *part) {
	type want struct {
		key   []byte
		value []byte
	}
	var contents []want
	pointers := map[name.Key]uint64{}
	keys := rapid.SliceOfN(rapid.Uint64Range(0, 1<<56-1), 1, 5).Draw(rt, "names")
	off := rapid.Int64Range(-5, 5).Draw(rt, "off")
	for i := range rapid.IntRange(0, 300).Draw(rt, "contents") {
		k := name.Key(keys[rapid.IntRange(0, len(keys)-1).Draw(rt, "name")])
		ext := uint64(i)
		if rapid.Bool().Draw(rt, "late") {
			ext = 1<<40 - uint64(i)
		}
		size := rapid.SampledFrom([]int{0, 10, 100, 3000, valuePage - contentHeader, 2 * valuePage}).Draw(rt, "size")
		if i > 100 {
			size %= 1000
		}
		w := store.Write{Key: k, Ext: ext, Wall: int64(i) + 1000, Body: bytes.Repeat([]byte{byte(i)}, size), Newest: ext}
		if rapid.IntRange(0, 9).Draw(rt, "pointer") == 0 {
			w.Newest, w.NewestAt = uint64(i)+7, 1000
			pointers[k] = w.Newest
		}
		g.add(p, &w, 100)
		value := make([]byte, contentHeader+size)
		putContent(value, w.Wall-100+off, flagIf(w.Newest != ext, flagNotNewest), w.Body)
		contents = append(contents, want{contentKey(k, ext), value})
	}
	slices.SortFunc(contents, func(a, b want) int { return bytes.Compare(a.key, b.key) })
	refs := make([]ref, g.n)
	for i := range refs {
		it := g.item(uint32(i))
		refs[i] = ref{uint64(it.key), uint32(i), it.at}
	}
	refs = sortByName(refs, make([]ref, len(refs)))
	for from, to := 0, 0; from < len(refs); from = to {
		to = nameEnds(refs, from)
		g.sortByNumber(refs[from:to])
	}
	i := 0
	err := g.each(refs, off, func(key, value []byte) error {
		if len(key) == pointerKeySize {
			k, _ := parsePointerKey(key)
			got, err := parsePointer(value)
			if err == nil && (got.newest != pointers[k] || got.wall != 900+off) {
				err = fmt.Errorf("pointer of %x is %+v, want %d", k, got, pointers[k])
			}
			delete(pointers, k)
			return err
		}
		if i == len(contents) || !bytes.Equal(key, contents[i].key) || !bytes.Equal(value, contents[i].value) {
			return fmt.Errorf("%d is %x with %d bytes", i, key, len(value))
		}
		i++
		return nil
	})
	if err != nil || i != len(contents) || len(pointers) > 0 {
		rt.Fatalf("%v; %d contents of %d, %d pointers are left", err, i, len(contents), len(pointers))
	}
}

// The memory of a burst is given back.
func TestGroupGivesMemoryBack(t *testing.T) {
	var g group
	p := &part{}
	w := store.Write{Body: make([]byte, 1000)}
	for range 5000 {
		g.add(p, &w, 0)
	}
	g.reset()
	if len(g.values) < 5000*1000/valuePage || len(g.items) != 5 {
		t.Errorf("%d and %d pages are kept for the next burst", len(g.values), len(g.items))
	}
	g.add(p, &w, 0)
	g.reset()
	if len(g.values) != 1 || len(g.items) != 1 {
		t.Errorf("%d and %d pages are kept after a content", len(g.values), len(g.items))
	}
	var q queue
	q.init(1 << 20)
	q.fill = g
	q.trim()
	if len(q.fill.values) != 0 {
		t.Error("the queue keeps pages while nothing comes")
	}
}

// tableWrites counts the writes to tables that Pebble has not taken in yet.
type tableWrites struct{ n atomic.Int32 }

func (c *tableWrites) MaybeError(op errorfs.Op) error {
	if op.Kind == errorfs.OpFileWrite && strings.HasSuffix(op.Path, tableName) {
		c.n.Add(1)
	}
	return nil
}

func (c *tableWrites) String() string { return "writes to tables" }

func TestATableIsWrittenInPieces(t *testing.T) {
	var writes tableWrites
	n := settings{fs: errorfs.Wrap(vfs.NewMem(), &writes), shard: buffered, clock: newClock(), disk: small()}.start(t)
	const contents = 400
	for i := range uint32(contents) {
		n.keep(key(1), i+1, strings.Repeat("x", 1000))
	}
	n.due()
	n.committed(key(1), contents)
	n.wantTables(1)
	if got := writes.n.Load(); got != 3 { // 400 kB in blocks of 32 KiB: one piece, the whole sectors behind it, the rest
		t.Errorf("%d writes, want 3", got)
	}
	n.stop()
}

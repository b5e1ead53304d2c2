package disk

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
)

// layout measures the store in hours beside the naive one: the same frames in the same order into both, in one process and by turns, so that
// whatever else the machine does happens to both.
type layout struct {
	tb    testing.TB
	names []name.Key
	each  int // contents of a name, over a day

	ours, naive figures
}

// figures of one of the two, in seconds.
type figures struct {
	ingest         float64 // until all is safe, and nothing is left to be compacted or sealed
	replay, single float64 // all contents, name by name in order; the same of a tenth of the names, in no order
	cold, hot      float64 // the newest of each name, after a start and then once more
	drop, unlink   float64 // half of all contents, until nobody finds them; until their files are unlinked too
}

const (
	layoutNames = 10_000
	layoutEach  = 240 // 2.4 million frames in all …
	layoutFrame = 200 // … of 200 bytes
	layoutHours = 24
	layoutTurns = 6 // of each of the two, while they write; ten while they read
)

func newLayout(tb testing.TB, names int) *layout {
	l := &layout{tb: tb, each: layoutEach}
	for i := range names {
		l.names = append(l.names, key(int(uint64(i)*0x9E3779B1%(1<<40))))
	}
	return l
}

func (l *layout) must(err error) {
	l.tb.Helper()
	if err != nil {
		l.tb.Fatal(err)
	}
}

func seconds(do func()) float64 {
	start := time.Now()
	do()
	return time.Since(start).Seconds()
}

// turns lets each of the two do its part i of n by turns, and adds up what each takes. What the kernel has still to write of the one is not to
// be paid by the other.
func (l *layout) turns(n int, ours, naive func(i int), took func(*figures) *float64) {
	for i := range n {
		order := []func(){
			func() { *took(&l.naive) += seconds(func() { naive(i) }) },
			func() { *took(&l.ours) += seconds(func() { ours(i) }) },
		}
		for j := range order {
			flushAll()
			order[(i+j)%2]()
		}
	}
}

func flushAll() { _ = exec.Command("sync").Run() }

func (l *layout) run() {
	l.tb.Chdir(l.tb.TempDir())
	cfg := Config{Dir: "naive", Wall: newClock().Wall, Mono: newClock().Mono, After: time.After}
	set := settings{fs: vfs.Default, clock: newClock(), shard: store.Config{Rules: []store.Rule{{Prefix: name.Name{2}, Length: 1, Class: store.Durable}}, Class: store.Buffered, LogBytes: 8 << 20, MaxNames: 1 << 20}}
	set.clock.real = true
	set.disk.QueueBytes = 256 << 20 // of this test alone: it waits for the disk once an hour, and not for room
	l.write(set.start(l.tb), openNaive(l.tb, "naive", cfg))
	l.read(set.start(l.tb), openNaive(l.tb, "naive", cfg))
}

// write has a day written, hour by hour.
func (l *layout) write(ours *node, naive *naive) {
	ourFrames, naiveFrames := newFrames(layoutFrame), newFrames(layoutFrame)
	hours := layoutHours / layoutTurns
	l.turns(layoutTurns, func(i int) {
		for hour := i * hours; hour < (i+1)*hours; hour++ {
			l.ingest(ours, ourFrames, hour)
		}
		waitFor(func() bool { ours.poll(); return ours.store.unsealed() == nil })
	}, func(i int) {
		for hour := i * hours; hour < (i+1)*hours; hour++ {
			l.ingestNaive(naive, naiveFrames, hour)
		}
		waitFor(naive.compacted)
	}, func(f *figures) *float64 { return &f.ingest })
	ours.stop()
	l.must(naive.db.Close())
}

// span gives the contents of an hour.
func (l *layout) span(hour int) (from, to int) {
	n := l.each / layoutHours
	return hour*n + 1, (hour + 1) * n
}

func (l *layout) ingestNaive(n *naive, f *frames, hour int) {
	from, to := l.span(hour)
	for seq := from; seq <= to; seq++ {
		for _, k := range l.names {
			l.must(n.put(k, 1<<24|uint64(seq), f.next(k, uint32(seq))))
		}
	}
	l.must(n.commit(pebble.Sync))
}

// ingest publishes an hour and waits until all is on the disk.
func (l *layout) ingest(n *node, f *frames, hour int) {
	if hour > 0 {
		n.pass(time.Hour)
	}
	p := store.Put{Producer: true, Face: 1}
	from, to := l.span(hour)
	for seq := from; seq <= to; seq++ {
		p.Now, p.Wall, p.Seq = n.clock.now, n.clock.wall, uint32(seq)
		for _, k := range l.names {
			p.Key, p.Body = k, f.next(k, uint32(seq))
			if out := n.shard(k).Put(&p); out.Verdict != store.Stored {
				l.tb.Fatalf("%+v", out)
			}
		}
		n.poll()
	}
	n.store1(lastName, uint32(hour+1), "makes safe what came before it")
}

// lastName is a name of class durable.
const lastName = name.Key(0x020000000000)

// read has everything read, and half of it dropped.
func (l *layout) read(ours *node, naive *naive) {
	const turns = 10
	part := func(names []name.Key, i int) []name.Key {
		n := len(names) / turns
		return names[i*n : (i+1)*n]
	}
	l.turns(turns, func(i int) { l.cold(ours, part(l.names, i)) }, func(i int) { l.newestNaive(naive, part(l.names, i)) },
		func(f *figures) *float64 { return &f.cold })
	for _, k := range l.names {
		if ours.newest(k).Body == nil {
			l.tb.Fatalf("no newest of %x", k)
		}
	}
	l.turns(turns, func(i int) { l.hot(ours, part(l.names, i)) }, func(i int) { l.newestNaive(naive, part(l.names, i)) },
		func(f *figures) *float64 { return &f.hot })
	replays := func(names []name.Key, took func(*figures) *float64) {
		l.turns(turns, func(i int) { l.replay(ours, part(names, i)) }, func(i int) { l.replayNaive(naive, part(names, i)) }, took)
	}
	replays(slices.Sorted(slices.Values(l.names)), func(f *figures) *float64 { return &f.replay })
	replays(l.names[:len(l.names)/10], func(f *figures) *float64 { return &f.single })

	flushAll()
	compactions := ours.store.compactions()
	l.ours.drop = seconds(func() { l.dropHalf(ours) })
	if after := ours.store.compactions(); after > compactions {
		l.tb.Errorf("%d compactions when hours were dropped", after-compactions)
	}
	l.ours.unlink = l.ours.drop + seconds(ours.store.sweep)
	ours.stop()
	flushAll()
	l.naive.drop = seconds(func() { l.must(naive.dropBelow(l.names, 1<<24|uint64(l.each/2+1))) })
	l.naive.unlink = l.naive.drop + seconds(func() { l.must(naive.db.Close()) }) // waits for the tables that are not used any more to go
}

// replay reads streams one after the other.
func (l *layout) replay(n *node, names []name.Key) {
	for _, k := range names {
		got := 0
		l.must(n.store.replay(context.Background(), k, 0, func(*replayed) bool { got++; return true }))
		if got != l.each {
			l.tb.Fatalf("%d contents of %x came back", got, k)
		}
	}
}

func (l *layout) replayNaive(n *naive, names []name.Key) {
	for _, k := range names {
		got := 0
		l.must(n.replay(k, func(uint64, []byte) { got++ }))
		if got != l.each {
			l.tb.Fatalf("the naive one gave %d contents of %x", got, k)
		}
	}
}

// cold reads the newest of each name from disk, one at a time.
func (l *layout) cold(n *node, names []name.Key) {
	for _, k := range names {
		newest, st := n.shard(k).Newest(k)
		if st != store.OnDisk {
			l.tb.Fatalf("the newest of %x is %v", k, st)
		}
		c := n.store.answer(&read{Read: store.Read{Key: k, Ext: newest.Ext}})
		if len(c.Body) != layoutFrame {
			l.tb.Fatalf("no newest of %x: %+v", k, c)
		}
	}
}

// hot reads them from memory, where the first question has brought them.
func (l *layout) hot(n *node, names []name.Key) {
	for _, k := range names {
		if _, st := n.shard(k).Newest(k); st != store.Hit {
			l.tb.Fatalf("the newest of %x is %v", k, st)
		}
	}
}

func (l *layout) newestNaive(n *naive, names []name.Key) {
	for _, k := range names {
		if found, err := n.newest(k); !found || err != nil {
			l.tb.Fatalf("the naive one has no newest of %x: %v", k, err)
		}
	}
}

// dropHalf lets the first half of the hours go.
func (l *layout) dropHalf(n *node) {
	for range layoutHours / 2 {
		n.store.remove(n.store.hours[1], HourRetired)
	}
}

// compactions counts what Pebble has compacted in the hours that are open.
func (s *Store) compactions() (n int64) {
	for _, h := range s.hours {
		n += h.db.Metrics().Compact.Count
	}
	return n
}

// ratios are how many times faster ours is.
func (l *layout) ratios() map[string]float64 {
	o, n := l.ours, l.naive
	return map[string]float64{
		"ingest": n.ingest / o.ingest, "replay": n.replay / o.replay, "single": n.single / o.single,
		"cold": n.cold / o.cold, "hot": n.hot / o.hot, "drop": n.drop / o.drop, "unlink": n.unlink / o.unlink,
	}
}

// BenchmarkLayout prints by how much ours is faster, each as NAME-x.
func BenchmarkLayout(b *testing.B) {
	for b.Loop() {
		l := newLayout(b, layoutNames)
		l.run()
		for what, x := range l.ratios() {
			b.ReportMetric(x, what+"-x")
		}
		b.Logf("ours %+v", l.ours)
		b.Logf("naive %+v", l.naive)
	}
}

func soak(t *testing.T) float64 {
	t.Helper()
	fraction, err := strconv.ParseFloat(os.Getenv("ZMESH_SOAK"), 64)
	if err != nil {
		t.Skip("ZMESH_SOAK is not set: make soak runs this")
	}
	return fraction
}

// withoutRace skips a test that has a rate to keep: make soak runs it without the race detector.
func withoutRace(t *testing.T) {
	t.Helper()
	if underRace {
		t.Skip("the race detector takes the time that is measured: make soak runs this without")
	}
}

// TestSoakLayout asserts the ratios at full length, and reports them where it is shorter: with less in it the naive one has next to nothing to
// compact.
func TestSoakLayout(t *testing.T) {
	names := max(int(soak(t)*layoutNames), 500)
	withoutRace(t)
	l := newLayout(t, names)
	l.run()
	got := l.ratios()
	t.Logf("times as fast: %v", got)
	t.Logf("ours %+v, naive %+v", l.ours, l.naive)
	for what, want := range map[string]float64{"ingest": 2.5, "replay": 0.8, "cold": 0.8, "hot": 10, "drop": 20, "unlink": 20} {
		if got[what] < want && names >= layoutNames {
			t.Errorf("%s is %.2f times as fast, want %.1f", what, got[what], want)
		}
	}
}

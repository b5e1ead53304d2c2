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

// layout measures the store in hours beside the naive one: the same frames in the same order into both, in one process.
type layout struct {
	tb    testing.TB
	names []name.Key
	each  int // contents of a name, over a day

	ours, naive figures
}

// figures of one of the two, in seconds.
type figures struct {
	ingest, settle float64 // until all is safe; until all hours are sealed, or the naive one has nothing left to compact
	replay, single float64 // all contents, name by name in order; the same of a tenth of the names, in no order
	cold, hot      float64 // the newest of each name, after a start and then once more
	drop, unlink   float64 // half of all contents, until nobody finds them; until their files are unlinked too
}

const (
	layoutNames = 10_000
	layoutEach  = 240 // 2.4 million frames in all …
	layoutFrame = 200 // … of 200 bytes
	layoutHours = 24
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

func (l *layout) run() {
	l.tb.Chdir(l.tb.TempDir())
	l.runNaive()
	_ = exec.Command("sync").Run() // what the kernel has still to write of the one is not to be paid by the other
	l.runOurs()
}

func (l *layout) runNaive() {
	f := newFrames(layoutFrame)
	cfg := Config{Dir: "naive", Wall: newClock().Wall, Mono: newClock().Mono, After: time.After}
	n := openNaive(l.tb, "naive", cfg)
	l.naive.ingest = seconds(func() {
		for seq := 1; seq <= l.each; seq++ {
			if seq > 1 && (seq-1)%(l.each/layoutHours) == 0 {
				l.must(n.commit(pebble.Sync))
			}
			for _, k := range l.names {
				l.must(n.put(k, 1<<24|uint64(seq), f.next(k, uint32(seq))))
			}
		}
		l.must(n.commit(pebble.Sync))
	})
	l.naive.settle = seconds(func() { l.must(n.settle()) })
	l.must(n.db.Close())
	n = openNaive(l.tb, "naive", cfg)
	newest := func() {
		for _, k := range l.names {
			if found, err := n.newest(k); !found || err != nil {
				l.tb.Fatalf("no newest of %x: %v", k, err)
			}
		}
	}
	l.naive.cold = seconds(newest)
	l.naive.hot = seconds(newest)
	l.replays(&l.naive, func(k name.Key) (got int) {
		l.must(n.replay(k, func(uint64, []byte) { got++ }))
		return got
	})
	l.naive.drop = seconds(func() { l.must(n.dropBelow(l.names, 1<<24|uint64(l.each/2+1))) })
	l.must(n.db.Close())
}

func (l *layout) runOurs() {
	set := settings{fs: vfs.Default, clock: newClock(), shard: store.Config{Rules: []store.Rule{{Prefix: name.Name{2}, Length: 1, Class: store.Durable}}, Class: store.Buffered, LogBytes: 8 << 20, MaxNames: 1 << 20}}
	set.clock.real = true
	set.disk.QueueBytes = 256 << 20 // of this test alone: it waits for the disk once an hour, and not for room
	n := set.start(l.tb)
	l.ours.ingest = seconds(func() { l.ingest(n) })
	l.ours.settle = seconds(func() { n.waitSealed() })
	n.stop()
	n = set.start(l.tb)
	l.ours.cold = seconds(func() { l.cold(n) })
	l.ours.hot = l.hot(n)
	l.replays(&l.ours, func(k name.Key) (got int) {
		l.must(n.store.replay(context.Background(), k, 0, func(*replayed) bool { got++; return true }))
		return got
	})
	compactions, start := n.store.compactions(), time.Now()
	l.ours.drop = seconds(func() { l.dropHalf(n) })
	if after := n.store.compactions(); after > compactions {
		l.tb.Errorf("%d compactions when hours were dropped", after-compactions)
	}
	n.store.sweep()
	l.ours.unlink = time.Since(start).Seconds()
	n.stop()
}

// replays reads all streams in the order of their names, as a mirror does that catches up, and then a tenth of them in no order.
func (l *layout) replays(f *figures, replay func(name.Key) int) {
	all := func(names []name.Key) func() {
		return func() {
			for _, k := range names {
				if got := replay(k); got != l.each {
					l.tb.Fatalf("%d contents of %x came back", got, k)
				}
			}
		}
	}
	f.replay = seconds(all(slices.Sorted(slices.Values(l.names))))
	f.single = seconds(all(l.names[:len(l.names)/10]))
}

// ingest publishes a day, hour by hour, and waits until all is on the disk.
func (l *layout) ingest(n *node) {
	f := newFrames(layoutFrame)
	p := store.Put{Producer: true, Face: 1}
	for seq := 1; seq <= l.each; seq++ {
		if seq > 1 && (seq-1)%(l.each/layoutHours) == 0 {
			n.store1(lastName, uint32(seq), "makes safe what came before it")
			n.pass(time.Hour)
		}
		p.Now, p.Wall, p.Seq = n.clock.now, n.clock.wall, uint32(seq)
		for _, k := range l.names {
			p.Key, p.Body = k, f.next(k, uint32(seq))
			if out := n.shard(k).Put(&p); out.Verdict != store.Stored {
				l.tb.Fatalf("%+v", out)
			}
		}
		n.poll()
	}
	n.store1(lastName, uint32(l.each+1), "makes safe what came before it")
}

// lastName is a name of class durable.
const lastName = name.Key(0x020000000000)

// cold reads the newest of each name from disk, one at a time.
func (l *layout) cold(n *node) {
	for _, k := range l.names {
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
func (l *layout) hot(n *node) float64 {
	for _, k := range l.names {
		if n.newest(k).Body == nil {
			l.tb.Fatalf("no newest of %x", k)
		}
	}
	return seconds(func() {
		for _, k := range l.names {
			if _, st := n.shard(k).Newest(k); st != store.Hit {
				l.tb.Fatalf("the newest of %x is %v", k, st)
			}
		}
	})
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
		"ingest": n.ingest / o.ingest, "ingest+settle": (n.ingest + n.settle) / (o.ingest + o.settle),
		"replay": n.replay / o.replay, "single": n.single / o.single, "cold": n.cold / o.cold, "hot": n.hot / o.hot, "drop": n.drop / o.drop, "drop+unlink": n.drop / o.unlink,
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

// TestSoakLayout asserts the ratios at full length, and reports them where it is shorter: with less in it the naive one has next to nothing to
// compact.
func TestSoakLayout(t *testing.T) {
	names := max(int(soak(t)*layoutNames), 500)
	l := newLayout(t, names)
	l.run()
	got := l.ratios()
	t.Logf("times as fast: %v", got)
	t.Logf("ours %+v, naive %+v", l.ours, l.naive)
	for what, want := range map[string]float64{"ingest": 2.5, "replay": 0.8, "cold": 0.8, "hot": 10, "drop": 20} {
		if got[what] < want && names >= layoutNames {
			t.Errorf("%s is %.2f times as fast, want %.1f", what, got[what], want)
		}
	}
}

package disk

import (
	"runtime"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/zmesh/zmesh/core/store"
)

// dayFrames is a day at 1,000 frames a second.
const dayFrames = 86_400_000

// TestSoakDay lets a day and two hours go by, with a 25th of the frames that come at 1,000 a second at full length: as many hours, as many
// directories, each with a 25th in it. It says what the disk holds for each content, how long a start takes, and the memory; all that
// grows with contents grows in proportion, what grows with hours and names is as it would be.
func TestSoakDay(t *testing.T) {
	const names, hours = 10_000, 26
	withoutRace(t)
	each := max(int(soak(t)*dayFrames/25/24/names), 1) // contents of a name in an hour
	t.Chdir(t.TempDir())
	set := settings{fs: vfs.Default, clock: newClock(), shard: store.Config{Class: store.Buffered, LogBytes: 32 << 20, MaxNames: 1 << 18}}
	set.clock.real = true
	set.disk.SyncEvery = 50 * time.Millisecond // an hour takes a second here
	before := heap()
	n := set.start(t)
	f := newFrames(100)
	p := store.Put{Producer: true, Face: 1}
	most, fullest := uint64(0), uint64(0)
	for hour := range hours {
		for i := range each {
			seq := uint32(hour*each + i + 1)
			p.Now, p.Wall, p.Seq = n.clock.now, n.clock.wall, seq
			for k := range names {
				p.Key = key(k)
				p.Body = f.next(p.Key, seq)
				for n.shard(p.Key).Put(&p).Cause == store.QueueFull {
					n.take(nil)
				}
			}
			n.poll()
		}
		n.wantWritten(uint64((hour + 1) * each * names))
		most, fullest = max(most, heap()-before), max(fullest, n.store.Stats().DiskBytes)
		n.pass(time.Hour)
	}
	n.waitSealed()
	dirs, bytes := len(n.store.Dirs()), n.store.Stats().DiskBytes
	n.stop()
	runtime.GC()
	begin := time.Now()
	n = set.start(t)
	took := time.Since(begin)
	defer n.stop()
	if got := n.newest(key(1)); got.Seq != uint32(hours*each) || len(got.Body) != 100 {
		t.Errorf("the newest is %d, want %d", got.Seq, hours*each)
	}
	contents := float64(each * names * min(dirs, hours))
	t.Logf("%d contents in %d directories: %.0f bytes each on the disk, %d MB at most; heap at most %d MB; a start takes %s",
		each*names*hours, dirs, float64(bytes)/contents, fullest>>20, most>>20, took)
	if took > 2*time.Second || dirs > maxHours || most > 128<<20 || float64(bytes)/contents > 200 {
		t.Error("want a start of at most 2 s, 26 directories, 128 MB, and 200 bytes for each content of 100")
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// wantWritten waits until that many contents are safe.
func (n *node) wantWritten(want uint64) {
	n.t.Helper()
	for n.store.stats.written.Load() < want {
		n.take(nil)
	}
}

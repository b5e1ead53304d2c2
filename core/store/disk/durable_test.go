package disk

import (
	"os"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/zmesh/zmesh/core/store"
)

// durably lets writers publish durable contents, each its next one when the last is confirmed, and gives how many were confirmed with
// one sync and how many syncs there were in a second.
func durably(tb testing.TB, writers int, long time.Duration) (each, rate float64) {
	tb.Chdir(tb.TempDir())
	set := settings{fs: vfs.Default, clock: newClock(), shard: store.Config{Class: store.Durable, LogBytes: 8 << 20}}
	set.clock.real = true
	n := set.start(tb)
	defer n.stop()
	seqs := make([]uint32, writers)
	next := func(i int) {
		seqs[i]++
		if out := n.put(key(i), seqs[i], "a durable content of some length, as a sensor sends it"); out.Verdict != store.Stored {
			tb.Fatalf("%+v", out)
		}
	}
	for i := range writers {
		next(i)
	}
	var done []int
	before, start := n.store.Stats(), time.Now()
	for time.Since(start) < long {
		n.take(func(r store.Result) {
			if r.Done == store.DoneCommit {
				done = append(done, int(r.Key-key(0)))
			}
		})
		for _, i := range done {
			next(i)
		}
		done = done[:0]
	}
	took, after := time.Since(start).Seconds(), n.store.Stats()
	syncs := float64(after.Syncs - before.Syncs)
	return float64(after.Written-before.Written) / syncs, syncs / took
}

// rawSyncs gives how often a second the disk makes a write of size bytes safe in a file that was written before.
func rawSyncs(tb testing.TB, size int, long time.Duration) float64 {
	const length = 8 << 20
	f, err := vfs.Default.OpenReadWrite(prewritten(tb, length), vfs.WriteCategoryUnspecified)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	n, start := 0, time.Now()
	for at := int64(0); time.Since(start) < long; n++ {
		if _, err := f.WriteAt(make([]byte, size), at); err != nil {
			tb.Fatal(err)
		}
		if err := f.SyncData(); err != nil {
			tb.Fatal(err)
		}
		if at += int64(size); at+int64(size) > length {
			at = 0
		}
	}
	return float64(n) / time.Since(start).Seconds()
}

func prewritten(tb testing.TB, length int) string {
	f, err := os.CreateTemp(".", "raw")
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(make([]byte, length)); err != nil {
		tb.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		tb.Fatal(err)
	}
	return f.Name()
}

// measureDurable gives contents for each sync with 64 and 512 writers, and our syncs as a part of the disk's own.
func measureDurable(tb testing.TB, long time.Duration) (few, many, part float64) {
	tb.Chdir(tb.TempDir())
	raw := rawSyncs(tb, 4096, long)
	few, rate := durably(tb, 64, long)
	many, rateMany := durably(tb, 512, long)
	tb.Logf("disk %.0f syncs/s; 64 writers: %.0f syncs/s of %.1f contents; 512 writers: %.0f of %.1f", raw, rate, few, rateMany, many)
	return few, many, rate / raw
}

// BenchmarkDurable measures durable publishes of 64 and of 512 writers.
func BenchmarkDurable(b *testing.B) {
	for b.Loop() {
		few, many, part := measureDurable(b, time.Second)
		b.ReportMetric(few, "contents/sync-of-64")
		b.ReportMetric(many, "contents/sync-of-512")
		b.ReportMetric(part, "of-raw-syncs")
	}
}

// TestSoakDurable asserts what BenchmarkDurable measures, at full length; where it is shorter, what 512 writers and the disk make of
// a second is in the log only.
func TestSoakDurable(t *testing.T) {
	fraction := soak(t)
	withoutRace(t)
	few, many, part := measureDurable(t, max(time.Duration(fraction*float64(5*time.Second)), time.Second))
	if few < 24 || fraction >= 1 && (many < 200 || part < 0.4) {
		t.Errorf("%.1f contents a sync with 64 writers, %.1f with 512, %.2f of the disk's own syncs; want 24, 200, 0.4", few, many, part)
	}
}

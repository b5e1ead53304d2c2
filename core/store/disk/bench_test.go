package disk

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/zmesh/zmesh/core/store"
)

// BenchmarkPut measures contents through shard, queue and committer on the machine's disk, as many as it takes.
func BenchmarkPut(b *testing.B) {
	for _, class := range []store.Class{store.Buffered, store.Durable} {
		b.Run(class.String(), func(b *testing.B) {
			b.Chdir(b.TempDir())
			set := settings{fs: vfs.Default, shard: store.Config{Class: class, LogBytes: 8 << 20}}
			set.clock = newClock()
			set.clock.real = true
			n := set.start(b)
			p := store.Put{Body: make([]byte, 59), Now: n.clock.now, Wall: n.clock.wall, Producer: true}
			b.ReportAllocs()
			order := rand.New(rand.NewPCG(1, 1)).Perm(4096) // names are hashes: those that follow each other do not lie side by side
			i := 0
			for ; b.Loop(); i++ {
				p.Key, p.Seq = key(order[i%4096]), uint32(i/4096+1)
				p.Body[0], p.Body[1], p.Body[2] = byte(i), byte(i>>8), byte(i>>16)
				for n.shard(p.Key).Put(&p).Cause == store.QueueFull {
					n.poll()
				}
			}
			b.ReportMetric(float64(n.store.Stats().Groups)/float64(i), "groups/op")
			n.stop()
		})
	}
}

// poll takes what is there without waiting.
func (n *node) poll() {
	select {
	case i := <-n.ready:
		for n.shards[i].Take(func(store.Result) {}) {
			runtime.Gosched()
		}
	default:
		runtime.Gosched()
	}
}

// BenchmarkConfirm measures one durable content at a time: what a producer that waits for its confirmation gets (P-13).
func BenchmarkConfirm(b *testing.B) {
	b.Chdir(b.TempDir())
	n := settings{fs: vfs.Default, shard: durable}.start(b)
	for i := uint32(1); b.Loop(); i++ {
		n.store1(key(1), i, "x")
	}
	n.stop()
}

// BenchmarkFetch measures exact questions that only the disk can answer, one at a time.
func BenchmarkFetch(b *testing.B) {
	b.Chdir(b.TempDir())
	shard := buffered
	shard.LogBytes = 64 << 10
	set := settings{fs: vfs.Default, shard: shard}
	n := set.start(b)
	const names, each = 1000, 20
	for i := range names * each {
		n.keep(key(i%names), uint32(i/names+1), label(i))
	}
	n.stop()
	n = set.start(b)
	for i := 0; b.Loop(); i++ {
		if n.exact(key(i*7%names), uint32(i%each+1)) == nil {
			b.Fatal("not there")
		}
	}
	n.stop()
}

// BenchmarkOpen measures opening a store of 10,000 names.
func BenchmarkOpen(b *testing.B) {
	b.Chdir(b.TempDir())
	set := settings{fs: vfs.Default, shard: buffered}
	n := set.start(b)
	for i := range 10_000 {
		n.keep(key(i), 1, label(i))
	}
	n.stop()
	for b.Loop() {
		set.start(b).stop()
	}
}

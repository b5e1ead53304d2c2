package disk

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/zmesh/zmesh/core/store"
)

// blockedDisk lets a write wait until it is told to go on.
type blockedDisk struct{ gate chan struct{} }

func (b *blockedDisk) MaybeError(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
		<-b.gate
	}
	return nil
}

func (b *blockedDisk) String() string { return "blocked disk" }

// TestBlockedDiskBlocksNobody: while no write of the disk returns, contents are taken and answered as always until the queue is full; from then
// on they are not kept, which is counted. Nobody waits: otherwise this test would not end.
func TestBlockedDiskBlocksNobody(t *testing.T) {
	for _, class := range []store.Class{store.Durable, store.Buffered} {
		t.Run(class.String(), func(t *testing.T) {
			b := &blockedDisk{make(chan struct{})}
			set := settings{fs: errorfs.Wrap(vfs.NewMem(), b), shard: store.Config{Class: class, MaxRatePerName: store.Unlimited}}
			set.clock, set.disk = eagerly()
			set.disk.QueueBytes = 4 << 20
			open := make(chan *node)
			go func() { open <- set.start(t) }()
			for n := (*node)(nil); n == nil; {
				select {
				case b.gate <- struct{}{}: // what opening writes
				case n = <-open:
					testBlocked(t, n, b, class)
				}
			}
		})
	}
}

func testBlocked(t *testing.T, n *node, b *blockedDisk, class store.Class) {
	filler := strings.Repeat("x", 1000)
	kept, full := uint32(0), 0
	for i := range uint32(8000) { // 8 MB for a queue of 4 MiB
		switch out := n.put(key(1), i+1, filler); {
		case out.Verdict == store.Stored:
			kept++
		case out.Cause == store.QueueFull:
			full++
		default:
			t.Fatalf("put %d: %+v", i+1, out)
		}
	}
	if kept < 1000 || full < 1000 || n.shard(key(1)).Stats().NotKept[store.QueueFull] != uint64(full) {
		t.Errorf("%d kept, %d not, as %d were counted", kept, full, n.shard(key(1)).Stats().NotKept[store.QueueFull])
	}
	if body, st := n.shard(key(1)).Exact(key(1), 1); st != store.Uncommitted || body == nil {
		t.Errorf("what waits to be written is %v", st)
	}
	close(b.gate)
	n.committed(key(1), kept)
	n.stop()
}

// blockedSync lets syncs wait from when it is on until it is told to go on.
type blockedSync struct {
	on            atomic.Bool
	reached, gate chan struct{}
}

func (b *blockedSync) MaybeError(op errorfs.Op) error {
	if !b.on.Load() || !slices.Contains(syncs, op.Kind) {
		return nil
	}
	select {
	case b.reached <- struct{}{}:
	default:
	}
	<-b.gate
	return nil
}

func (b *blockedSync) String() string { return "blocked sync" }

// Of contents with one number the first stays, also where it has left memory and is just being written when the other comes (P-17).
func TestP17TheFirstStaysWhileItIsWritten(t *testing.T) {
	b := &blockedSync{reached: make(chan struct{}, 1), gate: make(chan struct{})}
	shard := buffered
	shard.LogBytes = 32 << 10
	n := settings{fs: errorfs.Wrap(vfs.NewMem(), b), shard: shard, clock: newClock(), disk: small()}.start(t)
	n.keep(key(1), 1, label(1))
	n.due()
	n.committed(key(1), 1)
	filler := uint32(0)
	n.keep(key(1), 9, label(9))
	n.putAway(key(1), 5, "first", &filler)
	b.on.Store(true)
	n.due()
	<-b.reached
	n.putAway(key(1), 5, "other", &filler)
	b.on.Store(false)
	close(b.gate)
	n.due()
	n.committed(key(2), filler)
	n.wantExact(key(1), 5, "first")
	if got := n.shard(key(1)).Stats().Conflicts; got != 1 {
		t.Errorf("%d conflicts, want 1", got)
	}
	n.stop()
}

package disk

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
)

// failing lets operations of one kind fail while it is on, all or a part of them.
type failing struct {
	kind atomic.Int64 // errorfs.OpKind + 1; 0: none
	all  atomic.Bool
	ops  atomic.Uint64
}

// kinds are all operations that can fail.
var kinds = []errorfs.OpKind{
	errorfs.OpCreate, errorfs.OpLink, errorfs.OpOpen, errorfs.OpOpenDir, errorfs.OpRename, errorfs.OpReuseForWrite, errorfs.OpMkdirAll,
	errorfs.OpList, errorfs.OpStat, errorfs.OpFileRead, errorfs.OpFileReadAt, errorfs.OpFileWrite, errorfs.OpFileWriteAt, errorfs.OpFileStat,
	errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo, errorfs.OpFilePreallocate, errorfs.OpFileFlush, errorfs.OpRemove, errorfs.OpRemoveAll,
}

func (f *failing) MaybeError(op errorfs.Op) error {
	if errorfs.OpKind(f.kind.Load()-1) != op.Kind || !f.all.Load() && f.ops.Add(1)%3 != 0 {
		return nil
	}
	if op.Kind.ReadOrWrite() == errorfs.OpIsRead {
		return syscall.EIO
	}
	return syscall.ENOSPC
}

func (f *failing) String() string { return "failing" }

// world is a store and a simple model of it: what was confirmed, with when it arrived.
type world struct {
	*node
	t      *testing.T
	set    settings
	rng    *rand.Rand
	fail   *failing
	seqs   map[name.Key]uint32
	kept   map[number]time.Duration
	newest map[name.Key]uint32
}

// Random contents, pauses, clock steps, restarts and errors of every kind of operation: what was confirmed is there until its retention
// has passed, whole, and the newest never goes back.
func TestRandomLife(t *testing.T) { randomLives(t, 1, 4) }

// TestSoakRandomLife is the same with hundreds of seeds.
func TestSoakRandomLife(t *testing.T) { randomLives(t, 100, 100+max(int(400*soak(t)), 10)) }

func randomLives(t *testing.T, from, to int) {
	for seed := from; seed < to && !t.Failed(); seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { randomLife(t, uint64(seed)) })
	}
}

func randomLife(t *testing.T, seed uint64) {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 1)), fail: &failing{}, seqs: map[name.Key]uint32{}, kept: map[number]time.Duration{}, newest: map[name.Key]uint32{}}
	w.set = settings{fs: errorfs.Wrap(vfs.NewMem(), w.fail), workers: 1 + int(seed%3), shard: store.Config{Class: store.Durable, LogBytes: 32 << 10}}
	if seed%2 == 0 {
		w.set.shard.Class = store.Buffered
	}
	w.set.clock = newClock()
	w.set.disk = Config{MemTableBytes: 16 << 10, TablesOver: 4} // a burst is a table, or a batch
	w.node = w.set.start(t)
	for range 120 {
		switch w.rng.IntN(12) {
		case 0:
			w.set.clock.setBy(time.Duration(w.rng.IntN(7)-3) * time.Duration(w.rng.IntN(1000)) * time.Hour)
			w.pass(time.Second)
		case 1:
			w.pass(time.Duration(w.rng.IntN(180)) * time.Minute)
		case 2:
			w.stop()
			w.node = w.set.start(t)
		case 3:
			w.disturb()
		case 4:
			w.check()
		default:
			w.publish()
		}
	}
	w.check()
	w.stop()
	w.node = w.set.start(t)
	w.check()
	w.stop()
}

// publish publishes contents of one name and waits until each is confirmed.
func (w *world) publish() {
	k := key(w.rng.IntN(5))
	first := w.seqs[k] + 1
	burst := 1 + w.rng.IntN(8)
	if w.rng.IntN(8) == 0 {
		burst += 35 // enough for a table
	}
	for range burst {
		w.seqs[k]++
		w.keep(k, w.seqs[k], label(int(w.seqs[k])))
	}
	w.settle(k, first, w.seqs[k], true)
}

// settle waits for the fate of contents, and notes those that were confirmed.
func (w *world) settle(k name.Key, first, last uint32, must bool) {
	w.t.Helper()
	w.due()
	left := last - first + 1
	w.until(func(r store.Result) bool {
		if r.Key != k || r.Seq < first || r.Seq > last || r.Done != store.DoneCommit && r.Done != store.DoneFailed {
			return false
		}
		if r.Done == store.DoneCommit {
			w.kept[number{k, r.Seq}], w.newest[k] = w.clock.now, max(w.newest[k], r.Seq)
		} else if must {
			w.t.Fatalf("content %d of %x was not written", r.Seq, k)
		}
		left--
		return left == 0
	})
}

// disturb publishes while operations of one kind fail, and waits until the disk takes contents again.
func (w *world) disturb() {
	kind := kinds[w.rng.IntN(len(kinds))]
	w.fail.all.Store(kind.ReadOrWrite() == errorfs.OpIsWrite || w.rng.IntN(2) == 0)
	w.fail.kind.Store(int64(kind) + 1)
	w.t.Logf("at %s %v fails, all %v", w.clock.now, kind, w.fail.all.Load())
	k := key(w.rng.IntN(5))
	for range 1 + w.rng.IntN(10) {
		w.seqs[k]++
		w.keep(k, w.seqs[k], label(int(w.seqs[k])))
		w.settle(k, w.seqs[k], w.seqs[k], false)
		if w.rng.IntN(4) == 0 {
			w.pass(time.Duration(w.rng.IntN(90)) * time.Minute)
		}
	}
	w.fail.kind.Store(0)
	for {
		w.seqs[k]++
		w.keep(k, w.seqs[k], label(int(w.seqs[k])))
		w.settle(k, w.seqs[k], w.seqs[k], false)
		if w.newest[k] == w.seqs[k] {
			return
		}
		w.clock.waitTimer(lastRetry)
		w.pass(lastRetry)
	}
}

// check compares the store with the model.
func (w *world) check() {
	w.t.Helper()
	w.waitFrozen()
	ids := make([]number, 0, len(w.kept))
	for id, at := range w.kept {
		if w.clock.now-at > 23*time.Hour {
			delete(w.kept, id)
			continue
		}
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b number) int { return int(a.seq) - int(b.seq) })
	for _, id := range ids {
		w.wantExact(id.key, id.seq, label(int(id.seq)))
	}
	for k, seq := range w.newest {
		if w.kept[number{k, seq}] == 0 {
			continue
		}
		if got := w.node.newest(k); got.Seq < seq {
			w.t.Fatalf("the newest of %x is %d, %d was confirmed", k, got.Seq, seq)
		}
	}
}

// waitFrozen waits until the hours that have failed are open for reading. Until then a read that finds nothing is unsure
// (store.Completion), and the node asks its neighbours. Those that could not even be opened for reading the committer tries again when it looks
// after the hours.
func (w *world) waitFrozen() {
	w.t.Helper()
	end := time.Now().Add(20 * time.Second)
	for polls := 1; w.store.troubled(); polls++ {
		w.poll()
		if polls%1000 == 0 {
			w.clock.waitTimer(housekeeping)
			w.pass(housekeeping)
		}
		if time.Now().After(end) {
			w.t.Fatal("an hour that failed is not open for reading after 20 s")
		}
	}
}

// troubled tells whether an hour has failed and is not open for reading yet, or is shut.
func (s *Store) troubled() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.ContainsFunc(s.hours, func(h *hour) bool {
		return h.db == nil || !h.stuck && !h.sealed && h.guard.failed() != nil
	})
}

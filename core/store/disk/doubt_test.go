package disk

import (
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/zmesh/zmesh/core/store"
)

// around stores two contents on the disk, so that one between them counts as late.
func (n *node) around() {
	n.store1(key(1), 1, "first")
	n.store1(key(1), 5, "last")
}

// done puts a content of key(1) and tells what the disk says of it.
func (n *node) done(seq uint32, payload string) (done store.Done) {
	n.t.Helper()
	n.put(key(1), seq, payload)
	n.until(func(r store.Result) bool {
		done = r.Done
		return r.Key == key(1) && r.Seq == seq
	})
	return done
}

// A content whose sync failed is not confirmed when it comes again because the failed hour, which could not be opened anew, still has it in memory.
func TestWhatAFailedHourHasInMemoryIsNotSafe(t *testing.T) {
	f := &fault{err: syscall.EIO, file: isLog, kinds: syncs}
	n := settings{fs: errorfs.Wrap(vfs.NewMem(), f), shard: durable, clock: newClock()}.start(t)
	n.around()
	active := n.store.hours[len(n.store.hours)-1]
	active.sealing.Lock() // as for a backup or a verification
	f.on.Store(true)
	if done := n.done(3, "between"); done != store.DoneFailed {
		t.Fatalf("at first it is %v", done)
	}
	n.clock.waitTimer(firstRetry)
	n.pass(firstRetry)
	for range 20 { // the retry comes before one of them
		if done := n.done(3, "between"); done != store.DoneFailed {
			t.Fatalf("then it is %v", done)
		}
	}
	active.sealing.Unlock()
	f.on.Store(false)
	n.recovers(key(3))
	if done := n.done(3, "between"); done != store.DoneCommit {
		t.Errorf("in the end it is %v", done)
	}
	n.stop()
}

// Nor because it can be read in an hour that was replaced since: what a sync failed for may be in the system's memory alone.
func TestWhatAStuckHourGivesIsNotSafe(t *testing.T) {
	mem := vfs.NewCrashableMem()
	set := settings{shard: durable, clock: newClock()}
	first := hourName(1, set.clock.Wall())
	f := &fault{err: syscall.EIO, kinds: syncs, file: func(path string) bool { return strings.Contains(path, first) }}
	set.fs = errorfs.Wrap(mem, f)
	n := set.start(t)
	n.around()
	f.on.Store(true)
	if done := n.done(3, "between"); done != store.DoneFailed {
		t.Fatalf("at first it is %v", done)
	}
	n.recovers(key(3))
	done := n.done(3, "between")
	set.fs = mem.CrashClone(vfs.CrashCloneCfg{})
	f.on.Store(false)
	n.stop()
	n = set.start(t)
	defer n.stop()
	if got := n.exact(key(1), 3); done != store.DoneCommit || got == nil {
		t.Errorf("it is %v, and after a power cut %q", done, got)
	}
}

// What is read where a sync has failed is given to everybody, but confirms nothing, although it is no longer in memory.
func TestP13WhatIsReadOfAFailedHourIsNotSafe(t *testing.T) {
	f := &fault{err: syscall.EIO, file: isLog, kinds: syncs}
	shard := durable
	shard.LogBytes = 32 << 10
	n := settings{fs: errorfs.Wrap(vfs.NewMem(), f), shard: shard, clock: newClock()}.start(t)
	n.around()
	f.on.Store(true)
	if done := n.done(3, "between"); done != store.DoneFailed {
		t.Fatalf("it is %v", done)
	}
	for i := uint32(1); i < 400; i++ { // push it out
		n.put(key(2), i, strings.Repeat("x", 100))
	}
	for seq, safe := range map[uint32]bool{1: false, 3: false} {
		if _, st := n.shard(key(1)).Exact(key(1), seq); st != store.OnDisk {
			t.Fatalf("%d is %v", seq, st)
		}
		n.shard(key(1)).Fetch(key(1), seq)
		n.until(func(r store.Result) bool {
			if r.Done != store.DoneRead {
				return false
			}
			if r.Body == nil || r.Unsafe == safe {
				t.Errorf("%d is read as %+v", seq, r)
			}
			return true
		})
	}
	n.clock.waitTimer(firstRetry)
	f.on.Store(false)
	n.recovers(key(3))
	n.shard(key(1)).Fetch(key(1), 1)
	n.until(func(r store.Result) bool {
		if r.Done == store.DoneRead && (r.Body == nil || r.Unsafe) {
			t.Errorf("after the hour has recovered 1 is read as %+v", r)
		}
		return r.Done == store.DoneRead
	})
	n.stop()
}

// Nothing is written to a folder that could not be locked, also if it could be written to a moment later.
func TestNothingIsWrittenWithoutTheLock(t *testing.T) {
	f := &fault{err: syscall.EROFS, file: func(string) bool { return false }}
	n := settings{fs: readOnly{errorfs.Wrap(vfs.NewMem(), f), f}, shard: durable, clock: newClock()}
	n.start(t).stop()
	f.on.Store(true)
	m := n.start(t)
	if done := m.done(1, "without"); done != store.DoneFailed {
		t.Errorf("it is %v", done)
	}
	f.on.Store(false)
	m.recovers(key(3))
	m.stop()
	if m.store.lock == nil {
		t.Error("the folder is not locked in the end")
	}
}

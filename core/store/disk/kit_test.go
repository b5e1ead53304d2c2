package disk

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
)

// clock is a clock that stands until it is told to go on.
type clock struct {
	mu     sync.Mutex
	now    time.Duration
	wall   int64
	timers []timer
	more   sync.Cond     // timers has grown
	eager  time.Duration // timers of at most that fire at once
	real   bool          // timers are the machine's: for benchmarks
}

type timer struct {
	at time.Duration
	c  chan time.Time
}

func newClock() *clock {
	c := &clock{now: time.Second, wall: 1_700_000_000_000}
	c.more.L = &c.mu
	return c
}

func (c *clock) Wall() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall
}

func (c *clock) Mono() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) After(d time.Duration) <-chan time.Time {
	if c.real {
		return time.After(d)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t := timer{c.now + d, make(chan time.Time, 1)}
	if d <= c.eager {
		t.c <- time.Time{}
		return t.c
	}
	c.timers = append(c.timers, t)
	c.more.Broadcast()
	return t.c
}

// eagerly gives a clock for which buffered contents are synced at once, and the options that go with it.
func eagerly() (*clock, Config) {
	const soon = 100 * time.Millisecond
	c := newClock()
	c.eager = soon
	return c, Config{SyncEvery: soon, MemTableBytes: 64 << 10, TablesOver: 16}
}

// pass lets d go by, and fires what is due.
func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now += d
	c.wall += d.Milliseconds()
	waiting := c.timers[:0]
	for _, t := range c.timers {
		if t.at <= c.now {
			t.c <- time.Time{}
		} else {
			waiting = append(waiting, t)
		}
	}
	c.timers = waiting
}

// waitTimer waits until somebody waits for a timer of at most d.
func (c *clock) waitTimer(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !slices.ContainsFunc(c.timers, func(t timer) bool { return t.at <= c.now+d }) {
		c.more.Wait()
	}
}

// hasTimer tells whether somebody waits for a timer of at most d.
func (c *clock) hasTimer(d time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.timers, func(t timer) bool { return t.at <= c.now+d })
}

// node is a store with its shards, as a host would have it.
type node struct {
	t      testing.TB
	clock  *clock
	fs     vfs.FS
	store  *Store
	shards []*store.Shard
	ready  chan int
	events chan Event
}

// settings of a node in a test.
type settings struct {
	fs      vfs.FS
	clock   *clock
	workers int
	disk    Config
	shard   store.Config
}

func (s settings) open(t testing.TB) (*node, error) {
	if s.clock == nil {
		s.clock = newClock()
	}
	n := &node{t: t, clock: s.clock, fs: s.fs, ready: make(chan int, 64), events: make(chan Event, 1024)}
	c := s.disk
	c.Dir, c.FS, c.Wall, c.Mono, c.After = "data/store", s.fs, s.clock.Wall, s.clock.Mono, s.clock.After
	c.Event = func(e Event) { n.events <- e }
	c.KeepNewest = func(k name.Key) bool { return s.shard.RuleFor(k).KeepNewest }
	st, err := Open(c)
	if err != nil {
		return nil, err
	}
	n.store = st
	n.shards = make([]*store.Shard, max(1, s.workers))
	for i, b := range st.Split(len(n.shards), n.owner) {
		sc := s.shard
		sc.Backend, sc.Now, sc.Wall = b, s.clock.now, s.clock.Wall()
		sc.MaxRatePerName, sc.HourBytes, sc.Seed = store.Unlimited, 1<<40, [2]uint64{1, 2}
		sc.Ready = func(*store.Shard) { n.ready <- i }
		n.shards[i] = store.NewShard(sc)
	}
	return n, nil
}

func (s settings) start(t testing.TB) *node {
	t.Helper()
	n, err := s.open(t)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *node) owner(k name.Key) int {
	return int(uint64(k) * 0x9E3779B97F4A7C15 >> 33 % uint64(len(n.shards)))
}

func (n *node) shard(k name.Key) *store.Shard { return n.shards[n.owner(k)] }

func (n *node) stop() {
	n.t.Helper()
	if err := n.store.Close(); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) pass(d time.Duration) {
	n.clock.pass(d)
	for _, s := range n.shards {
		s.Advance(n.clock.now, n.clock.wall)
	}
}

func key(i int) name.Key { return name.Key(0x010000000000 + uint64(i)) }

func bodyOf(k name.Key, seq uint32, payload string) []byte {
	n := k.Name()
	b := append(n[:], 1, byte(seq>>16), byte(seq>>8), byte(seq))
	b = append(b, payload...)
	h := uint32(2166136261)
	for _, c := range b {
		h = (h ^ uint32(c)) * 16777619
	}
	return binary.BigEndian.AppendUint32(b, h)
}

// put stores a content from the producer face.
func (n *node) put(k name.Key, seq uint32, payload string) store.Outcome {
	return n.putFrom(k, seq, payload, true)
}

func (n *node) putFrom(k name.Key, seq uint32, payload string, producer bool) store.Outcome {
	return *n.shard(k).Put(&store.Put{Key: k, Seq: seq, Body: bodyOf(k, seq, payload), Now: n.clock.now, Wall: n.clock.Wall(), Face: 1, Producer: producer})
}

// keep stores a content, waiting for the disk where it must.
func (n *node) keep(k name.Key, seq uint32, payload string) {
	n.t.Helper()
	for {
		switch out := n.put(k, seq, payload); {
		case out.Verdict == store.Stored:
			return
		case out.Cause == store.QueueFull:
			n.take(nil)
		default:
			n.t.Fatalf("put %d: %+v", seq, out)
		}
	}
}

// take waits until a shard is ready and takes what it has.
func (n *node) take(yield func(store.Result)) {
	select {
	case i := <-n.ready:
		for more := true; more; {
			more = n.shards[i].Take(func(r store.Result) {
				if yield != nil {
					yield(r)
				}
			})
		}
	case <-time.After(20 * time.Second):
		n.t.Helper()
		for len(n.events) > 0 {
			n.t.Logf("event %+v", <-n.events)
		}
		n.t.Fatal("the store said nothing for 20 s")
	}
}

// until takes results until done says so.
func (n *node) until(done func(store.Result) bool) {
	n.t.Helper()
	for end := false; !end; {
		n.take(func(r store.Result) { end = done(r) || end })
	}
}

// committed waits until k's content seq is committed.
func (n *node) committed(k name.Key, seq uint32) {
	n.t.Helper()
	n.until(func(r store.Result) bool {
		if r.Key == k && r.Seq == seq && r.Done == store.DoneFailed {
			n.t.Fatalf("content %d was not written", seq)
		}
		return r.Done == store.DoneCommit && r.Key == k && r.Seq == seq
	})
}

// exact asks as a host does: from memory, and else from the disk.
func (n *node) exact(k name.Key, seq uint32) (body []byte) {
	n.t.Helper()
	body, st := n.shard(k).Exact(k, seq)
	if st != store.OnDisk {
		return bytes.Clone(body)
	}
	if !n.shard(k).Fetch(k, seq) {
		n.t.Fatalf("fetch of %x %d was refused", k, seq)
	}
	n.until(func(r store.Result) bool {
		fits := r.Done == store.DoneRead && r.Key == k && r.Asked == seq
		if fits {
			body = bytes.Clone(r.Body)
		}
		return fits
	})
	return body
}

func (n *node) newest(k name.Key) (out store.Newest) {
	n.t.Helper()
	out, st := n.shard(k).Newest(k)
	if st != store.OnDisk {
		out.Body = bytes.Clone(out.Body)
		return out
	}
	if !n.shard(k).Fetch(k, 0) {
		n.t.Fatalf("fetch of the newest of %x was refused", k)
	}
	n.until(func(r store.Result) bool {
		fits := r.Done == store.DoneRead && r.Key == k && r.Asked == 0
		if fits {
			out = r.Newest
			out.Body = bytes.Clone(out.Body)
		}
		return fits
	})
	return out
}

func (n *node) wantExact(k name.Key, seq uint32, payload string) {
	n.t.Helper()
	if got := n.exact(k, seq); !bytes.Equal(got, bodyOf(k, seq, payload)) {
		n.t.Fatalf("exact %d of %x is %x, want %q", seq, k, got, payload)
	}
}

func (n *node) wantNone(k name.Key, seq uint32) {
	n.t.Helper()
	if got := n.exact(k, seq); got != nil {
		n.t.Fatalf("exact %d of %x is %x, want none", seq, k, got)
	}
}

func (n *node) wantNewest(k name.Key, seq uint32, payload string) {
	n.t.Helper()
	if got := n.newest(k); got.Seq != seq || !bytes.Equal(got.Body, bodyOf(k, seq, payload)) {
		n.t.Fatalf("newest of %x is %d %x, want %d %q", k, got.Seq, got.Body, seq, payload)
	}
}

// event waits for an event of a kind.
func (n *node) event(kind EventKind) Event {
	n.t.Helper()
	for {
		select {
		case e := <-n.events:
			if e.Kind == kind {
				return e
			}
		case <-time.After(20 * time.Second):
			n.t.Fatalf("no event %v for 20 s", kind)
		}
	}
}

func label(i int) string { return fmt.Sprintf("payload %d", i) }

package forward

import (
	"sync/atomic"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
)

// sampleEvery is which bursts are timed: one in so many. The clock is read some ten times in such a burst and never in another.
const sampleEvery = 64

// Perf is where the time of the bursts that were timed went. Stages exclude each other: Forward is what is left of a worker's
// time after Strategy, Store and Send.
type Perf struct {
	Bursts, Frames                         uint64 // timed ones
	Verify, Forward, Strategy, Store, Send time.Duration
}

// perf is Perf as it is written: by each Ingress and each worker.
type perf struct {
	bursts, frames                         atomic.Uint64
	verify, forward, strategy, store, send atomic.Int64
}

// Perf reads what was timed since the node was made; all 0 without Config.Clock.
func (n *Node) Perf() Perf {
	p := &n.perf
	return Perf{
		Bursts: p.bursts.Load(), Frames: p.frames.Load(), Verify: time.Duration(p.verify.Load()), Forward: time.Duration(p.forward.Load()),
		Strategy: time.Duration(p.strategy.Load()), Store: time.Duration(p.store.Load()), Send: time.Duration(p.send.Load()),
	}
}

// stopwatch is a worker's part in timing a burst.
type stopwatch struct {
	clock                 func() time.Duration // nil unless this burst is timed
	strategy, store, send time.Duration
}

// runTimed is run of a burst that is timed. What the worker's mutex was waited for is nobody's stage.
func (w *Worker) runTimed(now Now, frames []*received, clock func() time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	start := clock()
	own := w.store
	w.stages = stopwatch{clock: clock}
	w.timed = timedStore{own, w}
	w.store = &w.timed
	w.frames(now, frames)
	w.store = own
	p, t := &w.n.perf, w.stages
	w.stages = stopwatch{}
	p.strategy.Add(int64(t.strategy))
	p.store.Add(int64(t.store))
	p.send.Add(int64(t.send))
	p.forward.Add(int64(clock() - start - t.strategy - t.store - t.send))
}

// consulted asks the strategy.
func (w *Worker) consulted(ev *Event) []Command {
	if w.stages.clock == nil {
		return w.strategy.Decide(ev, w.cmds[:0])
	}
	start := w.stages.clock()
	cmds := w.strategy.Decide(ev, w.cmds[:0])
	w.stages.strategy += w.stages.clock() - start
	return cmds
}

// timedStore is a worker's store in a burst that is timed.
type timedStore struct {
	Store
	w *Worker
}

func (s *timedStore) since(start time.Duration) { s.w.stages.store += s.w.stages.clock() - start }

// Put implements Store.
func (s *timedStore) Put(p *store.Put) *store.Outcome {
	defer s.since(s.w.stages.clock())
	return s.Store.Put(p)
}

// Exact implements Store.
func (s *timedStore) Exact(k name.Key, seq uint32) ([]byte, store.Status) {
	defer s.since(s.w.stages.clock())
	return s.Store.Exact(k, seq)
}

// Newest implements Store.
func (s *timedStore) Newest(k name.Key) (store.Newest, store.Status) {
	defer s.since(s.w.stages.clock())
	return s.Store.Newest(k)
}

// Known implements Store.
func (s *timedStore) Known(k name.Key) (*store.Known, bool) {
	defer s.since(s.w.stages.clock())
	return s.Store.Known(k)
}

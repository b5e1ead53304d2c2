package forward

import (
	"math"
	"time"
)

// never is when nothing is planned.
const never = math.MaxInt64

// lock begins a call of the control plane.
func (n *Node) lock(now Now) {
	n.mu.Lock()
	n.now = now
}

// unlock ends it. What it has planned may be due before anything else.
func (n *Node) unlock() {
	if at, ok := n.controlNext(); ok {
		n.plan(at)
	}
	n.mu.Unlock()
}

// controlNext is when the control plane has something to do. n.mu is held.
func (n *Node) controlNext() (at time.Duration, ok bool) {
	at, ok = n.rib.Next()
	return earlier(at, ok, n.nextHello())
}

func earlier(at time.Duration, ok bool, other time.Duration) (time.Duration, bool) {
	if other == 0 || ok && at <= other {
		return at, ok
	}
	return other, true
}

// Next is when Advance has something to do at the earliest; ok is false if nothing is planned. If something is planned later that is
// due before, Config.Wake is called.
func (n *Node) Next() (at time.Duration, ok bool) {
	n.planned.Store(never) // from here on, whatever is planned calls Wake: also in a worker that has been looked at
	n.mu.Lock()
	at, ok = n.controlNext()
	n.mu.Unlock()
	for _, w := range n.workers {
		w.mu.Lock()
		if t, set := w.wheel.Next(); set {
			at, ok = earlier(at, ok, t)
		}
		w.mu.Unlock()
	}
	if ok {
		n.lower(at)
	}
	return at, ok
}

// plan calls Wake if a moment is before all that are planned.
func (n *Node) plan(at time.Duration) {
	if n.lower(at) {
		n.cfg.Wake()
	}
}

func (n *Node) lower(at time.Duration) bool {
	for {
		before := n.planned.Load()
		if int64(at) >= before {
			return false
		}
		if n.planned.CompareAndSwap(before, int64(at)) {
			return true
		}
	}
}

// plan is called at the end of each burst, so that nobody needs to look for new timers in between.
func (w *Worker) plan() {
	if !w.wheel.Set() {
		return
	}
	if at, ok := w.wheel.Next(); ok {
		w.n.plan(at)
	}
}

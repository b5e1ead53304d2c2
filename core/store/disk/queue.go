package disk

import (
	"sync"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
)

// queue is what lies between the shards, which must not wait, and the committer. It is two groups: one that is being
// filled and one that is being written.
type queue struct {
	mu     sync.Mutex
	fill   group
	limit  int    // bytes that may wait,
	enough int    // … and those that are written without waiting for more
	ripe   bool   // fill is to be written now: there is enough in it, or somebody waits for it
	at     moment // when the latest content came,
	steps  int64  // … and the sum of the clock's steps then
	closed bool
	wake   chan struct{} // holds one when fill is no longer empty, and when it is ripe
}

// moment is one time by both clocks.
type moment struct {
	wall int64
	mono time.Duration
}

// tableBytes is the most that is collected for one table: more would make it no cheaper.
const tableBytes = 8 << 20

func (q *queue) init(limit int) {
	q.limit, q.enough = limit, min(limit/2, tableBytes)
	q.wake = make(chan struct{}, 1)
}

// put copies w into the queue; false if there is no room.
func (q *queue) put(p *part, w *store.Write) bool {
	q.mu.Lock()
	g := &q.fill
	if q.closed || g.size+itemBytes+len(w.Body) > q.limit {
		q.mu.Unlock()
		p.s.stats.refused.Add(1)
		return false
	}
	p.ticket++
	g.add(p, w, q.stepsAt(p, w))
	ripe := w.Class == store.Durable || g.size >= q.enough
	if g.n == 1 || ripe && !q.ripe {
		q.ripe = q.ripe || ripe
		q.call()
	}
	q.mu.Unlock() // without defer: this is on the path
	return true
}

// call wakes the committer.
func (q *queue) call() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// stepsAt gives the sum of the clock's steps when w came. The clock is read once for all contents of a burst, which came at one time.
func (q *queue) stepsAt(p *part, w *store.Write) int64 {
	if at := (moment{w.Wall, w.Now}); at != q.at {
		_, q.steps = p.s.clock.now()
		q.at = at
	}
	return q.steps
}

// take exchanges the filled group for the empty one g, if it is ripe or anyhow. It tells whether it did so, and whether something waits.
func (q *queue) take(g *group, anyhow bool) (taken, waits bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !anyhow && !q.ripe {
		return false, q.fill.n > 0
	}
	*g, q.fill = q.fill, *g
	q.ripe = false
	return true, false
}

// trim gives memory back while nothing waits.
func (q *queue) trim() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.fill.n == 0 && len(q.fill.clear) == 0 {
		q.fill = group{}
	}
}

// clear lets a range of names be removed behind what is in the queue.
func (q *queue) clear(cl clearing) (ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	cl.after = q.fill.n
	q.fill.clear = append(q.fill.clear, cl)
	q.ripe = true
	q.call()
	return true
}

// close lets nothing more in.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
}

// clearing is a range of names to be removed after the first items of a group.
type clearing struct {
	after     int
	low, high name.Key
	done      chan error
}

package driver

import (
	"sync"
	"sync/atomic"

	"github.com/zmesh/zmesh/core/drop"
)

// What waits in an outlet at most. It is what a worker sends in a few bursts; more would only be older when it leaves.
const (
	queueFrames = 512
	queueBytes  = 128 << 10
)

// entry is one frame, or bytes of the driver, that waits.
type entry struct {
	peer *peer
	size int
	raw  bool // the driver's bytes, which go as they are
}

// queue is what waits, in order: the bytes of all entries follow each other.
type queue struct {
	entries []entry
	bytes   []byte
}

func (q *queue) reset() { q.entries, q.bytes = q.entries[:0], q.bytes[:0] }

func (q *queue) add(p *peer, b []byte, raw bool) bool {
	if len(q.entries) >= queueFrames || len(q.bytes)+len(b) > queueBytes {
		return false
	}
	q.entries, q.bytes = append(q.entries, entry{p, len(b), raw}), append(q.bytes, b...)
	return true
}

// outlet is where frames wait for the goroutine that writes: whoever sends copies and goes on.
type outlet struct {
	mu     sync.Mutex
	queue  queue
	closed bool
	wake   chan struct{} // something waits, or it is closed
	holds  atomic.Int32  // a drop.Reason: what holds the writer up; None: the medium itself
	unsent atomic.Int64  // entries in queue, and those that the writer has taken and not come to yet
}

func newOutlet() *outlet { return &outlet{wake: make(chan struct{}, 1)} }

// send queues frames and tells how many there was room for.
func (o *outlet) send(p *peer, frames [][]byte) (n int) {
	o.mu.Lock()
	if !o.closed {
		for n < len(frames) && o.queue.add(p, frames[n], false) {
			n++
		}
		o.unsent.Add(int64(n))
	}
	o.mu.Unlock()
	o.alarm()
	return n
}

// sendRaw queues bytes of the driver.
func (o *outlet) sendRaw(p *peer, b []byte) (ok bool) {
	o.mu.Lock()
	if ok = !o.closed && o.queue.add(p, b, true); ok {
		o.unsent.Add(1)
	}
	o.mu.Unlock()
	o.alarm()
	return ok
}

func (o *outlet) alarm() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// take exchanges what waits for an empty queue; false if the outlet is closed.
func (o *outlet) take(q *queue) bool {
	q.reset()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue, *q = *q, o.queue
	return !o.closed
}

// close lets nothing in any more, and wakes the writer.
func (o *outlet) close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.alarm()
}

// open lets frames in again, and drops what was left.
func (o *outlet) open() {
	o.mu.Lock()
	o.unsent.Add(int64(-len(o.queue.entries)))
	o.queue.reset()
	o.closed = false
	o.mu.Unlock()
}

// refusal is why there was no room.
func (o *outlet) refusal() drop.Reason {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch why := drop.Reason(o.holds.Load()); {
	case o.closed:
		return drop.FaceDown
	case why != drop.None:
		return why
	}
	return drop.SendQueue
}

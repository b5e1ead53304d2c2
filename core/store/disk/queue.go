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
	limit  int
	at     moment // when the latest content came,
	steps  int64  // … and the sum of the clock's steps then
	closed bool
	wake   chan struct{} // holds one when fill is not empty
}

// moment is one time by both clocks.
type moment struct {
	wall int64
	mono time.Duration
}

// group is contents that are written in one batch.
type group struct {
	items []item
	bytes []byte // their bodies
	clear []clearing
}

// clearing is a range of names to be removed after the first items of a group.
type clearing struct {
	after     int
	low, high name.Key
	done      chan error
}

// item is one content of a group.
type item struct {
	part       *part
	ticket     uint64 // of the write
	key        name.Key
	ext        uint64
	wall       int64
	steps      int64 // of the clock, when it came
	pointer    pointer
	start, end int // of the body
	class      store.Class
	producer   bool
	late       bool // its number may be on disk already (P-17)
}

// itemBytes is about what an item takes beside its body.
const itemBytes = 128

func (g *group) size() int           { return len(g.bytes) + itemBytes*len(g.items) }
func (g *group) body(i *item) []byte { return g.bytes[i.start:i.end] }
func (g *group) reset()              { clear(g.items); g.items, g.bytes, g.clear = g.items[:0], g.bytes[:0], nil }

func (q *queue) init(limit int) {
	q.limit = limit
	q.wake = make(chan struct{}, 1)
}

// put copies w into the queue; false if there is no room.
func (q *queue) put(p *part, w *store.Write) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	g := &q.fill
	if q.closed || g.size()+itemBytes+len(w.Body) > q.limit {
		p.s.stats.refused.Add(1)
		return false
	}
	start := len(g.bytes)
	p.ticket++
	g.bytes = append(g.bytes, w.Body...)
	g.items = append(g.items, item{
		part: p, ticket: p.ticket, key: w.Key, ext: w.Ext, wall: w.Wall, steps: q.stepsAt(p, w), class: w.Class, producer: w.Producer, late: w.Late,
		start: start, end: len(g.bytes), pointer: pointer{
			newest: w.Newest, wall: w.NewestAt, mac: w.NewestMAC,
			producer: w.FromFirst, published: w.Published,
		},
	})
	if len(g.items) == 1 { // who takes the group takes all of it
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// stepsAt gives the sum of the clock's steps when w came. The clock is read once for all contents of a burst, which came at one time.
func (q *queue) stepsAt(p *part, w *store.Write) int64 {
	if at := (moment{w.Wall, w.Now}); at != q.at {
		_, q.steps = p.s.clock.now()
		q.at = at
	}
	return q.steps
}

// take exchanges the filled group for an empty one.
func (q *queue) take(empty group) group {
	q.mu.Lock()
	defer q.mu.Unlock()
	full := q.fill
	q.fill = empty
	return full
}

// close lets nothing more in.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
}

package disk

import (
	"context"
	"math"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/zmesh/zmesh/core/name"
)

// replayed is what [Store.replay] gives; its Body is valid until yield returns.
type replayed struct {
	Ext      uint64
	Wall     int64 // arrival, Unix ms
	Producer bool  // came from the name's producer face
	Body     []byte
}

// replays holds *replayBuffers that no reader uses.
var replays = sync.Pool{New: func() any { return &replayBuffers{} }}

// replay calls yield for the contents of k from ext on, in order, until yield says false or ctx is done. What is queued
// and not yet written is not given. It shows what is on the disk, and how fast the layout gives it; a node asks for each number on its own, by
// [store.Shard.Fetch].
func (s *Store) replay(ctx context.Context, k name.Key, from uint64, yield func(*replayed) bool) error {
	b := replays.Get().(*replayBuffers)
	defer replays.Put(b)
	for ctx.Err() == nil {
		batch, err := s.replayBatch(b, k, from)
		if err != nil || len(batch) == 0 {
			return err
		}
		for i := range batch {
			if !yield(&batch[i]) {
				return nil
			}
		}
		if len(batch) < replayBatchSize {
			return nil
		}
		from = batch[len(batch)-1].Ext + 1
	}
	return ctx.Err()
}

// replayBatchSize is how many contents are read before others may use the list of hours.
const replayBatchSize = 256

// replayBuffers holds one batch: to allocate it for each name would take a third of the time.
type replayBuffers struct {
	contents [replayBatchSize]replayed
	bodies   []byte
}

// replayBatch reads the next contents of k into b. Where two hours hold the same ext, the older one's counts: the first stays, P-17.
func (s *Store) replayBatch(b *replayBuffers, k name.Key, from uint64) ([]replayed, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, steps := s.clock.now()
	m := merge{at: -1}
	defer m.close()
	for _, h := range s.hours {
		if err := m.open(h, k, from); err != nil {
			return nil, err
		}
	}
	if len(m.runs) == 0 {
		return nil, nil
	}
	out := b.contents[:0]
	b.bodies = b.bodies[:0]
	for len(out) < replayBatchSize {
		c, h, err := m.next()
		if err != nil || h == nil {
			return out, err
		}
		at := len(b.bodies)
		b.bodies = append(b.bodies, c.body...) // where it grows, the bodies before stay where they are
		out = append(out, replayed{Ext: c.ext, Wall: c.wall + h.lag(steps), Producer: c.producer(), Body: b.bodies[at:len(b.bodies):len(b.bodies)]})
	}
	return out, nil
}

// merge goes through the contents of one name in several hours, in order.
type merge struct {
	runs []mergeRun
	at   int    // the run that next goes on with; -1: none
	rest uint64 // the lowest head of all others
	last uint64 // ext given last
}

// mergeRun is what one hour has.
type mergeRun struct {
	it   *pebble.Iterator
	h    *hour
	head uint64 // ext where it stands; nothing: it has come to its end
}

const nothing = math.MaxUint64

func (m *merge) open(h *hour, k name.Key, from uint64) error {
	if h.db == nil {
		return nil
	}
	it, err := h.contents(k, from)
	if err != nil {
		return err
	}
	m.runs = append(m.runs, mergeRun{it: it, h: h})
	m.at = -1
	return m.runs[len(m.runs)-1].stand(it.First())
}

// stand notes where a run stands.
func (r *mergeRun) stand(valid bool) error {
	r.head = nothing
	if valid {
		r.head = extOf(r.it.Key())
		return nil
	}
	return r.it.Error()
}

// choose finds the run that is furthest behind, the earlier hour among equals. There is at least one.
func (m *merge) choose() {
	m.at, m.rest = 0, nothing
	for i := 1; i < len(m.runs); i++ {
		if head := m.runs[i].head; head < m.runs[m.at].head {
			m.at, m.rest = i, m.runs[m.at].head
		} else {
			m.rest = min(m.rest, head)
		}
	}
}

func (m *merge) close() {
	for i := range m.runs {
		_ = m.runs[i].h.release(m.runs[i].it) // its error was seen by next
	}
}

// next gives the lowest content behind the last one, valid until the next call, and its hour, nil at the end. Hours hardly ever overlap,
// so the run that gave the last one is gone on with until another is lower.
func (m *merge) next() (c content, h *hour, err error) {
	if m.at >= 0 {
		if r := &m.runs[m.at]; r.head <= m.last {
			if err := r.stand(r.it.Next()); err != nil {
				return c, nil, err
			}
		}
	}
	for {
		if m.at < 0 || m.runs[m.at].head >= m.rest {
			m.choose()
		}
		r := &m.runs[m.at]
		switch {
		case r.head == nothing:
			return c, nil, nil
		case r.head > m.last || m.last == 0:
			m.last = r.head
			c, err = contentAt(r.it)
			return c, r.h, err
		}
		// The same ext in a later hour: the older one's counts, P-17.
		if err := r.stand(r.it.Next()); err != nil {
			return c, nil, err
		}
	}
}

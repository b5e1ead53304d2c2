package disk

import (
	"sync"

	"github.com/zmesh/zmesh/core/store"
)

// part is one shard's view of the store: store.Backend.
type part struct {
	s      *Store
	index  uint16 // among the parts
	loaded []store.Loaded
	oldest uint32

	ticket uint64 // of the latest write in the queue; guarded by its mutex
	// The committer's: tickets of the latest write that it has taken, and of the latest that was told of.
	logged, told uint64

	mu     sync.Mutex
	notify func()
	called bool               // notify was called since the shard came
	ready  []store.Completion // what the shard has not taken yet
	spare  []store.Completion
}

// Load is store.Backend.
func (p *part) Load(notify func(), yield func(*store.Loaded)) {
	p.mu.Lock()
	p.notify = notify
	p.ready = append(p.ready, store.Completion{Done: store.DoneRetired, Hour: p.oldest})
	p.mu.Unlock()
	for i := range p.loaded {
		yield(&p.loaded[i])
	}
	p.loaded = nil
}

// Write is store.Backend.
func (p *part) Write(w *store.Write) bool { return p.s.queue.put(p, w) }

// Read is store.Backend.
func (p *part) Read(r *store.Read) bool {
	job := read{part: p, Read: *r}
	if r.Check != nil {
		job.Check = append([]byte{}, r.Check...)
	}
	select {
	case p.s.reads <- job:
		return true
	default:
		p.s.stats.readsRefused.Add(1)
		return false
	}
}

// Completions is store.Backend.
func (p *part) Completions(yield func(*store.Completion)) {
	p.mu.Lock()
	list := p.ready
	p.ready = p.spare[:0]
	p.spare = nil
	p.called = false
	p.mu.Unlock()
	for i := range list {
		yield(&list[i])
	}
	clear(list)
	p.mu.Lock()
	p.spare = list
	p.mu.Unlock()
}

// settle tells the shard what became of all that it has written up to a ticket.
func (p *part) settle(done store.Done, upTo uint64, hour uint32) {
	if upTo > p.told {
		p.told = upTo
		p.tell(&store.Completion{Done: done, Ticket: upTo, Hour: hour})
	}
}

// tell hands a completion to the shard.
func (p *part) tell(c *store.Completion) {
	p.mu.Lock()
	p.ready = append(p.ready, *c)
	notify := p.notify
	tell := notify != nil && !p.called
	p.called = p.called || tell
	p.mu.Unlock()
	if tell {
		notify()
	}
}

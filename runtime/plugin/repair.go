package plugin

import (
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/zmesh/zmesh/runtime/engine"
)

// TrapReport remembers what killed an instance.
type TrapReport struct {
	Time   time.Time `json:"time"`
	Digest string    `json:"digest"` // of the version
	Why    string    `json:"why"`
	Input  string    `json:"input"` // the item, hex; its layout is the contract's
}

// accident is a trap on its way to be looked after.
type accident struct {
	seat    *seat    // which is out of its place; nil where instances have none
	version *version // nil: the seat's
	trap    error    // a *engine.Trap
}

// accidents wait for the repairer. Beyond maxAccidents none is kept: the same has happened that often already.
type accidents struct {
	mu   sync.Mutex
	list []accident
}

const maxAccidents = 1000

// report leaves an accident to the repairer. It holds a lock for a moment and waits for nothing else.
func (p *loaded) report(a accident) {
	if a.version == nil {
		a.version = a.seat.crew.version
	}
	p.accidents.mu.Lock()
	if len(p.accidents.list) < maxAccidents {
		p.accidents.list = append(p.accidents.list, a)
	}
	p.accidents.mu.Unlock()
	p.manager.alarm()
}

func (q *accidents) take() []accident {
	q.mu.Lock()
	defer q.mu.Unlock()
	list := q.list
	q.list = nil
	return list
}

// noteTrap remembers a trap.
func (m *Manager) noteTrap(p *loaded, a accident) {
	var trap *engine.Trap
	if !errors.As(a.trap, &trap) {
		return
	}
	p.lastTrap.Store(&TrapReport{m.opt.Now(), a.version.module.Digest, trap.Error(), hex.EncodeToString(trap.Input)})
	m.journal.add(Entry{Plugin: p.name, What: "trapped", Digest: a.version.module.Digest, Why: trap.Error()})
}

// alarm tells the repairer that an instance has trapped. One alarm stands for all that came before it is heard.
func (m *Manager) alarm() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// repair replaces instances that have trapped, off the workers' path, until the Manager closes.
func (m *Manager) repair() {
	defer close(m.done)
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-m.wake:
			for _, p := range m.all() {
				m.mend(p)
			}
		}
	}
}

// all lists the plugins.
func (m *Manager) all() []*loaded {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.plugins))
}

// mend looks after what has happened to a plugin, and puts fresh instances in where some have trapped.
func (m *Manager) mend(p *loaded) {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.accidents.take()
	for _, a := range list {
		if a.seat != nil {
			a.seat.crew.bury(a.seat)
		}
		m.noteTrap(p, a)
	}
	l := p.live.Load()
	if l == nil || len(list) == 0 {
		return
	}
	n, err := l.crew.mend(m.ctx)
	if err != nil {
		m.journal.add(Entry{Plugin: p.name, What: "refused", Digest: l.version.module.Digest, Why: "a fresh instance after a trap: " + err.Error()})
	}
	if n > 0 {
		m.journal.add(Entry{Plugin: p.name, What: "replaced", Digest: l.version.module.Digest})
	}
}

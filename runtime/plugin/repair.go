package plugin

import (
	"encoding/hex"
	"errors"
	"maps"
	"slices"
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

// noteTrap remembers a trap; other errors are none, and it tells so.
func (m *Manager) noteTrap(p *loaded, v *version, err error) bool {
	var trap *engine.Trap
	if !errors.As(err, &trap) {
		return false
	}
	p.lastTrap.Store(&TrapReport{m.opt.Now(), v.module.Digest, trap.Error(), hex.EncodeToString(trap.Input)})
	m.journal.add(Entry{Plugin: p.name, What: "trapped", Digest: v.module.Digest, Why: trap.Error()})
	return true
}

// alarm tells the repairer that a strategy has trapped. One alarm stands for all that came before it is heard.
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

// mend puts a fresh instance in where one has trapped.
func (m *Manager) mend(p *loaded) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.live.Load()
	if l == nil {
		return
	}
	for _, h := range l.holders {
		a := m.bury(h)
		if a == nil {
			continue
		}
		m.noteTrap(p, a.seat.version, a.trap)
		i, err := l.version.module.Instantiate(m.ctx, l.version.config)
		if err != nil {
			m.journal.add(Entry{Plugin: p.name, What: "refused", Digest: l.version.module.Digest, Why: "a fresh instance after a trap: " + err.Error()})
			continue
		}
		if !h.current.CompareAndSwap(nil, newSeat(l.version, i)) { // a swap came first
			i.Close()
			continue
		}
		m.journal.add(Entry{Plugin: p.name, What: "replaced", Digest: l.version.module.Digest})
	}
}

// bury closes the instance of a holder that has trapped, and gives what happened; nil if nothing has.
func (m *Manager) bury(h *StrategyHolder) *accident {
	a := h.broken.Swap(nil)
	if a != nil {
		a.seat.retire()
	}
	return a
}

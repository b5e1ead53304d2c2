package plugin

import (
	"crypto/sha256"
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
	Input  string    `json:"input"` // the item, hex, at most 4,096 bytes of it; its layout is the contract's

	InputDigest string `json:"input_digest"` // SHA-256 of all of it; empty: it was no item's doing
}

// accident is a trap on its way to be looked after.
type accident struct {
	seat    *seat    // which is out of its place; nil where instances have none
	version *version // nil: the seat's
	trap    error    // a *engine.Trap
	input   uint64   // key of what it was at; 0: not known
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

// noteTrap remembers a trap, and the input that caused it.
func (m *Manager) noteTrap(p *loaded, a accident, now time.Time) {
	report := &TrapReport{Time: now, Digest: a.version.module.Digest, Why: a.trap.Error()}
	var trap *engine.Trap
	if errors.As(a.trap, &trap) && len(trap.Input) > 0 {
		sum := sha256.Sum256(trap.Input)
		report.Input, report.InputDigest = hex.EncodeToString(trap.Input[:min(len(trap.Input), maxInput)]), hex.EncodeToString(sum[:])
	}
	if a.input != 0 {
		a.version.killers.add(a.input, now.Add(p.spec.Limits.window()))
	}
	p.lastTrap.Store(report)
	p.note(Entry{What: "trapped", Digest: report.Digest, Input: report.InputDigest, Why: report.Why})
}

// maxInput is how many bytes of an input are kept to be looked at.
const maxInput = 4096

// alarm tells the repairer that an instance has trapped. One alarm stands for all that came before it is heard.
func (m *Manager) alarm() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// repair looks after all plugins, off the workers' path, until the Manager closes: at once where something has trapped, and from time to time.
func (m *Manager) repair() {
	defer close(m.done)
	for {
		do := m.tend
		select {
		case <-m.ctx.Done():
			return
		case <-m.wake:
			do = m.mend
		case <-m.tick:
		}
		for _, p := range m.all() {
			do(p)
		}
	}
}

// all lists the plugins.
func (m *Manager) all() []*loaded {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.plugins))
}

// mend looks after what has happened to a plugin, and puts fresh instances in where some have trapped. A version that traps too often is
// taken out of work.
func (m *Manager) mend(p *loaded) {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.accidents.take()
	if len(list) == 0 {
		return
	}
	now, l, fallen, seats := m.opt.Now(), p.live.Load(), "", 0
	for _, a := range list {
		if a.seat != nil {
			a.seat.crew.bury(a.seat)
			seats++
		}
		if l == nil || a.version != l.version || fallen != "" { // of a version that is gone, or is about to go
			continue
		}
		m.noteTrap(p, a, now)
		if p.trapped(now) {
			fallen = a.trap.Error()
		}
	}
	switch {
	case l == nil:
	case fallen != "":
		m.fall(p, fallen)
	default:
		m.refill(p, l, seats)
	}
}

// refill puts fresh instances in where no spare has stepped in already.
func (m *Manager) refill(p *loaded, l *live, trapped int) {
	n, err := l.crew.mend(m.ctx)
	switch {
	case err != nil:
		p.note(Entry{What: "refused", Digest: l.version.module.Digest, Why: "a fresh instance after a trap: " + err.Error()})
	case n > 0 || trapped > 0:
		p.note(Entry{What: "replaced", Digest: l.version.module.Digest})
	}
}

// tend does what is not urgent, unless a step of the life cycle is under way.
func (m *Manager) tend(p *loaded) {
	if !p.mu.TryLock() {
		return
	}
	defer p.mu.Unlock()
	l, now := p.live.Load(), m.opt.Now()
	switch {
	case l == nil:
	case p.state.Load() == StateQuarantined:
		m.resume(p, now)
	default:
		l.crew.tend(m.ctx, now)
		l.version.killers.forget(now)
	}
}

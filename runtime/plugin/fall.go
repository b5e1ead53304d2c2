package plugin

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Pauses of a plugin in quarantine: each is twice the one before, until it has worked for a while.
const (
	firstPause = time.Second
	lastPause  = 30 * time.Second
)

// ErrQuarantined says that a plugin trapped too often and does nothing until its pause is over.
var ErrQuarantined = errors.New("it is in quarantine, because it trapped too often")

// former is the version before the one at work.
type former struct {
	source  Source
	digest  string
	version string
}

// formerOf keeps what is needed to bring a version up again: a file may have changed since.
func formerOf(v *version) *former {
	src := v.source
	if v.code != nil {
		src = Source{Bytes: v.code, Was: v.source.String()}
	}
	return &former{source: src, digest: v.module.Digest, version: v.module.Manifest.Version}
}

// trapped counts a trap of the version at work, and tells whether there were too many in the window. p.mu is held.
func (p *loaded) trapped(now time.Time) bool {
	l := &p.spec.Limits
	p.recent = append(p.recent, now)
	for len(p.recent) > 0 && now.Sub(p.recent[0]) >= l.window() {
		p.recent = p.recent[1:]
	}
	return len(p.recent) >= l.traps()
}

// fall takes a version that trapped too often out of work: the one before comes back, and where there is none, or it does not come up, the
// plugin is quarantined. p.mu is held.
func (m *Manager) fall(p *loaded, why string) {
	bad := p.live.Load().version
	why = fmt.Sprintf("%d traps in %s, the last: %s", len(p.recent), p.spec.Limits.window(), why)
	p.recent = nil
	if back := p.previous.Swap(nil); back != nil { // who has failed is not come back to
		ctx, cancel := context.WithTimeout(m.ctx, fallTime)
		defer cancel()
		v, err := m.bringUp(ctx, p, back.source)
		if err == nil {
			p.returned.Add(1)
			p.note(Entry{What: "returned", Digest: v.module.Digest, From: bad.module.Digest, Why: why})
			return
		}
		p.note(Entry{What: "refused", Digest: back.digest, Why: "the version before: " + err.Error()})
	}
	m.quarantine(p, bad, why)
}

// fallTime bounds how long the version before may take to come up. Its code is in the cache.
const fallTime = 30 * time.Second

// quarantine takes all instances of a version away until its pause is over. p.mu is held.
func (m *Manager) quarantine(p *loaded, v *version, why string) {
	now := m.opt.Now()
	if now.Sub(p.resumed) > p.spec.Limits.window()+p.pause {
		p.pause = 0 // it has worked for a while
	}
	p.pause = min(max(2*p.pause, firstPause), lastPause)
	p.until = now.Add(p.pause)
	before := p.live.Load()
	p.replace(&live{kind: before.kind, version: v, crew: nobody{before.crew}})
	before.crew.stop()
	before.crew.close()
	p.state.Store(StateQuarantined)
	p.note(Entry{What: "quarantined", Digest: v.module.Digest, Why: fmt.Sprintf("for %s: %s", p.pause, why)})
}

// resume gives a plugin in quarantine its instances back once its pause is over. p.mu is held.
func (m *Manager) resume(p *loaded, now time.Time) {
	if now.Before(p.until) {
		return
	}
	l := p.live.Load()
	first, err := l.version.module.Instantiate(m.ctx, l.version.config)
	if err == nil {
		var crew crew
		if crew, err = trades[l.kind].crew(m.ctx, p, l.version, first); err == nil {
			crew.begin()
			p.replace(&live{kind: l.kind, version: l.version, crew: crew})
			p.resumed = now
			p.state.Store(StateRunning)
			p.note(Entry{What: "resumed", Digest: l.version.module.Digest})
			return
		}
	}
	p.pause = min(2*p.pause, lastPause)
	p.until = now.Add(p.pause)
	p.note(Entry{What: "quarantined", Digest: l.version.module.Digest, Why: fmt.Sprintf("for %s: it does not come up: %v", p.pause, err)})
}

// nobody is the crew of a plugin in quarantine; what there was is still to be told.
type nobody struct{ was crew }

func (nobody) begin()                            {}
func (nobody) stop()                             {}
func (nobody) close()                            {}
func (nobody) mend(context.Context) (int, error) { return 0, nil }
func (nobody) tend(context.Context, time.Time)   {}
func (nobody) watch(bool) (int, bool)            { return 0, true } // until its pause is over
func (n nobody) tell(s *Status)                  { n.was.tell(s) }

// Rollback puts the version before the last swap to work again, as a swap would. Then the one that it replaces is the version before.
func (m *Manager) Rollback(ctx context.Context, name string) error {
	p, err := m.find(name)
	if err != nil {
		return fmt.Errorf("rollback: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.gone:
		return fmt.Errorf("rollback: %q: %w", name, ErrUnknown)
	case p.previous.Load() == nil:
		return fmt.Errorf("rollback: %q: %w", name, ErrNoFormer)
	}
	return m.swap(ctx, p, p.previous.Load().source, "rolled back")
}

// ErrNoFormer says that there is no version to go back to.
var ErrNoFormer = errors.New("there is no version before this one: it was not swapped since the node started, or the one before failed")

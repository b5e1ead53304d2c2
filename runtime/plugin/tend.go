package plugin

import (
	"context"
	"runtime"
	"time"

	"github.com/zmesh/zmesh/runtime/engine"
)

const (
	// spareMemory is the most that an instance may have for a second one to wait beside it: a Go guest has 2.5 MiB, and takes 5 ms to
	// start.
	spareMemory = 8 << 20

	// busyCalls is after how many calls an idle hook runs though there is no quiet moment: a Go guest that makes 128 bytes of garbage each
	// time has half a MiB by then.
	busyCalls = 4096

	// mostCalls is after how many the caller itself runs the hook, because the Manager has not come to it: sooner than that an instance
	// would have to collect its garbage within a call, which no budget of a strategy has fuel for.
	mostCalls = 4 * busyCalls

	// tendEvery is how often idle hooks are looked at, and lookEvery how often memory and age are; who watches tells the time.
	tendEvery = watchEvery
	lookEvery = time.Second
)

// tend looks after every seat in turn. It enters a seat only where no call is under way, and a call that comes meanwhile waits a moment.
func (c *seats) tend(ctx context.Context, now time.Time) {
	for _, p := range c.places {
		s := p.current.Load()
		if s == nil {
			continue
		}
		if s.tired(p.calls.Load(), now) && s.enterSoon() {
			s.slept = now
			c.rest(p, s)
		}
		if now.Sub(s.looked) >= lookEvery && s.enter() {
			s.looked = now
			old := c.plugin.outgrown(s.instance, s.memory)
			s.leave()
			if old {
				c.renew(ctx, p, s)
			}
		}
	}
	if c.spare.Load() == nil && !c.unspared && len(c.begun) > 0 && c.begun[0].memory <= spareMemory {
		i, err := c.version.module.Instantiate(ctx, c.version.config)
		if c.unspared = err != nil; err == nil { // who needs an instance will say why there is none
			c.spare.Store(c.seat(i))
		}
	}
}

// enterSoon enters a seat between two calls, also where they follow each other closely.
func (s *seat) enterSoon() bool {
	for range 10_000 {
		if s.enter() {
			return true
		}
		runtime.Gosched()
	}
	return false
}

// tired tells whether the idle hook should run: there have been calls, and there are none at the moment, or there have been
// many, or it is a while ago.
func (s *seat) tired(calls uint64, now time.Time) bool {
	quiet := calls == s.before
	if s.before = calls; !s.known {
		s.known, s.slept = true, now
	}
	rested := s.rested.Load()
	return s.instance.HasIdle() && calls != rested && (quiet || calls-rested >= busyCalls || now.Sub(s.slept) >= lookEvery)
}

// rest runs the idle hook of a seat that was entered, and leaves it.
func (c *seats) rest(p *place, s *seat) {
	done := make(chan struct{})
	s.resting.Store(&done)
	c.idle(p, s)
	s.resting.Store(nil)
	s.leave()
	close(done)
}

// idle runs the hook of a seat that somebody is in.
func (c *seats) idle(p *place, s *seat) {
	s.rested.Store(p.calls.Load())
	if err := s.instance.Idle(); err != nil {
		p.failed(s, err)
	}
}

// outgrown tells whether an instance should be replaced by a fresh one: it has grown to most of what it may have, or is old.
func (p *loaded) outgrown(i *engine.Instance, began uint64) bool {
	l := &p.spec.Limits
	if time.Since(i.Born()) >= l.maxAge() {
		return true
	}
	bound := l.Recycle
	if bound == 0 {
		bound = i.MaxMemory() / 4 * 3
	}
	have := i.Memory()
	return have > began && have >= bound
}

// renew puts a fresh instance in the place of one that works, between two calls.
func (c *seats) renew(ctx context.Context, p *place, s *seat) {
	i, err := c.version.module.Instantiate(ctx, c.version.config)
	if err != nil {
		c.plugin.note(Entry{What: "refused", Digest: c.version.module.Digest, Why: "a fresh instance for one that has grown or is old: " + err.Error()})
		s.looked = time.Now().Add(time.Minute) // it goes on, and is looked at later
		return
	}
	next := c.seat(i).at(p)
	if !p.current.CompareAndSwap(s, next) { // it has trapped meanwhile
		c.bury(next)
		return
	}
	c.bury(s)
	c.plugin.recycled.Add(1)
}

// watch implements [crew]. A call is known by the number of its place; nothing is measured on its way.
func (c *seats) watch(late bool) (slow int, active bool) {
	limit := c.plugin.spec.Limits.callTime()
	c.mu.Lock()
	places := c.places // add and remove put another list in its place
	c.mu.Unlock()
	for _, p := range places {
		s := p.current.Load()
		if s == nil {
			continue
		}
		calls := p.calls.Load()
		active = active || calls != s.seen || s.state.Load() != seatIdle
		if late || calls != s.seen || s.state.Load() != seatBusy || s.resting.Load() != nil {
			s.seen, s.lasted = calls, 0
			continue
		}
		before := s.lasted
		s.lasted += watchEvery
		if before < limit && s.lasted >= limit {
			slow++
		}
		if s.lasted >= patience*limit {
			s.instance.Expire()
		}
	}
	return slow, active
}

const (
	// watchEvery is how often calls are looked at, and so how exactly it is known how long one has lasted. After dozeAfter such looks without a call
	// the next come every lookEvery, until there is one.
	watchEvery = 50 * time.Millisecond
	dozeAfter  = 20

	// patience is how many times its call_time a call may last until it is ended, if it can be.
	patience = 10
)

// watch looks at all calls until the Manager closes. Nothing else does so while an idle hook or a compiler is at work. A look that comes late
// says that the machine is busy with something else, and not that a call is slow. It also tells the repairer when to tend, so that an idle node is woken
// once, and only once a second.
func (m *Manager) watch() {
	defer close(m.watched)
	timer := time.NewTicker(watchEvery)
	defer timer.Stop()
	last, quiet := time.Now(), 0
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-m.rouse:
			timer.Reset(watchEvery)
			last, quiet = time.Now(), 0
			continue
		case <-timer.C:
		}
		now := time.Now()
		active := m.look(now.Sub(last) > watchEvery*3/2)
		last = now
		select {
		case m.tick <- struct{}{}:
		default: // it is at work
		}
		if quiet++; active {
			quiet = 0
			m.stir()
		}
		if quiet != dozeAfter {
			continue
		}
		m.dozing.Store(true) // a call that comes now is seen by look, or sees that
		timer.Reset(lookEvery)
		if m.look(true) {
			m.stir()
		}
	}
}

// look looks at the calls of all plugins, and tells whether there was one, or something else that does not wait for a second.
func (m *Manager) look(late bool) (active bool) {
	for _, p := range m.all() {
		if p.watch(late) {
			active = true
		}
	}
	return active
}

// stir wakes who watches, if that has nothing to look at: a call has begun, or a version is new. It is on the way of each call, and mostly one look at what
// does not change.
func (m *Manager) stir() {
	if m.dozing.Load() && m.dozing.CompareAndSwap(true, false) {
		select {
		case m.rouse <- struct{}{}:
		default: // it has not heard the one before
		}
	}
}

// watch takes no lock of the plugin: it comes as often as tend does, which would find it taken and look again later.
func (p *loaded) watch(late bool) (active bool) {
	l := p.live.Load()
	if l == nil {
		return false
	}
	slow, active := l.crew.watch(late)
	for range slow {
		p.tooSlow(l.version)
	}
	return active || l.version.killers.any() != nil
}

// tooSlow counts a call that took too long, and says so once a minute. Only watch calls it.
func (p *loaded) tooSlow(v *version) {
	p.account.Hit(engine.LimitCallTime)
	if now := p.manager.opt.Now(); now.Sub(p.saidSlow) >= time.Minute {
		p.saidSlow = now
		p.note(Entry{What: "slow", Digest: v.module.Digest, Why: "a call took longer than " + p.spec.Limits.callTime().String() + ", though it had fuel left"})
	}
}

package driver

import (
	"sync/atomic"
	"time"

	"github.com/zmesh/zmesh/core/drop"
)

// pace keeps what the medium allows: its writer waits here, and nobody else.
type pace struct {
	traits Traits
	count  *counters
	heard  atomic.Int64 // when something came in last, ns since begun
	begun  time.Time
	free   time.Duration // since begun: when the medium is ours again
	timer  *time.Timer
}

func newPace(t Traits, count *counters) *pace {
	p := &pace{traits: t, count: count, begun: time.Now(), timer: time.NewTimer(time.Hour)}
	p.timer.Stop()
	p.heard.Store(int64(-t.Turnaround))
	return p
}

// paced tells whether there is anything to wait for.
func (p *pace) paced() bool { return p.traits.HalfDuplex || p.traits.DutyCycle > 0 }

// hear notes that something comes in.
func (p *pace) hear() {
	if p.traits.HalfDuplex {
		p.heard.Store(int64(time.Since(p.begun)))
	}
}

// wait waits until the medium may be used; false if the line ends. o shows meanwhile what holds it up.
func (p *pace) wait(o *outlet, quit <-chan struct{}) bool {
	defer o.holds.Store(int32(drop.None))
	for first := true; ; first = false {
		d, why := p.left()
		if d <= 0 {
			return true
		}
		if first {
			p.count.delay(why)
		}
		o.holds.Store(int32(why))
		p.timer.Reset(d)
		select {
		case <-p.timer.C:
		case <-quit:
			p.timer.Stop()
			return false
		}
	}
}

// left is how long the medium is not ours, and why.
func (p *pace) left() (time.Duration, drop.Reason) {
	now := time.Since(p.begun)
	silent := time.Duration(p.heard.Load()) + p.traits.Turnaround - now
	if p.free-now > silent {
		if p.traits.DutyCycle > 0 {
			return p.free - now, drop.DutyCycle
		}
		return p.free - now, drop.HalfDuplex
	}
	if !p.traits.HalfDuplex {
		return 0, drop.None
	}
	return silent, drop.HalfDuplex
}

// sent notes that n bytes leave now. With a duty cycle of 1 % what took 10 ms is followed by 990 ms of silence: so in any time, long
// or short, no more than its part is spent.
func (p *pace) sent(n int) {
	air := p.traits.airtime(n)
	busy := air
	if d := p.traits.DutyCycle; d > 0 {
		busy = time.Duration(float64(air) / d)
	}
	if p.traits.HalfDuplex {
		busy = max(busy, air+p.traits.Turnaround)
	}
	p.free = time.Since(p.begun) + busy
}

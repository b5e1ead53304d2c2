package forward_test

import (
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/forward"
)

// ticking is a clock that goes on by a microsecond each time it is read, and counts how often that is.
type ticking struct{ reads int }

func (c *ticking) now() time.Duration {
	c.reads++
	return time.Duration(c.reads) * time.Microsecond
}

// One burst in 64 is timed, and no other reads the clock. The stages of a forwarded round all have a part; those of a hit no strategy.
func TestStagesAreTimed(t *testing.T) {
	c := &ticking{}
	r := newRigWith(t, func(cfg *forward.Config) { cfg.Clock = c.now })
	f, now := r.rounds(1), r.now()
	for i := range 63 {
		r.put(now, r.reader, f.asks[i])
	}
	if c.reads != 0 || r.n.Perf() != (forward.Perf{}) {
		t.Fatalf("the clock was read %d times in bursts that are not timed: %+v", c.reads, r.n.Perf())
	}
	r.in.Begin(now)
	r.in.Add(r.reader, f.asks[63])
	r.in.Add(r.reader, f.asks[64])
	r.in.Run()
	p := r.n.Perf()
	if p.Bursts != 1 || p.Frames != 2 || p.Verify <= 0 || p.Forward <= 0 || p.Strategy != 2*time.Microsecond || p.Store < 2*time.Microsecond || p.Send != time.Microsecond {
		t.Errorf("%+v", p)
	}
	if whole := p.Verify + p.Forward + p.Strategy + p.Store + p.Send; whole > time.Duration(c.reads)*time.Microsecond {
		t.Errorf("stages of %v in %d µs", whole, c.reads)
	}
	before := c.reads
	for range 63 {
		r.put(now, r.reader, f.asks[0])
	}
	if c.reads != before {
		t.Error("the clock was read in a burst that is not timed")
	}
	cycle := func() { // one of these is timed
		for range 64 {
			r.put(now, r.up, f.answers[0])
		}
	}
	if n := testing.AllocsPerRun(20, cycle); n != 0 {
		t.Errorf("%v allocations in 64 bursts", n)
	}
	if p := r.n.Perf(); p.Bursts < 10 {
		t.Errorf("%d bursts timed of 700", p.Bursts)
	}
}

package udp

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// reading is a reader in virtual time: what comes, and what it costs to be woken and to answer.
type reading struct {
	gather
	now     time.Duration
	come    []time.Duration // when datagrams come, in order
	answers func()          // called after each burst
	never   bool            // to nap

	read, bursts, naps int
	longest            time.Duration // a datagram waited for its read
}

const wakeCost, answerCost = 30 * time.Microsecond, 4 * time.Microsecond

// turn is one read that gives something.
func (r *reading) turn() {
	if r.sleeps() {
		r.naps++
		r.now += r.nap + timerSlack + wakeCost
	}
	if r.now < r.come[0] {
		r.now = r.come[0] + wakeCost
	}
	n := 0
	for n < min(len(r.come), Burst) && r.come[n] <= r.now {
		r.longest = max(r.longest, r.now-r.come[n])
		n++
	}
	r.come = r.come[n:]
	r.now += time.Duration(n) * answerCost
	r.read, r.bursts = r.read+n, r.bursts+1
	r.answers()
	if !r.never {
		r.took(n, func() time.Duration { return r.now })
	}
}

// until reads until a moment, with counters of its own.
func (r *reading) until(end time.Duration) {
	r.read, r.bursts, r.naps, r.longest = 0, 0, 0, 0
	for r.now < end {
		r.turn()
	}
}

// openLoop makes datagrams come in bursts of n, whatever is answered.
func (r *reading) openLoop(gap time.Duration, n int) {
	next := r.now
	r.come = nil
	r.answers = func() {
		for len(r.come) < 256 {
			for range n {
				r.come = append(r.come, next)
			}
			next += gap
		}
	}
	r.answers()
}

// closedLoop keeps n datagrams under way, each sent a moment after the answer to the one before.
func (r *reading) closedLoop(n int, think time.Duration) {
	r.come = nil
	r.answers = func() {
		for len(r.come) < n {
			r.come = append(r.come, r.now+think)
		}
	}
	r.answers()
}

// A moderate rate does not cost a wake-up for each datagram, and none waits long.
func TestGatherModerateRate(t *testing.T) {
	for _, gap := range []time.Duration{30 * time.Microsecond, 50 * time.Microsecond, 65 * time.Microsecond} {
		r := new(reading)
		r.openLoop(gap, 1)
		r.until(3 * time.Second)
		if 3*r.bursts > 2*r.read || r.longest > 3*gap+wakeCost {
			t.Errorf("one each %s: %d datagrams in %d bursts, one of them waited %s", gap, r.read, r.bursts, r.longest)
		}
	}
}

// Who waits for an answer before it asks for the next thing gets as much done as without naps, and one at a time has next to none.
func TestGatherClosedLoop(t *testing.T) {
	for _, n := range []int{1, 2, 4, 32} {
		for _, think := range []time.Duration{time.Microsecond, 20 * time.Microsecond, 60 * time.Microsecond} {
			r, plain := new(reading), &reading{never: true}
			for _, end := range []time.Duration{time.Second, 3 * time.Second} {
				for _, r := range []*reading{r, plain} {
					r.closedLoop(n, think)
					r.until(end)
				}
				if 10*r.read < 8*plain.read {
					t.Errorf("%d under way, each after %s, until %s: %d datagrams, without naps %d", n, think, end, r.read, plain.read)
				}
			}
			if n == 1 && r.naps > r.bursts/100 {
				t.Errorf("one at a time, each after %s: %d naps in %d bursts", think, r.naps, r.bursts)
			}
		}
	}
}

// Nobody naps where bursts are full, where a read never waits, and where little comes.
func TestGatherNeedsNone(t *testing.T) {
	for name, r := range map[string]func(*reading){
		"bursts of 8":     func(r *reading) { r.openLoop(100*time.Microsecond, 8) },
		"never waits":     func(r *reading) { r.openLoop(3*time.Microsecond, 1) },
		"1,000 a second":  func(r *reading) { r.openLoop(time.Millisecond, 1) },
		"10,000 a second": func(r *reading) { r.openLoop(100*time.Microsecond, 1) },
	} {
		at := new(reading)
		r(at)
		at.until(2 * time.Second)
		if at.naps > 0 {
			t.Errorf("%s: %d naps in %d bursts", name, at.naps, at.bursts)
		}
	}
}

// Naps end with the rate that they were for, whatever comes after it, and come again with it.
func TestGatherFollowsTheLoad(t *testing.T) {
	for name, other := range map[string]func(*reading){
		"one at a time": func(r *reading) { r.closedLoop(1, 20*time.Microsecond) },
		"little":        func(r *reading) { r.openLoop(10*time.Millisecond, 1) },
		"much":          func(r *reading) { r.openLoop(100*time.Microsecond, 60) },
	} {
		r := new(reading)
		r.openLoop(60*time.Microsecond, 1)
		r.until(time.Second)
		if r.naps < r.bursts/2 {
			t.Fatalf("%s: %d naps in %d bursts", name, r.naps, r.bursts)
		}
		other(r)
		for range 80 * 64 { // the longest that a mistake may last: until the rate is measured again
			r.turn()
		}
		r.until(r.now + time.Second)
		if r.naps > r.bursts/20 {
			t.Errorf("then %s: %d naps in %d bursts", name, r.naps, r.bursts)
		}
		r.openLoop(60*time.Microsecond, 1)
		r.until(r.now + 20*time.Second)
		if r.naps < r.bursts/2 {
			t.Errorf("after %s: %d naps in %d bursts", name, r.naps, r.bursts)
		}
	}
}

// Whatever comes and whatever the clock says, a nap is short, and one burst of a datagram each ends it.
func TestGatherBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, now := new(gather), time.Duration(0)
		gaps := rapid.SliceOfN(rapid.IntRange(-1000, 300_000), 1, 8).Draw(t, "gaps")
		sizes := rapid.SliceOfN(rapid.IntRange(1, 8), 1, 8).Draw(t, "sizes")
		clock := func() time.Duration { return now }
		for i := range 4096 {
			now += time.Duration(gaps[i%len(gaps)])
			g.took(sizes[i%len(sizes)], clock)
			if g.nap != 0 && (g.nap < shortNap || g.nap > 2*longGap-timerSlack) || g.rest > longPause || g.turns > gatherWindow {
				t.Fatalf("%+v", *g)
			}
		}
		for i := 0; i < 2*gatherWindow && g.nap > 0; i++ {
			g.took(1, clock)
		}
		if g.nap > 0 {
			t.Fatalf("%+v", *g)
		}
	})
}

// A load that comes after a moderate one, and that a reader copes with only if it reads without a pause, does not pile up.
func TestGatherMakesWay(t *testing.T) {
	r := new(reading)
	r.openLoop(60*time.Microsecond, 1)
	r.until(time.Second)
	r.openLoop(5*time.Microsecond, 1)
	r.until(2 * time.Second)
	if r.longest > 5*time.Millisecond {
		t.Errorf("a datagram waited %s; %d naps in %d bursts", r.longest, r.naps, r.bursts)
	}
}

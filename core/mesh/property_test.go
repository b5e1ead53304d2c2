package mesh_test

import (
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/name"
)

// settled is how long routes take to spread over links that lose nothing: the first Announcements run ahead of those over the shortest
// way, which may wait a second at each hop for their turn (table.DefaultSettle).
const settled = 12 * time.Second

// reach is how many links an Interest with TTL 7 can cross.
const reach = 7

// pushed is how many a Content can cross that a subscription pushes: it comes from its producer with TTL 7, and the first hop takes one (P-21).
const pushed = reach - 1

// Every Interest that can be satisfied is satisfied within its expiry, with what it asks for; every other one is returned.
func satisfied(w *world) {
	w.connect(w.perfect)
	w.populate(1+w.rng.IntN(3), 1+w.rng.IntN(4))
	w.m.RunFor(settled)
	for _, p := range w.made {
		for range 1 + w.rng.IntN(20) {
			p.publish()
			w.m.RunFor(time.Duration(w.rng.IntN(500)) * time.Millisecond)
		}
	}
	w.m.RunFor(time.Second)
	for range 30 {
		w.askAnything()
		if w.rng.IntN(3) == 0 {
			w.made[w.rng.IntN(len(w.made))].publish()
		}
		w.m.RunFor(time.Duration(w.rng.IntN(1500)) * time.Millisecond)
	}
	w.m.RunFor(5 * time.Second)
	w.quiet()
}

// askAnything lets a random consumer ask something of a random producer, and looks at what came when the Interest has expired.
func (w *world) askAnything() {
	const expiry = 3
	c, p := w.users[w.rng.IntN(len(w.users))], w.made[w.rng.IntN(len(w.made))]
	n, far := p.name, w.distances(p.at)[c.at] > reach
	published, fresh := p.seq, p.newestBefore(w.m.Now().Mono-time.Duration(len(w.nodes))*2*time.Second)
	switch w.rng.IntN(4) {
	case 0:
		a := c.ask(n, 1+uint32(w.rng.IntN(int(published))), expiry)
		w.after(expiry, a, func() bool { return len(a.contents) > 0 || far && a.returned != 0 }, "an exact content that exists")
	case 1:
		w.odd++
		a := c.ask(n, published+1000*w.odd, expiry)
		w.after(expiry, a, func() bool { return len(a.contents) == 0 && a.returned != 0 }, "a number that never existed")
	case 2:
		a := c.ask(n, 0, expiry)
		w.after(expiry, a, func() bool {
			return len(a.contents) > 0 && a.newest() >= fresh || far && (a.returned != 0 || len(a.contents) > 0)
		}, "the newest")
	case 3:
		n[2] = name.DefaultWildcard
		all := 0
		for _, q := range w.made {
			if q.at == p.at && w.distances(q.at)[c.at] <= reach && q.seq > 0 {
				all++
			}
		}
		a := c.ask(n, 0, expiry)
		w.after(expiry, a, func() bool { return far || a.names() >= all }, "the newest of a pattern")
	}
}

// newest is the highest number that came: one that answers another question may come first.
func (a *ask) newest() (seq uint32) {
	for _, f := range a.contents {
		seq = max(seq, f.Seq)
	}
	return seq
}

// names is how many different names answered.
func (a *ask) names() int {
	seen := map[name.Name]bool{}
	for _, f := range a.contents {
		seen[f.Name] = true
	}
	return len(seen)
}

// newestBefore is the number that was the newest at a time. A stored copy is given out for 2 s after it came (P-15 c), at each hop.
func (p *producer) newestBefore(at time.Duration) (seq uint32) {
	for i, t := range p.when {
		if i > 0 && t <= at {
			seq = uint32(i)
		}
	}
	return seq
}

func (w *world) after(expiry int, a *ask, ok func() bool, what string) {
	w.m.After(time.Duration(expiry)*time.Second+10*time.Millisecond, func() {
		if !ok() {
			w.Errorf("at %s: %s, %s #%d: %d contents, returned %q", a.at, what, a.name, a.seq, len(a.contents), a.returned)
		}
	})
}

func TestInterestsAreSatisfiedOrReturned(t *testing.T) { eachSeed(t, 80, satisfied) }

// With loss a client asks again, with a fresh timestamp, as real ones do: then everything that exists comes.
func satisfiedInTheEnd(w *world) {
	w.connect(w.bad)
	w.populate(1+w.rng.IntN(3), 1+w.rng.IntN(3))
	w.m.RunFor(2 * lifetime)
	for _, p := range w.made {
		p.publish()
	}
	w.m.RunFor(time.Second)
	for range 10 {
		c, p := w.users[w.rng.IntN(len(w.users))], w.made[w.rng.IntN(len(w.made))]
		if w.distances(p.at)[c.at] > reach {
			continue
		}
		if !c.insist(p.name, uint32(w.rng.IntN(2)), 40) {
			w.Errorf("consumer at %d never got %s of %d", c.at, p.name, p.at)
		}
	}
	w.quiet()
}

// insist asks again each second and tells whether an answer came.
func (c *consumer) insist(n name.Name, seq uint32, tries int) bool {
	for range tries {
		a := c.ask(n, seq, 2)
		c.w.m.RunFor(time.Second)
		if len(a.contents) > 0 {
			return true
		}
	}
	return false
}

func TestInterestsAreSatisfiedInTheEndWithLoss(t *testing.T) { eachSeed(t, 60, satisfiedInTheEnd) }

// Each subscriber gets each number exactly once, over links that duplicate and reorder, merged over several hops, with redundant paths,
// by exact names and by patterns.
func subscribersOnce(w *world) {
	w.connect(w.unruly)
	w.populate(1+w.rng.IntN(2), 2+w.rng.IntN(4))
	w.m.RunFor(settled + lifetime)
	const during = 100 * time.Second
	for i, c := range w.users {
		for _, p := range w.made {
			n := p.name
			if i%2 == 1 {
				n[2] = name.DefaultWildcard
			}
			c.subscribe(n, during)
			if i%3 == 2 { // both at once
				c.subscribe(p.name, during)
			}
		}
	}
	w.m.RunFor(2 * time.Second)
	start := w.m.Now().Mono
	for w.m.Now().Mono < start+during-10*time.Second {
		w.made[w.rng.IntN(len(w.made))].publish()
		w.m.RunFor(time.Duration(w.rng.IntN(2000)) * time.Millisecond)
	}
	w.m.RunFor(5 * time.Second)
	for i, c := range w.users {
		for _, p := range w.made {
			if w.distances(p.at)[c.at] > pushed {
				continue
			}
			for seq := uint32(1); seq <= p.seq; seq++ {
				if got := c.times[p.name][seq]; got != 1 {
					w.Errorf("consumer %d got %s #%d %d times", i, p.name, seq, got)
				}
			}
		}
	}
	w.quiet()
}

func TestSubscribersGetEachNumberOnce(t *testing.T) { eachSeed(t, 60, subscribersOnce) }

// Routes follow cuts and heals to the shortest paths; Interests work again and subscriptions go on.
func converging(w *world) {
	w.connect(w.perfect)
	w.populate(1+w.rng.IntN(2), 2)
	w.m.RunFor(settled)
	w.shortest("at the beginning")
	for _, c := range w.users {
		for _, p := range w.made {
			c.subscribe(p.name, 400*time.Second)
		}
	}
	for range 3 {
		for i := range w.edges {
			if e := &w.edges[i]; e.cut && w.rng.IntN(2) == 0 {
				e.cut = false
				e.link.Heal()
			} else if !e.cut && w.rng.IntN(3) == 0 {
				e.cut = true
				e.link.Cut()
			}
		}
		// A cut is noticed by three missed hellos; then the origin renews at a third of the lifetime.
		w.m.RunFor(20*time.Second + lifetime/3 + settled)
		w.shortest("after cuts and heals")
		w.works()
	}
	for i := range w.edges {
		w.edges[i].cut = false
		w.edges[i].link.Heal()
	}
	w.m.RunFor(20*time.Second + lifetime/3 + settled)
	w.shortest("when all is healed")
	w.works()
	w.m.RunFor(400 * time.Second)
	w.quiet()
}

// shortest compares each node's route to each producer's node with the graph.
func (w *world) shortest(when string) {
	for _, p := range w.made {
		for i, d := range w.distances(p.at) {
			if got := w.cost(i, p); i != p.at && got != d {
				w.Errorf("%s: node %d has %s at a cost of %d, want %d", when, i, p.name, got, d)
			}
		}
	}
}

// cost is that of a node's best route to a producer; -1: none.
func (w *world) cost(at int, p *producer) int {
	best := -1
	for _, r := range w.nodes[at].Routes(w.m.Now()) {
		if r.Used && r.Face != forward.Self && r.Prefix.Contains(p.name) && (best < 0 || int(r.Cost) < best) {
			best = int(r.Cost)
		}
	}
	return best
}

// works publishes and looks whether subscribers get it once and Interests are answered, as far as the graph allows.
func (w *world) works() {
	asks := map[*ask]bool{}
	for _, p := range w.made {
		p.publish()
	}
	w.m.RunFor(time.Second)
	for _, p := range w.made {
		for i, c := range w.users {
			d := w.distances(p.at)[c.at]
			near := d >= 0 && d <= reach
			if got := c.times[p.name][p.seq]; got > 1 || near && d <= pushed && got != 1 {
				w.Errorf("consumer %d got %s #%d %d times, %d hops away", i, p.name, p.seq, got, d)
			}
			asks[c.ask(p.name, p.seq, 3)] = near
		}
	}
	w.m.RunFor(4 * time.Second)
	for a, near := range asks {
		if near && len(a.contents) == 0 || a.ended == 0 {
			w.Errorf("%s #%d: %d contents, returned %q", a.name, a.seq, len(a.contents), a.returned)
		}
	}
}

func TestRoutesConvergeAfterCutsAndHeals(t *testing.T) { eachSeed(t, 40, converging) }

// The same seed gives the same trace, frame by frame, also with four workers.
func sameTrace(w *world) {
	again := newWorld(w.T, w.seed)
	for _, x := range []*world{w, again} {
		x.connect(x.bad)
		x.populate(2, 3)
		x.m.RunFor(settled)
		for i, c := range x.users {
			for _, p := range x.made {
				n := p.name
				if i == 0 {
					n[2] = name.DefaultWildcard
				}
				c.subscribe(n, 50*time.Second)
			}
		}
		for i := range 20 {
			x.made[i%2].publish()
			x.askAnything2()
			if i == 10 {
				x.edges[0].link.Cut()
			}
			x.m.RunFor(time.Duration(x.rng.IntN(3000)) * time.Millisecond)
		}
	}
	if w.m.Digest() != again.m.Digest() || w.m.Frames != again.m.Frames {
		w.Errorf("two traces: %016x of %d frames, %016x of %d", w.m.Digest(), w.m.Frames, again.m.Digest(), again.m.Frames)
	}
}

// askAnything2 asks without looking at the answer.
func (w *world) askAnything2() {
	c, p := w.users[w.rng.IntN(len(w.users))], w.made[w.rng.IntN(len(w.made))]
	n := p.name
	if w.rng.IntN(3) == 0 {
		n[2] = name.DefaultWildcard
	}
	c.ask(n, uint32(w.rng.IntN(int(p.seq)+3)), uint16(w.rng.IntN(8)))
}

func TestSameSeedSameTrace(t *testing.T) { eachSeed(t, 40, sameTrace) }

func TestSoakMesh(t *testing.T) {
	n := soak(t, 2000)
	for what, fn := range map[string]func(*world){
		"satisfied": satisfied, "with loss": satisfiedInTheEnd, "once": subscribersOnce, "converging": converging,
		"bounded": bounded, "same trace": sameTrace,
	} {
		t.Run(what, func(t *testing.T) { eachSeed(t, n, fn) })
	}
}

package table

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// chaos cuts and heals links, announces and withdraws, and starts nodes anew, at random times until the time given.
func (m *mesh) chaos(until time.Duration, origins []int) {
	for at := m.now; at < until; at += time.Duration(m.random.Int64N(int64(3 * time.Second))) {
		what, link, origin := m.random.IntN(11), m.random.IntN(len(m.links)), origins[m.random.IntN(len(origins))]
		m.after(at-m.now, func() {
			switch {
			case what < 4:
				m.cut(link)
			case what < 8:
				m.heal(link)
			case what < 9:
				m.nodes[origin].Withdraw(m.now, 0, meshPrefix)
			case what < 10:
				m.restart(m.random.IntN(len(m.nodes)))
			default:
				m.nodes[origin].Originate(m.now, 0, meshPrefix, 0, meshLifetime)
			}
		})
	}
	m.run(until)
}

// Whatever is cut, healed, withdrawn, started anew, lost, late or repeated, the next hops for an origin never form a loop;
// and when the links hold again, each node is on the shortest way after the next renewal.
func TestP7FeasibilityNoLoopsAndShortestPaths(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawMesh(t)
		origins := []int{0, len(m.nodes) / 2}
		for _, o := range origins {
			m.nodes[o].Originate(m.now, 0, meshPrefix, 0, meshLifetime)
		}
		m.loss, m.twice = rapid.Float64Range(0, 0.3).Draw(t, "loss"), 0.1
		m.chaos(90*time.Second, origins)

		m.loss, m.twice = 0, 0
		for i := range m.links {
			if rapid.Bool().Draw(t, "heals") {
				m.heal(i)
			}
		}
		for _, o := range origins {
			m.nodes[o].Originate(m.now, 0, meshPrefix, 0, meshLifetime)
		}
		m.run(m.now + meshLifetime) // what is left of the routes over links that are gone ends, and two renewals pass
		m.run(m.now + DefaultSettle*time.Duration(len(m.nodes)))
		for _, o := range origins {
			if err := m.checkShortest(o); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Without loss, a mesh that stands knows all shortest ways at once: no renewal is needed.
func TestP7FirstAnnouncementReachesAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawMesh(t)
		m.run(time.Second)
		m.nodes[0].Originate(m.now, 0, meshPrefix, 0, meshLifetime)
		m.run(m.now + m.maxDelay*time.Duration(len(m.nodes)))
		if err := m.checkShortest(0); err != nil {
			t.Fatal(err)
		}
	})
}

// In a mesh that stands, a renewal is sent once by each node: the newer FSEQ runs down the tree of the shortest ways, and
// a copy that was quicker over a dearer way waits for it (RIBSettings.Settle). The frames are one on each end of each
// link at most, so at most 2·links.
//
// Before that, while the ways are not known, a node sends again each time its cost falls: at most once for each cost
// below the first that it heard, so less than (nodes-1)·(dearest face) times.
func TestP7MessageCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawMesh(t)
		m.run(time.Second)
		m.nodes[0].Originate(m.now, 0, meshPrefix, 0, meshLifetime)
		m.run(9 * time.Second)
		for k, n := range m.sends {
			if most := (len(m.nodes) - 1) * 10; n > most {
				t.Fatalf("node %d sent FSEQ %d %d times, more than %d", k.node, k.seq, n, most)
			}
		}
		clear(m.sends)
		m.frames = 0
		m.run(19 * time.Second) // one renewal, at 11 s
		for k, n := range m.sends {
			if n != 1 {
				t.Fatalf("node %d sent FSEQ %d of a renewal %d times, want once", k.node, k.seq, n)
			}
		}
		if len(m.sends) != len(m.nodes) || m.frames > 2*len(m.links) {
			t.Fatalf("%d sends of %d nodes, %d frames over %d links", len(m.sends), len(m.nodes), m.frames, len(m.links))
		}
	})
}

// A withdrawal reaches every node, and what is late behind it brings nothing back.
func TestP7WithdrawReachesAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawMesh(t)
		m.twice = 0.3
		m.run(time.Second)
		m.nodes[0].Originate(m.now, 0, meshPrefix, 0, meshLifetime)
		m.run(m.now + time.Duration(rapid.Int64Range(0, int64(20*time.Second)).Draw(t, "for")))
		m.nodes[0].Withdraw(m.now, 0, meshPrefix)
		m.run(m.now + 2*DefaultSettle)
		for i, r := range m.nodes {
			if hops := r.Hops(0, meshPrefix); len(hops) > 0 {
				t.Fatalf("node %d still has %v", i, hops)
			}
		}
	})
}

// A node that is cut off from the origin says so at once, and so do those behind it: nobody sends into the gap until the
// lifetime ends.
func TestP7RetractionRunsDownAChain(t *testing.T) {
	links := []meshLink{
		{ends: [2]int{0, 1}, cost: [2]uint16{1, 1}},
		{ends: [2]int{1, 2}, cost: [2]uint16{1, 1}},
		{ends: [2]int{2, 3}, cost: [2]uint16{1, 1}},
		{ends: [2]int{3, 4}, cost: [2]uint16{1, 1}},
	}
	m := newMesh(1, 5, links, t.Fatalf)
	m.run(time.Second)
	m.nodes[0].Originate(m.now, 0, meshPrefix, 0, meshLifetime)
	m.run(2 * time.Second)
	m.cut(0)
	m.run(3 * time.Second)
	for i, r := range m.nodes[1:] {
		if hops := r.Hops(0, meshPrefix); len(hops) > 0 {
			t.Errorf("node %d still has %v", i+1, hops)
		}
	}
	m.heal(0)
	m.run(4 * time.Second) // under the same FSEQ: the offer is enough
	if err := m.checkShortest(0); err != nil {
		t.Error(err)
	}
}

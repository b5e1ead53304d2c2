package mesh_test

import (
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/mesh"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// No frame circulates. On links that lose and duplicate nothing, what crosses one directed link between forwarders in a time T is at most
//
//	hellos          2·(T/5 s + 2)       one each 5 s, and the echo of the neighbour's (P-18)
//	announcements   P·(3T/L + 4)·n      each FSEQ of each of P prefixes once for each cost below n (P-7); one FSEQ each third of the lifetime L,
//	                                    and the offers when a face comes up
//	subscriptions   s·(T/5 s + 2)       of s names that were subscribed to: ours is not sent oftener than each 5 s (P-16)
//	Interests       q·(1 + 2X)          each of q keys that were ever made, a node's own newest with each subscription among them: the same
//	                                    key again after 4 s at the earliest (P-2a), and with a lower TTL, so within 8 times the X seconds it stands
//	Contents        i + p·w + m         one for each Interest i that crossed the other way, p for each of these that is a pattern over p names,
//	                                    and each of m published numbers once (P-16)
//	Returns         i                   (P-6)
//
// and routes that run in circles, as an operator may set them, change nothing about it.
type bounds struct {
	w       *world
	last    map[crossing]time.Duration
	first   map[wire.Asked]time.Duration
	counts  map[directed]*[6]int
	expiry  time.Duration
	started time.Duration
}

type directed struct {
	link *mesh.Link
	side int
}

type crossing struct {
	directed
	name  name.Name
	seq   uint32
	asked wire.Asked
}

// The classes of frames.
const (
	hellos = iota
	announcements
	subscriptions
	interests
	contents
	returns
)

func watch(w *world) *bounds {
	b := &bounds{w: w, last: map[crossing]time.Duration{}, first: map[wire.Asked]time.Duration{}, counts: map[directed]*[6]int{}}
	w.m.Tap = b.tap
	return b
}

func (b *bounds) tap(at time.Duration, l *mesh.Link, side int, raw []byte) {
	if _, between := b.w.rank[l]; !between {
		return
	}
	var f wire.Frame
	if why := f.Parse(raw); why != drop.None {
		b.w.Errorf("a bad frame %x: %v", raw, why)
		return
	}
	d := directed{l, side}
	if b.counts[d] == nil {
		b.counts[d] = new([6]int)
	}
	b.counts[d][b.class(at, d, &f)]++
}

func (b *bounds) class(at time.Duration, d directed, f *wire.Frame) int {
	switch {
	case f.Name == name.Hello:
		return hellos
	case f.Type == wire.Announcement:
		return announcements
	case f.Type == wire.Content:
		return contents
	case f.Type == wire.Return:
		return returns
	case f.Seq == wire.SeqSubscribe:
		return subscriptions
	}
	asked, _ := wire.AskedOf(f.Payload)
	c := crossing{d, f.Name, f.Seq, asked}
	if last, again := b.last[c]; again && at-last < 4*time.Second {
		b.w.Errorf("%s #%d again after %s on one link", f.Name, f.Seq, at-last)
	}
	if first, known := b.first[asked]; known && at > first+8*asked.Expiry()+time.Second {
		b.w.Errorf("%s #%d, which stands for %s, still runs after %s", f.Name, f.Seq, asked.Expiry(), at-first)
	} else if !known {
		b.first[asked] = at
	}
	b.last[c] = at
	b.expiry = max(b.expiry, asked.Expiry())
	return interests
}

// check compares what was counted with the formula.
func (b *bounds) check(prefixes, names, published, patterns int) {
	w := b.w
	t := w.m.Now().Mono - b.started
	each5 := int(t/(5*time.Second)) + 2
	keys := map[crossing]bool{}
	for c := range b.last {
		keys[crossing{name: c.name, seq: c.seq, asked: c.asked}] = true
	}
	total, most := 0, 0
	for d, got := range b.counts {
		other := b.counts[directed{d.link, 1 - d.side}]
		asked := other[interests]
		limit := [6]int{
			hellos:        2 * each5,
			announcements: prefixes * (int(3*t/lifetime) + 4) * len(w.nodes),
			subscriptions: names * each5,
			interests:     len(keys) * (1 + 2*int(b.expiry/time.Second)),
			contents:      asked + patterns*len(w.made) + published,
			returns:       asked,
		}
		for class, n := range got {
			total, most = total+n, most+limit[class]
			if n > limit[class] {
				w.Errorf("link %d side %d, class %d: %d frames in %s, at most %d", w.rank[d.link], d.side, class, n, t, limit[class])
			}
		}
	}
	if total > most {
		w.Errorf("%d frames between forwarders, at most %d", total, most)
	}
}

func bounded(w *world) {
	b := watch(w)
	w.connect(w.perfect)
	w.populate(1+w.rng.IntN(3), 1+w.rng.IntN(4))
	w.circles()
	w.m.RunFor(settled)
	patterns, published := 0, 0
	lost := name.Name{9, 1, 1, 1} // only circles lead there
	names := map[name.Name]bool{lost: true}
	for _, c := range w.users {
		for _, p := range w.made {
			n := p.name
			if w.rng.IntN(2) == 0 {
				n[2] = name.DefaultWildcard
			}
			names[n] = true
			c.subscribe(n, time.Duration(w.rng.IntN(90))*time.Second)
		}
		c.subscribe(lost, 70*time.Second)
	}
	for range 60 {
		c, p := w.users[w.rng.IntN(len(w.users))], w.made[w.rng.IntN(len(w.made))]
		n := p.name
		switch w.rng.IntN(6) {
		case 0:
			n[2] = name.DefaultWildcard
			patterns++
		case 1:
			n = lost
		case 2, 3:
			p.publish()
			published++
		}
		c.ask(n, uint32(w.rng.IntN(int(p.seq)+3)), uint16(w.rng.IntN(12)))
		w.m.RunFor(time.Duration(w.rng.IntN(2000)) * time.Millisecond)
	}
	w.quiet()
	for n := range names { // a pattern's own newest at each renewal is a pattern too
		if n[2] == name.DefaultWildcard {
			patterns += int((w.m.Now().Mono-b.started)/(5*time.Second)) + 2
		}
	}
	b.check(len(w.made)+1, len(names), published, patterns)
}

// circles gives each node a route to names under 09 over one of its links, whichever: so they must run in circles.
func (w *world) circles() {
	hops := make([][]mesh.Face, len(w.nodes))
	for _, e := range w.edges {
		hops[e.a], hops[e.b] = append(hops[e.a], e.fa), append(hops[e.b], e.fb)
	}
	for i, n := range w.nodes {
		f := hops[i][w.rng.IntN(len(hops[i]))]
		n.Do(func(fwd *forward.Node) {
			fwd.AddRoute(w.m.Now(), 0, name.Prefix{Len: 1, Name: name.Name{9}}, f.Get().ID(), 1)
		})
	}
}

func TestNoFrameCirculates(t *testing.T) { eachSeed(t, 70, bounded) }

package forward_test

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/mesh"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/table"
	"github.com/zmesh/zmesh/core/wire"
)

// sparing is a strategy whose answer to an Interest hangs on its next hops alone, and which may say so.
type sparing struct {
	needs  forward.Needs
	reuse  forward.Reuse
	asked  int // about Interests
	told   int // of everything
	reused atomic.Uint64
}

func (s *sparing) Needs(name.Name) forward.Needs {
	n := s.needs
	n.Reused = &s.reused
	return n
}

func (s *sparing) Decide(ev *forward.Event, out []forward.Command) []forward.Command {
	s.told++
	ev.Reuse = s.reuse // of no account but at an Interest
	if ev.Kind != forward.InterestIn {
		return forward.BestRoute{}.Decide(ev, out)
	}
	s.asked++
	sum := uint32(ev.More)
	for _, h := range ev.Hops {
		sum += uint32(h.Face)&0xFF + uint32(h.Cost) + uint32(h.State&^forward.HopMeasured)
	}
	switch sum % 4 {
	case 0:
		return append(out, forward.Command{Op: forward.SendAll})
	case 1:
		return append(out, forward.Command{Op: forward.SendFirst, N: 1}, forward.Command{Op: forward.SetTimer, Delay: 20 * time.Millisecond})
	}
	return forward.BestRoute{}.Decide(ev, out)
}

func (s *sparing) DecideAll(events []forward.Event, out [][]forward.Command) {
	for k := range events {
		out[k] = s.Decide(&events[k], out[k])
	}
}

// sparingTwin is a node with such a strategy.
func sparingTwin(k *kit, s *sparing) *twin {
	w := newTwin(k, false)
	cfg := k.config(1, 1)
	cfg.Seed, cfg.Random = table.Seed{1, 2}, func() uint64 { return 3 }
	cfg.Strategy = func(int) forward.Strategy { return s }
	n, err := forward.New(cfg)
	if err != nil {
		k.Fatal(err)
	}
	now := forward.Now{Mono: time.Hour, Wall: mesh.Epoch}
	for i := range w.faces {
		c := forward.FaceConfig{Broadcast: i == 4}
		if i == 0 {
			c.Publish = name.NewPrefixSet(prefix("0203"))
		}
		if w.faces[i], err = n.AddFace(now, c, w.links[i]); err != nil {
			k.Fatal(err)
		}
	}
	w.n, w.in = n, n.Ingress()
	for _, f := range []int{2, 3, 4} {
		n.AddRoute(now, 0, prefix("02"), w.faces[f].ID(), uint16(f))
	}
	return w
}

// A strategy that is spared questions decides as if it were asked each time: the same frames out of each face, the same counters, whatever comes in and
// whatever becomes of routes and faces. No Interest is decided on by nobody.
func TestReuseIsAsAsking(t *testing.T) {
	spared := uint64(0)
	rapid.Check(t, func(t *rapid.T) {
		k := newKit(&testing.B{}, 1)
		wants := forward.Wants(rapid.SampledFrom([]int{0, int(forward.WantTogether), int(all), int(all | forward.WantTogether)}).Draw(t, "wants"))
		needs := forward.Needs{Owner: 1, Wants: wants}
		asking, sparing := &sparing{needs: needs}, &sparing{needs: needs}
		sparing.reuse = forward.Reuse{Interests: uint16(rapid.IntRange(0, 300).Draw(t, "interests")), For: time.Duration(rapid.IntRange(0, 2000).Draw(t, "for")) * time.Millisecond}
		one, two := sparingTwin(k, asking), sparingTwin(k, sparing)
		now := forward.Now{Mono: time.Hour, Wall: mesh.Epoch}
		for range rapid.IntRange(1, 6).Draw(t, "bursts") {
			var frames []arrival
			for range rapid.IntRange(1, 100).Draw(t, "frames") {
				frames = append(frames, drawFrame(t, k))
			}
			now = later(now, time.Duration(rapid.IntRange(0, 100).Draw(t, "ms"))*time.Millisecond)
			change, face := rapid.IntRange(0, 5).Draw(t, "change"), rapid.IntRange(2, 4).Draw(t, "face")
			for _, w := range []*twin{one, two} {
				w.n.Advance(now)
				id := w.faces[face].ID()
				switch change {
				case 0:
					w.n.AddRoute(now, 0, prefix("02"), id, uint16(9-face))
				case 1:
					w.n.RemoveRoute(now, 0, prefix("02"), id)
				case 2:
					w.n.AddRoute(now, 0, prefix("0203"), id, 1)
				case 3:
					w.n.SetUp(now, id, len(frames)%2 == 0)
				}
				w.burst(now, frames)
			}
			compare(t, one, two)
		}
		spared += sparing.reused.Load()
		if asking.asked != sparing.asked+int(sparing.reused.Load()) || asking.told-asking.asked != sparing.told-sparing.asked {
			t.Fatalf("asked %d times of %d, with reuse %d of %d; %d spared", asking.asked, asking.told, sparing.asked, sparing.told, sparing.reused.Load())
		}
	})
	if spared == 0 {
		t.Error("nothing was spared")
	}
}

// What ends an answer that is good for further Interests: its time, and whatever may have changed what it is based on.
func TestWhatEndsReuse(t *testing.T) {
	type scene struct {
		*kit
		n            *mesh.Node
		s            *sparing
		c, up, other *peer
	}
	const of = "020000000000"
	anew := func(l *scene) { // another answer, half a second later
		l.m.RunFor(500 * time.Millisecond)
		l.s.needs.Version++
		l.c.send(l.interest(of, 8, 30))
	}
	for what, c := range map[string]struct {
		ends    bool
		happens func(l *scene)
	}{
		"nothing":          {false, func(*scene) {}},
		"nothing so far":   {false, func(l *scene) { l.m.RunFor(900 * time.Millisecond) }},
		"an answer":        {false, func(l *scene) { l.up.send(l.content(of, 2, "x")) }},
		"another reader":   {false, func(l *scene) { l.c = l.peer(l.n, forward.FaceConfig{}) }},
		"time":             {true, func(l *scene) { l.up.send(l.content(of, 1, "x")); l.m.RunFor(time.Second) }}, // the bound, though it says an hour
		"another next hop": {true, func(l *scene) { l.route(l.n, "02", l.other.face, 9) }},
		"another cost":     {true, func(l *scene) { l.route(l.n, "02", l.up.face, 5) }},
		"a longer prefix":  {true, func(l *scene) { l.route(l.n, "0200", l.up.face, 1) }},
		"a next hop asks":  {true, func(l *scene) { l.c = l.up }},
		"a Return":         {true, func(l *scene) { l.up.send(l.back(l.up.take()[1], wire.ReturnCongestion)) }},
		"a retry":          {true, func(l *scene) { l.m.RunFor(300 * time.Millisecond); l.c.send(l.interest(of, 2, 30)) }},
		"a loss":           {true, anew}, // of the first, whose time is over then
		"no loss yet":      {false, func(l *scene) { l.up.send(l.content(of, 1, "x")); anew(l) }},
		"another version":  {true, func(l *scene) { l.s.needs.Version++ }},
		"another strategy": {true, func(l *scene) { l.s.needs.Owner++ }},
		"a face that was down": {true, func(l *scene) {
			l.route(l.n, "02", l.other.face, 9)
			l.c.send(l.interest(of, 7, 30))
			for _, seq := range []uint32{1, 2, 3, 7} { // so that nothing is pending
				l.up.send(l.content(of, seq, "x"))
			}
			for _, up := range []bool{false, true} {
				l.n.Do(func(n *forward.Node) { n.SetUp(l.m.Now(), l.up.face.Get().ID(), up) })
			}
		}},
	} {
		t.Run(what, func(t *testing.T) {
			k := newKit(t, 1)
			l := &scene{kit: k, s: &sparing{
				needs: forward.Needs{Owner: 1, Wants: forward.WantMeasures | forward.WantFaces}, reuse: forward.Reuse{Interests: 200, For: time.Hour},
			}}
			l.n = k.node(1, by(l.s))
			l.c, l.up, l.other = k.peer(l.n, forward.FaceConfig{}), k.peer(l.n, forward.FaceConfig{}), k.peer(l.n, forward.FaceConfig{})
			k.route(l.n, "02", l.up.face, 1)
			expiry := uint16(1)
			for seq := range uint32(3) {
				l.c.send(k.interest(of, seq+1, expiry))
				expiry = 30
			}
			if l.s.asked != 1 || l.s.reused.Load() != 2 {
				t.Fatalf("asked %d times, spared %d", l.s.asked, l.s.reused.Load())
			}
			if c.happens(l); what == "a loss" || what == "no loss yet" {
				l.m.RunFor(600 * time.Millisecond)
			}
			before := l.s.asked
			l.c.send(k.interest(of, 9, 30))
			if asked := l.s.asked > before; asked != c.ends {
				t.Errorf("asked again: %v", asked)
			}
		})
	}
}

// What a burst has too much of is not overtaken by those after it, whose answer is there by then; and an answer is good for as many as it
// says, but for no more than the host's bound.
func TestReuseInABurst(t *testing.T) {
	for _, says := range []int{1000, 100, 10} {
		s := &sparing{needs: forward.Needs{Owner: 1, Wants: forward.WantTogether}, reuse: forward.Reuse{Interests: uint16(says), For: time.Second}}
		link := &heard{}
		r := newRigWith(t, func(c *forward.Config) { c.Strategy = func(int) forward.Strategy { return s } })
		up, _ := r.n.AddFace(r.now(), forward.FaceConfig{}, link)
		r.n.RemoveRoute(r.now(), 0, prefix("02"), r.up.ID())
		r.n.AddRoute(r.now(), 0, prefix("02"), up.ID(), 2)
		var burst [][]byte
		const more = 300
		for seq := range uint32(forward.MaxTogether + more) {
			burst = append(burst, r.interest("020000000000", seq+1, 60))
		}
		r.burst(r.now(), r.reader, burst)
		if !slices.IsSortedFunc(link.frames, func(a, b string) int { return strings.Compare(a[8:11], b[8:11]) }) || len(link.frames) != len(burst) {
			t.Errorf("%d of %d left, or one before another", len(link.frames), len(burst))
		}
		if want := forward.MaxTogether + more/(min(says, forward.MaxReuse)+1); s.asked != want || s.reused.Load() != uint64(len(burst)-want) {
			t.Errorf("asked about %d, want %d; %d were spared", s.asked, want, s.reused.Load())
		}
	}
}

// An Interest that is decided like the one before, and the next answer, allocate nothing.
func TestReuseDoesNotAllocate(t *testing.T) {
	s := &sparing{needs: forward.Needs{Owner: 1, Wants: all&^forward.WantContent | forward.WantTogether}, reuse: forward.Reuse{Interests: 10, For: time.Second}}
	r := newRigWith(t, func(c *forward.Config) { c.Strategy = func(int) forward.Strategy { return s } })
	f, i, now := r.rounds(1), 0, r.now()
	round := func() {
		r.burst(now, r.reader, f.asks[i:][:16])
		r.burst(now, r.up, f.answers[i:][:16])
		i += 16
	}
	for range 100 {
		round()
	}
	if n := testing.AllocsPerRun(100, round); n > 1 { // what is stored may take memory
		t.Errorf("%v allocations in a burst", n)
	}
	if s.reused.Load() < 1000 {
		t.Errorf("%d were spared", s.reused.Load())
	}
}

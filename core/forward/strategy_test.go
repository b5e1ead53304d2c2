package forward_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/mesh"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// scripted is a strategy that a test plays. It keeps what it was told, copied.
type scripted struct {
	needs  forward.Needs
	decide func(ev *forward.Event, out []forward.Command) []forward.Command
	told   []forward.Event
}

func (s *scripted) Needs(name.Name) forward.Needs { return s.needs }

func (s *scripted) Decide(ev *forward.Event, out []forward.Command) []forward.Command {
	told := *ev
	told.Hops = append([]forward.NextHop(nil), ev.Hops...)
	s.told = append(s.told, told)
	return s.decide(ev, out)
}

// of gives what it was told of a kind since the last call of take.
func (s *scripted) of(kind forward.EventKind) (list []forward.Event) {
	for _, ev := range s.told {
		if ev.Kind == kind {
			list = append(list, ev)
		}
	}
	return list
}

func best(ev *forward.Event, out []forward.Command) []forward.Command {
	return forward.BestRoute{}.Decide(ev, out)
}

func by(s forward.Strategy) option {
	return func(c *forward.Config) { c.Strategy = func(int) forward.Strategy { return s } }
}

const all = forward.WantContent | forward.WantRoutes | forward.WantFaces | forward.WantMeasures | forward.WantScratch

// A strategy is told of what it asks for, and of nothing else.
func TestStrategyIsToldWhatItAsksFor(t *testing.T) {
	for _, wants := range []forward.Wants{0, all} {
		k := newKit(t, 1)
		s := &scripted{needs: forward.Needs{Owner: 1, Wants: wants}, decide: best}
		n := k.node(1, by(s))
		c, up := k.peer(n, forward.FaceConfig{}), k.peer(n, forward.FaceConfig{})
		k.route(n, "02", up.face, 7)
		c.send(k.interest("020000000000", 5, 2))
		up.wants(wire.Interest, 5)
		up.send(k.content("020000000000", 5, "x"))
		n.Do(func(f *forward.Node) { f.SetUp(k.m.Now(), up.face.Get().ID(), false) })
		want := map[forward.EventKind]int{forward.InterestIn: 1, forward.ContentIn: 1, forward.RouteChange: 1, forward.FaceChange: 1}
		for kind := forward.InterestIn; kind <= forward.FaceChange; kind++ {
			w := want[kind]
			if wants == 0 && kind > forward.Renew {
				w = 0
			}
			if got := len(s.of(kind)); got != w {
				t.Errorf("wants %b: told %d times of event %d, want %d", wants, got, kind, w)
			}
		}
		ev := s.of(forward.InterestIn)[0]
		if (ev.Route != nil) != (wants != 0) || (ev.Pending != nil) != (wants != 0) {
			t.Errorf("wants %b: blocks %v, %v", wants, ev.Route, ev.Pending)
		}
	}
}

func TestEventSaysAllThatIsKnown(t *testing.T) {
	k := newKit(t, 1)
	s := &scripted{needs: forward.Needs{Owner: 1, Wants: all}, decide: best}
	n := k.node(1, by(s))
	c, up := k.peer(n, forward.FaceConfig{}), k.peer(n, forward.FaceConfig{})
	k.route(n, "02", up.face, 7)
	a := wire.MakeAsked(k.m.Now().Wall, 9)
	c.send(k.frame(wire.Header{Name: nm("020000000000"), Seq: 5, Type: wire.Interest, TTL: 4}, a[:]))
	ev := s.of(forward.InterestIn)[0]
	if ev.TTL != 4 || ev.Expiry != 9*time.Second || ev.Length != 23 || ev.Type != wire.Interest || ev.InKind != forward.KindPointToPoint ||
		ev.Signal != forward.SignalUnknown || ev.Seq != 5 || ev.Name != nm("020000000000") || ev.InFace != c.face.Get().ID() || ev.Face != ev.InFace || ev.KeyID != 0 {
		t.Errorf("%+v", ev)
	}
	up.send(k.content("020000000000", 5, "1234"))
	ev = s.of(forward.ContentIn)[0]
	if ev.Type != wire.Content || ev.Length != 19 || ev.Face != up.face.Get().ID() || ev.Hops[0].State&forward.HopTried == 0 {
		t.Errorf("%+v", ev)
	}
	up.send(k.content("020000000000", 6, "nobody asked"))
	c.send(k.interest("020000000000", 7, 2))
	up.send(k.back(up.take()[1], wire.ReturnNoRoute))
	if ev = s.of(forward.ReturnIn)[0]; ev.Face != up.face.Get().ID() || ev.Reason != wire.ReturnNoRoute {
		t.Errorf("%+v", ev)
	}
	route := s.of(forward.RouteChange)[0]
	if route.Prefix != 1 || route.Name != nm("020000000000") || len(route.Hops) != 1 || route.Hops[0].Cost != 7 {
		t.Errorf("%+v", route)
	}
	n.Do(func(f *forward.Node) {
		f.SetUp(k.m.Now(), up.face.Get().ID(), false)
		f.SetUp(k.m.Now(), up.face.Get().ID(), true)
	})
	changes := s.of(forward.FaceChange)
	if len(changes) != 2 || changes[0].Up || len(changes[0].Hops) != 0 || !changes[1].Up || len(changes[1].Hops) != 1 || changes[1].Face != up.face.Get().ID() {
		t.Errorf("%+v", changes)
	}
	if a, b := s.told[0].Random, s.told[1].Random; a == b {
		t.Errorf("two events have the random bits %x", a)
	}
}

// What is written to a block stands at the next event: of the route for all its names, of the Interest for it alone. It ends with them.
func TestScratchIsKeptWithItsRouteAndItsInterest(t *testing.T) {
	k := newKit(t, 1)
	s := &scripted{needs: forward.Needs{Owner: 3, Wants: forward.WantScratch}}
	s.decide = func(ev *forward.Event, out []forward.Command) []forward.Command {
		if ev.Pending == nil || ev.Route == nil {
			t.Fatalf("no blocks: %+v", ev)
		}
		ev.Route.Bytes[95]++
		ev.Pending.Bytes[63]++
		return append(best(ev, out), forward.Command{Op: forward.SetTimer, Delay: 100 * time.Millisecond})
	}
	n := k.node(1, by(s))
	c, up := k.peer(n, forward.FaceConfig{}), k.peer(n, forward.FaceConfig{})
	k.route(n, "02", up.face, 1)
	k.route(n, "03", up.face, 1)
	kept := func() (route, pending byte) {
		last := s.told[len(s.told)-1]
		return last.Route.Bytes[95], last.Pending.Bytes[63]
	}
	c.send(k.interest("020000000000", 1, 2))
	c.send(k.interest("020100000000", 1, 2))
	if r, p := kept(); r != 2 || p != 1 {
		t.Errorf("another name of the route: %d, %d", r, p)
	}
	k.m.RunFor(95 * time.Millisecond) // the timers of both
	if r, p := kept(); r != 4 || p != 2 {
		t.Errorf("the same Interest: %d, %d", r, p)
	}
	c.send(k.interest("030000000000", 1, 1))
	if r, p := kept(); r != 1 || p != 1 {
		t.Errorf("another route: %d, %d", r, p)
	}
	if got := n.Worker(0).Scratches(); got != 3 {
		t.Errorf("%d blocks of pending Interests, want 3", got)
	}
	n.Do(func(f *forward.Node) {
		f.RemoveRoute(k.m.Now(), 0, prefix("02"), up.face.Get().ID())
		f.AddRoute(k.m.Now(), 0, prefix("02"), up.face.Get().ID(), 1)
	})
	c.send(k.interest("020200000000", 1, 2))
	if r, _ := kept(); r != 1 {
		t.Errorf("a route that was taken away and came back: %d", r)
	}
	k.m.RunFor(5 * time.Second)
	if got := n.Worker(0).Scratches(); got != 0 {
		t.Errorf("%d blocks of pending Interests when none is pending", got)
	}
}

// Two strategies with names under one route do not see each other's block.
func TestScratchBelongsToItsOwner(t *testing.T) {
	k := newKit(t, 1)
	s := &scripted{needs: forward.Needs{Owner: 1, Wants: forward.WantScratch}}
	s.decide = func(ev *forward.Event, out []forward.Command) []forward.Command {
		ev.Route.Bytes[0]++
		return out
	}
	n := k.node(1, by(s))
	c, up := k.peer(n, forward.FaceConfig{}), k.peer(n, forward.FaceConfig{})
	k.route(n, "", up.face, 1)
	for i, want := range []byte{1, 1, 2, 2, 3} {
		s.needs.Owner = uint32(1 + i%2)
		c.send(k.interest("020000000000", uint32(i+1), 1))
		if got := s.told[i].Route.Bytes[0]; got != want {
			t.Errorf("event %d of owner %d: %d, want %d", i, s.needs.Owner, got, want)
		}
	}
}

func TestTimersAreBounded(t *testing.T) {
	k := newKit(t, 1)
	s := &scripted{decide: func(_ *forward.Event, out []forward.Command) []forward.Command {
		return append(out, forward.Command{Op: forward.SetTimer}, forward.Command{Op: forward.SetTimer, Delay: 2 * time.Millisecond})
	}}
	n := k.node(1, by(s), limits(func(l *forward.Limits) { l.StrategyTimers = 6 }))
	c := k.peer(n, forward.FaceConfig{})
	c.send(k.interest("020000000000", 1, 5))
	k.m.RunFor(100 * time.Millisecond)
	if got := len(s.of(forward.TimerDue)); got != 3 { // two commands set one timer
		t.Errorf("%d timers, want 3", got)
	}
	if got := n.Worker(0).Stats().TimersRefused; got != 2 {
		t.Errorf("%d refused, want 2", got)
	}
	c.returned(wire.ReturnNoRoute) // when no timer is set any more, nobody works on it
}

// What a strategy cannot ask for at an event is ignored and counted, and the event goes on.
func TestCommandsThatCannotBeAreIgnored(t *testing.T) {
	k := newKit(t, 1)
	s := &scripted{needs: forward.Needs{Wants: forward.WantContent | forward.WantRoutes}}
	s.decide = func(ev *forward.Event, out []forward.Command) []forward.Command {
		if ev.Kind == forward.InterestIn {
			return append(best(ev, out), forward.Command{Op: forward.Repeat}, forward.Command{Op: 99})
		}
		return append(out, forward.Command{Op: forward.SendAll}, forward.Command{Op: forward.Repeat}, forward.Command{Op: forward.DropRequest})
	}
	n := k.node(1, by(s))
	c, up := k.peer(n, forward.FaceConfig{}), k.peer(n, forward.FaceConfig{})
	k.route(n, "02", up.face, 1)
	ignored := func(want uint64) {
		t.Helper()
		if got := n.Worker(0).Stats().Ignored; got != want {
			t.Errorf("%d commands ignored, want %d", got, want)
		}
	}
	ignored(3) // of the route change
	c.send(k.interest("020000000000", 1, 5))
	ignored(5)
	up.send(k.content("020000000000", 1, "x"))
	ignored(8)
	c.wants(wire.Content, 1)
}

// Whatever a strategy answers, to whatever event: no panic, and nothing is left when all has expired.
func FuzzStrategyAnswers(f *testing.F) {
	f.Add(uint64(1), []byte{5, 0, 0, 6, 1, 3, 2, 7, 0, 1, 9, 200})
	f.Add(uint64(2), []byte{6, 6, 6, 6, 6, 6, 6, 6})
	f.Fuzz(func(t *testing.T, seed uint64, answers []byte) { anyAnswers(t, seed, answers) })
}

func TestAnyAnswersOfAStrategy(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		answers := make([]byte, 200)
		for i := range answers {
			answers[i] = byte(rng.Uint32())
		}
		anyAnswers(t, seed, answers)
	}
}

func anyAnswers(t *testing.T, seed uint64, answers []byte) {
	k := newKit(t, seed)
	take := func() (b byte) {
		if len(answers) > 0 {
			b, answers = answers[0], answers[1:]
		}
		return b
	}
	s := &scripted{needs: forward.Needs{Owner: 1, Wants: all}}
	s.decide = func(ev *forward.Event, out []forward.Command) []forward.Command {
		s.told = s.told[:0]
		for range take() % 7 {
			out = append(out, forward.Command{
				Op: forward.Op(take() % 9), N: take(), Reason: wire.ReturnReason(take() % 9), Face: forward.FaceID(take() % 8),
				Delay: time.Duration(int8(take())) * 50 * time.Millisecond,
			})
		}
		if ev.Route != nil {
			ev.Route.Bytes[take()%96] = take()
		}
		return out
	}
	n := k.node(1, by(s), limits(func(l *forward.Limits) { l.HeldFrames = 8 }))
	radio := k.m.Radio(mesh.SubGHz())
	dev := radio.Station(10, 0)
	_, rf, err := radio.Tune(n, 0, 0, plain())
	if err != nil {
		t.Fatal(err)
	}
	c, up, other := k.peer(n, plain()), k.peer(n, forward.FaceConfig{}), k.peer(n, forward.FaceConfig{})
	k.route(n, "", up.face, 1)
	k.route(n, "02", other.face, 1)
	k.route(n, "01", rf, 1)
	for i := range 40 {
		topic := [...]string{"010203000000", "020000000000", "010900000000"}[i%3]
		switch (i + int(seed)) % 7 {
		case 0, 1:
			c.send(k.interest(topic, uint32(i%5), 2))
		case 2:
			dev.Send(k.interest(topic, uint32(i%5), 3))
		case 3:
			dev.Send(k.content(topic, uint32(i%5)+1, "x"))
		case 4:
			up.send(k.content(topic, uint32(i%5)+1, "x"))
		case 5:
			for _, f := range up.take() {
				if f.Type == wire.Interest {
					up.send(k.back(f, wire.ReturnReason(1+i%6)))
				}
			}
		case 6:
			n.Do(func(f *forward.Node) { f.SetUp(k.m.Now(), other.face.Get().ID(), i%2 == 0) })
		}
	}
	if d := c.drops(drop.NoFace); d != 0 {
		t.Errorf("%d frames of a face that is there", d)
	}
}

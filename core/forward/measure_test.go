package forward_test

import (
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/wire"
)

// gauge is a node whose strategy sees measurements, with two ways for names under 02.
type gauge struct {
	*kit
	s    *scripted
	c    *peer
	a, b *peer
	seq  uint32
}

func newGauge(t *testing.T, decide func(*forward.Event, []forward.Command) []forward.Command) *gauge {
	k := newKit(t, 1)
	g := &gauge{kit: k, s: &scripted{needs: forward.Needs{Wants: forward.WantMeasures}, decide: decide}}
	n := k.node(1, by(g.s))
	g.c, g.a, g.b = k.peer(n, forward.FaceConfig{}), k.peer(n, forward.FaceConfig{}), k.peer(n, forward.FaceConfig{})
	k.route(n, "02", g.a.face, 1)
	k.route(n, "02", g.b.face, 2)
	return g
}

// ask lets the consumer ask for the next number, and gives what the strategy was shown of the two ways before.
func (g *gauge) ask(expiry uint16) (a, b forward.NextHop) {
	g.seq++
	g.c.Send(g.interest("020000000000", g.seq, expiry))
	g.m.RunFor(2 * time.Millisecond) // the Interest reaches the peers
	ev := g.s.of(forward.InterestIn)
	hops := ev[len(ev)-1].Hops
	return hops[0], hops[1]
}

func sendAll(_ *forward.Event, out []forward.Command) []forward.Command {
	return append(out, forward.Command{Op: forward.SendAll})
}

// answer sends the content last asked for after a while. A link takes 1 ms each way, of which ask has passed one.
func (g *gauge) answer(from *peer, after time.Duration) {
	g.m.RunFor(after)
	from.Send(g.content("020000000000", g.seq, "x"))
	g.m.RunFor(time.Millisecond)
}

// RFC 6298, 2.2 and 2.3, on round trips of 10, 10 and 50 ms.
func TestRoundTripsAreSmoothed(t *testing.T) {
	g := newGauge(t, best)
	if a, _ := g.ask(2); a.RTT != 0 || a.State&forward.HopMeasured != 0 || a.Silent != 0 {
		t.Errorf("before anything came: %+v", a)
	}
	for i, want := range []struct {
		rtt      time.Duration
		RTT, Var uint32
	}{{10 * time.Millisecond, 10_000, 5000}, {10 * time.Millisecond, 10_000, 3750}, {50 * time.Millisecond, 15_000, 12_813}} {
		g.answer(g.a, want.rtt-2*time.Millisecond)
		a, b := g.ask(2)
		if a.RTT != want.RTT || a.Var/10 != want.Var/10 || a.State&forward.HopMeasured == 0 || a.Loss != 0 || a.Silent != 0 {
			t.Errorf("after %d: %+v, want %+v", i+1, a.Measure, want)
		}
		if b.RTT != 0 || b.Silent != 0 {
			t.Errorf("the way that was not asked: %+v", b.Measure)
		}
	}
}

// An answer that comes behind another one is measured too, dropped as what it is, and no loss.
func TestLateAnswersAreMeasured(t *testing.T) {
	g := newGauge(t, sendAll)
	g.ask(2)
	g.answer(g.a, 4*time.Millisecond)
	g.m.RunFor(time.Millisecond)
	if got := len(g.c.take()); got != 1 {
		t.Fatalf("%d frames", got)
	}
	g.answer(g.b, 20*time.Millisecond)
	g.b.dropped(drop.Duplicate)
	g.answer(g.b, 20*time.Millisecond) // once is enough
	g.b.dropped(drop.Unsolicited)
	if _, b := g.ask(2); b.RTT != 28_000 || b.Loss != 0 || b.Silent != 0 {
		t.Errorf("%+v", b.Measure)
	}
}

// What does not come is silence at once, and a loss once its time is over.
func TestLossAndSilence(t *testing.T) {
	g := newGauge(t, best)
	g.ask(2)
	g.answer(g.a, 8*time.Millisecond)
	g.ask(1)
	g.m.RunFor(300 * time.Millisecond)
	if a, _ := g.ask(1); a.Silent < 300 || a.Silent > 310 || a.Loss != 0 {
		t.Errorf("after 300 ms: %+v", a.Measure)
	}
	g.m.RunFor(1500 * time.Millisecond)
	a, _ := g.ask(1)
	if a.Loss < 65535/5 || a.Silent < 1800 { // two of three
		t.Errorf("after both have expired: %+v", a.Measure)
	}
	before := a.Loss
	g.answer(g.a, time.Millisecond)
	if a, _ = g.ask(1); a.Silent != 0 || a.Loss >= before {
		t.Errorf("after an answer: %+v", a.Measure)
	}
}

// A Return is a sign of life. One that says the content does not exist took its time; one that has no route is a loss (P-6).
func TestReturnsAreMeasured(t *testing.T) {
	for why, want := range map[wire.ReturnReason]struct{ rtt, lost bool }{
		wire.ReturnNotHere: {true, false}, wire.ReturnNoRoute: {false, true}, wire.ReturnCongestion: {false, true}, wire.ReturnTTL: {false, false},
	} {
		g := newGauge(t, best)
		g.ask(2)
		got := g.a.take()
		g.m.RunFor(5 * time.Millisecond)
		g.a.Send(g.back(got[0], why))
		g.m.RunFor(time.Millisecond)
		a, _ := g.ask(2)
		if a.RTT != 0 != want.rtt || a.Loss != 0 != want.lost || a.Silent != 0 {
			t.Errorf("%s: %+v", why, a.Measure)
		}
	}
}

// Karn's rule: what was asked twice is answered, but nobody knows how fast.
func TestRetriesAreNoRoundTrip(t *testing.T) {
	g := newGauge(t, func(ev *forward.Event, out []forward.Command) []forward.Command {
		return append(out, forward.Command{Op: forward.SendTo, Face: ev.Hops[0].Face})
	})
	g.ask(4)
	g.m.RunFor(300 * time.Millisecond)
	g.seq--
	g.c.Send(g.interest("020000000000", 1, 4)) // another timestamp
	g.seq++
	g.m.RunFor(10 * time.Millisecond)
	if n := len(g.a.take()); n != 2 {
		t.Fatalf("%d Interests", n)
	}
	g.answer(g.a, 0)
	if a, _ := g.ask(2); a.RTT != 0 || a.Silent != 0 {
		t.Errorf("%+v", a.Measure)
	}
}

// Before anything is measured, a next hop's time is that of its hellos (P-18).
func TestHelloTimesStandIn(t *testing.T) {
	k := newKit(t, 1)
	s := &scripted{needs: forward.Needs{Wants: forward.WantMeasures}, decide: best}
	n, other := k.node(1, by(s)), k.node(2)
	_, up, _ := k.join(n, other)
	k.route(n, "02", up, 1)
	k.m.RunFor(time.Second)
	c := k.peer(n, forward.FaceConfig{})
	c.send(k.interest("020000000000", 1, 1))
	if h := s.of(forward.InterestIn)[0].Hops[0]; h.RTT != 2000 || h.Var != 1000 || h.State&forward.HopMeasured != 0 {
		t.Errorf("%+v, want 2 ms there and back", h)
	}
}

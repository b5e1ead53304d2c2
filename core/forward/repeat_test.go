package forward_test

import (
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/mesh"
	"github.com/zmesh/zmesh/core/wire"
)

// channel is a relay on a radio channel whose strategy repeats everything after a second, and stations within its reach.
type channel struct {
	*kit
	s     *scripted
	n     *mesh.Node
	radio *mesh.Radio
	face  mesh.Face
	got   []wire.Frame // what a listener hears
}

func newChannel(t *testing.T, opts ...option) *channel {
	k := newKit(t, 1)
	c := &channel{kit: k, s: &scripted{needs: forward.Needs{Wants: forward.WantContent}}}
	c.s.decide = func(_ *forward.Event, out []forward.Command) []forward.Command {
		return append(out, forward.Command{Op: forward.Repeat, Delay: time.Second})
	}
	c.n = k.node(1, append(opts, by(c.s))...)
	c.radio = k.m.Radio(mesh.RadioConfig{Power: -17, Exponent: 3, Sensitivity: -105})
	_, f, err := c.radio.Tune(c.n, 0, 0, plain())
	if err != nil {
		t.Fatal(err)
	}
	c.face = f
	c.radio.Station(50, 0).Heard = func(raw []byte, _ int16) { c.got = append(c.got, k.parse(raw)) }
	return c
}

// send sends a frame from so many metres away, and gives how many frames the listener had by then.
func (c *channel) send(raw []byte, away float64) {
	c.radio.Station(-away, 0).Send(raw)
	c.m.RunFor(10 * time.Millisecond)
	c.got = nil
}

func (c *channel) stats() forward.WorkerStats { return c.n.Worker(0).Stats() }

// The strategy sees how strongly a frame was heard, the relay sends it on with one TTL less, and what answers it likewise.
func TestRepeat(t *testing.T) {
	c := newChannel(t)
	ask := c.interest(temp, 7, 5)
	c.send(ask, 100)
	if ev := c.s.told[0]; ev.InKind != forward.KindBroadcast || ev.Signal != -77 {
		t.Errorf("%+v", ev)
	}
	c.m.RunFor(900 * time.Millisecond)
	if len(c.got) != 0 {
		t.Fatalf("%s before its time", show(c.got))
	}
	c.m.RunFor(100 * time.Millisecond)
	if len(c.got) != 1 || c.got[0].Type != wire.Interest || c.got[0].TTL != 6 || string(c.got[0].Body) != string(ask[1:]) {
		t.Fatalf("%s", show(c.got))
	}
	c.send(c.content(temp, 7, "21.5"), 100)
	c.m.RunFor(time.Second)
	if len(c.got) != 1 || c.got[0].Type != wire.Content || c.got[0].TTL != 6 {
		t.Fatalf("%s", show(c.got))
	}
	if s := c.stats(); s.Repeated != 2 || s.RepeatsSpared != 0 || s.HeldFrames != 0 {
		t.Errorf("%+v", s)
	}
}

// What another node has repeated meanwhile need not be repeated, whatever its TTL by then; nor is it at its third time.
func TestWhatIsHeardAgainIsNotRepeated(t *testing.T) {
	c := newChannel(t)
	ask := c.interest(temp, 7, 5)
	c.send(ask, 100)
	again := append([]byte{ask[0]&^7 | 3}, ask[1:]...)
	c.send(again, 30)
	c.send(again, 60)
	c.m.RunFor(2 * time.Second)
	if s := c.stats(); len(c.got) != 0 || s.Repeated != 0 || s.RepeatsSpared != 1 {
		t.Errorf("%s, %+v", show(c.got), s)
	}
	c.send(c.content(temp, 7, "21.5"), 100) // it was asked for all the same
	c.m.RunFor(2 * time.Second)
	if len(c.got) != 1 || c.got[0].Type != wire.Content {
		t.Errorf("%s", show(c.got))
	}
}

// An Interest that is answered before its repeat is not repeated; a Content that is published is.
func TestRepeatsThatAreNotNeeded(t *testing.T) {
	c := newChannel(t)
	c.send(c.interest(temp, 7, 5), 100)
	c.send(c.content(temp, 7, "21.5"), 100)
	c.m.RunFor(2 * time.Second)
	if s := c.stats(); len(c.got) != 1 || c.got[0].Type != wire.Content || s.RepeatsSpared != 1 {
		t.Errorf("%s, %+v", show(c.got), s)
	}
	c.send(c.content(temp, 8, "published"), 100)
	c.m.RunFor(2 * time.Second)
	if len(c.got) != 1 || c.got[0].Seq != 8 {
		t.Errorf("%s", show(c.got))
	}
	c.send(c.content(temp, 8, "published"), 100) // known: nobody is told
	c.m.RunFor(2 * time.Second)
	if len(c.got) != 0 {
		t.Errorf("%s", show(c.got))
	}
}

// Only so many frames are held; the next ones are dropped for that reason, and nobody works on them.
func TestHeldFramesAreBounded(t *testing.T) {
	c := newChannel(t, limits(func(l *forward.Limits) { l.HeldFrames = 8 }))
	for seq := range uint32(20) {
		c.send(c.interest(temp, seq+1, 5), 100)
	}
	if s := c.stats(); s.HeldFrames != 8 || s.PIT != 8 {
		t.Errorf("%+v", s)
	}
	if d := c.face.Get().Counters().Drops[drop.HeldFrames]; d != 12 {
		t.Errorf("%d dropped, want 12", d)
	}
	c.m.RunFor(2 * time.Second)
	if s := c.stats(); s.Repeated != 8 || s.HeldFrames != 0 {
		t.Errorf("%+v", s)
	}
}

// On other faces nothing is repeated, and a frame whose TTL ends here is not either (P-23).
func TestRepeatIsForBroadcastFaces(t *testing.T) {
	c := newChannel(t)
	p := c.peer(c.n, forward.FaceConfig{})
	p.send(c.interest(temp, 7, 5))
	p.returned(wire.ReturnNoRoute)
	if s := c.stats(); s.Ignored != 1 || s.HeldFrames != 0 {
		t.Errorf("%+v", s)
	}
	last := c.content(temp, 9, "x")
	last[0] &^= 7
	c.send(last, 100)
	if s := c.stats(); s.HeldFrames != 0 || len(c.s.of(forward.ContentIn)) != 0 {
		t.Errorf("%+v", s)
	}
}

// What is held for a face that goes, goes with it; and nothing is held for longer than ten seconds.
func TestHeldFramesEnd(t *testing.T) {
	c := newChannel(t)
	c.send(c.content(temp, 7, "21.5"), 100)
	if s := c.stats(); s.HeldFrames != 1 {
		t.Fatalf("%+v", s)
	}
	c.n.Do(func(n *forward.Node) { n.RemoveFace(c.m.Now(), c.face.Get().ID()) })
	c.m.RunFor(2 * time.Second)
	if s := c.stats(); len(c.got) != 0 || s.HeldFrames != 0 || s.Repeated != 0 {
		t.Errorf("%s, %+v", show(c.got), s)
	}
	c = newChannel(t)
	c.s.decide = func(_ *forward.Event, out []forward.Command) []forward.Command {
		return append(out, forward.Command{Op: forward.Repeat, Delay: time.Hour})
	}
	c.send(c.content(temp, 7, "21.5"), 100)
	c.m.RunFor(11 * time.Second)
	if s := c.stats(); len(c.got) != 1 || s.HeldFrames != 0 {
		t.Errorf("%s, %+v", show(c.got), s)
	}
}

// An Interest that was repeated comes back from a node that repeats it too: that is a loop, not another asker (P-2a).
func TestP2aARepeatThatComesBackIsALoop(t *testing.T) {
	c := newChannel(t)
	ask := c.interest(temp, 7, 5)
	c.send(ask, 100)
	c.m.RunFor(1100 * time.Millisecond)
	c.send(append([]byte{ask[0]&^7 | 5}, ask[1:]...), 30)
	if got := c.face.Get().Counters().Drops[drop.Loop]; got != 1 {
		t.Errorf("%d loops", got)
	}
}

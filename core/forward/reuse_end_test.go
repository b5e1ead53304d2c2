package forward_test

import (
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/name"
)

// fickle is a strategy that sends to the first next hop, and may say of every Interest how long that is good. It can be asked about several at once.
type fickle struct {
	reuse func(*forward.Event) forward.Reuse
	calls int
	most  int // events of one call
	asked int
}

func (*fickle) Needs(name.Name) forward.Needs {
	return forward.Needs{Owner: 1, Wants: forward.WantTogether}
}

func (s *fickle) Decide(ev *forward.Event, out []forward.Command) []forward.Command {
	s.calls, s.most = s.calls+1, max(s.most, 1)
	return s.decide(ev, out)
}

func (s *fickle) decide(ev *forward.Event, out []forward.Command) []forward.Command {
	s.asked++
	ev.Reuse = s.reuse(ev)
	return append(out, forward.Command{Op: forward.SendFirst, N: 1})
}

func (s *fickle) DecideAll(events []forward.Event, out [][]forward.Command) {
	s.calls, s.most = s.calls+1, max(s.most, len(events))
	for k := range events {
		out[k] = s.decide(&events[k], out[k])
	}
}

// asks is a burst of Interests of the reader's.
func (r *rig) asks(now forward.Now, from, n uint32) {
	var burst [][]byte
	for seq := from; seq < from+n; seq++ {
		burst = append(burst, r.interest("020000000000", seq, 60))
	}
	r.burst(now, r.reader, burst)
}

// A strategy whose answers were good for further Interests and no longer are is asked about a burst in one call again.
func TestNoMoreReuseIsGatheredAgain(t *testing.T) {
	good := true
	s := &fickle{reuse: func(*forward.Event) forward.Reuse {
		if good {
			return forward.Reuse{Interests: 4, For: time.Second}
		}
		return forward.Reuse{}
	}}
	r := newRigWith(t, func(c *forward.Config) { c.Strategy = func(int) forward.Strategy { return s } })
	now := r.now()
	r.asks(now, 1, 1)
	r.asks(now, 2, 1) // it was of use
	good = false
	r.asks(later(now, 2*time.Second), 10, 2)
	s.calls, s.most = 0, 0
	r.asks(later(now, 2*time.Second), 100, 32)
	if s.calls > 3 || s.most < 28 { // two names may have one mark
		t.Errorf("%d calls about 32 Interests, at most %d together", s.calls, s.most)
	}
}

// Of what is decided together the last answer under a route holds, also if it is good for nothing else.
func TestTheLastOfABurstEndsReuse(t *testing.T) {
	s := &fickle{reuse: func(ev *forward.Event) forward.Reuse {
		if ev.Seq == 2 {
			return forward.Reuse{}
		}
		return forward.Reuse{Interests: 100, For: time.Second}
	}}
	r := newRigWith(t, func(c *forward.Config) { c.Strategy = func(int) forward.Strategy { return s } })
	r.asks(r.now(), 1, 2)
	if s.most != 2 {
		t.Fatalf("%d decided together", s.most)
	}
	r.asks(r.now(), 3, 1)
	if s.asked != 3 {
		t.Errorf("asked about %d of 3 Interests", s.asked)
	}
}

// An Interest that comes in one burst with its device's frame, and before it, leaves while the device listens, whether the strategy is asked about it
// alone or with others.
func TestP8GatheredBeforeTheFrame(t *testing.T) {
	for _, asleep := range []bool{true, false} {
		s := &fickle{reuse: func(*forward.Event) forward.Reuse { return forward.Reuse{} }}
		r := newRigWith(t, func(c *forward.Config) { c.Strategy = func(int) forward.Strategy { return s } })
		link, now := &heard{}, r.now()
		sensor, err := r.n.AddFace(now, proxy(), link)
		if err != nil {
			t.Fatal(err)
		}
		r.n.AddRoute(now, 0, prefix(temp), sensor.ID(), 1)
		if asleep {
			r.put(now, sensor, r.sleepy(temp, 5, true))
		}
		r.in.Begin(now)
		r.in.Add(r.reader, r.interest(temp, 3, 60))
		r.in.Add(sensor, r.sleepy(temp, 6, true))
		r.in.Run()
		if s.asked != 1 || len(link.frames) != 1 {
			t.Errorf("asleep %v: asked %d times, %d frames to the device, want its Interest", asleep, s.asked, len(link.frames))
		}
	}
}

package forward

import (
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/table"
)

// decision is an answer to an InterestIn that is carried out for the next ones under its route, as its strategy has said: see [Reuse].
type decision struct {
	by     Needs
	left   int           // Interests
	until  time.Duration // the last moment
	useful bool          // it was carried out again

	more     int
	hops     []uint64 // as they were shown
	commands []Command
	hopRoom  [MaxHops]uint64
	room     [MaxCommands]Command
}

// shown is what must be the same of a next hop.
func shown(h *NextHop) uint64 {
	return uint64(h.Face) | uint64(h.Cost)<<32 | uint64(h.State&^HopMeasured)<<48
}

// stands tells whether it may be carried out at a moment.
func (d *decision) stands(now time.Duration) bool { return d.left > 0 && now <= d.until }

// decided finds what a strategy has last said under the route of an Interest, if the Interest has the same next hops, which stand in w.ev then; nil:
// nothing that may be used, now or when it is said anew.
func (w *Worker) decided(k name.Key, in *table.In, by Needs) *decision {
	d := w.said(k)
	if d == nil || d.by != by {
		return nil
	}
	ev := &w.ev
	ev.InFace, ev.More = in.Face, 0
	w.hopsOf(k, ev)
	if ev.More != d.more || len(ev.Hops) != len(d.hops) {
		return nil
	}
	for i := range ev.Hops {
		if shown(&ev.Hops[i]) != d.hops[i] {
			return nil
		}
	}
	return d
}

// reuse decides on an Interest as on the one before.
func (w *Worker) reuse(d *decision, e *table.Entry, in *table.In) {
	d.left--
	d.useful = true
	if d.by.Reused != nil {
		d.by.Reused.Add(1)
	}
	w.obey(e, in, &w.ev, d.commands)
}

// remember keeps an answer for the next Interests, if the strategy has said so, or else none.
func (w *Worker) remember(k name.Key, ev *Event, by Needs, cmds []Command) {
	if ev.Kind != InterestIn {
		w.revoke(k)
		return
	}
	if ev.Reuse.Interests == 0 || ev.Reuse.For <= 0 {
		if d := w.said(k); d != nil {
			d.left, d.useful = 0, false // Interests may be gathered again
		}
		return
	}
	w.remembers = true
	state := w.fib.State(k)
	d, _ := state.Decision.(*decision)
	if d == nil {
		d = &decision{}
		state.Decision = d
	}
	d.by, d.useful, d.more = by, false, ev.More
	d.left, d.until = int(min(ev.Reuse.Interests, MaxReuse)), ev.Now+min(ev.Reuse.For, MaxReuseTime)
	d.hops = d.hopRoom[:len(ev.Hops)]
	for i := range ev.Hops {
		d.hops[i] = shown(&ev.Hops[i])
	}
	d.commands = append(d.room[:0], cmds[:min(len(cmds), MaxCommands)]...)
}

// revoke ends what was said under the route of a name: something has happened there.
func (w *Worker) revoke(k name.Key) { w.said(k).end() }

func (d *decision) end() {
	if d != nil {
		d.left = 0
	}
}

// said finds what was last said under the route of a name, good for one more or not; nil: nothing. Most strategies never say it, and then
// no Interest is looked for.
func (w *Worker) said(k name.Key) *decision {
	if !w.remembers {
		return nil
	}
	return saidOf(w.fib.Known(k))
}

func saidOf(state *table.RouteState) *decision {
	if state == nil || state.Decision == nil {
		return nil
	}
	return state.Decision.(*decision)
}

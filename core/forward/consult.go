package forward

import (
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/table"
	"github.com/zmesh/zmesh/core/wire"
)

// consult asks the strategy and does what it says, or gathers the Interest to be asked about with others. from is the face that has
// returned the Interest, or 0.
func (w *Worker) consult(e *table.Entry, in *table.In, kind EventKind, why wire.ReturnReason, from FaceID) {
	if kind != TimerDue {
		in.Tried = w.now.Mono
	}
	needs := w.strategy.Needs(e.Key.Name.Name())
	e.Needs = uint16(needs.Wants)
	gathers := kind == InterestIn && w.gathers && needs.Wants&WantTogether != 0
	if gathers && w.gathered.crowded() {
		w.settle() // before what stands is looked at: under one route none overtakes those that wait
	}
	if kind == InterestIn {
		if d := w.decided(e.Key.Name, in, needs); d != nil {
			if d.stands(w.now.Mono) {
				w.reuse(d, e, in)
				return
			}
			gathers = gathers && !d.useful // what is said of this one is likely to be good for those that it would wait for
		}
	}
	if gathers {
		w.gather(e, in, needs)
		return
	}
	w.settle() // what was gathered comes first
	ev := &w.ev
	w.describe(ev, e, in, kind, needs, &w.blank)
	ev.Reason = why
	if from != 0 {
		ev.Face = from
	}
	w.cmds = w.consulted(ev)
	w.keepBlank(ev, e, &w.blank)
	w.remember(e.Key.Name, ev, needs, w.cmds)
	w.obey(e, in, ev, w.cmds)
}

// describe makes an event of an asker's Interest. blank is lent to it where no block is kept.
func (w *Worker) describe(ev *Event, e *table.Entry, in *table.In, kind EventKind, needs Needs, blank *PendingScratch) {
	w.eventOf(ev, kind, in)
	ev.Name, ev.Seq, ev.Face = e.Key.Name.Name(), e.Key.Seq, in.Face
	w.hopsOf(e.Key.Name, ev)
	for i := range ev.Hops {
		ev.Hops[i].State |= hopState(e, ev.Hops[i].Face)
	}
	w.provide(ev, e.Key.Name, e, needs, blank)
}

// obey does what the strategy says; afterwards an entry that nobody works on ends.
func (w *Worker) obey(e *table.Entry, in *table.In, ev *Event, cmds []Command) {
	w.stale = false
	final := wire.ReturnReason(0)
	for i := range cmds[:min(len(cmds), MaxCommands)] {
		switch c := &cmds[i]; c.Op {
		case SendTo:
			w.ask(e, in, ev, c.Face)
		case SendAll, SendFirst:
			w.askMany(e, in, ev, *c)
		case SendReturn:
			final = c.Reason
		case DropRequest:
			w.dropEntry(e)
			return
		case Repeat:
			w.repeatInterest(e, in, c.Delay)
		case SetTimer:
			w.setAlarm(e, c.Delay)
		default:
			w.stats.Ignored++
		}
	}
	if w.stale && final == 0 && !e.Live(w.now.Mono, Self) {
		w.consult(e, in, ReturnIn, wire.ReturnNoRoute, 0) // once more for each hop that is out, so it comes to an end
		return
	}
	w.conclude(e, final)
}

// eventOf begins an event about an asker's Interest.
func (w *Worker) eventOf(ev *Event, kind EventKind, in *table.In) {
	*ev = Event{} // and then field by field: a literal would be built elsewhere and copied
	ev.Kind, ev.Now, ev.InFace, ev.InKind, ev.TTL = kind, w.now.Mono, in.Face, w.kindOf(in.Face), in.FHDR&wire.MaxTTL
	ev.Expiry, ev.Type, ev.FHDR, ev.KeyID = max(in.Deadline-w.now.Mono, 0), wire.Interest, in.FHDR, in.FCTRL>>6
	ev.Length, ev.Signal, ev.Random = wire.MinFrame, in.Signal, w.random()
	if in.Face == Self {
		ev.Signal = SignalUnknown
	}
	if in.HasAsked {
		ev.Length += wire.InterestPayload
	}
}

// kindOf tells what is at the other end of a face.
func (w *Worker) kindOf(id FaceID) FaceKind {
	switch f := w.face(id); {
	case f == nil:
		return KindSelf
	case f.cfg.Broadcast:
		return KindBroadcast
	case f.cfg.OnDemand:
		return KindOnDemand
	}
	return KindPointToPoint
}

// random gives bits for a strategy to choose with (Steele, Lea and Flood 2014: splitmix64). They are not secret.
func (w *Worker) random() uint32 {
	w.chance += 0x9e3779b97f4a7c15
	z := (w.chance ^ w.chance>>30) * 0xbf58476d1ce4e5b9
	return uint32((z ^ z>>27) * 0x94d049bb133111eb >> 32)
}

// provide adds what the strategy asks for: measurements and its blocks. e is nil where no Interest is pending; blank is lent to one that has
// no block.
func (w *Worker) provide(ev *Event, k name.Key, e *table.Entry, needs Needs, blank *PendingScratch) {
	if needs.Wants&(WantMeasures|WantScratch) == 0 {
		return
	}
	state := w.fib.State(k)
	if needs.Wants&WantMeasures != 0 {
		w.measured(ev, state)
	}
	if needs.Wants&WantScratch != 0 {
		ev.Route = state.Scratch(needs.Owner)
		if e != nil {
			if ev.Pending = w.pit.Scratched(e, needs.Owner); ev.Pending == nil {
				*blank = PendingScratch{Owner: needs.Owner}
				ev.Pending = blank
			}
		}
	}
}

// keepBlank gives an Interest a block of its own once a strategy has written to the one that it was lent: most never do.
func (w *Worker) keepBlank(ev *Event, e *table.Entry, blank *PendingScratch) {
	if ev.Pending == blank && blank.Bytes != [table.PendingScratchSize]byte{} {
		*w.pit.Scratch(e, blank.Owner) = *blank
	}
}

// leastDelay is the shortest timer: the tick of the wheel.
const leastDelay = table.Resolution

// setAlarm sets the strategy's timer for a pending Interest. How often is bounded, so that no strategy keeps a worker busy with one
// Interest.
func (w *Worker) setAlarm(e *table.Entry, delay time.Duration) {
	if int(e.Alarms) >= w.lim.StrategyTimers {
		w.stats.TimersRefused++
		return
	}
	e.Alarms++
	e.Alarm = w.now.Mono + min(max(delay, leastDelay), w.lim.InterestExpiry)
}

// alarmed is the strategy's timer.
func (w *Worker) alarmed(e *table.Entry) {
	e.Alarm = 0
	if in := asker(e); in != nil && !e.Waiting {
		w.consult(e, in, TimerDue, 0, 0)
		return
	}
	w.conclude(e, 0)
}

// answered tells the strategy that decided on an Interest what answered it, and measures how long that took. The entry is still there.
func (w *Worker) answered(e *table.Entry, r *received) {
	if o := e.Out(r.face.id); o != nil && Wants(e.Needs)&WantMeasures != 0 {
		w.measureAnswer(e, o)
	}
	if Wants(e.Needs)&WantContent != 0 {
		w.tellContent(r, e)
	}
}

// tellContent is ContentIn. Of its commands only Repeat can be done.
func (w *Worker) tellContent(r *received, e *table.Entry) {
	needs := w.strategy.Needs(r.Name)
	w.told = true
	if needs.Wants&WantContent == 0 {
		return
	}
	ev := &w.ev
	*ev = Event{
		Kind: ContentIn, Now: w.now.Mono, Name: r.Name, Seq: r.Seq, InFace: r.face.id, Face: r.face.id, InKind: w.kindOf(r.face.id),
		TTL: r.TTL, Type: wire.Content, FHDR: r.Raw[0], KeyID: r.KeyID, Length: uint16(len(r.Body) + 1), Signal: r.signal, Random: w.random(),
	}
	w.hopsOf(r.key, ev)
	if e != nil {
		for i := range ev.Hops {
			ev.Hops[i].State |= hopState(e, ev.Hops[i].Face)
		}
	}
	w.provide(ev, r.key, e, needs, &w.blank)
	w.cmds = w.consulted(ev)
	w.keepBlank(ev, e, &w.blank)
	w.revoke(r.key)
	for i := range w.cmds[:min(len(w.cmds), MaxCommands)] {
		if c := &w.cmds[i]; c.Op == Repeat {
			w.repeatContent(r, c.Delay)
		} else {
			w.stats.Ignored++
		}
	}
}

// tellRoute tells the strategies of the names under a prefix that its next hops have changed, or one of them: face, if it is not 0.
func (w *Worker) tellRoute(kind EventKind, net uint8, p name.Prefix, face FaceID, up bool) {
	want := WantRoutes
	if kind == FaceChange {
		want = WantFaces
	}
	tell := func(n name.Name) {
		needs := w.strategy.Needs(n)
		if needs.Wants&want == 0 {
			return
		}
		hops, state := w.fib.Route(net, p)
		if state == nil {
			return // it is gone, and with it what was kept
		}
		ev := &w.ev
		*ev = Event{Kind: kind, Now: w.now.Mono, Name: n, Prefix: p.Len, Face: face, Up: up, Signal: SignalUnknown, Random: w.random()}
		w.hops = w.hops[:0]
		w.addHops(ev, hops, 0)
		ev.Hops = w.hops
		if needs.Wants&WantMeasures != 0 {
			w.measured(ev, state)
		}
		if needs.Wants&WantScratch != 0 {
			ev.Route = state.Scratch(needs.Owner)
		}
		w.cmds = w.consulted(ev)
		saidOf(state).end()
		w.stats.Ignored += uint64(min(len(w.cmds), MaxCommands))
	}
	if s, ok := w.strategy.(Spread); ok {
		s.Within(p, tell)
		return
	}
	tell(p.Name)
}

// tellFace tells the strategies of every route that goes through a face that it came up or went down.
func (w *Worker) tellFace(f *Face, up bool) {
	w.fib.Through(f.id, func(net uint8, p name.Prefix) { w.tellRoute(FaceChange, net, p, f.id, up) })
}

func hopState(e *table.Entry, id FaceID) (s HopState) {
	if o := e.Out(id); o != nil {
		s |= HopTried
		if o.Returned != 0 {
			s |= HopReturned
		}
	}
	return s
}

// hopsOf fills in the next hops of a name: its producer face (P-17), then those of the FIB, as far as they are up.
func (w *Worker) hopsOf(k name.Key, ev *Event) {
	w.hops = w.hops[:0]
	producer := w.producer(k)
	if producer != 0 {
		if f := w.usable(producer); f != nil {
			w.addHop(ev, f, 0, HopProducer)
		}
	}
	w.addHops(ev, w.fib.Lookup(k), producer)
	ev.Hops = w.hops
}

func (w *Worker) addHops(ev *Event, hops []table.Hop, except FaceID) {
	for _, h := range hops {
		if h.Face == except {
			continue
		}
		if f := w.usable(h.Face); f != nil {
			w.addHop(ev, f, h.Cost, 0)
		}
	}
}

func (w *Worker) addHop(ev *Event, f *Face, cost uint16, state HopState) {
	if len(w.hops) == MaxHops {
		ev.More++
		return
	}
	if f.id == ev.InFace {
		state |= HopInFace
	}
	if f.cfg.Broadcast {
		state |= HopBroadcast
	}
	w.hops = append(w.hops, NextHop{})
	h := &w.hops[len(w.hops)-1]
	h.Face, h.Cost, h.State, h.Queue = f.id, cost, state, QueueUnknown
}

// dropEntry ends an entry because the strategy says so.
func (w *Worker) dropEntry(e *table.Entry) {
	for i := range e.Ins {
		if f := w.face(e.Ins[i].Face); f != nil {
			f.drop(drop.Strategy)
		}
	}
	w.removeEntry(e)
}

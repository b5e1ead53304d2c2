package forward

import (
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/table"
	"github.com/zmesh/zmesh/core/wire"
)

// gathered is Interests of the burst at hand whose entries are made and on which the strategy is yet to decide: for a plugin one call for all of
// them costs a fraction of one for each. Their events are made when they come, so that each shows what was known then. They are decided, in their order,
// at the end of the burst, or before anything that may hang on one of them.
type gathered struct {
	n      int
	wants  Wants                    // of their strategies together
	marks  [gatherMarks / 64]uint64 // hashes of their keys
	ids    [MaxTogether]int32       // entries
	needs  [MaxTogether]Needs       // of their strategies
	events [MaxTogether]Event
	out    [MaxTogether][]Command
	blanks [MaxTogether]PendingScratch // see Worker.blank
	hops   [MaxTogether][MaxHops]NextHop
	room   [MaxTogether][MaxCommands]Command
}

// gatherMarks is so many bits that 63 keys are taken for a 64th in one of 33 bursts. Then the burst is decided in two parts.
const gatherMarks = 2048

// markOf is the bit of a key. Who chooses names for it only gets them decided one by one.
func markOf(k name.Key, seq uint32) (word int, bit uint64) {
	h := (uint64(k)*0xa0761d6478bd642f + uint64(seq)) * 0x9e3779b97f4a7c15 >> 53
	return int(h / 64), 1 << (h % 64)
}

// mayHave tells whether a key may be among them.
func (g *gathered) mayHave(k name.Key, seq uint32) bool {
	word, bit := markOf(k, seq)
	return g.marks[word]&bit != 0
}

// concerns tells whether a frame may hang on a decision: it is for the same pending Interest, or one that the strategy is told of.
func (g *gathered) concerns(r *received) bool {
	switch {
	case r.Type == wire.Interest && r.Seq != wire.SeqSubscribe:
		return g.mayHave(r.key, r.Seq)
	case r.Type == wire.Content:
		return g.wants&WantContent != 0 || g.mayHave(r.key, r.Seq) || g.mayHave(r.key, wire.SeqNewest)
	}
	return true
}

// gather lets an Interest with a new entry wait for its decision.
func (w *Worker) gather(e *table.Entry, in *table.In, needs Needs) {
	if w.gathered == nil {
		w.gathered = &gathered{}
	}
	g := w.gathered
	word, bit := markOf(e.Key.Name, e.Key.Seq)
	g.marks[word] |= bit
	g.wants |= needs.Wants
	g.ids[g.n], g.needs[g.n] = e.ID, needs
	hops := w.hops
	w.hops = g.hops[g.n][:]
	w.describe(&g.events[g.n], e, in, InterestIn, needs, &g.blanks[g.n])
	w.hops = hops
	g.n++
}

// crowded tells whether no further one can be gathered.
func (g *gathered) crowded() bool { return g != nil && g.n == MaxTogether }

// undecided tells whether an entry was gathered last: its timer is set when it is decided.
func (w *Worker) undecided(e *table.Entry) bool {
	g := w.gathered
	return g != nil && g.n > 0 && g.ids[g.n-1] == e.ID
}

// settle has the strategy decide on what was gathered, and does what it says.
func (w *Worker) settle() {
	if w.gathered == nil || w.gathered.n == 0 {
		return
	}
	g := w.gathered
	n := g.n
	g.n, g.wants = 0, 0
	clear(g.marks[:])
	for k := range n {
		g.out[k] = g.room[k][:0]
	}
	w.decideAll(g.events[:n], g.out[:n])
	for k := range n { // before any is carried out: what happens then may end it
		w.remember(w.pit.At(g.ids[k]).Key.Name, &g.events[k], g.needs[k], g.out[k])
	}
	for k := range n {
		e, ev := w.pit.At(g.ids[k]), &g.events[k] // it is still there: what could end it has settled it
		w.keepBlank(ev, e, &g.blanks[k])
		w.obey(e, &e.Ins[0], ev, g.out[k])
		if e.ID != 0 {
			w.schedule(e)
		}
	}
}

// decideAll asks about several events, a strategy that takes one at a time about each.
func (w *Worker) decideAll(events []Event, out [][]Command) {
	timed := w.stages.clock != nil
	start := w.now.Mono
	if timed {
		start = w.stages.clock()
	}
	if len(events) > 1 {
		w.gatherer.DecideAll(events, out)
	} else {
		out[0] = w.gatherer.Decide(&events[0], out[0])
	}
	if timed {
		w.stages.strategy += w.stages.clock() - start
	}
}

package forward

import (
	"time"

	"github.com/zmesh/zmesh/core/table"
	"github.com/zmesh/zmesh/core/wire"
)

// Queuer is a Link that queues and tells how many frames it has not sent yet. It is called under a worker's mutex and must not block.
type Queuer interface{ Queued() int }

// lateAnswers is how many Interests of a worker may still be answered for measurements alone.
const lateAnswers = 1024

// overdueAnswers is the same of those whose Interest has run out: a link that was silent for a while owes as many as all subscribers ask for at once.
const overdueAnswers = 8192

// measured fills in what is known of the next hops.
func (w *Worker) measured(ev *Event, state *table.RouteState) {
	for i := range ev.Hops {
		h := &ev.Hops[i]
		f := w.face(h.Face)
		if f.queue != nil {
			h.Queue = uint16(min(max(f.queue.Queued(), 0), QueueUnknown-1))
		}
		p := state.Path(h.Face)
		if p != nil {
			h.Silent = uint32(min((p.Silent(w.now.Mono)+time.Millisecond-1)/time.Millisecond, 1<<32-1))
			h.Loss = p.Loss
		}
		if p != nil && p.RTT != 0 {
			h.State |= HopMeasured
			h.RTT, h.Var = p.RTT, p.Var
			continue
		}
		h.RTT = uint32(min(f.rtt.Load()/int64(time.Microsecond), 1<<31))
		h.Var = h.RTT / 2 // RFC 6298, 2.2
	}
}

// measureAsk notes that an Interest left.
func (w *Worker) measureAsk(e *table.Entry, face FaceID) {
	w.fib.State(e.Key.Name).MakePath(face).Asked(w.now.Mono)
}

// measureAnswer takes the time from an Interest to its answer.
func (w *Worker) measureAnswer(e *table.Entry, o *table.Out) {
	p := w.fib.State(e.Key.Name).MakePath(o.Face)
	p.Heard()
	p.Came()
	if !o.Again {
		p.Sample(w.now.Mono - o.Sent)
	}
}

// measureReturn takes an Interest Return: the next hop is alive. Only one that says where the content would be and that it is not
// there is as good as an answer; what could not be got this way counts as lost; a TTL that ended says nothing.
func (w *Worker) measureReturn(e *table.Entry, o *table.Out, why wire.ReturnReason) {
	if Wants(e.Needs)&WantMeasures == 0 {
		return
	}
	switch why {
	case wire.ReturnNotHere:
		w.measureAnswer(e, o)
		return
	case wire.ReturnNoRoute, wire.ReturnCongestion, wire.ReturnExpired:
		w.fib.State(e.Key.Name).MakePath(o.Face).Lost()
		w.revoke(e.Key.Name)
	}
	w.fib.State(e.Key.Name).MakePath(o.Face).Heard()
}

// measureEnd counts, when an entry ends, the faces that have not answered for longer than they should take as lost. The others may
// still answer.
func (w *Worker) measureEnd(e *table.Entry) {
	for i := range e.Outs {
		o := &e.Outs[i]
		if o.Answered || o.Returned != 0 || o.Held {
			continue
		}
		p := w.fib.State(e.Key.Name).MakePath(o.Face)
		switch {
		case w.now.Mono-o.Sent >= p.Timeout():
			p.Lost()
			w.revoke(e.Key.Name)
		case !o.Again:
			w.late.Put(w.now.Mono, e.Key, o.Face, o.Sent)
		}
	}
}

// measureLate takes an answer that came behind another one. Nobody waits for it, but it shows how long its way takes.
func (w *Worker) measureLate(r *received) bool {
	if w.late.Empty(w.now.Mono) {
		return false
	}
	sent, ok := w.late.Take(w.now.Mono, table.PITKey{Name: r.key, Seq: r.Seq}, r.face.id)
	if !ok {
		sent, ok = w.late.Take(w.now.Mono, table.PITKey{Name: r.key}, r.face.id)
	}
	if !ok {
		return false
	}
	p := w.fib.State(r.key).MakePath(r.face.id)
	p.Heard()
	p.Came()
	p.Sample(w.now.Mono - sent)
	return true
}

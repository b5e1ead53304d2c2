package forward

import (
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
	"github.com/zmesh/zmesh/core/table"
	"github.com/zmesh/zmesh/core/wire"
)

// returned takes an Interest Return. It counts only from a face that was asked, and only with the bytes sent there (P-6).
func (w *Worker) returned(r *received) drop.Reason {
	ret := wire.ReturnedOf(r.Payload)
	if r.Seq == wire.SeqSubscribe {
		return w.subRefused(r, &ret)
	}
	e := w.pit.Find(table.PITKey{Name: r.key, Seq: r.Seq})
	if e == nil {
		return drop.UnsolicitedReturn
	}
	o := e.Out(r.face.id)
	if o == nil || o.Returned != 0 || o.Asked != ret.Asked || ret.Reason == 0 || ret.Reason >= wire.ReturnHello {
		return drop.UnsolicitedReturn
	}
	w.stats.Returned++
	o.Node = ret.Node
	w.measureReturn(e, o, ret.Reason)
	w.takeReturn(e, o, ret.Reason)
	return drop.None
}

// takeReturn notes that a face gave an Interest back and lets the strategy try another. An asker whose Interest was merged
// and may go further than the one that was returned for its TTL gets its own try at the same face.
func (w *Worker) takeReturn(e *table.Entry, o *table.Out, why wire.ReturnReason) {
	o.Returned = why
	face := o.Face
	w.pollReturned(e, face, why)
	in := unsent(e)
	f := w.usable(face)
	if why == wire.ReturnTTL && in != nil && f != nil && w.transmit(e, in, f) && e.Live(w.now.Mono, Self) {
		w.schedule(e)
		return
	}
	if in == nil {
		in = asker(e)
	}
	switch {
	case in == nil: // nobody waits whose Interest may go on: our own newest
		w.conclude(e, 0)
	case e.Wild != nil:
		w.conclude(e, 0)
	default:
		w.consult(e, in, ReturnIn, why, face)
	}
	if e.ID != 0 {
		w.schedule(e)
	}
}

// goesOn tells whether an in-record's Interest may leave this node: not our own, which has left, nor one that ends here (P-23)
// or asks the store alone (P-3).
func goesOn(in *table.In) bool {
	return in.Face != Self && in.FHDR&wire.MaxTTL > 0 && (!in.HasAsked || in.Asked.Expiry() > 0)
}

// asker is the in-record that waits longest, of those that go on.
func asker(e *table.Entry) (best *table.In) {
	for i := range e.Ins {
		if in := &e.Ins[i]; goesOn(in) && (best == nil || in.Deadline > best.Deadline) {
			best = in
		}
	}
	return best
}

// unsent is the in-record with the highest TTL, and of these the one that waits longest, among those that were merged.
func unsent(e *table.Entry) (best *table.In) {
	for i := range e.Ins {
		in := &e.Ins[i]
		if in.Sent || !goesOn(in) {
			continue
		}
		if best == nil || in.FHDR&wire.MaxTTL > best.FHDR&wire.MaxTTL ||
			in.FHDR&wire.MaxTTL == best.FHDR&wire.MaxTTL && in.Deadline > best.Deadline {
			best = in
		}
	}
	return best
}

// unask takes a face out of those that wait for an entry; with the last one the entry ends.
func (w *Worker) unask(e *table.Entry, face FaceID) {
	for i := range e.Ins {
		if e.Ins[i].Face == face {
			w.pit.RemoveIn(e, i)
			break
		}
	}
	if len(e.Ins) == 0 {
		w.removeEntry(e)
		return
	}
	w.schedule(e)
}

// schedule sets the entry's one timer: to the next in-record that runs out, to the stored newest (P-15), to a producer's silence (P-6), or to the moment at
// which the faces that were asked have forgotten the Interest while a merged asker still waits.
func (w *Worker) schedule(e *table.Entry) {
	next := time.Duration(0)
	sooner := func(at time.Duration) {
		if next == 0 || at < next {
			next = at
		}
	}
	for i := range e.Ins {
		sooner(e.Ins[i].Deadline)
	}
	if e.Fallback != 0 {
		sooner(e.Fallback)
	}
	if e.Alarm != 0 {
		sooner(e.Alarm)
	}
	if in := unsent(e); in != nil && !e.Waiting && e.Wild == nil {
		sooner(max(covered(e, w.now.Mono), again(in)))
	}
	if e.Timer != 0 {
		w.wheel.Move(e.Timer, next)
		return
	}
	e.Timer = w.wheel.Add(next, timerPIT, uint32(e.ID))
}

// again is when the bytes of an in-record may leave on a face where they have been (P-2a); 0 if they never left.
func again(in *table.In) time.Duration {
	if in.Tried == 0 || !in.Timed() {
		return 0
	}
	return in.Tried + table.SentOnce
}

// covered is until when some face that was asked still knows the Interest.
func covered(e *table.Entry, now time.Duration) time.Duration {
	until := now
	for i := range e.Outs {
		if o := &e.Outs[i]; o.Returned == 0 && o.Deadline > until {
			until = o.Deadline
		}
	}
	return until
}

// pitDue is the entry's timer.
func (w *Worker) pitDue(e *table.Entry) {
	e.Timer = 0
	for i := len(e.Ins) - 1; i >= 0; i-- {
		if e.Ins[i].Deadline > w.now.Mono {
			continue
		}
		if e.Ins[i].Capped { // longer than honoured here: the asker still waits (P-6)
			w.returnTo(e, &e.Ins[i], wire.ReturnExpired, w.n.cfg.ID)
		}
		w.pit.RemoveIn(e, i)
		w.stats.ExpiredIns++
	}
	if len(e.Ins) == 0 {
		w.removeEntry(e)
		return
	}
	if e.Alarm != 0 && e.Alarm <= w.now.Mono {
		w.alarmed(e)
	} else if e.Fallback != 0 && e.Fallback <= w.now.Mono {
		w.fallBack(e)
	} else if in := unsent(e); in != nil && e.Wild == nil && !e.Waiting && !e.Live(w.now.Mono, Self) && again(in) <= w.now.Mono {
		w.consult(e, in, RetryIn, 0, 0)
	}
	if e.ID != 0 {
		w.schedule(e)
	}
}

// fallBack sends the stored newest to all who wait for one (P-15). The entry stays as our own until the faces that were
// asked have had their time, so that what they send still counts as solicited and is stored.
func (w *Worker) fallBack(e *table.Entry) {
	if e.Key.Seq != wire.SeqNewest {
		w.silence(e)
		return
	}
	e.Fallback = 0
	if e.Wild != nil {
		w.paceAll(e)
		w.conclude(e, 0)
		return
	}
	n, st := w.store.Newest(e.Key.Name)
	switch {
	case n.Body != nil:
		w.answerAll(e, n.Body)
		w.keepOpen(e)
	case st == store.OnDisk:
		e.Waiting = w.store.Fetch(e.Key.Name, wire.SeqNewest)
		w.conclude(e, 0)
	default:
		w.conclude(e, 0)
	}
}

// keepOpen replaces the askers of an answered entry by the node itself for as long as a face may still answer; only a newest
// may still be followed by a newer one.
func (w *Worker) keepOpen(e *table.Entry) {
	until := covered(e, w.now.Mono)
	if e.Key.Seq != wire.SeqNewest {
		until = w.now.Mono
	}
	for i := len(e.Ins) - 1; i >= 0; i-- {
		w.pit.RemoveIn(e, i)
	}
	if until <= w.now.Mono {
		w.removeEntry(e)
		return
	}
	in := w.pit.AddIn(e, Self)
	if in == nil {
		w.removeEntry(e)
		return
	}
	in.Deadline, in.Sent = until, true
	w.schedule(e)
}

// answerAll sends a stored body to every asker of an entry.
func (w *Worker) answerAll(e *table.Entry, body []byte) {
	c := copies{w: w, key: e.Key.Name, body: body, ttl: wire.MaxTTL}
	for i := range e.Ins {
		if f := w.face(e.Ins[i].Face); f != nil {
			w.send(f, c.of(f, e.Ins[i].Public))
		}
	}
}

// storeReady takes what the store has finished, some of it at a time: commits that a producer waits for (P-13), reads from disk.
func (w *Worker) storeReady() (more bool) { return w.store.Take(w.takeResult) }

func (w *Worker) takeResult(res store.Result) {
	switch {
	case res.Done == store.DoneOpened:
		w.opened(&res)
	case res.Done == store.DoneRead:
		w.joined(table.PITKey{Name: res.Key, Seq: res.Asked}, &res)
	case res.Awaited:
		w.joined(table.PITKey{Name: res.Key, Seq: res.Seq}, &res)
	}
}

// joined lets an Interest that waited for the store go on. What could not be written, or made safe, is not confirmed: the asker is told
// to try again.
func (w *Worker) joined(key table.PITKey, res *store.Result) {
	e := w.pit.Find(key)
	if e == nil || !e.Waiting {
		return
	}
	e.Waiting = false
	switch {
	case res.Done == store.DoneFailed, res.Unsafe && w.fromProducer(e):
		w.giveUp(e, wire.ReturnCongestion, w.n.cfg.ID)
	case res.Body != nil:
		w.answerAll(e, res.Body)
		w.keepOpen(e)
	case res.Done == store.DoneCommit && w.store.Fetch(key.Name, key.Seq): // on disk, and no longer in memory
		e.Waiting = true
	case w.fromProducer(e):
		w.giveUp(e, wire.ReturnNotHere, w.n.cfg.ID)
	default:
		w.goOn(e)
	}
	if e.ID != 0 {
		w.schedule(e)
	}
}

// goOn sends what the store could not answer to where it may be; who asked the store alone is told that it is not here.
func (w *Worker) goOn(e *table.Entry) {
	for i := len(e.Ins) - 1; i >= 0; i-- {
		in := &e.Ins[i]
		if in.Face == Self || goesOn(in) {
			continue
		}
		why := wire.ReturnTTL
		if in.FHDR&wire.MaxTTL > 0 {
			why = wire.ReturnExpired
		}
		w.returnTo(e, in, why, w.n.cfg.ID)
		w.pit.RemoveIn(e, i)
	}
	in := unsent(e)
	switch {
	case len(e.Ins) == 0:
		w.removeEntry(e)
	case in != nil && !e.Live(w.now.Mono, in.Face):
		w.consult(e, in, InterestIn, 0, 0)
	default:
		if in := w.retried(e); in != nil {
			w.consult(e, in, RetryIn, 0, 0)
			return
		}
		w.conclude(e, 0)
	}
}

// retried is an in-record whose asker has asked again while the store was looked at, and whose retry is due (P-2a): what was sent for it before may
// be lost. nil: there is none.
func (w *Worker) retried(e *table.Entry) *table.In {
	for i := range e.Ins {
		if in := &e.Ins[i]; !in.Sent && goesOn(in) && in.Tried != 0 && w.now.Mono-in.Tried >= w.lim.Retry {
			return in
		}
	}
	return nil
}

// fromProducer tells whether the name's producer face is among the askers: it is never asked for its own number (P-13).
func (w *Worker) fromProducer(e *table.Entry) bool {
	producer := w.producer(e.Key.Name)
	return producer != 0 && e.In(producer) != nil
}

// refuse answers an Interest with a Return at once.
func (w *Worker) refuse(r *received, why wire.ReturnReason) {
	if r.public || r.echo {
		return // a device without a network key could not verify it; an echo's owner answers
	}
	asked, _ := wire.AskedOf(r.Payload)
	w.sendReturn(r.face, r.key, r.Seq, wire.Returned{Reason: why, Asked: asked, Node: w.n.cfg.ID})
}

// sendReturn makes an Interest Return: the Interest's name, FSEQ and payload, the node that returned it first, TTL 7, our own MAC.
// Never on broadcast faces, and for subscriptions only reason 4 (P-6).
func (w *Worker) sendReturn(f *Face, k name.Key, seq uint32, ret wire.Returned) {
	if f.cfg.Broadcast || seq == wire.SeqSubscribe && ret.Reason != wire.ReturnRefused {
		return
	}
	var payload [wire.ReturnPayload]byte
	h := wire.Header{Seq: seq, Type: wire.Return, TTL: wire.MaxTTL}
	w.send(f, w.build(f, k, h, ret.Append(payload[:0])))
}

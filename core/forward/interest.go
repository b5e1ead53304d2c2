package forward

import (
	"cmp"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
	"github.com/zmesh/zmesh/core/table"
	"github.com/zmesh/zmesh/core/wire"
)

// interest is the way of an Interest: policy, then store, then PIT, then strategy. The order is P-2a's: nothing that was
// seen before is dropped before the store and the PIT have had it.
func (w *Worker) interest(r *received) drop.Reason {
	f := r.face
	if !f.mayAsk(r.Name) {
		w.refuse(r, wire.ReturnRefused)
		return drop.Refused
	}
	asked, has := wire.AskedOf(r.Payload)
	timed := has && asked.UnixMilli() != 0
	if timed && f.cfg.OnDemand && f.cfg.Clock && !w.n.inTime(w.now, asked) {
		return drop.Clock
	}
	key := table.SeenKey{Name: r.key, Seq: r.Seq, Asked: asked.Bits()}
	if timed && w.wasAsked(f) && w.seen.WasSent(w.now.Mono, key, f.id) {
		return drop.Loop
	}
	replayed := timed && f.cfg.OnDemand && w.seen.Heard(w.now.Mono, key, f.cfg.Source)
	if r.Seq == wire.SeqSubscribe {
		return w.subscribe(r, asked, has, replayed)
	}
	if f.cfg.Proxy && r.mask == 0 && r.Seq != wire.SeqNewest {
		f.pull.asked(w.now.Mono, r.key, r.Seq)
	}
	if r.mask != 0 {
		return w.wildcard(r, asked, has, replayed)
	}
	return w.lookup(r, asked, has, replayed)
}

func (w *Worker) naming(k name.Key) *name.Network { return w.n.cfg.Naming[k.Net()] }

// lookup answers an exact or newest Interest from the store, or lets it wait.
func (w *Worker) lookup(r *received, asked wire.Asked, has, replayed bool) drop.Reason {
	found := &w.found
	w.search(r, found)
	if found.body != nil {
		w.answer(r.face, r.key, found.body, r.public)
		w.stats.StoreHits++
		return drop.None
	}
	if w.alone {
		w.seen.Ahead(table.SeenKey{Name: r.key, Seq: r.Seq, Asked: asked.Bits()}, false, w.lastOut)
	}
	if replayed {
		return drop.Replayed // P-11: no in-record
	}
	expiry := w.expiry(r.face, asked, has)
	if why := w.ends(r, found, expiry); why != drop.None {
		return why
	}
	e, in, fresh, why := w.pend(r, asked, has, expiry)
	if why != drop.None {
		return why
	}
	if found.stale && (e.Fallback == 0 || w.now.Mono+expiry/2 < e.Fallback) { // P-15
		e.Fallback = w.now.Mono + expiry/2
	}
	e.Waiting = e.Waiting || found.wait
	if !e.Waiting {
		w.decide(e, in, fresh, r.TTL)
	}
	if e.ID != 0 && !w.undecided(e) {
		w.schedule(e)
	}
	return drop.None
}

// finding is what the store has for an Interest.
type finding struct {
	body     []byte // an answer
	stale    bool   // there is a newest, but it may not be the newest (P-15)
	wait     bool   // it will come: from disk, or when it is committed (P-13)
	producer bool   // asked by the producer face itself, which is never asked in turn (P-13)
	final    bool   // this node is the first hop, nobody else can be asked, and it does not have it: Return 2 (P-6)
}

func (w *Worker) search(r *received, f *finding) {
	*f = finding{}
	if r.Seq == wire.SeqNewest {
		w.searchNewest(r, f)
		return
	}
	producer := w.producer(r.key)
	f.producer = producer == r.face.id
	body, st := w.store.Exact(r.key, r.Seq)
	switch st {
	case store.Hit:
		if f.final = f.producer && w.unconfirmed(r.key); !f.final {
			f.body = body
		}
	case store.Uncommitted:
		f.wait = true
	case store.Unwritten: // nobody knows when the disk takes it: the producer may send it again (P-13), all others have it now
		if f.wait = f.producer; !f.wait {
			f.body = body
		}
	case store.OnDisk:
		f.wait = w.store.Fetch(r.key, r.Seq)
	default:
		f.final = f.producer || producer == 0 && w.firstHop(r.key) && (storeOnly(r) || r.TTL == 0 || !w.elsewhere(r))
	}
}

// unconfirmed tells whether a name is kept in memory only: its producer, who asks its number back, gets Return 2 (P-13).
func (w *Worker) unconfirmed(k name.Key) bool {
	known, _ := w.store.Known(k)
	return known.Class == store.Memory
}

// elsewhere tells whether a name has a next hop besides the asker: another node may have a copy of what the first hop lost.
func (w *Worker) elsewhere(r *received) bool {
	for _, h := range w.fib.Lookup(r.key) {
		if h.Face != r.face.id && w.usable(h.Face) != nil {
			return true
		}
	}
	return false
}

// firstHop tells whether the name was published here, so that what is not here never existed or is gone (P-6).
func (w *Worker) firstHop(k name.Key) bool {
	known, ok := w.store.Known(k)
	return ok && known.Published
}

func (w *Worker) searchNewest(r *received, f *finding) {
	n, st := w.store.Newest(r.key)
	if st == store.Miss {
		return
	}
	producer := w.producer(r.key)
	f.producer = producer == r.face.id
	if !w.current(r.key, &n, producer) {
		f.stale = true
		if !f.producer && r.TTL > 0 && !storeOnly(r) {
			return
		}
	}
	if f.body = n.Body; f.body == nil {
		f.wait = w.store.Fetch(r.key, wire.SeqNewest)
	}
}

// storeOnly tells whether the Interest asks for nothing but what is stored here: expiry 0 (P-3).
func storeOnly(r *received) bool {
	asked, has := wire.AskedOf(r.Payload)
	return has && asked.Expiry() == 0
}

// current is P-15: a stored newest answers if it came from the producer face, if a live subscription of ours covers the name, or if it
// is not older than NewestMaxAge.
func (w *Worker) current(k name.Key, n *store.Newest, producer FaceID) bool {
	if n.Stale {
		return false
	}
	return producer != 0 && n.Producer && FaceID(n.Face) == producer ||
		w.covered(k) ||
		w.now.Mono-n.Heard <= cmp.Or(n.MaxAge, w.lim.NewestMaxAge)
}

// expiry is P-3: counted from arrival here, at most what is honoured.
func (w *Worker) expiry(_ *Face, asked wire.Asked, has bool) time.Duration {
	if !has {
		return w.lim.EmptyExpiry
	}
	return min(asked.Expiry(), w.lim.InterestExpiry)
}

// ends tells why an Interest that the store cannot answer goes no further, and tells its asker.
func (w *Worker) ends(r *received, found *finding, expiry time.Duration) drop.Reason {
	switch {
	case found.wait:
		return drop.None
	case found.final:
		w.refuse(r, wire.ReturnNotHere)
		return drop.NotHere
	case found.producer && r.Seq != wire.SeqNewest: // on disk, which is busy; a producer is never forwarded (P-13)
		w.refuse(r, wire.ReturnCongestion)
		return drop.Quota
	case expiry == 0:
		w.refuse(r, wire.ReturnExpired)
		return drop.Expired
	case r.TTL == 0: // used where it arrives, not relayed (P-23)
		w.refuse(r, wire.ReturnTTL)
		return drop.TTLEnded
	}
	return drop.None
}

// waitForStore bounds how long an Interest that asks the store alone (expiry 0) waits for a disk.
const waitForStore = 2 * time.Second

// pend makes the face an in-record, or renews the one it has. fresh tells that it had none.
func (w *Worker) pend(r *received, asked wire.Asked, has bool, expiry time.Duration) (e *table.Entry, in *table.In, fresh bool, why drop.Reason) {
	key := table.PITKey{Name: r.key, Seq: r.Seq}
	e = w.pit.Find(key)
	if e == nil {
		e = w.pit.Insert(key, r.mask)
	}
	if e == nil {
		w.refuse(r, wire.ReturnCongestion)
		return nil, nil, false, drop.Wildcard
	}
	if in = e.In(r.face.id); in == nil {
		fresh = true
		if in = w.pit.AddIn(e, r.face.id); in == nil { // what is decided may make room
			w.settle()
			in = w.pit.AddIn(e, r.face.id)
		}
		if in == nil {
			if len(e.Ins) == 0 {
				w.removeEntry(e)
			}
			w.refuse(r, wire.ReturnCongestion) // P-22
			return nil, nil, false, drop.Quota
		}
	}
	if expiry == 0 {
		expiry = waitForStore
	}
	in.Arrived, in.Deadline = w.now.Mono, w.now.Mono+expiry
	in.Asked, in.HasAsked, in.Public = asked, has, r.public
	in.Capped = has && asked.Expiry() > expiry
	in.Sent, in.Told, in.Answers = false, false, r.answers
	in.FHDR, in.FCTRL, in.Signal = r.Raw[0], r.Body[name.Size], r.signal
	copy(in.MAC[:], r.MAC())
	return e, in, fresh, drop.None
}

// decide calls the strategy for an in-record where P-2a wants it: for a new entry; for a retry, at most every Retry; for
// a new asker of a pending entry if no other face is working on it. Otherwise the Interest is merged.
func (w *Worker) decide(e *table.Entry, in *table.In, fresh bool, ttl uint8) {
	switch {
	case ttl == 0:
		return
	case len(e.Outs) == 0 && len(e.Ins) == 1:
		w.consult(e, in, InterestIn, 0, 0)
	case fresh && e.Live(w.now.Mono, in.Face):
		w.stats.Merged++
	case fresh || w.now.Mono-in.Tried >= w.lim.Retry:
		w.consult(e, in, RetryIn, 0, 0)
	default:
		w.stats.Merged++
	}
}

func (w *Worker) askMany(e *table.Entry, in *table.In, ev *Event, c Command) {
	left := len(ev.Hops)
	if c.Op == SendFirst {
		left = int(c.N)
	}
	for _, h := range ev.Hops {
		if left > 0 && h.State&HopInFace == 0 && w.ask(e, in, ev, h.Face) {
			left--
		}
	}
}

// ask sends the Interest of an in-record to a face, unless the same key left there less than 4 s ago (P-2a): then that face counts as
// asked, or, if that was for an entry that has ended since, as returned. For a sleeper it is held (P-8).
func (w *Worker) ask(e *table.Entry, in *table.In, ev *Event, to FaceID) bool {
	f := w.usable(to)
	if f == nil || to == in.Face || !ev.has(to) {
		return false
	}
	if w.hold(e, in, f) {
		return true
	}
	return w.transmit(e, in, f)
}

func (ev *Event) has(id FaceID) bool {
	for i := range ev.Hops {
		if ev.Hops[i].Face == id {
			return true
		}
	}
	return false
}

func (w *Worker) transmit(e *table.Entry, in *table.In, f *Face) bool {
	in.Sent, w.lastOut = true, f.id
	if in.Timed() && !w.seen.MarkSent(w.now.Mono, table.SeenKey{Name: e.Key.Name, Seq: e.Key.Seq, Asked: in.Asked.Bits()}, f.id) {
		w.stats.Suppressed++
		if e.Out(f.id) == nil { // for an entry that has ended since: what the face had to say, it has said
			w.record(e, in, f)
			e.Out(f.id).Returned = wire.ReturnNoRoute
			w.stale = true
		}
		return true
	}
	if !w.send(f, w.relayInterest(e, in, f)) {
		return false
	}
	w.stats.Forwarded++
	w.record(e, in, f)
	w.watch(e, in, f)
	if Wants(e.Needs)&WantMeasures != 0 {
		w.measureAsk(e, f.id)
	}
	return true
}

// watch lets the silence of a producer that is up be an answer: at half the expiry of the Interest its first hop says that the number is gone (P-6),
// as it sends a stored newest then (P-15). A number that is yet to come is waited for, and a device that sleeps (P-8).
func (w *Worker) watch(e *table.Entry, in *table.In, f *Face) {
	if e.Key.Seq == wire.SeqNewest || e.Fallback != 0 || w.producer(e.Key.Name) != f.id {
		return
	}
	if f.cfg.Proxy && w.sleeps(e.Key.Name, f) {
		return
	}
	if known, _ := w.store.Known(e.Key.Name); known.Published && !wire.Newer(e.Key.Seq, known.Newest) {
		e.Fallback = w.now.Mono + (in.Deadline-w.now.Mono)/2
	}
}

// silence is what the producer has said by half the expiry: nothing. Other next hops are asked before that is the last word.
func (w *Worker) silence(e *table.Entry) {
	e.Fallback = 0
	o := e.Out(w.producer(e.Key.Name))
	if o == nil || o.Held || o.Returned != 0 {
		return
	}
	o.Node = w.n.cfg.ID
	w.takeReturn(e, o, wire.ReturnNotHere)
}

// record notes that a face was asked with the bytes of an in-record. They replace what the face knew: whoever waits longer
// than they stand is asked for again when they have run out (schedule), so that a short retry starves nobody.
func (w *Worker) record(e *table.Entry, in *table.In, f *Face) {
	o := e.Upsert(f.id)
	again := o.Sent != 0
	*o = table.Out{}
	o.Face, o.Sent, o.Deadline, o.Asked, o.Again = f.id, w.now.Mono, in.Deadline, in.Asked, again
	for i := range e.Ins {
		if e.Ins[i].Deadline > in.Deadline {
			e.Ins[i].Sent = false
		}
	}
	w.noteAsked(f)
}

func (w *Worker) noteAsked(f *Face) {
	s := slotOf(f.id)
	for len(w.asked) <= s {
		w.asked = append(w.asked, 0)
	}
	w.asked[s] = f.id
}

// wasAsked tells whether anything was ever sent to a face to be answered: most faces only ask.
func (w *Worker) wasAsked(f *Face) bool {
	s := slotOf(f.id)
	return s < len(w.asked) && w.asked[s] == f.id
}

// relayInterest makes the frame that leaves: the bytes as they came with TTL-1 and ProxyMe cleared (P-21, P-8). What came under the
// public key goes on under the network's (P-9): no other node would take the answer for it.
func (w *Worker) relayInterest(e *table.Entry, in *table.In, f *Face) []byte {
	var h wire.Header // and then field by field: a literal would be built elsewhere and copied
	h.Name, h.Seq, h.Type = e.Key.Name.Name(), e.Key.Seq, wire.Interest
	h.TTL, h.NetID = in.FHDR&wire.MaxTTL-1, w.netIDOut(f, e.Key.Name)
	var payload []byte
	if in.HasAsked {
		payload = in.Asked[:]
	}
	if in.Face == Self || in.Public {
		return w.build(f, e.Key.Name, h, payload)
	}
	raw := h.AppendAgain(w.out.take(wire.MinFrame+wire.NetIDSize+wire.InterestPayload), payload, in.FHDR, in.FCTRL, &in.MAC)
	return w.out.keep(raw)
}

// conclude ends an entry on which nobody works any more: with the stored newest if there is one (P-15), otherwise with a
// Return to each asker (P-6). final, if set, is the strategy's word.
func (w *Worker) conclude(e *table.Entry, final wire.ReturnReason) {
	if final == 0 && (e.Waiting || e.Alarm != 0 || e.Live(w.now.Mono, Self)) {
		return
	}
	if e.Wild != nil {
		w.concludeWild(e)
		return
	}
	if e.Fallback != 0 && e.Key.Seq == wire.SeqNewest {
		w.fallBack(e)
		return
	}
	node := w.n.cfg.ID
	if final == 0 {
		final, node = w.verdict(e)
	}
	if len(e.Outs) == 0 {
		w.countUnsent(e, final)
	}
	w.giveUp(e, final, node)
}

// countUnsent counts the Interests of an entry that went nowhere at all.
func (w *Worker) countUnsent(e *table.Entry, why wire.ReturnReason) {
	reason := drop.NoRoute
	if why == wire.ReturnNotHere {
		reason = drop.NotHere
	}
	for i := range e.Ins {
		if f := w.face(e.Ins[i].Face); f != nil {
			f.drop(reason)
		}
	}
}

// verdict chooses among the reasons of the faces that returned: what is final first, then what may pass (P-6). node is where
// it was said first: with reason 6, where the TTL ended, which is what a trace asks (P-18). What a first hop does not have, and no
// other node either, is gone.
func (w *Worker) verdict(e *table.Entry) (why wire.ReturnReason, node uint32) {
	if o := returnedAs(e, wire.ReturnNotHere); o != nil {
		return o.Returned, cmp.Or(o.Node, w.n.cfg.ID)
	}
	if e.Key.Seq != wire.SeqNewest && e.Wild == nil && returnedAs(e, wire.ReturnCongestion) == nil && w.firstHop(e.Key.Name) {
		return wire.ReturnNotHere, w.n.cfg.ID
	}
	for _, reason := range [...]wire.ReturnReason{
		wire.ReturnCongestion, wire.ReturnTTL, wire.ReturnExpired, wire.ReturnRefused, wire.ReturnNoRoute,
	} {
		if o := returnedAs(e, reason); o != nil {
			return reason, cmp.Or(o.Node, w.n.cfg.ID)
		}
	}
	return wire.ReturnNoRoute, w.n.cfg.ID
}

// returnedAs finds a face that has returned the Interest for a reason, or nil.
func returnedAs(e *table.Entry, why wire.ReturnReason) *table.Out {
	for i := range e.Outs {
		if o := &e.Outs[i]; o.Returned == why {
			return o
		}
	}
	return nil
}

// giveUp returns the Interest to each asker with that asker's bytes and removes the entry (P-6).
func (w *Worker) giveUp(e *table.Entry, why wire.ReturnReason, node uint32) {
	for i := range e.Ins {
		w.returnTo(e, &e.Ins[i], why, node)
	}
	w.removeEntry(e)
}

func (w *Worker) returnTo(e *table.Entry, in *table.In, why wire.ReturnReason, node uint32) {
	if f := w.face(in.Face); f != nil && w.owns(e.Key.Name) {
		w.sendReturn(f, e.Key.Name, e.Key.Seq, wire.Returned{Reason: why, Asked: in.Asked, Node: node})
	}
}

func (w *Worker) removeEntry(e *table.Entry) {
	if e.Timer != 0 {
		w.wheel.Cancel(e.Timer)
	}
	if Wants(e.Needs)&WantMeasures != 0 {
		w.measureEnd(e)
	}
	w.noteOverdue(e)
	w.pit.Remove(e)
}

// noteOverdue remembers, when an entry ends, the faces that have not answered for its number: what they still send is that number's content, perhaps
// an old one, and shows neither where the numbers are (P-1) nor the newest (P-15).
func (w *Worker) noteOverdue(e *table.Entry) {
	if e.Key.Seq == wire.SeqNewest {
		return
	}
	for i := range e.Outs {
		if o := &e.Outs[i]; !o.Answered && o.Returned == 0 && !o.Held {
			w.overdue.Put(w.now.Mono, e.Key, o.Face, o.Sent)
		}
	}
}

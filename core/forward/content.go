package forward

import (
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
	"github.com/zmesh/zmesh/core/table"
	"github.com/zmesh/zmesh/core/wire"
)

// content is the way of a Content: admitted (P-17)? → store → everyone who waits.
func (w *Worker) content(r *received) drop.Reason {
	var a claims
	w.claim(r, &a)
	if why := w.admit(r, &a); why != drop.None {
		if w.measureLate(r) { // it was asked for, and another face was faster
			return drop.Duplicate
		}
		return why
	}
	w.told = false
	p := &w.put // all of its fields, one by one: a literal would be built elsewhere and copied
	p.Key, p.Seq, p.Body, p.Share, p.Now, p.Wall, p.Face = r.key, r.Seq, r.Body, r.face.cfg.Share, w.now.Mono, w.now.Wall, uint32(r.face.id)
	p.Producer, p.Upstream, p.Covered, p.ByNumber = a.producer, w.fromUpstream(r, &a), a.covered, a.byNumber && !a.producer
	p.NeverCache = w.naming(r.key).NeverCached(r.Name)
	p.Mirrored = !a.producer && r.key.Net() == 0 && w.n.cfg.Mirror.Covers(r.Name)
	out := w.store.Put(p)
	switch out.Verdict {
	case store.Conflict:
		return drop.Conflict
	case store.Suspect:
		w.passNewest(r, &a)
		return drop.Suspect
	}
	if out.Epoch {
		w.settle() // what is released may be what they ask for
		w.epoch(r, out)
		a.find(w, r) // what was released has satisfied some who waited
	}
	w.synced(r, &a)
	if a.producer {
		w.sleeperHeard(r, out.Verdict == store.Stored || out.Verdict == store.NotKept)
	}
	verdict, newest := out.Verdict, true
	if !out.Newest && !out.Epoch {
		newest, a.doubtful = w.standing(r)
	}
	served := w.serve(r, &a, newest)
	if verdict == store.Duplicate && served == 0 {
		w.measureLate(r)
		return drop.Duplicate
	}
	if r.face.cfg.Broadcast && !w.told && r.TTL > 0 {
		w.tellContent(r, nil)
	}
	return drop.None
}

// fromUpstream tells whether a content shows where the numbers of its name are at the producer, though it did not come from there: it was pushed
// by our subscription, or is the newest of the best next hop. What was asked for by its number may be an old one, and says nothing (P-1).
func (w *Worker) fromUpstream(r *received, a *claims) bool {
	if a.producer || a.numbered {
		return false
	}
	return a.covered || a.newest.Asks(r.face.id) && w.bestHop(r.key) == r.face.id
}

// bestHop is the cheapest next hop of a name that is up; 0 if there is none.
func (w *Worker) bestHop(k name.Key) FaceID {
	for _, h := range w.fib.Lookup(k) {
		if w.usable(h.Face) != nil {
			return h.Face
		}
	}
	return 0
}

// passNewest gives those who ask for the newest what the way to the producer says it is, although the store keeps it aside: the producer may have
// begun again, and who asks seldom would never see three consecutive numbers (P-1).
func (w *Worker) passNewest(r *received, a *claims) {
	if !w.put.Upstream || r.TTL == 0 || !a.newest.Asks(r.face.id) {
		return
	}
	w.serial++
	c := copies{w: w, key: r.key, body: r.Body, ttl: r.TTL - 1, reserved: r.Raw[0] & wire.ReservedFHDR}
	w.satisfy(a.newest, r, &c)
}

// standing tells of a content that did not become the newest now whether it is not older than the newest known, which is what a
// pending newest takes (P-15); and whether it is a far jump that is not believed yet (P-17).
func (w *Worker) standing(r *received) (newest, doubtful bool) {
	known, ok := w.store.Known(r.key)
	if !ok || known.Newest == r.Seq {
		return true, false
	}
	return false, wire.Newer(r.Seq, known.Newest)
}

// opened serves a content that was kept aside until the disk was asked whether it is an old one (P-1).
func (w *Worker) opened(res *store.Result) {
	f := w.face(FaceID(res.Face))
	if f == nil {
		return
	}
	r := received{key: res.Key, face: f, signal: SignalUnknown}
	r.Raw, r.Body, r.Name, r.Seq, r.TTL = []byte{0}, res.Body, res.Key.Name(), res.Seq, wire.MaxTTL
	if res.Epoch {
		w.epoch(&r, &store.Outcome{})
	}
	var a claims
	w.claim(&r, &a)
	w.serve(&r, &a, true)
}

// claims is who asked for a Content.
type claims struct {
	exact, newest *table.Entry
	sub           *table.Sub
	solicited     bool // its face was asked (P-17)
	doubtful      bool // a far jump: it must not end the numbers of subscribers (P-17)
	byNumber      bool // … for its number alone: it need not be the newest (P-15)
	numbered      bool // … for its number, by an Interest that is pending or ran out a moment ago: it may be an old one
	covered       bool // … by a live subscription of ours (P-15 b)
	pushed        bool // … by that alone: no Interest asked for it
	producer      bool // it came from the name's producer face
}

// find looks up who waits. The entries are good until one of them is satisfied.
func (a *claims) find(w *Worker, r *received) {
	a.exact = w.pit.Find(table.PITKey{Name: r.key, Seq: r.Seq})
	a.newest = w.pit.Find(table.PITKey{Name: r.key})
	a.sub = w.subs.Find(r.key)
}

// claim fills in the claims to a Content: in place, since to copy them would wait for what was just written.
func (w *Worker) claim(r *received, a *claims) {
	a.find(w, r)
	a.solicited = a.exact.Asks(r.face.id) || a.newest.Asks(r.face.id)
	a.covered = w.through(a.sub, r.face.id)
	newest := a.newest.Asks(r.face.id)
	w.eachWildEntry(r.key, r.Seq, func(e *table.Entry) {
		a.solicited = a.solicited || e.Asks(r.face.id)
		newest = newest || e.Key.Seq == wire.SeqNewest && e.Asks(r.face.id)
	})
	a.byNumber = a.solicited && !newest
	w.eachWildSub(r.key, func(s *table.Sub) { a.covered = w.through(s, r.face.id) || a.covered })
	a.pushed = a.covered && !a.solicited
	a.solicited = a.solicited || a.covered
	a.numbered = a.exact.Asks(r.face.id) || a.covered && w.overdue.Has(w.now.Mono, table.PITKey{Name: r.key, Seq: r.Seq}, r.face.id)
}

// through tells whether content came by our subscription at a face.
func (w *Worker) through(s *table.Sub, face FaceID) bool {
	if s == nil {
		return false
	}
	up := s.Up(face)
	return up != nil && up.Deadline > w.now.Mono
}

// synced notes that a subscription of ours has shown the newest (P-15 b), and that it stands where it pushes. What a face was asked for by
// its number may be an old one.
func (w *Worker) synced(r *received, a *claims) {
	if !a.covered || a.numbered {
		return
	}
	note := func(s *table.Sub) {
		if w.through(s, r.face.id) {
			up := s.Up(r.face.id)
			up.Synced, up.Once = true, up.Once && !a.pushed
		}
	}
	note(a.sub)
	w.eachWildSub(r.key, note)
}

// admit is P-17: what nobody asked for comes in only from a face that may publish the name and is, or becomes, its producer
// face.
func (w *Worker) admit(r *received, a *claims) drop.Reason {
	if !r.face.cfg.Publish.Covers(r.Name) {
		return unless(a.solicited, drop.Unsolicited)
	}
	w.known.set = false
	switch w.producers.Claim(w.now.Mono, r.key, r.face.id) {
	case table.ClaimOther:
		if !a.solicited && w.alarm.spend(w.now.Mono) == 1 {
			w.n.cfg.Happened(Happening{What: SecondProducer, Face: r.face.id, Name: r.Name})
		}
		return unless(a.solicited, drop.SecondProducer)
	case table.ClaimFull:
		return unless(a.solicited, drop.Quota)
	}
	a.producer = true
	return drop.None
}

func unless(ok bool, why drop.Reason) drop.Reason {
	if ok {
		return drop.None
	}
	return why
}

// epoch starts the numbers of a name anew for its subscribers and sends what was kept aside (P-1).
func (w *Worker) epoch(r *received, out *store.Outcome) {
	w.n.cfg.Happened(Happening{What: EpochOpened, Face: r.face.id, Name: r.Name})
	if s := w.subs.Find(r.key); s != nil {
		for i := range s.Askers {
			s.Askers[i].Window = table.Window{}
		}
	}
	w.eachWildSub(r.key, func(s *table.Sub) {
		for i := range s.Askers {
			if win := w.deliveries.Find(r.key, s.Askers[i].Face); win != nil {
				*win = table.Window{}
			}
		}
	})
	for i := range out.Released {
		earlier := *r
		earlier.Seq, earlier.Body = out.Released[i].Seq, out.Released[i].Body
		var a claims
		w.claim(&earlier, &a)
		a.newest = nil // what released it is newer
		w.serve(&earlier, &a, true)
	}
}

// serve sends a Content to everyone who waits for it and tells to how many. Exact and newest in-records take any
// matching Content, whether it was seen before or not (P-2b); a newest none that is older than the newest known (P-15). With TTL 0 it has
// arrived: it is stored and nobody else's (P-23).
func (w *Worker) serve(r *received, a *claims, newest bool) (served int) {
	reply := w.isReply(r, a)
	if r.TTL == 0 {
		return 0
	}
	w.serial++
	var c copies
	c.w, c.key, c.body, c.ttl, c.reserved = w, r.key, r.Body, r.TTL-1, r.Raw[0]&wire.ReservedFHDR
	if a.exact != nil {
		served += w.satisfy(a.exact, r, &c)
	}
	switch {
	case a.newest == nil || !newest:
	case reply: // with TTL 7 the next forwarder too knows it for what was there before (P-21)
		stored := copies{w: w, key: r.key, body: r.Body, ttl: wire.MaxTTL}
		served += w.satisfy(a.newest, r, &stored)
	default:
		served += w.satisfy(a.newest, r, &c)
	}
	w.eachWildEntry(r.key, r.Seq, func(e *table.Entry) { served += w.satisfyWild(e, r, &c, newest) })
	if a.doubtful {
		return served
	}
	return served + w.push(r, a.sub, &c, newest, reply)
}

// isReply tells whether a Content is the answer of a forwarder's store to the newest that opened our subscription: what was
// published before anyone here subscribed. A store's answers have TTL 7 (P-21) and what a forwarder passes on has less; but a producer's own
// frames may have 7 too, so this is believed only of a peer that is known as a forwarder (P-18). At a renewal it is no such answer: then it
// shows a tail that was lost (P-16).
func (w *Worker) isReply(r *received, a *claims) bool {
	if r.TTL != wire.MaxTTL || !r.face.forwarder.Load() {
		return false
	}
	yes := w.opens(a.newest, a.sub, r.face.id)
	w.eachWildEntry(r.key, wire.SeqNewest, func(e *table.Entry) {
		yes = yes || w.opens(e, w.subs.Find(e.Key.Name), r.face.id)
	})
	return yes
}

// opens tells whether an entry is the newest that opened our subscription at a face, a moment ago.
func (w *Worker) opens(e *table.Entry, s *table.Sub, face FaceID) bool {
	if s == nil || !e.Asks(face) || e.In(Self) == nil {
		return false
	}
	up := s.Up(face)
	return up != nil && w.now.Mono-up.Opened <= pollExpiry*time.Second
}

// satisfy sends a Content to the askers of an entry and removes it.
func (w *Worker) satisfy(e *table.Entry, r *received, c *copies) (served int) {
	for i := range e.Ins {
		in := &e.Ins[i]
		if in.Face == Self {
			served++
			continue
		}
		if f := w.usable(in.Face); f != nil && f != r.face && in.Deadline > w.now.Mono {
			if in.Public || !w.marked(f.id) {
				w.send(f, c.of(f, in.Public))
			}
			if !in.Public {
				w.mark(f.id)
			}
			served++
		}
	}
	w.stats.Satisfied++
	if o := e.Out(r.face.id); o != nil {
		o.Answered = true
	}
	if e.Needs != 0 {
		w.answered(e, r)
	}
	w.removeEntry(e)
	return served
}

// push sends a Content to the subscribers of its name, each number once (P-16). It never goes back to where it came from.
func (w *Worker) push(r *received, s *table.Sub, c *copies, newest, reply bool) (served int) {
	if s != nil {
		for i := range s.Askers {
			a := &s.Askers[i]
			if w.pushTo(a.Face, a.Deadline, &a.Window, r, c, newest, reply) {
				served++
			}
		}
	}
	w.eachWildSub(r.key, func(s *table.Sub) {
		for i := range s.Askers {
			a := &s.Askers[i]
			win, _ := w.deliveries.Window(r.key, a.Face)
			if w.pushTo(a.Face, a.Deadline, win, r, c, newest, reply) {
				served++
			}
		}
	})
	return served
}

func (w *Worker) pushTo(to FaceID, deadline time.Duration, win *table.Window, r *received, c *copies, newest, reply bool) bool {
	f := w.usable(to)
	if f == nil || deadline <= w.now.Mono {
		return false
	}
	if !win.Set && reply { // published before anyone here asked
		win.Base(r.Seq)
		return false
	}
	if !win.Set && !newest || !win.Once(r.Seq) || f == r.face || w.marked(to) {
		return false
	}
	w.mark(to)
	w.stats.Pushed++
	return w.send(f, c.of(f, false))
}

// mark and marked keep one Content from going twice to a face that waits for it in several ways.
func (w *Worker) mark(id FaceID) {
	s := slotOf(id)
	for len(w.marks) <= s {
		w.marks = append(w.marks, 0)
	}
	w.marks[s] = w.serial
}

func (w *Worker) marked(id FaceID) bool {
	s := slotOf(id)
	return s < len(w.marks) && w.marks[s] == w.serial
}

// answer sends a stored body to one face: TTL 7, ProxyMe 0 (P-21).
func (w *Worker) answer(f *Face, k name.Key, body []byte, public bool) {
	c := copies{w: w, key: k, body: body, ttl: wire.MaxTTL}
	w.send(f, c.of(f, public))
}

// copies are the forms in which one Content leaves: built once each, however many faces they go to.
type copies struct {
	w        *Worker
	key      name.Key
	body     []byte
	ttl      uint8
	reserved byte // FHDR bit 3 as it came (P-23)

	plain, tagged, public []byte
}

// of gives the form for a face: with a Net ID or without (P-19), or under the public key (P-9). ProxyMe is always cleared (P-8).
func (c *copies) of(f *Face, public bool) []byte {
	netID := c.w.netIDOut(f, c.key)
	form := &c.plain
	switch {
	case public:
		form = &c.public
	case netID > 1:
		form = &c.tagged
	}
	if *form == nil {
		h := wire.Header{NetID: netID, TTL: c.ttl}
		raw := h.AppendFHDR(c.w.out.take(len(c.body) + 1 + wire.NetIDSize))
		raw[0] |= c.reserved
		*form = c.w.out.keep(append(raw, c.body...))
		if public {
			c.w.v.SignPublic(*form)
		}
	}
	return *form
}

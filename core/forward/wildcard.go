package forward

import (
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
	"github.com/zmesh/zmesh/core/table"
	"github.com/zmesh/zmesh/core/wire"
)

// wildcard is an Interest for a pattern (P-5). Every worker sees it and answers for the names it owns; each computes the
// same next hops, so that each knows who was asked, but only the owner of the pattern's hash sends it on. The strategy is not asked: a pattern goes to the
// cheapest next hop of every prefix that may hold names it matches.
//
// Nothing consumes the entry: it stands until it expires, and each name goes to each asker once. A Return for it says that no
// other node will answer; what this node's store had is sent besides.
func (w *Worker) wildcard(r *received, asked wire.Asked, has, replayed bool) drop.Reason {
	if replayed {
		return drop.Replayed
	}
	expiry := w.expiry(r.face, asked, has)
	w.askedAnew(r, asked)
	e, in, fresh, why := w.pend(r, asked, has, expiry)
	if why != drop.None {
		return why
	}
	if expiry > 0 && r.TTL > 0 && (fresh || w.now.Mono-in.Tried >= w.lim.Retry) {
		w.askWild(e, in)
	}
	alone := expiry == 0 || r.TTL == 0 || !e.Live(w.now.Mono, in.Face)
	w.pace(e, in.Face, alone)
	if r.Seq == wire.SeqNewest && !alone && e.Fallback == 0 { // P-15
		e.Fallback = w.now.Mono + expiry/2
	}
	w.schedule(e)
	return w.endWild(e, in, r, expiry)
}

// askedAnew lets a face that asks again, rather than repeats itself, have the names that follow and then every name again: one Interest is
// answered for a limited number of them (P-5), and who asks on gets them all.
func (w *Worker) askedAnew(r *received, asked wire.Asked) {
	e := w.pit.Find(table.PITKey{Name: r.key, Seq: r.Seq})
	if e == nil {
		return
	}
	if in := e.In(r.face.id); in != nil && in.Asked != asked {
		e.Wild.Anew(r.face.id)
	}
}

// endWild tells the asker when no other node will answer.
func (w *Worker) endWild(e *table.Entry, in *table.In, r *received, expiry time.Duration) drop.Reason {
	if !w.owns(e.Key.Name) || e.Live(w.now.Mono, in.Face) {
		return drop.None
	}
	in.Told = true
	switch {
	case expiry == 0:
		w.refuse(r, wire.ReturnExpired)
	case r.TTL == 0:
		w.refuse(r, wire.ReturnTTL)
	default:
		w.refuse(r, wire.ReturnNoRoute)
	}
	return drop.None
}

// wildGrace is how long a Return for a pattern may run ahead of the answers of the store that it came from: 64 of them, 8 at a time,
// take 80 ms, and other workers than the one that returns may send them.
const wildGrace = 200 * time.Millisecond

// concludeWild tells the askers of a pattern, once each, that no other node will answer, and soon sends what is stored even if it is
// not the newest (P-15). The entry stands until it expires: the store's answers are paced.
func (w *Worker) concludeWild(e *table.Entry) {
	if e.Fallback != 0 {
		e.Fallback = min(e.Fallback, w.now.Mono+wildGrace)
	}
	asked := false
	why, node := w.verdict(e)
	for i := range e.Ins {
		in := &e.Ins[i]
		if in.Face != Self && !in.Told {
			w.returnTo(e, in, why, node)
			in.Told = true
		}
		asked = asked || in.Face != Self
	}
	if !asked {
		w.removeEntry(e)
	}
}

// askWild records the faces that a pattern goes to and, in the owner, sends it.
func (w *Worker) askWild(e *table.Entry, in *table.In) {
	in.Tried = w.now.Mono
	w.wildHops(e.Key.Name, func(id FaceID) {
		f := w.usable(id)
		switch {
		case f == nil || id == in.Face:
		case w.owns(e.Key.Name):
			w.transmit(e, in, f)
		default:
			in.Sent = true
			if in.Timed() { // so that every worker knows a loop (P-2a)
				w.seen.MarkSent(w.now.Mono, table.SeenKey{Name: e.Key.Name, Seq: e.Key.Seq, Asked: in.Asked.Bits()}, id)
			}
			w.record(e, in, f)
		}
	})
}

// wildHops calls fn once with the cheapest usable next hop of each prefix that overlaps a pattern.
func (w *Worker) wildHops(k name.Key, fn func(FaceID)) {
	var chosen []FaceID
	w.fib.Overlapping(w.naming(k), k.Net(), k.Name(), func(_ name.Prefix, hops []table.Hop) {
		for _, h := range hops {
			if w.usable(h.Face) != nil {
				chosen = append(chosen, h.Face)
				return
			}
		}
	})
	for i, id := range chosen {
		if !contains(chosen[:i], id) {
			fn(id)
		}
	}
}

func contains(ids []FaceID, id FaceID) bool {
	for _, other := range ids {
		if other == id {
			return true
		}
	}
	return false
}

// eachWildEntry calls fn with the pending wildcard Interests that a content matches, newest or by its number.
func (w *Worker) eachWildEntry(k name.Key, seq uint32, fn func(*table.Entry)) {
	if w.pit.Wilds() == 0 {
		return
	}
	naming := w.naming(k)
	w.pit.Masks(func(mask uint8) {
		p, ok := naming.ApplyMask(k.Name(), mask)
		if !ok {
			return
		}
		key := table.PITKey{Name: name.MakeKey(k.Net(), p), Seq: seq}
		if e := w.pit.Find(key); e != nil {
			fn(e)
		}
		key.Seq = wire.SeqNewest
		if e := w.pit.Find(key); e != nil {
			fn(e)
		}
	})
}

// satisfyWild sends a content to the askers of a pattern, each name once.
func (w *Worker) satisfyWild(e *table.Entry, r *received, c *copies, newest bool) (served int) {
	if e.Key.Seq == wire.SeqNewest && !newest {
		return 0
	}
	for i := range e.Ins {
		in := &e.Ins[i]
		f := w.usable(in.Face)
		if f == nil || f == r.face || in.Deadline <= w.now.Mono || !e.Wild.Once(in.Face, r.key) {
			continue
		}
		if !w.marked(f.id) {
			w.send(f, c.of(f, in.Public))
			w.mark(f.id)
		}
		served++
	}
	return served
}

// pacer sends the store's answers to a pattern a few at a time (P-5). It reads the store as it goes, so it holds no frames.
type pacer struct {
	paceKey
	cursor name.Key
	last   name.Key // that was sent; 0: none
	stale  bool     // also what may not be the newest (P-15)
}

// paceKey is what a pacer answers: an Interest for a pattern from a face. There is one pacer for it, however often it is repeated.
type paceKey struct {
	key  table.PITKey
	face FaceID
}

// pace starts the store's answers for one asker, or lets them begin again.
func (w *Worker) pace(e *table.Entry, face FaceID, stale bool) {
	k, from := paceKey{e.Key, face}, e.Wild.Walks[face].From
	if id, under := w.pacing[k]; under {
		p := w.pacers.At(id)
		p.cursor, p.last, p.stale = from, 0, p.stale || stale
		return
	}
	id := w.pacers.Alloc()
	*w.pacers.At(id) = pacer{paceKey: k, cursor: from, stale: stale}
	w.pacing[k] = id
	w.paceDue(id)
}

// paceAll starts the store's answers for all askers, stale ones included: when nobody else answers, or at half the expiry (P-15).
func (w *Worker) paceAll(e *table.Entry) {
	for i := range e.Ins {
		if e.Ins[i].Face != Self {
			w.pace(e, e.Ins[i].Face, true)
		}
	}
}

// paceDue sends the next few answers.
func (w *Worker) paceDue(id int32) {
	p := w.pacers.At(id)
	if !w.paceOn(p) {
		delete(w.pacing, p.paceKey)
		w.pacers.Free(id)
		return
	}
	w.wheel.Add(w.now.Mono+w.lim.WildcardPace, timerPace, uint32(id))
}

// paceOn tells whether there is more to send.
func (w *Worker) paceOn(p *pacer) (more bool) {
	e, f := w.pit.Find(p.key), w.usable(p.face)
	if e == nil || f == nil {
		return false
	}
	in := e.In(p.face)
	if in == nil {
		return false
	}
	k := p.key.Name
	pattern := store.Pattern{Name: k, Wild: w.naming(k).Mask(k.Name())}
	limit, room := int32(w.lim.WildcardAnswers), true
	burst := max(w.lim.WildcardBurst/len(w.n.workers), 1)
	p.cursor, more = w.store.Match(pattern, p.cursor, burst, func(found name.Key) bool {
		switch room = in.Answers.Add(1) <= limit; {
		case room && w.answerWild(e, p, f, found):
			p.last = found
		default:
			in.Answers.Add(-1)
		}
		return room
	})
	switch {
	case !more:
		e.Wild.Reached(f.id, 0)
	case !room && p.last != 0:
		e.Wild.Reached(f.id, p.last)
	}
	return more && room
}

// answerWild sends one stored content of a matching name. One that is only on disk is left to whoever asks for the name
// itself: reading a day's names for one Interest is not what a pattern is for.
func (w *Worker) answerWild(e *table.Entry, p *pacer, f *Face, k name.Key) bool {
	body, ok := w.storedFor(p, k)
	if !ok || !e.Wild.Once(p.face, k) {
		return false
	}
	w.answer(f, k, body, false)
	w.stats.StoreHits++
	return true
}

func (w *Worker) storedFor(p *pacer, k name.Key) (body []byte, ok bool) {
	if p.key.Seq != wire.SeqNewest {
		body, _ := w.store.Exact(k, p.key.Seq)
		return body, body != nil
	}
	n, _ := w.store.Newest(k)
	if n.Body == nil {
		return nil, false
	}
	producer := w.producer(k)
	return n.Body, p.stale || w.current(k, &n, producer)
}

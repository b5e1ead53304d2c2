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
func (w *Worker) wildcard(r *received, asked wire.Asked, has, replayed bool, mask uint8) drop.Reason {
	if replayed {
		return drop.Replayed
	}
	expiry := w.expiry(r.face, asked, has)
	w.askedAnew(r, asked)
	e, in, fresh, why := w.pend(r, asked, has, expiry)
	if why != drop.None {
		return why
	}
	w.pace(r.key, r.Seq, in.Face, expiry == 0 || r.TTL == 0)
	if r.Seq == wire.SeqNewest && expiry > 0 && e.Fallback == 0 { // P-15
		e.Fallback = w.now.Mono + expiry/2
	}
	if expiry > 0 && r.TTL > 0 && (fresh || w.now.Mono-in.Tried >= w.lim.Retry) {
		w.askWild(e, in)
	}
	w.schedule(e)
	return w.endWild(e, in, r, expiry)
}

// askedAnew lets a face that asks again, rather than repeats itself, have every name again.
func (w *Worker) askedAnew(r *received, asked wire.Asked) {
	e := w.pit.Find(table.PITKey{Name: r.key, Seq: r.Seq})
	if e == nil {
		return
	}
	if in := e.In(r.face.id); in != nil && in.Asked != asked {
		e.Wild.Forget(r.face.id)
	}
}

// endWild tells the asker when no other node will answer.
func (w *Worker) endWild(e *table.Entry, in *table.In, r *received, expiry time.Duration) drop.Reason {
	if !w.owns(e.Key.Name) || e.Live(w.now.Mono, in.Face) {
		return drop.None
	}
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
		w.send(f, c.of(f, in.Public))
		served++
	}
	return served
}

// pacer sends the store's answers to a pattern a few at a time (P-5). It reads the store as it goes, so it holds no frames.
type pacer struct {
	key    table.PITKey
	face   FaceID
	cursor name.Key
	left   int  // answers that may still be sent
	stale  bool // also what may not be the newest (P-15)
}

// pace starts the store's answers for one asker.
func (w *Worker) pace(k name.Key, seq uint32, face FaceID, stale bool) {
	if face == Self {
		return
	}
	id := w.pacers.Alloc()
	*w.pacers.At(id) = pacer{key: table.PITKey{Name: k, Seq: seq}, face: face, left: w.lim.WildcardAnswers, stale: stale}
	w.paceDue(id)
}

// paceAll starts the store's answers for all askers, stale ones included: at half the expiry (P-15).
func (w *Worker) paceAll(e *table.Entry, stale bool) {
	for i := range e.Ins {
		w.pace(e.Key.Name, e.Key.Seq, e.Ins[i].Face, stale)
	}
}

// paceDue sends the next few answers.
func (w *Worker) paceDue(id int32) {
	p := w.pacers.At(id)
	e, f := w.pit.Find(p.key), w.usable(p.face)
	if e == nil || e.In(p.face) == nil || f == nil {
		w.pacers.Free(id)
		return
	}
	more, k := false, p.key.Name
	pattern := store.Pattern{Name: k, Wild: w.naming(k).Mask(k.Name())}
	p.cursor, more = w.store.Match(pattern, p.cursor, w.lim.WildcardBurst, func(found name.Key) bool {
		if w.answerWild(e, p, f, found) {
			p.left--
		}
		return p.left > 0
	})
	if !more || p.left == 0 {
		w.pacers.Free(id)
		return
	}
	w.wheel.Add(w.now.Mono+w.lim.WildcardPace, timerPace, uint32(id))
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
	producer, _ := w.producers.Face(w.now.Mono, k)
	return n.Body, p.stale || w.current(k, &n, producer)
}

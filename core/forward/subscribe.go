package forward

import (
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
	"github.com/zmesh/zmesh/core/table"
	"github.com/zmesh/zmesh/core/wire"
)

// subscribe makes or renews an in-record of a subscription (P-16). Every hop subscribes for itself, so nothing of the
// asker's frame goes on.
func (w *Worker) subscribe(r *received, asked wire.Asked, has, replayed bool) drop.Reason {
	f := r.face
	if replayed {
		return drop.Replayed
	}
	if f.cfg.OnDemand && (!has || asked.UnixMilli() == 0) { // P-11: a captured one could be sent again for ever
		w.refuse(r, wire.ReturnRefused)
		return drop.Clock
	}
	expiry := w.expiry(f, asked, has)
	if f.cfg.OnDemand {
		expiry = min(expiry, w.lim.SubscriptionExpiry) // P-11
	}
	if expiry == 0 {
		return drop.Expired // it would stand for no time at all (P-3)
	}
	reach := uint8(wire.MaxTTL)
	if s := w.subs.Find(r.key); s != nil && len(s.Ups) > 0 {
		_, reach = s.Longest()
	}
	s, a, fresh := w.subs.Ask(r.key, r.mask, f.id)
	if a == nil {
		w.refuse(r, wire.ReturnRefused) // P-6: a subscription gets no other Return
		if r.mask != 0 && w.subs.Find(r.key) == nil {
			return drop.Wildcard
		}
		return drop.Quota
	}
	a.Deadline, a.TTL = w.now.Mono+expiry, r.TTL
	if fresh {
		if !r.echo {
			f.subs.Add(1)
		}
		w.base(s, a)
	}
	if fresh || r.TTL > reach { // one that goes further than ours does is sent at once
		w.revise(s, r.TTL > reach)
	} else if !fresh {
		w.askAgain(s)
	}
	w.scheduleSub(s)
	return drop.None
}

// askAgain sends each of our own once more, when somebody who subscribes through it asks again soon: nothing confirms a subscription, so whoever
// wants to be sure sends it twice, and ours, one hop further, may have been lost as well as theirs. It would be back at its renewal only. One that has pushed something stands.
func (w *Worker) askAgain(s *table.Sub) {
	_, ttl := s.Longest()
	for i := range s.Ups {
		u := &s.Ups[i]
		left := u.Deadline - w.now.Mono
		since := w.now.Mono - u.Sent
		if u.Once && since >= w.lim.Retry && since <= pollExpiry*time.Second && left > 0 && ttl > 0 && !u.Refused {
			u.Once = false
			w.openUp(s, u.Face, left, ttl-1)
		}
	}
}

// base sets where a new subscriber starts: after what is known to be the newest, as far as this node knows it for sure.
func (w *Worker) base(s *table.Sub, a *table.Asker) {
	if s.Mask != 0 {
		return
	}
	n, st := w.store.Newest(s.Key)
	producer := w.producer(s.Key)
	if st != store.Miss && (producer != 0 && n.Producer && FaceID(n.Face) == producer || w.covered(s.Key)) {
		a.Window.Base(n.Seq)
	}
}

// covered tells whether a live subscription of ours covers a name, and has shown what the newest is (P-15 b).
func (w *Worker) covered(k name.Key) (yes bool) {
	live := func(s *table.Sub) {
		for i := range s.Ups {
			u := &s.Ups[i]
			yes = yes || u.Synced && u.Deadline > w.now.Mono && w.usable(u.Face) != nil
		}
	}
	if s := w.subs.Find(k); s != nil {
		live(s)
	}
	if !yes {
		w.eachWildSub(k, live)
	}
	return yes
}

// eachWildSub calls fn with every wildcard subscription that matches a name (P-5).
func (w *Worker) eachWildSub(k name.Key, fn func(*table.Sub)) {
	if w.subs.Wilds() == 0 {
		return
	}
	naming := w.naming(k)
	w.subs.Masks(func(mask uint8) {
		if p, ok := naming.ApplyMask(k.Name(), mask); ok {
			if s := w.subs.Find(name.MakeKey(k.Net(), p)); s != nil {
				fn(s)
			}
		}
	})
}

// owns tells whether this worker sends for a name. Wildcards are in every worker; the owner alone sends (P-5).
func (w *Worker) owns(k name.Key) bool { return w.n.owner(k) == w.id }

// revise brings our own subscription where it belongs: to the faces that the strategy names, each at most once until it is
// renewed. anew sends it even where it stands: a renewal, or a peer that has restarted (P-16, P-18).
func (w *Worker) revise(s *table.Sub, anew bool) {
	longest, ttl := s.Longest()
	for i := len(s.Ups) - 1; i >= 0; i-- {
		if s.Ups[i].Deadline <= w.now.Mono || w.usable(s.Ups[i].Face) == nil {
			s.Ups = append(s.Ups[:i], s.Ups[i+1:]...)
		}
	}
	if anew {
		for i := range s.Ups {
			s.Ups[i].Refused = false
		}
	}
	left := min(longest-w.now.Mono, w.lim.SubscriptionExpiry)
	if ttl == 0 || left <= 0 {
		s.Renew = 0
		return
	}
	for _, id := range w.upstreams(s) {
		u := s.Up(id)
		if (u == nil || anew && renews(u, w.now.Mono+left, left)) && s.Needs(id, w.now.Mono) {
			w.openUp(s, id, left, ttl-1)
		}
	}
	// Looking at it again must not put the renewal off: routes may change oftener than half an expiry lasts.
	if next := w.now.Mono + max(left/2, renewPause); anew || s.Renew <= w.now.Mono || next < s.Renew {
		s.Renew = next
	}
}

// Renewals come at half of what is left (P-16), so without these they would come ever faster towards the end of the last asker.
const (
	renewPause = 100 * time.Millisecond // between two looks
	renewTail  = 10 * time.Second       // what already stands to the end is repeated only if that much is left
)

// renews tells whether sending ours again is of use: it stands longer then, or may have been lost.
func renews(u *table.Upstream, until, left time.Duration) bool {
	return until > u.Deadline || left >= renewTail
}

// upstreams asks the strategy where a name is subscribed to. A producer that publishes here needs no asking.
func (w *Worker) upstreams(s *table.Sub) []FaceID {
	var found []FaceID
	if s.Mask != 0 {
		w.wildHops(s.Key, func(id FaceID) {
			found = append(found, id)
		})
		return found
	}
	if producer := w.producer(s.Key); producer != 0 && w.usable(producer) != nil {
		return nil
	}
	ev := &w.ev
	*ev = Event{
		Kind: Renew, Now: w.now.Mono, Name: s.Key.Name(), Seq: wire.SeqSubscribe, InFace: soleAsker(s), Type: wire.Interest,
		Length: wire.MinFrame + wire.InterestPayload, Signal: SignalUnknown, Random: w.random(),
	}
	ev.InKind = w.kindOf(ev.InFace)
	ev.Expiry, ev.TTL = s.Longest()
	ev.Expiry = max(ev.Expiry-w.now.Mono, 0)
	w.hopsOf(s.Key, ev)
	for i := range ev.Hops {
		if u := s.Up(ev.Hops[i].Face); u != nil && u.Refused {
			ev.Hops[i].State |= HopTried | HopReturned
		}
	}
	w.provide(ev, s.Key, nil, w.strategy.Needs(ev.Name), nil)
	w.cmds = w.consulted(ev)
	w.revoke(s.Key)
	for _, c := range w.cmds[:min(len(w.cmds), MaxCommands)] {
		if c.Op > DropRequest {
			w.stats.Ignored++
		}
		found = appendChosen(found, ev, c)
	}
	return found
}

// soleAsker is the face of the only asker, which is not asked in turn; Self if there are several.
func soleAsker(s *table.Sub) FaceID {
	if len(s.Askers) == 1 {
		return s.Askers[0].Face
	}
	return Self
}

func appendChosen(found []FaceID, ev *Event, c Command) []FaceID {
	left := len(ev.Hops)
	switch c.Op {
	case SendTo:
		if ev.has(c.Face) {
			found = append(found, c.Face)
		}
		return found
	case SendFirst:
		left = int(c.N)
	case SendAll:
	default:
		return found
	}
	for _, h := range ev.Hops {
		if left > 0 && h.State&HopInFace == 0 {
			found = append(found, h.Face)
			left--
		}
	}
	return found
}

// openUp sends our subscription to a face, and asks the newest, which shows a lost tail (P-16).
func (w *Worker) openUp(s *table.Sub, id FaceID, left time.Duration, ttl uint8) {
	f := w.usable(id)
	if f == nil {
		return
	}
	u := s.Up(id)
	if u == nil {
		s.Ups = append(s.Ups, table.Upstream{Face: id, Opened: w.now.Mono, Once: true})
		u = &s.Ups[len(s.Ups)-1]
	}
	seconds := (left + time.Second - 1) / time.Second
	u.Sent, u.Deadline = w.now.Mono, w.now.Mono+left
	u.Asked = wire.MakeAsked(w.now.Wall, uint16(min(seconds, 0xFFFF)))
	w.noteAsked(f)
	if w.owns(s.Key) {
		h := wire.Header{Seq: wire.SeqSubscribe, Type: wire.Interest, TTL: ttl}
		w.send(f, w.build(f, s.Key, h, u.Asked[:]))
	}
	w.poll(s, f, ttl)
}

// pollExpiry is how long our own newest stands, in seconds.
const pollExpiry = 4

// poll asks a face for the newest of a subscribed name, as an in-record of the node itself.
func (w *Worker) poll(s *table.Sub, f *Face, ttl uint8) {
	key := table.PITKey{Name: s.Key}
	e := w.pit.Find(key)
	if e == nil {
		if e = w.pit.Insert(key, s.Mask); e == nil {
			return
		}
	}
	in := e.In(Self)
	if in == nil {
		if in = w.pit.AddIn(e, Self); in == nil {
			if len(e.Ins) == 0 {
				w.removeEntry(e)
			}
			return
		}
	}
	asked := wire.MakeAsked(w.now.Wall, pollExpiry)
	*in = table.In{
		Face: Self, Arrived: w.now.Mono, Deadline: w.now.Mono + pollExpiry*time.Second, Asked: asked, HasAsked: true,
		FHDR: (ttl + 1) & wire.MaxTTL, Sent: true,
	}
	fresh := w.seen.MarkSent(w.now.Mono, table.SeenKey{Name: s.Key, Asked: asked.Bits()}, f.id) // it may come back by a circle (P-2a)
	if fresh && w.owns(s.Key) {
		h := wire.Header{Type: wire.Interest, TTL: ttl}
		w.send(f, w.build(f, s.Key, h, asked[:]))
	}
	w.record(e, in, f)
	e.Needs = uint16(w.strategy.Needs(s.Key.Name()).Wants)
	if fresh && Wants(e.Needs)&WantMeasures != 0 {
		w.measureAsk(e, f.id)
	}
	w.schedule(e)
}

// pollReturned is what a Return of our own newest says about a subscription: with reason 2 there is nothing yet, so what is
// stored is up to date; otherwise the way there is broken, and the strategy may know another.
func (w *Worker) pollReturned(e *table.Entry, face FaceID, why wire.ReturnReason) {
	if e.Key.Seq != wire.SeqNewest || e.In(Self) == nil {
		return
	}
	s := w.subs.Find(e.Key.Name)
	if s == nil {
		return
	}
	u := s.Up(face)
	switch {
	case u == nil:
	case why == wire.ReturnNotHere:
		u.Synced = true
	case why == wire.ReturnNoRoute && !u.Refused:
		u.Refused = true
		w.revise(s, false)
	}
}

// subRefused is Return 4 for our own subscription, the only one there is (P-6).
func (w *Worker) subRefused(r *received, ret *wire.Returned) drop.Reason {
	s := w.subs.Find(r.key)
	if s == nil || ret.Reason != wire.ReturnRefused {
		return drop.UnsolicitedReturn
	}
	u := s.Up(r.face.id)
	if u == nil || u.Asked != ret.Asked || u.Refused {
		return drop.UnsolicitedReturn
	}
	u.Refused = true
	w.stats.Returned++
	w.revise(s, false)
	return drop.None
}

// scheduleSub sets the subscription's one timer: to the first asker that runs out or to our renewal.
func (w *Worker) scheduleSub(s *table.Sub) {
	next := time.Duration(0)
	for i := range s.Askers {
		if d := s.Askers[i].Deadline; next == 0 || d < next {
			next = d
		}
	}
	if s.Renew != 0 && s.Renew < next { // due already, if the timer's tick has not come yet
		next = s.Renew
	}
	if s.Timer != 0 {
		w.wheel.Move(s.Timer, next)
		return
	}
	s.Timer = w.wheel.Add(next, timerSub, uint32(w.subs.ID(s.Key)))
}

// subDue is the subscription's timer: askers whose time is over leave; with the last one ours ends, otherwise it is renewed at
// half its expiry (P-16).
func (w *Worker) subDue(s *table.Sub) {
	s.Timer = 0
	for i := len(s.Askers) - 1; i >= 0; i-- {
		if s.Askers[i].Deadline <= w.now.Mono {
			w.unsubscribe(s, i)
		}
	}
	if len(s.Askers) == 0 {
		w.subs.Remove(s)
		return
	}
	if s.Renew <= w.now.Mono {
		w.revise(s, true)
	}
	w.scheduleSub(s)
}

func (w *Worker) unsubscribe(s *table.Sub, i int) {
	if f := w.face(s.Askers[i].Face); f != nil && w.owns(s.Key) {
		f.subs.Add(-1)
	}
	w.subs.RemoveAsker(s, i)
}

// unsubscribeFace takes a face out of a subscription; with the last asker it ends.
func (w *Worker) unsubscribeFace(s *table.Sub, face FaceID) {
	for i := range s.Askers {
		if s.Askers[i].Face == face {
			w.unsubscribe(s, i)
			break
		}
	}
	if len(s.Askers) > 0 {
		w.scheduleSub(s)
		return
	}
	w.wheel.Cancel(s.Timer)
	w.subs.Remove(s)
}

// routeChange is a prefix whose next hops changed.
type routeChange struct {
	net    uint8
	prefix name.Prefix
}

// reviseSubs looks again at the subscriptions that a route change may concern; nil: at all (P-16).
func (w *Worker) reviseSubs(c *routeChange) {
	w.subs.All(func(s *table.Sub) bool {
		if c == nil || c.net == s.Key.Net() && w.naming(s.Key).Overlaps(c.prefix, s.Key.Name()) {
			w.revise(s, false)
			w.scheduleSub(s)
		}
		return true
	})
}

// moveSubs sends anew what stood at a face that is down (P-16).
func (w *Worker) moveSubs(id FaceID) {
	w.subs.All(func(s *table.Sub) bool {
		if s.Up(id) != nil {
			w.revise(s, false)
			w.scheduleSub(s)
		}
		return true
	})
}

// resubscribe sends all subscriptions at a face anew: its peer has restarted and lost them (P-18).
func (w *Worker) resubscribe(id FaceID) {
	w.subs.All(func(s *table.Sub) bool {
		if u := s.Up(id); u != nil {
			_, ttl := s.Longest()
			left := u.Deadline - w.now.Mono
			if left > 0 && ttl > 0 {
				u.Synced = false
				w.openUp(s, id, left, ttl-1)
			}
		}
		return true
	})
}

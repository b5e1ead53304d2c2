package table

import (
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// own is a prefix that this node announces, or has withdrawn. It is kept for good: its FSEQ must not be used twice, and
// the operator's configuration bounds their number.
type own struct {
	route    fibKey
	lifetime time.Duration
	sent     time.Duration
	seq      uint32
	cost     uint16
	numbered bool // seq was used
	live     bool
	timer    TimerID // renewal, or a jump of the FSEQ
}

// Originate announces a prefix from this node, now and at each third of the lifetime, which is cut to whole seconds from 1 s
// to MaxLifetime. cost is what the way from this node costs. Called again, it changes both.
func (r *RIB) Originate(now time.Duration, net uint8, p name.Prefix, cost uint16, lifetime time.Duration) {
	k := prefixKey(net, p)
	i, ok := r.owns.Get(k)
	if !ok {
		i = r.own.Alloc()
		r.owns.Put(k, i)
	}
	o := r.own.At(i)
	o.route, o.cost, o.live = k, cost, true
	o.lifetime = min(max(lifetime.Truncate(time.Second), time.Second), MaxLifetime)
	r.announce(now, i)
}

// Withdraw takes a prefix back that this node announces, and tells whether it did.
func (r *RIB) Withdraw(now time.Duration, net uint8, p name.Prefix) bool {
	i, ok := r.owns.Get(prefixKey(net, p))
	if !ok || !r.own.At(i).live {
		return false
	}
	r.own.At(i).live = false
	r.announce(now, i)
	return true
}

// announce sends an own prefix, or its withdrawal, under a new FSEQ.
func (r *RIB) announce(now time.Duration, i int32) {
	o := r.own.At(i)
	o.seq, o.numbered, o.sent = r.nextSeq(now, o), true, now
	r.wheel.Cancel(o.timer)
	o.timer = 0
	if o.live {
		o.timer = r.wheel.Add(now+o.lifetime/renewals, timerOwn, uint32(i))
	}
	r.sendOwn(now, o, 0)
}

func (r *RIB) sendOwn(now time.Duration, o *own, only FaceID) {
	out := Send{Net: o.route.net(), Prefix: o.route.prefix(), FSEQ: o.seq, Cost: o.cost, Origin: r.set.Node, Only: only}
	if o.live {
		out.Lifetime = seconds(o.sent + o.lifetime - now)
	}
	r.set.OnSend(out)
}

// nextSeq follows the seconds since FirstSeq, or the last number where that is ahead of them. An Announcement is not
// numbered 0 or 0xFFFFFF, which mean something else in other frames.
func (r *RIB) nextSeq(now time.Duration, o *own) uint32 {
	seq := (r.set.FirstSeq + uint32(now/time.Second)) & 0xFFFFFF
	if o.numbered && !wire.Newer(seq, o.seq) {
		seq = (o.seq + 1) & 0xFFFFFF
	}
	for seq == 0 || seq == wire.SeqSubscribe {
		seq = (seq + 1) & 0xFFFFFF
	}
	return seq
}

// ownHeard is told of our own Announcement, come back. If its FSEQ is ahead of ours, then we announced it before we were
// started anew, and nobody hears us until we are ahead of it: we jump, but not oftener than each ownPause.
func (r *RIB) ownHeard(now time.Duration, k fibKey, seq uint32) {
	i, ok := r.owns.Get(k)
	if !ok || !wire.Newer(seq, r.own.At(i).seq) {
		return
	}
	o := r.own.At(i)
	o.seq = seq
	r.wheel.Cancel(o.timer)
	o.timer = 0
	if at := o.sent + min(ownPause, o.lifetime/renewals); now < at {
		o.timer = r.wheel.Add(at, timerOwn, uint32(i))
		return
	}
	r.announce(now, i)
}

// offer sends a face that came up what this node has announced and did not learn there, with the lifetime left.
func (r *RIB) offer(now time.Duration, face FaceID) {
	for _, i := range r.owns.All() {
		if o := r.own.At(i); o.live {
			r.sendOwn(now, o, face)
		}
	}
	for _, i := range r.index.All() {
		s := r.sources.At(i)
		if s.told == wire.CostUnreachable || s.entry(face) != nil || now >= s.deadline {
			continue
		}
		r.send(s, Send{FSEQ: s.seq, Cost: s.told, Lifetime: seconds(s.deadline - now), Only: face})
	}
}

package forward

import (
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/table"
	"github.com/zmesh/zmesh/core/wire"
)

// runControl processes hellos and Announcements.
func (n *Node) runControl(now Now, frames []*received) {
	n.lock(now)
	defer n.unlock()
	for _, r := range frames {
		var why drop.Reason
		switch {
		case r.Type == wire.Announcement:
			why = n.announced(r)
		case r.Type == wire.Interest:
			why = n.helloIn(r)
		default:
			why = n.helloBack(r)
		}
		if why != drop.None {
			r.face.drop(why)
		}
	}
}

// probe is what is known of the forwarder at the other end of a face (P-18).
type probe struct {
	next     time.Duration // when the next hello is due
	sent     time.Duration
	bytes    wire.Asked // of the hello under way
	waiting  bool
	greeted  bool // the peer has sent one, so it is probed too
	answered bool // at least once
	misses   int
	node     uint32
	boot     uint32
	rtt      time.Duration // smoothed (RFC 6298, 2: alpha 1/8)
}

// PeerState is what hellos have shown of a face's peer (P-18).
type PeerState struct {
	Answered bool
	Node     uint32
	Boot     uint32
	RTT      time.Duration
}

// Peer tells what is known of a face's peer.
func (n *Node) Peer(f *Face) PeerState {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := &f.hello
	return PeerState{Answered: h.answered, Node: h.node, Boot: h.boot, RTT: h.rtt}
}

// probed tells whether hellos go out on a face: a configured remote, or an on-demand peer that has sent one itself.
func (f *Face) probed() bool {
	return !f.cfg.Broadcast && (f.cfg.Hello || f.hello.greeted || f.forwarder.Load())
}

// helloDue sends the hellos that are due, and calls a peer down that has answered once and then missed three (P-18).
func (n *Node) helloDue() {
	for _, f := range *n.faces.Load() {
		if f == nil || !f.probed() || f.hello.next > n.now.Mono {
			continue
		}
		h := &f.hello
		if h.waiting {
			h.misses++
			if h.answered && h.misses >= n.lim.HelloMisses {
				n.setUp(f, false)
			}
		}
		n.sendHello(f)
	}
}

// sendHello sends an Interest for the reserved name: TTL 0, expiry 0, random bytes in place of the timestamp.
func (n *Node) sendHello(f *Face) {
	h := &f.hello
	h.bytes = wire.MakeAsked(int64(n.cfg.Random()&(1<<48-1)), 0)
	h.sent, h.waiting, h.next = n.now.Mono, true, n.now.Mono+n.lim.Hello
	n.control(f, 0, wire.Header{Name: name.Hello, Type: wire.Interest}, h.bytes[:])
}

// nextHello is when helloDue has something to do; 0 if never.
func (n *Node) nextHello() (at time.Duration) {
	for _, f := range *n.faces.Load() {
		if f != nil && f.probed() && (at == 0 || f.hello.next < at) {
			at = max(f.hello.next, 1)
		}
	}
	return at
}

// helloIn echoes a hello in a Return with our node id and boot number. Who greets is a forwarder, so it is greeted in turn and
// is told our routes; a peer that is not configured only after it has echoed our hello, since a captured one may have been sent in a
// victim's name (P-11).
func (n *Node) helloIn(r *received) drop.Reason {
	asked, has := wire.AskedOf(r.Payload)
	f := r.face
	if !has || r.Seq != wire.SeqNewest || r.public || f.cfg.Broadcast {
		return drop.Hello
	}
	ret := wire.Returned{Reason: wire.ReturnHello, Asked: asked, Node: n.cfg.ID, Boot: n.cfg.Boot}
	h := wire.Header{Name: name.Hello, Type: wire.Return, TTL: wire.MaxTTL}
	var payload [wire.HelloPayload]byte
	n.control(f, r.key.Net(), h, ret.Append(payload[:0]))
	if !f.hello.greeted {
		f.hello.greeted = true
		f.hello.next = n.now.Mono
	}
	if !f.cfg.OnDemand && !f.forwarder.Swap(true) && !f.held {
		n.rib.FaceUp(n.now.Mono, f.id, f.cost())
	}
	return drop.None
}

// helloBack takes the echo of our hello: the peer is there, how far away, and whether it has restarted since.
func (n *Node) helloBack(r *received) drop.Reason {
	ret := wire.ReturnedOf(r.Payload)
	f := r.face
	h := &f.hello
	if !h.waiting || ret.Reason != wire.ReturnHello || ret.Asked != h.bytes {
		return drop.Hello
	}
	rtt := n.now.Mono - h.sent
	if h.rtt == 0 {
		h.rtt = rtt
	}
	h.rtt += (rtt - h.rtt) / 8
	f.rtt.Store(int64(h.rtt))
	restarted := h.answered && (h.boot != ret.Boot || h.node != ret.Node)
	first := !f.forwarder.Swap(true)
	h.waiting, h.misses, h.answered = false, 0, true
	h.node, h.boot = ret.Node, ret.Boot
	n.setUp(f, true)
	if restarted { // it has lost what its next hops rested on (RFC 8966, 3.5.1)
		n.rib.FaceDown(n.now.Mono, f.id)
	}
	if (first || restarted) && !f.held {
		n.rib.FaceUp(n.now.Mono, f.id, f.cost())
	}
	if restarted {
		n.cfg.Happened(Happening{What: PeerRestarted, Face: f.id})
		n.eachWorker(func(w *Worker) { w.resubscribe(f.id) })
	}
	return drop.None
}

// announced takes a Content Announcement (P-7): policy here, the rest is the routing table's.
func (n *Node) announced(r *received) drop.Reason {
	a := wire.AnnouncedOf(r.Payload)
	p := name.Prefix{Len: a.PrefixLen, Name: r.Name}
	if r.public || !r.face.cfg.Announce.CoversPrefix(p) {
		return drop.AnnouncementPolicy
	}
	r.face.forwarder.Store(true)
	return n.rib.Receive(n.now.Mono, r.face.id, r.key.Net(), p, r.Seq, a)
}

// newRIB makes the routing table: its routes go to every worker, its Announcements to the faces of forwarders.
func (n *Node) newRIB() *table.RIB {
	return table.NewRIB(table.RIBSettings{
		Node: n.cfg.ID, FirstSeq: n.cfg.Origin, Seed: n.cfg.Seed, PerFace: n.lim.Announcements,
		OnRoute: n.setRoute, OnSend: n.announce,
	})
}

// announce sends an Announcement. A plain device gets none: it could do nothing with it.
func (n *Node) announce(s table.Send) {
	a := wire.Announced{PrefixLen: s.Prefix.Len, Cost: s.Cost, Lifetime: s.Lifetime, Origin: s.Origin}
	var payload [wire.AnnouncementPayload]byte
	a.Append(payload[:0])
	h := wire.Header{Name: s.Prefix.Name, Seq: s.FSEQ, Type: wire.Announcement, TTL: wire.MaxTTL}
	for _, f := range *n.faces.Load() {
		if f == nil || s.Only != 0 && f.id != s.Only || f.id == s.Except || !f.Up() || !f.routes() {
			continue
		}
		n.control(f, s.Net, h, payload[:])
	}
}

// routes tells whether forwarders are at the other end of a face: it is probed, one has greeted there, or Announcements are
// believed from there. On-demand faces have a listener's policy, so there the peer itself must have shown it.
func (f *Face) routes() bool {
	return f.forwarder.Load() || !f.cfg.OnDemand && (f.cfg.Hello || f.cfg.Announce.Len() > 0)
}

// setRoute gives a prefix's next hops to every worker's FIB.
func (n *Node) setRoute(net uint8, p name.Prefix, hops []table.Hop) {
	n.eachWorker(func(w *Worker) { w.setRoute(net, p, hops) })
}

// AddRoute adds a static route: it wins over announced ones of the same prefix (P-7).
func (n *Node) AddRoute(now Now, net uint8, p name.Prefix, face FaceID, cost uint16) {
	n.lock(now)
	defer n.unlock()
	n.rib.AddStatic(net, p, face, cost)
}

// RemoveRoute removes a static route and tells whether there was one.
func (n *Node) RemoveRoute(now Now, net uint8, p name.Prefix, face FaceID) bool {
	n.lock(now)
	defer n.unlock()
	had := n.rib.RemoveStatic(net, p, face)
	return had
}

// Announce offers a route to a prefix, renewed at a third of its lifetime (P-7).
func (n *Node) Announce(now Now, net uint8, p name.Prefix, cost uint16, lifetime time.Duration) {
	n.lock(now)
	defer n.unlock()
	n.rib.Originate(now.Mono, net, p, cost, lifetime)
}

// Withdraw takes the offer back: lifetime 0 (P-7).
func (n *Node) Withdraw(now Now, net uint8, p name.Prefix) {
	n.lock(now)
	defer n.unlock()
	n.rib.Withdraw(now.Mono, net, p)
}

package forward

import (
	"sync/atomic"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/table"
	"github.com/zmesh/zmesh/core/wire"
)

// received is a frame that was verified, on its way to a worker.
type received struct {
	wire.Frame
	key    name.Key
	face   *Face
	signal int16 // dBm, or SignalUnknown
	mask   uint8 // wildcards of the name of an Interest (P-5); 0: none
	public bool  // under the public key (P-9)
	echo   bool  // a wildcard Interest in a worker that is not its owner, which alone refuses and counts (P-5)

	answers *atomic.Int32 // of the stores of all workers to a wildcard Interest (P-5)
}

// Ingress is where a link's reader puts frames. It belongs to one goroutine; a node may have several. Frames of one name
// keep their order within one Ingress.
type Ingress struct {
	n        *Node
	v        *wire.Verifier
	now      Now
	list     []received // of the burst; what stands for them below stays good when the list grows
	byWorker [][]*received
	control  []*received

	unverified int // frames that are to be verified together
	received   [wire.Together]*received
	frames     [wire.Together]*wire.Frame
	verdicts   [wire.Together]wire.Verdict

	face         *Face // whose frames were counted last, and are added to its counters when another's come
	count, bytes uint64

	bursts uint64
	began  time.Duration // of a burst that is timed; 0: it is not
	added  uint64        // frames of it
}

// Ingress makes one more.
func (n *Node) Ingress() *Ingress {
	return &Ingress{n: n, v: n.cfg.Keys.Verifier(), byWorker: make([][]*received, len(n.workers))}
}

// Begin starts a burst.
func (g *Ingress) Begin(now Now) {
	g.now, g.list = now, g.list[:0]
	if g.bursts++; g.bursts%sampleEvery == 0 && g.n.cfg.Clock != nil {
		g.began, g.added = g.n.cfg.Clock(), 0
	}
}

// Add takes one frame of the burst. raw must stay as it is until Run returns; TTL and flags may be read, nothing is
// written. If it is dropped, then under a reason that is counted at the face when Run returns.
func (g *Ingress) Add(f *Face, raw []byte) { g.AddHeard(f, raw, SignalUnknown) }

// AddHeard is Add for a link that measures how strongly it heard a frame, in dBm.
func (g *Ingress) AddHeard(f *Face, raw []byte, signal int16) {
	g.added++
	if f != g.face {
		g.counted()
		g.face = f
	}
	g.count++
	g.bytes += uint64(len(raw))
	if why := g.add(f, raw, signal); why != drop.None {
		f.drop(why)
	}
}

// counted adds what came in from the face at hand to its counters: once for each run of its frames.
func (g *Ingress) counted() {
	if g.face != nil {
		g.face.inBytes.Add(g.bytes)
		g.face.inFrames.Add(g.count)
	}
	g.face, g.count, g.bytes = nil, 0, 0
}

// next gives room for one more frame of the burst. It is not taken until the list is longer by one.
func (g *Ingress) next() *received {
	if len(g.list) == cap(g.list) {
		g.list = make([]received, 0, max(2*cap(g.list), 16)) // those before stay where they are
	}
	return &g.list[:len(g.list)+1][len(g.list)]
}

func (g *Ingress) add(f *Face, raw []byte, signal int16) drop.Reason {
	if f.gone.Load() {
		return drop.NoFace
	}
	if len(raw) > f.mtu() {
		return drop.Long
	}
	if g.spent(f) {
		return drop.MACBudget
	}
	r := g.next()
	if why := r.Parse(raw); why != drop.None {
		return why
	}
	r.face, r.signal, r.public, r.echo, r.answers = f, signal, false, false, nil
	g.list = g.list[:len(g.list)+1]
	g.received[g.unverified], g.frames[g.unverified] = r, &r.Frame
	if g.unverified++; g.unverified == wire.Together {
		g.verify()
	}
	return drop.None
}

// spent tells whether too many frames of a face did not verify in this second (P-20).
func (g *Ingress) spent(f *Face) bool { return f.fail.spent(g.now.Mono) >= g.n.lim.PeerFailures }

// verify verifies the frames that wait for it, and sorts those that are good, in the order in which they came.
func (g *Ingress) verify() {
	n, failed := g.unverified, false
	g.unverified = 0
	g.v.VerifyTogether(g.frames[:n], g.verdicts[:n])
	for i, r := range g.received[:n] {
		why := drop.MACBudget
		if !failed || !g.spent(r.face) {
			why = g.verified(r, g.verdicts[i])
		}
		if why != drop.None {
			failed = true
			r.face.drop(why)
		}
	}
}

// verified takes a frame whose MAC was looked at.
func (g *Ingress) verified(r *received, v wire.Verdict) drop.Reason {
	f := r.face
	why := g.known(r, v)
	if why == drop.BadMAC || why == drop.UnknownKey {
		f.fail.spend(g.now.Mono)
	}
	if why != drop.None {
		return why
	}
	if r.public && f.pub.spend(g.now.Mono) > g.n.lim.PublicRate {
		return drop.PublicRate
	}
	if f.last.Load() != int64(g.now.Mono) {
		f.last.Store(int64(g.now.Mono))
	}
	g.sort(r)
	return drop.None
}

// check parses and verifies: all that can be said of a frame without a face.
func (g *Ingress) check(r *received, raw []byte) drop.Reason {
	if why := r.Parse(raw); why != drop.None {
		return why
	}
	net, why := g.v.Verify(&r.Frame)
	return g.known(r, wire.Verdict{Net: net, Why: why})
}

// known is what follows from a frame's network and MAC: whether it may be under the public key, and whether its name is one.
func (g *Ingress) known(r *received, v wire.Verdict) drop.Reason {
	net, why := v.Net, v.Why
	if why == drop.ForeignNetwork {
		return why
	}
	naming := g.n.cfg.Naming[net]
	if why != drop.None {
		if why = g.checkPublic(&r.Frame, naming, why); why != drop.None {
			return why
		}
		r.public = true
	}
	r.key = name.MakeKey(net, r.Name)
	return checkName(&r.Frame, naming)
}

// checkPublic is P-9: the public key is tried only when FCTRL names key 0, the network key failed and the name is a
// management name; under it only Interests are accepted. Names that are not on the onboarding list would never be
// answered under it, so an Interest for one ends here.
func (g *Ingress) checkPublic(f *wire.Frame, naming *name.Network, why drop.Reason) drop.Reason {
	if f.KeyID != 0 || !naming.Management(f.Name) || !g.v.VerifyPublic(f) {
		return why
	}
	if f.Type != wire.Interest || f.Seq == wire.SeqSubscribe || !g.n.onboard[f.Name] {
		return drop.PublicKey
	}
	return drop.None
}

// checkName is P-23: what a name may be depends on the packet type; P-18 reserves one for hellos.
func checkName(f *wire.Frame, naming *name.Network) drop.Reason {
	ok := true
	switch f.Type {
	case wire.Content:
		ok = naming.Valid(f.Name) && f.Name != name.Hello
	case wire.Interest, wire.Return:
		ok = naming.ValidPattern(f.Name)
	case wire.Announcement:
		ok = naming.ValidPrefix(name.Prefix{Len: f.Payload[0], Name: f.Name})
	}
	if !ok {
		return drop.BadName
	}
	return drop.None
}

// sort puts a frame where it is processed. A wildcard Interest is seen by every worker (P-5).
func (g *Ingress) sort(r *received) {
	if r.mask = 0; r.Type == wire.Interest {
		r.mask = g.n.cfg.Naming[r.key.Net()].Mask(r.Name)
	}
	switch {
	case r.Type == wire.Announcement || r.Name == name.Hello:
		g.control = append(g.control, r)
	case r.mask != 0:
		owner := g.n.owner(r.key)
		r.answers = new(atomic.Int32)
		for i := range g.byWorker {
			own := *r
			own.echo = i != owner
			g.byWorker[i] = append(g.byWorker[i], &own)
		}
	default:
		i := g.n.owner(r.key)
		g.byWorker[i] = append(g.byWorker[i], r)
	}
}

// Run processes the burst.
func (g *Ingress) Run() {
	g.counted()
	if g.unverified > 0 {
		g.verify()
	}
	timed := g.began != 0
	if timed {
		g.timed()
	}
	for i, frames := range g.byWorker {
		if len(frames) == 0 {
			continue
		}
		if timed {
			g.n.workers[i].runTimed(g.now, frames, g.n.cfg.Clock)
		} else {
			g.n.workers[i].run(g.now, frames)
		}
		g.byWorker[i] = frames[:0]
	}
	if len(g.control) > 0 {
		g.n.runControl(g.now, g.control)
		g.control = g.control[:0]
	}
}

// timed notes how long the burst at hand took to verify.
func (g *Ingress) timed() {
	p := &g.n.perf
	p.bursts.Add(1)
	p.frames.Add(g.added)
	p.verify.Add(int64(g.n.cfg.Clock() - g.began))
	g.began = 0
}

// Peer is the sender of a datagram that is not a face yet.
type Peer struct {
	Source  uint64      // keyed hash of its address and port
	Address uint64      // keyed hash of its address
	Link    func() Link // made when the peer becomes a face
}

// Unknown takes a frame from a peer of a listener that is not a face. On its first valid frame the peer becomes one
// (P-11), and the frame is part of the burst. It gives nil and counts at the listener if it does not.
func (g *Ingress) Unknown(l *Listener, p Peer, raw []byte) *Face {
	f, why := g.unknown(l, p, raw)
	if why != drop.None {
		l.drops[why].Add(1)
		return nil
	}
	g.Add(f, raw)
	return f
}

func (g *Ingress) unknown(l *Listener, p Peer, raw []byte) (*Face, drop.Reason) {
	n := g.n
	second := int64(g.now.Mono/time.Second) + 1
	peer := &l.peers[p.Address%peerBuckets]
	if l.shut.Load() == second || peer.spent(g.now.Mono) >= n.lim.PeerFailures { // P-20
		return nil, drop.MACBudget
	}
	var r received
	why := g.check(&r, raw)
	if why == drop.BadMAC || why == drop.UnknownKey {
		peer.spend(g.now.Mono)
		if l.fail.spend(g.now.Mono) >= n.lim.ListenFailures && l.shut.Swap(second) != second {
			n.cfg.Happened(Happening{What: ForgeryAlarm})
		}
	}
	if why != drop.None {
		return nil, why
	}
	if why := g.stranger(l, p, &r); why != drop.None {
		return nil, why
	}
	return n.knock(g.now, l, p)
}

// stranger is what an Interest must not be to make a face: out of time (P-4) or heard from another address (P-11).
func (g *Ingress) stranger(l *Listener, p Peer, r *received) drop.Reason {
	if r.Type != wire.Interest || r.Name == name.Hello {
		return drop.None
	}
	asked, has := wire.AskedOf(r.Payload)
	if !has || asked.UnixMilli() == 0 {
		return drop.None
	}
	if g.n.clockOf(l) && !g.n.inTime(g.now, asked) {
		return drop.Clock
	}
	w := g.n.workers[g.n.owner(r.key)]
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen.HeardElsewhere(g.now.Mono, table.SeenKey{Name: r.key, Seq: r.Seq, Asked: asked.Bits()}, p.Source) {
		return drop.Replayed
	}
	return drop.None
}

// clockOf is a listener's policy on clocks (P-4).
func (n *Node) clockOf(l *Listener) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return l.Policy.Clock
}

// inTime is P-4: a timestamp further off than the window is refused.
func (n *Node) inTime(now Now, asked wire.Asked) bool {
	off := time.Duration(now.Wall-asked.UnixMilli()) * time.Millisecond
	return off.Abs() <= n.lim.TimestampWindow
}

// knock makes the on-demand face of a peer within the limits of P-11: full means that newcomers are refused.
func (n *Node) knock(now Now, l *Listener, p Peer) (*Face, drop.Reason) {
	n.lock(now)
	defer n.unlock()
	if f := n.onDemand[p.Source]; f != nil {
		return f, drop.None
	}
	if l.faces >= n.lim.OnDemandFaces || n.address[p.Address] >= n.lim.FacesPerAddress {
		return nil, drop.FacesFull
	}
	cfg := l.Policy
	cfg.OnDemand, cfg.Source, cfg.Address, cfg.Listener = true, p.Source, p.Address, l
	f, err := n.addFace(cfg, p.Link())
	if err != nil {
		return nil, drop.FacesFull
	}
	l.faces++
	n.onDemand[p.Source] = f
	n.address[p.Address]++
	n.cfg.Happened(Happening{What: FaceMade, Face: f.id})
	return f, drop.None
}

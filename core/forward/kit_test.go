package forward_test

import (
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/mesh"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
	"github.com/zmesh/zmesh/core/table"
	"github.com/zmesh/zmesh/core/wire"
)

// kit is a virtual mesh of forwarders with hierarchical names, and the frames that a test sends into it.
type kit struct {
	testing.TB
	m     *mesh.Mesh
	ring  *wire.Keyring
	v     *wire.Verifier
	seen  []forward.Happening
	nodes []*mesh.Node
	sweep time.Duration // after this nothing may be left in any table
}

var testKey = [wire.KeySize]byte{0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c}

func newKit(tb testing.TB, seed uint64) *kit {
	ring, err := wire.NewKeyring(wire.Network{Keys: [4]*[16]byte{&testKey}})
	if err != nil {
		tb.Fatal(err)
	}
	k := &kit{TB: tb, m: mesh.New(seed), ring: ring, v: ring.Verifier(), sweep: 3 * time.Minute}
	tb.Cleanup(k.swept)
	return k
}

// swept lets everything expire at the end of each test and looks for what was left behind.
func (k *kit) swept() {
	if k.Failed() || len(k.nodes) == 0 {
		return
	}
	for range k.sweep / (10 * time.Second) {
		k.m.RunFor(10 * time.Second)
	}
	for i, n := range k.nodes {
		for j := range n.Workers() {
			w := n.Worker(j)
			s := w.Stats()
			if s.PIT+s.PITRecords+s.Wildcards+s.Subscriptions+s.Askers+w.Pacers() != 0 || w.Timers() != 1 {
				k.Errorf("node %d worker %d, after all has expired: %+v, %d pacers, %d timers", i, j, s, w.Pacers(), w.Timers())
			}
		}
		n.Faces(func(f *forward.Face) {
			if subs := f.Counters().Subscriptions; subs != 0 {
				k.Errorf("node %d face %d: %d subscriptions left", i, f.ID(), subs)
			}
		})
	}
}

// option changes a node's configuration.
type option func(*forward.Config)

func workers(n int) option { return func(c *forward.Config) { c.Workers = n } }

func limits(fn func(*forward.Limits)) option { return func(c *forward.Config) { fn(c.Limits) } }

// noStore is a node that keeps nothing.
func noStore(c *forward.Config) { c.Store = nil }

func (k *kit) storeConfig() store.Config {
	return store.Config{
		Sorted: true, LogBytes: 1 << 20, MaxRatePerName: store.Unlimited, HourBytes: 1 << 30,
		Now: k.m.Now().Mono, Wall: k.m.Now().Wall,
	}
}

// shard changes a node's store, which starts at the mesh's beginning.
func shard(fn func(*store.Config)) option {
	return func(c *forward.Config) {
		c.Store = func(int) forward.Store {
			s := store.Config{Sorted: true, LogBytes: 1 << 20, MaxRatePerName: store.Unlimited, HourBytes: 1 << 30, Wall: mesh.Epoch}
			fn(&s)
			return store.NewShard(s)
		}
	}
}

func naming(s name.Settings) option {
	return func(c *forward.Config) {
		n, err := name.NewNetwork(s)
		if err != nil {
			panic(err)
		}
		c.Naming[0] = n
	}
}

func (k *kit) config(id uint32, boot uint32, opts ...option) forward.Config {
	net, err := name.NewNetwork(name.Settings{Naming: name.Hierarchical})
	if err != nil {
		k.Fatal(err)
	}
	lim := forward.DefaultLimits()
	c := forward.Config{
		ID: id, Boot: boot, Keys: k.ring, Naming: []*name.Network{net}, Limits: &lim,
		Seed: table.Seed{k.m.Rand().Uint64(), k.m.Rand().Uint64()}, Random: k.m.Rand().Uint64,
		Origin:   uint32(k.m.Now().Wall/1000) & 0xFFFFFF,
		Happened: func(h forward.Happening) { k.seen = append(k.seen, h) },
	}
	c.Store = func(int) forward.Store { return store.NewShard(k.storeConfig()) }
	for _, o := range opts {
		o(&c)
	}
	return c
}

// node adds a forwarder.
func (k *kit) node(id uint32, opts ...option) *mesh.Node {
	boot := uint32(0)
	n, err := k.m.Node(func() forward.Config { boot++; return k.config(id, boot, opts...) })
	if err != nil {
		k.Fatal(err)
	}
	k.nodes = append(k.nodes, n)
	return n
}

// happened tells how often something notable happened, and forgets it.
func (k *kit) happened(what forward.What) (times int) {
	kept := k.seen[:0]
	for _, h := range k.seen {
		if h.What == what {
			times++
		} else {
			kept = append(kept, h)
		}
	}
	k.seen = kept
	return times
}

// peer is a device, or a neighbour played by the test, on a link with 1 ms of delay.
type peer struct {
	*mesh.Device
	k    *kit
	face mesh.Face
	got  []wire.Frame
	lost [drop.Count]uint64
}

// plain is the policy of a face that may publish under 01 and ask for everything.
func plain() forward.FaceConfig {
	return forward.FaceConfig{Publish: name.NewPrefixSet(prefix("01"))}
}

func (k *kit) peer(n *mesh.Node, cfg forward.FaceConfig) *peer {
	d, f, err := k.m.Attach(n, mesh.LinkConfig{Delay: time.Millisecond}, cfg)
	if err != nil {
		k.Fatal(err)
	}
	p := &peer{Device: d, k: k, face: f}
	d.Heard = func(raw []byte) { p.got = append(p.got, k.parse(raw)) }
	return p
}

// parse reads a frame that a node sent; a bad one fails the test.
func (k *kit) parse(raw []byte) (f wire.Frame) {
	if why := f.Parse(raw); why != drop.None {
		k.Errorf("the node sent a bad frame %x: %v", raw, why)
	}
	if _, why := k.v.Verify(&f); why != drop.None && !k.v.VerifyPublic(&f) {
		k.Errorf("the node sent a frame with a bad MAC %x: %v", raw, why)
	}
	return f
}

// join links two forwarders, 1 ms apart, with hellos, believing each other's Announcements.
func (k *kit) join(a, b *mesh.Node) (*mesh.Link, mesh.Face, mesh.Face) {
	cfg := forward.FaceConfig{Hello: true, Announce: name.NewPrefixSet(name.Prefix{})}
	l, fa, fb, err := k.m.Join(a, b, mesh.LinkConfig{Delay: time.Millisecond}, cfg, cfg)
	if err != nil {
		k.Fatal(err)
	}
	return l, fa, fb
}

func (k *kit) route(n *mesh.Node, p string, f mesh.Face, cost uint16) {
	n.Do(func(fwd *forward.Node) { fwd.AddRoute(k.m.Now(), 0, prefix(p), f.Get().ID(), cost) })
}

func prefix(hex string) name.Prefix {
	var n name.Name
	full := hex + "000000000000"[len(hex):]
	n, err := name.ParseHex(full)
	if err != nil {
		panic(err)
	}
	return name.MakePrefix(n, uint8(len(hex)/2))
}

func nm(hex string) name.Name {
	n, err := name.ParseHex(hex)
	if err != nil {
		panic(err)
	}
	return n
}

// frame builds and signs a frame.
func (k *kit) frame(h wire.Header, payload []byte) []byte {
	raw := h.Append(nil, payload)
	if err := k.v.Sign(0, raw); err != nil {
		k.Fatal(err)
	}
	return raw
}

// interest is an Interest made now; expiry in seconds.
func (k *kit) interest(n string, seq uint32, expiry uint16) []byte {
	a := wire.MakeAsked(k.m.Now().Wall, expiry)
	return k.frame(wire.Header{Name: nm(n), Seq: seq, Type: wire.Interest, TTL: 7}, a[:])
}

func (k *kit) bare(n string, seq uint32) []byte {
	return k.frame(wire.Header{Name: nm(n), Seq: seq, Type: wire.Interest, TTL: 7}, nil)
}

func (k *kit) content(n string, seq uint32, payload string) []byte {
	return k.frame(wire.Header{Name: nm(n), Seq: seq, Type: wire.Content, TTL: 7}, []byte(payload))
}

// step lets 10 ms pass: enough for a frame to cross a few links.
func (k *kit) step() { k.m.RunFor(10 * time.Millisecond) }

// take gives what the peer got since the last call, hellos and Announcements left out.
func (p *peer) take() (out []wire.Frame) {
	out = visible(p.got)
	p.got = nil
	return out
}

func visible(frames []wire.Frame) (out []wire.Frame) {
	for _, f := range frames {
		if f.Name != name.Hello && f.Type != wire.Announcement {
			out = append(out, f)
		}
	}
	return out
}

// count tells how many of the frames are of a type.
func count(frames []wire.Frame, t wire.Type) (n int) {
	for _, f := range frames {
		if f.Type == t {
			n++
		}
	}
	return n
}

func (p *peer) send(raw []byte) { p.Send(raw); p.k.step() }

// dropped fails unless exactly one frame of the peer was dropped, for this reason, since the last call.
func (p *peer) dropped(why drop.Reason) {
	p.k.Helper()
	now := p.face.Get().Counters().Drops
	for r := range now {
		want := uint64(0)
		if drop.Reason(r) == why && why != drop.None {
			want = 1
		}
		if got := now[r] - p.lost[r]; got != want {
			p.k.Errorf("%d frames dropped as %s, want %d", got, drop.Reason(r), want)
		}
	}
	p.lost = now
}

// wantsSeqs fails unless the peer got exactly these Contents, in this order, since the last call.
func (p *peer) wantsSeqs(seqs ...uint32) {
	p.k.Helper()
	got := p.take()
	ok := len(got) == len(seqs)
	for i := range got {
		ok = ok && got[i].Type == wire.Content && got[i].Seq == seqs[i]
	}
	if !ok {
		p.k.Fatalf("got %s, want contents %v", show(got), seqs)
	}
}

// wants fails unless the peer got exactly one frame, of that type and number, since the last call.
func (p *peer) wants(t wire.Type, seq uint32) wire.Frame {
	p.k.Helper()
	got := p.take()
	if len(got) != 1 || got[0].Type != t || got[0].Seq != seq {
		p.k.Fatalf("got %s, want one %s numbered %d", show(got), t, seq)
	}
	return got[0]
}

func (p *peer) nothing() {
	p.k.Helper()
	if got := p.take(); len(got) != 0 {
		p.k.Fatalf("got %s, want nothing", show(got))
	}
}

// returned fails unless the peer got exactly one Return with the reason.
func (p *peer) returned(why wire.ReturnReason) wire.Returned {
	p.k.Helper()
	got := p.take()
	if len(got) != 1 || got[0].Type != wire.Return || wire.ReturnedOf(got[0].Payload).Reason != why {
		p.k.Fatalf("got %s, want one return: %s", show(got), why)
	}
	return wire.ReturnedOf(got[0].Payload)
}

func show(frames []wire.Frame) string {
	s := "["
	for i, f := range frames {
		if i > 0 {
			s += ", "
		}
		s += f.Type.String() + " " + f.Name.String() + " #" + itoa(f.Seq)
		if f.Type == wire.Return {
			s += " (" + wire.ReturnedOf(f.Payload).Reason.String() + ")"
		}
	}
	return s + "]"
}

func itoa(v uint32) string {
	if v < 10 {
		return string(rune('0' + v))
	}
	return itoa(v/10) + string(rune('0'+v%10))
}

func (p *peer) drops(why drop.Reason) uint64 { return p.face.Get().Counters().Drops[why] }

const temp = "010203010000"

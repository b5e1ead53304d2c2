package plugin

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

// net is a virtual mesh whose nodes decide with strategies of a Manager. One instance serves all nodes: what a strategy learns is the
// nodes'.
type net struct {
	*testing.T
	m    *mesh.Mesh
	ring *wire.Keyring
	v    *wire.Verifier
}

var (
	topic  = name.Name{1, 2, 3}
	netKey = [wire.KeySize]byte{7}
)

func newNet(t *testing.T, seed uint64) *net {
	ring, err := wire.NewKeyring(wire.Network{Keys: [4]*[16]byte{&netKey}})
	if err != nil {
		t.Fatal(err)
	}
	return &net{T: t, m: mesh.New(seed), ring: ring, v: ring.Verifier()}
}

func (n *net) node(id uint32, s forward.Strategy) *mesh.Node {
	naming, err := name.NewNetwork(name.Settings{Naming: name.Hierarchical})
	if err != nil {
		n.Fatal(err)
	}
	node, err := n.m.Node(func() forward.Config {
		c := forward.Config{
			ID: id, Boot: 1, Keys: n.ring, Naming: []*name.Network{naming}, Seed: table.Seed{n.m.Rand().Uint64(), n.m.Rand().Uint64()}, Random: n.m.Rand().Uint64,
			Store: func(int) forward.Store {
				return store.NewShard(store.Config{Sorted: true, LogBytes: 1 << 18, MaxRatePerName: store.Unlimited, HourBytes: 1 << 30, Wall: mesh.Epoch})
			},
		}
		if s != nil {
			c.Strategy = func(int) forward.Strategy { return s }
		}
		return c
	})
	if err != nil {
		n.Fatal(err)
	}
	return node
}

func (n *net) frame(h wire.Header, payload []byte) []byte {
	raw := h.Append(nil, payload)
	if err := n.v.Sign(0, raw); err != nil {
		n.Fatal(err)
	}
	return raw
}

// way joins two nodes and gives a route over it to the first.
func (n *net) way(a, b *mesh.Node, c mesh.LinkConfig, p name.Prefix, cost uint16) *mesh.Link {
	cfg := forward.FaceConfig{Hello: true}
	l, f, _, err := n.m.Join(a, b, c, cfg, cfg)
	if err != nil {
		n.Fatal(err)
	}
	n.route(a, f, p, cost)
	return l
}

func (n *net) route(at *mesh.Node, f mesh.Face, p name.Prefix, cost uint16) {
	at.Do(func(fwd *forward.Node) { fwd.AddRoute(n.m.Now(), 0, p, f.Get().ID(), cost) })
}

// produce attaches a device that has every number of every name under a prefix.
func (n *net) produce(at *mesh.Node, p name.Prefix) (asked *int) {
	d, f, err := n.m.Attach(at, mesh.LinkConfig{Delay: time.Millisecond}, forward.FaceConfig{})
	if err != nil {
		n.Fatal(err)
	}
	n.route(at, f, p, 1)
	asked = new(int)
	d.Heard = func(raw []byte) {
		var i wire.Frame
		if i.Parse(raw) == drop.None && i.Type == wire.Interest && i.Name != name.Hello {
			*asked++
			d.Send(n.frame(wire.Header{Name: i.Name, Seq: i.Seq, Type: wire.Content, TTL: 7}, []byte("21.5")))
		}
	}
	return asked
}

// reader is a device that asks one number after the other, and knows how long each took.
type reader struct {
	n    *net
	d    *mesh.Device
	sent map[uint32]time.Duration
	took map[uint32]time.Duration
	seq  uint32
}

func (n *net) reader(at *mesh.Node) *reader {
	r := &reader{n: n, sent: map[uint32]time.Duration{}, took: map[uint32]time.Duration{}}
	d, _, err := n.m.Attach(at, mesh.LinkConfig{}, forward.FaceConfig{})
	if err != nil {
		n.Fatal(err)
	}
	r.d = d
	d.Heard = func(raw []byte) {
		var c wire.Frame
		if c.Parse(raw) == drop.None && c.Type == wire.Content && r.took[c.Seq] == 0 {
			r.took[c.Seq] = n.m.Now().Mono - r.sent[c.Seq]
		}
	}
	return r
}

// ask asks for the next number.
func (r *reader) ask(of name.Name, expiry uint16) uint32 {
	r.seq++
	r.sent[r.seq] = r.n.m.Now().Mono
	a := wire.MakeAsked(r.n.m.Now().Wall, expiry)
	r.d.Send(r.n.frame(wire.Header{Name: of, Seq: r.seq, Type: wire.Interest, TTL: 7}, a[:]))
	return r.seq
}

// asks asks for numbers, one each step, and gives the first and the last.
func (r *reader) asks(n int, step time.Duration) (first, last uint32) {
	for i := range n {
		last = r.ask(topic, 4)
		if i == 0 {
			first = last
		}
		r.n.m.RunFor(step)
	}
	return first, last
}

// slowest fails if one of the numbers did not come, and gives the longest time that one took.
func (r *reader) slowest(first, last uint32) (worst time.Duration) {
	r.n.Helper()
	for seq := first; seq <= last; seq++ {
		if r.took[seq] == 0 {
			r.n.Errorf("number %d, asked at %v, did not come", seq, r.sent[seq])
		}
		worst = max(worst, r.took[seq])
	}
	return worst
}

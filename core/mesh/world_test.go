package mesh_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
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

// oneSeed, if not 0, runs that seed alone: set it to what a failed test printed.
const oneSeed = 0

// eachSeed runs fn with many seeds: a few for each `go test`, many more where ZMESH_SOAK says which fraction of them.
func eachSeed(t *testing.T, few int, fn func(w *world)) {
	run := func(seed uint64) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			w := newWorld(t, seed)
			fn(w)
			if t.Failed() {
				t.Logf("%s\nto run it alone: const oneSeed = %d", w, seed)
			}
		})
	}
	if oneSeed != 0 {
		run(oneSeed)
		return
	}
	for seed := range uint64(few) {
		run(seed + 1)
	}
}

// soak is how many of the full number of seeds a soak test runs; it skips where ZMESH_SOAK is not set.
func soak(t *testing.T, full int) int {
	f, err := strconv.ParseFloat(os.Getenv("ZMESH_SOAK"), 64)
	if err != nil {
		t.Skip("ZMESH_SOAK is not set")
	}
	return max(1, int(f*float64(full)))
}

// world is a random connected graph of forwarders, with producers and consumers at some of them. Every node believes the others'
// Announcements, greets its neighbours, and announces the names of its own producers.
type world struct {
	*testing.T
	seed  uint64
	rng   *rand.Rand
	m     *mesh.Mesh
	v     *wire.Verifier
	nodes []*mesh.Node
	edges []edge
	made  []*producer
	users []*consumer
	work  int
	odd   uint32             // numbers that never existed, so far
	rank  map[*mesh.Link]int // of the edges
}

type edge struct {
	a, b   int
	link   *mesh.Link
	fa, fb mesh.Face
	cut    bool
}

// lifetime is that of all Announcements.
const lifetime = 30 * time.Second

var key = [wire.KeySize]byte{1, 2, 3}

func newWorld(t *testing.T, seed uint64) *world {
	ring, err := wire.NewKeyring(wire.Network{Keys: [4]*[16]byte{&key}})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, seed: seed, m: mesh.New(seed), v: ring.Verifier(), rank: map[*mesh.Link]int{}}
	w.rng = w.m.Rand()
	w.work = 1 + int(seed%2)*3
	naming, err := name.NewNetwork(name.Settings{Naming: name.Hierarchical})
	if err != nil {
		t.Fatal(err)
	}
	for id := range 4 + w.rng.IntN(7) {
		w.addNode(uint32(id+1), ring, naming)
	}
	return w
}

func (w *world) addNode(id uint32, ring *wire.Keyring, naming *name.Network) {
	boot := uint32(0)
	n, err := w.m.Node(func() forward.Config {
		boot++
		seed := table.Seed{w.rng.Uint64(), w.rng.Uint64()}
		return forward.Config{
			ID: id, Boot: boot, Keys: ring, Naming: []*name.Network{naming}, Workers: w.work, Seed: seed, Random: w.rng.Uint64,
			Origin: uint32(w.m.Now().Wall/1000) & 0xFFFFFF,
			Store: func(int) forward.Store {
				return store.NewShard(store.Config{Sorted: true, Seed: seed, LogBytes: 1 << 15, MaxNames: 1 << 10, MaxRatePerName: store.Unlimited, HourBytes: 1 << 30})
			},
		}
	})
	if err != nil {
		w.Fatal(err)
	}
	w.nodes = append(w.nodes, n)
}

// String describes the world as a failed test needs it.
func (w *world) String() string {
	s := fmt.Sprintf("%d nodes of %d workers, links", len(w.nodes), w.work)
	for _, e := range w.edges {
		s += fmt.Sprintf(" %d-%d", e.a, e.b)
	}
	for _, p := range w.made {
		s += fmt.Sprintf("; %s at %d", p.name, p.at)
	}
	for i, c := range w.users {
		s += fmt.Sprintf("; consumer %d at %d", i, c.at)
	}
	return s
}

// connect joins the nodes: a random tree and some more links, so that there are cycles.
func (w *world) connect(link func() mesh.LinkConfig) {
	for i := 1; i < len(w.nodes); i++ {
		w.join(w.rng.IntN(i), i, link())
	}
	for range w.rng.IntN(len(w.nodes)) {
		a, b := w.rng.IntN(len(w.nodes)), w.rng.IntN(len(w.nodes))
		if a != b && !w.joined(a, b) {
			w.join(a, b, link())
		}
	}
}

func (w *world) joined(a, b int) bool {
	for _, e := range w.edges {
		if e.a == a && e.b == b || e.a == b && e.b == a {
			return true
		}
	}
	return false
}

func (w *world) join(a, b int, c mesh.LinkConfig) {
	cfg := forward.FaceConfig{Hello: true, Announce: name.NewPrefixSet(name.Prefix{})}
	l, fa, fb, err := w.m.Join(w.nodes[a], w.nodes[b], c, cfg, cfg)
	if err != nil {
		w.Fatal(err)
	}
	w.rank[l] = len(w.edges)
	w.edges = append(w.edges, edge{a: a, b: b, link: l, fa: fa, fb: fb})
}

// perfect is a link that only takes its time.
func (w *world) perfect() mesh.LinkConfig {
	return mesh.LinkConfig{Delay: time.Duration(1+w.rng.IntN(10)) * time.Millisecond}
}

// unruly is one that loses nothing, but delivers twice and out of order.
func (w *world) unruly() mesh.LinkConfig {
	c := w.perfect()
	c.Jitter, c.Duplicate = time.Duration(1+w.rng.IntN(30))*time.Millisecond, 0.3*w.rng.Float64()
	return c
}

// bad is one that also loses.
func (w *world) bad() mesh.LinkConfig {
	c := w.unruly()
	c.Loss = 0.15 * w.rng.Float64()
	return c
}

// distances are the hops from each node to one of them over the links that are not cut; -1: none.
func (w *world) distances(to int) []int {
	d := make([]int, len(w.nodes))
	for i := range d {
		d[i] = -1
	}
	d[to] = 0
	for queue := []int{to}; len(queue) > 0; queue = queue[1:] {
		for _, e := range w.edges {
			for _, next := range [2][2]int{{e.a, e.b}, {e.b, e.a}} {
				if !e.cut && next[0] == queue[0] && d[next[1]] < 0 {
					d[next[1]] = d[queue[0]] + 1
					queue = append(queue, next[1])
				}
			}
		}
	}
	return d
}

// producer is a device whose name its node announces.
type producer struct {
	w    *world
	at   int
	name name.Name
	d    *mesh.Device
	seq  uint32
	when []time.Duration // of each number
}

// produce attaches a producer to a random node. The names of a node share a prefix of two bytes.
func (w *world) produce() *producer {
	p := &producer{w: w, at: w.rng.IntN(len(w.nodes)), when: []time.Duration{0}}
	p.name = name.Name{1, byte(p.at + 1), byte(len(w.made) + 1), 1}
	cfg := forward.FaceConfig{Publish: name.NewPrefixSet(name.MakePrefix(p.name, 2))}
	d, _, err := w.m.Attach(w.nodes[p.at], mesh.LinkConfig{Delay: time.Millisecond}, cfg)
	if err != nil {
		w.Fatal(err)
	}
	p.d = d
	d.Heard = p.asked
	w.made = append(w.made, p)
	w.nodes[p.at].Do(func(n *forward.Node) { n.Announce(w.m.Now(), 0, name.MakePrefix(p.name, 2), 0, lifetime) })
	return p
}

// publish sends the next number.
func (p *producer) publish() {
	p.seq++
	p.when = append(p.when, p.w.m.Now().Mono)
	p.send(p.seq)
}

func (p *producer) send(seq uint32) {
	p.d.Send(p.w.frame(wire.Header{Name: p.name, Seq: seq, Type: wire.Content, TTL: 7}, []byte("21.5")))
}

// asked is a producer's answer: what it has, or Return 2.
func (p *producer) asked(raw []byte) {
	var f wire.Frame
	if f.Parse(raw) != drop.None || f.Type != wire.Interest || f.Name != p.name || f.Seq == wire.SeqSubscribe {
		return
	}
	switch {
	case p.seq > 0 && f.Seq == 0:
		p.send(p.seq)
	case f.Seq > 0 && f.Seq <= p.seq:
		p.send(f.Seq)
	default:
		asked, _ := wire.AskedOf(f.Payload)
		ret := wire.Returned{Reason: wire.ReturnNotHere, Asked: asked, Node: 1000}
		p.d.Send(p.w.frame(wire.Header{Name: p.name, Seq: f.Seq, Type: wire.Return, TTL: 7}, ret.Append(nil)))
	}
}

func (w *world) frame(h wire.Header, payload []byte) []byte {
	raw := h.Append(nil, payload)
	if err := w.v.Sign(0, raw); err != nil {
		w.Fatal(err)
	}
	return raw
}

// consumer is a device that asks and subscribes.
type consumer struct {
	w       *world
	at      int
	d       *mesh.Device
	waits   map[wire.Asked]*ask
	times   map[name.Name]map[uint32]int // how often each content came
	returns int
}

// ask is a question of a consumer and what became of it.
type ask struct {
	name     name.Name
	seq      uint32
	at       time.Duration
	contents []wire.Frame
	returned wire.ReturnReason
	ended    time.Duration
}

func (w *world) consume(at int) *consumer {
	c := &consumer{w: w, at: at, waits: map[wire.Asked]*ask{}, times: map[name.Name]map[uint32]int{}}
	d, _, err := w.m.Attach(w.nodes[at], mesh.LinkConfig{Delay: time.Millisecond}, forward.FaceConfig{})
	if err != nil {
		w.Fatal(err)
	}
	c.d = d
	d.Heard = c.heard
	w.users = append(w.users, c)
	return c
}

func (c *consumer) heard(raw []byte) {
	var f wire.Frame
	if why := f.Parse(raw); why != drop.None {
		c.w.Errorf("a bad frame %x: %v", raw, why)
		return
	}
	switch f.Type {
	case wire.Content:
		if c.times[f.Name] == nil {
			c.times[f.Name] = map[uint32]int{}
		}
		c.times[f.Name][f.Seq]++
		for _, a := range c.waits {
			if a.wants(&f) {
				a.contents = append(a.contents, f)
				a.end(c.w)
			}
		}
	case wire.Return:
		ret := wire.ReturnedOf(f.Payload)
		c.returns++
		if a := c.waits[ret.Asked]; a != nil {
			a.returned = ret.Reason
			a.end(c.w)
		}
	}
}

func (a *ask) end(w *world) {
	if a.ended == 0 {
		a.ended = w.m.Now().Mono
	}
}

func (a *ask) wants(f *wire.Frame) bool {
	for i := range a.name {
		if a.name[i] != f.Name[i] && a.name[i] != name.DefaultWildcard {
			return false
		}
	}
	return a.seq == 0 || a.seq == f.Seq
}

// ask sends an Interest with a timestamp of its own.
func (c *consumer) ask(n name.Name, seq uint32, expiry uint16) *ask {
	asked := wire.MakeAsked(c.w.m.Now().Wall, expiry)
	for c.waits[asked] != nil { // two in one millisecond
		asked = wire.MakeAsked(asked.UnixMilli()+1, expiry)
	}
	a := &ask{name: n, seq: seq, at: c.w.m.Now().Mono}
	c.waits[asked] = a
	c.d.Send(c.w.frame(wire.Header{Name: n, Seq: seq, TTL: 7}, asked[:]))
	return a
}

// subscribe keeps a subscription alive for a while.
func (c *consumer) subscribe(n name.Name, during time.Duration) {
	const expiry, renewal = 60, 25 * time.Second
	asked := wire.MakeAsked(c.w.m.Now().Wall, min(expiry, uint16(during/time.Second)))
	c.d.Send(c.w.frame(wire.Header{Name: n, Seq: wire.SeqSubscribe, TTL: 7}, asked[:]))
	if during > renewal {
		c.w.m.After(renewal, func() { c.subscribe(n, during-renewal) })
	}
}

// populate makes producers and consumers at random nodes.
func (w *world) populate(producers, consumers int) {
	for range producers {
		w.produce()
	}
	for range consumers {
		w.consume(w.rng.IntN(len(w.nodes)))
	}
}

// quiet lets everything expire and fails if anything is left in a table.
func (w *world) quiet() {
	for _, p := range w.made {
		w.nodes[p.at].Do(func(n *forward.Node) { n.Withdraw(w.m.Now(), 0, name.MakePrefix(p.name, 2)) })
	}
	w.m.RunFor(3*time.Minute + lifetime)
	for i, n := range w.nodes {
		for j := range n.Workers() {
			s := n.Worker(j).Stats()
			if s.PIT+s.PITRecords+s.Wildcards+s.Subscriptions+s.Askers+s.Sleepers != 0 || s.Producers > len(w.made) {
				w.Errorf("node %d worker %d, after all has expired: %+v", i, j, s)
			}
		}
		for _, r := range n.Routes(w.m.Now()) {
			if r.Face != 0 && !r.Static {
				w.Errorf("node %d still has the route %+v", i, r)
			}
		}
	}
}

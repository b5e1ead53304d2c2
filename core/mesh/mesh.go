package mesh

import (
	"container/heap"
	"encoding/binary"
	"hash"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"github.com/zmesh/zmesh/core/forward"
)

// Epoch is the wall-clock time at which a mesh starts, in Unix ms: 2026-01-01. Any fixed day would do.
const Epoch int64 = 1_767_225_600_000

// Mesh is a set of nodes and devices, their links, and what is to happen next.
type Mesh struct {
	now    time.Duration
	rng    *rand.Rand
	queue  queue
	serial uint64
	nodes  []*Node
	links  []*Link
	digest hash.Hash64

	// Frames counts what was sent over all links, lost or not.
	Frames uint64
	// Tap, if set, sees every frame that is sent, before the link decides what becomes of it. side is the end that sends: of Join's
	// two nodes 0 or 1; of Attach's the node is 0.
	Tap func(at time.Duration, l *Link, side int, raw []byte)
}

// New makes an empty mesh. All that is random in it comes from seed.
func New(seed uint64) *Mesh {
	return &Mesh{rng: rand.New(rand.NewPCG(seed, 0x5a6d657368)), digest: fnv.New64a()}
}

// Now is the moment in the mesh's time.
func (m *Mesh) Now() forward.Now {
	return forward.Now{Mono: m.now, Wall: Epoch + m.now.Milliseconds()}
}

// Rand is the mesh's randomness, for what a test draws besides.
func (m *Mesh) Rand() *rand.Rand { return m.rng }

// Digest is a hash of every frame sent so far with its time and link: equal traces have equal digests.
func (m *Mesh) Digest() uint64 { return m.digest.Sum64() }

// After runs fn when d has passed.
func (m *Mesh) After(d time.Duration, fn func()) { m.at(m.now+d, fn) }

// event is something that happens at a time; serial keeps those of one moment in the order in which they were made.
type event struct {
	at     time.Duration
	serial uint64
	run    func()
}

func (m *Mesh) at(t time.Duration, fn func()) {
	m.serial++
	heap.Push(&m.queue, event{max(t, m.now), m.serial, fn})
}

// Next is when something happens next, for a test whose own parts live in another virtual time; ok is false if nothing is planned.
func (m *Mesh) Next() (at time.Duration, ok bool) {
	if len(m.queue) == 0 {
		return 0, false
	}
	return m.queue[0].at, true
}

// RunFor lets d pass.
func (m *Mesh) RunFor(d time.Duration) { m.run(m.now + d) }

func (m *Mesh) run(end time.Duration) {
	for len(m.queue) > 0 && m.queue[0].at <= end {
		e := heap.Pop(&m.queue).(event)
		m.now = e.at
		e.run()
	}
	m.now = end
}

type queue []event

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].serial < q[j].serial
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(event)) }
func (q *queue) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = event{}
	*q = old[:len(old)-1]
	return e
}

// Node is a forwarder in the mesh.
type Node struct {
	*forward.Node
	m       *Mesh
	in      *forward.Ingress
	planned time.Duration // when Advance is to run; 0: not planned
	config  func() forward.Config
	ends    []*end
	dead    bool
}

// Node adds a forwarder. config is called now and at each Restart: a new store, a new boot number.
func (m *Mesh) Node(config func() forward.Config) (*Node, error) {
	n := &Node{m: m, config: config}
	m.nodes = append(m.nodes, n)
	return n, n.start()
}

func (n *Node) start() error {
	fwd, err := forward.New(n.config())
	if err != nil {
		return err
	}
	n.Node, n.in, n.planned = fwd, fwd.Ingress(), 0
	for _, e := range n.ends {
		if err := e.attach(); err != nil {
			return err
		}
	}
	n.plan()
	return nil
}

// Kill stops a node as a power cut would: what is sent to it is lost.
func (n *Node) Kill() { n.dead = true }

// Restart starts it again with empty tables.
func (n *Node) Restart() error {
	n.dead = false
	return n.start()
}

// Do runs fn on the node and then plans its timers anew: for what a test changes by hand.
func (n *Node) Do(fn func(*forward.Node)) {
	fn(n.Node)
	n.plan()
}

// plan makes sure that Advance runs when the node's next timer is due.
func (n *Node) plan() {
	at, ok := n.Next()
	if !ok || n.planned != 0 && n.planned <= at {
		return
	}
	at = max(at, n.m.now)
	n.planned = at
	fwd := n.Node
	n.m.at(at, func() {
		if n.Node != fwd || n.dead || n.planned != at {
			return
		}
		n.planned = 0
		n.Advance(n.m.Now())
		n.plan()
	})
}

func (n *Node) receive(f *forward.Face, raw []byte) { n.hear(f, raw, forward.SignalUnknown) }

func (n *Node) hear(f *forward.Face, raw []byte, signal int16) {
	if n.dead {
		return
	}
	n.in.Begin(n.m.Now())
	n.in.AddHeard(f, raw, signal)
	n.in.Run()
	n.plan()
}

// Device is the other end of a link that is no forwarder: a sensor, a consumer, a test.
type Device struct {
	m    *Mesh
	link *Link
	side int
	// Heard is called with each frame that arrives.
	Heard func(raw []byte)
}

// Send sends a frame over the device's link.
func (d *Device) Send(raw []byte) { d.link.transmit(d.side, raw) }

// LinkConfig is how a link behaves. The zero value is perfect and instant.
type LinkConfig struct {
	Delay     time.Duration
	Jitter    time.Duration // added to Delay, uniform in [0, Jitter): frames overtake each other
	Loss      float64       // probability
	Duplicate float64       // probability that a frame arrives twice
}

// Link joins two ends.
type Link struct {
	LinkConfig
	m    *Mesh
	id   int
	ends [2]func(raw []byte) // deliver to side 0 and 1
	cut  bool
}

// Cut stops all frames; Heal lets them pass again. Nobody is told: hellos find out (P-18).
func (l *Link) Cut() { l.cut = true }

// Heal ends a cut.
func (l *Link) Heal() { l.cut = false }

func (m *Mesh) newLink(c LinkConfig) *Link {
	l := &Link{LinkConfig: c, m: m, id: len(m.links)}
	m.links = append(m.links, l)
	return l
}

// transmit sends a frame from one side to the other.
func (l *Link) transmit(from int, raw []byte) {
	m := l.m
	m.Frames++
	m.note(l.id<<1|from, raw)
	if m.Tap != nil {
		m.Tap(m.now, l, from, raw)
	}
	if l.cut || m.rng.Float64() < l.Loss {
		return
	}
	l.deliver(1-from, raw)
	if l.Duplicate > 0 && m.rng.Float64() < l.Duplicate {
		l.deliver(1-from, raw)
	}
}

func (l *Link) deliver(to int, raw []byte) {
	d := l.Delay
	if l.Jitter > 0 {
		d += time.Duration(l.m.rng.Int64N(int64(l.Jitter)))
	}
	copied := append([]byte(nil), raw...)
	l.m.at(l.m.now+d, func() {
		if !l.cut {
			l.ends[to](copied)
		}
	})
}

func (m *Mesh) note(end int, raw []byte) {
	var head [12]byte
	binary.BigEndian.PutUint64(head[:8], uint64(m.now))
	binary.BigEndian.PutUint32(head[8:], uint32(end))
	m.digest.Write(head[:])
	m.digest.Write(raw)
}

// end is a node's side of a link.
type end struct {
	node *Node
	link *Link
	side int
	cfg  forward.FaceConfig
	face *forward.Face

	radio *Station // instead of link and side
}

func (e *end) attach() error {
	f, err := e.node.AddFace(e.node.m.Now(), e.cfg, e)
	e.face = f
	return err
}

// Send implements forward.Link.
func (e *end) Send(frames [][]byte) int {
	for _, raw := range frames {
		if e.radio != nil {
			e.radio.Send(raw)
			continue
		}
		e.link.transmit(e.side, raw)
	}
	return len(frames)
}

// Queued implements forward.Queuer: a link has no queue, a station may have to wait for its channel.
func (e *end) Queued() int {
	if e.radio == nil {
		return 0
	}
	return e.radio.Queued()
}

// Close implements forward.Link.
func (e *end) Close() {}

func (m *Mesh) attach(n *Node, l *Link, side int, cfg forward.FaceConfig) (*end, error) {
	e := &end{node: n, link: l, side: side, cfg: cfg}
	n.ends = append(n.ends, e)
	l.ends[side] = func(raw []byte) { n.receive(e.face, raw) }
	err := e.attach()
	n.plan()
	return e, err
}

// Join links two forwarders and gives their faces' handles, which survive a Restart.
func (m *Mesh) Join(a, b *Node, c LinkConfig, ca, cb forward.FaceConfig) (l *Link, fa, fb Face, err error) {
	l = m.newLink(c)
	ea, err := m.attach(a, l, 0, ca)
	if err != nil {
		return nil, Face{}, Face{}, err
	}
	eb, err := m.attach(b, l, 1, cb)
	return l, Face{ea}, Face{eb}, err
}

// Attach links a device to a forwarder.
func (m *Mesh) Attach(n *Node, c LinkConfig, cfg forward.FaceConfig) (*Device, Face, error) {
	l := m.newLink(c)
	d := &Device{m: m, link: l, side: 1}
	l.ends[1] = func(raw []byte) {
		if d.Heard != nil {
			d.Heard(raw)
		}
	}
	e, err := m.attach(n, l, 0, cfg)
	return d, Face{e}, err
}

// Face is a node's face in the mesh.
type Face struct{ e *end }

// Get is the face as it is now: after a Restart it is another one.
func (f Face) Get() *forward.Face { return f.e.face }

// Link is the device's link.
func (d *Device) Link() *Link { return d.link }

package forward

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/table"
	"github.com/zmesh/zmesh/core/wire"
)

// Now is a moment, read once for each burst.
type Now struct {
	Mono time.Duration // since the node started; never goes back
	Wall int64         // Unix time in milliseconds, for timestamps (P-4) and retention
}

// Config is what a node is made of. Keys and Naming are needed; for the rest the zero value has a meaning.
type Config struct {
	ID         uint32                 // node id in Announcements and Returns
	Boot       uint32                 // boot number (P-18): another one after each start
	Keys       *wire.Keyring          // networks and their keys; index 0 is our own
	Naming     []*name.Network        // how each of them makes names, by the same index
	Workers    int                    // 0: one
	Limits     *Limits                // nil: DefaultLimits
	Seed       table.Seed             // of all hashes
	Random     func() uint64          // the bytes of hellos (P-18)
	Store      func(worker int) Store // nil: nothing is stored
	Strategy   func(worker int) Strategy
	Mirror     name.PrefixSet       // names of our own network of which this node keeps a second copy (P-22: without their quotas)
	Onboarding []name.Name          // answered under the public key (P-9)
	Origin     uint32               // first FSEQ of our Announcements: from the wall clock, so that it rises over restarts (P-7)
	Happened   func(Happening)      // notable things; must not call the node
	Clock      func() time.Duration // what Now.Mono is read from; one burst in 64 is timed with it for [Node.Perf]. nil: none
	Wake       func()               // something is due before what [Node.Next] gave last; must not wait, nor call the node
}

// What names a kind of Happening.
type What string

// The kinds of Happening.
const (
	FaceMade       What = "face made"       // an on-demand face (P-11)
	FaceClosed     What = "face closed"     // it was idle (P-11)
	FaceUp         What = "face up"         // its peer answers again (P-18)
	FaceDown       What = "face down"       // its peer is silent (P-18)
	PeerRestarted  What = "peer restarted"  // a new boot number (P-18)
	ForgeryAlarm   What = "MAC failures"    // the budget of a listener is spent (P-20)
	SecondProducer What = "second producer" // at most one a second for each worker (P-17)
	EpochOpened    What = "new epoch"       // a producer started again from a lower number (P-1)
)

// Happening is something an operator may want to know. Face and Name are set where they belong to it.
type Happening struct {
	What What
	Face FaceID
	Name name.Name
}

// Node is a forwarder: its faces, its workers and its control plane (routes, hellos, Announcements).
type Node struct {
	cfg     Config
	lim     Limits
	workers []*Worker
	onboard map[name.Name]bool

	perf    perf
	planned atomic.Int64 // what Next gave last, or what was due earlier since, in ns

	faces atomic.Pointer[[]*Face] // by slot; replaced, never changed, so that workers read it without a lock

	mu       sync.Mutex // the control plane; taken before a worker's
	rib      *table.RIB
	uses     []uint16 // how often each slot was used
	verifier *wire.Verifier
	onDemand map[uint64]*Face // by Source
	address  map[uint64]int   // on-demand faces by address
	now      Now              // of the control-plane call under way
	buf      []byte
	idleNext time.Duration
}

// New makes a node without faces.
func New(cfg Config) (*Node, error) {
	if cfg.Keys == nil || len(cfg.Naming) != cfg.Keys.Len() {
		return nil, errors.New("forward: every network needs its keys and its naming")
	}
	if cfg.Workers < 0 || cfg.Workers > 256 {
		return nil, fmt.Errorf("forward: %d workers, want 1 to 256", cfg.Workers)
	}
	n := &Node{cfg: cfg, lim: DefaultLimits(), verifier: cfg.Keys.Verifier(), onboard: map[name.Name]bool{}}
	n.cfg.Workers = max(cfg.Workers, 1)
	if cfg.Limits != nil {
		n.lim = *cfg.Limits
	}
	if n.cfg.Happened == nil {
		n.cfg.Happened = func(Happening) {}
	}
	if n.cfg.Wake == nil {
		n.cfg.Wake = func() {}
	}
	if n.cfg.Random == nil {
		n.cfg.Random = func() uint64 { return 0 }
	}
	for _, nm := range cfg.Onboarding {
		n.onboard[nm] = true
	}
	n.onDemand, n.address = map[uint64]*Face{}, map[uint64]int{}
	n.uses = []uint16{0}
	n.faces.Store(&[]*Face{nil}) // slot 0 is the node itself
	n.rib = n.newRIB()
	for i := range n.cfg.Workers {
		n.workers = append(n.workers, newWorker(n, i))
	}
	return n, nil
}

// Limits are the limits in force.
func (n *Node) Limits() Limits { return n.lim }

// Worker gives a worker for status and tests.
func (n *Node) Worker(i int) *Worker { return n.workers[i] }

// Workers is how many there are.
func (n *Node) Workers() int { return len(n.workers) }

func (n *Node) owner(k name.Key) int { return Owner(n.cfg.Seed, len(n.workers), k) }

// Owner is the worker of a name in a node with that seed: the high bits of its hash, since the tables use the low ones. A
// store must know it before the node is made.
func Owner(seed table.Seed, workers int, k name.Key) int {
	if workers <= 1 {
		return 0
	}
	h := seed.Key(k, 0)
	return int((h >> 32) * uint64(workers) >> 32)
}

// Routes lists all routes of the node.
func (n *Node) Routes(now Now) []table.Route {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.rib.Routes(now.Mono)
}

// Faces calls fn with every face.
func (n *Node) Faces(fn func(*Face)) {
	for _, f := range *n.faces.Load() {
		if f != nil {
			fn(f)
		}
	}
}

// Face finds a face; nil if it is gone.
func (n *Node) Face(id FaceID) *Face { return faceOf(*n.faces.Load(), id) }

func faceOf(faces []*Face, id FaceID) *Face {
	if s := slotOf(id); s < len(faces) && faces[s] != nil && faces[s].id == id {
		return faces[s]
	}
	return nil
}

// ErrFaces says that a node has no slot left for a face.
var ErrFaces = errors.New("forward: more than 65,535 faces")

// AddFace makes a face that stays until RemoveFace. It is up at once.
func (n *Node) AddFace(now Now, cfg FaceConfig, link Link) (*Face, error) {
	n.lock(now)
	defer n.unlock()
	return n.addFace(cfg, link)
}

func (n *Node) addFace(cfg FaceConfig, link Link) (*Face, error) {
	faces := *n.faces.Load()
	slot := len(faces)
	for i := 1; i < len(faces); i++ {
		if faces[i] == nil {
			slot = i
			break
		}
	}
	if slot > slotMask {
		return nil, ErrFaces
	}
	if slot == len(n.uses) {
		n.uses = append(n.uses, 0)
	}
	f := &Face{id: FaceID(n.uses[slot])<<16 | FaceID(slot), cfg: cfg, link: link}
	if cfg.Proxy {
		f.pull = &pulls{next: map[name.Key]Pull{}}
	}
	f.queue, _ = link.(Queuer)
	f.many, _ = link.(Batcher)
	n.uses[slot]++
	f.up.Store(true)
	f.last.Store(int64(n.now.Mono))
	f.hello.next = n.now.Mono
	next := make([]*Face, max(len(faces), slot+1))
	copy(next, faces)
	next[slot] = f
	n.faces.Store(&next)
	n.faceUp(f)
	return f, nil
}

// RemoveFace takes a face out: its routes, its producers and what waits for answers from it. Its Link is closed.
func (n *Node) RemoveFace(now Now, id FaceID) {
	n.lock(now)
	defer n.unlock()
	if f := n.Face(id); f != nil {
		n.removeFace(f)
	}
}

func (n *Node) removeFace(f *Face) {
	f.gone.Store(true)
	if f.cfg.OnDemand {
		delete(n.onDemand, f.cfg.Source)
		if n.address[f.cfg.Address]--; n.address[f.cfg.Address] == 0 {
			delete(n.address, f.cfg.Address)
		}
		f.cfg.Listener.faces--
		c := f.Counters()
		c.Subscriptions = 0
		f.cfg.Listener.closed.add(&c)
	}
	next := append([]*Face(nil), *n.faces.Load()...)
	next[slotOf(f.id)] = nil
	n.faces.Store(&next)
	n.eachWorker(func(w *Worker) { w.forget(f) })
	n.faceDown(f)
	f.link.Close()
}

// ListenerCounters are the totals of a listener since it was made: of its on-demand faces, those that are gone too, and of the peers
// that did not become any.
func (n *Node) ListenerCounters(l *Listener) (c Counters, faces int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c = l.closed
	for _, f := range *n.faces.Load() {
		if f != nil && f.cfg.Listener == l {
			live := f.Counters()
			c.add(&live)
		}
	}
	for i, d := range l.Drops() {
		c.Drops[i] += d
	}
	return c, l.faces
}

// SetPolicy changes the policy of a listener. Its faces are closed: they come back with it on their peers' next frames.
func (n *Node) SetPolicy(now Now, l *Listener, policy FaceConfig) {
	n.lock(now)
	defer n.unlock()
	l.Policy = policy
	for _, f := range *n.faces.Load() {
		if f != nil && f.cfg.Listener == l {
			n.removeFace(f)
		}
	}
}

// Hold keeps a face down whatever its link and its peer say, or lets it go up again: the operator's switch.
func (n *Node) Hold(now Now, id FaceID, held bool) {
	n.lock(now)
	defer n.unlock()
	if f := n.Face(id); f != nil {
		f.held = held
		n.setUp(f, !held)
	}
}

// SetUp tells the node that a face's link works, or does not.
func (n *Node) SetUp(now Now, id FaceID, up bool) {
	n.lock(now)
	defer n.unlock()
	if f := n.Face(id); f != nil {
		n.setUp(f, up)
	}
}

func (n *Node) setUp(f *Face, up bool) {
	up = up && !f.held
	if f.up.Swap(up) == up {
		return
	}
	if up {
		n.cfg.Happened(Happening{What: FaceUp, Face: f.id})
		n.faceUp(f)
		return
	}
	n.cfg.Happened(Happening{What: FaceDown, Face: f.id})
	n.faceDown(f)
}

func (n *Node) faceUp(f *Face) {
	n.rib.FaceUp(n.now.Mono, f.id, f.cost())
	n.eachWorker(func(w *Worker) { w.faceUp(f) })
}

func (n *Node) faceDown(f *Face) {
	n.eachWorker(func(w *Worker) { w.tellFace(f, false) }) // before its routes are gone
	n.rib.FaceDown(n.now.Mono, f.id)
	n.eachWorker(func(w *Worker) { w.faceDown(f) })
}

// eachWorker runs fn under each worker's mutex and sends what it queued.
func (n *Node) eachWorker(fn func(*Worker)) {
	for _, w := range n.workers {
		w.mu.Lock()
		w.begin(n.now)
		fn(w)
		w.flush()
		w.plan()
		w.mu.Unlock()
	}
}

// Advance does what is due: timers of all workers, renewals, hellos, idle faces. The host calls it at
// [Node.Next], and looks there again when Config.Wake is called; or simply every few milliseconds.
func (n *Node) Advance(now Now) {
	n.mu.Lock()
	n.now = now
	n.helloDue()
	n.rib.Advance(now.Mono)
	n.closeIdle()
	n.mu.Unlock()
	for _, w := range n.workers {
		w.mu.Lock()
		w.begin(now)
		w.advance()
		w.flush()
		w.mu.Unlock()
	}
}

// StoreReady lets a worker take what its store has finished: reads from disk and commits (P-13). The store's owner calls
// it, from any goroutine of its own.
func (n *Node) StoreReady(now Now, worker int) {
	w := n.workers[worker]
	for {
		w.mu.Lock()
		w.begin(now)
		more := w.storeReady()
		w.flush()
		w.plan()
		w.mu.Unlock()
		if !more {
			return
		}
		runtime.Gosched() // a burst that waits for the mutex comes first: it would not be given to it before a millisecond
	}
}

// closeIdle closes on-demand faces that were silent for Idle, hold no subscription (P-11, P-24) and have no sleeper: with the face would go what is
// held for it (P-8).
func (n *Node) closeIdle() {
	if n.now.Mono < n.idleNext {
		return
	}
	n.idleNext = n.now.Mono + time.Second
	for _, f := range *n.faces.Load() { // by slot: a map's order would differ from run to run
		if f != nil && f.cfg.OnDemand && n.now.Mono-f.Last() >= n.lim.Idle && f.subs.Load() == 0 && f.naps.Load() == 0 {
			n.cfg.Happened(Happening{What: FaceClosed, Face: f.id})
			n.removeFace(f)
		}
	}
}

// netIDOut is the Net ID to write on a frame of a network that leaves by a face; 0 writes no field (P-19).
func (n *Node) netIDOut(f *Face, net uint8) uint32 {
	if net == 0 && !f.cfg.NetIDOut {
		return 0
	}
	return n.cfg.Keys.NetID(net)
}

// control signs and sends one frame that the control plane made.
func (n *Node) control(f *Face, net uint8, h wire.Header, payload []byte) {
	h.NetID, h.KeyID = n.netIDOut(f, net), n.cfg.Keys.Use(net)
	n.buf = h.Append(n.buf[:0], payload)
	if n.verifier.Sign(net, n.buf) != nil || !f.Up() && h.Name != name.Hello {
		f.drop(drop.FaceDown)
		return
	}
	n.transmit(f, n.buf)
}

func (n *Node) transmit(f *Face, raw []byte) {
	frames := [1][]byte{raw}
	if f.gone.Load() || len(raw) > f.mtu() {
		f.drop(drop.TooBigFace)
		return
	}
	if f.link.Send(frames[:]) == 0 {
		f.drop(refusal(f.link))
		return
	}
	f.outFrames.Add(1)
	f.outBytes.Add(uint64(len(raw)))
}

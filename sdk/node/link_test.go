package node

import (
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// testKey is the network key of the tests.
var testKey = [wire.KeySize]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}

func testConfig() Config {
	return Config{Network: wire.Network{Keys: [wire.NetworkKeys]*[16]byte{0: &testKey}}}
}

// faults are what a link does to frames.
type faults struct {
	loss, copies float64       // shares of frames
	delay        time.Duration // of every frame
	jitter       time.Duration // up to so much more: frames overtake one another
}

// chance is randomness by seed, for several goroutines.
type chance struct {
	mu sync.Mutex
	r  *rand.Rand
}

func newChance(seed uint64) *chance { return &chance{r: rand.New(rand.NewPCG(seed, 2))} }

func (c *chance) below(p float64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.r.Float64() < p
}

func (c *chance) upTo(d time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(c.r.Int64N(int64(d) + 1))
}

// end is one end of a datagram link in memory.
type end struct {
	in     chan []byte
	closed chan struct{}
	once   sync.Once
	peer   *end
	chance *chance
	mu     sync.Mutex
	faults faults // of what is written here
	eat    int    // so many contents are lost, and nothing else
}

func newLink(c *chance, f faults) (a, b *end) {
	newEnd := func() *end {
		return &end{in: make(chan []byte, 4096), closed: make(chan struct{}), chance: c, faults: f}
	}
	a, b = newEnd(), newEnd()
	a.peer, b.peer = b, a
	return a, b
}

func (e *end) setFaults(f faults) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults = f
}

func (e *end) Read(p []byte) (int, error) {
	select {
	case raw := <-e.in:
		return copy(p, raw), nil
	case <-e.closed:
		return 0, io.ErrClosedPipe
	}
}

func (e *end) Write(p []byte) (int, error) {
	select {
	case <-e.closed:
		return 0, io.ErrClosedPipe
	default:
	}
	e.mu.Lock()
	f := e.faults
	var frame wire.Frame
	if frame.Parse(p); frame.Type == wire.Content && e.eat > 0 {
		e.eat--
		f.loss = 1
	}
	e.mu.Unlock()
	e.carry(p, f)
	if e.chance.below(f.copies) {
		e.carry(p, f)
	}
	return len(p), nil
}

// carry brings a frame over, later and perhaps.
func (e *end) carry(p []byte, f faults) {
	if e.chance.below(f.loss) {
		return
	}
	raw := append([]byte(nil), p...)
	arrive := func() {
		select {
		case e.peer.in <- raw:
		default:
		}
	}
	if d := f.delay + e.chance.upTo(f.jitter); d > 0 {
		time.AfterFunc(d, arrive)
		return
	}
	arrive()
}

func (e *end) Close() error {
	e.once.Do(func() { close(e.closed) })
	return nil
}

// key is a name and a number, in the fake forwarder.
type key struct {
	name name.Name
	seq  uint32
}

// face is the forwarder's end of one link.
type face struct {
	link     *end
	until    map[name.Name]time.Time       // its subscriptions
	sent     map[name.Name]map[uint32]bool // what was pushed to it in this epoch
	asked    map[ask]int                   // Interests that came
	stamps   map[wire.Asked]int
	produces map[name.Name]bool
}

// forwarder is a small fake of one: a map for a store, Returns, subscriptions, one epoch after another. Reasons that a test
// wants are in refuse.
type forwarder struct {
	t     *testing.T
	ring  *wire.Keyring
	group sync.WaitGroup

	mu       sync.Mutex
	signer   *wire.Verifier
	faces    []*face
	store    map[key][]byte // payloads
	newest   map[name.Name]uint32
	memory   bool                      // durability class (P-13)
	silent   bool                      // hears and says nothing
	refuse   map[ask]wire.ReturnReason // in place of an answer
	contents int                       // that came in from faces
	returns  []wire.Returned           // the same
}

func newForwarder(t *testing.T) *forwarder {
	ring, err := wire.NewKeyring(testConfig().Network)
	if err != nil {
		t.Fatal(err)
	}
	return &forwarder{
		t: t, ring: ring, signer: ring.Verifier(),
		store: map[key][]byte{}, newest: map[name.Name]uint32{}, refuse: map[ask]wire.ReturnReason{},
	}
}

// connect makes a node with a link to the forwarder. The caller closes the node and then the forwarder.
func (fw *forwarder) connect(c *chance, f faults) (*Node, *face) {
	near, far := newLink(c, f)
	fc := &face{
		link: far, until: map[name.Name]time.Time{}, sent: map[name.Name]map[uint32]bool{},
		asked: map[ask]int{}, stamps: map[wire.Asked]int{}, produces: map[name.Name]bool{},
	}
	fw.mu.Lock()
	fw.faces = append(fw.faces, fc)
	fw.mu.Unlock()
	fw.group.Go(func() { fw.serve(fc) })
	n, err := New(near, testConfig())
	if err != nil {
		fw.t.Fatal(err)
	}
	return n, fc
}

func (fw *forwarder) close() {
	for _, f := range fw.faces {
		_ = f.link.Close()
	}
	fw.group.Wait()
}

func (fw *forwarder) serve(fc *face) {
	v := fw.ring.Verifier()
	buf := make([]byte, 2048)
	for {
		size, err := fc.link.Read(buf)
		if err != nil {
			return
		}
		var f wire.Frame
		if f.Parse(buf[:size]) != 0 {
			fw.t.Errorf("the node sent %x", buf[:size])
			continue
		}
		if _, why := v.Verify(&f); why != 0 {
			fw.t.Errorf("the node sent %x: %v", buf[:size], why)
			continue
		}
		fw.take(fc, &f)
	}
}

func (fw *forwarder) take(fc *face, f *wire.Frame) {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	if fw.silent {
		return
	}
	if f.Type == wire.Content {
		fw.contents++
		fc.produces[f.Name] = true
		fw.put(fc, f.Name, f.Seq, append([]byte(nil), f.Payload...))
		return
	}
	if f.Type == wire.Return {
		fw.returns = append(fw.returns, wire.ReturnedOf(f.Payload))
		return
	}
	a := ask{f.Name, f.Seq}
	asked, _ := wire.AskedOf(f.Payload)
	fc.asked[a]++
	fc.stamps[asked]++
	fw.interest(fc, a, asked)
}

func (fw *forwarder) interest(fc *face, a ask, asked wire.Asked) {
	if why := fw.refuse[a]; why != 0 {
		fw.giveBack(fc, a, asked, why)
		return
	}
	if a.seq == wire.SeqSubscribe {
		fc.until[a.name] = time.Now().Add(asked.Expiry())
		return
	}
	seq := a.seq
	if seq == wire.SeqNewest {
		seq = fw.newest[a.name]
	}
	payload, here := fw.store[key{a.name, seq}]
	switch {
	case here && fw.memory && fc.produces[a.name], !here && fw.newest[a.name] != 0:
		fw.giveBack(fc, a, asked, wire.ReturnNotHere)
	case here:
		fw.send(fc, wire.Header{Name: a.name, Seq: seq, Type: wire.Content, TTL: wire.MaxTTL}, payload)
	default:
		fw.giveBack(fc, a, asked, wire.ReturnNoRoute)
	}
}

func (fw *forwarder) giveBack(fc *face, a ask, asked wire.Asked, why wire.ReturnReason) {
	ret := wire.Returned{Reason: why, Asked: asked, Node: 7}
	fw.send(fc, wire.Header{Name: a.name, Seq: a.seq, Type: wire.Return, TTL: wire.MaxTTL}, ret.Append(nil))
}

func (fw *forwarder) send(fc *face, h wire.Header, payload []byte) {
	raw := h.Append(nil, payload)
	if err := fw.signer.Sign(0, raw); err != nil {
		fw.t.Error(err)
	}
	_, _ = fc.link.Write(raw)
}

// put stores a content and pushes it to whoever has subscribed; each number once.
func (fw *forwarder) put(from *face, nm name.Name, seq uint32, payload []byte) {
	if _, had := fw.store[key{nm, seq}]; had {
		return
	}
	fw.store[key{nm, seq}] = payload
	if high := fw.newest[nm]; high == 0 || wire.Newer(seq, high) {
		fw.newest[nm] = seq
	}
	for _, fc := range fw.faces {
		if fc == from || !fc.wants(nm) {
			continue
		}
		if fc.sent[nm] == nil {
			fc.sent[nm] = map[uint32]bool{}
		}
		if !fc.sent[nm][seq] {
			fc.sent[nm][seq] = true
			fw.send(fc, wire.Header{Name: nm, Seq: seq, Type: wire.Content, TTL: wire.MaxTTL - 1}, payload)
		}
	}
}

// wants tells whether a subscription, perhaps with 0xFF as a wildcard, stands.
func (fc *face) wants(nm name.Name) bool {
	for pattern, until := range fc.until {
		fits := time.Now().Before(until)
		for i := range pattern {
			fits = fits && (pattern[i] == nm[i] || i > 0 && pattern[i] == 0xFF && nm[i] != 0)
		}
		if fits {
			return true
		}
	}
	return false
}

// publish is what another producer publishes.
func (fw *forwarder) publish(nm name.Name, seq uint32, payload string) {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	fw.put(nil, nm, seq, []byte(payload))
}

// drop is what retention does.
func (fw *forwarder) drop(nm name.Name, seq uint32) {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	delete(fw.store, key{nm, seq})
}

// anew is a new epoch: contents under numbers that were used (P-1).
func (fw *forwarder) anew(nm name.Name, seq uint32, payload string) {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	for _, fc := range fw.faces {
		fc.sent[nm] = nil
	}
	delete(fw.store, key{nm, seq})
	fw.newest[nm] = seq
	fw.put(nil, nm, seq, []byte(payload))
}

func (fw *forwarder) set(f func()) {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	f()
}

func (fw *forwarder) count(fc *face, a ask) int {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	return fc.asked[a]
}

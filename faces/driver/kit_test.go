package driver

import (
	"context"
	"encoding/binary"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
	"github.com/zmesh/zmesh/core/table"
	"github.com/zmesh/zmesh/core/wire"
)

const (
	patient = 10 * time.Second // how long a test waits for what must come
	epoch   = 1_767_225_600_000
	temp    = "010203010000"
)

var testKey = [wire.KeySize]byte{0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c}

// codec is a driver in Go: a frame follows its length in two bytes, and a length above 2000 is damage that takes the bytes that there are.
type codec struct {
	traits Traits
	mu     sync.Mutex
	events []Kind
	trap   byte // an item that begins with it is lost to a trap
	absent bool // there is no driver
	timer  time.Duration
	quiet  bool // Send answers with the frame alone, which allocates nothing
}

func (c *codec) Traits() Traits { return c.traits }
func (c *codec) Close()         {}

func (c *codec) Await(ctx context.Context) bool {
	for ctx.Err() == nil {
		c.mu.Lock()
		absent := c.absent
		c.mu.Unlock()
		if !absent {
			return true
		}
		runtime.Gosched()
	}
	return false
}

func (c *codec) set(fn func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fn()
}

func (c *codec) Run(_ time.Duration, items []Item, r *Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r.Reset()
	r.Timer, c.timer = c.timer, 0
	for i := range items {
		it := &items[i]
		switch {
		case c.absent:
			r.Outcomes = append(r.Outcomes, Outcome{Why: drop.NoDriver})
			continue
		case c.trap != 0 && len(it.Data) > 2 && it.Data[2] == c.trap:
			r.Outcomes = append(r.Outcomes, Outcome{Why: drop.DriverTrap})
			continue
		}
		r.Outcomes = append(r.Outcomes, c.one(it, r))
	}
}

func (c *codec) one(it *Item, r *Result) (o Outcome) {
	switch it.Kind {
	case Received:
		b := it.Data
		for len(b) >= 2 {
			n := int(binary.BigEndian.Uint16(b))
			if n > 2000 && n < 0xFF00 { // above: as if it never ended
				return Outcome{Consumed: len(it.Data), Damaged: 1, Frames: o.Frames}
			}
			if len(b) < 2+n {
				break
			}
			r.Frames = append(r.Frames, Frame{Data: r.Keep(b[2 : 2+n])})
			o.Frames++
			b = b[2+n:]
		}
		o.Consumed = len(it.Data) - len(b)
	case Send:
		o.Outgoing = 1
		if c.quiet {
			r.Outgoing = append(r.Outgoing, Outgoing{it.Peer.ID, r.Keep(it.Data)})
			break
		}
		b := binary.BigEndian.AppendUint16(nil, uint16(len(it.Data)))
		r.Outgoing = append(r.Outgoing, Outgoing{it.Peer.ID, r.Keep(append(b, it.Data...))})
	default:
		c.events = append(c.events, it.Kind)
	}
	return o
}

func (c *codec) seen(k Kind) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.events {
		if e == k {
			n++
		}
	}
	return n
}

func newCodec() *codec { return &codec{traits: Traits{MTU: 1280, Stream: true, Datagram: true}} }

// node is a forwarder whose lines are tested.
type node struct {
	testing.TB
	*forward.Node
	lines *Lines
	v     *wire.Verifier
	begun time.Time
}

func (n *node) now() forward.Now {
	mono := time.Since(n.begun) + time.Second
	return forward.Now{Mono: mono, Wall: epoch + mono.Milliseconds()}
}

func newNode(tb testing.TB) *node {
	tb.Helper()
	ring, err := wire.NewKeyring(wire.Network{Keys: [4]*[16]byte{&testKey}})
	if err != nil {
		tb.Fatal(err)
	}
	naming, err := name.NewNetwork(name.Settings{Naming: name.Hierarchical})
	if err != nil {
		tb.Fatal(err)
	}
	n := &node{TB: tb, v: ring.Verifier(), begun: time.Now()}
	n.Node, err = forward.New(forward.Config{
		ID: 7, Boot: 1, Keys: ring, Naming: []*name.Network{naming}, Seed: table.Seed{1, 2}, Random: func() uint64 { return 4 },
		Store: func(int) forward.Store {
			return store.NewShard(store.Config{LogBytes: 1 << 20, Sorted: true, MaxRatePerName: store.Unlimited, Now: time.Second, Wall: epoch})
		},
	})
	if err != nil {
		tb.Fatal(err)
	}
	if n.lines, err = New(Config{Node: n.Node, Clock: n.now}); err != nil {
		tb.Fatal(err)
	}
	return n
}

func anyone() name.PrefixSet { return name.NewPrefixSet(name.Prefix{}) }

// open opens a line that the test closes.
func (n *node) open(cfg LineConfig) *Line {
	n.Helper()
	cfg.Face.Name, cfg.Face.Publish = "line", anyone()
	if cfg.Listen != "" {
		cfg.Listener = &forward.Listener{Policy: forward.FaceConfig{Name: "line", Publish: anyone()}}
	}
	l, err := n.lines.Open(n.Context(), cfg)
	if err != nil {
		n.Fatal(err)
	}
	n.Cleanup(func() {
		if err := l.Close(); err != nil {
			n.Error(err)
		}
	})
	return l
}

// over opens a client on connections that a test makes.
func (n *node) over(c *codec, via func(context.Context) (stream, error)) *Line {
	n.Helper()
	l := n.lines.line(LineConfig{Codec: c, Transport: TCP, Remote: "test", Face: forward.FaceConfig{Name: "line", Publish: anyone()}})
	l.via = via
	if err := l.open(n.Context()); err != nil {
		n.Fatal(err)
	}
	n.Cleanup(func() {
		if err := l.Close(); err != nil {
			n.Error(err)
		}
	})
	return l
}

func (n *node) until(what string, done func() bool) {
	n.Helper()
	for end := time.Now().Add(patient); !done(); runtime.Gosched() {
		if time.Now().After(end) {
			n.Fatalf("waited in vain until %s", what)
		}
	}
}

func nm(hex string) name.Name {
	n, err := name.ParseHex(hex)
	if err != nil {
		panic(err)
	}
	return n
}

// content is a frame as it stands on a line.
func (n *node) content(seq uint32, payload string) []byte {
	raw := (&wire.Header{Name: nm(temp), Seq: seq, Type: wire.Content, TTL: 7}).Append(nil, []byte(payload))
	if err := n.v.Sign(0, raw); err != nil {
		n.Fatal(err)
	}
	return raw
}

func (n *node) interest(seq uint32) []byte {
	a := wire.MakeAsked(n.now().Wall, 60)
	raw := (&wire.Header{Name: nm(temp), Seq: seq, Type: wire.Interest, TTL: 7}).Append(nil, a[:])
	if err := n.v.Sign(0, raw); err != nil {
		n.Fatal(err)
	}
	return raw
}

func framed(frames ...[]byte) (b []byte) {
	for _, f := range frames {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(f))), f...)
	}
	return b
}

package udp

import (
	"net"
	"net/netip"
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

// patient is how long a test waits for what must come. Nothing waits that long unless it fails.
const patient = 10 * time.Second

const temp = "010203010000"

var testKey = [wire.KeySize]byte{0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c}

// kit is nodes on loopback sockets under one clock that only the test moves.
type kit struct {
	testing.TB
	portable bool
	readers  int                         // of a listener
	engine   func(*conn) (engine, error) // if set, in place of the system's
	ring     *wire.Keyring
	v        *wire.Verifier

	mu   sync.Mutex
	mono time.Duration
	hook func() // called at each reading of the clock, if set
}

const epoch = 1_767_225_600_000 // 2026-01-01 in Unix ms

// engines runs a test with the best engine of this system, with that as on a kernel without segmentation offload, and with the
// portable one.
func engines(t *testing.T, test func(*testing.T, *kit)) {
	t.Run("best", func(t *testing.T) { test(t, newKit(t, false)) })
	t.Run("portable", func(t *testing.T) { test(t, newKit(t, true)) })
	if simplest == nil {
		return
	}
	t.Run("no-offload", func(t *testing.T) {
		k := newKit(t, false)
		k.engine = simplest
		test(t, k)
	})
}

// simplest is the best engine of this system with the least that it must find there; nil if that is the same.
var simplest func(*conn) (engine, error)

func newKit(tb testing.TB, portable bool) *kit {
	ring, err := wire.NewKeyring(wire.Network{Keys: [4]*[16]byte{&testKey}})
	if err != nil {
		tb.Fatal(err)
	}
	return &kit{TB: tb, portable: portable, ring: ring, v: ring.Verifier(), mono: time.Second}
}

func (k *kit) now() forward.Now {
	k.mu.Lock()
	mono, hook := k.mono, k.hook
	k.mu.Unlock()
	if hook != nil {
		hook()
	}
	return forward.Now{Mono: mono, Wall: epoch + mono.Milliseconds()}
}

// pass lets time pass, for everyone.
func (k *kit) pass(d time.Duration) {
	k.mu.Lock()
	k.mono += d
	k.mu.Unlock()
}

// node is a forwarder and its sockets.
type node struct {
	*forward.Node
	*Transport
	k *kit
}

func (k *kit) node(id uint32, workers int) *node {
	k.Helper()
	naming, err := name.NewNetwork(name.Settings{Naming: name.Hierarchical})
	if err != nil {
		k.Fatal(err)
	}
	fwd, err := forward.New(forward.Config{
		ID: id, Boot: 1, Workers: workers, Keys: k.ring, Naming: []*name.Network{naming},
		Seed: table.Seed{1, uint64(id)}, Random: func() uint64 { return 4 },
		Store: func(int) forward.Store {
			return store.NewShard(store.Config{LogBytes: 1 << 20, Sorted: true, MaxRatePerName: store.Unlimited, Now: k.mono, Wall: epoch})
		},
	})
	if err != nil {
		k.Fatal(err)
	}
	t, err := New(Config{Node: fwd, Clock: k.now, Portable: k.portable, Readers: k.readers})
	if err != nil {
		k.Fatal(err)
	}
	if k.engine != nil {
		t.engine = k.engine
	}
	k.Cleanup(func() {
		if err := t.Close(); err != nil {
			k.Error(err)
		}
	})
	return &node{Node: fwd, Transport: t, k: k}
}

// open is a policy under which 01 may be published and everything asked for.
func open() *forward.Listener {
	return &forward.Listener{Policy: forward.FaceConfig{Name: "lan", Publish: name.NewPrefixSet(prefix("01")), Clock: true}}
}

func (n *node) listen(at string, l *forward.Listener) *Socket {
	n.k.Helper()
	s, err := n.Transport.Listen(n.k.Context(), ListenConfig{Name: "lan", Address: at, Listener: l})
	if err != nil {
		n.k.Fatal(err)
	}
	return s
}

func (n *node) connect(to netip.AddrPort, cfg forward.FaceConfig) *forward.Face {
	n.k.Helper()
	f, err := n.Transport.Connect(n.k.Context(), RemoteConfig{Address: to.String(), Face: cfg})
	if err != nil {
		n.k.Fatal(err)
	}
	return f
}

func (n *node) faces() (list []*forward.Face) {
	n.Faces(func(f *forward.Face) { list = append(list, f) })
	return list
}

// device is a plain UDP socket in the hands of the test.
type device struct {
	*net.UDPConn
	k  *kit
	at netip.AddrPort // where it sends
}

func (k *kit) device(to *Socket) *device { return k.deviceAt("127.0.0.1:0", to.Addr()) }

func (k *kit) deviceAt(local string, to netip.AddrPort) *device {
	k.Helper()
	if to.Addr().IsUnspecified() {
		to = netip.AddrPortFrom(netip.MustParseAddrPort(local).Addr(), to.Port())
	}
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(local)))
	if err != nil {
		k.Fatal(err)
	}
	k.Cleanup(func() { c.Close() })
	if err := c.SetReadBuffer(DefaultBuffer); err != nil {
		k.Fatal(err)
	}
	return &device{UDPConn: c, k: k, at: to}
}

func (d *device) addr() netip.AddrPort { return d.LocalAddr().(*net.UDPAddr).AddrPort() }

func (d *device) send(raw []byte) {
	d.k.Helper()
	if _, err := d.WriteToUDPAddrPort(raw, d.at); err != nil {
		d.k.Fatal(err)
	}
}

// get waits for the next frame, and tells where it came from.
func (d *device) get() (f wire.Frame, from netip.AddrPort) {
	d.k.Helper()
	_ = d.SetReadDeadline(time.Now().Add(patient))
	buf := make([]byte, 2000)
	n, from, err := d.ReadFromUDPAddrPort(buf)
	if err != nil {
		d.k.Fatal(err)
	}
	if why := f.Parse(buf[:n]); why != drop.None {
		d.k.Fatalf("the node sent %x: %v", buf[:n], why)
	}
	return f, from
}

// wants waits for a frame of a type and number.
func (d *device) wants(t wire.Type, seq uint32) wire.Frame {
	d.k.Helper()
	f, _ := d.get()
	if f.Type != t || f.Seq != seq {
		d.k.Fatalf("got %s #%d, want %s #%d", f.Type, f.Seq, t, seq)
	}
	return f
}

// processed waits until the node has taken so many datagrams from the socket and is done with them.
func (k *kit) processed(s *Socket, n uint64) {
	k.Helper()
	k.until("the datagrams are processed", func() bool { return s.Counters().Datagrams >= n })
}

// until waits for something that the test cannot be told of. Everything else that runs gets its turn in between.
func (k *kit) until(what string, done func() bool) {
	k.Helper()
	for end := time.Now().Add(patient); !done(); runtime.Gosched() {
		if time.Now().After(end) {
			k.Fatalf("waited in vain until %s", what)
		}
	}
}

func prefix(hex string) name.Prefix {
	return name.MakePrefix(nm(hex+"000000000000"[len(hex):]), uint8(len(hex)/2))
}

func nm(hex string) name.Name {
	n, err := name.ParseHex(hex)
	if err != nil {
		panic(err)
	}
	return n
}

func (k *kit) frame(h wire.Header, payload []byte) []byte {
	raw := h.Append(nil, payload)
	if err := k.v.Sign(0, raw); err != nil {
		k.Fatal(err)
	}
	return raw
}

// interest is an Interest made now; expiry in seconds.
func (k *kit) interest(n string, seq uint32, expiry uint16) []byte {
	a := wire.MakeAsked(k.now().Wall, expiry)
	return k.frame(wire.Header{Name: nm(n), Seq: seq, Type: wire.Interest, TTL: 7}, a[:])
}

func (k *kit) content(n string, seq uint32, payload string) []byte {
	return k.frame(wire.Header{Name: nm(n), Seq: seq, Type: wire.Content, TTL: 7}, []byte(payload))
}

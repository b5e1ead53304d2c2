package outside

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/zmesh/zmesh/runtime/config"
	"github.com/zmesh/zmesh/runtime/host"
)

// Keys of the tests. The public one is a fact.
var (
	networkKey = cipherKey(unhex("2b7e151628aed2a6abf7158809cf4f3c"))
	otherKey   = cipherKey(unhex("000102030405060708090a0b0c0d0e0f"))
	publicKey  = cipherKey(unhex("112233445566778899 00 aabbccddeeff"))
)

// patience is how long something that must come is waited for.
const patience = 10 * time.Second

// here is how long it takes to read what is in a socket already.
const here = time.Millisecond

// setup is the configuration of a node, as lines that are added to its tables.
type setup struct {
	name  string // default "node"
	id    uint32 // default 0xA0
	node  string // [node]
	store string // [store]; default: in memory, without limit of rate
	at    string // where it listens; default: a port that the system chooses
	lan   string // its listener's policy; default: names under 01 may be published there
	rest  string // further tables
}

func (s setup) toml() string {
	if s.name == "" {
		s.name = "node"
	}
	if s.id == 0 {
		s.id = 0xA0
	}
	if s.store == "" {
		s.store = "durability = \"memory\"\nmax_rate_per_name = \"60000/min\""
	}
	if s.at == "" {
		s.at = "127.0.0.1:0"
	}
	if s.lan == "" {
		s.lan = `publish = ["01"]`
	}
	if !strings.Contains(s.node, "naming") {
		s.node += "\nnaming = \"hierarchical\""
	}
	return fmt.Sprintf(`
[node]
name = %q
id = %d
data_dir = "data"
%s
[[network_keys]]
id = 0
use = true
key = "%x"
[store]
%s
[[faces]]
name = "lan"
type = "udp"
listen = %q
%s
%s
`, s.name, s.id, s.node, networkKey[:], s.store, s.at, s.lan, s.rest)
}

// remote is a configured face towards an address. Hellos are off unless the lines turn them on, so that frames are what a test
// waits for.
func remote(name string, to netip.AddrPort, lines ...string) string {
	text := strings.Join(lines, "\n")
	if !strings.Contains(text, "hello") {
		text += "\nhello = false"
	}
	return fmt.Sprintf("[[faces]]\nname = %q\ntype = \"udp\"\nremote = %q\n%s\n", name, to, text)
}

// route is a static one.
func route(prefix, face string) string {
	return fmt.Sprintf("[[routes]]\nprefix = %q\nface = %q\n", prefix, face)
}

// node is a running node.
type node struct {
	t    *testing.T
	host *host.Host
	addr netip.AddrPort // of its first listener
	id   uint32
}

// start runs a node until the test ends.
func start(t *testing.T, s setup) *node {
	t.Helper()
	return startIn(t, folder(t), s)
}

// startIn runs one in a folder that is there.
func startIn(t *testing.T, dir string, s setup) *node {
	t.Helper()
	n, _ := startStop(t, dir, s)
	return n
}

// startStop runs one that can be stopped before the test ends.
func startStop(t *testing.T, dir string, s setup) (n *node, stop func()) {
	t.Helper()
	cfg := load(t, dir, s)
	ctx, cancel := context.WithCancel(context.Background())
	h, err := host.New(ctx, cfg, zerolog.New(zerolog.NewTestWriter(t)), nil)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	ready := make(chan struct{})
	go func() { ended <- h.Run(ctx, func([]string) { close(ready) }) }()
	var stopped atomic.Bool
	stop = func() {
		if stopped.Swap(true) {
			return
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the node ended with: %v", err)
		}
	}
	t.Cleanup(stop)
	<-ready
	return &node{t: t, host: h, addr: listening(t, h.Addresses()), id: cfg.Node.ID}, stop
}

func load(t *testing.T, dir string, s setup) *config.Config {
	t.Helper()
	path := filepath.Join(dir, "node.toml")
	if err := os.WriteFile(path, []byte(s.toml()), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatalf("%v\n%s", err, s.toml())
	}
	return cfg
}

// folder is a short one: the path of the admin socket in it has room for some hundred bytes only.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "zm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// listening reads the address of a listener as Addresses gives it: "lan udp://127.0.0.1:1234".
func listening(t *testing.T, list []string) netip.AddrPort {
	t.Helper()
	for _, text := range list {
		if _, a, ok := strings.Cut(text, " udp://"); ok {
			return netip.MustParseAddrPort(a)
		}
	}
	t.Fatalf("no listener among %q", list)
	return netip.AddrPort{}
}

// dropped is how many frames the node has dropped for a reason.
func (n *node) dropped(reason string) uint64 { return n.host.Status().Drops[reason] }

// counts checks that the node drops so many more for a reason while something is done.
func (n *node) counts(reason string, want uint64, while func()) {
	n.t.Helper()
	before := n.host.Status().Drops
	while()
	after := n.host.Status().Drops
	if got := after[reason] - before[reason]; got != want {
		n.t.Errorf("%d more dropped as %s, want %d; before %v, after %v", got, reason, want, before, after)
	}
}

// peer is somebody on the wire: a socket with a port of its own.
type peer struct {
	t    *testing.T
	conn *net.UDPConn
	addr netip.AddrPort
	node netip.AddrPort // who it speaks to
	key  cipherKey      // what it signs with, and expects answers under
	deaf bool           // hellos are none of its test's business
}

// socket opens one that has no node to speak to yet: for a neighbour that a configuration names.
func socket(t *testing.T) *peer {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &peer{t: t, conn: conn, addr: conn.LocalAddr().(*net.UDPAddr).AddrPort(), key: networkKey}
}

// peer opens one that speaks to the node.
func (n *node) peer() *peer {
	n.t.Helper()
	return socket(n.t).to(n)
}

// neighbour opens one that plays a forwarder. The node greets those it knows as such, from time to time (P-18); the hellos are
// left aside.
func neighbour(t *testing.T) *peer {
	t.Helper()
	p := socket(t)
	p.deaf = true
	return p
}

// to sets whom it speaks to.
func (p *peer) to(n *node) *peer {
	p.node = n.addr
	return p
}

// send sends a frame and gives its bytes.
func (p *peer) send(f frame) []byte {
	p.t.Helper()
	raw := f.bytes(p.key)
	p.raw(raw)
	return raw
}

// raw sends bytes as they are.
func (p *peer) raw(b []byte) {
	p.t.Helper()
	if _, err := p.conn.WriteToUDPAddrPort(b, p.node); err != nil {
		p.t.Fatal(err)
	}
}

// next waits for a frame from the node and checks its MAC.
func (p *peer) next() frame {
	p.t.Helper()
	end := time.Now().Add(patience)
	f, raw, ok := p.receive(patience)
	for ok && p.deaf && f.name == greeting && f.kind == kindInterest {
		f, raw, ok = p.receive(time.Until(end))
	}
	if !ok {
		p.t.Fatal("nothing came")
	}
	if !f.signed(p.key) || f.version != 0 || f.key != 0 {
		p.t.Fatalf("% x is not signed with network key 0", raw)
	}
	return f
}

// receive reads what comes within a time.
func (p *peer) receive(within time.Duration) (f frame, raw []byte, ok bool) {
	p.t.Helper()
	if err := p.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		p.t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, from, err := p.conn.ReadFromUDPAddrPort(buf)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return f, nil, false
	}
	if err != nil {
		p.t.Fatal(err)
	}
	if f, err = parse(buf[:n]); err != nil {
		p.t.Fatalf("% x: %v", buf[:n], err)
	}
	if from != p.node {
		p.t.Fatalf("%v came from %s, which is not %s", f, from, p.node)
	}
	return f, buf[:n], true
}

var marks atomic.Uint32

// upToMark asks what has a certain answer at once, an Interest with expiry 0 for what nobody has (P-3), and gives what came
// before that answer. A node takes the frames of one face in bursts, and those of one burst in an order of its own, so it is asked
// twice: with the second answer it is through with everything that was sent before.
func (p *peer) upToMark() (others []frame) {
	p.t.Helper()
	for range 2 {
		f := frame{ttl: 1, name: of("9f4d41524b"), seq: 1 + marks.Add(1)%0xFFFFF0, payload: asking(stamp(), 0)}
		p.send(f)
		for got := p.next(); got.kind != kindReturn || got.name != f.name || got.seq != f.seq; got = p.next() {
			others = append(others, got)
		}
	}
	return others
}

// quiet checks that the node has nothing to say to the peer.
func (p *peer) quiet() {
	p.t.Helper()
	if others := p.upToMark(); len(others) > 0 {
		p.t.Errorf("%d frames came that should not: %v", len(others), others)
	}
}

// silent checks the same for a peer that is to stay a stranger: another one shows that the node is through with its frames.
func (p *peer) silent(other *peer) {
	p.t.Helper()
	other.quiet()
	if f, _, ok := p.receive(here); ok {
		p.t.Errorf("this came and should not: %v", f)
	}
}

var lastStamp atomic.Int64

// stamp is the time in ms for an Interest. No two are the same: an Interest is known again by it (P-2a).
func stamp() int64 {
	for {
		last := lastStamp.Load()
		next := max(time.Now().UnixMilli(), last+1)
		if lastStamp.CompareAndSwap(last, next) {
			return next
		}
	}
}

// asking is the payload of an Interest: 6 bytes Unix time in ms, 2 bytes expiry in s.
func asking(ms int64, expiry uint16) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint64(nil, uint64(ms))[2:], expiry)
}

// interest asks for a number of a name, now, for some seconds.
func interest(n title, seq uint32, expiry uint16) frame {
	return frame{ttl: 7, name: n, seq: seq, payload: asking(stamp(), expiry)}
}

// content is what a producer sends.
func content(n title, seq uint32, payload string) frame {
	return frame{ttl: 7, name: n, kind: kindContent, seq: seq, payload: []byte(payload)}
}

// returned is the Return of an Interest by a node.
func returned(to frame, reason byte, node uint32) frame {
	asked := to.payload
	if len(asked) == 0 {
		asked = make([]byte, 8)
	}
	payload := append([]byte{reason}, asked...)
	return frame{ttl: 7, name: to.name, kind: kindReturn, seq: to.seq, payload: binary.BigEndian.AppendUint32(payload, node)}
}

// announce is a Content Announcement of a prefix in hex digits (P-7).
func announce(prefix string, seq uint32, cost, lifetime uint16, origin uint32) frame {
	p := []byte{byte(len(prefix) / 2)}
	p = binary.BigEndian.AppendUint16(p, cost)
	p = binary.BigEndian.AppendUint16(p, lifetime)
	p = binary.BigEndian.AppendUint32(p, origin)
	return frame{ttl: 7, name: of(prefix), kind: kindAnnouncement, seq: seq, payload: p}
}

// with gives the frame with another TTL.
func (f frame) with(ttl byte) frame {
	f.ttl = ttl
	return f
}

// same compares two frames in everything that is on the wire.
func same(a, b frame) bool { return bytes.Equal(a.bytes(networkKey), b.bytes(networkKey)) }

// gets waits for a frame and compares it with what it should be.
func (p *peer) gets(want frame) {
	p.t.Helper()
	if got := p.next(); !same(got, want) {
		p.t.Fatalf("got  %v\n%x\nwant %v\n%x", got, got.bytes(p.key), want, want.bytes(p.key))
	}
}

// publishes sends a content and sees to it that the node has taken it.
func (p *peer) publishes(n title, seq uint32, payload string) frame {
	p.t.Helper()
	f := content(n, seq, payload)
	p.send(f)
	p.quiet()
	return f
}

func digits(b []byte) string { return hex.EncodeToString(b) }

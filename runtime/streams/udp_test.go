package streams

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zmesh/zmesh/sdk/node"
)

// relay carries datagrams to a node and back as a bad link does: some are lost, some come twice, and they overtake each other.
type relay struct {
	socket *net.UDPConn
	to     string
	wg     sync.WaitGroup
	frames atomic.Int64 // that were sent into it

	mu    sync.Mutex
	rng   *rand.Rand
	peers map[string]*net.UDPConn // by who sent
	shut  bool
}

// What the relay does to datagrams.
const (
	relayLoss  = 0.05
	relayTwice = 0.05
	relayLate  = 20 * time.Millisecond // at most
)

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{socket: socket, to: to, rng: rand.New(rand.NewPCG(3, 4)), peers: map[string]*net.UDPConn{}}
	r.wg.Go(r.forth)
	t.Cleanup(r.close)
	return r
}

func (r *relay) address() string { return r.socket.LocalAddr().String() }

func (r *relay) close() {
	r.mu.Lock()
	r.shut = true
	_ = r.socket.Close()
	for _, p := range r.peers {
		_ = p.Close()
	}
	r.mu.Unlock()
	r.wg.Wait()
}

// forth takes what comes for the node.
func (r *relay) forth() {
	for buf := make([]byte, 2048); ; {
		n, from, err := r.socket.ReadFromUDP(buf)
		if err != nil {
			return
		}
		if p := r.peer(from); p != nil {
			r.carry(buf[:n], func(b []byte) { _, _ = p.Write(b) })
		}
	}
}

// peer is the relay's socket towards the node for one sender.
func (r *relay) peer(from *net.UDPAddr) *net.UDPConn {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.peers[from.String()]
	if p != nil || r.shut {
		return p
	}
	conn, err := net.Dial("udp", r.to)
	if err != nil {
		return nil
	}
	p = conn.(*net.UDPConn)
	r.peers[from.String()] = p
	r.wg.Go(func() {
		for buf := make([]byte, 2048); ; {
			n, err := p.Read(buf)
			if err != nil {
				return
			}
			r.carry(buf[:n], func(b []byte) { _, _ = r.socket.WriteToUDP(b, from) })
		}
	})
	return p
}

func (r *relay) carry(raw []byte, send func([]byte)) {
	r.frames.Add(1)
	copied := append([]byte(nil), raw...)
	r.mu.Lock()
	defer r.mu.Unlock()
	times := 1
	switch x := r.rng.Float64(); {
	case x < relayLoss:
		times = 0
	case x < relayLoss+relayTwice:
		times = 2
	}
	for range times {
		time.AfterFunc(time.Duration(r.rng.Int64N(int64(relayLate))), func() { send(copied) })
	}
}

// The same once on real UDP: two nodes with a bad link between them, and a subscriber on another one.
func TestP12StreamOverRealUDP(t *testing.T) {
	const want = 300
	_, first := run(t, "[store]\nmax_rate_per_name = \"1000000/min\"\n"+listening)
	between := newRelay(t, first)
	_, second := run(t, listening+"[[faces]]\nname = \"up\"\ntype = \"udp\"\nremote = \""+between.address()+"\"\n[[routes]]\nprefix = \"01\"\nface = \"up\"\n")
	behind := newRelay(t, second)
	sub, err := dial(t, behind.address()).Subscribe(temperature, 1, false)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	device, source, ended := dial(t, first), plain(t, temperature), make(chan error, 1)
	reading, read := context.WithCancel(ctx)
	defer read()
	go func() { ended <- publish(reading, device, source) }()
	for seq := uint32(1); seq <= want; seq++ {
		u, err := sub.Next(ctx)
		if err != nil || u.Lost || u.Seq != seq || string(u.Payload) != string(payload(seq)) {
			t.Fatalf("%+v, %v; want number %d", u, err, seq)
		}
	}
	read()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	t.Logf("%d contents for %d frames on two links", want, between.frames.Load()+behind.frames.Load())
}

// publish sends one number after the other, 200 a second, until it is told to end: a tail that is lost would be seen at the next renewal only.
func publish(ctx context.Context, n *node.Node, s *node.Stream) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for seq := uint32(1); ; seq++ {
		if err := n.Publish(s, seq, payload(seq)); err != nil {
			return fmt.Errorf("number %d: %w", seq, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

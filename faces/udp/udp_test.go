package udp

import (
	"bytes"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/wire"
)

func TestPublishAndGet(t *testing.T) {
	engines(t, func(t *testing.T, k *kit) {
		n := k.node(1, 1)
		s := n.listen("127.0.0.1:0", open())
		sensor, reader := k.device(s), k.device(s)
		sensor.send(k.content(temp, 5, "21.5"))
		k.processed(s, 1)
		reader.send(k.interest(temp, 5, 2))
		got, from := reader.get()
		if got.Type != wire.Content || got.Seq != 5 || string(got.Payload) != "21.5" || from != s.Addr() {
			t.Errorf("got %s #%d %q from %s", got.Type, got.Seq, got.Payload, from)
		}
		k.processed(s, 2)
		if c := s.Counters(); c.Sent != 1 || c.SendErrors+c.SendFull+c.ReadErrors+c.Strangers != 0 {
			t.Errorf("counters %+v", c)
		}
	})
}

// pair is two forwarders, A's upstream being B; they know each other as configured remotes.
func (k *kit) pair(workers int) (a, b *node, sa, sb *Socket) {
	a, b = k.node(1, workers), k.node(2, workers)
	sa, sb = a.listen("127.0.0.1:0", open()), b.listen("127.0.0.1:0", open())
	up := a.connect(sb.Addr(), forward.FaceConfig{Name: "up", Hello: true})
	b.connect(sa.Addr(), forward.FaceConfig{Name: "down", Hello: true})
	a.AddRoute(k.now(), 0, prefix("01"), up.ID(), 1)
	return a, b, sa, sb
}

func TestGetThroughTwoForwarders(t *testing.T) {
	engines(t, func(t *testing.T, k *kit) {
		_, _, sa, sb := k.pair(4)
		sensor, reader := k.device(sb), k.device(sa)
		sensor.send(k.content(temp, 7, "x"))
		k.processed(sb, 1)
		reader.send(k.interest(temp, 7, 2))
		if f := reader.wants(wire.Content, 7); f.TTL != 6 {
			t.Errorf("TTL %d, want 6: forwarded once", f.TTL)
		}
		reader.send(k.interest(temp, 8, 2))
		sensor.wants(wire.Interest, 8) // not in a store: the producer itself is asked
		sensor.send(k.content(temp, 8, "y"))
		if f := reader.wants(wire.Content, 8); f.TTL != 5 {
			t.Errorf("TTL %d, want 5: forwarded twice", f.TTL)
		}
	})
}

func TestSubscribeThroughTwoForwarders(t *testing.T) {
	engines(t, func(t *testing.T, k *kit) {
		_, b, sa, sb := k.pair(1)
		sensor, one, two := k.device(sb), k.device(sa), k.device(sa)
		one.send(k.interest(temp, wire.SeqSubscribe, 60))
		two.send(k.interest(temp, wire.SeqSubscribe, 61))
		k.until("B has the subscription", func() bool { return b.Worker(0).Stats().Subscriptions == 1 })
		k.processed(sa, 2)
		for seq := uint32(1); seq <= 200; seq++ {
			sensor.send(k.content(temp, seq, "v"))
			one.wants(wire.Content, seq)
			two.wants(wire.Content, seq)
		}
	})
}

// Hellos go both ways between configured remotes (P-18), so the faces know each other's node.
func TestHelloOverSockets(t *testing.T) {
	engines(t, func(t *testing.T, k *kit) {
		a, b, _, _ := k.pair(1)
		k.pass(time.Second)
		a.Advance(k.now())
		b.Advance(k.now())
		k.until("both have answered", func() bool {
			return a.Peer(a.faces()[0]).Node == 2 && b.Peer(b.faces()[0]).Node == 1
		})
	})
}

func TestP11FaceOnFirstValidFrame(t *testing.T) {
	engines(t, func(t *testing.T, k *kit) {
		n := k.node(1, 2)
		l := open()
		s := n.listen("127.0.0.1:0", l)
		d := k.device(s)
		forged := k.content(temp, 1, "x")
		forged[len(forged)-1] ^= 1
		garbage := [][]byte{{}, {1}, bytes.Repeat([]byte{0xFF}, 40), forged, forged[:14]}
		for _, raw := range garbage {
			d.send(raw)
		}
		k.processed(s, uint64(len(garbage)))
		if len(n.faces()) != 0 || s.Peers() != 0 || s.Counters().Sent != 0 {
			t.Fatalf("%d faces, %d peers, %d answers after garbage", len(n.faces()), s.Peers(), s.Counters().Sent)
		}
		drops := l.Drops()
		if drops[drop.Short] != 3 || drops[drop.Version] != 1 || drops[drop.BadMAC] != 1 {
			t.Errorf("dropped as %v", drops)
		}
		d.send(k.content(temp, 1, "x"))
		d.send(k.content(temp, 2, "y"))
		k.processed(s, uint64(len(garbage)+2))
		if f := n.faces(); len(f) != 1 || s.Peers() != 1 || f[0].Counters().InFrames != 2 {
			t.Fatalf("%d faces, %d peers after valid frames", len(f), s.Peers())
		}
	})
}

func TestP11IdleFaceIsForgotten(t *testing.T) {
	engines(t, func(t *testing.T, k *kit) {
		n := k.node(1, 1)
		s := n.listen("127.0.0.1:0", open())
		d, other := k.device(s), k.device(s)
		d.send(k.content(temp, 1, "x"))
		k.processed(s, 1)
		first := n.faces()[0]
		k.pass(time.Minute)
		other.send(k.content("010203020000", 1, "x"))
		k.processed(s, 2)
		k.pass(time.Minute)
		n.Advance(k.now())
		if s.Peers() != 1 || len(n.faces()) != 1 || n.Face(first.ID()) != nil {
			t.Fatalf("%d peers, %d faces after one was idle", s.Peers(), len(n.faces()))
		}
		d.send(k.interest("010203020000", 1, 2))
		d.wants(wire.Content, 1)
		k.processed(s, 3)
		if s.Peers() != 2 || len(n.faces()) != 2 {
			t.Fatalf("%d peers, %d faces after it came back", s.Peers(), len(n.faces()))
		}
	})
}

// Many ports of one address are one source: 64 faces.
func TestP11FacesPerAddress(t *testing.T) {
	engines(t, func(t *testing.T, k *kit) {
		n := k.node(1, 1)
		l := open()
		s := n.listen("127.0.0.1:0", l)
		limit := n.Limits().FacesPerAddress
		for i := range limit + 2 {
			k.device(s).send(k.interest(temp, uint32(i+1), 2))
			k.processed(s, uint64(i+1))
		}
		if len(n.faces()) != limit || s.Peers() != limit || l.Drops()[drop.FacesFull] != 2 {
			t.Errorf("%d faces, %d peers, %d refused", len(n.faces()), s.Peers(), l.Drops()[drop.FacesFull])
		}
	})
}

// The node may close a face before its reader has noted its address.
func TestP11ClosedBeforeRemembered(t *testing.T) {
	k := newKit(t, false)
	n := k.node(1, 1)
	s := n.listen("127.0.0.1:0", open())
	l := newLink(s, keyOf(netip.MustParseAddrPort("127.0.0.1:9")))
	f, err := n.AddFace(k.now(), forward.FaceConfig{}, l)
	if err != nil {
		t.Fatal(err)
	}
	n.RemoveFace(k.now(), f.ID())
	if n.Transport.remember(l, f); s.Peers() != 0 {
		t.Error("an address without a face is known")
	}
}

// On-demand peers have the policy of the listener that they knock at: the same address is another face at another listener.
func TestP11EachListenerItsPeers(t *testing.T) {
	engines(t, func(t *testing.T, k *kit) {
		n := k.node(1, 1)
		lax, strict := n.listen("127.0.0.1:0", &forward.Listener{}), n.listen("127.0.0.1:0", open())
		d := k.device(lax)
		d.send(k.content(temp, 1, "x"))
		k.processed(lax, 1)
		d.at = strict.Addr()
		d.send(k.content(temp, 1, "x"))
		k.processed(strict, 1)
		f := n.faces()
		if len(f) != 2 || f[0].Counters().Drops[drop.Unsolicited] != 1 || f[1].Counters().Drops[drop.Unsolicited] != 0 {
			t.Fatalf("%d faces", len(f))
		}
		d.send(k.interest(temp, 2, 2))
		if got, from := d.get(); got.Type != wire.Return || from != strict.Addr() {
			t.Errorf("%s from %s, want a Return from where it was asked", got.Type, from)
		}
	})
}

// Forged frames have a budget for each listener; faces that are established do not feel it. Loopback has enough addresses.
func TestP20ForgersDoNotStopFaces(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs all of 127.0.0.0/8")
	}
	engines(t, func(t *testing.T, k *kit) {
		n := k.node(1, 1)
		l := open()
		s := n.listen("127.0.0.1:0", l)
		d, newcomer := k.device(s), k.device(s)
		d.send(k.content(temp, 1, "x"))
		k.processed(s, 1)
		forged := k.content(temp, 1, "x")
		forged[len(forged)-1] ^= 1
		sent := uint64(1)
		for i := range 12 {
			forger := k.deviceAt(fmt.Sprintf("127.0.1.%d:0", i+1), s.Addr())
			for range 90 {
				forger.send(forged)
				sent++
			}
			k.processed(s, sent)
		}
		newcomer.send(k.interest(temp, 1, 2))
		k.processed(s, sent+1)
		if drops := l.Drops(); drops[drop.BadMAC] != 1000 || drops[drop.MACBudget] != 81 {
			t.Errorf("%d verified, %d not, want 1000 and 81", drops[drop.BadMAC], drops[drop.MACBudget])
		}
		d.send(k.interest(temp, 2, 2))
		d.wants(wire.Return, 2)
		k.pass(time.Second)
		newcomer.send(k.interest(temp, 1, 3))
		newcomer.wants(wire.Content, 1)
	})
}

// A datagram from the address of a configured remote is that face, on whichever of our sockets it arrives.
func TestP24RemoteIsItsFaceOnEverySocket(t *testing.T) {
	engines(t, func(t *testing.T, k *kit) {
		n := k.node(1, 1)
		one := n.listen("127.0.0.1:0", open())
		d := k.device(one)
		up := n.connect(d.addr(), forward.FaceConfig{Name: "up"})
		two, quiet := n.listen("127.0.0.1:0", open()), n.listen(":0", nil)
		for i, s := range []*Socket{one, two, quiet} {
			to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), s.Addr().Port())
			d.at = to
			d.send(k.interest(temp, uint32(i+1), 2))
			if got, from := d.get(); got.Type != wire.Return || from != one.Addr() {
				t.Errorf("by socket %d: %s from %s, want a Return from %s, the first socket", i, got.Type, from, one.Addr())
			}
		}
		if len(n.faces()) != 1 || up.Counters().InFrames != 3 {
			t.Errorf("%d faces, %d frames in on the remote's", len(n.faces()), up.Counters().InFrames)
		}
		stranger := k.deviceAt("127.0.0.1:0", d.at)
		stranger.send(k.interest(temp, 1, 2))
		k.until("the stranger is counted", func() bool { return quiet.Counters().Strangers == 1 })
	})
}

// A peer that is a face on demand and then configured is one face: the configured one.
func TestP24RemoteReplacesOnDemandFace(t *testing.T) {
	engines(t, func(t *testing.T, k *kit) {
		n := k.node(1, 1)
		s := n.listen("127.0.0.1:0", open())
		d := k.device(s)
		d.send(k.content(temp, 1, "x"))
		k.processed(s, 1)
		was := n.faces()[0]
		up := n.connect(d.addr(), forward.FaceConfig{Name: "up"})
		d.send(k.interest(temp, 2, 2))
		d.wants(wire.Return, 2)
		k.processed(s, 2)
		if n.Face(was.ID()) != nil || up.Counters().InFrames != 1 {
			t.Error("the on-demand face is still there")
		}
		n.RemoveFace(k.now(), up.ID())
		if s.Peers() != 0 {
			t.Error("a removed remote is still known")
		}
		d.send(k.interest(temp, 2, 3))
		d.wants(wire.Return, 2)
		if f := n.faces(); len(f) != 1 || !f[0].Config().OnDemand {
			t.Error("it is not a stranger again")
		}
	})
}

// A datagram longer than a frame is seen to be so, not cut off; one without a byte is a short frame.
func TestP23LengthsOfDatagrams(t *testing.T) {
	engines(t, func(t *testing.T, k *kit) {
		n := k.node(1, 1)
		l := open()
		s := n.listen("127.0.0.1:0", l)
		d := k.device(s)
		longest := k.content(temp, 1, string(make([]byte, wire.MaxFrame-wire.MinFrame)))
		d.send(longest)
		d.send(append(longest, 0))
		d.send(make([]byte, 9000))
		d.send(nil)
		k.processed(s, 4)
		c := n.faces()[0].Counters()
		if c.InFrames != 4 || c.Drops[drop.Long] != 2 || c.Drops[drop.Short] != 1 {
			t.Errorf("%d frames, long %d, short %d", c.InFrames, c.Drops[drop.Long], c.Drops[drop.Short])
		}
		stranger := k.device(s)
		stranger.send(append(longest, 0))
		k.processed(s, 5)
		if l.Drops()[drop.Long] != 1 {
			t.Errorf("a stranger's: %v", l.Drops())
		}
		stranger.send(k.interest(temp, 1, 2))
		if f := stranger.wants(wire.Content, 1); len(f.Raw) != wire.MaxFrame {
			t.Errorf("%d bytes came back", len(f.Raw))
		}
	})
}

// What has queued up while the node was busy comes in with one system call, and the answers leave with one.
func TestBurstsAreBatched(t *testing.T) {
	k := newKit(t, false)
	n := k.node(1, 1)
	s := n.listen("127.0.0.1:0", open())
	if _, ok := s.readers[0].eng.(*portable); ok {
		t.Skip("this system has no batched calls")
	}
	sensor, d := k.device(s), k.device(s)
	sensor.send(k.content(temp, 1, "x"))
	d.send(k.interest(temp, 1, 2))
	d.wants(wire.Content, 1)
	k.processed(s, 2)
	before := s.Counters()
	busy, free := make(chan bool), make(chan bool)
	var once sync.Once
	k.mu.Lock()
	k.hook = func() { once.Do(func() { busy <- true; <-free }) }
	k.mu.Unlock()
	ask := k.frame(wire.Header{Name: nm(temp), Seq: 1, TTL: 7}, nil) // an Interest without payload
	d.send(ask)
	<-busy
	for range 2 * Burst {
		d.send(ask)
	}
	close(free)
	for range 2*Burst + 1 {
		d.wants(wire.Content, 1)
	}
	k.processed(s, 3+2*Burst)
	after := s.Counters()
	if bursts := after.Bursts - before.Bursts; bursts != 3 {
		t.Errorf("%d bursts, want 3", bursts)
	}
	if calls := after.SendCalls - before.SendCalls; calls != 3 {
		t.Errorf("%d system calls to send, want 3", calls)
	}
	if after.ReadCalls >= after.Datagrams/10 {
		t.Errorf("%d system calls for %d datagrams", after.ReadCalls, after.Datagrams)
	}
}

// One datagram at a time takes one system call to read, not a second one to learn that there is no more.
func TestOneReadForOneDatagram(t *testing.T) {
	engines(t, func(t *testing.T, k *kit) {
		s, l, frames := k.hits(1)
		before := s.Counters()
		l.rounds(t, frames, 200)
		k.processed(s, before.Datagrams+200)
		if calls := s.Counters().ReadCalls - before.ReadCalls; calls > 250 {
			t.Errorf("%d system calls for 200 datagrams", calls)
		}
	})
}

// Two workers may send on one face at the same time, and several faces on one socket.
func TestConcurrentSends(t *testing.T) {
	engines(t, func(t *testing.T, k *kit) {
		n := k.node(1, 1)
		s := n.listen("127.0.0.1:0", nil)
		const senders, rounds, each = 4, 20, 70
		d := []*device{k.device(s), k.device(s)}
		l := []*link{newLink(s, keyOf(d[0].addr())), newLink(s, keyOf(d[1].addr()))}
		var wg sync.WaitGroup
		for i := range senders {
			wg.Go(func() {
				frames := make([][]byte, each)
				for j := range frames {
					frames[j] = bytes.Repeat([]byte{byte(i)}, 20+j)
				}
				for range rounds {
					if took := l[i%2].Send(frames); took != each {
						t.Errorf("%d frames taken of %d", took, each)
					}
				}
			})
		}
		for i := range d {
			readPattern(k, d[i], senders/2*rounds*each)
		}
		wg.Wait()
	})
}

// readPattern reads so many datagrams, each of one value throughout.
func readPattern(k *kit, d *device, n int) {
	k.Helper()
	_ = d.SetReadDeadline(time.Now().Add(patient))
	buf := make([]byte, 2000)
	for range n {
		size, _, err := d.ReadFromUDPAddrPort(buf)
		if err != nil {
			k.Fatal(err)
		}
		if bytes.Count(buf[:size], buf[:1]) != size {
			k.Fatalf("mixed up: %x", buf[:size])
		}
	}
}

func keyOf(a netip.AddrPort) address {
	return makeAddress(a.Addr(), a.Port(), scopeOf(a.Addr().Zone()))
}

package udp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/wire"
)

func TestPortInUse(t *testing.T) {
	engines(t, func(t *testing.T, k *kit) {
		n := k.node(1, 1)
		at := n.listen("127.0.0.1:0", open()).Addr().String()
		_, err := n.Transport.Listen(t.Context(), ListenConfig{Name: "second", Address: at})
		if err == nil || !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatalf("two sockets at %s: %v", at, err)
		}
		for _, want := range []string{`face "second"`, at, "port is in use", "choose another port"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q does not say %q", err, want)
			}
		}
	})
}

func TestListenErrors(t *testing.T) {
	n := newKit(t, false).node(1, 1)
	for at, want := range map[string]string{
		"192.0.2.1:2208":  "no interface of this machine",
		"127.0.0.1:x":     `port "x" is no number from 0 to 65535`,
		"127.0.0.1:65536": `port "65536"`,
		"::1:2208:x]":     "write HOST:PORT",
	} {
		_, err := n.Transport.Listen(t.Context(), ListenConfig{Name: "lan", Address: at})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), fmt.Sprintf("face \"lan\": listen on udp %q: ", at)) {
			t.Errorf("%s: %v, want %q", at, err, want)
		}
	}
}

func TestConnectErrors(t *testing.T) {
	n := newKit(t, false).node(1, 1)
	n.Transport.cfg.Lookup = func(_ context.Context, host string) ([]netip.Addr, error) {
		return nil, map[string]error{"nowhere.example": errors.New("no such host")}[host]
	}
	s := n.listen("127.0.0.1:0", open())
	n.connect(netip.MustParseAddrPort("127.0.0.1:9"), forward.FaceConfig{Name: "first"})
	for _, c := range []struct {
		to   string
		from *Socket
		want string
	}{
		{"nowhere.example:2208", nil, `host "nowhere.example": no such host`},
		{"empty.example", nil, "no address found"},
		{":2208", nil, "a remote needs a host"},
		{"127.0.0.1:0", nil, "port above 0"},
		{"0.0.0.0:2208", nil, "no address of a single host"},
		{"239.1.2.3:2208", nil, "no address of a single host"},
		{"127.0.0.1:9", nil, `127.0.0.1:9 is the address of face "first" already`},
		{"[::ffff:127.0.0.1]:9", nil, `127.0.0.1:9 is the address of face "first" already`},
		{"192.0.2.1:2208", s, "cannot be reached from 127.0.0.1"},
		{"[::1]:2208", s, "cannot be reached from 127.0.0.1"},
	} {
		_, err := n.Transport.Connect(t.Context(), RemoteConfig{Address: c.to, From: c.from, Face: forward.FaceConfig{Name: "up"}})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), fmt.Sprintf("face \"up\": remote %q: ", c.to)) {
			t.Errorf("%s: %v, want %q", c.to, err, c.want)
		}
	}
	if len(n.faces()) != 1 {
		t.Errorf("%d faces, want the first alone", len(n.faces()))
	}
}

// A name with several addresses: the first that one of our sockets reaches.
func TestRemoteByName(t *testing.T) {
	engines(t, func(t *testing.T, k *kit) {
		n := k.node(1, 1)
		n.Transport.cfg.Lookup = func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("127.0.0.1")}, nil
		}
		s := n.listen("127.0.0.1:0", open())
		d := k.device(s)
		to := fmt.Sprintf("gw.example:%d", d.addr().Port())
		f, err := n.Transport.Connect(t.Context(), RemoteConfig{Address: to, Face: forward.FaceConfig{Name: "up"}})
		if err != nil {
			t.Fatal(err)
		}
		d.send(k.interest(temp, 1, 2))
		d.wants(wire.Return, 1)
		if f.Counters().InFrames != 1 {
			t.Error("not by the remote's face")
		}
	})
}

// Without a listener that reaches it a remote has a socket of the system's choice, shared with others of its family.
func TestRemoteWithoutListener(t *testing.T) {
	engines(t, func(t *testing.T, k *kit) {
		b := k.node(2, 1)
		far := b.listen("127.0.0.1:0", open())
		a := k.node(1, 1)
		up := a.connect(far.Addr(), forward.FaceConfig{Name: "up"})
		a.connect(netip.MustParseAddrPort("127.0.0.1:9"), forward.FaceConfig{Name: "other"})
		if s := a.Sockets(); len(s) != 1 || s[0].Name() != "" {
			t.Fatalf("%d sockets, want one for both", len(s))
		}
		near := a.listen("127.0.0.1:0", open())
		a.AddRoute(k.now(), 0, prefix("01"), up.ID(), 1)
		sensor, reader := k.device(far), k.device(near)
		sensor.send(k.content(temp, 3, "x"))
		k.processed(far, 1)
		reader.send(k.interest(temp, 3, 2))
		reader.wants(wire.Content, 3)
		if f := b.faces(); len(f) != 2 || !f[1].Config().OnDemand {
			t.Errorf("%d faces at the far end, want two on demand", len(f))
		}
	})
}

// A remote that only happened to send from a socket goes on without it; one that was put there goes with it.
func TestCloseSocketMovesRemotes(t *testing.T) {
	engines(t, func(t *testing.T, k *kit) {
		n := k.node(1, 1)
		one, two := n.listen("127.0.0.1:0", open()), n.listen("127.0.0.1:0", open())
		guest, bound, peer := k.device(two), k.device(two), k.device(one)
		g := n.connect(guest.addr(), forward.FaceConfig{Name: "guest"})
		p, err := n.Transport.Connect(t.Context(), RemoteConfig{Address: bound.addr().String(), From: one})
		if err != nil {
			t.Fatal(err)
		}
		peer.send(k.interest(temp, 1, 2))
		peer.wants(wire.Return, 1)
		if err := one.Close(); err != nil {
			t.Fatal(err)
		}
		if len(n.faces()) != 1 || n.Face(g.ID()) == nil || n.Face(p.ID()) != nil {
			t.Fatalf("%d faces after Close, want the guest alone", len(n.faces()))
		}
		guest.send(k.interest(temp, 2, 2))
		if f, from := guest.get(); f.Seq != 2 || from != two.Addr() {
			t.Errorf("#%d from %s, want #2 from %s", f.Seq, from, two.Addr())
		}
		if err := two.Close(); err != nil {
			t.Fatal(err)
		}
		if s := n.Sockets(); len(s) != 1 || s[0].Name() != "" || n.Face(g.ID()) == nil {
			t.Fatal("the guest has no socket of its own now")
		}
		if _, err = n.Transport.Connect(t.Context(), RemoteConfig{Address: "127.0.0.1:9", From: one}); !errors.Is(err, ErrClosed) {
			t.Errorf("from a closed socket: %v", err)
		}
	})
}

func TestClosedTransport(t *testing.T) {
	k := newKit(t, false)
	n := k.node(1, 1)
	s := n.listen("127.0.0.1:0", open())
	n.connect(netip.MustParseAddrPort("127.0.0.1:9"), forward.FaceConfig{Name: "up"})
	if err := n.Transport.Close(); err != nil {
		t.Fatal(err)
	}
	if len(n.faces()) != 0 || len(n.Sockets()) != 0 || s.Peers() != 0 {
		t.Errorf("%d faces, %d sockets, %d peers left", len(n.faces()), len(n.Sockets()), s.Peers())
	}
	if err := errors.Join(n.Transport.Close(), s.Close()); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	if _, err := n.Transport.Listen(t.Context(), ListenConfig{Address: "127.0.0.1:0"}); !errors.Is(err, ErrClosed) {
		t.Errorf("listen: %v", err)
	}
	if _, err := n.Transport.Connect(t.Context(), RemoteConfig{Address: "127.0.0.1:9"}); !errors.Is(err, ErrClosed) {
		t.Errorf("connect: %v", err)
	}
	if n := newLink(s, address{}).Send([][]byte{{1}}); n != 0 {
		t.Errorf("a closed socket took %d frames", n)
	}
	_ = s.Counters()
}

// Sockets close and open while devices send and the node's clock runs; nothing races, hangs or stays behind.
func TestCloseWhileTrafficFlows(t *testing.T) {
	engines(t, func(t *testing.T, k *kit) {
		before := runtime.NumGoroutine()
		n := k.node(1, 2)
		s := n.listen("127.0.0.1:0", open())
		stop := trafficTo(k, n, s.Addr())
		for range 5 {
			k.until("something is answered", func() bool { return s.Counters().Sent > 20 })
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = n.listen(s.Addr().String(), open())
		}
		err := n.Transport.Close()
		stop()
		if err != nil || len(n.faces()) != 0 {
			t.Errorf("%v, %d faces left", err, len(n.faces()))
		}
		k.until("all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
	})
}

// trafficTo has devices ask and publish as fast as they can, and the clock pass, until the function it gives is called.
func trafficTo(k *kit, n *node, at netip.AddrPort) (stop func()) {
	var wg sync.WaitGroup
	var ended atomic.Bool
	ask := k.frame(wire.Header{Name: nm(temp), Seq: 1, TTL: 7}, nil) // without a timestamp, since time flies here
	frames := [][]byte{k.content(temp, 1, "x"), ask, k.interest(temp, wire.SeqSubscribe, 60), {1, 2, 3}}
	for range 2 {
		d := k.deviceAt("127.0.0.1:0", at)
		wg.Go(func() {
			for i := 0; !ended.Load(); i++ {
				_, _ = d.WriteToUDPAddrPort(frames[i%len(frames)], at)
			}
		})
	}
	wg.Go(func() {
		for !ended.Load() {
			k.pass(10 * time.Millisecond)
			n.Advance(k.now())
			runtime.Gosched()
		}
	})
	return func() { ended.Store(true); wg.Wait() }
}

// Both families: on their own sockets, and IPv4 on a socket for both, where it arrives v4-mapped.
func TestFamilies(t *testing.T) {
	if c, err := net.ListenPacket("udp6", "[::1]:0"); err != nil {
		t.Skip("no IPv6 here:", err)
	} else {
		c.Close()
	}
	for _, c := range []struct{ listen, device string }{
		{"[::1]:0", "[::1]:0"}, {"[::]:0", "[::1]:0"}, {"0.0.0.0:0", "127.0.0.1:0"}, {":0", "127.0.0.1:0"}, {":0", "[::1]:0"},
	} {
		t.Run(c.listen+" "+c.device, func(t *testing.T) {
			engines(t, func(t *testing.T, k *kit) { exchange(k, c.listen, c.device) })
		})
	}
}

// exchange is a stranger's frame and a remote's, over the same socket.
func exchange(k *kit, listen, local string) {
	n := k.node(1, 1)
	s := n.listen(listen, open())
	d, r := k.deviceAt(local, s.Addr()), k.deviceAt(local, s.Addr())
	d.send(k.content(temp, 1, "x"))
	k.processed(s, 1)
	up := n.connect(r.addr(), forward.FaceConfig{Name: "up"})
	if len(n.Sockets()) != 1 {
		k.Fatal("the remote got a socket of its own")
	}
	r.send(k.interest(temp, 1, 2))
	r.wants(wire.Content, 1)
	if up.Counters().InFrames != 1 {
		k.Error("not by the remote's face")
	}
	k.pass(time.Hour)
	n.Advance(k.now())
	if s.Peers() != 1 {
		k.Errorf("%d peers, want the remote alone", s.Peers())
	}
}

// A socket for IPv6 alone leaves the port to IPv4.
func TestFamiliesShareAPort(t *testing.T) {
	n := newKit(t, false).node(1, 1)
	four := n.listen("0.0.0.0:0", open())
	_, err := n.Transport.Listen(t.Context(), ListenConfig{Address: fmt.Sprintf("[::]:%d", four.Addr().Port())})
	if errors.Is(err, syscall.EADDRINUSE) {
		t.Error(err)
	}
}

// faulty is an engine that fails once in each way.
type faulty struct {
	reads  int
	answer error
	halt   chan bool
}

func (f *faulty) serve(func(*burst)) error {
	if f.reads++; f.reads < 3 {
		return errors.New("broken")
	}
	<-f.halt
	return nil
}

func (f *faulty) stop() { close(f.halt) }

func (f *faulty) send(list []parcel) { list[0].sent, list[0].err = 1, f.answer }

func TestErrorsOfAnEngine(t *testing.T) {
	k := newKit(t, false)
	n := k.node(1, 1)
	bad := &faulty{halt: make(chan bool)}
	n.Transport.engine = func(*conn) (engine, error) { return bad, nil }
	s := n.listen("127.0.0.1:0", nil)
	k.until("it has failed twice", func() bool { return s.Counters().ReadErrors == 2 })
	if err := s.LastError(); err == nil || err.Error() != "broken" {
		t.Errorf("last error %v", err)
	}
	l := newLink(s, address{})
	for _, bad.answer = range []error{syscall.ENOBUFS, syscall.ENETUNREACH, nil} {
		if took := l.Send([][]byte{{1}, {2}}); took != 1 {
			t.Errorf("%d taken, want 1", took)
		}
	}
	if c := s.Counters(); c.SendFull != 1 || c.SendErrors != 1 || c.Sent != 3 || !errors.Is(s.LastError(), syscall.ENETUNREACH) {
		t.Errorf("%+v, %v", c, s.LastError())
	}
}

// A send that cannot leave is counted and is no end of the face.
func TestUnreachable(t *testing.T) {
	engines(t, func(t *testing.T, k *kit) {
		n := k.node(1, 1)
		s := n.listen("127.0.0.1:0", nil)
		l := newLink(s, keyOf(netip.MustParseAddrPort("192.0.2.1:2208")))
		if took := l.Send([][]byte{{1}, {2}}); runtime.GOOS == "linux" && took != 0 {
			t.Errorf("%d frames left loopback for outside", took)
		}
		if c := s.Counters(); runtime.GOOS == "linux" && (c.SendErrors != 1 || s.LastError() == nil) {
			t.Errorf("%+v", c)
		}
		d := k.device(s)
		if took := newLink(s, keyOf(d.addr())).Send([][]byte{{1}}); took != 1 {
			t.Error("the socket is of no use any more")
		}
	})
}

func TestBuffers(t *testing.T) {
	n := newKit(t, false).node(1, 1)
	r, s := n.listen("127.0.0.1:0", nil).Buffers()
	t.Logf("granted %d bytes to receive, %d to send", r, s)
	if runtime.GOOS == "linux" && (r < 4096 || s < 4096 || r > DefaultBuffer || s > DefaultBuffer) {
		t.Errorf("%d and %d bytes", r, s)
	}
}

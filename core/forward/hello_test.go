package forward_test

import (
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/mesh"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// hellos are what a peer got of that kind since the last call.
func (p *peer) hellos() (out []wire.Frame) {
	for _, f := range p.got {
		if f.Name == name.Hello {
			out = append(out, f)
		}
	}
	p.got = nil
	return out
}

// echo answers a hello as another node.
func (k *kit) echo(f wire.Frame, node, boot uint32) []byte {
	asked, _ := wire.AskedOf(f.Payload)
	r := wire.Returned{Reason: wire.ReturnHello, Asked: asked, Node: node, Boot: boot}
	return k.frame(wire.Header{Name: name.Hello, Type: wire.Return, TTL: 7}, r.Append(nil))
}

func remote() forward.FaceConfig {
	return forward.FaceConfig{Hello: true, Announce: name.NewPrefixSet(name.Prefix{})}
}

func TestP18HelloEveryFiveSeconds(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(1)
	p, plainFace, radio := k.peer(n, remote()), k.asker(n), k.peer(n, forward.FaceConfig{Hello: true, Broadcast: true})
	k.m.RunFor(20*time.Second + 100*time.Millisecond)
	seen := map[wire.Asked]bool{}
	got := p.hellos()
	for _, f := range got {
		asked, has := wire.AskedOf(f.Payload)
		if f.Type != wire.Interest || f.Seq != 0 || f.TTL != 0 || !has || asked.Expiry() != 0 || seen[asked] {
			t.Errorf("hello %x", f.Raw)
		}
		seen[asked] = true
	}
	if len(got) != 5 {
		t.Errorf("%d in 20 s, want 5", len(got))
	}
	if len(plainFace.hellos())+len(radio.hellos()) != 0 {
		t.Error("hellos where no forwarder is, or on radio")
	}
}

func TestP18Echo(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(0xABCD, func(c *forward.Config) { c.Boot = 77 })
	p := k.asker(n)
	asked := wire.MakeAsked(0x123456789ABC, 0)
	p.send(k.frame(wire.Header{Name: name.Hello}, asked[:]))
	got := p.hellos()
	if len(got) != 2 {
		t.Fatalf("got %s, want the echo and a hello", show(got))
	}
	ret := wire.ReturnedOf(got[0].Payload)
	if want := (wire.Returned{Reason: wire.ReturnHello, Asked: asked, Node: 0xABCD, Boot: 77}); ret != want || got[0].TTL != 7 {
		t.Errorf("echo %+v", ret)
	}
	p.send(k.bare("fe5a48454c4f", 0)) // nothing to echo
	p.dropped(drop.Hello)
	p.send(k.interest("fe5a48454c4f", 3, 0))
	p.dropped(drop.Hello)
	if got := p.hellos(); len(got) != 0 {
		t.Errorf("got %s", show(got))
	}
}

func TestP18OnlyItsOwnEchoCounts(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(1)
	p := k.peer(n, remote())
	k.step()
	hello := p.hellos()[0]
	wrong := hello
	wrong.Payload = make([]byte, 8)
	p.send(k.echo(wrong, 2, 1))
	p.dropped(drop.Hello)
	if n.Peer(p.face.Get()).Answered {
		t.Error("counts as answered")
	}
	p.send(k.echo(hello, 2, 1))
	p.dropped(drop.None)
	if s := n.Peer(p.face.Get()); !s.Answered || s.Node != 2 || s.Boot != 1 {
		t.Errorf("state %+v", s)
	}
	p.send(k.echo(hello, 2, 1))
	p.dropped(drop.Hello)
}

func TestP18DownAfterThreeMisses(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(1)
	p, never := k.peer(n, remote()), k.peer(n, remote())
	k.step()
	p.send(k.echo(p.hellos()[0], 2, 1)) // of 0 s
	up := func() bool { return p.face.Get().Up() }
	k.m.RunFor(19 * time.Second) // those of 5, 10 and 15 s: the third is missed at 20 s
	if !up() {
		t.Error("down too soon")
	}
	k.m.RunFor(1100 * time.Millisecond)
	if up() || k.happened(forward.FaceDown) != 1 {
		t.Error("not down")
	}
	if !never.face.Get().Up() {
		t.Error("a peer that never answered is down")
	}
	got := p.hellos()
	p.send(k.echo(got[len(got)-1], 2, 1))
	if !up() || k.happened(forward.FaceUp) != 1 {
		t.Error("not up again")
	}
	for range 2 { // two misses are none
		k.m.RunFor(14 * time.Second)
		got := p.hellos()
		p.send(k.echo(got[len(got)-1], 2, 1))
	}
	if !up() {
		t.Error("down")
	}
}

func TestP18RTT(t *testing.T) {
	k := newKit(t, 1)
	a, b := k.node(1), k.node(2)
	_, fa, _, err := k.m.Join(a, b, mesh.LinkConfig{Delay: 20 * time.Millisecond}, remote(), remote())
	if err != nil {
		t.Fatal(err)
	}
	k.m.RunFor(time.Minute)
	if got := a.Peer(fa.Get()).RTT; got != 40*time.Millisecond {
		t.Errorf("RTT %s, want 40 ms", got)
	}
}

func TestP18BootNumber(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(1)
	p, reader := k.peer(n, remote()), k.asker(n)
	k.route(n, "02", p.face, 1)
	k.step()
	p.send(k.echo(p.hellos()[0], 2, 1))
	reader.send(k.interest(far, wire.SeqSubscribe, 100))
	p.opened()
	p.got = nil
	for _, c := range []struct {
		boot uint32
		anew bool
	}{{1, false}, {2, true}, {2, false}, {1, true}} {
		k.m.RunFor(5 * time.Second)
		p.send(k.echo(p.hellos()[0], 2, c.boot))
		got := p.take()
		if anew := len(got) == 2 && got[0].Seq == wire.SeqSubscribe; anew != c.anew {
			t.Errorf("boot %d: got %s", c.boot, show(got))
		}
	}
}

// A captured hello must not turn routes on a victim: an on-demand peer is told them when it has echoed ours.
func TestP18OnDemandPeersProveThemselves(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(1)
	n.Do(func(f *forward.Node) { f.Announce(k.m.Now(), 0, prefix("03"), 0, time.Hour) })
	c := k.call(n, &forward.Listener{Policy: forward.FaceConfig{Announce: name.NewPrefixSet(name.Prefix{})}}, 1, 1)
	asked := wire.MakeAsked(5, 0)
	c.send(k.frame(wire.Header{Name: name.Hello}, asked[:]))
	if count(c.got, wire.Announcement) != 0 || count(c.got, wire.Interest) != 1 || count(c.got, wire.Return) != 1 {
		t.Fatalf("got %s, want the echo and one hello", show(c.got))
	}
	hello := c.got[len(c.got)-1]
	if hello.Type != wire.Interest {
		hello = c.got[0]
	}
	c.got = nil
	c.send(k.echo(hello, 2, 1))
	if count(c.got, wire.Announcement) != 1 {
		t.Errorf("got %s, want our route", show(c.got))
	}
}

func TestP18Trace(t *testing.T) {
	k := newKit(t, 1)
	var nodes []*mesh.Node
	for id := uint32(1); id <= 4; id++ {
		nodes = append(nodes, k.node(id))
	}
	for i := range 3 {
		_, f, _ := k.join(nodes[i], nodes[i+1])
		k.route(nodes[i], "01", f, 1)
	}
	sensor, tracer := k.peer(nodes[3], plain()), k.asker(nodes[0])
	sensor.send(k.content(temp, 5, "x"))
	for ttl := uint8(0); ttl < 3; ttl++ {
		tracer.send(k.asked(temp, 5, ttl, k.m.Now().Wall, 2))
		if ret := tracer.returned(wire.ReturnTTL); ret.Node != uint32(ttl)+1 {
			t.Errorf("TTL %d ended at node %d", ttl, ret.Node)
		}
	}
	tracer.send(k.asked(temp, 5, 3, k.m.Now().Wall, 2))
	tracer.wants(wire.Content, 5)
}

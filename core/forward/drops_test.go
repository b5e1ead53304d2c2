package forward_test

import (
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// Every frame that is not as it should be is dropped, counted under its reason, and never answered.
func TestP23DropsByReason(t *testing.T) {
	resign := func(fn func(raw []byte) []byte) func(k *kit) []byte {
		return func(k *kit) []byte {
			raw := fn(k.interest(temp, 5, 2))
			if len(raw) >= wire.MinFrame {
				_ = k.v.Sign(0, raw)
			}
			return raw
		}
	}
	typed := func(typ wire.Type, seq uint32, payload int) func(k *kit) []byte {
		return func(k *kit) []byte {
			return k.frame(wire.Header{Name: nm(temp), Seq: seq, Type: typ, TTL: 7}, make([]byte, payload))
		}
	}
	for _, c := range []struct {
		name string
		raw  func(k *kit) []byte
		why  drop.Reason
	}{
		{"nothing at all", func(*kit) []byte { return nil }, drop.Short},
		{"14 bytes", resign(func(raw []byte) []byte { return raw[:14] }), drop.Short},
		{"18 bytes with a Net ID", resign(func(raw []byte) []byte { raw[0] |= 0x20; return raw[:18] }), drop.Short},
		{"1,281 bytes", func(k *kit) []byte { return k.content(temp, 1, string(make([]byte, 1281-15))) }, drop.Long},
		{"longer than the face's MTU", func(k *kit) []byte { return k.content(temp, 1, string(make([]byte, 201-15))) }, drop.Long},
		{"version 1", resign(func(raw []byte) []byte { raw[0] |= 0x40; return raw }), drop.Version},
		{"version 2", resign(func(raw []byte) []byte { raw[0] |= 0x80; return raw }), drop.Version},
		{"Interest with 7 bytes", typed(wire.Interest, 5, 7), drop.InterestLength},
		{"Interest with 9 bytes", typed(wire.Interest, 5, 9), drop.InterestLength},
		{"Return with 12 bytes", typed(wire.Return, 5, 12), drop.ReturnLength},
		{"Return with 14 bytes", typed(wire.Return, 5, 14), drop.ReturnLength},
		{"Announcement with 8 bytes", typed(wire.Announcement, 5, 8), drop.AnnouncementLength},
		{"Announcement with 10 bytes", typed(wire.Announcement, 5, 10), drop.AnnouncementLength},
		{"Content 0", typed(wire.Content, 0, 1), drop.ContentNumber},
		{"Content 0xFFFFFF", typed(wire.Content, 0xFFFFFF, 1), drop.ContentNumber},
		{"a reserved first byte", func(k *kit) []byte { return k.interest("c00203010000", 5, 2) }, drop.BadName},
		{"a byte after 00", func(k *kit) []byte { return k.interest("010003010000", 5, 2) }, drop.BadName},
		{"a wildcard in a Content", func(k *kit) []byte { return k.content("01ff03010000", 5, "x") }, drop.BadName},
		{"a Content named hello", func(k *kit) []byte { return k.content("fe5a48454c4f", 5, "x") }, drop.BadName},
		{"a prefix of 7 bytes", func(k *kit) []byte {
			a := wire.Announced{PrefixLen: 7, Lifetime: 9}
			return k.frame(wire.Header{Name: nm(temp), Seq: 1, Type: wire.Announcement}, a.Append(nil))
		}, drop.BadName},
		{"a prefix with bytes past its length", func(k *kit) []byte {
			a := wire.Announced{PrefixLen: 2, Lifetime: 9}
			return k.frame(wire.Header{Name: nm(temp), Seq: 1, Type: wire.Announcement}, a.Append(nil))
		}, drop.BadName},
		{"another network", func(k *kit) []byte {
			raw := (&wire.Header{NetID: 9, Name: nm(temp), Seq: 1}).Append(nil, nil)
			_ = k.v.Sign(0, raw)
			return raw
		}, drop.ForeignNetwork},
		{"an unknown key", resign(func(raw []byte) []byte { raw[7] |= 0x80; return raw }), drop.UnknownKey},
		{"a bad MAC", func(k *kit) []byte { raw := k.interest(temp, 5, 2); raw[9] ^= 1; return raw }, drop.BadMAC},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newKit(t, 1)
			n := k.node(1)
			p := k.peer(n, forward.FaceConfig{MTU: 200, Publish: name.NewPrefixSet(prefix("01")), Announce: name.NewPrefixSet(name.Prefix{})})
			p.send(c.raw(k))
			p.dropped(c.why)
			if len(p.hellos())+len(p.take()) != 0 {
				t.Error("answered")
			}
			if c.why == drop.Long {
				return
			}
			call := k.call(n, &forward.Listener{}, 1, 1)
			call.send(c.raw(k))
			call.refused(c.why)
		})
	}
}

func TestP23ReservedBits(t *testing.T) {
	l := newLine(t, 1)
	raw := l.interest(far, 5, 2)
	raw[0] |= wire.ReservedFHDR
	raw[7] |= 0x3C // FCTRL 5:2
	_ = l.v.Sign(0, raw)
	l.reader.send(raw)
	if f := l.up[0].wants(wire.Interest, 5); f.Raw[0]&wire.ReservedFHDR == 0 || f.Raw[7]&0x3C != 0x3C {
		t.Errorf("relayed as %x", f.Raw)
	}
	l.up[0].send(l.content(far, 5, "x"))
	l.reader.take()
	l.reader.send(l.interest(far, wire.SeqSubscribe, 10))
	sub, _ := l.up[0].opened()
	if sub.Raw[0]&wire.ReservedFHDR != 0 || sub.Raw[7]&0x3C != 0 {
		t.Errorf("ours is %x", sub.Raw)
	}
}

func TestP23TTLZeroIsUsedWhereItArrives(t *testing.T) {
	l := newLine(t, 1)
	sensor := l.peer(l.n, plain())
	l.reader.send(l.interest(temp, wire.SeqSubscribe, 60))
	l.reader.send(l.interest(far, 5, 2))
	raw := l.content(temp, 1, "x")
	raw[0] = 0
	sensor.send(raw)
	l.reader.nothing()
	l.reader.send(l.asked(temp, 1, 0, l.m.Now().Wall, 2))
	if f := l.reader.wants(wire.Content, 1); f.TTL != 7 {
		t.Errorf("TTL %d from the store, want 7", f.TTL)
	}
	raw = l.content(far, 5, "x")
	raw[0] = 0
	l.up[0].take()
	l.up[0].send(raw)
	l.reader.nothing()
	l.reader.send(l.interest(far, 5, 2))
	l.reader.wants(wire.Content, 5)
}

// What a node drops while it sends is counted at the face that it was meant for.
func TestDropsOnSending(t *testing.T) {
	l := newLine(t, 1)
	small := l.peer(l.n, forward.FaceConfig{MTU: 40})
	sensor := l.peer(l.n, plain())
	sensor.send(l.content(temp, 1, string(make([]byte, 100))))
	small.send(l.interest(temp, 1, 2))
	small.nothing()
	small.dropped(drop.TooBigFace)
	small.send(l.interest(temp, wire.SeqSubscribe, 60))
	l.n.Do(func(n *forward.Node) { n.SetUp(l.m.Now(), small.face.Get().ID(), false) })
	sensor.send(l.content(temp, 2, "x"))
	small.nothing()
	l.m.RunFor(time.Minute)
}

// A frame of a face that went while it was on its way leaves nothing behind.
func TestAFaceThatGoesWithinABurst(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(1)
	k.route(n, "01", k.asker(n).face, 1)
	p := k.asker(n)
	f := p.face.Get()
	in := n.Ingress()
	in.Begin(k.m.Now())
	in.Add(f, k.interest(temp, 1, 60))
	in.Add(f, k.interest(temp, wire.SeqSubscribe, 60))
	n.RemoveFace(k.m.Now(), f.ID())
	in.Run()
	if s := n.Worker(0).Stats(); s.PITRecords+s.Askers != 0 || f.Counters().Drops[drop.NoFace] != 2 {
		t.Errorf("%+v, %d counted", s, f.Counters().Drops[drop.NoFace])
	}
}

func TestAFaceThatIsRemovedWaitsForNothing(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(1, workers(4))
	up := k.asker(n)
	k.route(n, "01", up.face, 1)
	p, other := k.asker(n), k.asker(n)
	for seq := uint32(1); seq < 20; seq++ {
		p.send(k.interest(temp, seq, 60_000))
	}
	other.send(k.interest(temp, 1, 60))
	for _, nm := range []string{temp, "01ff03010000", "0102ff010000"} {
		p.send(k.interest(nm, wire.SeqSubscribe, 60_000))
		p.send(k.interest(nm, 0, 60_000))
	}
	n.Do(func(f *forward.Node) { f.RemoveFace(k.m.Now(), p.face.Get().ID()) })
	records, askers := 0, 0
	for i := range n.Workers() {
		s := n.Worker(i).Stats()
		records, askers = records+s.PITRecords, askers+s.Askers
	}
	if askers != 0 || records > 1+3*4 { // other's, and our own newest for a few seconds
		t.Errorf("%d in-records and %d askers left", records, askers)
	}
	up.take()
	up.send(k.content(temp, 1, "x"))
	other.wants(wire.Content, 1)
}

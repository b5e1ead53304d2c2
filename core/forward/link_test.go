package forward_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/mesh"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// public signs a frame under the public key.
func (k *kit) public(h wire.Header, payload []byte) []byte {
	raw := h.Append(nil, payload)
	k.v.SignPublic(raw)
	return raw
}

const (
	onboard = "fe0102030000"
	managed = "fe0102040000"
)

func onboarding(c *forward.Config) { c.Onboarding = []name.Name{nm(onboard)} }

func TestP9PublicKey(t *testing.T) {
	a := wire.MakeAsked(mesh.Epoch, 2)
	for _, c := range []struct {
		name string
		raw  func(k *kit) []byte
		why  drop.Reason
	}{
		{"an Interest on the list", func(k *kit) []byte { return k.public(wire.Header{Name: nm(onboard), Seq: 1, TTL: 7}, a[:]) }, drop.None},
		{"off the list", func(k *kit) []byte { return k.public(wire.Header{Name: nm(managed), Seq: 1, TTL: 7}, a[:]) }, drop.PublicKey},
		{"no management name", func(k *kit) []byte { return k.public(wire.Header{Name: nm(temp), Seq: 1, TTL: 7}, a[:]) }, drop.BadMAC},
		{"a Content", func(k *kit) []byte {
			return k.public(wire.Header{Name: nm(onboard), Seq: 1, Type: wire.Content, TTL: 7}, a[:])
		}, drop.PublicKey},
		{"a subscription", func(k *kit) []byte {
			return k.public(wire.Header{Name: nm(onboard), Seq: wire.SeqSubscribe, TTL: 7}, a[:])
		}, drop.PublicKey},
		{"another key id", func(k *kit) []byte {
			raw := k.public(wire.Header{Name: nm(onboard), Seq: 1, TTL: 7}, a[:])
			raw[7] |= 0x40
			mac := wire.NewCMAC(wire.PublicKey).Sum(raw[1 : len(raw)-wire.MACSize])
			copy(raw[len(raw)-wire.MACSize:], mac[12:])
			return raw
		}, drop.UnknownKey},
		{"neither key", func(k *kit) []byte {
			raw := k.public(wire.Header{Name: nm(onboard), Seq: 1, TTL: 7}, a[:])
			raw[len(raw)-1] ^= 1
			return raw
		}, drop.BadMAC},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newKit(t, 1)
			n := k.node(1, onboarding)
			ns := k.peer(n, forward.FaceConfig{Publish: name.NewPrefixSet(prefix("fe"))})
			for _, n := range []string{onboard, managed} {
				ns.send(k.content(n, 1, "x"))
			}
			device := k.peer(n, forward.FaceConfig{Publish: name.NewPrefixSet(name.Prefix{})})
			device.send(c.raw(k))
			device.dropped(c.why)
			if c.why != drop.None {
				device.nothing()
				return
			}
			f := device.wants(wire.Content, 1)
			if !k.v.VerifyPublic(&f) {
				t.Error("not answered under the public key")
			}
			device.send(k.interest(onboard, 1, 2)) // under the network's
			if f = device.wants(wire.Content, 1); k.v.VerifyPublic(&f) {
				t.Error("answered under the public key")
			}
		})
	}
}

func TestP9ForwardedUnderTheNetworkKey(t *testing.T) {
	k := newKit(t, 1)
	a, b := k.node(1, onboarding), k.node(2)
	_, fa, _ := k.join(a, b)
	k.route(a, "fe", fa, 1)
	ns := k.peer(b, forward.FaceConfig{Publish: name.NewPrefixSet(prefix("fe"))})
	ns.send(k.content(onboard, 1, "x"))
	device := k.asker(a)
	asked := wire.MakeAsked(0, 2)
	device.send(k.public(wire.Header{Name: nm(onboard), Seq: 1, TTL: 7}, asked[:]))
	if f := device.wants(wire.Content, 1); !k.v.VerifyPublic(&f) {
		t.Error("not answered under the public key")
	}
	device.send(k.public(wire.Header{Name: nm(onboard), Seq: 2, TTL: 7}, asked[:]))
	device.nothing() // it could not verify a Return
}

func TestP9Rate(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(1, onboarding)
	ns := k.peer(n, forward.FaceConfig{Publish: name.NewPrefixSet(prefix("fe"))})
	ns.send(k.content(onboard, 1, "x"))
	device, other := k.asker(n), k.asker(n)
	raw := k.public(wire.Header{Name: nm(onboard), Seq: 1, TTL: 7}, nil)
	for range 15 {
		device.Send(raw)
	}
	k.step()
	if got := count(device.take(), wire.Content); got != 10 {
		t.Errorf("%d answers in one second, want 10", got)
	}
	if got := device.drops(drop.PublicRate); got != 5 {
		t.Errorf("%d dropped, want 5", got)
	}
	other.send(raw)
	other.wants(wire.Content, 1)
	k.m.RunFor(time.Second)
	device.send(raw)
	device.wants(wire.Content, 1)
}

func TestP11OnDemandFaces(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(1)
	l := &forward.Listener{}
	c := k.call(n, l, 1, 1)
	bad := k.interest(temp, 1, 2)
	bad[len(bad)-1] ^= 1
	c.send(bad)
	c.refused(drop.BadMAC)
	c.send(k.interest(temp, 1, 2))
	if c.face == nil || count(c.take(), wire.Return) != 1 || k.happened(forward.FaceMade) != 1 {
		t.Fatal("the first valid frame makes a face and is answered")
	}
	k.m.RunFor(2*time.Minute - time.Second) // idle
	if c.face == nil {
		t.Error("closed too soon")
	}
	k.m.RunFor(2 * time.Second)
	if c.face != nil || k.happened(forward.FaceClosed) != 1 {
		t.Error("not closed")
	}
	c.send(k.interest(temp, 2, 2))
	if c.face == nil {
		t.Error("it cannot come back")
	}
}

func TestP11ASubscriberIsNotIdle(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(1, limits(func(l *forward.Limits) { l.Idle = 30 * time.Second }))
	c := k.call(n, &forward.Listener{}, 1, 1)
	c.send(k.interest(temp, wire.SeqSubscribe, 100))
	k.m.RunFor(95 * time.Second)
	if c.face == nil {
		t.Fatal("closed with a live subscription (P-24)")
	}
	k.m.RunFor(10 * time.Second)
	if c.face != nil {
		t.Error("open without one")
	}
}

func TestP11Replay(t *testing.T) {
	for _, seq := range []uint32{wire.SeqSubscribe, 0, 7} {
		t.Run(fmt.Sprint(seq), func(t *testing.T) {
			k := newKit(t, 1)
			n := k.node(1)
			l := &forward.Listener{Policy: forward.FaceConfig{Clock: true}}
			sensor := k.peer(n, plain())
			k.route(n, "01", k.asker(n).face, 1) // nobody answers there
			honest, victim := k.call(n, l, 1, 1), k.call(n, l, 2, 1)
			raw := k.interest(temp, seq, 100)
			honest.send(raw)
			k.m.RunFor(time.Minute)
			victim.send(raw)
			victim.refused(drop.Replayed)

			victim.send(k.interest("010204010000", 1, 2)) // as a face of its own
			victim.take()
			victim.send(raw)
			if got := victim.face.Counters().Drops[drop.Replayed]; got != 1 {
				t.Errorf("%d counted as replayed", got)
			}
			honest.send(raw) // its own once more is a retry
			sensor.send(k.content(temp, 7, "x"))
			if got := victim.take(); len(got) != 0 {
				t.Errorf("the victim got %s", show(got))
			}
			if got := honest.take(); count(got, wire.Content) != 1 {
				t.Errorf("the honest one got %s", show(got))
			}
			k.m.RunFor(9*time.Minute + time.Second) // past any time at which the timestamp is good
			victim.send(raw)
			if got := victim.take(); count(got, wire.Content) != 0 {
				t.Errorf("the victim got %s", show(got))
			}
		})
	}
}

func TestP11SubscriptionsOfOnDemandFaces(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(1)
	sensor := k.peer(n, plain())
	c := k.call(n, &forward.Listener{}, 1, 1)
	c.send(k.interest(temp, wire.SeqSubscribe, 1000))
	k.m.RunFor(119 * time.Second)
	sensor.send(k.content(temp, 1, "x"))
	if got := c.take(); count(got, wire.Content) != 1 {
		t.Errorf("got %s", show(got))
	}
	k.m.RunFor(2 * time.Second)
	sensor.send(k.content(temp, 2, "x"))
	if got := c.take(); len(got) != 0 {
		t.Errorf("got %s: not cut to 120 s", show(got))
	}
	for _, raw := range [][]byte{k.bare(temp, wire.SeqSubscribe), k.asked(temp, wire.SeqSubscribe, 7, 0, 60)} { // no clock
		c.send(raw)
		if got := c.take(); count(got, wire.Return) != 1 || wire.ReturnedOf(got[0].Payload).Reason != wire.ReturnRefused {
			t.Errorf("got %s", show(got))
		}
	}
	configured := k.asker(n)
	configured.send(k.bare(temp, wire.SeqSubscribe))
	sensor.send(k.content(temp, 3, "x"))
	configured.wants(wire.Content, 3)
}

func TestP11Full(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(1, limits(func(l *forward.Limits) { l.OnDemandFaces, l.FacesPerAddress = 10, 4 }))
	l := &forward.Listener{}
	ask := k.bare(temp, 1)
	full := func(address, port uint64) bool {
		c := k.call(n, l, address, port)
		c.send(ask)
		return c.face == nil
	}
	for port := range uint64(4) {
		if full(1, port) {
			t.Error("refused within the limit")
		}
	}
	if !full(1, 4) {
		t.Error("a fifth face of one address")
	}
	for address := uint64(2); address < 8; address++ {
		if full(address, 1) {
			t.Error("refused within the limit")
		}
	}
	if !full(9, 1) || l.Drops()[drop.FacesFull] != 2 {
		t.Errorf("an eleventh face, or not counted: %v", l.Drops())
	}
	if got := k.happened(forward.FaceMade); got != 10 {
		t.Errorf("%d faces made, want 10: nobody is evicted", got)
	}
	k.m.RunFor(2*time.Minute + time.Second)
	if full(9, 1) {
		t.Error("refused when there is room again")
	}
}

func TestP20Budgets(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(1)
	l := &forward.Listener{}
	good, forged := k.bare(temp, 1), k.bare(temp, 1)
	forged[len(forged)-1] ^= 1
	in := n.Ingress()
	knock := func(address uint64, raw []byte) bool {
		c := k.call(n, l, address, 1)
		in.Begin(k.m.Now())
		c.face = in.Unknown(l, c.peer, raw)
		in.Run()
		return c.face != nil
	}
	there := k.call(n, l, 1, 1)
	there.send(good)
	k.m.RunFor(time.Second - k.m.Now().Mono%time.Second) // the beginning of a second

	for range 100 {
		knock(2, forged)
	}
	if knock(2, good) {
		t.Error("a peer beyond 100 failures is verified")
	}
	if !knock(3, good) {
		t.Error("others are affected by its failures")
	}
	for i := range uint64(899) {
		knock(10+i, forged)
	}
	if !knock(4, good) || k.happened(forward.ForgeryAlarm) != 0 {
		t.Error("the listener is shut within its budget")
	}
	knock(5, forged)
	if knock(6, good) || l.Drops()[drop.MACBudget] != 2 || k.happened(forward.ForgeryAlarm) != 1 {
		t.Errorf("beyond 1,000 failures: %v", l.Drops())
	}
	there.take()
	there.send(good)
	if got := there.take(); len(got) != 1 {
		t.Error("an established face is affected by others' failures")
	}
	k.m.RunFor(time.Second)
	if !knock(2, good) || !knock(6, good) {
		t.Error("still shut after a second")
	}
}

func TestP20BudgetOfAFace(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(1)
	p, other := k.asker(n), k.asker(n)
	forged := k.bare(temp, 1)
	forged[len(forged)-1] ^= 1
	for range 110 {
		p.Send(forged)
	}
	k.step()
	if p.drops(drop.BadMAC) != 100 || p.drops(drop.MACBudget) != 10 {
		t.Errorf("%d verified, %d not", p.drops(drop.BadMAC), p.drops(drop.MACBudget))
	}
	other.send(k.bare(temp, 1))
	other.returned(wire.ReturnNoRoute)
	k.m.RunFor(time.Second)
	p.send(k.bare(temp, 1))
	p.returned(wire.ReturnNoRoute)
}

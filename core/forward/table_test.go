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

// both runs a test with one worker and with four: a wildcard is in all of them.
func both(t *testing.T, fn func(t *testing.T, n option)) {
	for _, n := range []int{1, 4} {
		t.Run(fmt.Sprintf("%d workers", n), func(t *testing.T) { fn(t, workers(n)) })
	}
}

func names(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("01%02x03010000", i+1))
	}
	return list
}

func TestP5EachNameOnceAtMost64Paced(t *testing.T) {
	both(t, func(t *testing.T, opt option) {
		k := newKit(t, 1)
		n := k.node(1, opt)
		sensor, reader := k.peer(n, forward.FaceConfig{Publish: name.NewPrefixSet(prefix("01")), Share: 1}), k.asker(n)
		for _, n := range names(100) {
			sensor.Send(k.content(n, 1, "x"))
		}
		k.step()
		raw := k.interest("01ff03010000", 0, 4)
		reader.Send(raw)
		k.m.RunFor(3 * time.Millisecond)
		if got := count(reader.take(), wire.Content); got != 8 {
			t.Errorf("%d at once, want 8", got)
		}
		seen := map[name.Name]bool{}
		k.m.RunFor(500 * time.Millisecond)
		for _, f := range reader.take() {
			if seen[f.Name] {
				t.Errorf("%s twice", f.Name)
			}
			seen[f.Name] = true
		}
		if len(seen) != 56 {
			t.Errorf("%d more, want 56: 64 in all", len(seen))
		}
		for range 5 { // the same once more is no new Interest for what it has had
			reader.Send(raw)
		}
		k.step()
		if w := n.Worker(0); w.Pacers() > 1 {
			t.Errorf("%d pacers for one Interest", w.Pacers())
		}
		k.m.RunFor(4 * time.Second)
		for _, f := range reader.take() {
			if f.Type == wire.Content && seen[f.Name] {
				t.Errorf("%s again", f.Name)
			}
		}
	})
}

func TestP5ForwardedByItsOwnerAlone(t *testing.T) {
	both(t, func(t *testing.T, opt option) {
		k := newKit(t, 1)
		a, b := k.node(1, opt), k.node(2, opt)
		_, fa, _ := k.join(a, b)
		k.route(a, "01", fa, 1)
		k.step()
		sensor, reader := k.peer(b, plain()), k.asker(a)
		for _, n := range names(20) {
			sensor.send(k.content(n, 7, "x"))
		}
		for _, seq := range []uint32{0, 7} {
			before := fa.Get().Counters().OutFrames
			reader.send(k.interest("01ff03010000", seq, 2))
			if got := fa.Get().Counters().OutFrames - before; got != 1 {
				t.Errorf("%d frames to the neighbour, want 1", got)
			}
			k.m.RunFor(1900 * time.Millisecond)
			got := reader.take()
			if count(got, wire.Content) != 20 || count(got, wire.Return) != 1 || len(got) != 21 {
				t.Errorf("got %s, want 20 contents and one Return", show(got))
			}
			k.m.RunFor(2 * time.Second)
		}
	})
}

func TestP5AFaceThatAsksAnewHasEveryNameAgain(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(1)
	sensor, reader, other := k.peer(n, plain()), k.asker(n), k.asker(n)
	sensor.send(k.content(temp, 1, "x"))
	for range 3 { // while another's Interest for the pattern stands
		reader.send(k.interest("01ff03010000", 0, 1))
		if got := reader.take(); count(got, wire.Content) != 1 {
			t.Errorf("got %s", show(got))
		}
		other.send(k.interest("01ff03010000", 0, 4))
		k.m.RunFor(1500 * time.Millisecond)
	}
}

// A Return for a pattern may run ahead of the answers: an old copy must not take the place of the new one.
func TestP5AnswersBehindTheReturn(t *testing.T) {
	l := stored(t, 1)
	l.reader.send(l.interest("02ff03010000", 0, 4))
	l.up[0].send(l.back(l.up[0].wants(wire.Interest, 0), wire.ReturnNoRoute))
	l.m.RunFor(90 * time.Millisecond)
	l.up[0].send(l.content(far, 6, "new"))
	got := l.reader.take()
	if len(got) != 2 || got[0].Type != wire.Return || got[1].Seq != 6 {
		t.Errorf("got %s, want the Return and number 6", show(got))
	}
}

// A Return says that no other node will answer; what is stored here is sent all the same, paced.
func TestP5AReturnDoesNotEndTheStoresAnswers(t *testing.T) {
	l := newLine(t, 1)
	sensor := l.peer(l.n, forward.FaceConfig{Publish: name.NewPrefixSet(prefix("01")), Share: 1})
	l.route(l.n, "01", l.up[0].face, 1)
	for _, n := range names(40) {
		sensor.send(l.content(n, 1, "x"))
	}
	l.reader.Send(l.interest("01ff03010000", 0, 4))
	l.m.RunFor(2 * time.Millisecond)
	l.up[0].Send(l.back(l.up[0].wants(wire.Interest, 0), wire.ReturnNoRoute))
	l.m.RunFor(5 * time.Second)
	got := l.reader.take()
	if count(got, wire.Content) != 40 || count(got, wire.Return) != 1 {
		t.Errorf("got %s", show(got))
	}
}

func TestP5AtMostSoManyEntries(t *testing.T) {
	both(t, func(t *testing.T, opt option) {
		k := newKit(t, 1)
		n := k.node(1, opt, limits(func(l *forward.Limits) { l.Wildcards = 10 }))
		reader := k.peer(n, forward.FaceConfig{Share: 1})
		k.route(n, "01", k.asker(n).face, 1)
		for i, name := range names(10) {
			reader.send(k.interest("01ff"+name[2:4]+"010000", 0, 4))
			if got := reader.take(); len(got) != 0 {
				t.Fatalf("no. %d: got %s", i, show(got))
			}
		}
		reader.send(k.interest("01ffee010000", 0, 4))
		reader.returned(wire.ReturnCongestion)
		reader.dropped(drop.Wildcard)
		reader.send(k.interest("010203010000", 3, 1)) // others have room
		reader.nothing()
	})
}

func TestP14NoWildcardsInAHashedNetwork(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(1, naming(name.Settings{Naming: name.Hashed, NeverCached: []string{"a/b"}}), workers(4))
	sensor, reader := k.peer(n, forward.FaceConfig{Publish: name.NewPrefixSet(name.Prefix{})}), k.asker(n)
	for _, h := range []string{"01ff03010000", "b0ff00ff0001"} { // names like others
		sensor.send(k.content(h, 1, "x"))
		reader.send(k.interest(h, 1, 2))
		if got := reader.wants(wire.Content, 1); got.Name != nm(h) {
			t.Errorf("got %s", got.Name)
		}
	}
	never := name.Hash("a/b")
	sensor.send(k.content(never.String(), 1, "x"))
	reader.send(k.interest(never.String(), 1, 0))
	reader.returned(wire.ReturnExpired)
}

func TestP14NeverCachedIsForwardedOnly(t *testing.T) {
	l := newLine(t, 0)
	sensor := l.peer(l.n, forward.FaceConfig{Publish: name.NewPrefixSet(prefix("a0"))})
	l.asker(l.n).send(l.interest("a00203010000", wire.SeqSubscribe, 30))
	l.reader.send(l.interest("a00203010000", wire.SeqSubscribe, 30))
	sensor.send(l.content("a00203010000", 1, "x"))
	l.reader.wants(wire.Content, 1)
	sensor.send(l.content("a00203010000", 1, "x"))
	l.reader.nothing()
	l.reader.send(l.interest("a00203010000", 1, 0))
	l.reader.returned(wire.ReturnExpired)
}

func TestP19NetIDs(t *testing.T) {
	k := newKit(t, 1)
	other := [wire.KeySize]byte{9}
	ring, err := wire.NewKeyring(wire.Network{NetID: 0xABCDEF, Keys: [4]*[16]byte{&testKey}}, wire.Network{NetID: 77, Keys: [4]*[16]byte{&other}})
	if err != nil {
		t.Fatal(err)
	}
	k.ring, k.v = ring, ring.Verifier()
	n := k.node(1, func(c *forward.Config) { c.Naming = append(c.Naming, c.Naming[0]) })
	sensor := k.peer(n, plain())
	tagged := k.peer(n, forward.FaceConfig{NetIDOut: true})
	untagged := k.asker(n)
	sensor.send(k.content(temp, 1, "x"))
	frame := func(netID uint32, net uint8) []byte {
		h := wire.Header{NetID: netID, Name: nm(temp), Seq: 1, TTL: 7}
		a := wire.MakeAsked(k.m.Now().Wall, 2)
		raw := h.Append(nil, a[:])
		if netID <= 1 && netID == 1 { // written all the same
			raw = append([]byte{raw[0] | 0x20, 0, 0, 0, 1}, raw[1:]...)
		}
		if err := k.v.Sign(net, raw); err != nil {
			t.Fatal(err)
		}
		return raw
	}
	for _, id := range []uint32{0, 1, 0xABCDEF} { // all the same network
		untagged.send(frame(id, 0))
		if f := untagged.wants(wire.Content, 1); f.NetID != 0 {
			t.Errorf("Net ID %d written", f.NetID)
		}
		tagged.send(frame(id, 0))
		if f := tagged.wants(wire.Content, 1); f.NetID != 0xABCDEF {
			t.Errorf("Net ID %d written", f.NetID)
		}
	}
	untagged.send(frame(78, 0))
	untagged.dropped(drop.ForeignNetwork)
	untagged.send(frame(77, 0)) // ours, moved to another network
	untagged.dropped(drop.BadMAC)
	untagged.send(frame(77, 1)) // another network's name is another name
	untagged.dropped(drop.NoRoute)
	if f := untagged.wants(wire.Return, 1); f.NetID != 77 {
		t.Errorf("Net ID %d, want 77", f.NetID)
	}
}

func TestP22SharesOfAFace(t *testing.T) {
	small := limits(func(l *forward.Limits) { l.PIT, l.Subscriptions, l.Producers, l.Proxies = 80, 80, 80, 80 })
	for _, c := range []struct {
		share float64
		room  int
	}{{0, 10}, {0.5, 40}} {
		t.Run(fmt.Sprint(c.share), func(t *testing.T) {
			k := newKit(t, 1)
			n := k.node(1, small)
			k.route(n, "01", k.asker(n).face, 1)
			greedy := k.peer(n, forward.FaceConfig{Share: c.share, Publish: name.NewPrefixSet(prefix("02")), Proxy: true})
			list := names(c.room + 5)
			for _, n := range list {
				greedy.send(k.interest(n, 1, 4))
			}
			got := greedy.take()
			if len(got) != 5 || count(got, wire.Return) != 5 || wire.ReturnedOf(got[0].Payload).Reason != wire.ReturnCongestion {
				t.Errorf("PIT: got %s, want 5 Returns for congestion", show(got))
			}
			modest := k.asker(n)
			modest.send(k.interest(temp, 1, 4))
			modest.nothing()
			k.m.RunFor(5 * time.Second)
			for _, n := range list {
				greedy.send(k.interest(n, wire.SeqSubscribe, 20))
			}
			got = greedy.take()
			if len(got) != 5 || wire.ReturnedOf(got[0].Payload).Reason != wire.ReturnRefused {
				t.Errorf("subscriptions: got %s, want 5 Returns 4", show(got))
			}
			if got := greedy.drops(drop.Quota); got != 10 {
				t.Errorf("%d counted, want 10", got)
			}
			for _, n := range list {
				greedy.send(k.sleepy("02"+n[2:], 1, true))
			}
			if s := n.Worker(0).Stats(); s.Producers != c.room || s.Sleepers != c.room || greedy.drops(drop.Quota) != 15 {
				t.Errorf("%d producers and %d sleepers, want %d", s.Producers, s.Sleepers, c.room)
			}
			modest.send(k.interest(temp, wire.SeqSubscribe, 4))
			modest.nothing()
			k.m.RunFor(5 * time.Second) // with what has expired there is room again
			greedy.take()
			greedy.send(k.interest(temp, 2, 4))
			greedy.nothing()
		})
	}
}

func TestP22AnnouncementsOfAFace(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(1, limits(func(l *forward.Limits) { l.Announcements = 10 }))
	p := k.peer(n, remote())
	for i := range 12 {
		p.send(k.announcement(fmt.Sprintf("01%02x", i+1), 9, uint32(i+1), 5, 60))
	}
	if got := p.drops(drop.AnnouncementQuota); got != 2 {
		t.Errorf("%d refused, want 2", got)
	}
	k.sweep = 2 * time.Minute
}

// announcement is one of another origin.
func (k *kit) announcement(p string, origin, seq uint32, cost, lifetime uint16) []byte {
	pre := prefix(p)
	a := wire.Announced{PrefixLen: pre.Len, Cost: cost, Lifetime: lifetime, Origin: origin}
	return k.frame(wire.Header{Name: pre.Name, Seq: seq, Type: wire.Announcement, TTL: 3}, a.Append(nil))
}

// announced are the Announcements that a peer got since the last call.
func (p *peer) announced() (out []wire.Announced) {
	for _, f := range p.got {
		if f.Type == wire.Announcement {
			if f.TTL != 7 {
				p.k.Errorf("an Announcement leaves with TTL %d, want 7", f.TTL)
			}
			out = append(out, wire.AnnouncedOf(f.Payload))
		}
	}
	p.got = nil
	return out
}

func TestP7AnnouncementsMakeRoutes(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(1)
	cfg := remote()
	cfg.Cost = 10
	near, next, device, reader := k.peer(n, cfg), k.peer(n, remote()), k.asker(n), k.asker(n)
	near.send(k.announcement("02", 9, 100, 5, 60))
	near.dropped(drop.None)
	if got := next.announced(); len(got) != 1 || got[0] != (wire.Announced{PrefixLen: 1, Cost: 15, Lifetime: 60, Origin: 9}) {
		t.Errorf("sent on: %+v", got)
	}
	if len(near.announced())+len(device.announced()) != 0 {
		t.Error("sent back, or to a plain device")
	}
	reader.send(k.interest(far, 1, 2))
	near.wants(wire.Interest, 1)
	near.send(k.announcement("02", 9, 99, 1, 60))
	near.dropped(drop.AnnouncementOld)
	near.send(k.announcement("02", 9, 101, 5, 0)) // withdrawn
	reader.send(k.interest(far, 2, 2))
	reader.returned(wire.ReturnNoRoute)
	near.send(k.announcement("02", 1, 5, 5, 60))
	near.dropped(drop.OwnAnnouncement)
	if got := next.announced(); len(got) != 1 || got[0].Lifetime != 0 {
		t.Errorf("withdrawal sent on: %+v", got)
	}
}

func TestP7Policy(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(1)
	none := k.asker(n)
	some := k.peer(n, forward.FaceConfig{Announce: name.NewPrefixSet(prefix("02"))})
	none.send(k.announcement("02", 9, 100, 5, 60))
	none.dropped(drop.AnnouncementPolicy)
	some.send(k.announcement("01", 9, 100, 5, 60))
	some.dropped(drop.AnnouncementPolicy)
	some.send(k.announcement("", 9, 100, 5, 60)) // more than is allowed
	some.dropped(drop.AnnouncementPolicy)
	some.send(k.announcement("0203", 9, 100, 5, 60))
	some.dropped(drop.None)
}

func TestP7StaticRoutesWin(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(1)
	announced, static, reader := k.peer(n, remote()), k.asker(n), k.asker(n)
	k.route(n, "02", static.face, 1000)
	announced.send(k.announcement("02", 9, 100, 5, 60))
	reader.send(k.interest(far, 1, 2))
	static.wants(wire.Interest, 1)
	announced.nothing()
}

// Routes end with their lifetime, follow a cut, and come back by another way.
func TestP7ARing(t *testing.T) {
	k := newKit(t, 1)
	var nodes []*mesh.Node
	for id := uint32(1); id <= 4; id++ {
		nodes = append(nodes, k.node(id))
	}
	var links []*mesh.Link
	for i := range 4 {
		l, _, _ := k.join(nodes[i], nodes[(i+1)%4])
		links = append(links, l)
	}
	k.m.RunFor(time.Second)
	nodes[0].Do(func(f *forward.Node) { f.Announce(k.m.Now(), 0, prefix("01"), 0, 30*time.Second) })
	sensor := k.peer(nodes[0], plain())
	sensor.send(k.content(temp, 1, "x"))
	k.m.RunFor(time.Second)
	far := k.asker(nodes[1])
	far.send(k.interest(temp, 1, 2))
	if got := far.wants(wire.Content, 1); got.TTL != 6 {
		t.Errorf("TTL %d, want 6: one hop", got.TTL)
	}
	links[0].Cut()
	k.m.RunFor(40 * time.Second) // 20 s of hellos, and the renewal of a third of the lifetime
	sensor.send(k.content(temp, 2, "x"))
	far.send(k.interest(temp, 2, 2))
	if got := far.wants(wire.Content, 2); got.TTL != 4 {
		t.Errorf("TTL %d, want 4: three hops", got.TTL)
	}
	for _, l := range links {
		l.Cut()
	}
	k.m.RunFor(time.Minute)
	far.send(k.interest(temp, 3, 2))
	far.returned(wire.ReturnNoRoute)
	links[0].Heal()
	k.m.RunFor(20 * time.Second)
	sensor.send(k.content(temp, 3, "x"))
	far.send(k.interest(temp, 3, 2))
	far.wants(wire.Content, 3)
}

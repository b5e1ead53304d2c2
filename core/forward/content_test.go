package forward_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/mesh"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
	"github.com/zmesh/zmesh/core/wire"
)

// asker is a face of its own, so that a test can ask the same again.
func (k *kit) asker(n *mesh.Node) *peer { return k.peer(n, forward.FaceConfig{}) }

func TestP2bASeenContentSatisfiesWhoWaits(t *testing.T) {
	for _, c := range []struct {
		name string
		opts []option
		seq  uint32
	}{
		{"exact", []option{noStore}, 5},
		{"newest", []option{noStore}, 0},
		{"newest, stored already", nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLine(t, 1, c.opts...)
			raw := l.content(far, 5, "x")
			for range 3 { // the same bytes, again and again
				l.reader.send(l.interest(far, c.seq, 2))
				l.up[0].wants(wire.Interest, c.seq)
				l.up[0].send(raw)
				l.reader.wants(wire.Content, 5)
				l.m.RunFor(3 * time.Second) // beyond newest_max_age
			}
		})
	}
}

// A frame that the store did not keep is not remembered as seen either.
func TestP2bWhatTheStoreDidNotTakeComesAgain(t *testing.T) {
	l := newLine(t, 1, shard(func(c *store.Config) { c.MaxRatePerName = 1 }))
	for seq := uint32(1); seq <= 3; seq++ {
		for range 2 {
			l.reader.send(l.interest(far, seq, 2))
			if seq > 1 { // only the first is kept
				l.up[0].wants(wire.Interest, seq)
			}
			l.up[0].send(l.content(far, seq, "x"))
			l.reader.wants(wire.Content, seq)
			l.up[0].take()
		}
	}
}

func TestP17PublishPolicy(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(1)
	reader := k.asker(n)
	for _, c := range []struct {
		publish name.PrefixSet
		name    string
		ok      bool
	}{
		{name.PrefixSet{}, "010203010000", false},
		{name.NewPrefixSet(prefix("01")), "010203020000", true},
		{name.NewPrefixSet(prefix("01")), "020203010000", false},
		{name.NewPrefixSet(prefix("0102"), prefix("03")), "010303010000", false},
		{name.NewPrefixSet(prefix("0102"), prefix("03")), "030303010000", true},
	} {
		p := k.peer(n, forward.FaceConfig{Publish: c.publish})
		p.send(k.content(c.name, 1, "x"))
		reader.send(k.interest(c.name, 1, 0))
		if got := count(reader.take(), wire.Content) == 1; got != c.ok {
			t.Errorf("%s on a face that publishes %s: admitted %v, want %v", c.name, c.publish, got, c.ok)
		}
		if refused := p.drops(drop.Unsolicited) == 1; refused == c.ok {
			t.Errorf("%s: counted as unsolicited: %v", c.name, refused)
		}
	}
}

func TestP17SolicitedOnlyFromAFaceThatWasAsked(t *testing.T) {
	l := newLine(t, 2)
	l.reader.send(l.interest(far, 5, 4))
	l.up[0].wants(wire.Interest, 5)
	raw := l.content(far, 5, "x")
	l.up[1].send(raw)
	l.up[1].dropped(drop.Unsolicited)
	l.reader.nothing()
	l.up[0].send(l.content(far, 6, "x")) // was asked, but not for this
	l.up[0].dropped(drop.Unsolicited)
	l.up[0].send(raw)
	l.reader.wants(wire.Content, 5)
	l.up[0].send(l.content(far, 5, "other"))
	l.up[0].dropped(drop.Unsolicited)
}

func TestP17SecondProducer(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(1)
	first, second := k.peer(n, plain()), k.peer(n, plain())
	first.send(k.content(temp, 1, "x"))
	second.send(k.content(temp, 2, "x"))
	second.send(k.content(temp, 3, "x"))
	if got := second.drops(drop.SecondProducer); got != 2 {
		t.Errorf("%d counted, want 2", got)
	}
	if got := k.happened(forward.SecondProducer); got != 1 {
		t.Errorf("%d events in one second, want 1", got)
	}
	second.send(k.content("010204010000", 1, "x")) // another name
	second.lost = second.face.Get().Counters().Drops
	second.dropped(drop.None)

	// It counts all the same when it was asked for.
	reader := k.asker(n)
	k.route(n, "01", second.face, 1)
	reader.send(k.interest(temp, 7, 2))
	first.send(k.back(first.wants(wire.Interest, 7), wire.ReturnNotHere))
	second.wants(wire.Interest, 7)
	second.send(k.content(temp, 7, "x"))
	reader.wants(wire.Content, 7)
}

func TestP17ProducerHold(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(k *kit, n *mesh.Node, first *peer)
		free bool
	}{
		{"silent for almost an hour", func(k *kit, _ *mesh.Node, _ *peer) { k.m.RunFor(time.Hour - 100*time.Millisecond) }, false},
		{"silent for an hour", func(k *kit, _ *mesh.Node, _ *peer) { k.m.RunFor(time.Hour) }, true},
		{"down", func(k *kit, n *mesh.Node, p *peer) {
			n.Do(func(fwd *forward.Node) { fwd.SetUp(k.m.Now(), p.face.Get().ID(), false) })
		}, true},
		{"gone", func(k *kit, n *mesh.Node, p *peer) {
			n.Do(func(fwd *forward.Node) { fwd.RemoveFace(k.m.Now(), p.face.Get().ID()) })
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newKit(t, 1)
			n := k.node(1)
			first, second := k.peer(n, plain()), k.peer(n, plain())
			first.send(k.content(temp, 1, "x"))
			c.do(k, n, first)
			second.send(k.content(temp, 2, "x"))
			if free := second.drops(drop.SecondProducer) == 0; free != c.free {
				t.Errorf("the name is free: %v, want %v", free, c.free)
			}
		})
	}
}

func TestP17ProducerFaceIsANextHop(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(1)
	sensor, reader, elsewhere := k.peer(n, plain()), k.asker(n), k.asker(n)
	k.route(n, "01", elsewhere.face, 1)
	sensor.send(k.content(temp, 5, "x"))
	reader.send(k.interest(temp, 3, 2))
	sensor.wants(wire.Interest, 3) // before the route, whatever that costs
	elsewhere.nothing()
	sensor.send(k.content(temp, 3, "x"))
	reader.wants(wire.Content, 3)
}

func TestP17SameNumberOtherBytes(t *testing.T) {
	l := newLine(t, 1)
	sensor := l.peer(l.n, plain())
	l.route(l.n, "01", l.up[0].face, 1)
	sensor.send(l.content(temp, 100, "first"))
	l.n.Do(func(n *forward.Node) { n.RemoveFace(l.m.Now(), sensor.face.Get().ID()) })
	l.m.RunFor(3 * time.Second)
	l.reader.send(l.interest(temp, 0, 4))
	l.up[0].wants(wire.Interest, 0)
	l.up[0].send(l.content(temp, 100, "second"))
	l.up[0].dropped(drop.Conflict)
	l.reader.nothing()
	l.reader.send(l.interest(temp, 100, 0))
	if got := l.reader.wants(wire.Content, 100); string(got.Payload) != "first" {
		t.Errorf("got %q", got.Payload)
	}
}

func TestP17AFarJumpIsNoNewestYet(t *testing.T) {
	l := newLine(t, 0)
	sensor, sub := l.peer(l.n, plain()), l.asker(l.n)
	sub.send(l.interest(temp, wire.SeqSubscribe, 100))
	sensor.send(l.content(temp, 1, "x"))
	sub.wants(wire.Content, 1)
	const jump = 1 + 1<<16 + 1
	sensor.send(l.content(temp, jump, "odd"))
	l.reader.send(l.interest(temp, 0, 2))
	l.reader.wants(wire.Content, 1)
	l.reader.send(l.interest(temp, jump, 2))
	l.reader.wants(wire.Content, jump) // stored
	sub.take()
	for seq := uint32(2); seq < 5; seq++ { // one odd frame does not end the numbers of a subscriber
		sensor.send(l.content(temp, seq, "x"))
		sub.wants(wire.Content, seq)
	}
	sensor.send(l.content(temp, jump+10, "x"))
	sensor.send(l.content(temp, jump+11, "x"))
	sub.take()
	sensor.send(l.content(temp, jump+12, "x"))
	sub.wants(wire.Content, jump+12)
	l.reader.send(l.interest(temp, 0, 2))
	l.reader.wants(wire.Content, jump+12)
	sensor.send(l.content(temp, jump+13, "x"))
	sub.wants(wire.Content, jump+13)
}

func TestP17AskPolicy(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(1, workers(4))
	sensor := k.peer(n, plain())
	sensor.send(k.content(temp, 1, "x"))
	some := k.peer(n, forward.FaceConfig{AskSome: true, Ask: name.NewPrefixSet(prefix("0102"))})
	some.send(k.interest(temp, 1, 2))
	some.wants(wire.Content, 1)
	for _, n := range []string{"010304010000", "0103ff010000", "02ff03000000"} {
		some.send(k.interest(n, 1, 2))
		some.returned(wire.ReturnRefused)
		some.dropped(drop.Refused)
	}
}

func TestP21WhatLeaves(t *testing.T) {
	l := newLine(t, 1)
	sub := l.asker(l.n)
	sub.send(l.interest(far, wire.SeqSubscribe, 100))
	l.up[0].take()
	for _, ttl := range []uint8{7, 4, 1} {
		l.reader.send(l.asked(far, uint32(ttl), 7, l.m.Now().Wall, 4))
		l.up[0].wants(wire.Interest, uint32(ttl))
		raw := l.frame(wire.Header{Name: nm(far), Seq: uint32(ttl), Type: wire.Content, TTL: ttl, ProxyMe: true}, []byte("x"))
		raw[0] |= wire.ReservedFHDR
		l.up[0].send(raw)
		for _, p := range []*peer{l.reader, sub} {
			got := p.take()
			if len(got) == 0 {
				continue // an older number than the subscriber has seen
			}
			if f := got[0]; f.TTL != ttl-1 || f.ProxyMe || f.Raw[0]&wire.ReservedFHDR == 0 || fmt.Sprintf("%x", f.Body) != fmt.Sprintf("%x", raw[1:]) {
				t.Errorf("came as %x, left as %x", raw, f.Raw)
			}
		}
		l.reader.send(l.interest(far, uint32(ttl), 4)) // from the store
		if f := l.reader.wants(wire.Content, uint32(ttl)); f.Raw[0] != 7 {
			t.Errorf("FHDR %02x from the store, want TTL 7 alone", f.Raw[0])
		}
	}
}

func TestP21AnInterestLeavesWithTheSameBytes(t *testing.T) {
	l := newLine(t, 1)
	raw := l.asked(far, 5, 5, l.m.Now().Wall-3, 9)
	raw[0] |= wire.ReservedFHDR | 0x10 // ProxyMe
	l.reader.send(raw)
	if f := l.up[0].wants(wire.Interest, 5); f.Raw[0] != wire.ReservedFHDR|4 || fmt.Sprintf("%x", f.Body) != fmt.Sprintf("%x", raw[1:]) {
		t.Errorf("came as %x, left as %x", raw, f.Raw)
	}
}

// The frames that are held back until a new epoch is believed satisfy who waits, and the entry is gone when the last arrives.
func TestP1ANewEpochServesWhoWaits(t *testing.T) {
	l := newLine(t, 0, shard(func(c *store.Config) { c.MaxRatePerName = 1 }))
	sensor, sub := l.peer(l.n, plain()), l.asker(l.n)
	sensor.send(l.content(temp, 5000, "x"))
	sensor.send(l.content(temp, 5001, "not kept, so the newest is not here"))
	sub.send(l.interest(temp, wire.SeqSubscribe, 100))
	for first := uint32(4000); first > 0; first -= 1000 {
		l.reader.send(l.interest(temp, 0, 60))
		sensor.wants(wire.Interest, 0)
		l.reader.send(l.interest(far, first, 0)) // other names
		l.reader.take()
		for seq := first; seq < first+2; seq++ {
			sensor.send(l.content(temp, seq, "x"))
			sensor.dropped(drop.Suspect)
		}
		l.reader.nothing()
		sub.nothing()
		sensor.send(l.content(temp, first+2, "x"))
		l.reader.wants(wire.Content, first+2)
		sub.wantsSeqs(first, first+1, first+2)
		if got := l.happened(forward.EpochOpened); got != 1 {
			t.Errorf("%d events, want 1", got)
		}
		// What waits now is whole, and stays so through the next epoch.
		l.reader.send(l.interest(temp, 10_000+first, 60))
		sensor.wants(wire.Interest, 10_000+first)
	}
	if s := l.n.Worker(0).Stats(); s.PIT != 4 || s.PITRecords != 4 {
		t.Errorf("%d entries with %d in-records, want 4", s.PIT, s.PITRecords)
	}
	for first := uint32(1000); first <= 4000; first += 1000 {
		sensor.send(l.content(temp, 10_000+first, "x"))
		l.reader.wants(wire.Content, 10_000+first)
	}
}

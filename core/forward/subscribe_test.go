package forward_test

import (
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// opened fails unless the neighbour got our subscription and the newest that goes with it, and gives both.
func (p *peer) opened() (sub, newest wire.Frame) {
	p.k.Helper()
	got := p.take()
	if len(got) != 2 || got[0].Type != wire.Interest || got[0].Seq != wire.SeqSubscribe || got[1].Type != wire.Interest || got[1].Seq != 0 {
		p.k.Fatalf("got %s, want a subscription and the newest", show(got))
	}
	return got[0], got[1]
}

func expiryOf(f wire.Frame) time.Duration {
	a, _ := wire.AskedOf(f.Payload)
	return a.Expiry()
}

func TestP16OneUpstreamForManyAskers(t *testing.T) {
	l := newLine(t, 2)
	var askers []*peer
	for i := range 5 {
		p := l.asker(l.n)
		p.send(l.interest(far, wire.SeqSubscribe, uint16(60+i)))
		askers = append(askers, p)
	}
	sub, _ := l.up[0].opened()
	l.up[1].nothing()
	if sub.TTL != 6 {
		t.Errorf("TTL %d, want 6", sub.TTL)
	}
	asked, _ := wire.AskedOf(sub.Payload)
	if off := l.m.Now().Wall - asked.UnixMilli(); off < 0 || off > 1000 || asked.Expiry() != time.Minute {
		t.Errorf("ours is %d ms old and stands for %s: it is not our own", off, asked.Expiry())
	}
	for seq := uint32(1); seq < 4; seq++ {
		l.up[0].send(l.content(far, seq, "x"))
		for _, p := range askers {
			if got := p.wants(wire.Content, seq); got.TTL != 6 {
				t.Errorf("TTL %d, want 6", got.TTL)
			}
		}
	}
	if s := l.n.Worker(0).Stats(); s.Subscriptions != 1 || s.Askers != 5 {
		t.Errorf("%d subscriptions of %d askers", s.Subscriptions, s.Askers)
	}
}

// Nothing confirms a subscription. Who sends it twice wants to be sure, so ours goes twice too, and no more often, however many ask.
func TestP16AskedAgainOursIsSentAgainOnce(t *testing.T) {
	l := newLine(t, 1)
	second := l.asker(l.n)
	l.reader.send(l.interest(far, wire.SeqSubscribe, 60))
	l.up[0].opened()
	second.send(l.interest(far, wire.SeqSubscribe, 60))
	l.up[0].nothing()
	l.m.RunFor(time.Second)
	l.reader.send(l.interest(far, wire.SeqSubscribe, 60))
	if sub, _ := l.up[0].opened(); expiryOf(sub) != 59*time.Second {
		t.Errorf("it stands for %v, want 59 s", expiryOf(sub))
	}
	for range 3 {
		l.m.RunFor(time.Second)
		second.send(l.interest(far, wire.SeqSubscribe, 60))
		l.reader.send(l.interest(far, wire.SeqSubscribe, 60))
		l.up[0].nothing()
	}
}

// What pushes has arrived there: to send it again would have its newest answered twice.
func TestP16WhatPushesIsNotSentAgain(t *testing.T) {
	const other = "020204010000"
	l := newLine(t, 1)
	l.reader.send(l.interest(far, wire.SeqSubscribe, 60))
	l.up[0].opened()
	l.up[0].send(l.content(far, 1, "what the newest asked for may be there without the subscription"))
	l.reader.wants(wire.Content, 1)
	l.m.RunFor(time.Second)
	l.reader.send(l.interest(far, wire.SeqSubscribe, 60))
	l.up[0].opened()

	second := l.asker(l.n)
	second.send(l.interest(other, wire.SeqSubscribe, 60))
	l.up[0].opened()
	for seq := uint32(1); seq <= 2; seq++ {
		l.up[0].send(l.content(other, seq, "x"))
		second.wants(wire.Content, seq)
	}
	l.m.RunFor(time.Second)
	second.send(l.interest(other, wire.SeqSubscribe, 60))
	l.up[0].nothing()
}

func TestP16EachNumberOnce(t *testing.T) {
	l := newLine(t, 1)
	l.reader.send(l.interest(far, wire.SeqSubscribe, 100))
	l.up[0].opened()
	for _, c := range []struct {
		seq  uint32
		goes bool
	}{
		{100, true},
		{100, false},
		{101, true},
		{104, true},
		{103, true},
		{103, false},
		{102, true},
		{104, false},
		{41, true},
		{41, false},
		{40, false}, // 64 numbers back from the highest
		{0xFFFFFE, false},
		{1, false}, // far back
		{200, true},
		{137, true},
		{136, false},
		{104, false},
	} {
		l.up[0].send(l.content(far, c.seq, "x"))
		if got := l.reader.take(); (len(got) == 1) != c.goes {
			t.Errorf("%d: got %s", c.seq, show(got))
		}
	}
}

// A frame that satisfies an Interest and a subscription of one face is sent there once.
func TestP16OnceForAFaceThatAlsoAsked(t *testing.T) {
	l := newLine(t, 1)
	for _, n := range []string{far, "02ff03010000", "0202ff010000"} {
		l.reader.send(l.interest(n, wire.SeqSubscribe, 100))
	}
	for _, seq := range []uint32{0, 7} {
		l.reader.send(l.interest(far, seq, 4))
		l.reader.send(l.interest("02ff03010000", seq, 4))
	}
	l.reader.nothing()
	l.up[0].send(l.content(far, 7, "x"))
	l.reader.wants(wire.Content, 7)
	l.up[0].send(l.content(far, 7, "x"))
	l.reader.nothing()
	l.up[0].send(l.content(far, 8, "x"))
	l.reader.wants(wire.Content, 8)
}

func TestP16Renewal(t *testing.T) {
	for _, c := range []struct {
		name    string
		expiry  uint16
		at      []time.Duration // when ours leaves
		stands  []time.Duration
		forLong time.Duration
	}{
		{"short", 40, []time.Duration{0, 20 * time.Second, 30 * time.Second}, []time.Duration{40e9, 20e9, 10e9}, 60 * time.Second},
		{"long", 400, []time.Duration{0, 60e9, 120e9, 180e9, 240e9, 300e9, 350e9, 375e9, 387500 * time.Millisecond}, []time.Duration{120e9, 120e9, 120e9, 120e9, 120e9, 100e9, 50e9, 25e9, 13e9}, 500 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLine(t, 1)
			start := l.m.Now().Mono
			l.reader.send(l.interest(far, wire.SeqSubscribe, c.expiry))
			i := 0
			for l.m.Now().Mono < start+c.forLong {
				for _, f := range l.up[0].take() {
					if f.Seq != wire.SeqSubscribe {
						continue
					}
					at := l.m.Now().Mono - start
					if i >= len(c.at) || at < c.at[i] || at > c.at[i]+100*time.Millisecond || expiryOf(f) != c.stands[i] {
						t.Fatalf("no. %d after %s stands for %s", i, at, expiryOf(f))
					}
					i++
				}
				l.step()
			}
			if i != len(c.at) {
				t.Errorf("sent %d times, want %d", i, len(c.at))
			}
		})
	}
}

func TestP16RouteChangesDoNotPutTheRenewalOff(t *testing.T) {
	l := newLine(t, 2)
	l.reader.send(l.interest(far, wire.SeqSubscribe, 1000))
	l.up[0].opened()
	for cost := uint16(10); cost < 80; cost++ { // one a second, at another face
		l.route(l.n, "02", l.up[1].face, cost)
		l.m.RunFor(time.Second)
	}
	l.up[0].opened()
	l.up[1].nothing()
	k := l.kit
	k.sweep = 20 * time.Minute
}

func TestP16RenewalFollowsTheAskers(t *testing.T) {
	l := newLine(t, 1)
	for range 10 { // the public client: 60 s, renewed with time to spare
		l.reader.send(l.interest(far, wire.SeqSubscribe, 60))
		l.m.RunFor(50 * time.Second)
	}
	until := time.Duration(0)
	for _, f := range l.up[0].take() {
		if f.Seq != wire.SeqSubscribe {
			continue
		}
		a, _ := wire.AskedOf(f.Payload)
		at := time.Duration(a.UnixMilli()-l.m.Now().Wall)*time.Millisecond + l.m.Now().Mono
		if until != 0 && at > until {
			t.Errorf("a gap of %s", at-until)
		}
		until = at + a.Expiry()
	}
	if until < l.m.Now().Mono {
		t.Error("ended with an asker left")
	}
}

func TestP16EndsWithTheLastAsker(t *testing.T) {
	l := newLine(t, 1)
	l.reader.send(l.interest(far, wire.SeqSubscribe, 200))
	gone := l.peer(l.n, forward.FaceConfig{})
	gone.send(l.interest(far, wire.SeqSubscribe, 300))
	l.up[0].take()
	l.n.Do(func(n *forward.Node) { n.RemoveFace(l.m.Now(), gone.face.Get().ID()) })
	l.m.RunFor(201 * time.Second)
	l.up[0].take()
	if s := l.n.Worker(0).Stats(); s.Askers != 0 {
		t.Errorf("%d askers", s.Askers)
	}
	l.m.RunFor(200 * time.Second)
	l.up[0].nothing()
	l.up[0].send(l.content(far, 9, "x"))
	l.up[0].dropped(drop.Unsolicited)
}

func TestP16NewestAtOpeningAndRenewalShowsALostTail(t *testing.T) {
	l := newLine(t, 1)
	l.reader.send(l.interest(far, wire.SeqSubscribe, 100))
	_, newest := l.up[0].opened()
	if newest.TTL != 6 {
		t.Errorf("TTL %d, want 6", newest.TTL)
	}
	l.up[0].send(l.content(far, 5, "x"))
	l.reader.wants(wire.Content, 5)
	l.m.RunFor(50 * time.Second) // 6 and 7 were lost
	l.up[0].opened()
	l.up[0].send(l.content(far, 7, "x"))
	l.reader.wants(wire.Content, 7)
}

// Our own newest is known when a circle of routes brings it back.
func TestP16OurOwnNewestComesBack(t *testing.T) {
	l := newLine(t, 1)
	l.reader.send(l.interest(far, wire.SeqSubscribe, 100))
	_, newest := l.up[0].opened()
	back := l.asker(l.n)
	back.send(newest.Raw) // by another way: it waits, and is not sent on
	l.up[0].nothing()
	l.up[0].send(newest.Raw)
	l.up[0].dropped(drop.Loop)
	l.up[0].send(l.back(newest, wire.ReturnTTL))
	l.up[0].nothing()
	back.returned(wire.ReturnTTL)
}

func TestP16WhatWasPublishedBeforeIsNotPushed(t *testing.T) {
	k := newKit(t, 1)
	a, b := k.node(1), k.node(2)
	_, fa, _ := k.join(a, b)
	k.route(a, "01", fa, 1)
	k.step()
	sensor, sub := k.peer(b, plain()), k.asker(a)
	sensor.send(k.content(temp, 5, "before"))
	sub.send(k.interest(temp, wire.SeqSubscribe, 100))
	sub.nothing()
	sensor.send(k.content(temp, 6, "after"))
	sub.wants(wire.Content, 6)
	wild := k.asker(a)
	wild.send(k.interest("01ff03010000", wire.SeqSubscribe, 100))
	wild.nothing()
	late := k.asker(a)
	late.send(k.interest(temp, wire.SeqSubscribe, 100)) // when a's own is covered
	late.nothing()
	sensor.send(k.content(temp, 7, "after"))
	late.wants(wire.Content, 7)
	wild.wants(wire.Content, 7)
}

// What is lost before anything came through is shown at the renewal all the same.
func TestP16ALostBeginning(t *testing.T) {
	for _, asked := range []string{temp, "01ff03010000"} {
		k := newKit(t, 1)
		a, b := k.node(1), k.node(2)
		link, fa, _ := k.join(a, b)
		k.route(a, "01", fa, 1)
		k.step()
		sensor, sub := k.peer(b, plain()), k.asker(a)
		sub.send(k.interest(asked, wire.SeqSubscribe, 100))
		k.m.RunFor(6 * time.Second)
		link.Loss = 1
		sensor.send(k.content(temp, 1, "lost"))
		link.Loss = 0
		sub.nothing()
		k.m.RunFor(50 * time.Second)
		sub.wants(wire.Content, 1)
	}
}

func TestP16NoRouteKeptAndSentWhenOneAppears(t *testing.T) {
	l := newLine(t, 0)
	l.reader.send(l.interest(far, wire.SeqSubscribe, 100))
	l.reader.nothing()
	p := l.asker(l.n)
	l.m.RunFor(10 * time.Second)
	l.route(l.n, "02", p.face, 1)
	l.step()
	if sub, _ := p.opened(); expiryOf(sub) != 90*time.Second {
		t.Errorf("stands for %s, want the 90 s that are left", expiryOf(sub))
	}
	p.send(l.content(far, 1, "x"))
	l.reader.wants(wire.Content, 1)
}

func TestP16SentAnewAtOnce(t *testing.T) {
	up := func(l *line, on bool) {
		l.n.Do(func(n *forward.Node) { n.SetUp(l.m.Now(), l.up[0].face.Get().ID(), on) })
		l.step()
	}
	for _, c := range []struct {
		name   string
		change func(l *line)
		to     int
	}{
		{"face down", func(l *line) { up(l, false) }, 1},
		{"face down and up again", func(l *line) { up(l, false); l.up[1].take(); up(l, true) }, 0},
		{"route gone", func(l *line) {
			l.n.Do(func(n *forward.Node) { n.RemoveRoute(l.m.Now(), 0, prefix("02"), l.up[0].face.Get().ID()) })
		}, 1},
		{"better route", func(l *line) { l.route(l.n, "0202", l.up[1].face, 1) }, 1},
		{"refused", func(l *line) {
			l.up[0].send(l.back(l.firstSub, wire.ReturnRefused))
			l.up[0].dropped(drop.None)
		}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLine(t, 2)
			l.reader.send(l.interest(far, wire.SeqSubscribe, 100))
			l.firstSub, _ = l.up[0].opened()
			l.up[1].nothing()
			c.change(l)
			l.step()
			l.up[c.to].opened()
			l.up[c.to].send(l.content(far, 1, "x"))
			l.reader.wants(wire.Content, 1)
		})
	}
}

func TestP16SentAnewAfterARestart(t *testing.T) {
	k := newKit(t, 1)
	a, b := k.node(1), k.node(2)
	_, fa, _ := k.join(a, b)
	k.route(a, "01", fa, 1)
	k.step()
	sensor, sub := k.peer(b, plain()), k.asker(a)
	sub.send(k.interest(temp, wire.SeqSubscribe, 300))
	sensor.send(k.content(temp, 1, "x"))
	sub.wants(wire.Content, 1)
	if err := b.Restart(); err != nil {
		t.Fatal(err)
	}
	k.m.RunFor(5 * time.Second) // the next hello
	sensor.send(k.content(temp, 2, "x"))
	sub.wants(wire.Content, 2)
	if got := k.happened(forward.PeerRestarted); got != 1 {
		t.Errorf("%d events, want 1", got)
	}
	k.sweep = 6 * time.Minute
}

func TestP16TheProducerGoesElsewhere(t *testing.T) {
	l := newLine(t, 1)
	sensor := l.peer(l.n, plain())
	l.route(l.n, "01", l.up[0].face, 1)
	sensor.send(l.content(temp, 1, "x"))
	l.reader.send(l.interest(temp, wire.SeqSubscribe, 100))
	sensor.nothing() // it publishes here anyway
	l.up[0].nothing()
	l.n.Do(func(n *forward.Node) { n.SetUp(l.m.Now(), sensor.face.Get().ID(), false) })
	l.step()
	l.up[0].opened()
}

func TestP16TTLOfOurs(t *testing.T) {
	l := newLine(t, 1)
	l.reader.send(l.asked(far, wire.SeqSubscribe, 0, l.m.Now().Wall, 100))
	l.up[0].nothing() // it ends here (P-23)
	l.asker(l.n).send(l.asked(far, wire.SeqSubscribe, 3, l.m.Now().Wall, 50))
	if sub, _ := l.up[0].opened(); sub.TTL != 2 {
		t.Errorf("TTL %d, want 2", sub.TTL)
	}
	l.asker(l.n).send(l.asked(far, wire.SeqSubscribe, 2, l.m.Now().Wall, 50))
	l.up[0].nothing()
	l.asker(l.n).send(l.asked(far, wire.SeqSubscribe, 7, l.m.Now().Wall, 60)) // goes further: at once
	if sub, _ := l.up[0].opened(); sub.TTL != 6 {
		t.Errorf("TTL %d, want 6", sub.TTL)
	}
}

// Two forwarders never keep each other's subscription alive.
func TestP16NotBackToWhoAsked(t *testing.T) {
	k := newKit(t, 1)
	a, b := k.node(1), k.node(2)
	_, fa, fb := k.join(a, b)
	k.route(a, "03", fa, 1) // each thinks that the other is nearer
	k.route(b, "03", fb, 1)
	k.asker(a).send(k.interest("030203010000", wire.SeqSubscribe, 60))
	k.m.RunFor(61 * time.Second)
	for i, n := range k.nodes {
		if s := n.Worker(0).Stats(); s.Subscriptions != 0 {
			t.Errorf("node %d still has %d", i, s.Subscriptions)
		}
	}
}

func TestP16Wildcards(t *testing.T) {
	for _, n := range []int{1, 4} {
		k := newKit(t, 1)
		a, b := k.node(1, workers(n)), k.node(2, workers(n))
		_, fa, _ := k.join(a, b)
		k.route(a, "01", fa, 1)
		k.step()
		sensor, sub := k.peer(b, plain()), k.asker(a)
		sub.send(k.interest("0102ff010000", wire.SeqSubscribe, 100))
		if got := sub.face.Get().Counters().Subscriptions; got != 1 {
			t.Errorf("%d subscriptions counted, want 1", got)
		}
		for seq := uint32(1); seq < 4; seq++ {
			for _, n := range []string{"010203010000", "010204010000", "010205010000"} {
				sensor.send(k.content(n, seq, "x"))
				if got := sub.wants(wire.Content, seq); got.Name != nm(n) {
					t.Errorf("got %s, want %s", got.Name, n)
				}
			}
			sensor.send(k.content("010303010000", seq, "x"))
			sensor.send(k.content("010203020000", seq, "x"))
			sub.nothing()
		}
		k.m.RunFor(100 * time.Second)
		sensor.send(k.content("010203010000", 9, "x"))
		sub.nothing()
	}
}

func TestP16AProducerIsNotSentItsOwn(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(1)
	both := k.peer(n, forward.FaceConfig{Publish: name.NewPrefixSet(prefix("01"))})
	both.send(k.interest(temp, wire.SeqSubscribe, 60))
	both.send(k.interest("01ff03010000", wire.SeqSubscribe, 60))
	both.send(k.content(temp, 1, "x"))
	both.nothing()
}

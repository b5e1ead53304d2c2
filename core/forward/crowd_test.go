package forward_test

import (
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// A thousand subscribers cost one subscription upstream: one Interest when the first comes, one at each renewal, and each content comes once.
func TestP16AThousandSubscribersCostOneUpstream(t *testing.T) {
	const many = 1000
	l := newLine(t, 1)
	subs := make([]*peer, many)
	for i := range subs {
		subs[i] = l.asker(l.n)
		subs[i].Send(l.interest(far, wire.SeqSubscribe, 100))
	}
	l.m.RunFor(40 * time.Second)
	if got := l.up[0].subscriptions(); got != 1 {
		t.Errorf("%d subscriptions upstream, want 1", got)
	}
	for i := range subs { // all renew
		subs[i].Send(l.interest(far, wire.SeqSubscribe, 100))
	}
	l.m.RunFor(60 * time.Second) // ours is renewed at half of 100 s
	if got := l.up[0].subscriptions(); got < 1 || got > 2 {
		t.Errorf("%d renewals upstream, want 1 or 2", got)
	}
	l.up[0].send(l.content(far, 7, "x"))
	for i, s := range subs {
		got := s.take()
		if len(got) != 1 || got[0].Type != wire.Content || got[0].Seq != 7 {
			t.Fatalf("subscriber %d got %s", i, show(got))
		}
	}
}

// subscriptions counts those that came since the last call.
func (p *peer) subscriptions() (n int) {
	for _, f := range p.take() {
		if f.Type == wire.Interest && f.Seq == wire.SeqSubscribe {
			n++
		}
	}
	return n
}

// One face that floods Interests, subscriptions and names fills its own share of each table (P-22): what others have there stays, and they get more.
func TestP22AFloodLeavesOthersAlone(t *testing.T) {
	const table = 800
	l := newLine(t, 1, limits(func(lim *forward.Limits) { lim.PIT, lim.Subscriptions, lim.Producers = table, table, table }))
	honest, flood := l.asker(l.n), l.peer(l.n, plain())
	sensor := l.peer(l.n, plain())
	other := func(i int) string { return name.Name{1, byte(1 + i/200), byte(1 + i%200), 7}.String() }
	away := func(i int) string { return name.Name{2, byte(1 + i/200), byte(1 + i%200), 7}.String() }
	for i := range 20 {
		honest.send(l.interest(away(i), wire.SeqSubscribe, 100))
		honest.send(l.interest(away(i), 5, 100))
		sensor.send(l.content(other(i), 1, "x"))
	}
	honest.take()
	for i := 100; i < 2100; i++ {
		flood.Send(l.interest(away(i%1000), wire.SeqSubscribe, 100))
		flood.Send(l.interest(away(i%1000), uint32(6+i), 100))
		flood.Send(l.content(other(100+i%1900), 1, "x"))
	}
	l.m.RunFor(time.Second)
	if flood.drops(drop.Quota) < 3*(1000-table/8) {
		t.Errorf("%d refused", flood.drops(drop.Quota))
	}
	if s := l.n.Worker(0).Stats(); s.Askers > 20+table/8 || s.PITRecords > 40+2*table/8+table/8 || s.Producers > 20+table/8 {
		t.Errorf("%+v", s)
	}
	l.up[0].take()
	for i := range 20 {
		l.up[0].send(l.content(away(i), 5, "x")) // asked for, and subscribed to
		honest.wantsSeqs(5)
		sensor.send(l.content(other(i), 2, "x"))
		honest.send(l.interest(other(i), 2, 2))
		honest.wantsSeqs(2)
	}
	for i := 20; i < 40; i++ { // there is room for more
		honest.send(l.interest(away(i), wire.SeqSubscribe, 100))
		honest.send(l.interest(away(i), 9, 100))
		sensor.send(l.content(other(i), 1, "x"))
		honest.nothing()
	}
	if honest.drops(drop.Quota)+sensor.drops(drop.Quota) != 0 {
		t.Error("somebody else was refused")
	}
}

package outside

import (
	"testing"
)

// A node that cannot help says so at once, with the asker's own eight bytes and its node id (P-6).
func TestReturnsOfANode(t *testing.T) {
	n := start(t, setup{id: 0x01020304})
	producer, asker := n.peer(), n.peer()
	producer.publishes(room, 5, "x")
	unknown := of("0104")
	for what, c := range map[string]struct {
		ask    frame
		reason byte
		drop   string
	}{
		"no route":               {interest(unknown, 1, 4), reasonNoRoute, ""},
		"no route for newest":    {interest(unknown, newest, 4), reasonNoRoute, ""},
		"no payload":             {frame{ttl: 7, name: unknown, seq: 1}, reasonNoRoute, ""},
		"no clock":               {frame{ttl: 7, name: unknown, payload: asking(0, 3)}, reasonNoRoute, ""},
		"TTL ended":              {interest(unknown, 1, 4).with(0), reasonTTL, "ttl_ended"},
		"store only":             {interest(unknown, 1, 0), reasonExpired, "expired"},
		"not stored, TTL ended":  {interest(room, 6, 4).with(0), reasonTTL, "ttl_ended"},
		"not stored, store only": {interest(room, 6, 0), reasonExpired, "expired"},
	} {
		t.Run(what, func(t *testing.T) {
			before := n.drops()
			asker.send(c.ask)
			asker.gets(returned(c.ask, c.reason, 0x01020304))
			if lost := minus(n.drops(), before); c.drop != "" && lost[c.drop] != 1 {
				t.Errorf("counted as %v, want one %s", lost, c.drop)
			}
			asker.quiet()
		})
	}
}

// A producer that asks for what it never published is told so; nobody else is asked.
func TestAProducerIsTold(t *testing.T) {
	n, up := withUp(t, setup{})
	producer := n.peer()
	producer.publishes(room, 5, "x")
	ask := interest(room, 6, 4)
	producer.send(ask)
	producer.gets(returned(ask, reasonNotHere, n.id))
	producer.quiet()
	up.quiet()
}

// Only what the configuration lets a face ask for is looked for.
func TestAFaceThatMayNotAsk(t *testing.T) {
	n, up := withUp(t, setup{lan: "publish = [\"01\"]\nask = [\"0102\", \"0305\"]"})
	p := n.peer()
	f := p.publishes(room, 1, "x")
	p.send(interest(room, newest, 2))
	p.gets(f)
	ask := interest(of("0103"), newest, 2)
	n.counts("refused", 1, func() {
		p.send(ask)
		p.gets(returned(ask, reasonRefused, n.id))
	})
	up.quiet()
}

// A Return from upstream goes to each asker that was merged, made anew with that asker's bytes, and once (P-6). It names the
// node that gave up first.
func TestAReturnGoesToEveryMergedAsker(t *testing.T) {
	for _, reason := range []byte{reasonNoRoute, reasonNotHere, 3, reasonRefused, reasonExpired, reasonTTL} {
		n, up := withUp(t, setup{})
		askers := []*peer{n.peer(), n.peer(), n.peer()}
		var asks []frame
		for i, p := range askers {
			asks = append(asks, interest(room, 1, 60))
			if i == 2 {
				asks[2].payload = nil
			}
			p.send(asks[i])
			p.quiet()
		}
		sent := up.next()
		up.quiet()
		up.send(returned(sent, reason, 0xB0))
		if reason == reasonTTL { // those that were merged may go further: one of them is sent after it
			up.send(returned(up.next(), reason, 0xB0))
			up.send(returned(up.next(), reason, 0xB0))
		}
		for i, p := range askers {
			got := p.next()
			want := returned(asks[i], reason, 0xB0)
			if !same(got, want) {
				t.Errorf("asker %d got %v, want %v", i, got, want)
			}
			p.quiet()
		}
		if got := n.host.Status().Tables.PIT; got != 0 {
			t.Errorf("reason %d: %d Interests are still pending", reason, got)
		}
	}
}

// A Return counts only from a face that was asked, only with the bytes that were sent there, and once.
func TestReturnsThatDoNotCount(t *testing.T) {
	elsewhere := socket(t)
	n, up := withUp(t, setup{rest: remote("elsewhere", elsewhere.addr)})
	elsewhere.to(n)
	asker := n.peer()
	ask := interest(room, 1, 60)
	asker.send(ask)
	up.gets(ask.with(6))
	other := ask
	other.payload = asking(stamp(), 60)
	another := ask
	another.name = temp
	n.counts("unsolicited_return", 6, func() {
		elsewhere.send(returned(ask, 1, 0xB0))
		asker.send(returned(ask, 1, 0xB0))
		up.send(returned(other, 1, 0xB0))
		up.send(returned(another, 1, 0xB0))
		up.send(returned(ask, 0, 0xB0))
		up.send(returned(ask, 8, 0xB0))
		for _, p := range []*peer{elsewhere, asker, up} {
			p.quiet()
		}
	})
	up.send(returned(ask, 1, 0xB0))
	if got := asker.next(); got.kind != kindReturn {
		t.Errorf("got %v", got)
	}
	n.counts("unsolicited_return", 1, func() {
		up.send(returned(ask, 1, 0xB0))
		up.quiet()
	})
	asker.quiet()
}

// Where there are two ways, the second is tried when the first gives the Interest back.
func TestAnotherWayIsTried(t *testing.T) {
	second := socket(t)
	n, up := withUp(t, setup{rest: remote("second", second.addr) + route("01", "second") + "cost = 20\n"})
	second.to(n)
	asker := n.peer()
	ask := interest(room, 1, 60)
	asker.send(ask)
	up.gets(ask.with(6))
	second.quiet()
	up.send(returned(ask, reasonNoRoute, 0xB0))
	second.gets(ask.with(6))
	n.counts("unsolicited_return", 1, func() { // it has given up already
		up.send(returned(ask, reasonNoRoute, 0xB0))
		up.quiet()
	})
	second.quiet()
	asker.quiet()
	f := content(room, 1, "x")
	second.send(f)
	asker.gets(f.with(6))
	asker.quiet()
	up.quiet()
}

// A Return passes through three nodes; a Return is never answered with a Return.
func TestAReturnThroughThreeNodes(t *testing.T) {
	nodes, origin := chain(t, 3)
	asker := nodes[0].peer()
	ask := interest(room, 1, 60)
	asker.send(ask)
	origin.gets(ask.with(4))
	origin.send(returned(ask, reasonNotHere, 0xB0))
	got := asker.next()
	if got.kind != kindReturn || got.ttl != 7 || got.payload[0] != reasonNotHere || string(got.payload[1:9]) != string(ask.payload) {
		t.Errorf("got %v", got)
	}
	asker.quiet()
	origin.quiet()
}

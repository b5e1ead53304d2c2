package outside

import (
	"fmt"
	"testing"
)

// room is a name that may be published at a node's listener, temp another.
var (
	room = of("010203010000")
	temp = of("010203020000")
)

// withUp starts a node with a neighbour that the test plays: names under 01 are behind it.
func withUp(t *testing.T, s setup, lines ...string) (n *node, up *peer) {
	t.Helper()
	up = socket(t)
	s.rest += remote("up", up.addr, lines...) + route("01", "up")
	n = start(t, s)
	return n, up.to(n)
}

// chain starts so many nodes in a row; behind the last one is a neighbour that the test plays.
func chain(t *testing.T, length int) (nodes []*node, origin *peer) {
	t.Helper()
	last, origin := withUp(t, setup{name: fmt.Sprintf("node-%d", length), id: uint32(0xA0 + length), lan: `publish = []`})
	nodes = []*node{last}
	for i := length - 1; i > 0; i-- {
		n := start(t, setup{
			name: fmt.Sprintf("node-%d", i), id: uint32(0xA0 + i), lan: `publish = []`,
			rest: remote("up", nodes[0].addr) + route("01", "up"),
		})
		nodes = append([]*node{n}, nodes...)
	}
	return nodes, origin
}

func TestAStoreAnswersWhatItHas(t *testing.T) {
	n := start(t, setup{})
	producer, asker := n.peer(), n.peer()
	producer.publishes(room, 6, "older")
	f := producer.publishes(room, 7, "23.5")
	older := content(room, 6, "older")
	for what, c := range map[string]struct {
		ask  frame
		want frame
	}{
		"newest":             {interest(room, newest, 2), f},
		"its number":         {interest(room, 7, 2), f},
		"an older number":    {interest(room, 6, 2), older},
		"without payload":    {frame{ttl: 7, name: room}, f},
		"without a clock":    {frame{ttl: 7, name: room, payload: asking(0, 2)}, f},
		"from the store":     {interest(room, newest, 0), f},
		"no further":         {interest(room, newest, 2).with(0), f},
		"with a long expiry": {interest(room, 7, 0xFFFF), f},
	} {
		t.Run(what, func(t *testing.T) {
			asker.send(c.ask)
			asker.gets(c.want)
			asker.quiet()
		})
	}
}

func TestARetryIsAnsweredAgain(t *testing.T) {
	n := start(t, setup{})
	producer, asker := n.peer(), n.peer()
	f := producer.publishes(room, 1, "x")
	ask := interest(room, newest, 2)
	for range 3 {
		asker.send(ask)
		asker.gets(f)
	}
	asker.quiet()
}

// What passes a node loses one of its TTL and is otherwise the same; what comes back stays in every store on its way.
func TestForwardingThroughSeveralNodes(t *testing.T) {
	for _, length := range []int{1, 2, 3} {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			nodes, origin := chain(t, length)
			asker := nodes[0].peer()
			ask, f := interest(room, 5, 4), content(room, 5, "over the hills")
			asker.send(ask)
			origin.gets(ask.with(7 - byte(length)))
			asker.quiet()
			origin.send(f)
			asker.gets(f.with(7 - byte(length)))
			asker.quiet()
			for _, n := range nodes {
				later := n.peer()
				later.send(interest(room, 5, 4))
				later.gets(f)
				later.quiet()
			}
			origin.quiet()
		})
	}
}

// Content takes the way back that the Interest came, and no other.
func TestContentTakesTheReversePath(t *testing.T) {
	elsewhere := socket(t)
	n, up := withUp(t, setup{rest: remote("elsewhere", elsewhere.addr) + route("02", "elsewhere")})
	elsewhere.to(n)
	asker, other := n.peer(), n.peer()
	other.quiet()
	asker.send(interest(room, 1, 4))
	up.next()
	f := content(room, 1, "x")
	up.send(f)
	asker.gets(f.with(6))
	for _, p := range []*peer{asker, other, elsewhere, up} {
		p.quiet()
	}
	if got := n.host.Status().Tables.PIT; got != 0 {
		t.Errorf("%d Interests are pending after the answer", got)
	}
}

// Interests for the same content from different faces are merged: one goes on, and the one answer is for all.
func TestInterestsFromDifferentFacesAreMerged(t *testing.T) {
	for what, seq := range map[string]uint32{"newest": newest, "a number": 9} {
		t.Run(what, func(t *testing.T) {
			n, up := withUp(t, setup{})
			first := interest(room, seq, 4)
			askers := []*peer{n.peer(), n.peer(), n.peer()}
			askers[0].send(first)
			up.gets(first.with(6))
			for _, p := range askers[1:] {
				p.send(interest(room, seq, 4))
			}
			for _, p := range askers {
				p.quiet()
			}
			up.quiet()
			f := content(room, 9, "for all")
			up.send(f)
			for _, p := range askers {
				p.gets(f.with(6))
				p.quiet()
			}
			up.quiet()
		})
	}
}

// The same Interest once more on its face is a retry that has nothing new to say upstream within 4 s (P-2a).
func TestARepeatedInterestLeavesOnce(t *testing.T) {
	n, up := withUp(t, setup{})
	asker := n.peer()
	ask := interest(room, 1, 4)
	for range 3 {
		asker.send(ask)
	}
	asker.quiet()
	up.gets(ask.with(6))
	up.quiet()
	f := content(room, 1, "x")
	up.send(f)
	asker.gets(f.with(6))
	asker.quiet()
}

// An Interest that comes in where it was sent to has gone round in a circle.
func TestALoopEnds(t *testing.T) {
	n, up := withUp(t, setup{})
	asker := n.peer()
	ask := interest(room, 1, 4)
	asker.send(ask)
	back := up.next()
	n.counts("loop", 1, func() {
		up.send(back.with(5))
		up.quiet()
	})
	asker.quiet()
}

func TestTTLOfInterests(t *testing.T) {
	for ttl := byte(0); ttl <= 7; ttl++ {
		n, up := withUp(t, setup{})
		asker := n.peer()
		ask := interest(room, 1, 4).with(ttl)
		asker.send(ask)
		if ttl == 0 {
			asker.gets(returned(ask, reasonTTL, n.id))
		} else {
			up.gets(ask.with(ttl - 1))
		}
		asker.quiet()
		up.quiet()
	}
}

// Content with TTL 0 has arrived: it is stored, and who asks then has it from the store, but it is not relayed.
func TestTTLOfContents(t *testing.T) {
	n, up := withUp(t, setup{})
	asker := n.peer()
	for ttl := byte(0); ttl <= 7; ttl++ {
		seq := 100 + uint32(ttl)
		ask, f := interest(room, seq, 4), content(room, seq, "x").with(ttl)
		asker.send(ask)
		up.gets(ask.with(6))
		up.send(f)
		up.quiet()
		if ttl > 0 {
			asker.gets(f.with(ttl - 1))
		}
		asker.quiet()
		asker.send(interest(room, seq, 4).with(0))
		asker.gets(f.with(7))
	}
}

// A store answers with TTL 7 and ProxyMe 0, whatever the frame came with; what is relayed has no ProxyMe either (P-21, P-8).
func TestProxyMeEndsAtTheFirstHop(t *testing.T) {
	n := start(t, setup{})
	producer, subscriber, asker := n.peer(), n.peer(), n.peer()
	subscriber.send(interest(room, subscribe, 60))
	subscriber.quiet()
	f := content(room, 1, "x").with(3)
	f.proxyMe = true
	producer.send(f)
	subscriber.gets(content(room, 1, "x").with(2))
	asker.send(interest(room, newest, 2))
	asker.gets(content(room, 1, "x").with(7))
}

// Reserved bits are ignored on receipt and relayed as they came; a node's own frames have 0 (P-23).
func TestReservedBitsAreIgnoredAndRelayed(t *testing.T) {
	n, up := withUp(t, setup{})
	asker := n.peer()
	for bits := byte(0); bits < 16; bits++ {
		seq := 1 + uint32(bits)
		ask, f := interest(room, seq, 4), content(room, seq, "x")
		ask.reserved, f.reserved = bits%2 == 1, bits%3 == 1
		ask.bits, f.bits = bits, 15-bits
		asker.send(ask)
		up.gets(ask.with(6))
		up.send(f)
		asker.gets(f.with(6))
		ask.payload = asking(stamp(), 4)
		asker.send(ask)
		f.reserved = false // the store makes FHDR; FCTRL is under the MAC
		asker.gets(f)
		refused := interest(of("020000000000"), seq, 4)
		refused.reserved, refused.bits = true, bits
		asker.send(refused)
		asker.gets(returned(refused, reasonNoRoute, n.id))
	}
}

// The largest frame that there is passes whole.
func TestTheLargestFrame(t *testing.T) {
	n, up := withUp(t, setup{})
	asker := n.peer()
	ask := interest(room, 1, 4)
	asker.send(ask)
	up.next()
	f := content(room, 1, string(make([]byte, longest-15)))
	if raw := up.send(f); len(raw) != longest {
		t.Fatalf("it has %d bytes", len(raw))
	}
	asker.gets(f.with(6))
	asker.send(interest(room, 1, 4))
	asker.gets(f)
}

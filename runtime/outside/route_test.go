package outside

import (
	"encoding/binary"
	"testing"
)

// echo answers a hello as a forwarder does (P-18).
func echo(hello frame, node, boot uint32) frame {
	f := returned(hello, reasonHello, node)
	f.payload = binary.BigEndian.AppendUint32(f.payload, boot)
	return f
}

// greeted waits for a hello of the node and checks its form: TTL 0, expiry 0, and 6 random bytes.
func (p *peer) greeted() frame {
	p.t.Helper()
	f := p.next()
	if f.kind != kindInterest || f.name != greeting || f.seq != newest || f.ttl != 0 || len(f.payload) != 8 || f.payload[6]|f.payload[7] != 0 {
		p.t.Fatalf("%v is no hello", f)
	}
	return f
}

// forwarderAt is the node id of the peer of a face, as hellos have shown it.
func (n *node) forwarderAt(face string) string {
	for _, f := range n.host.Faces() {
		if f.Name == face && !f.Listener {
			return f.Forwarder
		}
	}
	return ""
}

// up tells whether frames can be sent by a face.
func (n *node) up(face string) bool {
	for _, f := range n.host.Faces() {
		if f.Name == face {
			return f.Up
		}
	}
	return false
}

// hello asks as a forwarder does.
func hello(random string) frame {
	return frame{name: greeting, payload: append([]byte(random), 0, 0)}
}

// A hello is answered with its own bytes, the node id and the boot number, which stays the same until the node starts again.
func TestAHelloIsAnswered(t *testing.T) {
	dir := folder(t)
	s := setup{id: 0x0A0B0C0D}
	n, stop := startStop(t, dir, s)
	boot := func(p *peer, random string) uint32 {
		t.Helper()
		ask := hello(random)
		p.send(ask)
		got := p.next()
		if len(got.payload) != 17 || !same(got, echo(ask, 0x0A0B0C0D, binary.BigEndian.Uint32(got.payload[13:]))) {
			t.Fatalf("got %v", got)
		}
		return binary.BigEndian.Uint32(got.payload[13:])
	}
	p, other := n.peer(), n.peer()
	first := boot(p, "abcdef")
	p.greeted() // who greets is greeted in turn
	p.deaf = true
	if again := boot(p, "ghijkl") + boot(other, "abcdef") - first; again != first {
		t.Errorf("the boot number changed from %d", first)
	}
	p.quiet()
	stop()
	n = startIn(t, dir, s)
	if boot(n.peer(), "abcdef") == first {
		t.Error("the boot number is that of before")
	}
}

// What comes under the name of hellos and is none is not answered.
func TestWhatIsNoHello(t *testing.T) {
	n := start(t, setup{lan: `publish = ["01", "fe"]`})
	p := n.peer()
	empty, numbered, stray := hello("abcdef"), hello("abcdef"), echo(hello("abcdef"), 1, 1)
	empty.payload, numbered.seq = nil, 1
	n.counts("hello", 3, func() {
		for _, f := range []frame{empty, numbered, stray} {
			p.send(f)
		}
		p.quiet()
	})
	n.counts("bad_name", 1, func() { p.publishes(greeting, 1, "x") })
}

// A configured neighbour is greeted; its answer shows who it is. One that has answered and then misses three is down, and no
// next hop until it answers again.
func TestANeighbourThatFallsSilent(t *testing.T) {
	t.Parallel()
	n, up := withUp(t, setup{rest: "[limits]\nhello = \"100ms\"\n"}, "hello = true")
	up.send(echo(up.greeted(), 0xB0, 1))
	for range 4 {
		up.greeted()
	}
	if got := n.forwarderAt("up"); got != "000000b0" || n.up("up") {
		t.Errorf("it is forwarder %q, up %t: want 000000b0, down", got, n.up("up"))
	}
	asker := n.peer()
	ask := interest(room, 1, 4)
	asker.send(ask)
	asker.gets(returned(ask, reasonNoRoute, n.id))
	up.send(echo(up.greeted(), 0xB0, 1))
	up.deaf = true
	eventually(t, "it is up again", func() bool { return n.up("up") })
	ask = interest(room, 1, 4)
	asker.send(ask)
	up.gets(ask.with(6))
}

// One that has never answered may know nothing of hellos, so it stays a next hop.
func TestANeighbourThatKnowsNoHellos(t *testing.T) {
	t.Parallel()
	n, up := withUp(t, setup{rest: "[limits]\nhello = \"100ms\"\n"}, "hello = true")
	for range 5 {
		up.greeted()
	}
	up.deaf = true
	asker := n.peer()
	ask := interest(room, 1, 4)
	asker.send(ask)
	up.gets(ask.with(6))
}

// A neighbour with another boot number has lost its tables: it is subscribed to anew.
func TestANeighbourThatStartsAgain(t *testing.T) {
	t.Parallel()
	n, up := withUp(t, setup{rest: "[limits]\nhello = \"100ms\"\n"}, "hello = true")
	up.send(echo(up.greeted(), 0xB0, 1))
	p := n.peer()
	p.send(interest(room, subscribe, 60))
	up.deaf = true
	before := opened(t, up, room)
	up.deaf = false
	up.send(echo(up.greeted(), 0xB0, 1))
	up.send(echo(up.greeted(), 0xB0, 2))
	up.deaf = true
	again := opened(t, up, room)
	if string(before.payload) == string(again.payload) {
		t.Error("it is the same subscription as before, not a new one")
	}
	pushes(up, []*peer{p}, content(room, 1, "x").with(6))
}

// wentTo sends an Interest for a name and tells whether it went to a neighbour or came back with no route.
func wentTo(n *node, asker, up *peer, name title) bool {
	n.t.Helper()
	ask := interest(name, 1, 4)
	asker.send(ask)
	back := asker.upToMark()
	up.deaf = true
	on := up.upToMark()
	switch {
	case len(on) == 1 && len(back) == 0 && same(on[0], ask.with(6)):
		return true
	case len(on) == 0 && len(back) == 1 && same(back[0], returned(ask, reasonNoRoute, n.id)):
		return false
	}
	n.t.Fatalf("%v went on as %v and came back as %v", ask, on, back)
	return false
}

// An Announcement makes a route to its prefix, its withdrawal removes it (P-7).
func TestAnnouncementAndWithdrawal(t *testing.T) {
	up := neighbour(t)
	n := start(t, setup{rest: remote("up", up.addr, `announce = ["01"]`)})
	up.to(n)
	asker := n.peer()
	goes := func(name string, want bool) {
		t.Helper()
		if got := wentTo(n, asker, up, of(name)); got != want {
			t.Errorf("an Interest for %s went to the neighbour: %t, want %t", name, got, want)
		}
	}
	goes("0102", false)
	up.send(announce("0102", 5, 3, 60, 0xB0))
	up.quiet()
	goes("0102", true)
	goes("010203", true)
	goes("0103", false)
	n.counts("announcement_old", 2, func() {
		up.send(announce("0102", 5, 3, 60, 0xB0)) // repeated
		up.send(announce("0102", 4, 3, 0, 0xB0))  // a late withdrawal
		up.quiet()
	})
	goes("010204", true)
	up.send(announce("0102", 6, 3, 0, 0xB0))
	up.quiet()
	goes("010205", false)
	n.counts("announcement_old", 1, func() {
		up.send(announce("0102", 6, 3, 60, 0xB0)) // withdrawn is withdrawn
		up.quiet()
	})
	goes("010206", false)
	up.send(announce("0102", 7, 3, 60, 0xB0))
	up.quiet()
	goes("010207", true)
}

// Announcements are believed only where the face's policy says so.
func TestAnnouncementsThatAreNotBelieved(t *testing.T) {
	up := neighbour(t)
	n := start(t, setup{rest: remote("up", up.addr, `announce = ["0102"]`)})
	up.to(n)
	p := n.peer()
	n.counts("announcement_policy", 4, func() {
		p.send(announce("0102", 1, 0, 60, 0xB0)) // a listener without announce
		p.quiet()
		for _, prefix := range []string{"", "01", "0103"} { // wider than allowed, or elsewhere
			up.send(announce(prefix, 1, 0, 60, 0xB0))
		}
		up.quiet()
	})
	n.counts("own_announcement", 1, func() {
		up.send(announce("0102", 1, 0, 60, n.id))
		up.quiet()
	})
	if got := n.host.Routes(); len(got) != 0 {
		t.Errorf("there are routes: %v", got)
	}
}

// What is announced on one side is announced on the other: same number and origin, the cost of the face added, TTL 7; never
// back. A withdrawal passes too.
func TestAnnouncementsArePassedOn(t *testing.T) {
	up, down := neighbour(t), neighbour(t)
	n := start(t, setup{rest: remote("up", up.addr, `announce = ["01"]`, "cost = 5") +
		remote("down", down.addr, "announce = [\"\"]")})
	up.to(n)
	down.to(n)
	f := announce("0102", 9, 10, 60, 0xB0)
	f.ttl = 3
	up.send(f)
	down.gets(announce("0102", 9, 15, 60, 0xB0))
	up.quiet()
	up.send(announce("0102", 9, 4, 60, 0xB0)) // a better way
	down.gets(announce("0102", 9, 9, 60, 0xB0))
	up.send(announce("0102", 10, 0, 0, 0xB0))
	got := down.next()
	if got.kind != kindAnnouncement || got.seq != 10 || got.payload[3]|got.payload[4] != 0 {
		t.Errorf("%v is not the withdrawal", got)
	}
	up.quiet()
	down.quiet()
}

// Of two ways to an origin the cheaper one is taken, and the other when the first neighbour withdraws its own.
func TestTheCheaperWayIsTaken(t *testing.T) {
	near, far := neighbour(t), neighbour(t)
	n := start(t, setup{rest: remote("near", near.addr, `announce = ["01"]`) + remote("far", far.addr, `announce = ["01"]`)})
	near.to(n)
	far.to(n)
	asker := n.peer()
	far.send(announce("0102", 1, 50, 60, 0xB1))
	far.quiet()
	near.send(announce("0102", 1, 10, 60, 0xB0))
	near.upToMark() // it is told of the other way
	far.upToMark()
	if !wentTo(n, asker, near, of("010201")) {
		t.Error("the Interest did not take the cheaper way")
	}
	far.quiet()
	near.send(announce("0102", 2, 0, 0, 0xB0))
	near.upToMark()
	far.upToMark()
	if !wentTo(n, asker, far, of("010202")) {
		t.Error("the Interest did not take the way that is left")
	}
}

// What the configuration announces is told to neighbours at the start, and to those who greet (P-7, P-18).
func TestANodeAnnouncesWhatItOffers(t *testing.T) {
	up := neighbour(t)
	n := start(t, setup{rest: remote("up", up.addr, `announce = ["02"]`) +
		"[[announce]]\nprefix = \"0102\"\ncost = 7\nlifetime = \"10m\"\n"})
	up.to(n)
	offered := func(p *peer) {
		t.Helper()
		got := p.next()
		if !same(got, announce("0102", got.seq, 7, 600, n.id)) {
			t.Errorf("got %v", got)
		}
	}
	offered(up)
	device, later := n.peer(), n.peer()
	device.quiet() // could do nothing with it
	later.send(hello("abcdef"))
	later.next()
	later.send(echo(later.greeted(), 0xB1, 1)) // a captured hello could be anybody's: it must answer ours first
	later.deaf = true
	offered(later)
	later.quiet()
	device.quiet()
}

package outside

import (
	"encoding/binary"
	"testing"
	"time"
)

// opened reads the two frames with which a node subscribes upstream: the subscription and the newest that shows a lost
// tail, both its own (P-16).
func opened(t *testing.T, up *peer, n title) (sub frame) {
	t.Helper()
	sub, poll := up.next(), up.next()
	if sub.kind != kindInterest || sub.seq != subscribe || sub.name != n {
		t.Fatalf("%v is no subscription of %s", sub, n)
	}
	if poll.kind != kindInterest || poll.seq != newest || poll.name != n {
		t.Fatalf("%v does not ask for the newest of %s", poll, n)
	}
	return sub
}

func expiryOf(f frame) time.Duration {
	return time.Duration(binary.BigEndian.Uint16(f.payload[6:])) * time.Second
}

// pushes sends contents from one peer and checks that each of the others has each once, with one TTL less.
func pushes(from *peer, to []*peer, list ...frame) {
	from.t.Helper()
	for _, f := range list {
		from.send(f)
		for _, p := range to {
			p.gets(f.with(f.ttl - 1))
		}
	}
	for _, p := range to {
		p.quiet()
	}
}

func TestSubscribersHaveWhatIsPublishedFromNowOn(t *testing.T) {
	n := start(t, setup{})
	producer, other := n.peer(), n.peer()
	producer.publishes(room, 1, "before")
	subscribers := []*peer{n.peer(), n.peer()}
	for _, p := range subscribers {
		p.send(interest(room, subscribe, 60))
		p.quiet()
	}
	other.send(interest(temp, subscribe, 60))
	other.quiet()
	pushes(producer, subscribers, content(room, 2, "a"), content(room, 3, "b"), content(room, 5, "gap"))
	producer.quiet()
	other.quiet()
}

// However many ask, upstream goes one subscription, the node's own, with its own time and an expiry of at most 120 s.
func TestTwoSubscribersAreOneUpstream(t *testing.T) {
	n, up := withUp(t, setup{})
	first, second := n.peer(), n.peer()
	asked := interest(room, subscribe, 3600)
	first.send(asked)
	sub := opened(t, up, room)
	if string(sub.payload) == string(asked.payload) || expiryOf(sub) != 120*time.Second {
		t.Errorf("%v is not the node's own subscription with 120 s", sub)
	}
	second.send(interest(room, subscribe, 60))
	second.quiet()
	up.quiet()
	both := []*peer{first, second}
	pushes(up, both, content(room, 10, "a"), content(room, 11, "b"), content(room, 12, "c"))
	first.send(interest(room, subscribe, 60)) // renewed: nothing again, nothing upstream
	first.quiet()
	up.quiet()
	pushes(up, both, content(room, 13, "d"))
}

// Each number goes to each subscriber once, also where frames are doubled or overtake each other.
func TestEachNumberGoesToASubscriberOnce(t *testing.T) {
	n, up := withUp(t, setup{})
	p := n.peer()
	p.send(interest(room, subscribe, 60))
	opened(t, up, room)
	for _, seq := range []uint32{20, 21, 21, 23, 20, 22, 23, 22, 24} {
		up.send(content(room, seq, "x"))
	}
	up.quiet()
	var got []uint32
	for _, f := range p.upToMark() {
		got = append(got, f.seq)
	}
	if want := []uint32{20, 21, 23, 22, 24}; !equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func equal(a, b []uint32) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// A subscription passes every node on its way once, and what is published at the other end passes back.
func TestASubscriptionThroughThreeNodes(t *testing.T) {
	nodes, origin := chain(t, 3)
	a, b := nodes[0].peer(), nodes[1].peer()
	a.send(interest(room, subscribe, 60))
	sub := opened(t, origin, room)
	if sub.ttl != 4 {
		t.Errorf("its TTL is %d after three hops, want 4", sub.ttl)
	}
	b.send(interest(room, subscribe, 60).with(6)) // as far as the first one goes
	b.quiet()
	origin.quiet()
	for seq := uint32(1); seq <= 3; seq++ {
		f := content(room, seq, "x")
		origin.send(f)
		a.gets(f.with(4))
		b.gets(f.with(5))
	}
	a.quiet()
	b.quiet()
}

// The node's own subscription is renewed at half its expiry as long as somebody asks, with a new time.
func TestTheUpstreamSubscriptionIsRenewed(t *testing.T) {
	t.Parallel()
	down := socket(t)
	n, up := withUp(t, setup{rest: "[limits]\nsubscription_expiry = \"2s\"\n" + remote("down", down.addr)})
	down.to(n)
	began := time.Now()
	down.send(interest(room, subscribe, 60))
	before := opened(t, up, room)
	again := opened(t, up, room)
	if took := time.Since(began); took < 900*time.Millisecond {
		t.Errorf("it came again after %s, want 1 s", took)
	}
	if expiryOf(before) != 2*time.Second || expiryOf(again) != 2*time.Second || string(before.payload) == string(again.payload) {
		t.Errorf("%v was followed by %v: want both with 2 s, and another time", before, again)
	}
	pushes(up, []*peer{down}, content(room, 1, "x"))
}

// When the last asker's time is over, the subscription is too: what comes then is unsolicited.
func TestASubscriptionEndsWithItsLastAsker(t *testing.T) {
	t.Parallel()
	n, up := withUp(t, setup{})
	p := n.peer()
	p.send(interest(room, subscribe, 1))
	opened(t, up, room)
	pushes(up, []*peer{p}, content(room, 1, "x"))
	eventually(t, "the subscription ends", func() bool { return n.host.Status().Tables.Subscriptions == 0 })
	up.quiet()
	n.counts("unsolicited", 1, func() {
		up.send(content(room, 2, "late"))
		up.quiet()
	})
	p.quiet()
}

// Where peers come and go a subscription stands for 120 s at most, whatever it asks for; on a configured face it does not end
// before its time (P-11). Here the 120 s are set to 2.
func TestASubscriptionIsCutShortOnOnDemandFaces(t *testing.T) {
	t.Parallel()
	down := socket(t)
	n := start(t, setup{rest: "[limits]\nsubscription_expiry = \"2s\"\n" + remote("down", down.addr)})
	down.to(n)
	producer, p := n.peer(), n.peer()
	p.send(interest(room, subscribe, 60))
	down.send(interest(room, subscribe, 60))
	p.quiet()
	pushes(producer, []*peer{down, p}, content(room, 1, "x"))
	eventually(t, "one of the two ends", func() bool { return n.host.Status().Tables.Subscribers == 1 })
	pushes(producer, []*peer{down}, content(room, 2, "y"))
	p.quiet()
}

// eventually looks at something that no frame tells of.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(patience); !holds(); <-look.C {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// A subscription without a route is kept and leaves when there is one.
func TestASubscriptionWaitsForARoute(t *testing.T) {
	up := neighbour(t)
	n := start(t, setup{rest: remote("up", up.addr, `announce = ["01"]`)})
	up.to(n)
	p := n.peer()
	p.send(interest(room, subscribe, 60))
	p.quiet()
	up.quiet()
	up.send(announce("01", 1, 0, 60, 0xB0))
	opened(t, up, room)
	pushes(up, []*peer{p}, content(room, 1, "x").with(6)) // with 7 it would be the answer of a forwarder's store
}

// Where the face may not be asked from, a subscription gets the only Return that there is for one: refused.
func TestASubscriptionThatIsRefused(t *testing.T) {
	n := start(t, setup{lan: "publish = [\"01\"]\nask = [\"0102\"]"})
	p := n.peer()
	ask := interest(of("0103"), subscribe, 60)
	n.counts("refused", 1, func() {
		p.send(ask)
		p.gets(returned(ask, reasonRefused, n.id))
	})
}

// A newest that a live subscription covers is answered from the store: nobody is asked again (P-15).
func TestNewestUnderASubscriptionComesFromTheStore(t *testing.T) {
	n, up := withUp(t, setup{rest: "[limits]\nnewest_max_age = \"0s\"\n"})
	subscriber, asker := n.peer(), n.peer()
	subscriber.send(interest(room, subscribe, 60))
	opened(t, up, room)
	f := content(room, 4, "x")
	pushes(up, []*peer{subscriber}, f)
	asker.send(interest(room, newest, 2))
	asker.gets(f)
	up.quiet()
}

// One that nothing covers goes on, and if nobody has a newer one, the stored copy is sent when they have said so.
func TestNewestThatMayBeOldIsAskedFor(t *testing.T) {
	n, up := withUp(t, setup{rest: "[limits]\nnewest_max_age = \"0s\"\n"})
	p := n.peer()
	old, fresh := content(room, 4, "old"), content(room, 5, "fresh")
	ask := interest(room, newest, 60)
	p.send(ask)
	up.gets(ask.with(6))
	up.send(old)
	p.gets(old.with(6))
	ask = interest(room, newest, 60)
	p.send(ask)
	up.gets(ask.with(6))
	p.quiet()
	up.send(returned(ask, reasonNotHere, 0xB0))
	p.gets(old)
	ask = interest(room, newest, 60)
	p.send(ask)
	up.gets(ask.with(6))
	up.send(fresh)
	p.gets(fresh.with(6))
	p.quiet()
}

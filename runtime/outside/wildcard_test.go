package outside

import (
	"fmt"
	"testing"
)

// anyRoom matches names of all rooms of a floor, of an event.
var anyRoom = of("0102ff0300")

// roomNumber is one of them.
func roomNumber(i int) title { return title{1, 2, byte(i), 3} }

// furnish publishes so many contents that match anyRoom, and some that nearly do.
func furnish(producer *peer, count int) (list []frame) {
	producer.t.Helper()
	for _, n := range []string{"010203040000", "010303030000", "020203030000", "010203030100", "010200000000"} {
		producer.send(content(of(n), 1, "no"))
	}
	for i := 1; i <= count; i++ {
		f := content(roomNumber(i), uint32(i), "yes")
		producer.send(f)
		list = append(list, f)
		if i%16 == 0 {
			producer.quiet()
		}
	}
	producer.quiet()
	return list
}

// collects waits for the answers to a pattern: so many contents of those on the list, each at most once, and at some point
// between them one Return, with which the node says that no other will answer (P-5).
func (p *peer) collects(ask frame, list []frame, count int) {
	p.t.Helper()
	told := false
	left := map[title]frame{}
	for _, f := range list {
		left[f.name] = f
	}
	for i := 0; i < count || !told; {
		got := p.next()
		switch {
		case got.kind == kindReturn && got.name == ask.name && !told:
			told = true
		case got.kind == kindContent && same(got, left[got.name]):
			delete(left, got.name)
			i++
		default:
			p.t.Fatalf("%v came after %d contents and a Return (%t)", got, i, told)
		}
	}
}

// Each matching name answers once, with the newest or with the number that was asked for.
func TestAWildcardIsAnsweredOnceForEachName(t *testing.T) {
	n := start(t, setup{})
	producer, asker := n.peer(), n.peer()
	list := furnish(producer, 20)
	for what, c := range map[string]struct {
		ask  frame
		want []frame
	}{
		"newest":            {interest(anyRoom, newest, 2), list},
		"a number":          {interest(anyRoom, 7, 2), list[6:7]},
		"two levels":        {interest(of("01ffff03"), newest, 2), list},
		"from the store":    {interest(anyRoom, newest, 0), list},
		"the last level":    {interest(of("010214ff"), newest, 2), list[19:]},
		"nothing like that": {interest(of("0105ff03"), newest, 2), nil},
	} {
		t.Run(what, func(t *testing.T) {
			if what == "two levels" {
				c.want = append([]frame{content(of("010303030000"), 1, "no")}, c.want...)
			}
			asker.send(c.ask)
			asker.collects(c.ask, c.want, len(c.want))
			asker.quiet()
		})
	}
}

// A store gives at most 64 answers to one Interest. The second pattern is the marker: it is answered at the same pace.
func TestAWildcardHasAtMost64StoreAnswers(t *testing.T) {
	n := start(t, setup{})
	producer, asker, other := n.peer(), n.peer(), n.peer()
	list := furnish(producer, 80)
	ask := interest(anyRoom, newest, 60)
	asker.send(ask)
	asker.collects(ask, list, 64)
	again := interest(of("01ffff03"), newest, 60)
	other.send(again)
	other.collects(again, append(list, content(of("010303030000"), 1, "no")), 64)
	asker.quiet()
}

// A pattern goes on towards its names; what comes back goes to each asker once, also if a node further on repeats it.
func TestAWildcardIsForwarded(t *testing.T) {
	n, up := withUp(t, setup{})
	asker, other := n.peer(), n.peer()
	ask := interest(anyRoom, newest, 60)
	asker.send(ask)
	up.gets(ask.with(6))
	again := interest(anyRoom, newest, 60) // not merged: what was answered already is wanted from the beginning
	other.send(again)
	up.gets(again.with(6))
	for _, i := range []int{1, 2, 1, 3, 2} {
		up.send(content(roomNumber(i), 1, "yes"))
	}
	up.send(content(of("0103030300"), 1, "no"))
	up.quiet()
	for _, p := range []*peer{asker, other} {
		for i := 1; i <= 3; i++ {
			p.gets(content(roomNumber(i), 1, "yes").with(6))
		}
		p.quiet()
	}
}

// Who subscribes to a pattern has each number of each matching name once.
func TestASubscriptionOfAWildcard(t *testing.T) {
	n, up := withUp(t, setup{})
	producer, subscriber := n.peer(), n.peer()
	subscriber.send(interest(anyRoom, subscribe, 60))
	opened(t, up, anyRoom)
	var want []frame
	for seq := uint32(1); seq <= 3; seq++ {
		for i := 1; i <= 3; i++ {
			f := content(roomNumber(i), seq, fmt.Sprint(i, seq))
			producer.send(f)
			producer.send(f)
			want = append(want, f)
		}
		producer.send(content(of("0103030300"), seq, "no"))
	}
	far := content(roomNumber(9), 1, "far")
	up.send(far)
	up.send(far)
	up.quiet()
	producer.quiet()
	for _, f := range want {
		subscriber.gets(f.with(6))
	}
	subscriber.gets(far.with(6))
	subscriber.quiet()
}

// In a hashed network 0xFF is a byte like any other: a name, not a pattern (P-14).
func TestThereAreNoWildcardsInAHashedNetwork(t *testing.T) {
	n := start(t, setup{node: `naming = "hashed"`, lan: `publish = [""]`})
	producer, asker := n.peer(), n.peer()
	f := producer.publishes(anyRoom, 1, "x")
	producer.publishes(roomNumber(3), 1, "y")
	asker.send(interest(anyRoom, newest, 2))
	asker.gets(f)
	asker.quiet()
	uri := producer.publishes(hashed("location/hq/floor/2/room/22/event/temp"), 1, "23.5")
	asker.send(interest(of("f49f767abffb"), newest, 2))
	asker.gets(uri)
}

package forward_test

import (
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/mesh"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// A producer that is up and says nothing: its first hop says at half the expiry that the number is gone.
func TestP6TheSilenceOfAProducerIsAnAnswer(t *testing.T) {
	l := newLine(t, 0)
	sensor := l.peer(l.n, plain())
	sensor.send(l.content(temp, 1, "x"))
	sensor.send(l.content(temp, 5, "x"))
	l.reader.send(l.interest(temp, 3, 4))
	sensor.wants(wire.Interest, 3)
	l.m.RunFor(1900 * time.Millisecond)
	l.reader.nothing()
	l.m.RunFor(200 * time.Millisecond)
	if ret := l.reader.returned(wire.ReturnNotHere); ret.Node != 9 {
		t.Errorf("node %d says it", ret.Node)
	}
	l.reader.send(l.interest(temp, 6, 4)) // may still come
	sensor.wants(wire.Interest, 6)
	l.m.RunFor(3 * time.Second)
	l.reader.nothing()
	sensor.send(l.content(temp, 6, "x"))
	l.reader.wants(wire.Content, 6)
	l.reader.send(l.interest(temp, 4, 4)) // what it does answer is its word
	sensor.wants(wire.Interest, 4)
	sensor.send(l.content(temp, 4, "x"))
	l.reader.wants(wire.Content, 4)
}

// What the producer does not have any more another node may: it is asked before the number is called gone.
func TestP6ACopyElsewhereBeforeANumberIsGone(t *testing.T) {
	for _, c := range []struct {
		name string
		fail func(l *line, sensor *peer)
	}{
		{"the producer returns it", func(l *line, sensor *peer) {
			sensor.send(l.back(sensor.wants(wire.Interest, 3), wire.ReturnNotHere))
		}},
		{"the producer is silent", func(l *line, sensor *peer) {
			sensor.wants(wire.Interest, 3)
			l.up[0].nothing()
			l.m.RunFor(2 * time.Second)
		}},
		{"the producer goes", func(l *line, sensor *peer) {
			l.n.Do(func(n *forward.Node) { n.RemoveFace(l.m.Now(), sensor.face.Get().ID()) })
			l.step()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, copied := range []bool{true, false} {
				l := newLine(t, 1)
				sensor := l.peer(l.n, plain())
				l.route(l.n, "01", l.up[0].face, 1)
				sensor.send(l.content(temp, 5, "x"))
				l.reader.send(l.interest(temp, 3, 4))
				c.fail(l, sensor)
				asked := l.up[0].wants(wire.Interest, 3)
				l.reader.nothing()
				if copied {
					l.up[0].send(l.content(temp, 3, "a copy"))
					l.reader.wants(wire.Content, 3)
					continue
				}
				l.up[0].send(l.back(asked, wire.ReturnNoRoute))
				l.reader.returned(wire.ReturnNotHere)
			}
		})
	}
}

// Without its producer a first hop asks elsewhere too, unless the Interest may not leave.
func TestP6AFirstHopWithoutItsProducer(t *testing.T) {
	l := newLine(t, 1)
	sensor := l.peer(l.n, plain())
	sensor.send(l.content(temp, 5, "x"))
	l.n.Do(func(n *forward.Node) { n.RemoveFace(l.m.Now(), sensor.face.Get().ID()) })
	l.reader.send(l.interest(temp, 3, 4))
	l.reader.returned(wire.ReturnNotHere)
	l.route(l.n, "01", l.up[0].face, 1)
	l.reader.send(l.interest(temp, 3, 0))
	l.reader.returned(wire.ReturnNotHere)
	l.up[0].nothing()
	l.reader.send(l.interest(temp, 3, 4))
	l.up[0].send(l.back(l.up[0].wants(wire.Interest, 3), wire.ReturnCongestion))
	l.reader.returned(wire.ReturnCongestion) // may pass
}

// chain is three forwarders in a row, a producer at the first and a reader at the last.
type chain struct {
	*kit
	nodes          [3]*mesh.Node
	sensor, reader *peer
}

func newChain(t *testing.T, opts ...option) *chain {
	c := &chain{kit: newKit(t, 5)}
	for i := range c.nodes {
		c.nodes[i] = c.node(uint32(i+1), opts...)
	}
	for i := range 2 {
		_, _, up := c.join(c.nodes[i], c.nodes[i+1])
		c.route(c.nodes[i+1], "01", up, 1)
	}
	c.sensor, c.reader = c.peer(c.nodes[0], plain()), c.asker(c.nodes[2])
	c.m.RunFor(6 * time.Second) // hellos: they know each other for forwarders
	return c
}

// publish sends numbers from … to with a payload.
func (c *chain) publish(from, to uint32, payload string) {
	for seq := from; seq <= to; seq++ {
		c.sensor.send(c.content(temp, seq, payload))
	}
}

// A producer that lost its counter: each forwarder on the way to a subscriber opens the epoch, so that its store has the new numbers.
func TestP1EpochsTravelWithASubscription(t *testing.T) {
	c := newChain(t)
	sub := c.asker(c.nodes[2])
	sub.send(c.interest(temp, wire.SeqSubscribe, 100))
	c.publish(1, 200, "old")
	sub.take()
	c.publish(1, 2, "new")
	sub.nothing()
	c.publish(3, 3, "new")
	sub.wantsSeqs(1, 2, 3)
	if got := c.happened(forward.EpochOpened); got != 3 {
		t.Errorf("%d of 3 nodes opened the epoch", got)
	}
	c.publish(4, 5, "new")
	sub.wantsSeqs(4, 5)
	for seq := range uint32(6) {
		c.reader.send(c.interest(temp, seq, 2))
		want := max(seq, 1)
		if seq == 0 {
			want = 5
		}
		if got := c.reader.wants(wire.Content, want); string(got.Payload) != "new" {
			t.Errorf("#%d is %s", seq, got.Payload)
		}
	}
}

// Where nobody subscribes the answers to the newest show it, and are passed on before it is believed.
func TestP1EpochsTravelWithTheNewest(t *testing.T) {
	c := newChain(t)
	c.publish(200, 200, "old")
	c.reader.send(c.interest(temp, 0, 2))
	c.reader.wants(wire.Content, 200)
	for seq := uint32(1); seq <= 5; seq++ {
		c.publish(seq, seq, "new")
		c.m.RunFor(3 * time.Second) // more than newest_max_age (P-15 c)
		if seq < 3 {
			continue // not believed at the first hop itself
		}
		c.reader.send(c.interest(temp, 0, 2))
		c.reader.wants(wire.Content, seq)
	}
	if got := c.happened(forward.EpochOpened); got != 3 {
		t.Errorf("%d of 3 nodes opened the epoch", got)
	}
}

// Old numbers that are asked for one after the other are no new epoch.
func TestP1WhatIsAskedForByNumberOpensNoEpoch(t *testing.T) {
	c := newChain(t)
	c.publish(1, 200, "old")
	c.reader.send(c.interest(temp, 0, 2))
	c.reader.wants(wire.Content, 200)
	for _, first := range []uint32{1, 11} {
		for seq := first; seq < first+5; seq++ {
			c.reader.send(c.interest(temp, seq, 2))
			c.reader.wants(wire.Content, seq)
		}
		c.asker(c.nodes[2]).send(c.interest(temp, wire.SeqSubscribe, 100)) // then they come from where a subscription of ours stands
		c.step()
	}
	if got := c.happened(forward.EpochOpened); got != 0 {
		t.Errorf("%d epochs", got)
	}
}

// Three frames of a face that is not the way to the producer open nothing: they are late, or other bytes, and stay what they are.
func TestP1OnlyTheWayToTheProducerOpensAnEpoch(t *testing.T) {
	l := newLine(t, 2)
	l.route(l.n, "01", l.up[0].face, 1)
	l.route(l.n, "01", l.up[1].face, 2)
	for seq := uint32(98); seq <= 100; seq++ {
		l.reader.send(l.interest(temp, seq, 2))
		l.up[0].wants(wire.Interest, seq)
		l.up[0].send(l.content(temp, seq, "first"))
		l.reader.wants(wire.Content, seq)
	}
	l.m.RunFor(3 * time.Second)
	for seq := uint32(98); seq <= 100; seq++ {
		l.reader.send(l.interest(temp, 0, 2))
		l.up[0].send(l.back(l.up[0].wants(wire.Interest, 0), wire.ReturnNoRoute))
		l.up[1].wants(wire.Interest, 0)
		l.up[1].send(l.content(temp, seq, "other"))
		l.up[1].dropped(drop.Conflict)
		l.m.RunFor(5 * time.Second)
		l.reader.take()
	}
	if got := l.happened(forward.EpochOpened); got != 0 {
		t.Errorf("%d epochs", got)
	}
}

// "From now" over several hops: what was there before the subscription reached the first hop is given to nobody.
func TestP16NothingOfBeforeOverSeveralHops(t *testing.T) {
	c := newChain(t)
	c.publish(5, 5, "before")
	c.m.RunFor(time.Minute)
	sub := c.asker(c.nodes[2])
	sub.send(c.interest(temp, wire.SeqSubscribe, 100))
	sub.nothing()
	c.publish(6, 7, "after")
	sub.wantsSeqs(6, 7)
}

// A pattern that more names match than are answered at once: who asks on gets all of them, over several hops.
func TestP5WhoAsksOnGetsEveryName(t *testing.T) {
	const names = 200
	c := newChain(t)
	for i := range names {
		c.sensor.send(c.frame(wire.Header{Name: name.Name{1, byte(1 + i/100), byte(1 + i%100), 1}, Seq: 7, Type: wire.Content, TTL: 7}, []byte("x")))
	}
	c.m.RunFor(time.Minute)
	got := map[name.Name]bool{}
	for asks := 1; len(got) < names; asks++ {
		c.reader.send(c.interest("01ffff010000", 0, 2))
		c.m.RunFor(time.Second)
		before := len(got)
		for _, f := range c.reader.take() {
			if f.Type == wire.Content {
				got[f.Name] = true
			}
		}
		if fresh := len(got) - before; fresh > 2*64 || asks > 2*names/64 {
			t.Fatalf("%d names by the %d. Interest, %d in all", fresh, asks, len(got))
		}
	}
	c.m.RunFor(10 * time.Second)
	c.reader.take()
	c.reader.send(c.interest("01ffff010000", 0, 2)) // after a pause it begins again
	c.m.RunFor(3 * time.Second)
	if got := len(c.reader.take()); got < 64 {
		t.Errorf("%d answers after a pause", got)
	}
}

// The answers of a slow link, which come when the Interests for their numbers have run out, are old numbers all the same, although they come from where a
// subscription of ours stands.
func TestP1LateAnswersOpenNoEpoch(t *testing.T) {
	l := newLine(t, 1)
	l.reader.send(l.interest(far, wire.SeqSubscribe, 100))
	l.up[0].take()
	l.up[0].send(l.content(far, 1000, "pushed"))
	l.reader.wants(wire.Content, 1000)
	other := l.peer(l.n, forward.FaceConfig{})
	for seq := uint32(20); seq <= 24; seq++ {
		other.send(l.interest(far, seq, 2))
		l.up[0].wants(wire.Interest, seq)
	}
	l.m.RunFor(3 * time.Second)
	for seq := uint32(20); seq <= 24; seq++ {
		l.up[0].send(l.content(far, seq, "of long ago"))
	}
	if got := l.happened(forward.EpochOpened); got != 0 {
		t.Errorf("%d epochs", got)
	}
	l.reader.nothing()
	l.up[0].send(l.content(far, 1001, "pushed"))
	l.reader.wants(wire.Content, 1001)
	other.send(l.interest(far, 22, 0)) // what came is kept
	other.wants(wire.Content, 22)
}

// Who has asked for a pattern and gone leaves its room to others, for as long as somebody keeps the Interest alive.
func TestP5AskersOfAPatternThatHaveGoneLeaveRoom(t *testing.T) {
	l := newLine(t, 0)
	sensor := l.peer(l.n, plain())
	for i := range byte(60) {
		sensor.send(l.frame(wire.Header{Name: name.Name{1, 1, 1 + i, 1}, Seq: 7, Type: wire.Content, TTL: 7}, []byte("x")))
	}
	for range 20 { // 1,200 answers, more than an entry remembers
		l.reader.send(l.interest("0101ff010000", 7, 4))
		p := l.peer(l.n, forward.FaceConfig{})
		p.send(l.interest("0101ff010000", 7, 1))
		l.m.RunFor(2 * time.Second)
		if got := count(p.take(), wire.Content); got != 60 {
			t.Fatalf("%d answers, want 60", got)
		}
	}
}

// Who asks again does not put off the moment at which the silence of a producer is an answer.
func TestP6AskingAgainDoesNotProlongTheSilence(t *testing.T) {
	l := newLine(t, 0)
	sensor := l.peer(l.n, plain())
	sensor.send(l.content(temp, 1, "x"))
	sensor.send(l.content(temp, 5, "x"))
	for range 4 {
		l.reader.send(l.interest(temp, 3, 4))
		l.m.RunFor(490 * time.Millisecond)
	}
	l.m.RunFor(50 * time.Millisecond)
	l.reader.returned(wire.ReturnNotHere)
}

package forward_test

import (
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/store"
	"github.com/zmesh/zmesh/core/wire"
)

// stored is a node that got number 5 of a name from upstream long ago.
func stored(t *testing.T, neighbours int, opts ...option) *line {
	l := newLine(t, neighbours, opts...)
	l.reader.send(l.interest(far, 5, 2))
	l.up[0].wants(wire.Interest, 5)
	l.up[0].send(l.content(far, 5, "old"))
	l.reader.wants(wire.Content, 5)
	l.m.RunFor(10 * time.Second)
	return l
}

func TestP15aFromTheProducerFace(t *testing.T) {
	l := newLine(t, 1)
	sensor := l.peer(l.n, plain())
	l.route(l.n, "01", l.up[0].face, 1)
	sensor.send(l.content(temp, 5, "x"))
	l.m.RunFor(50 * time.Minute)
	l.reader.send(l.interest(temp, 0, 2))
	l.reader.wants(wire.Content, 5)
	sensor.nothing()
	l.up[0].nothing()
	l.m.RunFor(10 * time.Minute) // the face is no longer the producer's (P-17)
	l.reader.send(l.interest(temp, 0, 2))
	l.up[0].wants(wire.Interest, 0)
	l.reader.nothing()
}

func TestP15aNotIfANewerOneCameFromElsewhere(t *testing.T) {
	l := newLine(t, 1)
	sensor := l.peer(l.n, plain())
	l.route(l.n, "01", l.up[0].face, 1)
	sensor.send(l.content(temp, 5, "x"))
	l.reader.send(l.interest(temp, 7, 2))
	sensor.send(l.back(sensor.wants(wire.Interest, 7), wire.ReturnNotHere))
	l.up[0].wants(wire.Interest, 7)
	l.up[0].send(l.content(temp, 7, "x"))
	l.reader.wants(wire.Content, 7)
	l.m.RunFor(10 * time.Second)
	l.reader.send(l.interest(temp, 0, 2))
	sensor.wants(wire.Interest, 0)
}

func TestP15bCoveredByASubscription(t *testing.T) {
	l := newLine(t, 1)
	l.asker(l.n).send(l.interest(far, wire.SeqSubscribe, 100))
	l.up[0].take()
	l.reader.send(l.interest(far, 0, 1)) // nothing came through it yet
	l.reader.nothing()
	l.up[0].send(l.content(far, 5, "x"))
	l.reader.wants(wire.Content, 5)
	l.m.RunFor(40 * time.Second)
	l.up[0].take()
	l.reader.send(l.interest(far, 0, 1))
	l.reader.wants(wire.Content, 5)
	l.up[0].nothing()
	l.m.RunFor(61 * time.Second) // the subscription has ended
	l.up[0].take()
	l.reader.send(l.interest(far, 0, 1))
	l.reader.nothing()
	l.up[0].wants(wire.Interest, 0)
}

// An old number that was asked for does not show what the newest is.
func TestP15bAnExactAnswerDoesNotCover(t *testing.T) {
	l := newLine(t, 1)
	l.asker(l.n).send(l.interest(far, wire.SeqSubscribe, 100))
	l.up[0].take()
	l.reader.send(l.interest(far, 3, 1))
	l.up[0].wants(wire.Interest, 3)
	l.m.RunFor(5 * time.Second) // our own newest was lost
	l.reader.send(l.interest(far, 3, 1))
	l.up[0].wants(wire.Interest, 3)
	l.up[0].send(l.content(far, 3, "old"))
	l.reader.wants(wire.Content, 3)
	l.m.RunFor(3 * time.Second)
	l.reader.send(l.interest(far, 0, 1))
	l.reader.nothing()
	l.up[0].wants(wire.Interest, 0)
}

func TestP15bOnlyWhileTheFaceIsUp(t *testing.T) {
	l := newLine(t, 1)
	l.asker(l.n).send(l.interest(far, wire.SeqSubscribe, 100))
	l.up[0].send(l.content(far, 5, "x"))
	l.m.RunFor(5 * time.Second)
	l.n.Do(func(n *forward.Node) { n.SetUp(l.m.Now(), l.up[0].face.Get().ID(), false) })
	elsewhere := l.asker(l.n)
	l.reader.send(l.interest(far, 0, 2))
	l.reader.wants(wire.Content, 5) // nobody else to ask: all have returned
	l.route(l.n, "02", elsewhere.face, 1)
	l.step()
	elsewhere.take()
	l.reader.send(l.interest(far, 0, 2))
	l.reader.nothing()
}

func TestP15cNewestMaxAge(t *testing.T) {
	l := newLine(t, 1)
	l.reader.send(l.interest(far, 0, 2))
	l.up[0].take()
	l.up[0].send(l.content(far, 5, "x"))
	l.reader.take()
	l.m.RunFor(1900 * time.Millisecond)
	l.reader.send(l.interest(far, 0, 2))
	l.reader.wants(wire.Content, 5)
	l.up[0].nothing()
	l.m.RunFor(100 * time.Millisecond)
	l.reader.send(l.interest(far, 0, 2))
	l.reader.nothing()
	l.up[0].wants(wire.Interest, 0)
}

// What was asked for by its number may be an old one, however lately it came.
func TestP15cAnExactAnswerShowsNoNewest(t *testing.T) {
	for _, n := range []string{far, "02ff03010000"} {
		l := newLine(t, 1)
		l.reader.send(l.interest(n, 5, 2))
		l.up[0].wants(wire.Interest, 5)
		l.up[0].send(l.content(far, 5, "x"))
		l.reader.take()
		l.reader.send(l.interest(far, 0, 2))
		l.reader.nothing()
		l.up[0].take()
		l.up[0].send(l.content(far, 9, "newest"))
		l.reader.take()
		l.reader.send(l.interest(far, 0, 2))
		l.reader.wants(wire.Content, 9)
	}
}

func TestP15StoredCopyAtHalfTheExpiry(t *testing.T) {
	l := stored(t, 1)
	other := l.asker(l.n)
	l.reader.send(l.interest(far, 0, 4))
	l.up[0].wants(wire.Interest, 0)
	other.send(l.interest(far, 0, 60)) // merged: it gets the copy with the first
	l.m.RunFor(1960 * time.Millisecond)
	l.reader.nothing()
	l.m.RunFor(50 * time.Millisecond)
	if got := l.reader.wants(wire.Content, 5); got.TTL != 7 {
		t.Errorf("TTL %d, want 7: from the store", got.TTL)
	}
	other.wants(wire.Content, 5)
	// What comes late is still solicited, and stored.
	l.up[0].send(l.content(far, 6, "new"))
	l.up[0].dropped(0)
	l.reader.nothing()
	l.reader.send(l.interest(far, 0, 4))
	l.reader.wants(wire.Content, 6)
}

func TestP15StoredCopyWhenAllHaveReturned(t *testing.T) {
	l := stored(t, 2)
	l.reader.send(l.interest(far, 0, 60))
	l.up[0].send(l.back(l.up[0].wants(wire.Interest, 0), wire.ReturnNoRoute))
	l.reader.nothing()
	l.up[1].send(l.back(l.up[1].wants(wire.Interest, 0), wire.ReturnCongestion))
	l.reader.wants(wire.Content, 5)
}

func TestP15StoredCopyWithNobodyToAsk(t *testing.T) {
	l := stored(t, 1)
	l.n.Do(func(n *forward.Node) { n.RemoveRoute(l.m.Now(), 0, prefix("02"), l.up[0].face.Get().ID()) })
	l.reader.send(l.interest(far, 0, 60))
	l.reader.wants(wire.Content, 5)
}

func TestP15NotOlderThanTheNewestKnown(t *testing.T) {
	l := stored(t, 1)
	l.reader.send(l.interest(far, 0, 4))
	l.up[0].wants(wire.Interest, 0)
	l.up[0].send(l.content(far, 4, "older"))
	l.reader.nothing()
	l.up[0].send(l.content(far, 5, "old")) // as new as what is known
	l.reader.wants(wire.Content, 5)
}

func TestP15AMemberOfTheStoreThatWasNotKept(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(1, shard(func(c *store.Config) { c.MaxRatePerName = 1 }))
	sensor, reader := k.peer(n, plain()), k.asker(n)
	sensor.send(k.content(temp, 1, "kept"))
	sensor.send(k.content(temp, 2, "beyond the rate"))
	reader.send(k.interest(temp, 0, 4))
	reader.nothing() // 1 is not the newest
	sensor.wants(wire.Interest, 0)
	sensor.send(k.content(temp, 2, "beyond the rate"))
	reader.wants(wire.Content, 2)
}

func TestP15OfAWildcard(t *testing.T) {
	for _, n := range []int{1, 4} {
		l := stored(t, 1, workers(n))
		l.reader.send(l.interest("02ff03010000", 0, 4))
		l.up[0].wants(wire.Interest, 0)
		l.reader.nothing()
		l.m.RunFor(2 * time.Second)
		l.reader.wants(wire.Content, 5)
		l.m.RunFor(2 * time.Second)
		l.reader.nothing()

		l.reader.send(l.interest("02ff03010000", 0, 4))
		l.up[0].send(l.back(l.up[0].wants(wire.Interest, 0), wire.ReturnNoRoute))
		l.m.RunFor(2 * time.Second) // the worker of the name hears of it at half the expiry
		got := l.reader.take()
		if count(got, wire.Content) != 1 || count(got, wire.Return) != 1 || len(got) != 2 {
			t.Errorf("%d workers: got %s", n, show(got))
		}
	}
}

// A store rule says for its names how old a newest may be.
func TestP15cByRule(t *testing.T) {
	rule := shard(func(c *store.Config) { c.Rules = []store.Rule{{NewestMaxAge: time.Minute}} })
	l := newLine(t, 1, rule)
	l.reader.send(l.interest(far, 0, 2))
	l.up[0].wants(wire.Interest, 0)
	l.up[0].send(l.content(far, 5, "x"))
	l.reader.wants(wire.Content, 5)
	l.m.RunFor(50 * time.Second)
	l.reader.send(l.interest(far, 0, 2))
	l.reader.wants(wire.Content, 5)
	l.up[0].nothing()
	l.m.RunFor(10 * time.Second)
	l.reader.send(l.interest(far, 0, 2))
	l.up[0].wants(wire.Interest, 0)
}

// A face with a share stores that part of an hour's bytes, another a quarter (P-22); what is beyond is forwarded all the same.
func TestP22ShareOfTheStore(t *testing.T) {
	for share, want := range map[float64]int{0: 5, 0.125: 5, 0.5: 10, 1: 20} {
		l := newLine(t, 1, shard(func(c *store.Config) { c.HourBytes = 20 * 64 }))
		cfg := plain()
		cfg.Share = share
		sensor := l.peer(l.n, cfg)
		for i := range uint32(30) {
			sensor.send(l.content(temp, i+1, "12345678"))
		}
		stored := 0
		for i := range uint32(30) {
			l.reader.send(l.interest(temp, i+1, 0))
			for _, f := range l.reader.take() {
				if f.Type == wire.Content {
					stored++
				}
			}
		}
		if stored != want {
			t.Errorf("with a share of %v %d contents are stored, want %d", share, stored, want)
		}
	}
}

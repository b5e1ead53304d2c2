package forward_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/wire"
)

func TestP6EachAskerGetsItsOwnBytesBack(t *testing.T) {
	l := newLine(t, 1)
	other := l.peer(l.n, forward.FaceConfig{})
	mine, theirs := l.interest(far, 5, 4), l.asked(far, 5, 3, l.m.Now().Wall-7, 9)
	l.reader.send(mine)
	other.send(theirs)
	asked := l.up[0].wants(wire.Interest, 5)
	l.up[0].send(l.back(asked, wire.ReturnCongestion))
	for _, p := range []struct {
		*peer
		sent []byte
	}{{l.reader, mine}, {other, theirs}} {
		f := p.take()
		if len(f) != 1 || f[0].Type != wire.Return || f[0].TTL != 7 || f[0].Name != nm(far) || f[0].Seq != 5 {
			t.Fatalf("got %s", show(f))
		}
		ret := wire.ReturnedOf(f[0].Payload)
		if !bytes.Equal(ret.Asked[:], p.sent[11:19]) || ret.Node != 77 || ret.Reason != wire.ReturnCongestion {
			t.Errorf("a Return of %x for %x", ret, p.sent[11:19])
		}
	}
}

func TestP6ZerosForAnInterestWithoutPayload(t *testing.T) {
	l := newLine(t, 0)
	l.reader.send(l.bare(far, 5))
	if ret := l.reader.returned(wire.ReturnNoRoute); ret.Asked != (wire.Asked{}) {
		t.Errorf("carries %x", ret.Asked)
	}
}

func TestP6AReturnCountsOnlyFromWhoWasAskedWithTheBytesSent(t *testing.T) {
	l := newLine(t, 2)
	l.reader.send(l.interest(far, 5, 4))
	asked := l.up[0].wants(wire.Interest, 5)
	good := l.back(asked, wire.ReturnNoRoute)

	l.up[1].send(good) // was not asked
	l.up[1].dropped(drop.UnsolicitedReturn)

	stale := asked
	a := wire.MakeAsked(l.m.Now().Wall-1, 4)
	stale.Payload = a[:]
	l.up[0].send(l.back(stale, wire.ReturnNoRoute)) // other bytes
	l.up[0].dropped(drop.UnsolicitedReturn)

	for _, reason := range []wire.ReturnReason{0, 9, 255} {
		l.up[0].send(l.back(asked, reason))
		l.up[0].dropped(drop.UnsolicitedReturn)
	}
	l.reader.nothing()
	l.up[1].nothing()

	l.up[0].send(good)
	l.up[0].dropped(drop.None)
	l.up[1].wants(wire.Interest, 5) // the next way
	l.up[0].send(good)              // once
	l.up[0].dropped(drop.UnsolicitedReturn)
	l.reader.nothing()
}

func TestP6DownstreamWhenAllHaveReturned(t *testing.T) {
	for _, c := range []struct {
		name    string
		reasons [2]wire.ReturnReason
		want    wire.ReturnReason
	}{
		{"what is final wins", [2]wire.ReturnReason{wire.ReturnNotHere, wire.ReturnNoRoute}, wire.ReturnNotHere},
		{"also in the other order", [2]wire.ReturnReason{wire.ReturnCongestion, wire.ReturnNotHere}, wire.ReturnNotHere},
		{"what may pass before no route", [2]wire.ReturnReason{wire.ReturnNoRoute, wire.ReturnCongestion}, wire.ReturnCongestion},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLine(t, 2)
			l.reader.send(l.interest(far, 5, 4))
			for i, reason := range c.reasons {
				asked := l.up[i].wants(wire.Interest, 5)
				l.reader.nothing()
				l.up[i].send(l.back(asked, reason))
			}
			l.reader.returned(c.want)
			if s := l.n.Worker(0).Stats(); s.PIT != 0 {
				t.Error("the entry stays")
			}
		})
	}
}

func TestP6NeverOnBroadcastFaces(t *testing.T) {
	l := newLine(t, 0)
	radio := l.peer(l.n, forward.FaceConfig{Broadcast: true})
	radio.send(l.interest(far, 5, 4))
	radio.send(l.asked(far, 6, 0, l.m.Now().Wall, 4))
	radio.send(l.interest(far, 5, 0))
	hello := wire.MakeAsked(12345, 0)
	radio.Send(l.frame(wire.Header{Name: [6]byte{0xFE, 0x5A, 0x48, 0x45, 0x4C, 0x4F}}, hello[:]))
	l.step()
	if len(radio.got) != 0 {
		t.Errorf("got %s", show(radio.got))
	}
}

func TestP6SubscriptionsGetReasonFourAlone(t *testing.T) {
	l := newLine(t, 0)
	l.reader.send(l.interest(far, wire.SeqSubscribe, 30)) // no route
	l.reader.send(l.interest(far, wire.SeqSubscribe, 0))
	l.reader.send(l.asked(far, wire.SeqSubscribe, 0, l.m.Now().Wall, 30)) // TTL 0
	l.reader.nothing()
	some := l.peer(l.n, forward.FaceConfig{AskSome: true})
	some.send(l.interest(far, wire.SeqSubscribe, 30))
	some.returned(wire.ReturnRefused)
	some.dropped(drop.Refused)
}

func TestP6NoReturnForAReturn(t *testing.T) {
	l := newLine(t, 1)
	asked := wire.Frame{Name: nm(far), Seq: 5, Payload: make([]byte, 8)}
	l.up[0].send(l.back(asked, wire.ReturnNoRoute))
	l.up[0].nothing()
	l.reader.nothing()
	l.up[0].dropped(drop.UnsolicitedReturn)
}

// A merged asker whose Interest may go further than the one that was sent gets its own try.
func TestP6TTLOfAMergedAsker(t *testing.T) {
	l := newLine(t, 1)
	other := l.peer(l.n, forward.FaceConfig{})
	l.reader.send(l.asked(far, 5, 1, l.m.Now().Wall, 4))
	asked := l.up[0].wants(wire.Interest, 5)
	if asked.TTL != 0 {
		t.Errorf("TTL %d, want 0", asked.TTL)
	}
	other.send(l.asked(far, 5, 7, l.m.Now().Wall, 4))
	l.up[0].send(l.back(asked, wire.ReturnTTL))
	if asked = l.up[0].wants(wire.Interest, 5); asked.TTL != 6 {
		t.Errorf("TTL %d, want 6", asked.TTL)
	}
	l.up[0].send(l.content(far, 5, "x"))
	other.wants(wire.Content, 5)
	l.reader.wants(wire.Content, 5)
}

// Its own try may have been made just before, for an entry that has ended since: then nothing more leaves, and all are told.
func TestP6TTLOfAMergedAskerThatWasSentBefore(t *testing.T) {
	l := newLine(t, 1)
	other := l.peer(l.n, forward.FaceConfig{})
	seen := l.asked(far, 5, 2, l.m.Now().Wall, 4)
	other.send(seen)
	l.up[0].send(l.back(l.up[0].wants(wire.Interest, 5), wire.ReturnTTL))
	other.returned(wire.ReturnTTL)
	l.reader.send(l.asked(far, 5, 2, l.m.Now().Wall, 4))
	asked := l.up[0].wants(wire.Interest, 5)
	other.send(seen)
	l.up[0].send(l.back(asked, wire.ReturnTTL))
	l.reader.returned(wire.ReturnTTL)
	other.returned(wire.ReturnTTL)
}

func TestP6AFaceThatGoesDownCountsAsReturned(t *testing.T) {
	l := newLine(t, 2)
	l.reader.send(l.interest(far, 5, 60))
	l.up[0].wants(wire.Interest, 5)
	l.n.Do(func(n *forward.Node) { n.SetUp(l.m.Now(), l.up[0].face.Get().ID(), false) })
	l.step()
	l.up[1].wants(wire.Interest, 5)
	l.n.Do(func(n *forward.Node) { n.RemoveFace(l.m.Now(), l.up[1].face.Get().ID()) })
	l.step()
	l.reader.returned(wire.ReturnNoRoute)
}

func TestP6FirstHopNode(t *testing.T) {
	l := newLine(t, 0)
	sensor := l.peer(l.n, plain())
	sensor.send(l.content(temp, 5, "x"))
	sensor.send(l.interest(temp, 4, 2)) // from the producer: never forwarded
	sensor.returned(wire.ReturnNotHere)
	sensor.dropped(drop.NotHere)
	l.reader.send(l.interest(temp, 4, 2)) // the producer may still have it
	sensor.send(l.back(sensor.wants(wire.Interest, 4), wire.ReturnNotHere))
	l.reader.returned(wire.ReturnNotHere)
	l.m.RunFor(time.Hour) // the producer is forgotten, but this was its first hop
	l.reader.send(l.interest(temp, 4, 2))
	l.reader.returned(wire.ReturnNotHere)
	l.reader.dropped(drop.NotHere)
}

func TestTTLOfAnInterest(t *testing.T) {
	l := newLine(t, 1)
	for ttl := uint8(1); ttl <= 7; ttl++ {
		l.reader.send(l.asked(far, uint32(ttl), ttl, l.m.Now().Wall, 2))
		if got := l.up[0].wants(wire.Interest, uint32(ttl)); got.TTL != ttl-1 {
			t.Errorf("came with %d, left with %d", ttl, got.TTL)
		}
	}
	l.reader.send(l.asked(far, 8, 0, l.m.Now().Wall, 2))
	l.up[0].nothing()
	l.reader.returned(wire.ReturnTTL)
	l.reader.dropped(drop.TTLEnded)
}

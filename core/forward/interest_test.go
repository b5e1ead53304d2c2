package forward_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/mesh"
	"github.com/zmesh/zmesh/core/wire"
)

// line is a node with a consumer's face and neighbours, played by the test, that it has routes to for names under 02.
type line struct {
	*kit
	n      *mesh.Node
	reader *peer
	up     []*peer

	firstSub wire.Frame
}

const far = "020203010000"

func newLine(t *testing.T, neighbours int, opts ...option) *line {
	k := newKit(t, 7)
	l := &line{kit: k, n: k.node(9, opts...)}
	l.reader = k.peer(l.n, forward.FaceConfig{})
	for i := range neighbours {
		p := k.peer(l.n, forward.FaceConfig{})
		k.route(l.n, "02", p.face, uint16(i+1))
		l.up = append(l.up, p)
	}
	return l
}

// back is the Return of an Interest that a neighbour got.
func (k *kit) back(f wire.Frame, why wire.ReturnReason) []byte {
	asked, _ := wire.AskedOf(f.Payload)
	r := wire.Returned{Reason: why, Asked: asked, Node: 77}
	return k.frame(wire.Header{Name: f.Name, Seq: f.Seq, Type: wire.Return, TTL: 7}, r.Append(nil))
}

// asked is an Interest with everything given.
func (k *kit) asked(n string, seq uint32, ttl uint8, at int64, expiry uint16) []byte {
	a := wire.MakeAsked(at, expiry)
	return k.frame(wire.Header{Name: nm(n), Seq: seq, Type: wire.Interest, TTL: ttl}, a[:])
}

func TestP2aASeenInterestIsStillAnsweredFromTheStore(t *testing.T) {
	l := newLine(t, 1)
	raw := l.interest(far, 5, 2)
	l.reader.send(raw)
	l.up[0].wants(wire.Interest, 5)
	l.up[0].send(l.content(far, 5, "x"))
	l.reader.wants(wire.Content, 5)
	l.reader.send(raw)
	l.reader.wants(wire.Content, 5)
	other := l.peer(l.n, forward.FaceConfig{})
	other.send(raw) // the same bytes by another way
	other.wants(wire.Content, 5)
}

func TestP2aASeenInterestBecomesAnInRecord(t *testing.T) {
	l := newLine(t, 1)
	other := l.peer(l.n, forward.FaceConfig{})
	raw := l.interest(far, 5, 2)
	l.reader.send(raw)
	l.up[0].wants(wire.Interest, 5)
	other.send(raw)
	l.up[0].nothing()
	l.up[0].send(l.content(far, 5, "x"))
	l.reader.wants(wire.Content, 5)
	other.wants(wire.Content, 5)
}

func TestP2aTheSameInterestLeavesOnceInFourSeconds(t *testing.T) {
	l := newLine(t, 1)
	raw := l.interest(far, 5, 60)
	l.reader.send(raw)
	l.up[0].wants(wire.Interest, 5)
	for range 13 { // 3.9 s, each time later than the 250 ms between two calls of the strategy
		l.m.RunFor(290 * time.Millisecond)
		l.reader.send(raw)
	}
	l.up[0].nothing()
	l.m.RunFor(290 * time.Millisecond)
	l.reader.send(raw)
	l.up[0].wants(wire.Interest, 5)
	l.m.RunFor(time.Minute)
}

func TestP2aARetryCallsTheStrategyAtMostEvery250Milliseconds(t *testing.T) {
	l := newLine(t, 3)
	l.reader.send(l.interest(far, 5, 2))
	l.up[0].wants(wire.Interest, 5)
	l.m.RunFor(200 * time.Millisecond)
	l.reader.send(l.interest(far, 5, 2)) // too soon
	l.up[1].nothing()
	l.m.RunFor(50 * time.Millisecond)
	l.reader.send(l.interest(far, 5, 2))
	l.up[1].wants(wire.Interest, 5)
	l.up[2].nothing()
	l.up[0].nothing()
}

func TestP2aNoTimestampIsNeverSeen(t *testing.T) {
	for _, raw := range map[string]func(k *kit) []byte{
		"no payload":  func(k *kit) []byte { return k.bare(far, 5) },
		"timestamp 0": func(k *kit) []byte { return k.asked(far, 5, 7, 0, 2) },
	} {
		l := newLine(t, 1)
		for range 3 {
			l.reader.send(raw(l.kit))
			l.up[0].wants(wire.Interest, 5)
			l.m.RunFor(260 * time.Millisecond)
		}
	}
}

func TestP2aALoopIsDropped(t *testing.T) {
	l := newLine(t, 1)
	l.reader.send(l.interest(far, 5, 2))
	got := l.up[0].wants(wire.Interest, 5)
	l.up[0].send(got.Raw)
	l.up[0].nothing()
	l.up[0].dropped(drop.Loop)
	l.up[0].send(l.content(far, 5, "x"))
	l.reader.wants(wire.Content, 5)
	l.up[0].nothing() // it is no asker
}

// What comes by a second way after it was returned on the first waits for nobody.
func TestP2aASecondWayAfterTheReturn(t *testing.T) {
	l := newLine(t, 2)
	other := l.asker(l.n)
	raw := l.interest(far, 5, 3)
	l.reader.send(raw)
	for _, p := range l.up {
		p.send(l.back(p.wants(wire.Interest, 5), wire.ReturnNoRoute))
	}
	l.reader.returned(wire.ReturnNoRoute)
	other.send(raw)
	other.returned(wire.ReturnNoRoute)
	for _, p := range l.up {
		p.nothing()
	}
	third := l.asker(l.n)
	l.route(l.n, "02", third.face, 9) // where it has not been it goes
	l.asker(l.n).send(raw)
	third.wants(wire.Interest, 5)
}

// The in-record of a face far away is not shortened for others: whoever waits longer is asked for again when the faces that were
// asked have forgotten the Interest.
func TestP2aAShortRetryDoesNotStarveALongWait(t *testing.T) {
	l := newLine(t, 1)
	other := l.peer(l.n, forward.FaceConfig{})
	long := l.interest(far, 5, 60)
	l.reader.send(long)
	l.up[0].wants(wire.Interest, 5)
	other.send(l.interest(far, 5, 2))
	l.m.RunFor(300 * time.Millisecond)
	other.send(l.interest(far, 5, 2)) // a retry: now the neighbour has these bytes, which stand for 2 s
	l.up[0].wants(wire.Interest, 5)
	l.m.RunFor(4 * time.Second)
	if got := l.up[0].wants(wire.Interest, 5); !bytes.Equal(got.Body, long[1:]) {
		t.Errorf("asked with %x, want the bytes of the long wait %x", got.Body, long[1:])
	}
	l.up[0].send(l.content(far, 5, "x"))
	l.reader.wants(wire.Content, 5)
	other.nothing()
}

func TestP2aAMergedAskerGoesOnWhenTheFirstHasRunOut(t *testing.T) {
	l := newLine(t, 1)
	other := l.peer(l.n, forward.FaceConfig{})
	l.reader.send(l.interest(far, 5, 1))
	l.up[0].wants(wire.Interest, 5)
	long := l.interest(far, 5, 10)
	other.send(long)
	l.up[0].nothing()
	l.m.RunFor(time.Second)
	if got := l.up[0].wants(wire.Interest, 5); !bytes.Equal(got.Body, long[1:]) {
		t.Errorf("asked with %x, want the second asker's bytes", got.Body)
	}
	l.up[0].send(l.content(far, 5, "x"))
	other.wants(wire.Content, 5)
	l.reader.nothing()
}

func TestP3Expiry(t *testing.T) {
	for _, c := range []struct {
		name  string
		raw   func(k *kit) []byte
		stays time.Duration
	}{
		{"no payload: 2 s", func(k *kit) []byte { return k.bare(far, 5) }, 2 * time.Second},
		{"3 s from arrival, whatever the timestamp says", func(k *kit) []byte { return k.asked(far, 5, 7, k.m.Now().Wall-100_000, 3) }, 3 * time.Second},
		{"no clock", func(k *kit) []byte { return k.asked(far, 5, 7, 0, 3) }, 3 * time.Second},
		{"longer than honoured", func(k *kit) []byte { return k.interest(far, 5, 100) }, 10 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLine(t, 1, limits(func(l *forward.Limits) { l.InterestExpiry = 10 * time.Second }))
			l.reader.send(c.raw(l.kit))
			l.up[0].wants(wire.Interest, 5)
			l.m.RunFor(c.stays - 20*time.Millisecond)
			if s := l.n.Worker(0).Stats(); s.PIT != 1 {
				t.Errorf("%d entries shortly before the end", s.PIT)
			}
			l.m.RunFor(20 * time.Millisecond)
			if s := l.n.Worker(0).Stats(); s.PIT != 0 {
				t.Errorf("%d entries after the end", s.PIT)
			}
			l.up[0].send(l.content(far, 5, "late"))
			l.up[0].dropped(drop.Unsolicited)
		})
	}
}

func TestP3ExpiryBeyondTheLongestIsReturned(t *testing.T) {
	l := newLine(t, 1, limits(func(l *forward.Limits) { l.InterestExpiry = 10 * time.Second }))
	l.reader.send(l.interest(far, 5, 100))
	l.m.RunFor(10 * time.Second)
	l.reader.returned(wire.ReturnExpired)
}

func TestP3ExpiryZeroAsksTheStoreAlone(t *testing.T) {
	l := newLine(t, 1)
	for _, seq := range []uint32{0, 5} {
		l.reader.send(l.interest(far, seq, 0))
		l.reader.returned(wire.ReturnExpired)
		l.reader.dropped(drop.Expired)
		l.up[0].nothing()
	}
	l.reader.send(l.interest(far, 5, 2))
	l.up[0].send(l.content(far, 5, "x"))
	l.up[0].take()
	l.reader.take()
	l.m.RunFor(time.Hour) // by now it is not known to be the newest, but it is what the store has
	for _, seq := range []uint32{0, 5} {
		l.reader.send(l.interest(far, seq, 0))
		l.reader.wants(wire.Content, 5)
	}
	l.up[0].nothing()
}

func TestP4ClocksOfOnDemandFaces(t *testing.T) {
	for _, c := range []struct {
		name string
		off  time.Duration
		ok   bool
	}{
		{"right", 0, true},
		{"5 minutes behind", -5*time.Minute + 50*time.Millisecond, true},
		{"5 minutes ahead", 5 * time.Minute, true},
		{"more behind", -5*time.Minute - time.Second, false},
		{"more ahead", 5*time.Minute + time.Second, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newKit(t, 1)
			n := k.node(1)
			l := &forward.Listener{Policy: forward.FaceConfig{Clock: true}}
			wall := k.m.Now().Wall + c.off.Milliseconds()
			stranger := k.call(n, l, 1, 1)
			stranger.send(k.asked(temp, 5, 7, wall, 2))
			if made := stranger.face != nil; made != c.ok {
				t.Errorf("a face was made: %v, want %v", made, c.ok)
			}
			known := k.call(n, l, 2, 1)
			known.send(k.bare(temp, 5))
			known.take()
			known.send(k.asked(temp, 6, 7, wall+1, 2))
			if got := count(known.take(), wire.Return) == 1; got != c.ok {
				t.Errorf("an answer on a face that is there: %v, want %v", got, c.ok)
			}
			if refused := known.face.Counters().Drops[drop.Clock] == 1; refused == c.ok {
				t.Errorf("counted as clock: %v", refused)
			}
			configured := k.peer(n, forward.FaceConfig{Clock: true})
			configured.send(k.asked(temp, 7, 7, wall, 2))
			configured.returned(wire.ReturnNoRoute)
		})
	}
}

func TestP4AWrongClockIsAllowedWhereTheListenerSaysSo(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(1)
	c := k.call(n, &forward.Listener{}, 1, 1)
	c.send(k.asked(temp, 5, 7, 1, 2))
	if got := c.take(); count(got, wire.Return) != 1 {
		t.Errorf("got %s", show(got))
	}
}

// An Interest that comes once more after its entry has ended is not sent again where it was; a next hop that has not had it gets it.
func TestP2aASecondHopThatHasNotHadItIsAsked(t *testing.T) {
	l := newLine(t, 2)
	second := l.up[1].face.Get()
	l.n.Do(func(n *forward.Node) { n.SetUp(l.m.Now(), second.ID(), false) })
	raw := l.interest(far, 5, 2)
	l.reader.send(raw)
	asked := l.up[0].wants(wire.Interest, 5)
	l.up[0].send(l.back(asked, wire.ReturnNoRoute))
	l.reader.returned(wire.ReturnNoRoute)
	l.n.Do(func(n *forward.Node) { n.SetUp(l.m.Now(), second.ID(), true) })
	l.reader.send(raw)
	l.up[0].nothing()
	l.up[1].wants(wire.Interest, 5)
	l.up[1].send(l.content(far, 5, "x"))
	l.reader.wants(wire.Content, 5)
}

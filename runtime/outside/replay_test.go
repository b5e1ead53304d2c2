package outside

import (
	"testing"
	"time"
)

// A captured subscription that is sent from another port makes no face and aims no stream at it (P-11).
func TestACapturedSubscriptionIsNotServedElsewhere(t *testing.T) {
	n := start(t, setup{})
	producer, subscriber, stranger, known := n.peer(), n.peer(), n.peer(), n.peer()
	captured := subscriber.send(interest(room, subscribe, 60))
	subscriber.quiet()
	known.quiet()
	producer.publishes(room, 1, "x")
	subscriber.next()
	faces := n.host.Status().Faces
	n.counts("replayed", 2, func() {
		stranger.raw(captured)
		stranger.silent(producer)
		known.raw(captured)
		known.quiet()
	})
	if got := n.host.Status().Faces; got != faces {
		t.Errorf("there are %d faces, before %d", got, faces)
	}
	pushes(producer, []*peer{subscriber}, content(room, 2, "y"))
	known.quiet()
	stranger.silent(producer)
	subscriber.raw(captured) // its own, again: a retry
	pushes(producer, []*peer{subscriber}, content(room, 3, "z"))
}

// The same holds for any Interest: one that is heard from elsewhere waits for nothing. What the store has anyway it gives to
// who has a face (P-2a).
func TestACapturedInterestMakesNoInRecord(t *testing.T) {
	n, up := withUp(t, setup{})
	asker, stranger, known := n.peer(), n.peer(), n.peer()
	known.quiet()
	captured := asker.send(interest(room, 1, 4))
	up.next()
	n.counts("replayed", 2, func() {
		stranger.raw(captured)
		stranger.silent(known)
		known.raw(captured)
		known.quiet()
	})
	f := content(room, 1, "x")
	up.send(f)
	asker.gets(f.with(6))
	asker.quiet()
	known.quiet()
	up.quiet()
	n.counts("replayed", 1, func() {
		stranger.raw(captured)
		stranger.silent(known)
	})
	known.raw(captured)
	known.gets(f)
}

// The order does not matter: who sends a captured Interest first is the one whom it is bound to.
func TestAnInterestIsBoundToItsFirstSender(t *testing.T) {
	n := start(t, setup{})
	producer, first, second := n.peer(), n.peer(), n.peer()
	second.quiet()
	captured := first.send(interest(room, subscribe, 60))
	first.quiet()
	second.raw(captured)
	second.quiet()
	pushes(producer, []*peer{first}, content(room, 1, "x"))
	second.quiet()
}

// A timestamp more than five minutes off is refused where peers come and go (P-4), from strangers and known ones, and it makes
// no face; one that is less off, and that of a device without a clock, are not.
func TestTimestampsOnOnDemandFaces(t *testing.T) {
	n := start(t, setup{})
	producer := n.peer()
	f := producer.publishes(room, 1, "x")
	for off, answered := range map[time.Duration]bool{
		0: true, -4 * time.Minute: true, 4 * time.Minute: true, -6 * time.Minute: false, 6 * time.Minute: false,
		-24 * time.Hour: false, 24 * time.Hour: false, -100 * 365 * 24 * time.Hour: false,
	} {
		t.Run(off.String(), func(t *testing.T) {
			stranger, known := n.peer(), n.peer()
			known.quiet()
			faces := n.host.Status().Faces
			for _, p := range []*peer{stranger, known} {
				ask := interest(room, newest, 2)
				ask.payload = asking(stamp()+off.Milliseconds(), 2)
				if off < -24*time.Hour {
					ask.payload = asking(1, 2)
				}
				before := n.dropped("clock")
				p.send(ask)
				if answered {
					p.gets(f)
					p.quiet()
					continue
				}
				p.silent(producer)
				if got := n.dropped("clock") - before; got != 1 {
					t.Errorf("%d were counted as clock, want 1", got)
				}
			}
			if got := n.host.Status().Faces; !answered && got != faces {
				t.Errorf("there are %d faces, before %d", got, faces)
			}
		})
	}
	ask := interest(room, newest, 2)
	ask.payload = asking(0, 2)
	p := n.peer()
	p.send(ask)
	p.gets(f)
}

// Who subscribes without a clock where peers come and go is refused: such a frame could be sent again for ever (P-11).
func TestASubscriptionNeedsAClockOnOnDemandFaces(t *testing.T) {
	n := start(t, setup{})
	producer, p := n.peer(), n.peer()
	for _, payload := range [][]byte{nil, asking(0, 60)} {
		ask := frame{ttl: 7, name: room, seq: subscribe, payload: payload}
		n.counts("clock", 1, func() {
			p.send(ask)
			p.gets(returned(ask, reasonRefused, n.id))
		})
	}
	producer.publishes(room, 1, "x")
	p.quiet()
}

// On a configured face nobody's clock is asked for.
func TestTimestampsOnConfiguredFaces(t *testing.T) {
	down := socket(t)
	n := start(t, setup{rest: remote("down", down.addr)})
	down.to(n)
	producer := n.peer()
	f := producer.publishes(room, 1, "x")
	for _, ms := range []int64{0, 1, stamp() - 3600_000, stamp() + 3600_000} {
		down.send(frame{ttl: 7, name: room, payload: asking(ms, 2)})
		down.gets(f)
	}
	down.send(frame{ttl: 7, name: room, seq: subscribe, payload: asking(0, 60)})
	pushes(producer, []*peer{down}, content(room, 2, "y"))
}

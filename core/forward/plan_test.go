package forward_test

import (
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/mesh"
	"github.com/zmesh/zmesh/core/wire"
)

// Whoever sleeps until Next is woken when something is due before: a worker's timer, or a hello.
func TestWakeWhenSomethingIsDueEarlier(t *testing.T) {
	woken := 0
	r := newRigWith(t, func(c *forward.Config) { c.Wake = func() { woken++ } })
	at := func(d time.Duration) forward.Now {
		now := r.now()
		return forward.Now{Mono: now.Mono + d, Wall: mesh.Epoch + d.Milliseconds()}
	}
	const other = "020304050000"
	r.put(at(0), r.reader, r.interest(other, 5, 2))
	r.put(at(0), r.up, r.content(other, 5, "21.5"))
	for n := range 4 {
		r.n.Advance(at(time.Duration(n) * time.Second))
	}
	r.n.Advance(at(3100 * time.Millisecond)) // past where the wheel's timers move down
	before, ok := r.n.Next()
	if !ok || before <= at(3700*time.Millisecond).Mono {
		t.Fatalf("next is %v, %v", before, ok)
	}
	woken = 0
	r.put(at(3200*time.Millisecond), r.reader, r.interest(other, 5, 2)) // a hit plans nothing
	if woken != 0 {
		t.Error("woken for nothing")
	}
	r.put(at(3200*time.Millisecond), r.reader, r.interest(other, wire.SeqNewest, 1)) // stale: the stored copy is sent at half the expiry (P-15)
	if woken != 1 {
		t.Errorf("woken %d times for a timer before what was planned", woken)
	}
	due := at(3700 * time.Millisecond).Mono
	if next, ok := r.n.Next(); !ok || next > due {
		t.Errorf("next is %v, %v; the timer is due at %v", next, ok, due)
	}
	r.put(at(3250*time.Millisecond), r.reader, r.interest("020304060000", 1, 60)) // due later than what is planned
	if woken != 1 {
		t.Error("woken for what is due later")
	}
	if _, err := r.n.AddFace(at(3250*time.Millisecond), forward.FaceConfig{Hello: true}, &sink{}); err != nil {
		t.Fatal(err)
	}
	if woken != 2 {
		t.Errorf("woken %d times, want 2: a hello is due", woken)
	}
}

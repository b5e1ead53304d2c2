package node

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zmesh/zmesh/core/wire"
)

// rig is a forwarder with one node, in a bubble of its own time.
type rig struct {
	t    *testing.T
	fw   *forwarder
	node *Node
	face *face
}

func inBubble(t *testing.T, seed uint64, f faults, run func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, fw: newForwarder(t)}
		r.node, r.face = r.fw.connect(newChance(seed), f)
		defer func() { // after a failure too: the bubble ends with its goroutines
			if err := r.node.Close(); err != nil {
				t.Error(err)
			}
			r.fw.close()
			time.Sleep(time.Minute) // frames still on their way; in the bubble it takes no time
		}()
		run(r)
	})
}

func (r *rig) subscribe(from uint32) *Subscription {
	r.t.Helper()
	s, err := r.node.Subscribe(temperature, from, false)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// publish gives numbers from … to to the forwarder.
func (r *rig) publish(from, to uint32) {
	for seq := from; ; seq = next(seq) {
		r.fw.publish(temperature, seq, payloadOf(seq))
		if seq == to {
			return
		}
	}
}

func payloadOf(seq uint32) string { return "value " + strconv.Itoa(int(seq)) }

// nextWithin gives the next update, or false if none comes in time.
func (r *rig) nextWithin(s *Subscription, d time.Duration) (Update, bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), d)
	defer cancel()
	u, err := s.Next(ctx)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		r.t.Fatal(err)
	}
	return u, err == nil
}

// expect takes updates as texts: "5" is content 5, "6-9" the lost range. It fails after a minute.
func (r *rig) expect(s *Subscription, texts ...string) {
	r.t.Helper()
	for _, want := range texts {
		u, ok := r.nextWithin(s, time.Minute)
		if !ok {
			r.t.Fatalf("nothing in a minute, want %s", want)
		}
		if got := textOf(u); got != want {
			r.t.Fatalf("got %s, want %s", got, want)
		}
	}
}

// expectNumbers takes contents from … to.
func (r *rig) expectNumbers(s *Subscription, from, to uint32) {
	r.t.Helper()
	for seq := from; ; seq = next(seq) {
		r.expect(s, strconv.Itoa(int(seq)))
		if seq == to {
			return
		}
	}
}

func (r *rig) expectNothing(s *Subscription, d time.Duration) {
	r.t.Helper()
	if u, ok := r.nextWithin(s, d); ok {
		r.t.Fatalf("got %s, want nothing", textOf(u))
	}
}

func textOf(u Update) string {
	switch {
	case u.Lost:
		return fmt.Sprintf("%d-%d", u.From, u.To)
	case string(u.Payload) != payloadOf(u.Seq):
		return fmt.Sprintf("%d with %q", u.Seq, u.Payload)
	case u.Anew:
		return fmt.Sprintf("anew %d", u.Seq)
	}
	return strconv.Itoa(int(u.Seq))
}

// history is a random stream: some numbers were never stored, some leave the store while it is read.
type history struct {
	first, last uint32
	never       map[uint32]bool
}

func newHistory(r *rand.Rand) *history {
	h := &history{first: 1 + uint32(r.IntN(300)), never: map[uint32]bool{}}
	if r.IntN(4) == 0 {
		h.first = wire.SeqLast - uint32(r.IntN(100)) // over the wrap
	}
	h.last = advance(h.first, 60+uint32(r.IntN(200)))
	for seq := h.first; seq != h.last; seq = next(seq) {
		if r.IntN(20) == 0 {
			for range 1 + r.IntN(5) {
				h.never[seq] = true
			}
		}
	}
	delete(h.never, h.first)
	return h
}

// play publishes the history, faster and slower, out of order by up to 20 ms.
func (h *history) play(r *rig, c *chance, already uint32) {
	for seq := h.first; ; seq = next(seq) {
		if !h.never[seq] {
			if distance(h.first, seq) < already {
				r.fw.publish(temperature, seq, payloadOf(seq))
			} else {
				time.AfterFunc(c.upTo(20*time.Millisecond), func() { r.fw.publish(temperature, seq, payloadOf(seq)) })
			}
		}
		if seq == h.last {
			return
		}
		if distance(h.first, seq) >= already {
			pause := 30 * time.Millisecond
			if c.below(0.02) {
				pause = 20 * time.Second
			}
			time.Sleep(c.upTo(pause))
		}
	}
}

// The property of P-12: over any link every number is given exactly once, in order, or reported as lost, and that only if the
// store does not have it. ZMESH_SOAK runs more seeds.
func TestP12EveryNumberOnceInOrder(t *testing.T) {
	everyNumber(t, 240)
}

func TestSoakP12EveryNumberOnceInOrder(t *testing.T) {
	fraction, err := strconv.ParseFloat(os.Getenv("ZMESH_SOAK"), 64)
	if err != nil {
		t.Skip("ZMESH_SOAK is not set")
	}
	everyNumber(t, uint64(20000*fraction))
}

func everyNumber(t *testing.T, seeds uint64) {
	for seed := range seeds {
		f := faults{
			loss: []float64{0, 0.1, 0.3}[seed%3], copies: []float64{0, 0.2}[seed/3%2],
			delay: 2 * time.Millisecond, jitter: []time.Duration{0, 5, 40}[seed/6%3] * time.Millisecond,
		}
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			inBubble(t, seed, f, func(r *rig) { oneStream(r, seed) })
		})
	}
}

func oneStream(r *rig, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	h := newHistory(random)
	already := uint32(random.IntN(100))
	want := advance(h.first, uint32(random.IntN(20)))
	s := r.subscribe(want)
	c := newChance(seed + 1)
	played := make(chan struct{})
	go func() {
		defer close(played)
		h.play(r, c, already)
	}()
	defer func() { <-played }()
	slow, forgetful := random.IntN(3) == 0, random.IntN(3) == 0
	for want != next(h.last) {
		u, ok := r.nextWithin(s, 5*time.Minute)
		if !ok {
			r.t.Fatalf("stands still before %d of %d…%d", want, h.first, h.last)
		}
		want = r.check(u, want)
		if slow && random.IntN(10) == 0 {
			time.Sleep(time.Duration(random.IntN(40)) * time.Second)
		}
		if forgetful && random.IntN(30) == 0 {
			if seq := advance(want, uint32(random.IntN(10))); seq != h.last { // a newest that is gone shows nobody that there was one
				r.fw.drop(temperature, seq)
			}
		}
	}
	r.expectNothing(s, 2*time.Minute)
}

// check tells which number must come after an update, if it is the one that had to come.
func (r *rig) check(u Update, want uint32) uint32 {
	r.t.Helper()
	if !u.Lost {
		if u.Seq != want || string(u.Payload) != payloadOf(want) || u.Anew {
			r.t.Fatalf("got %s, want %d", textOf(u), want)
		}
		return next(want)
	}
	if u.From != want || u.Name != temperature {
		r.t.Fatalf("lost %d-%d, want it from %d", u.From, u.To, want)
	}
	for seq := u.From; ; seq = next(seq) {
		r.fw.set(func() {
			if _, has := r.fw.store[key{temperature, seq}]; has {
				r.t.Fatalf("%d is reported as lost (%d-%d), and the store has it", seq, u.From, u.To)
			}
		})
		if seq == u.To {
			return next(seq)
		}
	}
}

func TestP12LostTailIsSeenAtTheRenewal(t *testing.T) {
	inBubble(t, 1, faults{}, func(r *rig) {
		s := r.subscribe(1)
		r.publish(1, 3)
		r.expectNumbers(s, 1, 3)
		time.Sleep(5 * time.Second)
		r.face.link.setFaults(faults{loss: 1})
		r.publish(4, 5)
		r.face.link.setFaults(faults{})
		start := time.Now()
		r.expectNumbers(s, 4, 5)
		if d := time.Since(start); d > subExpiry/2 {
			r.t.Errorf("seen after %s", d)
		}
	})
}

func TestP12ReturnsThatFollowEachOtherAreOneRange(t *testing.T) {
	inBubble(t, 1, faults{delay: time.Millisecond}, func(r *rig) {
		r.publish(1, 2)
		r.publish(60, 60)
		r.publish(62, 62)
		s := r.subscribe(1)
		r.expect(s, "1", "2", "3-59", "60", "61-61", "62")
		if most := fetchWindow; r.fw.count(r.face, ask{temperature, 30}) != 1 {
			r.t.Errorf("number 30 was asked for %d times, %d at once", r.fw.count(r.face, ask{temperature, 30}), most)
		}
	})
}

func TestP12LostNumbersAtTheEndAreReportedWithoutWaiting(t *testing.T) {
	inBubble(t, 1, faults{}, func(r *rig) {
		s := r.subscribe(1)
		r.publish(1, 1)
		r.expect(s, "1")
		r.fw.refuse[ask{temperature, 3}] = wire.ReturnNotHere
		r.face.link.setFaults(faults{loss: 1})
		r.publish(2, 3)
		r.face.link.setFaults(faults{})
		r.expect(s, "2")
		time.Sleep(time.Minute)
		s2 := r.subscribe(3)
		r.expect(s, "3") // the renewal's newest brought it
		r.expect(s2, "3")
	})
}

// Only Return 2 is final. No route, no answer and a link that is down are not: the number is fetched when that has passed.
func TestP12OnlyReturn2IsFinal(t *testing.T) {
	for _, why := range []wire.ReturnReason{wire.ReturnNoRoute, wire.ReturnCongestion, wire.ReturnExpired, wire.ReturnTTL} {
		inBubble(t, 1, faults{}, func(r *rig) {
			r.publish(1, 3)
			r.fw.set(func() { r.fw.refuse[ask{temperature, 2}] = why })
			s := r.subscribe(1)
			r.expect(s, "1")
			r.expectNothing(s, 20*time.Second)
			r.fw.set(func() { clear(r.fw.refuse) })
			r.expect(s, "2", "3")
		})
	}
	inBubble(t, 1, faults{}, func(r *rig) {
		r.publish(1, 1)
		s := r.subscribe(1)
		r.expect(s, "1")
		r.fw.set(func() { r.fw.silent = true })
		r.publish(2, 1500) // only 2 … are pushed as far as the link takes them
		r.fw.set(func() { r.fw.silent = false })
		r.expectNumbers(s, 2, 1000)
		r.face.link.setFaults(faults{loss: 1})
		time.Sleep(time.Hour)
		r.face.link.setFaults(faults{})
		r.expectNumbers(s, 1001, 1500)
	})
}

// A number that is never answered, while others are, does not stop the stream for ever.
func TestP12NumberWithoutAnswerIsGivenUp(t *testing.T) {
	inBubble(t, 1, faults{}, func(r *rig) {
		r.publish(1, 3)
		r.fw.set(func() { r.fw.refuse[ask{temperature, 2}] = wire.ReturnNoRoute })
		s := r.subscribe(1)
		r.expect(s, "1")
		start := time.Now()
		u, ok := r.nextWithin(s, 10*time.Minute)
		if !ok || textOf(u) != "2-2" {
			r.t.Fatalf("%v %s", ok, textOf(u))
		}
		if d := time.Since(start); d < 30*time.Second || d > 3*time.Minute {
			r.t.Errorf("after %s", d)
		}
		r.expect(s, "3")
	})
}

// Who keeps a copy waits for the way to the first one for as long as it can still be there.
func TestP12PatienceOfAMirror(t *testing.T) {
	inBubble(t, 1, faults{}, func(r *rig) {
		link, _ := newLink(newChance(1), faults{})
		c := testConfig()
		c.Patience = time.Hour
		n, err := New(link, c)
		if err != nil {
			r.t.Fatal(err)
		}
		r.node.misses = n.misses
		if err := n.Close(); err != nil {
			r.t.Fatal(err)
		}
		r.publish(1, 3)
		r.fw.set(func() { r.fw.refuse[ask{temperature, 2}] = wire.ReturnNoRoute })
		s := r.subscribe(1)
		r.expect(s, "1")
		if b := s.Behind(); b != 2 {
			r.t.Errorf("%d behind, want 2", b)
		}
		r.expectNothing(s, 55*time.Minute)
		r.fw.set(func() { clear(r.fw.refuse) })
		r.expect(s, "2", "3")
		if b := s.Behind(); b != 0 {
			r.t.Errorf("%d behind, want 0", b)
		}
	})
}

// A gap above 1,000 is not asked through: one range up to the oldest that the store gives, holes before and behind.
func TestP12LongGap(t *testing.T) {
	for _, c := range []struct{ from, oldest, high uint32 }{
		{1, 4000, 5000},
		{1, 2, 3000},
		{1, 2999, 3000},
		{100, 100, 2500},
		{wire.SeqLast - 1500, 700, 900},
		{2, 1 << 22, 1<<22 + 500},
		{5, wire.SeqLast / 3, wire.SeqLast/3 + 1200},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			inBubble(t, 1, faults{delay: time.Millisecond, loss: 0.1}, func(r *rig) {
				holes := map[uint32]bool{}
				for seq := c.oldest; seq != next(c.high); seq = next(seq) {
					if d := distance(c.oldest, seq); d%200 > 0 && d%200 < 65 && seq != c.high { // crashes of the producer
						holes[seq] = true
					}
				}
				for seq := c.oldest; seq != next(c.high); seq = next(seq) {
					if !holes[seq] {
						r.fw.publish(temperature, seq, payloadOf(seq))
					}
				}
				s := r.subscribe(c.from)
				want := c.from
				for want != next(c.high) {
					u, ok := r.nextWithin(s, 10*time.Minute)
					if !ok {
						r.t.Fatalf("stands still before %d", want)
					}
					if want == c.from && c.from != c.oldest && (!u.Lost || u.To != before(c.oldest)) {
						r.t.Fatalf("begins with %s, want %d-%d", textOf(u), c.from, before(c.oldest))
					}
					if u.Lost && distance(u.From, u.To) > 10000 {
						want = next(u.To)
						continue
					}
					want = r.check(u, want)
				}
				if asked := r.asks(); asked > 4*int(distance(c.oldest, c.high))+4000 {
					r.t.Errorf("%d Interests", asked)
				}
			})
		})
	}
}

func before(seq uint32) uint32 { return back(seq, 1) }

func (r *rig) asks() (sum int) {
	r.fw.set(func() {
		for _, count := range r.face.asked {
			sum += count
		}
	})
	return sum
}

// From 1 on a stream that is further than RFC 1982 can compare.
func TestP12FromTheOldestOfALongStream(t *testing.T) {
	inBubble(t, 1, faults{}, func(r *rig) {
		r.publish(12_000_000, 12_000_100)
		s := r.subscribe(1)
		r.expect(s, "1-11999999")
		r.expectNumbers(s, 12_000_000, 12_000_100)
	})
}

func TestP12SlowSubscriberHoldsLittleAndMissesNothing(t *testing.T) {
	inBubble(t, 1, faults{}, func(r *rig) {
		s := r.subscribe(1)
		r.publish(1, 1)
		r.expect(s, "1")
		for seq := uint32(2); seq <= 3000; seq++ {
			r.fw.publish(temperature, seq, payloadOf(seq))
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(10 * time.Minute)
		s.mu.Lock()
		if len(s.seq.here) > held || len(s.seq.tries) > held || len(s.seq.gone) > held {
			r.t.Errorf("holds %d contents, %d tries", len(s.seq.here), len(s.seq.tries))
		}
		s.mu.Unlock()
		r.expectNumbers(s, 2, 3000)
	})
}

func TestP12AskedSixteenAtATime(t *testing.T) {
	inBubble(t, 1, faults{delay: 100 * time.Millisecond}, func(r *rig) {
		r.publish(1, 200)
		s := r.subscribe(1)
		time.Sleep(350 * time.Millisecond) // the newest has come and the first Interests have arrived; their answers have not
		asked := 0
		for seq := uint32(1); seq <= 200; seq++ {
			asked += r.fw.count(r.face, ask{temperature, seq})
		}
		if asked != fetchWindow {
			r.t.Errorf("%d numbers asked at once", asked)
		}
		r.expectNumbers(s, 1, 200)
	})
}

// Frames that overtake one another on the producer's way are not taken for lost.
func TestP12ReorderedAtTheStore(t *testing.T) {
	inBubble(t, 1, faults{}, func(r *rig) {
		s := r.subscribe(1)
		r.publish(1, 1)
		r.publish(3, 3)
		time.Sleep(30 * time.Millisecond)
		r.publish(2, 2)
		r.expect(s, "1", "2", "3")
	})
}

package streams

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/mesh"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/sdk/node"
)

var temperature = name.Name{1, 2, 3, 1}

// bad is a link that loses a share of the frames, delivers one in twenty twice, and lets them overtake each other by up to 30 ms.
func bad(loss float64) mesh.LinkConfig {
	return mesh.LinkConfig{Delay: 5 * time.Millisecond, Jitter: 30 * time.Millisecond, Loss: loss, Duplicate: 0.05}
}

// stream is one run: a producer that confirms each content, three forwarders, subscribers of every kind behind the last, all on bad links.
type stream struct {
	*virtual
	rng     *rand.Rand
	numbers uint32
	marks   *node.Watermark
}

const numbers = 60

// follow reads numbers from … to the last, or fails: each once, in order.
func (s *stream) follow(who string, sub *node.Subscription, from uint32) {
	ctx, cancel := context.WithTimeout(s.Context(), 12*time.Hour)
	defer cancel()
	for want := from; want <= s.numbers; want++ {
		u, err := sub.Next(ctx)
		if err != nil || u.Lost || u.Anew || u.Seq != want || string(u.Payload) != string(payload(want)) {
			s.Errorf("%s: %+v, %v; want number %d", who, u, err, want)
			return
		}
	}
}

func (s *stream) subscribe(n *node.Node, from uint32) *node.Subscription {
	sub, err := n.Subscribe(temperature, from, false)
	if err != nil {
		s.Fatal(err)
	}
	return sub
}

// run publishes and lets the subscribers read. loss is that of each of the five links between producer and subscribers.
func (s *stream) run(loss float64) {
	nodes := s.chain(3, bad(loss))
	device, _ := s.attach(nodes[0], bad(loss), publishing())
	var users []*node.Node
	for range 3 {
		n, _ := s.attach(nodes[2], bad(loss), forward.FaceConfig{})
		users = append(users, n)
	}
	time.Sleep(20 * time.Second) // hellos
	p := node.NewProducer(device, plain(s.T, temperature), s.marks)
	var wg sync.WaitGroup
	defer wg.Wait()
	early := s.subscribe(users[0], 1)
	wg.Go(func() { s.follow("from the beginning", early, 1) })
	for seq := uint32(1); seq <= s.numbers; seq++ {
		ctx, cancel := context.WithTimeout(s.Context(), time.Hour)
		if got, err := p.PublishConfirmed(ctx, payload(seq)); err != nil || got != seq {
			s.Fatalf("number %d: %d, %v", seq, got, err)
		}
		cancel()
		pause := time.Second
		if s.rng.IntN(15) == 0 {
			pause = time.Minute
		}
		time.Sleep(time.Duration(s.rng.Int64N(int64(pause))))
		switch seq {
		case s.numbers / 3:
			late := s.subscribe(users[1], 5)
			wg.Go(func() { s.resume(users[1], late, 5) })
		case s.numbers / 2:
			now := s.subscribe(users[2], node.Now)
			for known := false; !known; _, known = now.Position() {
				time.Sleep(100 * time.Millisecond)
			}
			at, _ := now.Position()
			wg.Go(func() { s.follow("from now", now, at) })
		}
	}
}

// resume reads half, goes away, and goes on where it was.
func (s *stream) resume(n *node.Node, sub *node.Subscription, from uint32) {
	for want := from; want < s.numbers/2; want++ {
		if u, err := sub.Next(s.Context()); err != nil || u.Lost || u.Seq != want {
			s.Errorf("late: %+v, %v; want number %d", u, err, want)
			return
		}
	}
	at, _ := sub.Position()
	sub.Close()
	time.Sleep(time.Minute)
	again, err := n.Resume(temperature, at)
	if err != nil {
		s.Error(err)
		return
	}
	s.follow("resumed", again, at)
}

// lossy runs streams with a share of loss, by seed, and gives the frames that a content cost.
func lossy(t *testing.T, loss float64, seeds int) {
	var cost [4]int
	start := time.Now()
	for seed := range seeds {
		ok := t.Run(fmt.Sprintf("seed %d", seed+1), func(t *testing.T) {
			marks, err := node.OpenWatermark(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			inVirtual(t, uint64(seed+1), func(v *virtual) {
				s := &stream{virtual: v, rng: rand.New(rand.NewPCG(uint64(seed), 9)), numbers: numbers, marks: marks}
				s.run(loss)
				v.do(func() {
					for i, n := range v.cost {
						cost[i] += n
					}
				})
			})
		})
		if !ok {
			t.Fatalf("seed %d with %.0f %% loss", seed+1, 100*loss)
		}
	}
	of := func(n int) float64 { return float64(n) / float64(seeds*numbers) }
	t.Logf("%.0f %% loss, %d seeds in %s: for each content %.1f Interests, %.1f Contents, %.1f Returns over all links", 100*loss, seeds,
		time.Since(start).Round(time.Millisecond), of(cost[0]), of(cost[1]), of(cost[2]))
}

// Every number exactly once, in order, whatever the links do.
func TestP12StreamsOverBadLinks(t *testing.T) {
	for _, loss := range []float64{0, 0.01, 0.1, 0.3} {
		t.Run(fmt.Sprint(loss), func(t *testing.T) { lossy(t, loss, 6) })
	}
}

// TestSoakP12StreamsOverBadLinks is the same for thousands of seeds.
func TestSoakP12StreamsOverBadLinks(t *testing.T) {
	seeds := soak(t, 700)
	for _, loss := range []float64{0.3, 0.1, 0.01} {
		t.Run(fmt.Sprint(loss), func(t *testing.T) { lossy(t, loss, seeds) })
	}
}

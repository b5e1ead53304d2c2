package plugin

import (
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/mesh"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// ways is a node with several ways to another one that has a producer.
type ways struct {
	*net
	links []*mesh.Link
	asked []int // Interests for contents by link
	user  *reader
}

var everything = name.Prefix{}

// newWays makes ways with these delays; the first is the cheapest.
func newWays(t *testing.T, seed uint64, s forward.Strategy, loss float64, delays ...time.Duration) *ways {
	w := &ways{net: newNet(t, seed)}
	near, far := w.node(1, s), w.node(2, nil)
	for i, d := range delays {
		w.links = append(w.links, w.way(near, far, mesh.LinkConfig{Delay: d, Loss: loss}, everything, uint16(10*(i+1))))
	}
	w.produce(far, everything)
	w.asked = make([]int, len(delays))
	w.m.Tap = func(_ time.Duration, l *mesh.Link, side int, raw []byte) {
		var f wire.Frame
		if k := slices.Index(w.links, l); k >= 0 && side == 0 && f.Parse(raw) == drop.None && f.Type == wire.Interest && f.Name != name.Hello {
			w.asked[k]++
		}
	}
	w.user = w.reader(near)
	return w
}

// take gives how many Interests went each way, and forgets it.
func (w *ways) take() (asked []int) {
	asked = slices.Clone(w.asked)
	clear(w.asked)
	return asked
}

const ms = time.Millisecond

func TestAdaptivePrefersTheFasterWay(t *testing.T) {
	m, _ := manager(t, Options{})
	load(t, m, "adaptive", builtin(t, "adaptive"))
	w := newWays(t, 1, strategyOf(t, m, "adaptive", 0), 0, 30*ms, 5*ms, 80*ms) // the cheapest is not the fastest
	w.user.slowest(w.after(w.user.asks(50, 20*ms)))
	w.take()
	w.user.slowest(w.after(w.user.asks(500, 20*ms))) // 10 s, in which one probe leaves
	if a := w.take(); a[1] != 500 || a[0]+a[2] > 2 {
		t.Errorf("%v Interests by link, want the second's, and a probe", a)
	}
}

// The way in use dies. What is on the way is asked for at the other after one timeout; what comes later goes there at once, until a probe
// shows that the first one answers again.
func TestAdaptiveFailsOverWithinOneTimeout(t *testing.T) {
	m, _ := manager(t, Options{})
	if err := m.Load(t.Context(), Spec{Name: "adaptive", Source: builtin(t, "adaptive"), Config: map[string]any{"probe_interval": "2s"}}); err != nil {
		t.Fatal(err)
	}
	w := newWays(t, 1, strategyOf(t, m, "adaptive", 0), 0, 5*ms, 20*ms)
	w.user.slowest(w.after(w.user.asks(100, 10*ms)))
	const fast, slow = 2 * (5 + 1) * ms, 2 * (20 + 1) * ms // there and back, the producer's link included
	const timeout = fast + 10*ms
	w.links[0].Cut()
	if worst := w.user.slowest(w.after(w.user.asks(20, 5*ms))); worst > timeout+slow+2*ms {
		t.Errorf("one took %v, want a timeout of %v and the other way's %v", worst, timeout, slow)
	}
	w.take()
	if worst := w.user.slowest(w.after(w.user.asks(100, 10*ms))); worst > slow+ms {
		t.Errorf("after the timeout one took %v", worst)
	}
	if a := w.take(); a[0] > 1 {
		t.Errorf("%d Interests went the dead way", a[0])
	}
	w.links[0].Heal()
	w.user.asks(300, 10*ms) // 3 s: a probe finds out
	w.take()
	if worst := w.user.slowest(w.after(w.user.asks(100, 10*ms))); worst > fast+ms {
		t.Errorf("after it came back one took %v", worst)
	}
}

// after lets what is on the way come.
func (w *ways) after(first, last uint32) (uint32, uint32) {
	w.m.RunFor(500 * ms)
	return first, last
}

// Whatever the delays, and whenever which way dies and comes back: as long as one way works, everything that is asked for comes within
// what the timeouts of all ways allow.
func TestAdaptiveLosesNothing(t *testing.T) { adaptiveLosesNothing(t, 30) }

func TestSoakAdaptiveLosesNothing(t *testing.T) {
	fraction, err := strconv.ParseFloat(os.Getenv("ZMESH_SOAK"), 64)
	if err != nil {
		t.Skip("ZMESH_SOAK is not set")
	}
	adaptiveLosesNothing(t, max(30, int(3000*fraction)))
}

func adaptiveLosesNothing(t *testing.T, seeds int) {
	m, _ := manager(t, Options{})
	load(t, m, "adaptive", builtin(t, "adaptive"))
	s := strategyOf(t, m, "adaptive", 0)
	for seed := range uint64(seeds) {
		w := newWays(t, seed, s, 0, 5*ms, 10*ms, 15*ms)
		rng := w.m.Rand()
		for i := range w.links {
			w.links[i].Delay = time.Duration(1+rng.IntN(40)) * ms
			w.links[i].Jitter = time.Duration(1+rng.IntN(10)) * ms
		}
		w.user.asks(60, 25*ms)
		alive := rng.IntN(len(w.links))
		for range 5 {
			for i, l := range w.links {
				if l.Heal(); i != alive && rng.IntN(2) == 0 {
					l.Cut()
				}
			}
			w.user.asks(20, 25*ms)
		}
		if worst := w.user.slowest(w.after(1, w.user.seq)); worst > 1200*ms {
			t.Errorf("seed %d: one took %v", seed, worst)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// Losses on the way in use cost a timeout each, and what loses much is left for what does not.
func TestAdaptiveLeavesALossyWay(t *testing.T) {
	m, _ := manager(t, Options{})
	load(t, m, "adaptive", builtin(t, "adaptive"))
	w := newWays(t, 3, strategyOf(t, m, "adaptive", 0), 0, 5*ms, 12*ms)
	w.user.slowest(w.after(w.user.asks(100, 10*ms)))
	w.links[0].Loss = 0.4
	first, last := w.user.asks(1000, 10*ms)
	w.user.slowest(w.after(first, last))
	if a := w.take(); a[1] < a[0] {
		t.Errorf("%v Interests by link", a)
	}
}

// star is a node with several neighbours, each with a producer for some names.
func star(t *testing.T, s forward.Strategy, neighbours int) (w *ways, made []*int) {
	w = &ways{net: newNet(t, 1)}
	middle := w.node(1, s)
	for i := range neighbours {
		n := w.node(uint32(i+2), nil)
		w.links = append(w.links, w.way(middle, n, mesh.LinkConfig{Delay: 2 * ms}, everything, 1))
		made = append(made, w.produce(n, name.MakePrefix(name.Name{1, byte(i + 1)}, 2)))
	}
	w.asked = make([]int, neighbours)
	w.m.Tap = func(_ time.Duration, l *mesh.Link, side int, raw []byte) {
		var f wire.Frame
		if k := slices.Index(w.links, l); k >= 0 && side == 0 && f.Parse(raw) == drop.None && f.Type == wire.Interest && f.Name != name.Hello {
			w.asked[k]++
		}
	}
	w.user = w.reader(middle)
	return w, made
}

func TestSelfLearningFloodsOnceAndThenKnows(t *testing.T) {
	m, _ := manager(t, Options{Interpret: true})
	load(t, m, "self-learning", builtin(t, "self-learning"))
	w, made := star(t, strategyOf(t, m, "self-learning", 0), 4)
	sensor := name.Name{1, 3, 1}
	w.user.ask(sensor, 4)
	w.m.RunFor(100 * ms)
	if a := w.take(); !slices.Equal(a, []int{1, 1, 1, 1}) {
		t.Errorf("%v Interests by link, want one each", a)
	}
	for range 50 {
		w.user.ask(sensor, 4)
		w.m.RunFor(20 * ms)
	}
	if a := w.take(); !slices.Equal(a, []int{0, 0, 50, 0}) {
		t.Errorf("%v Interests by link, want 50 by the third", a)
	}
	w.user.ask(name.Name{1, 2, 9}, 4) // another name is unknown
	w.m.RunFor(100 * ms)
	if a := w.take(); !slices.Equal(a, []int{1, 1, 1, 1}) {
		t.Errorf("%v Interests by link for another name", a)
	}
	if *made[2] != 51 || *made[1] != 1 {
		t.Errorf("the producers were asked %d and %d times", *made[2], *made[1])
	}
	w.user.slowest(1, w.user.seq)
}

// The way that was learned dies, and the name is had elsewhere: one timeout, and everyone is asked again.
func TestSelfLearningRelearns(t *testing.T) {
	m, _ := manager(t, Options{Interpret: true})
	load(t, m, "self-learning", builtin(t, "self-learning"))
	w := newWays(t, 1, strategyOf(t, m, "self-learning", 0), 0, 5*ms, 20*ms, 30*ms)
	w.user.slowest(w.after(w.user.asks(20, 50*ms)))
	if a := w.take(); a[0] != 20 || a[1] != 1 || a[2] != 1 {
		t.Errorf("%v Interests by link, want everyone once and then the first to answer", a)
	}
	w.links[0].Cut()
	w.user.slowest(w.after(w.user.asks(20, 50*ms)))
	if a := w.take(); a[0] > 2 || a[1] != 20 || a[2] > 2 {
		t.Errorf("%v Interests by link after the first was cut, want the second's", a)
	}
}

// best-route keeps to the cheapest way, and asks the next one when it is asked again.
func TestBestRouteInTheMesh(t *testing.T) {
	m, _ := manager(t, Options{Interpret: true})
	load(t, m, "best-route", builtin(t, "best-route"))
	w := newWays(t, 1, strategyOf(t, m, "best-route", 0), 0, 30*ms, 5*ms, 10*ms)
	w.user.slowest(w.after(w.user.asks(20, 20*ms)))
	if a := w.take(); !slices.Equal(a, []int{20, 0, 0}) {
		t.Errorf("%v Interests by link, want all at the first", a)
	}
	w.links[0].Cut()
	lost := w.user.ask(topic, 4)
	w.m.RunFor(time.Second) // sooner it would be taken for a repetition
	if w.user.took[lost] != 0 {
		t.Fatal("it came though the way is cut")
	}
	w.user.seq-- // the same again
	w.user.slowest(w.after(w.user.asks(1, 20*ms)))
	if a := w.take(); !slices.Equal(a, []int{1, 1, 0}) {
		t.Errorf("%v Interests by link, want the next way on the second try", a)
	}
}

// multicast asks all ways at once, so that nobody waits while one of them works.
func TestMulticastInTheMesh(t *testing.T) {
	m, _ := manager(t, Options{Interpret: true})
	load(t, m, "multicast", builtin(t, "multicast"))
	w := newWays(t, 1, strategyOf(t, m, "multicast", 0), 0, 30*ms, 5*ms, 10*ms)
	for cut, rtt := range []time.Duration{2 * (5 + 1) * ms, 2 * (10 + 1) * ms} { // there and back, the producer's link included
		if worst := w.user.slowest(w.after(w.user.asks(20, 20*ms))); worst > rtt+2*ms {
			t.Errorf("%d ways cut: one took %v, want %v", cut, worst, rtt)
		}
		if a := w.take(); !slices.Equal(a, []int{20, 20, 20}) {
			t.Errorf("%d ways cut: %v Interests by link, want all of them by each", cut, a)
		}
		w.links[1].Cut()
	}
}

//go:build linux

package bench

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zmesh/zmesh/core/wire"
)

// peer is a forwarder that is none: it answers from what was published to it, until it begins to be unreliable.
type peer struct {
	*net.UDPConn
	honest  int // Interests that it answers before that
	drop    int // then it leaves out one in so many …
	refuse  int // … and returns one in so many
	dropped *atomic.Uint64
}

func newPeer(t *testing.T, p peer) *peer {
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	p.UDPConn, p.dropped = c, new(atomic.Uint64)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.serve()
	}()
	t.Cleanup(func() {
		c.Close()
		<-done
	})
	return &p
}

func (p *peer) at() netip.AddrPort { return p.LocalAddr().(*net.UDPAddr).AddrPort() }

func (p *peer) serve() {
	stored := map[uint64][]byte{}
	buf := make([]byte, 2000)
	for asked := 1; ; {
		n, from, err := p.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		f, ok := read(buf[:n])
		switch {
		case !ok:
		case f.kind == wire.Content:
			stored[f.name] = slices.Clone(buf[:n])
		case asked > p.honest && p.drop > 0 && asked%p.drop == 0:
			asked++
			p.dropped.Add(1)
		case asked > p.honest && p.refuse > 0 && asked%p.refuse == 0:
			asked++
			back := slices.Clone(buf[:n])
			back[7] = back[7]&^3 | byte(wire.Return)
			_, _ = p.WriteToUDPAddrPort(back, from)
		default:
			asked++
			_, _ = p.WriteToUDPAddrPort(stored[f.name], from)
		}
	}
}

func brief(at netip.AddrPort) Options {
	return Options{
		Scenario: Hit, To: at, Ring: ownRing(), Names: 64, Window: 16, Rate: 0, Duration: 100 * time.Millisecond, Repeat: 1,
		ServerCPU: -1, LoadCPU: -1,
	}
}

// What a peer leaves out is loss, in both kinds of load, and what it returns is said to be returned.
func TestLossIsNoticed(t *testing.T) {
	for name, c := range map[string]struct {
		p      peer
		window int
		rate   float64
	}{
		"closed": {peer{honest: 500, drop: 50}, 16, 0},
		"open":   {peer{honest: 150, drop: 5}, 0, 2000},
		"return": {peer{honest: 500, refuse: 50}, 16, 0},
		"none":   {peer{}, 16, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, c.p)
			o := brief(p.at())
			o.Window, o.Rate = c.window, c.rate
			rep, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			r := rep.Results[0]
			p.Close()
			if want := p.dropped.Load(); r.Lost != want || (r.Returned > 0) != (c.p.refuse > 0) || (want > 0) != (c.p.drop > 0) {
				t.Errorf("%d lost and %d returned; the peer left out %d", r.Lost, r.Returned, want)
			}
			if r.Exchanges == 0 || r.P50 <= 0 || r.P999 < r.P50 || r.Rate <= 0 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// A load with a CPU of its own polls at a moderate rate, which is not counted as work: it could do more.
func TestPollingIsNotWork(t *testing.T) {
	var own unix.CPUSet
	if err := unix.SchedGetaffinity(0, &own); err != nil {
		t.Fatal(err)
	}
	p := newPeer(t, peer{})
	o := brief(p.at())
	o.Window, o.Rate = 0, 500
	for o.LoadCPU = 0; !own.IsSet(o.LoadCPU); {
		o.LoadCPU++
	}
	o.ServerCPU = o.LoadCPU + 1
	rep, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r := rep.Results[0]; r.Lost > 0 || r.Exchanges == 0 || r.Load <= 0 || r.Bound {
		t.Errorf("%+v", r)
	}
}

// A slow open loop begins as many exchanges as its rate says: the last of a leg has its time too.
func TestSlowRate(t *testing.T) {
	p := newPeer(t, peer{})
	o := brief(p.at())
	o.Window, o.Rate, o.Duration, o.Repeat = 0, 20, 200*time.Millisecond, 2
	rep, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r := rep.Results[0]; r.Exchanges == 0 || r.Exchanges > 4 || r.Rate > 20.1 || r.Offered > 20.1 {
		t.Errorf("%+v", r)
	}
}

// The CPU that a forwarder elsewhere is asked for is none of an exchange's latency.
func TestAskingForCPUIsNotLatency(t *testing.T) {
	const long = 300 * time.Millisecond
	p := newPeer(t, peer{})
	o := brief(p.at())
	o.Window, o.Rate = 0, 500
	o.CPU = func(context.Context) (time.Duration, error) {
		time.Sleep(long) // it takes so long
		return 0, nil
	}
	rep, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r := rep.Results[0]; r.P50 >= long/2 {
		t.Errorf("%+v", r)
	}
}

// A leg ends when the caller does not want it any more, or when what it loads has ended.
func TestLegEndsEarly(t *testing.T) {
	p := newPeer(t, peer{})
	tg := &target{label: "peer", scenario: Hit, at: p.at(), maker: newMaker(ownRing(), 100)}
	if err := tg.openSockets(offload{}, 1, true, false); err != nil {
		t.Fatal(err)
	}
	if err := tg.connect(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, rate := range []float64{0, 1} {
		o, pace := brief(p.at()), pace{rate: rate, until: time.Minute, patient: time.Minute}
		if rate == 0 {
			pace.window = 1
		}
		if _, err := tg.runLeg(ctx, &o, 1<<16, pace, false); !errors.Is(err, context.Canceled) {
			t.Errorf("rate %v: %v", rate, err)
		}
	}
	if err := tg.goesOn(t.Context()); err != nil {
		t.Error(err)
	}
	tg.child = &child{exited: make(chan error, 1)}
	if tg.child.exited <- nil; tg.goesOn(t.Context()) == nil {
		t.Error("a process that has ended goes on")
	}
	tg.child = nil
	_ = tg.close()
}

// A peer that answers with something else than the content does not get to be measured.
func TestAnswersAreVerified(t *testing.T) {
	p := newPeer(t, peer{})
	o := brief(p.at())
	other := [wire.KeySize]byte{1}
	ring, err := wire.NewKeyring(wire.Network{Keys: [wire.NetworkKeys]*[wire.KeySize]byte{&other}})
	if err != nil {
		t.Fatal(err)
	}
	o.setDefaults()
	tg := &target{label: "peer", scenario: Hit, at: p.at(), maker: newMaker(ownRing(), 100)}
	if err := tg.openSockets(offload{}, 1, true, false); err != nil {
		t.Fatal(err)
	}
	defer tg.close()
	if err := tg.connect(); err != nil {
		t.Fatal(err)
	}
	if err := tg.prepare(t.Context(), &o); err != nil {
		t.Fatal(err)
	}
	tg.maker.v = ring.Verifier() // the peer's store has MACs under the key of before
	if _, err := tg.filled(t.Context(), 0, 64); err == nil {
		t.Error("an answer under another key was taken")
	}
}

// Silence is an error, not a rate of 0.
func TestNobodyThere(t *testing.T) {
	p := newPeer(t, peer{honest: 1, drop: 1})
	tg := &target{label: "peer", scenario: Hit, at: p.at(), maker: newMaker(ownRing(), 100)}
	if err := tg.openSockets(offload{}, 1, true, false); err != nil {
		t.Fatal(err)
	}
	defer tg.close()
	if err := tg.connect(); err != nil {
		t.Fatal(err)
	}
	o := brief(p.at())
	got, err := tg.runLeg(t.Context(), &o, 16, pace{window: 16, until: time.Minute, patient: 10 * time.Millisecond}, false)
	if err != nil || got.done > 1 || got.lost < 15 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestOptions(t *testing.T) {
	at := netip.MustParseAddrPort("127.0.0.1:1")
	for _, o := range []Options{
		{Scenario: "hits"},
		{Scenario: Hit, Payload: 1300},
		{Scenario: Hit, Rate: 1, Window: 1},
		{Scenario: Overload, Faces: 2},
		{Scenario: Fanout, Faces: 5000},
		{Scenario: Hit, Names: -1},
		{Scenario: Hit, Names: 10},
		{Scenario: Mixed, Names: 64},
		{Scenario: Fanout, Names: 1000},
		{Scenario: Hit, To: at, Strategies: []string{"best-route"}},
		{Scenario: Idle, To: at},
		{Scenario: Hit, Rate: -1},
		{Scenario: Hit, Rate: math.NaN()},
		{Scenario: Hit, Rate: math.Inf(1)},
		{Scenario: Hit, Rate: 0.9},
	} {
		var wrong UsageError
		if _, err := Run(t.Context(), o); !errors.As(err, &wrong) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := Table(Options{GSO: true}); err == nil {
		t.Error("the table took --gso")
	}
}

func TestFrames(t *testing.T) {
	m := newMaker(ownRing(), 100)
	for _, c := range []struct {
		scenario string
		names    uint64
	}{{Hit, 300}, {Miss, 300}, {Miss, maxNames}, {Mixed, 77}, {Publish, 1}} {
		var next numbers
		next[classMiss], next[classPublish] = 12345, 99
		l := new(leg)
		m.makeLeg(l, c.scenario, 200, c.names, &next)
		r := &run{leg: l, m: m}
		for i := range l.n {
			var frames [][]byte
			if l.classes[i] != classPublish {
				frames = append(frames, r.ask(i))
			}
			if l.classes[i] != classHit {
				frames = append(frames, r.content(i))
			}
			for _, raw := range frames {
				p, ok := read(raw)
				if !ok || p.class != l.classes[i] {
					t.Fatalf("%s, exchange %d: %x", c.scenario, i, raw)
				}
				if p.class == classHit {
					l.latest[p.name] = int32(i) + 1
				}
				if back, ok := l.find(&p, c.names); !ok || back != i {
					t.Fatalf("%s, exchange %d of name %d, FSEQ %d: found %d, %v", c.scenario, i, p.name, p.seq, back, ok)
				}
				if p.kind == wire.Content {
					if err := m.verify(raw); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
}

// A long run subscribes again before its subscriptions end, and not before each leg.
func TestSubscriptionsAreRenewed(t *testing.T) {
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	o := Options{Scenario: Publish, Names: 8}
	o.setDefaults()
	tg := &target{label: "peer", scenario: Publish, at: c.LocalAddr().(*net.UDPAddr).AddrPort(), maker: newMaker(ownRing(), 100)}
	if err := tg.openSockets(offload{}, 1, true, false); err != nil {
		t.Fatal(err)
	}
	defer tg.close()
	if err := tg.connect(); err != nil {
		t.Fatal(err)
	}
	tg.subscribe(&o)
	tg.renew(&o)
	tg.subscribed = tg.subscribed.Add(-subscribeExpiry * time.Second / 2)
	tg.renew(&o)
	tg.subscriber.queue(nil, []byte("end"))
	tg.subscriber.flush()
	buf, n := make([]byte, 2000), 0
	for {
		size, err := c.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		if size == len("end") {
			break
		}
		n++
	}
	if n != 2*8 {
		t.Errorf("%d Interests, want two rounds of 8", n)
	}
	if longestLeg+subscribeExpiry*time.Second/2 >= subscribeExpiry*time.Second {
		t.Error("a leg may be longer than what is left of a subscription")
	}
}

func TestHistogram(t *testing.T) {
	var h, other histogram
	if h.quantile(0.5) != 0 {
		t.Error("an empty one has a median")
	}
	for i := 1; i <= 500; i++ {
		h.add(time.Duration(i) * time.Microsecond)
		other.add(time.Duration(500+i) * time.Microsecond)
	}
	h.merge(&other)
	for q, want := range map[float64]time.Duration{0: time.Microsecond, 0.5: 500 * time.Microsecond, 0.99: 990 * time.Microsecond, 1: time.Millisecond} {
		if got := h.quantile(q); got < want || float64(got) > float64(want)*1.04 {
			t.Errorf("quantile %v is %s, want %s", q, got, want)
		}
	}
	for ns := uint64(1); ns != 0; ns *= 2 {
		for _, x := range []uint64{ns - 1, ns, ns + ns/3} {
			if b := bucket(x); uint64(top(b)) < x || b > 0 && uint64(top(b-1)) >= x {
				t.Errorf("%d ns in bucket %d, which ends at %d", x, b, top(b))
			}
		}
	}
}

// The raw servers carry all scenarios, in this process: with each kind of call.
func TestRaw(t *testing.T) {
	for _, calls := range []string{Plain, Batched, Offload} {
		for _, scenario := range []string{Hit, Miss, Publish, Fanout, Mixed} {
			t.Run(calls+"/"+scenario, func(t *testing.T) {
				o := Options{Scenario: scenario, Names: 32, Window: 8}
				switch scenario {
				case Fanout:
					o.Faces = 50
				case Hit, Miss:
					o.Faces = 3
				}
				o.setDefaults()
				tg := &target{label: calls, scenario: scenario, maker: newMaker(ownRing(), o.Payload)}
				if err := tg.openSockets(both(calls == Offload), o.faces(), true, false); err != nil {
					t.Fatal(err)
				}
				defer tg.close()
				ready := make(chan netip.AddrPort, 1)
				ended := make(chan error, 1)
				go func() {
					ended <- Raw(t.Context(), RawOptions{
						Listen: netip.MustParseAddrPort("127.0.0.1:0"), Calls: calls, Answer: tg.maker.contentSize(), Producer: tg.producer.local,
					}, func(at netip.AddrPort) { ready <- at })
				}()
				select {
				case tg.at = <-ready:
				case err := <-ended:
					t.Fatal(err)
				}
				if err := tg.connect(); err != nil {
					t.Fatal(err)
				}
				tg.subscribe(&o)
				got, err := tg.runLeg(t.Context(), &o, 300, pace{window: 8, until: time.Minute, patient: 5 * time.Second}, false)
				if err != nil || got.done != 300 || got.lost != 0 || scenario == Fanout && got.copies != 300*50 {
					t.Errorf("%d done, %d lost, %d copies, %v", got.done, got.lost, got.copies, err)
				}
			})
		}
	}
}

func TestReportIsJSON(t *testing.T) {
	p := newPeer(t, peer{})
	rep, err := Run(t.Context(), brief(p.at()))
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(rep)
	if err != nil {
		t.Fatal(err)
	}
	var back map[string]any
	if err := json.Unmarshal(b, &back); err != nil || back["scenario"] != "hit" {
		t.Errorf("%s: %v", b, err)
	}
}

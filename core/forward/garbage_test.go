package forward_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/mesh"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// broken is a frame that no node can accept: random bytes, a valid frame cut short, or one with bits flipped where the MAC or a check of
// the header sees it. FHDR bits 4 to 0 are outside the MAC: with those flipped it would be another valid frame.
func broken(rng *rand.Rand, valid []byte) []byte {
	raw := append([]byte(nil), valid...)
	switch rng.IntN(3) {
	case 0:
		raw = make([]byte, rng.IntN(1400))
		for i := range raw {
			raw[i] = byte(rng.Uint32())
		}
	case 1:
		raw = raw[:rng.IntN(len(raw))]
	default:
		bit := 5 + rng.IntN(3)
		if rng.IntN(4) > 0 {
			bit = 8 + rng.IntN(8*len(raw)-8)
		}
		raw[bit/8] ^= 1 << (bit % 8)
	}
	return raw
}

func (k *kit) anything(rng *rand.Rand) []byte {
	switch rng.IntN(5) {
	case 0:
		return k.content(temp, rng.Uint32N(0xFFFFFE)+1, "21.5")
	case 1:
		return k.announcement("01", 9, 5, 5, 60)
	case 2:
		return k.back(wire.Frame{Name: nm(temp), Seq: 7, Payload: make([]byte, 8)}, wire.ReturnNoRoute)
	case 3:
		return k.interest(temp, wire.SeqSubscribe, 60)
	}
	return k.interest(temp, 0, 2)
}

func TestGarbageIsCountedAndNeverAnswered(t *testing.T) {
	const frames = 20_000
	k := newKit(t, 1)
	n := k.node(1, workers(4), onboarding)
	l := &forward.Listener{Policy: forward.FaceConfig{Clock: true, Publish: name.NewPrefixSet(name.Prefix{})}}
	p := k.peer(n, forward.FaceConfig{Publish: name.NewPrefixSet(name.Prefix{}), Announce: name.NewPrefixSet(name.Prefix{})})
	c := k.call(n, l, 1, 1)
	in := n.Ingress()
	rng := rand.New(rand.NewPCG(1, 2))
	reasons := map[drop.Reason]int{}
	counted := uint64(0)
	for i := range frames {
		raw := broken(rng, k.anything(rng))
		in.Begin(k.m.Now())
		if i%2 == 0 {
			in.Add(p.face.Get(), raw)
		} else if f := in.Unknown(l, c.peer, raw); f != nil {
			t.Fatalf("a face was made for %x", raw)
		}
		in.Run()
		if i%1000 == 0 { // so that the budgets of P-20 are sometimes spent, and sometimes not
			k.m.RunFor(time.Second)
		}
	}
	for why, d := range l.Drops() {
		d += p.drops(drop.Reason(why))
		counted += d
		reasons[drop.Reason(why)] += int(d)
	}
	if counted != frames {
		t.Errorf("%d of %d counted", counted, frames)
	}
	for _, why := range []drop.Reason{
		drop.Short, drop.Long, drop.Version, drop.InterestLength, drop.ReturnLength, drop.AnnouncementLength, drop.ForeignNetwork,
		drop.UnknownKey, drop.BadMAC, drop.MACBudget,
	} {
		if reasons[why] == 0 {
			t.Errorf("none dropped as %s: the test has become too kind", why)
		}
	}
	if len(p.got)+len(c.got) != 0 {
		t.Errorf("answered: %s %s", show(p.got), show(c.got))
	}
	k.m.RunFor(2 * time.Second)
	p.send(k.content(temp, 1, "x"))
	p.send(k.interest(temp, 1, 2))
	if got := p.take(); len(got) != 1 {
		t.Errorf("the node does not work any longer: %s", show(got))
	}
}

// burst reads a fuzzer's bytes as what happens to a node: each step is a way (one byte), a length (one byte) and a frame's bytes.
type burst struct {
	*kit
	n     *forward.Node
	in    *forward.Ingress
	l     *forward.Listener
	faces []*forward.Face
	now   forward.Now
	sent  int
}

// Send implements forward.Link for all faces: every frame that leaves is whole and has a good MAC.
func (b *burst) Send(frames [][]byte) int {
	for _, raw := range frames {
		b.parse(raw)
	}
	b.sent += len(frames)
	return len(frames)
}

func (b *burst) Close() {}

func newBurst(t *testing.T) *burst {
	k := newKit(t, 1)
	opts := []option{workers(2), onboarding, limits(func(l *forward.Limits) {
		l.PIT, l.Subscriptions, l.Producers, l.Proxies, l.Wildcards, l.Announcements, l.Seen, l.Deliveries = 64, 64, 64, 64, 8, 8, 64, 16
		l.OnDemandFaces = 4
	})}
	n, err := forward.New(k.config(1, 1, opts...))
	if err != nil {
		t.Fatal(err)
	}
	b := &burst{kit: k, n: n, in: n.Ingress(), l: &forward.Listener{}, now: forward.Now{Mono: time.Hour, Wall: mesh.Epoch}}
	all := name.NewPrefixSet(name.Prefix{})
	for _, cfg := range []forward.FaceConfig{
		{Publish: all, Proxy: true},
		{Hello: true, Announce: all},
		{Publish: name.NewPrefixSet(prefix("01")), Broadcast: true},
		{AskSome: true, Ask: name.NewPrefixSet(prefix("01")), NetIDOut: true},
	} {
		f, _ := n.AddFace(b.now, cfg, b)
		b.faces = append(b.faces, f)
	}
	n.AddRoute(b.now, 0, prefix("01"), b.faces[1].ID(), 1)
	n.AddRoute(b.now, 0, prefix("0102"), b.faces[3].ID(), 1)
	n.Announce(b.now, 0, prefix("03"), 1, time.Minute)
	return b
}

// drops counts what a face has dropped under reasons below one: before drop.Clock are those that no worker has seen, before drop.FaceDown
// all that came in.
func drops(f *forward.Face, below drop.Reason) (n uint64) {
	c := f.Counters()
	for _, d := range c.Drops[:below] {
		n += d
	}
	return n
}

func (b *burst) step(way byte, raw []byte) {
	b.now.Mono += time.Duration(way>>5) * 300 * time.Millisecond
	b.now.Wall = mesh.Epoch + (b.now.Mono - time.Hour).Milliseconds()
	b.n.Advance(b.now)
	if way&1 == 0 && len(raw) >= wire.MinFrame+wire.NetIDSize { // re-signed, so that it gets deep
		raw[0] &= 0x3F
		if way&2 == 0 {
			raw[0] &= 0x1F
		}
		body := raw[wire.BodyOffset(raw):]
		body[6] &= 0x3F
		_ = b.v.Sign(0, raw)
	}
	b.in.Begin(b.now)
	if way&0x1C == 0x1C {
		before := b.l.Drops()
		f := b.in.Unknown(b.l, forward.Peer{Source: uint64(way), Address: 1, Link: func() forward.Link { return b }}, raw)
		b.in.Run()
		if f == nil && before == b.l.Drops() {
			b.Fatalf("%x from an unknown peer is not counted", raw)
		}
		return
	}
	f := b.faces[way>>2&3]
	before, early, sent := drops(f, drop.FaceDown), drops(f, drop.Clock), b.sent
	b.in.Add(f, raw)
	b.in.Run()
	counted := drops(f, drop.FaceDown) - before
	if counted > 1 || drops(f, drop.Clock) != early && b.sent != sent {
		b.Fatalf("%x: counted %d times, %d frames sent", raw, counted, b.sent-sent)
	}
}

// FuzzIngress: whatever arrives, nothing panics, every frame is processed or counted once under a reason, what does not verify is not
// answered, and in the end the tables are empty.
func FuzzIngress(f *testing.F) {
	k := newKit(f, 1)
	rng := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		var seed []byte
		for range 12 {
			raw := k.anything(rng)
			seed = append(append(seed, byte(rng.Uint32())&^1, byte(len(raw))), raw...)
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		b := newBurst(t)
		for len(in) >= 2 {
			way, n := in[0], min(int(in[1]), len(in)-2)
			b.step(way, append([]byte(nil), in[2:2+n]...))
			in = in[2+n:]
		}
		for range 60 {
			b.now.Mono += 20 * time.Minute
			b.n.Advance(b.now)
		}
		for i := range b.n.Workers() {
			w := b.n.Worker(i)
			if s := w.Stats(); s.PIT+s.PITRecords+s.Wildcards+s.Subscriptions+s.Askers+s.Producers+w.Pacers() != 0 || w.Timers() != 1 {
				t.Fatalf("left: %+v, %d pacers, %d timers", s, w.Pacers(), w.Timers())
			}
		}
	})
}

// Frames of a burst are verified side by side. Nobody can tell: what is counted, sent and stored is what one frame at a time leads to, also
// where forged ones spend the budget in the middle of the burst (P-20).
func TestP20VerifyingTogetherChangesNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	lim := forward.DefaultLimits()
	lim.PeerFailures = 30
	bursts, single := newRigWith(t, func(c *forward.Config) { c.Limits = &lim }), newRigWith(t, func(c *forward.Config) { c.Limits = &lim })
	now, spent := bursts.now(), uint64(0)
	for range 200 {
		now = later(now, 200*time.Millisecond)
		var frames [][]byte
		for range rng.IntN(80) {
			raw := bursts.content(temp, rng.Uint32N(40)+1, "0123456789012345678901234567890123456789"[:rng.IntN(40)])
			if rng.IntN(2) == 0 {
				raw = bursts.interest(temp, rng.Uint32N(40)+1, 2)
			}
			if rng.IntN(8) == 0 {
				raw[rng.IntN(len(raw))] ^= 1 << rng.IntN(8)
			}
			frames = append(frames, raw)
		}
		bursts.burst(now, bursts.sensor, frames)
		for _, raw := range frames {
			single.put(now, single.sensor, raw)
		}
		got, want := bursts.sensor.Counters(), single.sensor.Counters()
		if got != want || bursts.toSensor != single.toSensor {
			t.Fatalf("in bursts: %+v, sent %+v; one by one: %+v, sent %+v", got, bursts.toSensor, want, single.toSensor)
		}
		spent = got.Drops[drop.MACBudget]
	}
	if spent == 0 || bursts.toSensor.frames == 0 {
		t.Errorf("%d dropped beyond the budget, %d sent: the test has become too kind", spent, bursts.toSensor.frames)
	}
}

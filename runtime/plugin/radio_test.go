package plugin

import (
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/mesh"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// meadow is a square of relays on one radio channel, with a consumer in one corner and a producer in the opposite one.
type meadow struct {
	*net
	radio  *mesh.Radio
	relays []*mesh.Station
	user   *mesh.Station
	sensor *mesh.Station
	got    map[uint32]int // contents that reached the consumer, by number
	at     map[uint32]time.Duration
}

// newMeadow makes side × side relays, so many metres apart.
func newMeadow(t *testing.T, seed uint64, side int, spacing float64, s forward.Strategy) *meadow {
	f := &meadow{net: newNet(t, seed), got: map[uint32]int{}, at: map[uint32]time.Duration{}}
	f.radio = f.m.Radio(mesh.SubGHz())
	for i := range side * side {
		shift := func() float64 { return (f.m.Rand().Float64() - 0.5) * spacing / 4 }
		n := f.node(uint32(i+1), s)
		st, _, err := f.radio.Tune(n, float64(i%side)*spacing+shift(), float64(i/side)*spacing+shift(), forward.FaceConfig{MTU: 64, Publish: name.NewPrefixSet(name.MakePrefix(name.Name{9}, 1))})
		if err != nil {
			t.Fatal(err)
		}
		f.relays = append(f.relays, st)
	}
	f.user = f.radio.Station(-spacing/2, -spacing/2)
	end := float64(side-1)*spacing + spacing/2
	f.sensor = f.radio.Station(end, end)
	f.user.Heard = func(raw []byte, _ int16) {
		var c wire.Frame
		if c.Parse(raw) == drop.None && c.Type == wire.Content {
			f.got[c.Seq]++
			if f.got[c.Seq] == 1 {
				f.at[c.Seq] = f.m.Now().Mono
			}
		}
	}
	answered := map[uint32]bool{}
	f.sensor.Heard = func(raw []byte, _ int16) {
		var i wire.Frame
		if i.Parse(raw) == drop.None && i.Type == wire.Interest && !answered[i.Seq] { // a device answers a number once
			answered[i.Seq] = true
			f.sensor.Send(f.frame(wire.Header{Name: i.Name, Seq: i.Seq, Type: wire.Content, TTL: 7}, []byte("21.5")))
		}
	}
	return f
}

// asks lets the consumer ask for numbers, one every two seconds, and gives how many frames the relays sent.
func (f *meadow) asks(n uint32) (repeats uint64) {
	for seq := uint32(1); seq <= n; seq++ {
		a := wire.MakeAsked(f.m.Now().Wall, 2)
		f.user.Send(f.frame(wire.Header{Name: topic, Seq: seq, Type: wire.Interest, TTL: 7}, a[:]))
		f.m.RunFor(2 * time.Second)
	}
	f.m.RunFor(5 * time.Second)
	for _, s := range f.relays {
		repeats += s.Sent
	}
	return repeats
}

// flood is the native strategy to compare with: every relay repeats everything that it hears, once, as soon as the channel lets it.
type flood struct{}

func (flood) Needs(name.Name) forward.Needs { return forward.Needs{Wants: forward.WantContent} }

func (flood) Decide(ev *forward.Event, out []forward.Command) []forward.Command {
	return append(out, forward.Command{Op: forward.Repeat, Delay: time.Duration(ev.Random%5) * time.Millisecond})
}

// A hundred relays, 200 m apart, and a sensor 2.8 km from its reader, where one hop reaches 860 m. The measurement that README and
// RATIONALE quote is this test's log.
func TestWeakSignalDeliversWithFewerRepeatsThanFlooding(t *testing.T) {
	m, _ := manager(t, Options{})
	load(t, m, "weak-signal", builtin(t, "weak-signal"))
	const asks, side, spacing, seeds = 5, 10, 200, 3
	run := func(s forward.Strategy) (got int, repeats, met uint64) {
		for seed := range uint64(seeds) {
			f := newMeadow(t, seed, side, spacing, s)
			repeats += f.asks(asks)
			got += len(f.got)
			met += f.radio.Met
		}
		return got, repeats, met
	}
	got, repeats, met := run(strategyOf(t, m, "weak-signal", 0))
	all, floods, clashes := run(flood{})
	t.Logf("weak-signal: %d of %d came, with %d frames of relays, %d lost where frames met; flooding: %d, %d, %d", got, asks*seeds, repeats, met, all, floods, clashes)
	if got < asks*seeds*9/10 {
		t.Errorf("%d of %d contents came", got, asks*seeds)
	}
	if repeats*5 > floods {
		t.Errorf("%d frames, and flooding %d: want at most a fifth", repeats, floods)
	}
	if st := m.List()[0]; st.Traps+st.Degraded > 0 || st.Calls == 0 {
		t.Errorf("%+v", st)
	}
}

package plugin

import (
	"encoding/binary"
	"testing"

	"github.com/zmesh/zmesh/runtime/engine/wasmtest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// sparer is a sender whose answers are good for further Interests.
func sparer(interests, ms uint16, more ...[]byte) *wasmtest.Guest {
	g := sender(1)
	binary.LittleEndian.PutUint16(g.Output[abi.OutReuse:], interests)
	binary.LittleEndian.PutUint16(g.Output[abi.OutReuseTime:], ms)
	g.Process = wasmtest.Code(wasmtest.Code(more...), wasmtest.Local0)
	return g
}

// An answer that is good for further Interests spares the plugin calls, which is counted. Another version is asked again.
func TestReuse(t *testing.T) {
	m, _ := manager(t, Options{})
	load(t, m, "s", handMade(sparer(9, 500)))
	w := newWays(t, 1, strategyOf(t, m, "s", 0), 0, 5*ms)
	wants := func(calls, reused uint64) {
		t.Helper()
		if st := m.List()[0]; st.Calls != calls || st.Reused != reused || st.Degraded != 0 {
			t.Errorf("%d calls and %d spared, want %d and %d; %d degraded", st.Calls, st.Reused, calls, reused, st.Degraded)
		}
	}
	w.user.asks(20, 10*ms)
	wants(2, 18)
	w.user.asks(5, 100*ms) // the fifth comes 400 ms after the first: all in time
	wants(3, 22)
	w.m.RunFor(ms)
	w.user.asks(1, 200*ms) // and this one a moment too late
	wants(4, 22)
	if err := m.Swap(t.Context(), "s", handMade(sparer(9, 500, []byte{1}))); err != nil { // a nop, so that it is another one
		t.Fatal(err)
	}
	w.user.asks(3, 10*ms)
	wants(5, 24)
	w.user.slowest(w.after(1, w.user.seq))
}

// Much is asked for when the way in use dies, and most of it was decided without asking. It is left as soon as if each Interest had been looked at.
func TestAdaptiveFailsOverUnderLoad(t *testing.T) {
	m, _ := manager(t, Options{})
	load(t, m, "adaptive", builtin(t, "adaptive"))
	const fast, slow = 2 * (5 + 1) * ms, 2 * (20 + 1) * ms // there and back, the producer's link included
	const timeout = fast + 10*ms
	w := newWays(t, 1, strategyOf(t, m, "adaptive", 0), 0, 5*ms, 20*ms)
	w.user.slowest(w.after(w.user.asks(400, ms/4)))
	before := m.List()[0]
	w.take()
	first, _ := w.user.asks(400, ms/4) // 100 ms
	w.links[0].Cut()
	w.user.asks(400, ms/4)
	if worst := w.user.slowest(w.after(first, w.user.seq)); worst > timeout+slow+2*ms {
		t.Errorf("one took %v, want a timeout of %v and the other way's %v", worst, timeout, slow)
	}
	dead := 0
	for seq := first + 400; seq <= w.user.seq; seq++ {
		if w.user.took[seq] > slow+2*ms {
			dead++
		}
	}
	if most := int((timeout + 2*ms) / (ms / 4)); dead > most {
		t.Errorf("%d went the dead way, want those of one timeout, %d", dead, most)
	}
	st := m.List()[0]
	calls, reused := st.Calls-before.Calls, st.Reused-before.Reused
	t.Logf("%d went the dead way; %d calls, %d spared", dead, calls, reused)
	if reused < 400 {
		t.Errorf("%d calls, %d spared", calls, reused)
	}
}

// Probes keep their rate under load, though most Interests are decided without asking.
func TestAdaptiveProbesUnderLoad(t *testing.T) {
	m, _ := manager(t, Options{})
	if err := m.Load(t.Context(), Spec{Name: "adaptive", Source: builtin(t, "adaptive"), Config: map[string]any{"probe_interval": "200ms"}}); err != nil {
		t.Fatal(err)
	}
	w := newWays(t, 1, strategyOf(t, m, "adaptive", 0), 0, 5*ms, 20*ms)
	w.user.slowest(w.after(w.user.asks(400, ms/2)))
	w.take()
	before := m.List()[0]
	w.user.asks(4000, ms/2) // 2 s
	if a := w.take(); a[1] < 9 || a[1] > 10 {
		t.Errorf("%d probes in 2 s, want one each 200 ms", a[1])
	}
	if st := m.List()[0]; st.Reused-before.Reused < 3000 {
		t.Errorf("%d of 4000 spared", st.Reused-before.Reused)
	}
}

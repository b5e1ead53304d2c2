package plugin

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/runtime/engine/wasmtest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// stateAt is where the hand-made guests of this file have their state region.
const stateAt = 4096

// counter is a hand-made strategy that adds to the first word of the route's block, and to the first of the pending Interest's, with
// each event. more runs after that.
func counter(state string, features uint32, more ...[]byte) *wasmtest.Guest {
	add := func(at, n int) []byte { // *at += n
		return wasmtest.Code(wasmtest.Const(at), wasmtest.Const(at), []byte{0x28, 2, 0}, wasmtest.Const(n), []byte{0x6A, 0x36, 2, 0})
	}
	manifest := map[string]any{}
	if state != "" {
		manifest["state"] = state
	}
	return &wasmtest.Guest{
		Manifest: manifest, Region: map[int][2]uint32{abi.ArenaState: {stateAt, abi.ScratchSize}},
		Words:   map[int]uint32{abi.ArenaFeatures: abi.FeatureScratch | features},
		Process: wasmtest.Code(add(stateAt, 1), add(stateAt+abi.ScratchRoute, 100), wasmtest.Code(more...), wasmtest.Local0),
		Output:  wasmtest.Item(abi.StatusOK, 0),
	}
}

// kept is an event with blocks, as a worker keeps them.
func kept() *forward.Event {
	ev := twoHops()
	ev.Route, ev.Pending = &forward.RouteScratch{Owner: 1}, &forward.PendingScratch{Owner: 1}
	return ev
}

func counts(ev *forward.Event) (route, pending uint32) {
	return binary.LittleEndian.Uint32(ev.Route.Bytes[:]), binary.LittleEndian.Uint32(ev.Pending.Bytes[:])
}

func wantCounts(t *testing.T, ev *forward.Event, route, pending uint32) {
	t.Helper()
	if r, p := counts(ev); r != route || p != pending {
		t.Errorf("the blocks have %d and %d, want %d and %d", r, p, route, pending)
	}
}

// What a strategy has learned outlives the version, if the next one has the same schema; otherwise it begins anew, unless it says that it
// can read it. So in every worker.
func TestWhatWasLearnedSurvivesASwap(t *testing.T) {
	m, _ := manager(t, Options{Workers: 2})
	load(t, m, "s", handMade(counter("counter/1", 0)))
	swap := func(g *wasmtest.Guest) {
		if err := m.Swap(t.Context(), "s", handMade(g)); err != nil {
			t.Fatal(err)
		}
	}
	workers := [2]forward.Strategy{strategyOf(t, m, "s", 0), strategyOf(t, m, "s", 1)}
	evs := [2]*forward.Event{kept(), kept()}
	decide := func() {
		for k, s := range workers {
			s.Decide(evs[k], nil)
		}
	}
	for range 3 {
		decide()
	}
	wantCounts(t, evs[0], 3, 300)
	swap(counter("counter/1", 0, []byte{0x01})) // another module, with a nop
	decide()
	for _, ev := range evs {
		wantCounts(t, ev, 4, 400)
	}
	swap(counter("counter/2", 0))
	decide()
	for _, ev := range evs {
		wantCounts(t, ev, 1, 100)
	}
	decide()
	wantCounts(t, evs[1], 2, 200)
	swap(counter("counter/3", abi.FeatureMigrate)) // it converts by adding 1 or 100, as it does with everything
	decide()
	for _, ev := range evs {
		wantCounts(t, ev, 4, 400)
	}
	if st := m.List()[0]; st.Traps+st.Degraded > 0 {
		t.Errorf("%+v", st)
	}
}

// Without a schema in the manifest nothing says that another version could read it.
func TestBlocksWithoutASchemaAreTheVersionsOwn(t *testing.T) {
	m, _ := manager(t, Options{})
	load(t, m, "s", handMade(counter("", 0)))
	ev, s := kept(), strategyOf(t, m, "s", 0)
	s.Decide(ev, nil)
	s.Decide(ev, nil)
	wantCounts(t, ev, 2, 200)
	if err := m.Swap(t.Context(), "s", handMade(counter("", 0, []byte{0x01}))); err != nil {
		t.Fatal(err)
	}
	s.Decide(ev, nil)
	wantCounts(t, ev, 1, 100)
}

// A block that a version says it cannot convert is cleared.
func TestMigrationThatFailsClears(t *testing.T) {
	m, _ := manager(t, Options{})
	load(t, m, "s", handMade(counter("counter/1", 0)))
	ev, s := kept(), strategyOf(t, m, "s", 0)
	s.Decide(ev, nil)
	g := counter("counter/2", abi.FeatureMigrate)
	// The item's kind, as the first two bytes of the output's status: MigrateState is not StatusOK, an Interest is.
	g.Process = wasmtest.Code(wasmtest.Const(wasmtest.OutputAt+abi.OutStatus), wasmtest.Const(wasmtest.InputAt+abi.ItemKind), []byte{0x2F, 1, 0},
		wasmtest.Const(5), []byte{0x76}, // >> 5: 1 for MigrateState, 0 for events
		[]byte{0x3B, 1, 0}, g.Process)
	if err := m.Swap(t.Context(), "s", handMade(g)); err != nil {
		t.Fatal(err)
	}
	s.Decide(ev, nil)
	wantCounts(t, ev, 1, 100)
}

// A trap, and output that cannot be, leave the blocks as they were before that event.
func TestATrapLeavesTheBlocksAsTheyWere(t *testing.T) {
	for name, wrong := range map[string][]byte{
		"trap":           wasmtest.Unreachable,
		"no answer":      wasmtest.Write(wasmtest.OutputAt+abi.OutStatus, abi.StatusFailed),
		"unknown op":     wasmtest.Write(wasmtest.OutputAt, 40, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 99),
		"negative delay": wasmtest.Write(wasmtest.OutputAt, 40, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, abi.SetTimer, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80),
	} {
		t.Run(name, func(t *testing.T) {
			m, _ := manager(t, Options{})
			load(t, m, "s", handMade(counter("counter/1", 0, wasmtest.From(4, wrong)))) // the first call is the host's trial
			ev, s := kept(), strategyOf(t, m, "s", 0)
			for range 3 {
				s.Decide(ev, nil)
			}
			wantCounts(t, ev, 2, 200)
			if st := m.List()[0]; st.Degraded != 1 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// A worker asks a strategy only for what it has said it wants, and the region must be there.
func TestNeeds(t *testing.T) {
	m, _ := manager(t, Options{})
	load(t, m, "a", handMade(counter("a/1", abi.FeatureContent|abi.FeatureMigrate)))
	load(t, m, "b", handMade(sender(3)))
	a, b := strategyOf(t, m, "a", 0).Needs(twoHops().Name), strategyOf(t, m, "b", 0).Needs(twoHops().Name)
	if a.Wants != forward.WantContent|forward.WantScratch || b.Wants != 0 || a.Owner == 0 || a.Owner == b.Owner {
		t.Errorf("%+v, %+v", a, b)
	}
	g := counter("a/1", 0)
	g.Region[abi.ArenaState] = [2]uint32{stateAt, abi.ScratchSize - 8}
	if err := m.Load(t.Context(), Spec{Name: "c", Source: handMade(g)}); err == nil || !strings.Contains(err.Error(), "the state region has 152 bytes, want at least 160") {
		t.Error(err)
	}
	for name, want := range map[string]forward.Wants{ // besides WantTogether, which all of the Go SDK can
		"best-route": 0, "multicast": 0, "adaptive": forward.WantMeasures | forward.WantScratch,
		"self-learning": forward.WantContent | forward.WantMeasures | forward.WantScratch, "weak-signal": forward.WantContent,
	} {
		m, _ := manager(t, Options{Interpret: true})
		load(t, m, "x", builtin(t, name))
		if got := strategyOf(t, m, "x", 0).Needs(twoHops().Name).Wants; got != want|forward.WantTogether {
			t.Errorf("%s wants %b, not %b", name, got, want)
		}
	}
}

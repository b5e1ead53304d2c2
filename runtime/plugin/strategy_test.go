package plugin

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
	"github.com/zmesh/zmesh/runtime/engine/wasmtest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// drawEvent draws any event that a worker could make, and some that it could not.
func drawEvent(t *rapid.T) *forward.Event {
	ev := &forward.Event{
		Kind:   forward.EventKind(rapid.IntRange(0, int(forward.Renew)).Draw(t, "kind")),
		Now:    time.Duration(rapid.Int64Min(0).Draw(t, "now")),
		Name:   name.FromUint48(rapid.Uint64().Draw(t, "name")),
		Seq:    rapid.Uint32Range(0, wire.SeqSubscribe).Draw(t, "seq"),
		InFace: forward.FaceID(rapid.Uint32().Draw(t, "in-face")),
		TTL:    uint8(rapid.IntRange(0, 7).Draw(t, "ttl")),
		Reason: wire.ReturnReason(rapid.IntRange(0, 6).Draw(t, "reason")),
		More:   rapid.IntRange(0, 100).Draw(t, "more"),
	}
	for range rapid.IntRange(0, forward.MaxHops).Draw(t, "hops") {
		ev.Hops = append(ev.Hops, forward.NextHop{
			Face: forward.FaceID(rapid.Uint32().Draw(t, "face")), Cost: rapid.Uint16().Draw(t, "cost"),
			State: forward.HopState(rapid.IntRange(0, 15).Draw(t, "state")),
		})
	}
	return ev
}

// The plugin best-route is the example and the core's is the fallback: nobody may be able to tell them apart.
func TestBestRouteDecidesLikeTheCore(t *testing.T) {
	m, _ := manager(t, Options{})
	load(t, m, "best-route", builtin(t, "best-route"))
	s := strategyOf(t, m, "best-route", 0)
	if _, ok := s.(*StrategyHolder); !ok {
		t.Fatalf("a %T decides", s)
	}
	rapid.Check(t, func(t *rapid.T) {
		ev := drawEvent(t)
		want := forward.BestRoute{}.Decide(ev, nil)
		if got := s.Decide(ev, nil); !slices.Equal(got, want) {
			t.Fatalf("%+v: %+v, want %+v", ev, got, want)
		}
	})
	if st := m.List()[0]; st.Degraded > 0 || st.Traps > 0 || st.Calls == 0 {
		t.Errorf("%+v", st)
	}
}

func TestMulticastIsConfigured(t *testing.T) {
	m, _ := manager(t, Options{Interpret: true})
	src := builtin(t, "multicast")
	load(t, m, "all", src)
	for name, config := range map[string]map[string]any{"two": {"faces": int64(2)}, "json": {"faces": 2.0}} {
		if err := m.Load(t.Context(), Spec{Name: name, Source: src, Config: config}); err != nil {
			t.Fatal(err)
		}
		if got := strategyOf(t, m, name, 0).Decide(twoHops(), nil); len(got) != 1 || got[0].Op != forward.SendFirst || got[0].N != 2 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := strategyOf(t, m, "all", 0).Decide(twoHops(), nil); len(got) != 1 || got[0].Op != forward.SendAll {
		t.Errorf("all: %+v", got)
	}
	err := m.Load(t.Context(), Spec{Name: "wrong", Source: src, Config: map[string]any{"faces": int64(300), "speed": "high"}})
	if err == nil || !strings.Contains(err.Error(), "300 is more than 255") || !strings.Contains(err.Error(), "config key speed: the plugin has no such setting; it has faces") {
		t.Errorf("%v", err)
	}
}

func TestDecideDoesNotAllocate(t *testing.T) {
	m, _ := manager(t, Options{})
	for _, name := range []string{"best-route", "adaptive"} {
		load(t, m, name, builtin(t, name))
		s, err := m.Strategy(name, 0)
		if err != nil {
			t.Fatal(err)
		}
		ev, out := busy(), make([]forward.Command, 0, 4)
		settle(m)
		if n := testing.AllocsPerRun(100, func() { out = s.Decide(ev, out[:0]) }); n != 0 {
			t.Errorf("%v allocations a decision of %s", n, name)
		}
	}
}

func TestTrapDegradesAndIsReplaced(t *testing.T) {
	m, journal := manager(t, Options{})
	g := sender(3)
	g.Process = wasmtest.Code(wasmtest.From(3, wasmtest.Unreachable), wasmtest.Local0) // the first call is the host's trial
	load(t, m, "s", handMade(g))
	s := strategyOf(t, m, "s", 0)
	ev := twoHops()
	decide := func() forward.FaceID { ev.Seq++; return s.Decide(ev, nil)[0].Face }
	if f := decide(); f != 3 {
		t.Errorf("before the trap it sends to %d", f)
	}
	for range 3 { // each instance after the first has two good calls
		for decide() == 3 {
		}
		if e := await(t, journal, "replaced"); e.Plugin != "s" {
			t.Errorf("%+v", e)
		}
		if f := decide(); f != 3 {
			t.Errorf("after the trap it sends to %d", f)
		}
	}
	st := m.List()[0]
	if st.Traps != 3 || st.Degraded != 3 || st.Instances != 1 || st.LastTrap == nil || !strings.Contains(st.LastTrap.Why, "unreachable") || len(st.LastTrap.Input) < 2*abi.EventFixed {
		t.Errorf("%+v, last %+v", st, st.LastTrap)
	}
}

// Whatever a strategy writes, the event is decided, and what wrote nonsense is replaced.
func TestHostileStrategies(t *testing.T) {
	at := wasmtest.OutputAt
	for name, write := range map[string][]byte{
		"no size":          wasmtest.Write(at, 0, 0, 0, 0),
		"size below head":  wasmtest.Write(at, 8, 0, 0, 0),
		"crooked size":     wasmtest.Write(at, 41, 0, 0, 0),
		"huge size":        wasmtest.Write(at, 0xF8, 0xFF, 0xFF, 0xFF),
		"unknown status":   wasmtest.Write(at+abi.OutStatus, 9, 9),
		"five commands":    wasmtest.Write(at+abi.OutCount, 5),
		"65535 commands":   wasmtest.Write(at+abi.OutCount, 0xFF, 0xFF),
		"two in one":       wasmtest.Write(at+abi.OutCount, 2),
		"unknown op":       wasmtest.Write(at+abi.OutHead, 99),
		"first none":       wasmtest.Write(at+abi.OutHead, abi.SendFirst, 0),
		"return no reason": wasmtest.Write(at+abi.OutHead, abi.SendReturn, 0, 0),
		"return a hello":   wasmtest.Write(at+abi.OutHead, abi.SendReturn, 0, 7),
	} {
		t.Run(name, func(t *testing.T) {
			m, journal := manager(t, Options{})
			g := sender(3)
			g.Process = wasmtest.Code(wasmtest.From(2, write), wasmtest.Local0)
			load(t, m, "s", handMade(g))
			if got := strategyOf(t, m, "s", 0).Decide(twoHops(), nil); len(got) != 1 || got[0] != (forward.Command{Face: 2}) {
				t.Errorf("%+v, want best-route's", got)
			}
			await(t, journal, "trapped")
			await(t, journal, "replaced")
		})
	}
}

func TestStrategyWithoutAnAnswerIsKept(t *testing.T) {
	m, _ := manager(t, Options{})
	g := sender(3)
	g.Process = wasmtest.Code(wasmtest.From(2, wasmtest.Write(wasmtest.OutputAt+abi.OutStatus, abi.StatusFailed)), wasmtest.Local0)
	load(t, m, "s", handMade(g))
	if got := strategyOf(t, m, "s", 0).Decide(twoHops(), nil); got[0].Face != 2 {
		t.Errorf("%+v, want best-route's", got)
	}
	if st := m.List()[0]; st.Degraded != 1 || st.Traps != 0 || st.Instances != 1 {
		t.Errorf("%+v", st)
	}
}

func TestAppendedFieldsAreSteppedOver(t *testing.T) {
	long := make([]byte, 48) // two commands of 24 bytes
	long[abi.CommandFace], long[24+abi.CommandFace], long[20], long[44] = 2, 3, 1, 1
	m, _ := manager(t, Options{})
	load(t, m, "s", handMade(&wasmtest.Guest{Output: wasmtest.Item(abi.StatusOK, 2, long...)}))
	want := []forward.Command{{Face: 2}, {Face: 3}}
	if got := strategyOf(t, m, "s", 0).Decide(twoHops(), nil); !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestNamesOfStrategies(t *testing.T) {
	m, _ := manager(t, Options{Workers: 2})
	if s, err := m.Strategy(BestRoute, 1); err != nil || s != (forward.BestRoute{}) {
		t.Errorf("%v, %v: want the core's own", s, err)
	}
	if _, err := m.Strategy("other", 0); err == nil || !strings.Contains(err.Error(), `"other": there is no plugin`) {
		t.Error(err)
	}
	if _, err := m.Strategy(BestRoute, 2); err == nil {
		t.Error("a third of two workers")
	}
	load(t, m, "d", handMade(decoderGuest(wasmtest.Item(abi.StatusOK, 0))))
	if _, err := m.Strategy("d", 0); err == nil || !strings.Contains(err.Error(), "it is a decoder") {
		t.Error(err)
	}
}

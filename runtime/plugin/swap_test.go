package plugin

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/runtime/engine/wasmtest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// deciding runs a goroutine for each worker that decides without a pause, until stop. It gives how many decisions each face got.
func deciding(t *testing.T, m *Manager, name string, workers int) (stop func() map[forward.FaceID]uint64) {
	var quit atomic.Bool
	var wg sync.WaitGroup
	var begun sync.WaitGroup
	counts := make([]map[forward.FaceID]uint64, workers)
	for w := range workers {
		s := strategyOf(t, m, name, w)
		counts[w] = map[forward.FaceID]uint64{}
		begun.Add(1)
		wg.Go(func() {
			ev, out := twoHops(), make([]forward.Command, 0, 4)
			for first := true; first || !quit.Load(); {
				out = s.Decide(ev, out[:0])
				if len(out) != 1 {
					t.Errorf("%d commands", len(out))
					return
				}
				counts[w][out[0].Face]++
				if first {
					begun.Done()
					first = false
				}
			}
		})
	}
	begun.Wait()
	return func() map[forward.FaceID]uint64 {
		quit.Store(true)
		wg.Wait()
		all := map[forward.FaceID]uint64{}
		for _, c := range counts {
			for f, n := range c {
				all[f] += n
			}
		}
		return all
	}
}

// While workers decide without a pause, versions take turns. Every decision is one of theirs: none is best-route's, so none met a
// closed instance or an empty holder.
func TestSwapWhileWorkersDecide(t *testing.T) {
	const workers, swaps = 3, 60
	m, _ := manager(t, Options{Workers: workers})
	versions := []Source{handMade(sender(10)), handMade(sender(11))}
	load(t, m, "s", versions[0])
	stop := deciding(t, m, "s", workers)
	for k := range swaps {
		if err := m.Swap(t.Context(), "s", versions[(k+1)%2]); err != nil {
			t.Fatal(err)
		}
	}
	counts := stop()
	st := m.List()[0]
	if len(counts) != 2 || counts[10]+counts[11] != st.Calls {
		t.Errorf("decisions by face %v, %d calls", counts, st.Calls)
	}
	if st.Degraded != 0 || st.Traps != 0 || st.Swaps != swaps || st.Instances != workers {
		t.Errorf("%+v", st)
	}
}

// Versions that trap all the time, swapped all the time: nothing hangs, every event is decided, and what is left works.
func TestSwapWhileInstancesTrap(t *testing.T) {
	const workers = 3
	m, _ := manager(t, Options{Workers: workers})
	bad := sender(10)
	bad.Process = wasmtest.Code(wasmtest.From(3, wasmtest.Unreachable), wasmtest.Local0)
	load(t, m, "s", handMade(bad))
	stop := deciding(t, m, "s", workers)
	for range 30 {
		if err := m.Swap(t.Context(), "s", handMade(bad)); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Swap(t.Context(), "s", handMade(sender(11))); err != nil {
		t.Fatal(err)
	}
	counts := stop()
	for f := range counts {
		if f != 10 && f != 11 && f != 2 { // 2 is best-route's
			t.Errorf("decisions by face %v", counts)
		}
	}
	for w := range workers {
		if got := strategyOf(t, m, "s", w).Decide(twoHops(), nil); got[0].Face != 11 {
			t.Errorf("worker %d: %+v after the last swap", w, got)
		}
	}
	if st := m.List()[0]; st.Instances != workers {
		t.Errorf("%+v", st)
	}
}

func TestRefusedSwapChangesNothing(t *testing.T) {
	m, _ := manager(t, Options{})
	load(t, m, "s", handMade(sender(10)))
	before := m.List()[0].Digest
	for what, src := range map[string]Source{
		"trap at the first event":    handMade(&wasmtest.Guest{Process: wasmtest.Unreachable}),
		"is a decoder":               handMade(decoderGuest(wasmtest.Item(abi.StatusOK, 0))),
		"is a driver":                handMade(&wasmtest.Guest{Manifest: map[string]any{"kind": "driver"}}),
		"not a WebAssembly module":   {Bytes: []byte("hello")},
		"exactly one of them":        {},
		"no such file":               {Path: "nothing/here.wasm"},
		"not in this binary":         {Builtin: "nothing"},
		"runs on as it was":          handMade(&wasmtest.Guest{Sections: -1}),
		"it gives the plugin's name": {Path: "."},
	} {
		err := m.Swap(t.Context(), "s", src)
		if err == nil || !strings.Contains(err.Error(), `"s", which runs on as it was`) {
			t.Errorf("%s: %v", what, err)
		}
	}
	st := m.List()[0]
	if st.Digest != before || st.State != StateRunning || st.Swaps != 0 || strategyOf(t, m, "s", 0).Decide(twoHops(), nil)[0].Face != 10 {
		t.Errorf("%+v", st)
	}
	if err := m.Swap(t.Context(), "other", Source{}); err == nil || !strings.Contains(err.Error(), "no plugin of that name") {
		t.Error(err)
	}
}

func TestUnloadedStrategyIsBestRoute(t *testing.T) {
	m, _ := manager(t, Options{})
	load(t, m, "s", handMade(sender(10)))
	s := strategyOf(t, m, "s", 0)
	if err := m.Unload(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	if got := s.Decide(twoHops(), nil); got[0].Face != 2 || len(m.List()) != 0 {
		t.Errorf("%+v, %v", got, m.List())
	}
	if err := m.Unload(t.Context(), "s"); err == nil {
		t.Error("unloaded twice")
	}
	load(t, m, "s", handMade(sender(11)))
	if got := s.Decide(twoHops(), nil); got[0].Face != 11 {
		t.Errorf("%+v: the worker's strategy stays the same", got)
	}
	if err := m.Load(t.Context(), Spec{Name: "s", Source: handMade(sender(12))}); err == nil || !strings.Contains(err.Error(), "already") {
		t.Error(err)
	}
}

func TestJournalTellsTheStory(t *testing.T) {
	m, _ := manager(t, Options{})
	load(t, m, "s", handMade(sender(10)))
	if err := m.Swap(t.Context(), "s", handMade(sender(11))); err != nil {
		t.Fatal(err)
	}
	if err := m.Load(t.Context(), Spec{Name: "bad", Source: Source{Bytes: []byte("x")}}); err == nil {
		t.Error("it loaded")
	}
	if err := m.Unload(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	var story []string
	list := m.Journal()
	for _, e := range list {
		story = append(story, e.Plugin+" "+e.What)
	}
	if got := strings.Join(story, ", "); got != "s loaded, s swapped, bad refused, s unloaded" {
		t.Error(got)
	}
	if list[1].From != list[0].Digest || list[1].Digest != list[3].Digest || list[1].Time.IsZero() {
		t.Errorf("%+v", list)
	}
}

func TestClosedManagerLoadsNothing(t *testing.T) {
	m, err := NewManager(Options{})
	if err != nil {
		t.Fatal(err)
	}
	load(t, m, "s", handMade(sender(10)))
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := m.Load(context.Background(), Spec{Name: "t", Source: handMade(sender(1))}); err == nil {
		t.Error("it loaded")
	}
}

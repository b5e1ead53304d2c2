package plugin

import (
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/runtime/plugin/build"
)

// garbage gives a Manager with the strategy s, a Go guest that makes some hundred bytes of garbage with each decision.
func garbage(t *testing.T) *Manager {
	t.Helper()
	file, err := build.To(t.Context(), "testdata/garbage", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m, _ := manager(t, Options{})
	if err := m.Load(t.Context(), Spec{Name: "s", Source: Source{Path: file}, Grants: []string{"metrics", "state"}}); err != nil {
		t.Fatal(err)
	}
	return m
}

// What a guest was called before anybody first looked after it counts: it ran out of fuel after 18,000 calls without its idle hook.
func TestGarbageCountsFromTheFirstCall(t *testing.T) {
	m := garbage(t)
	s, ev, out := strategyOf(t, m, "s", 0), twoHops(), make([]forward.Command, 0, 4)
	p := m.all()[0]
	p.mu.Lock() // as for a step of its life: the Manager tends it later
	for range mostCalls - 4096 {
		out = s.Decide(ev, out[:0])
	}
	p.live.Load().crew.tend(t.Context(), time.Now())
	for range mostCalls - 1 {
		out = s.Decide(ev, out[:0])
	}
	p.mu.Unlock()
	if st := m.List()[0]; st.Traps != 0 || st.Degraded != 0 {
		t.Errorf("%d traps: %+v", st.Traps, st.LastTrap)
	}
}

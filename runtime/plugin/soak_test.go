package plugin

import (
	"os"
	"runtime"
	"strconv"
	"testing"

	"github.com/zmesh/zmesh/core/forward"
)

// fraction is what a long test does of its full length; without ZMESH_SOAK it skips.
func fraction(t *testing.T) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(os.Getenv("ZMESH_SOAK"), 64)
	if err != nil {
		t.Skip("ZMESH_SOAK is not set: make soak runs this")
	}
	return f
}

// heap is what this process has in use, instances among it.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

// TestSoakGarbage is ten million decisions of a Go guest that makes garbage with each: its memory stays, and none of them runs out of
// fuel, since the idle hook collects the garbage.
func TestSoakGarbage(t *testing.T) {
	n := int(10_000_000 * fraction(t))
	m := garbage(t)
	s, ev, out := strategyOf(t, m, "s", 0), twoHops(), make([]forward.Command, 0, 4)
	memory := func() uint64 { return m.strategies("s")[0].current.Load().instance.Memory() }
	decide := func(n int) {
		for range n {
			ev.Seq++
			out = s.Decide(ev, out[:0])
		}
	}
	decide(n / 10)
	before, inUse := memory(), heap()
	decide(n - n/10)
	after, now := memory(), heap()
	t.Logf("%d decisions; the instance has %d KiB after a tenth and %d at the end, the process %d and %d", n, before>>10, after>>10, inUse>>10, now>>10)
	if after > before+4<<20 || now > inUse+8<<20 { // one step of Go's heap, as the machine goes
		t.Error("the memory grows")
	}
	if st := m.List()[0]; st.Traps != 0 || st.Degraded != 0 || st.Calls != uint64(n) {
		t.Errorf("%+v, %+v", st, st.LastTrap)
	}
	if list := m.Series()["s"]; len(list) != 1 || list[0].Value != float64(n) {
		t.Errorf("%+v, want %d decisions", list, n)
	}
}

// TestSoakSwaps swaps a strategy a thousand times while two workers decide without a pause: nothing is decided by anybody else, and what was there before is really gone.
func TestSoakSwaps(t *testing.T) {
	swaps := max(int(1000*fraction(t)), 10)
	m, _ := manager(t, Options{Workers: 2})
	versions := []Source{handMade(sender(10)), handMade(sender(11))}
	load(t, m, "s", versions[0])
	stop := deciding(t, m, "s", 2)
	swap := func(n int) {
		for k := range n {
			if err := m.Swap(t.Context(), "s", versions[(k+1)%2]); err != nil {
				t.Fatal(err)
			}
		}
	}
	swap(swaps / 10 * 2)
	before := heap()
	swap(swaps - swaps/10*2)
	after := heap()
	counts := stop()
	t.Logf("%d swaps under %d decisions; in use %d KiB after a fifth of them and %d at the end", swaps, counts[10]+counts[11], before>>10, after>>10)
	if st := m.List()[0]; st.Degraded != 0 || st.Traps != 0 || counts[10]+counts[11] != st.Calls {
		t.Errorf("%+v, decisions by face %v", st, counts)
	}
	if after > before+8<<20 {
		t.Error("what was swapped out is not freed")
	}
}

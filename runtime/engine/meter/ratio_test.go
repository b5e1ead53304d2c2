package meter_test

import (
	"encoding/binary"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// fromC builds testdata/decision.c.
func fromC(tb testing.TB) []byte {
	tb.Helper()
	for _, tool := range []string{"clang", "wasm-ld"} {
		if _, err := exec.LookPath(tool); err != nil {
			tb.Skipf("no %s on this machine: install clang and lld to test a guest in C", tool)
		}
	}
	file := filepath.Join(tb.TempDir(), "decision.wasm")
	out, err := exec.Command("clang", "--target=wasm32", "-O2", "-Wall", "-Werror", "-ffreestanding", "-nostdlib", "-Wl,--no-entry",
		"-o", file, "testdata/decision.c").CombinedOutput()
	if err != nil {
		tb.Fatalf("clang: %v\n%s", err, out)
	}
	code, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	return code
}

// together is how many decisions are handed over at a time: a Go guest has blocks for so many.
const together = 8

// weighed writes an event with eight measured next hops, faces 1 to 8; those in tried were asked. Of all the fifth is the best, then the sixth.
func weighed(in []byte, tried ...int) {
	le := binary.LittleEndian
	clear(in[:eventSize])
	le.PutUint32(in[abi.ItemSize:], eventSize)
	le.PutUint16(in[abi.ItemFixed:], abi.EventFixed)
	le.PutUint64(in[abi.EventTime:], uint64(time.Second))
	le.PutUint16(in[abi.EventHopSize:], abi.HopSize)
	le.PutUint16(in[abi.EventHopCount:], 8)
	le.PutUint32(in[abi.EventInFace:], 9)
	in[abi.EventFacts] = abi.FactRoute
	for k, rtt := range []uint32{31000, 42000, 28000, 55000, 19000, 23000, 61000, 37000} {
		h := in[abi.EventFixed+k*abi.HopSize:]
		le.PutUint32(h[abi.HopFace:], uint32(k+1))
		le.PutUint16(h[abi.HopCost:], uint16(16*(k+1)))
		le.PutUint16(h[abi.HopState:], abi.HopMeasured)
		le.PutUint32(h[abi.HopRTT:], rtt)
		le.PutUint32(h[abi.HopVar:], rtt/8)
		le.PutUint16(h[abi.HopLoss:], uint16(800*k))
		le.PutUint16(h[abi.HopQueue:], abi.QueueUnknown)
	}
	for _, k := range tried {
		le.PutUint16(in[abi.EventFixed+(k-1)*abi.HopSize+abi.HopState:], abi.HopMeasured|abi.HopTried)
	}
}

// strategy makes an instance.
func strategy(tb testing.TB, code []byte, unmetered bool) *engine.Instance {
	tb.Helper()
	m, err := engine.Load(tb.Context(), code, engine.Options{Unmetered: unmetered, MinInput: abi.StrategyInput, MinOutput: abi.StrategyOutput})
	if err != nil {
		tb.Fatal(err)
	}
	i, err := m.Instantiate(tb.Context(), nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { i.Close(); m.Close() })
	if len(i.Input()) < together*eventSize || len(i.State()) < together*abi.ScratchSize {
		tb.Fatalf("%d bytes of input and %d of state have no room for %d decisions", len(i.Input()), len(i.State()), together)
	}
	return i
}

// A guest in C keeps the contract: it is loaded as a plugin is, decides for two events of a batch, and its blocks stand in the state region.
func TestDecisionInC(t *testing.T) {
	i := strategy(t, fromC(t), false)
	le := binary.LittleEndian
	for round := uint32(1); round <= 2; round++ {
		weighed(i.Input())
		weighed(i.Input()[eventSize:], 5)
		out, err := i.Call(2)
		if err != nil {
			t.Fatal(err)
		}
		for k, want := range []struct{ face, timer uint32 }{{5, 38_500_000}, {6, 44_500_000}} {
			var item []byte
			var ok bool
			if item, out, ok = engine.NextItem(out); !ok || len(item) != abi.OutHead+2*abi.CommandSize || le.Uint16(item[abi.OutCount:]) != 2 {
				t.Fatalf("item %d is %x", k, item)
			}
			send, timer := item[abi.OutHead:], item[abi.OutHead+abi.CommandSize:]
			if send[abi.CommandOp] != abi.SendTo || le.Uint32(send[abi.CommandFace:]) != want.face ||
				timer[abi.CommandOp] != abi.SetTimer || le.Uint64(timer[abi.CommandDelay:]) != uint64(want.timer) {
				t.Errorf("item %d: %x, want face %d and %d ns", k, item, want.face, want.timer)
			}
			block := i.State()[k*abi.ScratchSize:]
			if used, decisions := le.Uint32(block), le.Uint32(block[4:]); used != want.face || decisions != round {
				t.Errorf("block %d: face %d after %d decisions, want %d after %d", k, used, decisions, want.face, round)
			}
			if tried := le.Uint32(i.State()[abi.ScratchSize+16+4*5:]); tried != 0 {
				t.Errorf("face 5 was weighed where it had been tried: %d", tried)
			}
		}
		if i.Spent() < 100 {
			t.Errorf("%d units for two decisions", i.Spent())
		}
	}
}

// deciding gives a function that makes n decisions.
func deciding(tb testing.TB, code []byte, unmetered bool) func(n int) {
	i := strategy(tb, code, unmetered)
	for k := range together {
		weighed(i.Input()[k*eventSize:])
	}
	return func(n int) {
		for range n / together {
			if _, err := i.Call(together); err != nil {
				tb.Fatal(err)
			}
		}
	}
}

// measured are the guests with a realistic decision, and how many times as long it may take metered.
var measured = []struct {
	name string
	code func(testing.TB) []byte
	most float64
}{
	{"C", fromC, 1.4},
	{"Go", func(tb testing.TB) []byte { return plugin(tb, "adaptive") }, 1.6},
}

// BenchmarkMetering is a realistic decision: eight next hops by what was measured of them, the route's block read and written.
func BenchmarkMetering(b *testing.B) {
	for _, g := range measured {
		b.Run(g.name, func(b *testing.B) {
			code := g.code(b)
			compare(b, deciding(b, code, true), deciding(b, code, false))
		})
	}
}

// What metering costs of a realistic decision is bounded: the fastest of many rounds, metered and not in turn.
func TestMeteringRatio(t *testing.T) {
	if underRace {
		t.Skip("it measures time, which -race takes itself: make test runs it without")
	}
	for _, g := range measured {
		t.Run(g.name, func(t *testing.T) {
			code := g.code(t)
			const rounds, calls = 400, 800
			fastest := [2]time.Duration{math.MaxInt64, math.MaxInt64}
			runs := [2]func(int){deciding(t, code, true), deciding(t, code, false)}
			for range rounds {
				for k, run := range runs {
					start := time.Now()
					run(calls)
					fastest[k] = min(fastest[k], time.Since(start))
				}
			}
			ratio := float64(fastest[1]) / float64(fastest[0])
			t.Logf("%v plain, %v metered: %.2f times", fastest[0]/calls, fastest[1]/calls, ratio)
			if ratio > g.most {
				t.Errorf("a decision takes %.2f times as long metered, want at most %.1f", ratio, g.most)
			}
		})
	}
}

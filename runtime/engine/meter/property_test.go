package meter_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/zmesh/zmesh/runtime/engine/meter"
)

// outcome is what a call leaves behind.
type outcome struct {
	result  uint64
	trapped bool
	globals [2]uint64
	memory  []byte
}

func (o outcome) same(p outcome) bool {
	return o.trapped == p.trapped && (o.trapped || o.result == p.result) && o.globals == p.globals && bytes.Equal(o.memory, p.memory)
}

func (o outcome) String() string {
	return fmt.Sprintf("result %#x, trapped %v, globals %#x, %d bytes", o.result, o.trapped, o.globals, len(o.memory))
}

// in runs f0 in an instance.
func (g guest) outcome(arg uint64) (o outcome) {
	r, err := g.call("f0", arg)
	o.trapped = err != nil
	if err == nil {
		o.result = uint64(uint32(r[0]))
	}
	for k := range o.globals {
		o.globals[k] = g.ExportedGlobal(fmt.Sprint("g", k)).Get()
	}
	o.memory, _ = g.Memory().Read(0, g.Memory().Size())
	return o
}

// Random programs do the same with and without the countdown, charge at least one unit for each instruction that is executed and
// what bulk operations move, and charge the same, given at once or in slices. What does not end is stopped.
func TestRandomPrograms(t *testing.T) {
	const budget = 1 << 40
	ended, stopped, loose := 0, 0, 0.0
	for seed := range uint64(rounds()) {
		p := randomProgram(seed)
		raw := p.bytes()
		m, err := meter.Parse(raw, meter.Limits{})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if !bytes.Equal(m.Bytes(), raw) {
			t.Fatalf("seed %d: it does not come back as it was", seed)
		}
		counted := meterIt(t, raw)
		e := newEvaluator(p, 200_000)
		r, err := e.call(1, []uint64{seed % 7})
		if errors.Is(err, errSteps) {
			g := run(t, counted)
			g.fill(1_000_000)
			if g.call("f0", seed%7); g.fuel() >= 0 {
				if !runsLong(p, seed%7, 1_000_000) {
					continue
				}
				t.Fatalf("seed %d: endless and not stopped", seed)
			}
			stopped++
			continue
		}
		ended++
		want := outcome{trapped: err != nil, result: uint64(uint32(r)), globals: [2]uint64(e.globals), memory: e.mem}
		if plain := run(t, raw).outcome(seed % 7); !plain.same(want) {
			t.Fatalf("seed %d: wazero %v, by the spec %v", seed, plain, want)
		}
		var used [2]int64
		for k := range used { // at once, then in slices
			g, given := run(t, counted), int64(budget)
			if k == 1 {
				given = 1
				g = runSliced(t, raw, int64(50+seed), &given)
			}
			g.fill(given)
			if o := g.outcome(seed % 7); !o.same(want) {
				t.Fatalf("seed %d: metered %v, want %v", seed, o, want)
			}
			used[k] = given - g.fuel()
		}
		if used[0] != used[1] && !want.trapped { // a trap leaves a region's fuel in its local
			t.Fatalf("seed %d: %d units at once, and %d in slices", seed, used[0], used[1])
		}
		if used[0]+smallCost < int64(e.steps+e.moved) {
			t.Fatalf("seed %d: %d units for %d instructions and %d moved", seed, used[0], e.steps, e.moved)
		}
		loose += float64(used[0]) / float64(e.steps+e.moved)
	}
	t.Logf("%d ended, %d were stopped; units for each instruction: %.1f", ended, stopped, loose/float64(ended))
}

// smallCost is what a function called by the host may take without a charge.
const smallCost = 40

// runsLong tells whether a program executes more than n instructions.
func runsLong(p *program, arg uint64, n uint64) bool {
	e := newEvaluator(p, n)
	_, err := e.call(1, []uint64{arg})
	return errors.Is(err, errSteps) && e.steps > n
}

func rounds() int {
	if testing.Short() {
		return 100
	}
	return 600
}

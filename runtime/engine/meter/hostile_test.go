package meter_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
)

// hostile is a program that does not end by itself, or takes more than it should.
type hostile struct {
	name string
	p    *program
	arg  uint64
}

// repeat writes code n times.
func repeat(n int, b ...any) []byte { return bytes.Repeat(code(b...), n) }

func hostiles() []hostile {
	one := func(p *program, c []byte, locals ...byte) *program {
		p.fns = append(p.fns, fn{name: "f", params: []byte{i32}, results: []byte{i32}, locals: locals, code: c})
		return p
	}
	loop := func(body ...any) []byte { return code(0x03, empty, code(body...), 0x0C, 0, 0x0B, const32(0)) }
	nested := []byte{}
	for range 20 {
		nested = code(0x03, empty, nested, 0x0C, 0, 0x0B)
	}
	big := []uint32{1024}
	list := []hostile{
		{"endless loop", one(&program{}, loop()), 0},
		{"nested loops", one(&program{}, code(nested, const32(0))), 0},
		{"long loop body", one(&program{}, loop(repeat(4000, get(0), const32(7), 0x6C, set(0)))), 1},
		{"division loop", one(&program{}, code(const64(3), set(1), loop(repeat(100, const64(-1), get(1), 0x80, set(1)))), i64), 1},
		{"f64.sqrt loop", one(&program{}, loop(repeat(100, get(1), 0x9F, set(1))), f64), 1},
		{"random loads", one(&program{pages: big}, loop(
			repeat(50, get(1), const32(0x3FFFFC0), 0x71, mem(0x28, 0), get(1), 0x6A, const32(1664525), 0x6C, const32(1013904223), 0x6A, set(1))), i32), 1},
		{"chased loads", one(&program{pages: big}, code(chain(), 0x03, empty, get(1), repeat(400, mem(0x28, 0)), set(1), 0x0C, 0, 0x0B, const32(0)), i32, i32), 1},
		{"br_table loop", one(&program{}, code(0x03, empty, 0x03, empty, get(0), const32(1), 0x6A, tee(0), const32(3), 0x71, 0x0E, 2, 0, 1, 0, 0x0B, 0x0B, const32(0))), 0},
		{"deep recursion", one(&program{}, code(get(0), call(0))), 0},
		{"recursion with large frames", one(&program{}, code(repeat(500, get(0), const32(3), 0x6C, tee(0)), get(0), call(0), repeat(500, 0x6A))), 0},
		{"recursion with many locals", one(&program{}, slices.Concat(manyLocals(500)), bytes.Repeat([]byte{i64}, 500)...), 0},
		{"recursion through the table", one(&program{table: []int{0}}, code(get(0), const32(0), 0x11, 0, 0)), 0},
		{"exponential recursion", one(&program{}, code(get(0), 0x04, i32, get(0), const32(1), 0x6B, call(0), get(0), const32(1), 0x6B, call(0), 0x6A, 0x05, const32(1), 0x0B)), 40},
		{"exponential calls", exponential(40), 0},
		{"giant memory.fill", one(&program{pages: big}, loop(const32(0), const32(1), const32(64<<20), 0xFC, 11, 0)), 0},
		{"giant memory.fill of unknown length", one(&program{pages: big}, loop(const32(0), const32(1), get(0), 0xFC, 11, 0)), 64 << 20},
		{"many memory.fill", one(&program{pages: big}, loop(repeat(1000, const32(0), const32(1), get(0), 0xFC, 11, 0))), 1 << 12},
		{"giant memory.copy", one(&program{pages: big}, loop(const32(0), const32(1), get(0), 0xFC, 10, 0, 0)), 64<<20 - 1},
		{"small memory.copy", one(&program{pages: big}, loop(repeat(1000, const32(0), const32(100), get(0), 0xFC, 10, 0, 0))), 7},
		{"memory.init", one(&program{pages: big, data: [][]byte{make([]byte, 4096)}}, loop(repeat(100, const32(0), const32(0), const32(4096), 0xFC, 8, 0, 0))), 0},
		{"memory.grow bomb", one(&program{pages: []uint32{1}}, loop(get(0), 0x40, 0, 0x1A)), 1},
		{"memory.grow of what is large", one(&program{pages: []uint32{200}}, loop(get(0), 0x40, 0, 0x1A)), 1},
		{"memory.grow by constants", one(&program{pages: []uint32{1}}, loop(repeat(100, const32(1), 0x40, 0, 0x1A))), 1},
		{"memory.grow at once", one(&program{pages: []uint32{1}}, loop(get(0), 0x40, 0, 0x1A)), 1023},
		{"memory.grow of nothing", one(&program{pages: big}, loop(get(0), 0x40, 0, 0x1A)), 0},
		{"memory.grow that fails", one(&program{pages: big}, loop(get(0), 0x40, 0, 0x1A)), 1 << 20},
		{"calls of the host", one(&program{imports: []imported{{name: "nop"}}}, loop(call(0))), 0},
	}
	return list
}

// chain sets up addresses 4 KiB and a bit apart, each pointing to the next, all over 64 MiB; local 1 is the first.
func chain() []byte {
	const step, mask = 4096*37 + 64, 0x3FFFFC0
	return code(const32(16384), set(2), 0x03, empty,
		get(1), get(1), const32(step), 0x6A, const32(mask), 0x71, mem(0x36, 0),
		get(1), const32(step), 0x6A, const32(mask), 0x71, set(1),
		get(2), const32(1), 0x6B, tee(2), 0x0D, 0, 0x0B, get(1), const32(0), mem(0x36, 0), const32(0), set(1))
}

// manyLocals keeps n locals alive over a call of itself.
func manyLocals(n int) (b []byte) {
	for k := range n {
		b = code(b, get(0), 0xAC, const64(int64(k)), 0x7E, set(1+k))
	}
	b = code(b, get(0), const32(1), 0x6A, call(0))
	for k := range n {
		b = code(b, get(1+k), 0xA7, 0x6A)
	}
	return b
}

// exponential is f0, which calls f1 twice, and so on: no loop and no recursion.
func exponential(levels int) *program {
	p := &program{}
	for k := range levels {
		p.fns = append(p.fns, fn{params: []byte{i32}, results: []byte{i32}, code: code(get(0), call(k+1), call(k+1))})
	}
	p.fns = append(p.fns, fn{params: []byte{i32}, results: []byte{i32}, code: get(0)})
	p.fns[0].name = "f"
	return p
}

// touch writes to every page of the memory that an instance begins with. The kernel makes a page at its first touch, mostly in 2 to 5 µs: that
// is bounded by the memory's size, once for an instance, and not by fuel; see BenchmarkFirstTouch.
func (g guest) touch() {
	if len(g.ExportedMemoryDefinitions()) == 0 {
		return
	}
	for at := uint32(0); at < g.Memory().Size(); at += 4096 {
		g.Memory().WriteByte(at, 0)
	}
}

// budget is one that a decision in Go takes a hundredth of.
const budget = 1_000_000

// Every runaway is stopped by its fuel, and soon.
func TestHostile(t *testing.T) {
	for _, h := range hostiles() {
		t.Run(h.name, func(t *testing.T) {
			m := meterIt(t, h.p.bytes())
			const longest = 50 * time.Millisecond
			fastest := time.Hour
			for tries := 0; tries < 8 && fastest > longest; tries++ { // the machine, or its memory, may be at something else
				g := run(t, m) // a new one: what has grown stays
				g.touch()
				g.fill(budget)
				start := time.Now()
				_, err := g.call("f", h.arg)
				fastest = min(fastest, time.Since(start))
				if err == nil || !strings.Contains(err.Error(), "unreachable") || g.fuel() >= 0 {
					t.Fatalf("%v, %d units left", err, g.fuel())
				}
			}
			if fastest > longest && !underRace {
				t.Errorf("it took %v", fastest)
			}
		})
	}
}

// BenchmarkUnit is what a unit of fuel takes at worst, by the shape of the code.
func BenchmarkUnit(b *testing.B) {
	for _, h := range hostiles() {
		b.Run(h.name, func(b *testing.B) {
			m := meterIt(b, h.p.bytes())
			fastest, units := time.Hour, int64(1)
			for b.Loop() {
				g := run(b, m) // a new one: what has grown stays
				g.touch()
				g.fill(budget)
				start := time.Now()
				g.call("f", h.arg)
				if d := time.Since(start); d < fastest {
					fastest, units = d, budget-max(g.fuel(), 0)
				}
			}
			b.ReportMetric(float64(fastest)/float64(units), "ns/unit")
			b.ReportMetric(float64(fastest.Microseconds()), "µs/budget")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkFirstTouch is what no fuel counts: a guest that touches all of its 64 MiB for the first time, and for the second: the longest of all rounds.
func BenchmarkFirstTouch(b *testing.B) {
	p := &program{pages: []uint32{1024}, fns: []fn{{name: "f", params: []byte{i32}, results: []byte{i32}, code: code(
		0x03, empty, get(0), const32(4096), 0x6B, tee(0), const32(1), mem(0x36, 0), get(0), 0x0D, 0, 0x0B, const32(0))}}}
	m := meterIt(b, p.bytes())
	var took [2]time.Duration
	for b.Loop() {
		g := run(b, m)
		for k := range took {
			g.fill(budget)
			start := time.Now()
			if _, err := g.call("f", 64<<20); err != nil {
				b.Fatal(err)
			}
			took[k] = max(took[k], time.Since(start))
		}
	}
	b.ReportMetric(float64(took[0].Microseconds()), "µs-first")
	b.ReportMetric(float64(took[1].Microseconds()), "µs-second")
	b.ReportMetric(0, "ns/op")
}

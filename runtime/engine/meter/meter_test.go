package meter_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/zmesh/zmesh/runtime/engine/meter"
)

// answer gives 42 and has a loop, so that it is charged.
func answer() *program {
	return &program{pages: []uint32{2}, fns: []fn{{name: "f", params: []byte{i32}, results: []byte{i32}, code: code(
		0x03, empty, get(0), const32(1), 0x6B, tee(0), 0x0D, 0, 0x0B, const32(42))}}}
}

func TestFuelIsCountedDown(t *testing.T) {
	g := run(t, meterIt(t, answer().bytes()))
	g.fill(10_000)
	last := g.fuel()
	for rounds := uint64(1); rounds < 10; rounds++ {
		if r, err := g.call("f", rounds); err != nil || r[0] != 42 {
			t.Fatal(r, err)
		}
		used := last - g.fuel()
		if least := int64(5 * rounds); used < least || used > 10*least+20 {
			t.Errorf("%d rounds took %d units", rounds, used)
		}
		last = g.fuel()
	}
	g.fill(3)
	if _, err := g.call("f", 1000); err == nil || g.fuel() >= 0 {
		t.Errorf("%v, and %d units left", err, g.fuel())
	}
}

func TestFuelBeforeTheStart(t *testing.T) {
	p := answer()
	p.fns = append(p.fns, fn{code: code(const32(5), call(0), 0x1A)})
	p.start = 1
	for initial, works := range map[int64]bool{0: false, 10: false, 1000: true} {
		m, _, err := meter.Meter(p.bytes(), meter.Options{FuelExport: fuelName, Initial: initial})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := instantiate(t, m); (err == nil) != works {
			t.Errorf("with %d units: %v", initial, err)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		pages []uint32
		limit uint32
		most  uint32 // 0: refused
	}{
		"no bound of its own":    {[]uint32{2}, 10, 10},
		"a lower bound":          {[]uint32{2, 5}, 10, 5},
		"a higher bound":         {[]uint32{2, 500}, 10, 10},
		"as much as it may":      {[]uint32{10}, 10, 10},
		"begins with too much":   {[]uint32{11}, 10, 0},
		"no limit by the host":   {[]uint32{2, 5}, 0, 5},
		"no memory is no memory": {nil, 10, 0xFFFF},
	} {
		p := answer()
		p.pages = c.pages
		m, _, err := meter.Meter(p.bytes(), meter.Options{FuelExport: fuelName, MaxPages: c.limit})
		if c.most == 0 {
			if !errors.Is(err, meter.ErrLimit) || !strings.Contains(err.Error(), "begins with 11 pages and may have 10") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if c.pages == nil {
			continue
		}
		if _, most := definition(t, m); most != c.most {
			t.Errorf("%s: %d pages, want %d", name, most, c.most)
		}
	}
}

// definition gives the bounds of a module's memory.
func definition(t *testing.T, m []byte) (least, most uint32) {
	ctx := context.Background()
	r := wazero.NewRuntime(ctx)
	defer r.Close(ctx)
	c, err := r.CompileModule(ctx, m)
	if err != nil {
		t.Fatal(err)
	}
	d := c.ExportedMemories()["memory"]
	most, _ = d.Max()
	return d.Min(), most
}

func TestTheNameOfTheFuelIsTheHosts(t *testing.T) {
	p := answer()
	p.fns[0].name = fuelName
	if _, _, err := meter.Meter(p.bytes(), meter.Options{FuelExport: fuelName}); !errors.Is(err, meter.ErrExcluded) {
		t.Error(err)
	}
	if _, _, err := meter.Meter(answer().bytes(), meter.Options{}); err == nil {
		t.Error("no name was accepted")
	}
}

func TestWhatBecomesWrongIsDropped(t *testing.T) {
	p := answer()
	p.custom = map[string]string{"name": "\x00\x01\x00", ".debug_info": "x", "sourceMappingURL": "\x01u", "zmesh.manifest": "{ }", "metadata.code.branch_hint": "x", "producers": "\x00"}
	out, r, err := meter.Meter(p.bytes(), meter.Options{FuelExport: fuelName})
	if err != nil {
		t.Fatal(err)
	}
	m, err := meter.Parse(out, meter.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range p.custom {
		stays := name == "name" || name == "zmesh.manifest" || name == "producers"
		if list := m.Custom(name); stays != (len(list) == 1 && string(list[0]) == content) {
			t.Errorf("%s: %q", name, list)
		}
	}
	if r.Dropped == 0 || r.Functions != 1 || r.Loops != 1 {
		t.Errorf("%+v", r)
	}
}

// A module that has neither globals nor exports gets the sections where they belong.
func TestSectionsThatAreMissing(t *testing.T) {
	p := &program{table: []int{0}, data: [][]byte{{1}}, fns: []fn{{code: code(0x01)}, {}}, start: 1, custom: map[string]string{"last": "x"}}
	g := run(t, meterIt(t, p.bytes()))
	if g.fuel() != 0 {
		t.Error(g.fuel())
	}
	run(t, meterIt(t, module()))
}

// A budget may come in slices, by a function that the module imports without parameters.
func TestFuelInSlices(t *testing.T) {
	p := answer()
	opt := meter.Options{FuelExport: fuelName, Refill: "host.nop"}
	if _, _, err := meter.Meter(p.bytes(), opt); !errors.Is(err, meter.ErrExcluded) || !strings.Contains(err.Error(), "does not import host.nop") {
		t.Errorf("without it: %v", err)
	}
	p.imports = []imported{{name: "nop", params: []byte{i32}}}
	if _, _, err := meter.Meter(p.bytes(), opt); !errors.Is(err, meter.ErrExcluded) {
		t.Errorf("with a parameter: %v", err)
	}
	const big = 64 << 20 // bytes to fill, in a round: more than many slices
	p = &program{imports: []imported{{name: "nop"}}, pages: []uint32{1024}, fns: []fn{{name: "f", params: []byte{i32}, results: []byte{i32}, code: code(
		0x03, empty, const32(0), const32(1), const32(big), 0xFC, 11, 0, get(0), const32(1), 0x6B, tee(0), 0x0D, 0, 0x0B, const32(42))}}}
	at := run(t, meterIt(t, p.bytes()))
	at.fill(1 << 40)
	given := int64(0)
	g := runSliced(t, p.bytes(), 1000, &given)
	for _, g := range []guest{at, g} {
		if r, err := g.call("f", 3); err != nil || r[0] != 42 {
			t.Fatal(r, err)
		}
	}
	if once, sliced := 1<<40-at.fuel(), given-g.fuel(); once != sliced || once < 3*big/8 {
		t.Errorf("%d units at once, %d in slices", once, sliced)
	}
}

// Calls see the right value although a loop without calls keeps it in a local.
func TestLoopsWithAndWithoutCalls(t *testing.T) {
	inner := code(0x03, empty, get(0), const32(1), 0x6B, tee(0), 0x0D, 0, 0x0B)
	p := &program{fns: []fn{
		{
			name: "f", params: []byte{i32}, results: []byte{i32}, code: code(
				0x02, empty, 0x03, empty, inner, get(1), call(1), 0x1A, get(1), const32(1), 0x6A, tee(1), const32(10), 0x46, 0x0D, 1, const32(5), set(0), 0x0C, 0, 0x0B, 0x0B, const32(0)),
			locals: []byte{i32},
		},
		{params: []byte{i32}, results: []byte{i32}, code: code(0x03, i32, get(0), 0x0B)},
	}}
	g := run(t, meterIt(t, p.bytes()))
	g.fill(100_000)
	if _, err := g.call("f", 100); err != nil {
		t.Fatal(err)
	}
	e := newEvaluator(p, 100_000)
	if _, err := e.call(0, []uint64{100}); err != nil {
		t.Fatal(err)
	}
	if used := 100_000 - g.fuel(); used < int64(e.steps) {
		t.Errorf("%d units for %d instructions", used, e.steps)
	}
}

// What metering accepts is accepted by wazero if the module was.
func FuzzMeter(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(randomProgram(seed).bytes())
	}
	for _, h := range hostiles() {
		f.Add(h.p.bytes())
	}
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(features))
	compile := func(b []byte) error {
		c, err := r.CompileModule(ctx, b)
		if err == nil {
			c.Close(ctx)
		}
		return err
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		opt := meter.Options{FuelExport: fuelName, MaxPages: 64}
		out, _, err := meter.Meter(b, opt)
		if err != nil {
			return
		}
		opt.Refill = "host.nop"
		if sliced, _, err := meter.Meter(b, opt); err == nil {
			out = sliced
		}
		before, after := compile(b), compile(out)
		if before != nil && strings.Contains(before.Error(), "custom section") {
			return // one that is dropped, maybe
		}
		if (before == nil) != (after == nil) {
			t.Errorf("before: %v, after: %v", before, after)
		}
	})
}

// BenchmarkGlobal is what setting and reading the fuel takes, as an exported global and by exported functions.
func BenchmarkGlobal(b *testing.B) {
	p := answer()
	p.globals = []byte{i64}
	p.fns = append(p.fns, fn{name: "set", params: []byte{i64}, code: code(get(0), 0x24, 0)}, fn{name: "get", results: []byte{i64}, code: code(0x23, 0)})
	g := run(b, p.bytes())
	b.Run("global", func(b *testing.B) {
		v, ok := g.ExportedGlobal("g0").(api.MutableGlobal)
		if !ok {
			b.Fatal("no global")
		}
		for b.Loop() {
			v.Set(1)
			v.Get()
		}
	})
	b.Run("functions", func(b *testing.B) {
		set, get, stack := g.ExportedFunction("set"), g.ExportedFunction("get"), []uint64{1}
		for b.Loop() {
			if err := errors.Join(set.CallWithStack(b.Context(), stack), get.CallWithStack(b.Context(), stack)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkMeter is the rewriting itself.
func BenchmarkMeter(b *testing.B) {
	raw := plugin(b, "best-route")
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		meterIt(b, raw)
	}
}

package meter_test

import (
	"context"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/zmesh/zmesh/runtime/engine/meter"
)

// Value types and a block's empty type.
const (
	i32   = 0x7F
	i64   = 0x7E
	f32   = 0x7D
	f64   = 0x7C
	empty = 0x40
)

// fn is a function of a module to be.
type fn struct {
	name            string // exported as; empty: not
	params, results []byte
	locals          []byte
	code            []byte // without the last end
}

// imported is a function that a module asks for, of module "host".
type imported struct {
	name            string
	params, results []byte
}

// program is a module to be: a few functions, at most one memory and table.
type program struct {
	imports []imported
	fns     []fn
	pages   []uint32 // min, or min and max; nil: no memory
	globals []byte   // value types, all mutable, beginning at zero
	table   []int    // functions
	start   int      // index of a function; 0: none
	data    [][]byte // passive
	custom  map[string]string
	wide    bool // write numbers longer than needed
}

func uleb(v uint64) []byte { return binary.AppendUvarint(nil, v) }

func sleb(v int64) (b []byte) {
	for {
		c := byte(v & 0x7F)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

// size writes a section's or body's size.
func (p *program) size(n int) []byte {
	if p.wide {
		return []byte{byte(n) | 0x80, byte(n>>7) | 0x80, byte(n>>14) | 0x80, byte(n>>21) | 0x80, byte(n >> 28)}
	}
	return uleb(uint64(n))
}

func (p *program) section(m []byte, id byte, b []byte) []byte {
	return append(append(append(m, id), p.size(len(b))...), b...)
}

// vec writes a vector.
func vec(entries ...[]byte) []byte {
	return append(uleb(uint64(len(entries))), slices.Concat(entries...)...)
}

// str writes a vector of bytes.
func str(s string) []byte { return append(uleb(uint64(len(s))), s...) }

// code joins instructions: bytes, numbers from 0 to 255, and slices.
func code(parts ...any) (b []byte) {
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			b = append(b, byte(p))
		case rune:
			b = append(b, byte(p))
		case []byte:
			b = append(b, p...)
		default:
			panic(p)
		}
	}
	return b
}

// const32 and const64 push a number.
func const32(v int) []byte   { return append([]byte{0x41}, sleb(int64(int32(v)))...) }
func const64(v int64) []byte { return append([]byte{0x42}, sleb(v)...) }

func get(local int) []byte { return append([]byte{0x20}, uleb(uint64(local))...) }
func set(local int) []byte { return append([]byte{0x21}, uleb(uint64(local))...) }
func tee(local int) []byte { return append([]byte{0x22}, uleb(uint64(local))...) }
func call(f int) []byte    { return append([]byte{0x10}, uleb(uint64(f))...) }

// load and store are an opcode with an offset.
func mem(op byte, offset int) []byte { return append([]byte{op, 0}, uleb(uint64(offset))...) }

func funcType(params, results []byte) []byte {
	return slices.Concat([]byte{0x60}, str(string(params)), str(string(results)))
}

// bytes puts the module together.
func (p *program) bytes() []byte {
	m := []byte("\x00asm\x01\x00\x00\x00")
	var types, imports, functions, globals, exports, bodies, data [][]byte
	typeOf := func(params, results []byte) []byte {
		t := funcType(params, results)
		for i := range types {
			if string(types[i]) == string(t) {
				return uleb(uint64(i))
			}
		}
		types = append(types, t)
		return uleb(uint64(len(types) - 1))
	}
	for _, i := range p.imports {
		imports = append(imports, slices.Concat(str("host"), str(i.name), []byte{0}, typeOf(i.params, i.results)))
	}
	for k, f := range p.fns {
		functions = append(functions, typeOf(f.params, f.results))
		if f.name != "" {
			exports = append(exports, slices.Concat(str(f.name), []byte{0}, uleb(uint64(len(p.imports)+k))))
		}
		var locals [][]byte
		for _, t := range f.locals {
			locals = append(locals, []byte{1, t})
		}
		b := slices.Concat(vec(locals...), f.code, []byte{0x0B})
		bodies = append(bodies, append(p.size(len(b)), b...))
	}
	m = p.section(m, 1, vec(types...))
	if imports != nil {
		m = p.section(m, 2, vec(imports...))
	}
	m = p.section(m, 3, vec(functions...))
	if p.table != nil {
		m = p.section(m, 4, vec(slices.Concat([]byte{0x70, 0}, uleb(uint64(len(p.table))))))
	}
	switch len(p.pages) {
	case 1:
		m = p.section(m, 5, vec(append([]byte{0}, uleb(uint64(p.pages[0]))...)))
	case 2:
		m = p.section(m, 5, vec(slices.Concat([]byte{1}, uleb(uint64(p.pages[0])), uleb(uint64(p.pages[1])))))
	}
	if p.pages != nil {
		exports = append(exports, append(str("memory"), 2, 0))
	}
	for k, t := range p.globals {
		globals = append(globals, []byte{t, 1, map[byte]byte{i32: 0x41, i64: 0x42}[t], 0, 0x0B})
		exports = append(exports, slices.Concat(str("g"+string(rune('0'+k))), []byte{3}, uleb(uint64(k))))
	}
	if globals != nil {
		m = p.section(m, 6, vec(globals...))
	}
	if exports != nil {
		m = p.section(m, 7, vec(exports...))
	}
	if p.start > 0 {
		m = p.section(m, 8, uleb(uint64(p.start)))
	}
	if p.table != nil {
		var entries [][]byte
		for _, f := range p.table {
			entries = append(entries, uleb(uint64(f)))
		}
		m = p.section(m, 9, vec(slices.Concat([]byte{0, 0x41, 0, 0x0B}, vec(entries...))))
	}
	if p.data != nil {
		m = p.section(m, 12, uleb(uint64(len(p.data))))
	}
	m = p.section(m, 10, vec(bodies...))
	for _, d := range p.data {
		data = append(data, append([]byte{1}, str(string(d))...))
	}
	if data != nil {
		m = p.section(m, 11, vec(data...))
	}
	for _, name := range slices.Sorted(keys(p.custom)) {
		m = p.section(m, 0, append(str(name), p.custom[name]...))
	}
	return m
}

func keys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// features are those that the engine compiles with.
const features = api.CoreFeatureMutableGlobal | api.CoreFeatureSignExtensionOps |
	api.CoreFeatureNonTrappingFloatToIntConversion | api.CoreFeatureBulkMemoryOperations

const fuelName = "test_fuel"

// meterIt meters a module that must be accepted.
func meterIt(tb testing.TB, module []byte) []byte {
	tb.Helper()
	out, _, err := meter.Meter(module, meter.Options{FuelExport: fuelName, MaxPages: 1024})
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// endless meters with fuel for ever.
func endless(b []byte) ([]byte, error) {
	out, _, err := meter.Meter(b, meter.Options{FuelExport: fuelName, MaxPages: 1024, Initial: math.MaxInt64})
	return out, err
}

// guest is an instance.
type guest struct {
	api.Module
	tb testing.TB
}

// run instantiates a module in a runtime of its own. A module "host" with a function "nop" is there to import.
func run(tb testing.TB, module []byte) guest {
	tb.Helper()
	g, err := instantiate(tb, module)
	if err != nil {
		tb.Fatal(err)
	}
	return guest{g, tb}
}

func instantiate(tb testing.TB, module []byte) (api.Module, error) {
	return instantiateWith(tb, module, func(context.Context, api.Module) {})
}

// instantiateWith has "nop" do something.
func instantiateWith(tb testing.TB, module []byte, nop func(context.Context, api.Module)) (api.Module, error) {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCoreFeatures(features).WithMemoryLimitPages(1024))
	tb.Cleanup(func() { r.Close(ctx) })
	_, err := r.NewHostModuleBuilder("host").NewFunctionBuilder().WithFunc(nop).Export("nop").Instantiate(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	return r.Instantiate(ctx, module)
}

// runSliced meters and instantiates a module that gets its fuel by slices from "nop". given counts what it gets.
func runSliced(tb testing.TB, module []byte, slice int64, given *int64) guest {
	tb.Helper()
	m, _, err := meter.Meter(module, meter.Options{FuelExport: fuelName, Refill: "host.nop", MaxPages: 1024})
	if err != nil {
		tb.Fatal(err)
	}
	g, err := instantiateWith(tb, m, func(_ context.Context, m api.Module) {
		if g := (guest{m, tb}); g.fuel() < 0 {
			*given += slice - g.fuel()
			g.fill(slice)
		}
	})
	if err != nil {
		tb.Fatal(err)
	}
	return guest{g, tb}
}

// fuel gives and takes the counter.
func (g guest) fuel() int64 { return int64(g.global().Get()) }

func (g guest) fill(n int64) { g.global().Set(uint64(n)) }

func (g guest) global() api.MutableGlobal {
	v, ok := g.ExportedGlobal(fuelName).(api.MutableGlobal)
	if !ok {
		g.tb.Fatal("no fuel")
	}
	return v
}

// call runs an export.
func (g guest) call(name string, args ...uint64) ([]uint64, error) {
	return g.ExportedFunction(name).Call(context.Background(), args...)
}

// plugin reads a module that make has built. Run by make they must be there; a bare `go test` on a fresh clone skips.
func plugin(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile("../../plugin/builtin/" + name + ".wasm")
	if err != nil && os.Getenv("ZMESH_PLUGINS") != "" {
		tb.Fatal(err)
	}
	if err != nil {
		tb.Skip("make has not built it: ", err)
	}
	return b
}

// shipped are the names of the plugins that make has built.
func shipped(tb testing.TB) (names []string) {
	tb.Helper()
	plugin(tb, "best-route") // skips or fails
	files, err := filepath.Glob("../../plugin/builtin/*.wasm")
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".wasm"))
	}
	return names
}

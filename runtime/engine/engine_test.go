package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zmesh/zmesh/runtime/engine/wasmtest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// start loads a guest and makes an instance. The error is the first of the two steps'.
func start(t *testing.T, g *wasmtest.Guest, opt Options, config []byte) (*Instance, error) {
	t.Helper()
	m, err := Load(t.Context(), g.Bytes(), opt)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	i, err := m.Instantiate(t.Context(), config)
	if err == nil {
		t.Cleanup(i.Close)
	}
	return i, err
}

// items writes n items of 16 bytes with their index into an input region.
func items(in []byte, n int) {
	for k := range n {
		binary.LittleEndian.PutUint32(in[16*k:], 16)
		binary.LittleEndian.PutUint64(in[16*k+8:], uint64(k))
	}
}

func TestCall(t *testing.T) {
	out := append(wasmtest.Item(abi.StatusOK, 0), wasmtest.Item(abi.StatusOK, 2, make([]byte, 16)...)...)
	i, err := start(t, &wasmtest.Guest{Output: out}, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	items(i.Input(), 2)
	got, err := i.Call(2)
	if err != nil {
		t.Fatal(err)
	}
	first, rest, ok1 := NextItem(got)
	second, _, ok2 := NextItem(rest)
	if !ok1 || !ok2 || !bytes.Equal(append(first, second...), out) {
		t.Errorf("items %x and %x, want %x", first, second, out)
	}
}

// Everything that a guest may give wrongly when it describes itself ends in one plain sentence, and nothing of it runs on.
func TestRefusals(t *testing.T) {
	huge := uint32(0xFFFFFFF8)
	region := func(at int, offset, size uint32) map[int][2]uint32 { return map[int][2]uint32{at: {offset, size}} }
	manifest := func(key string, value any) map[string]any { return map[string]any{key: value} }
	for name, c := range map[string]struct {
		guest wasmtest.Guest
		opt   Options
		want  string
	}{
		"no manifest":          {guest: wasmtest.Guest{Sections: -1}, want: "has no zmesh.manifest section"},
		"two manifests":        {guest: wasmtest.Guest{Sections: 2}, want: "2 zmesh.manifest sections"},
		"manifest no JSON":     {guest: wasmtest.Guest{RawSection: []byte("{\"kind\":")}, want: "manifest cannot be read"},
		"manifest of binary":   {guest: wasmtest.Guest{RawSection: []byte{0xFF, 0, 0xFE}}, want: "manifest cannot be read"},
		"manifest empty":       {guest: wasmtest.Guest{RawSection: []byte("{}")}, want: "format is 0"},
		"wrong type inside":    {guest: wasmtest.Guest{Manifest: manifest("kind", 7)}, want: "manifest cannot be read"},
		"unknown kind":         {guest: wasmtest.Guest{Manifest: manifest("kind", "magic")}, want: `kind "magic" is none of`},
		"bad name":             {guest: wasmtest.Guest{Manifest: manifest("name", "../x")}, want: `name "../x"`},
		"bad version":          {guest: wasmtest.Guest{Manifest: manifest("version", "one")}, want: `version "one"`},
		"bad setting":          {guest: wasmtest.Guest{Manifest: manifest("config", map[string]any{"a": map[string]any{"type": "x"}})}, want: `type "x"`},
		"unknown capability":   {guest: wasmtest.Guest{Manifest: manifest("capabilities", []string{"root"})}, want: `capability "root"`},
		"capability not given": {guest: wasmtest.Guest{Manifest: manifest("capabilities", []string{"log"})}, want: `"log", which is not granted`},
		"unknown grant":        {opt: Options{Grants: []string{"files"}}, want: `"files" cannot be granted`},
		"manifest too new":     {guest: wasmtest.Guest{Manifest: manifest("abi", map[string]any{"min": "0.9"})}, want: "the host is too old"},
		"manifest major":       {guest: wasmtest.Guest{Manifest: manifest("abi", map[string]any{"min": "1.0"})}, want: "the host is too old"},
		"manifest too old":     {guest: wasmtest.Guest{Manifest: manifest("abi", map[string]any{"min": "0.0", "max": "0.0"})}, want: "the plugin is too old"},
		"module too new":       {guest: wasmtest.Guest{Major: "1"}, want: "for version 1 of the contract and this host has 0: the host is too old"},
		"module of no version": {guest: wasmtest.Guest{Major: "x"}, want: `"x" is no version`},
		"no version":           {guest: wasmtest.Guest{NoVersion: true}, want: "imports nothing from zmesh_0"},
		"no features":          {guest: wasmtest.Guest{NoVersion: true, Imports: []wasmtest.Import{host(abi.ImportLog)}}, opt: Options{Grants: []string{CapLog}}, want: "does not import zmesh_0.features"},
		"features take one":    {guest: wasmtest.Guest{NoVersion: true, Imports: []wasmtest.Import{{Module: "zmesh_0", Name: "features", Params: []byte{wasmtest.I32}, Results: []byte{wasmtest.I64}}}}, want: "imports zmesh_0.features with parameters"},
		"features give i32":    {guest: wasmtest.Guest{NoVersion: true, Imports: []wasmtest.Import{{Module: "zmesh_0", Name: "features", Results: []byte{wasmtest.I32}}}}, want: "features"},
		"import not granted":   {guest: wasmtest.Guest{Imports: []wasmtest.Import{{Module: "zmesh_0", Name: "log", Params: []byte{wasmtest.I32, wasmtest.I32, wasmtest.I32}}}}, want: `needs the capability "log"`},
		"import unknown":       {guest: wasmtest.Guest{Imports: []wasmtest.Import{{Module: "zmesh_0", Name: "format_disk"}}}, want: "zmesh_0.format_disk, which this host"},
		"import of others":     {guest: wasmtest.Guest{Imports: []wasmtest.Import{{Module: "env", Name: "f"}}}, want: "env.f: this host offers only"},
		"import of sockets":    {guest: wasmtest.Guest{Imports: []wasmtest.Import{{Module: wasiModule, Name: "sock_accept"}}}, want: "its WASI is closed"},
		"import of wrong type": {guest: wasmtest.Guest{Imports: []wasmtest.Import{{Module: wasiModule, Name: "sched_yield", Params: []byte{wasmtest.I64}}}}, want: "sched_yield"},
		"no process":           {guest: wasmtest.Guest{Without: abi.ExportProcess}, want: `does not export "zmesh_process"`},
		"no memory":            {guest: wasmtest.Guest{Without: abi.ExportMemory}, want: `does not export "memory"`},
		"memory too large":     {guest: wasmtest.Guest{MinPages: 64}, opt: Options{MaxMemory: 1 << 20}, want: "starts with 4096 KiB of memory and may have 1024"},
		"more than it asked":   {guest: wasmtest.Guest{MinPages: 64, Manifest: manifest("memory", 1<<20)}, want: "may have 1024"},
		"module too large":     {opt: Options{MaxModule: 100}, want: "bytes and may have 100"},
		"description outside":  {guest: wasmtest.Guest{Description: 2 * 65536}, want: "its description at 131072 is not in the memory"},
		"description at end":   {guest: wasmtest.Guest{Description: 2*65536 - 8}, want: "is not in the memory"},
		"description negative": {guest: wasmtest.Guest{Description: -8}, want: "is not in the memory"},
		"description crooked":  {guest: wasmtest.Guest{Description: wasmtest.DescriptionAt + 1}, want: "not at a multiple of 8"},
		"description short":    {guest: wasmtest.Guest{Words: map[int]uint32{0: 8}}, want: "has 8 bytes, want 64"},
		"arena of version 7":   {guest: wasmtest.Guest{Words: map[int]uint32{abi.ArenaVersion: 7 << 16}}, want: "speaks version 7.0"},
		"unknown features":     {guest: wasmtest.Guest{Words: map[int]uint32{abi.ArenaFeatures: 1 << 31}}, want: "features 0x80000000"},
		"input outside":        {guest: wasmtest.Guest{Region: region(abi.ArenaInput, 2*65536, 64)}, want: "the input region (64 bytes at 131072) reaches beyond"},
		"input wraps around":   {guest: wasmtest.Guest{Region: region(abi.ArenaInput, huge, 64)}, want: "the input region"},
		"output over the end":  {guest: wasmtest.Guest{Region: region(abi.ArenaOutput, wasmtest.OutputAt, 65537)}, want: "the output region"},
		"state outside":        {guest: wasmtest.Guest{Region: region(abi.ArenaState, huge, 8)}, want: "the state region"},
		"progress outside":     {guest: wasmtest.Guest{Region: region(abi.ArenaProgress, huge, 4)}, want: "the progress region"},
		"config crooked":       {guest: wasmtest.Guest{Region: region(abi.ArenaConfig, 2049, 64)}, want: "begins at 2049"},
		"input too small":      {opt: Options{MinInput: 10000}, want: "the input region has 8192 bytes, want at least 10000"},
		"regions overlap":      {guest: wasmtest.Guest{Region: region(abi.ArenaOutput, wasmtest.InputAt+8, 64)}, want: "the input and output regions overlap"},
		"trap in init":         {guest: wasmtest.Guest{Init: wasmtest.Unreachable}, want: "trap in zmesh_init: wasm error: unreachable"},
		"trap in start":        {guest: wasmtest.Guest{Start: wasmtest.Unreachable}, want: "trap in the start function: "},
		"trap in start-up":     {guest: wasmtest.Guest{Initialize: wasmtest.Unreachable}, want: "trap in start-up: "},
		"trap in configure":    {guest: wasmtest.Guest{Configure: wasmtest.Unreachable}, want: "trap in zmesh_configure: "},
		"refuses its config":   {guest: wasmtest.Guest{Configure: wasmtest.Const(7), Message: "no\x00 way"}, want: "refuses its configuration: no  way"},
		"endless refusal":      {guest: wasmtest.Guest{Configure: wasmtest.Const(-1)}, want: "refuses its configuration"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := start(t, &c.guest, c.opt, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q in it", err, c.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than a line: %q", err)
			}
		})
	}
}

// A module that exports something else under the name of a function, or of the memory, is refused.
func TestExportsOfAnotherKind(t *testing.T) {
	for _, name := range []string{abi.ExportMemory, abi.ExportInit, abi.ExportConfigure, abi.ExportProcess} {
		code := (&wasmtest.Guest{}).Bytes()
		at := bytes.Index(code, append([]byte{byte(len(name))}, name...)) + 1 + len(name)
		code[at], code[at+1] = kindMemory-code[at], 0 // function 0 is features
		m, err := Load(t.Context(), code, Options{})
		if err == nil {
			_, err = m.Instantiate(t.Context(), nil)
			t.Errorf("%s: it loads, and then: %v", name, err)
		} else if !strings.Contains(err.Error(), "does not export") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A module that is cut off anywhere, or has a byte changed, is refused or loads, and never panics.
func TestDamagedModules(t *testing.T) {
	code := (&wasmtest.Guest{}).Bytes()
	for n := range code {
		if _, err := Read(code[:n]); err == nil {
			t.Errorf("cut off after %d bytes: no error", n)
		}
		changed := bytes.Clone(code)
		changed[n] ^= 0xFF
		if info, err := Read(changed); err == nil {
			_ = info.Check(Options{})
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add((&wasmtest.Guest{}).Bytes())
	f.Add((&wasmtest.Guest{RawSection: []byte("{}")}).Bytes())
	f.Fuzz(func(t *testing.T, code []byte) {
		if info, err := Read(code); err == nil {
			_ = info.Check(Options{})
		}
	})
}

func TestTrapInABatch(t *testing.T) {
	g := &wasmtest.Guest{
		Process: wasmtest.Code(wasmtest.Store(wasmtest.ProgressAt, 1), wasmtest.Unreachable),
		Output:  wasmtest.Item(abi.StatusOK, 0),
	}
	i, err := start(t, g, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	items(i.Input(), 3)
	out, err := i.Call(3)
	var trap *Trap
	if !errors.As(err, &trap) {
		t.Fatalf("%v, want a trap", err)
	}
	if trap.Item != 1 || len(trap.Input) != 16 || trap.Input[8] != 1 || trap.In != abi.ExportProcess {
		t.Errorf("%+v, want item 1 with its input", trap)
	}
	if item, _, ok := NextItem(out); !ok || len(item) != abi.OutHead {
		t.Error("the verdict on item 0 is lost")
	}
	if _, err := i.Call(1); !errors.Is(err, ErrDead) || !i.Dead() {
		t.Errorf("a call after a trap: %v, want %v", err, ErrDead)
	}
}

func TestTrapBeforeAnyItem(t *testing.T) {
	for name, code := range map[string][]byte{
		"no progress":      wasmtest.Unreachable,
		"absurd progress":  wasmtest.Code(wasmtest.Store(wasmtest.ProgressAt, 77), wasmtest.Unreachable),
		"wrong count back": wasmtest.Const(5),
	} {
		i, err := start(t, &wasmtest.Guest{Process: code}, Options{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		items(i.Input(), 1)
		var trap *Trap
		if _, err := i.Call(1); !errors.As(err, &trap) || trap.Item != -1 {
			t.Errorf("%s: %v, want a trap at no item", name, err)
		}
	}
}

func TestMemoryLimit(t *testing.T) {
	// It asks for 100 pages at every call, and stores where they would begin: beyond the limit that traps.
	g := &wasmtest.Guest{
		Process:  wasmtest.Code(wasmtest.Grow(100), wasmtest.Store(40*65536, 1), wasmtest.Local0),
		Manifest: map[string]any{"memory": 64 * 65536},
	}
	i, err := start(t, g, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var trap *Trap
	if _, err := i.Call(1); !errors.As(err, &trap) || !strings.Contains(err.Error(), "out of bounds") {
		t.Errorf("%v, want a trap out of bounds", err)
	}
	if i.Memory() > 64*65536 {
		t.Errorf("%d bytes of memory", i.Memory())
	}
}

func TestGrowingMovesNothing(t *testing.T) {
	g := &wasmtest.Guest{Process: wasmtest.Code(wasmtest.Grow(1), wasmtest.Local0), Output: wasmtest.Item(abi.StatusOK, 0)}
	i, err := start(t, g, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		items(i.Input(), 1)
		out, err := i.Call(1)
		if item, _, ok := NextItem(out); err != nil || !ok || len(item) != abi.OutHead {
			t.Fatalf("%v, %v", out[:abi.OutHead], err)
		}
	}
}

func TestLogHasAQuota(t *testing.T) {
	g := &wasmtest.Guest{
		Imports: []wasmtest.Import{{Module: "zmesh_0", Name: "log", Params: []byte{wasmtest.I32, wasmtest.I32, wasmtest.I32}}},
		Process: wasmtest.Code(wasmtest.Const(2), wasmtest.Const(wasmtest.MessageAt), wasmtest.Const(5), wasmtest.Call(1), wasmtest.Local0),
		Message: "a\nb\x00c",
	}
	var lines []string
	opt := Options{Grants: []string{CapLog}, Log: func(level int, text string) {
		if level == abi.LogWarn {
			lines = append(lines, text)
		}
	}}
	i, err := start(t, g, opt, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if _, err := i.Call(1); err != nil {
			t.Fatal(err)
		}
	}
	if len(lines) < 100 || len(lines) > 300 || lines[0] != "a b c" || i.mod.account.Load().Hits()["log_lines"] != uint64(1000-len(lines)) {
		t.Errorf("%d lines, the first %q, %v", len(lines), lines[0], i.mod.account.Load().Hits())
	}
}

// A guest that does not end is stopped by its fuel, wherever it loops, and the next instance works.
func TestFuel(t *testing.T) {
	endless := []byte{0x03, 0x40, 0x0C, 0x00, 0x0B} // loop br 0 end
	for name, g := range map[string]*wasmtest.Guest{
		"process":   {Process: append(endless, wasmtest.Unreachable...)},
		"init":      {Init: append(endless, wasmtest.Unreachable...)},
		"configure": {Configure: append(endless, wasmtest.Unreachable...)},
	} {
		i, err := start(t, g, Options{StartFuel: 1_000_000}, nil)
		if err == nil {
			items(i.Input(), 2)
			_, err = i.Call(2)
		}
		if !errors.Is(err, ErrFuel) {
			t.Errorf("%s: %v, want %v", name, err, ErrFuel)
		}
	}
	if _, err := start(t, &wasmtest.Guest{Start: endless}, Options{StartFuel: 1_000_000}, nil); err == nil {
		t.Error("a start function that loops was not stopped")
	}
	i, err := start(t, &wasmtest.Guest{}, Options{ItemFuel: 1000}, nil)
	for range 1000 {
		if err == nil {
			_, err = i.Call(1) // each has its own budget
		}
	}
	if err != nil {
		t.Error(err)
	}
}

// What would be too much for the compiler is refused before it.
func TestSIMDIsRefused(t *testing.T) {
	simd := []byte{0xFD, 0x0C, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x1A} // v128.const drop
	_, err := start(t, &wasmtest.Guest{Process: append(simd, wasmtest.Unreachable...)}, Options{}, nil)
	if err == nil || !strings.Contains(err.Error(), "SIMD") {
		t.Errorf("%v", err)
	}
}

func TestCacheBelongsToOneUser(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	for range 2 {
		m, err := Load(t.Context(), (&wasmtest.Guest{}).Bytes(), Options{CacheDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(t.Context(), (&wasmtest.Guest{}).Bytes(), Options{CacheDir: dir}); err == nil || !strings.Contains(err.Error(), "0700") && !strings.Contains(err.Error(), "-rwx------") {
		t.Errorf("%v, want a refusal that says which mode", err)
	}
}

func TestCallDoesNotAllocate(t *testing.T) {
	i, err := start(t, &wasmtest.Guest{Output: wasmtest.Item(abi.StatusOK, 0)}, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		items(i.Input(), 1)
		if _, err := i.Call(1); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a call", n)
	}
}

func BenchmarkCall(b *testing.B) {
	m, err := Load(context.Background(), (&wasmtest.Guest{Output: wasmtest.Item(abi.StatusOK, 0)}).Bytes(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	i, err := m.Instantiate(context.Background(), nil)
	if err != nil {
		b.Fatal(err)
	}
	items(i.Input(), 1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := i.Call(1); err != nil {
			b.Fatal(err)
		}
	}
}

// Package wasmtest owns hand-made guests for tests: modules of a few instructions that keep the plugin contract, or break it in
// one place. They are put together from bytes here, so that no toolchain is needed and every byte is under control.
//
// A guest's output region is filled by a data segment, so what a plugin answers, and what is wrong with it, is data; only
// what must happen at run time is code. The package knows the binary format and the contract, and nothing of the engine.
package wasmtest

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// Where things lie in a guest's memory, unless a test moves them.
const (
	DescriptionAt = 1024
	ProgressAt    = 1088
	MessageAt     = 1152
	MessageSize   = 64
	ConfigAt      = 2048
	ConfigSize    = 2048
	InputAt       = 8192
	InputSize     = 8192
	OutputAt      = 65536
	OutputSize    = 65536
	SpareAt       = 131072
)

// Import is a function that a guest asks for.
type Import struct {
	Module, Name    string
	Params, Results []byte // I32, I64
}

// Types of values.
const (
	I32 = 0x7F
	I64 = 0x7E
)

// Guest is a module to be. The zero value of a field gives what a good guest has.
type Guest struct {
	Imports   []Import // after features
	NoVersion bool     // do not import features
	Major     string   // of the import module; default "0"

	MinPages, MaxPages uint32 // of memory; default 2 and no bound

	Region      map[int][2]uint32 // moves regions: abi.ArenaInput: {offset, size}
	Words       map[int]uint32    // other words of the description: abi.ArenaVersion: …
	Description int               // what zmesh_init gives; default DescriptionAt

	Init, Configure, Process []byte // code without its end; see the instructions. Process defaults to giving n back
	Start                    []byte // code of a start function; nil: none
	Idle                     []byte // code of the idle hook; nil: none
	Initialize               []byte // code of _initialize; nil: none

	Output  []byte // fills the output region
	Spare   []byte // stands at SpareAt, beyond the regions; it needs a third page
	Message string // fills the message region

	Manifest   map[string]any // over the default one
	RawSection []byte         // instead of a manifest
	Sections   int            // how many manifests; default 1, -1: none
	Without    string         // an export to leave out
}

// Item makes an output item: a head and what follows.
func Item(status, count int, rest ...byte) []byte {
	b := make([]byte, abi.OutHead, abi.OutHead+len(rest))
	binary.LittleEndian.PutUint32(b, uint32(abi.OutHead+len(rest)))
	binary.LittleEndian.PutUint16(b[abi.OutStatus:], uint16(status))
	binary.LittleEndian.PutUint16(b[abi.OutCount:], uint16(count))
	return append(b, rest...)
}

// Bytes puts the module together.
func (g *Guest) Bytes() []byte {
	m := append([]byte("\x00asm"), 1, 0, 0, 0)
	imports := g.imports()
	n := byte(len(imports))
	m = section(m, 1, g.types(imports))
	m = section(m, 2, importSection(imports))
	functions := [][]byte{vector(0), vector(1), vector(1)} // zmesh_init, zmesh_configure, zmesh_process
	bodies := [][]byte{body(or(g.Init, Const(g.at())...)), body(or(g.Configure, Const(0)...)), body(or(g.Process, Local0...))}
	own := map[string]byte{}
	for _, f := range []struct {
		export string
		code   []byte
	}{{"", g.Start}, {abi.ExportIdle, g.Idle}, {abi.ExportInitialize, g.Initialize}} {
		if f.code != nil {
			own[f.export] = n + byte(len(bodies))
			functions = append(functions, vector(2))
			bodies = append(bodies, body(f.code))
		}
	}
	m = section(m, 3, list(functions))
	m = section(m, 5, g.memory())
	m = section(m, 6, list([][]byte{{I32, 1, 0x41, 0, 0x0B}})) // global 0: a mutable i32
	m = section(m, 7, g.exports(n, own))
	if g.Start != nil {
		m = section(m, 8, uleb(uint64(own[""])))
	}
	m = section(m, 10, list(bodies))
	m = section(m, 11, g.data())
	for range max(g.Sections, 1) {
		if g.Sections >= 0 {
			m = section(m, 0, append(name(abi.ManifestSection), g.manifest()...))
		}
	}
	return m
}

func (g *Guest) at() int {
	if g.Description != 0 {
		return g.Description
	}
	return DescriptionAt
}

func (g *Guest) imports() []Import {
	if g.NoVersion {
		return g.Imports
	}
	major := "0"
	if g.Major != "" {
		major = g.Major
	}
	return append([]Import{{Module: abi.ImportPrefix + major, Name: abi.ImportFeatures, Results: []byte{I64}}}, g.Imports...)
}

// types are those of the guest's own functions, then one for each import.
func (g *Guest) types(imports []Import) []byte {
	all := [][]byte{function(nil, []byte{I32}), function([]byte{I32}, []byte{I32}), function(nil, nil)}
	for _, i := range imports {
		all = append(all, function(i.Params, i.Results))
	}
	return list(all)
}

func function(params, results []byte) []byte {
	return append(append([]byte{0x60}, sized(params)...), sized(results)...)
}

func importSection(imports []Import) []byte {
	var all [][]byte
	for k, i := range imports {
		all = append(all, append(append(append(name(i.Module), name(i.Name)...), 0), uleb(uint64(3+k))...))
	}
	return list(all)
}

func (g *Guest) memory() []byte {
	low := g.MinPages
	if low == 0 {
		low = 2
	}
	if g.MaxPages > 0 {
		return list([][]byte{append(append([]byte{1}, uleb(uint64(low))...), uleb(uint64(g.MaxPages))...)})
	}
	return list([][]byte{append([]byte{0}, uleb(uint64(low))...)})
}

func (g *Guest) exports(imported byte, own map[string]byte) []byte {
	var all [][]byte
	add := func(n string, kind, index byte) {
		if n != g.Without {
			all = append(all, append(name(n), kind, index))
		}
	}
	add(abi.ExportMemory, 2, 0)
	add(abi.ExportInit, 0, imported)
	add(abi.ExportConfigure, 0, imported+1)
	add(abi.ExportProcess, 0, imported+2)
	for _, name := range []string{abi.ExportIdle, abi.ExportInitialize} {
		if index, ok := own[name]; ok {
			add(name, 0, index)
		}
	}
	return list(all)
}

func (g *Guest) data() []byte {
	var all [][]byte
	add := func(at int, b []byte) {
		if len(b) > 0 {
			all = append(all, append(append(append([]byte{0}, Const(at)...), 0x0B), sized(b)...))
		}
	}
	add(DescriptionAt, g.description())
	add(MessageAt, []byte(g.Message))
	add(OutputAt, g.Output)
	add(SpareAt, g.Spare)
	return list(all)
}

func (g *Guest) description() []byte {
	b := make([]byte, abi.ArenaSize)
	put := func(at int, v uint32) { binary.LittleEndian.PutUint32(b[at:], v) }
	put(0, abi.ArenaSize)
	put(abi.ArenaVersion, abi.Major<<16|abi.Minor)
	regions := map[int][2]uint32{
		abi.ArenaInput: {InputAt, InputSize}, abi.ArenaOutput: {OutputAt, OutputSize}, abi.ArenaConfig: {ConfigAt, ConfigSize},
		abi.ArenaProgress: {ProgressAt, 4}, abi.ArenaMessage: {MessageAt, MessageSize},
	}
	for at, r := range g.Region {
		regions[at] = r
	}
	for at, r := range regions {
		put(at, r[0])
		put(at+4, r[1])
	}
	for at, v := range g.Words {
		put(at, v)
	}
	return b
}

func (g *Guest) manifest() []byte {
	if g.RawSection != nil {
		return g.RawSection
	}
	m := map[string]any{
		"manifest": 1, "kind": "strategy", "name": "hand-made", "vendor": "test", "version": "1.0.0",
		"abi": map[string]any{"min": fmt.Sprintf("%d.%d", abi.Major, abi.Minor)},
	}
	for k, v := range g.Manifest {
		m[k] = v
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // a test's own map
	}
	return b
}

func or(code []byte, otherwise ...byte) []byte {
	if code == nil {
		return otherwise
	}
	return code
}

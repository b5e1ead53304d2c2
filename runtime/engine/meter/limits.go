package meter

import "cmp"

// Limits bound a module before anything of it is compiled. A zero field takes its default. The figures in the reasons were
// measured with the benchmarks of this package on one core of a small server; Go's largest body is that of the plugins that ship.
type Limits struct {
	// Module is the size in bytes. 16 MiB: a Go guest has 2, and Parse needs about 20 ns a byte.
	Module int

	// Types bounds the type section. 10,000: Go 1.26 writes about 40, C++ a few hundred.
	Types int

	// Functions bounds imported and own functions together. 20,000: a Go guest has 2,500, one with fmt and encoding/json 5,000.
	Functions int

	// Body is the size of one function in bytes. 96 KiB: the largest of a Go guest's has 44 KB and takes 0.2 s to compile. Time
	// grows faster than the size, so what is just a few times larger takes seconds.
	Body int

	// Locals bounds the locals of one body, without parameters. 1,000: Go's have at most 25, clang's -O0 some hundred. A local is
	// a stack slot in a frame that a runaway recursion multiplies.
	Locals int

	// Blocks bounds block, loop and if in one body. 8,000: the largest body of a Go guest has 2,500.
	Blocks int

	// Nesting bounds how deep they nest. 1,500: Go nests one block for each resume point, 1,010 in a Go guest's largest
	// dispatch; wazero's validation copies what it knows at each level.
	Nesting int

	// Targets bounds the entries of all br_table of one body. 20,000: Go has one table with an entry for each resume point, 1,800.
	Targets int

	// Work bounds the sum over all blocks of a body of the locals that are alive there: blocks × (parameters + locals). Each
	// may become a value at the block's beginning: it is what makes a small body compile for seconds. 200,000.
	Work int

	// Globals bounds imported and own globals together. 1,000: Go has 9, Rust and C 3. wazero loads every mutable one again
	// after each call while it compiles, so calls × globals is time.
	Globals int

	// Table is the largest size of the table in entries. 65,536: Go has an entry for each function and 4,096 before them. wazero
	// takes 8 bytes for each.
	Table int

	// Segments bounds data segments. 10,000: Go writes one for each run between zeros, 2,600 in a Go guest.
	Segments int

	// Data bounds the bytes of all data segments. 8 MiB: a Go guest has 0.6; they are copied in at each instantiation.
	Data int

	// Elements bounds element segments. 1,000: toolchains write one.
	Elements int

	// ElementFuncs bounds the entries of all element segments. 65,536, as Table.
	ElementFuncs int

	// Imports bounds imports. 200: the contract and WASI have 40.
	Imports int

	// Exports bounds exports. 1,000: a plugin needs 4; wazero makes a map of them for each instance.
	Exports int

	// Custom bounds the bytes of all custom sections. 8 MiB: names take 0.2, debug information of C is several MB.
	Custom int
}

// withDefaults fills in what is zero.
func (l Limits) withDefaults() Limits {
	return Limits{
		Module: cmp.Or(l.Module, 16<<20), Types: cmp.Or(l.Types, 10_000), Functions: cmp.Or(l.Functions, 20_000),
		Body: cmp.Or(l.Body, 96<<10), Locals: cmp.Or(l.Locals, 1000), Blocks: cmp.Or(l.Blocks, 8000),
		Nesting: cmp.Or(l.Nesting, 1500), Targets: cmp.Or(l.Targets, 20_000), Work: cmp.Or(l.Work, 200_000),
		Globals: cmp.Or(l.Globals, 1000), Table: cmp.Or(l.Table, 65_536), Segments: cmp.Or(l.Segments, 100_000),
		Data: cmp.Or(l.Data, 8<<20), Elements: cmp.Or(l.Elements, 1000), ElementFuncs: cmp.Or(l.ElementFuncs, 65_536),
		Imports: cmp.Or(l.Imports, 200), Exports: cmp.Or(l.Exports, 1000), Custom: cmp.Or(l.Custom, 8<<20),
	}
}

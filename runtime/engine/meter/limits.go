package meter

import "cmp"

// Limits bound a module before anything of it is compiled. A zero field takes its default. The figures in the reasons were
// measured with the benchmarks of this package on one core of a small server; Go's largest body is that of the plugins that
// ship.
type Limits struct {
	// Module is the size in bytes. 16 MiB: a Go guest has 2, and Parse takes about 5 ns a byte.
	Module int

	// Types bounds the type section. 10,000: Go 1.26 writes 12, C++ a few hundred.
	Types int

	// Functions bounds imported and own functions together. 20,000: a Go guest has 1,300, one with fmt and encoding/json 3,000.
	Functions int

	// Body is the size of one function in bytes. 96 KiB: the largest of a Go guest has 12 KB, of C and Rust 10. Straight
	// code of that size compiles in 0.1 s.
	Body int

	// Locals bounds the locals of one body, without parameters. 1,000: Go's have at most 18 with the parameters, Zig's without
	// optimisation 813. A local is a slot in a frame that a runaway recursion multiplies.
	Locals int

	// Joins bounds what splits one body into pieces that wazero looks at pairwise: each block, if and br_if counts 1, and each
	// loop and each bulk operation or memory.grow 3 more, since metering puts a branch there. Compile time grows with the
	// square: 4,000 br_if take 0.33 s, 8,000 memory.grow 5.4. 4,000: a Go guest's largest has 509.
	Joins int

	// Nesting bounds how deep blocks nest. 1,500: Go nests one for each place where a function may be resumed, 296 in a Go
	// guest; wazero's validation copies what it knows at each level.
	Nesting int

	// Targets bounds the entries of all br_table of one body. 20,000, which take 0.15 s: Go has one table with an entry for
	// each place where a function may be resumed, 534 in a Go guest.
	Targets int

	// Work bounds blocks × (parameters + locals) of one body: each pair may become a value that has to be carried. 150,000,
	// which take 0.4 s: Zig without optimisation comes to 57,000, Go to 4,000.
	Work int

	// Reloads bounds calls × globals of one body, with loops and bulk operations for the call that a charge may make: wazero loads every
	// mutable global again after each call while it compiles.
	// 1,000,000, which take 0.2 s: a Go guest comes to 1,000.
	Reloads int

	// Effort bounds an estimate of what compiling the whole module takes, in µs of a processor of 2023: see stats.effort.
	// 10,000,000, about ten seconds, because who compiles what is not in the cache has a limit of its own. A Go guest is
	// estimated at 1.8 and takes 0.7.
	Effort int

	// Globals bounds imported and own globals together. 1,000: Go has 8, Rust and C 3; see Reloads.
	Globals int

	// Table is the size of the table in entries. 65,536: Go has an entry for each function and 4,096 before them. wazero
	// takes 8 bytes for each.
	Table int

	// Segments bounds data segments. 100,000: Go writes one for each run between zeros, 22,000 in a Go guest.
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
		Body: cmp.Or(l.Body, 96<<10), Locals: cmp.Or(l.Locals, 1000), Joins: cmp.Or(l.Joins, 4000),
		Nesting: cmp.Or(l.Nesting, 1500), Targets: cmp.Or(l.Targets, 20_000), Work: cmp.Or(l.Work, 150_000),
		Reloads: cmp.Or(l.Reloads, 1_000_000), Effort: cmp.Or(l.Effort, 10_000_000),
		Globals: cmp.Or(l.Globals, 1000), Table: cmp.Or(l.Table, 65_536), Segments: cmp.Or(l.Segments, 100_000),
		Data: cmp.Or(l.Data, 8<<20), Elements: cmp.Or(l.Elements, 1000), ElementFuncs: cmp.Or(l.ElementFuncs, 65_536),
		Imports: cmp.Or(l.Imports, 200), Exports: cmp.Or(l.Exports, 1000), Custom: cmp.Or(l.Custom, 8<<20),
	}
}

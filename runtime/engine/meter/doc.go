// Package meter rewrites core wasm modules so that they count down their fuel and trap when none is left, and refuses those
// that are not in the plugin contract or would take too long to compile. It looks at bytes alone: nothing is compiled or
// run.
//
// [Parse] reads a module in the binary format of the WebAssembly core specification 2.0 (section 5) and holds it against
// [Limits]. [Meter] gives a module with one more global, a mutable i64 that is exported under [Options.FuelExport], and the
// charges below. The host sets that global before a call and reads it after: 10 ns together, where two exported functions
// take 56. Below zero after a trap means that the fuel ran out.
//
// With [Options.Refill] a guest without fuel calls the host, which gives it more or ends the call. So a long budget can be given in slices: machine code
// cannot be interrupted, and a guest comes back to where it can. At a loop's header the charge is taken back and the loop begun
// again, rather than gone on with: what follows has one way to it then, and the compiler keeps what it has in registers. (A
// decision in Go takes 1.11 times as long as without a meter, and 1.31 with two ways; 1.07 where no fuel is a trap.) After memory.grow the host
// is called too, to touch what is new.
//
// # Where it is charged
//
// At a function's entry, for its frame and every instruction outside of its loops; at each loop's header, for what is in
// the loop and in no loop further inside. An instruction runs at most once for each time that its charge is passed, so at
// least as much is charged as runs. The charge is global.get, i64.const, i64.sub, global.set, global.get, i64.const 0,
// i64.lt_s, if unreachable end: in machine code a load, a subtraction, a store and a branch that is not taken. Four things
// save charges:
//
//   - A function whose first loop is reached in any case by plain instructions alone is charged at that loop's header for
//     both. Most of Go's functions have such a loop, which jumps to where they are resumed.
//   - A small function without loops is charged by its callers: see small.go. What the host calls itself, or the start
//     function, may so run 40 units uncharged.
//   - A loop without calls keeps the fuel in a local, and puts it back where it is left and before it traps.
//   - A bulk operation whose length is a constant is charged with the code around it.
//
// # What it costs, in units
//
//	each instruction, structure and constants too      1
//	load from memory                                   2
//	f32, f64: div, sqrt                                4
//	integer div, rem                                   8
//	call of an own function                            3, and what it takes if it is small
//	call_indirect                                      6, and the most that a small function in the table takes
//	call of an import                                  63; what the host does in it is the host's to charge
//	memory.copy, fill, init; table.copy, init          16, and 1 for 8 bytes or 1 entry
//	data.drop, elem.drop                               16
//	memory.grow                                        60, and 2,048 for each page that the memory then has
//	entry                                              2, 1 for each parameter and local, 1 for 8 instructions, and
//	                                                   64 if the function calls others
//
// A unit is 0.1 to 0.4 ns in ordinary code, 2 ns in a recursion or where memory grows, and 10 to 20 ns where every load misses all
// caches of 64 MiB. A million units are less than 50 ms of any code. What comes on top, and fuel does not count, is the kernel's work
// when a page of memory is touched for the first time: usually 2 to 5 µs each, 35 to 75 ms for 64 MiB, and 1 to 250 ms have been seen,
// once for an instance. Who makes the instance should touch its memory beforehand, and what has grown when it is called for that.
//
// Go's functions are charged far more than they run, because each round of their one loop is charged for the whole function: a
// decision of best-route takes 20,000 units and 120 ns, the start of its runtime 15 million.
//
// # The stack
//
// wazero grows a stack by copying and gives up ("stack overflow") when it has about 100 MB. What takes longest there is that copy, some
// 40 ms in which nothing can stop the world, and then a look at every frame, for the trap's text. So a function that calls others pays
// 64 units more at its entry: a million units are some 14,000 small frames, or at most about 10 MB of large ones, all copies counted, and a
// recursion that uses them up takes 0.5 ms where it took 7. For a Go guest that is 2 to 12 % more units, which are no time. There is no counter of
// depth: it would have to be counted up again at every way out.
//
// # What is refused
//
// Everything outside of wasm 1.0 with mutable globals, sign extension, saturating conversions and bulk memory: more than
// one result or value of a block, SIMD, reference types (a funcref table and indices of functions in its segments are what
// Go, clang and Rust write), threads, exceptions, tail calls, garbage collection, memory64, more than one memory or table,
// extended constants. SIMD is refused since nothing that ships or that Go writes has it and the engine compiles without it.
// Also the longer forms of block types, prefixed opcodes and memory indices, so that no two readers can see different code;
// call_indirect's table may be the five bytes that clang writes. Indices of locals and globals are checked, since one too
// high would become the fuel's. Types of operands are left to who compiles: what is given validates exactly if what was
// taken did.
//
// Custom sections about offsets in the code (DWARF, source maps, relocations, branch hints) are dropped, all others kept
// byte for byte, and so is every section and body without a charge.
//
// # What it must not know
//
// The engine, manifests, and budgets: who calls says how much fuel there is.
package meter

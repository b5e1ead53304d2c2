// Package engine runs WebAssembly modules that keep the plugin contract: it reads what a module says of itself, refuses
// what it was not granted, compiles, instantiates and calls it, and contains what goes wrong in there.
//
// # The way of a module
//
// [Read] parses the sections that matter (manifest, imports, exports, memory) from the bytes, before anything is compiled or
// run. [Load] then holds the module against the host's version, the grants and the limits, bounds it and lets it count its fuel
// (package meter), and compiles it in a runtime of its own with a memory limit and a compile cache on disk. [Module.Instantiate] makes an instance: its start-up runs, it says where its arena lies, and takes its
// configuration. [Instance.Call] hands it a batch of items; no host function is needed and nothing is allocated on that way.
//
// # What can go wrong
//
// Anything that ends a call early, a lack of fuel among it, and any offset or count that cannot be, is a [Trap]: it names the item, keeps the bytes
// that caused it, and the instance is dead from then on. The caller replaces it.
//
// # What it must not know
//
// Forwarding, faces, names, decoders: items and results are bytes here. The layout is sdk/guest/abi's; what an item means is
// runtime/plugin's business.
package engine

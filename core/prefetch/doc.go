// Package prefetch asks the processor to bring memory into its caches while it does something else.
//
// A table of a busy node does not fit into the cache, and to wait for one line of it takes as long as a tenth of a frame's whole way. A worker knows from a
// burst what it will look up next, so it says so a frame or two before.
//
// It is a hint and nothing else: no result depends on it, any address may be given, and where there is no instruction for it
// nothing happens. It must not know what is asked for.
package prefetch

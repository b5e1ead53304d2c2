// Package mesh is a network in one process under a virtual clock: any graph of nodes (core/forward) and devices, joined by
// links with delay, loss, duplication, reordering and cuts, or by radio channels that they share ([Radio]).
//
// One seed decides everything that is random, and one goroutine runs everything in the order of the virtual time, so the
// same seed gives the same trace, frame by frame ([Mesh.Digest]). Time jumps from event to event: an hour of a quiet network takes no longer than its frames.
//
// It serves the tests of the forwarder and, later, simulations with plugins. It knows sockets no more than the forwarder
// does; how a node is to be configured is its caller's business.
package mesh

// Package outside holds tests of a node from outside, with frames made by hand: what a neighbour, a device or a stranger on
// the wire can see of it, and do to it.
//
// Each test starts real nodes from a configuration, on real UDP sockets of the loopback address, and speaks to them with
// frames that are put together byte by byte from the protocol page (the frame: part 1; the choices P-n: part 2) and RFC 4493. It
// must not know the product's codec, tables or forwarder: if both sides of a test had the same mistake, it would not be seen.
// What it may look at besides the wire is what an operator sees: the status and the counters of the host.
//
// No test waits by sleeping. What has to come is waited for with a deadline; that nothing comes is shown by a marker, a frame
// whose answer is certain and overtakes nothing.
package outside

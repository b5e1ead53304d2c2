// Package bench is `zmesh bench`: a load generator, and beside it the limit of the machine it runs on.
//
// It owns the whole measurement. [Run] starts a forwarder as a child process (or takes one that runs already), and beside it
// raw servers that move the same datagrams with the same system calls and do nothing else; it drives all of them in turns, with
// the same loop and the same sizes, so that what is compared was measured within one run. What a frame costs is read from the
// kernel's accounting of the other process, never from our own clock.
//
// The load generator is one thread that owns its sockets (socket_linux.go). Frames and their MACs are made between the timed
// parts, the legs (leg.go). A closed loop keeps a window of exchanges under way; an open one sends by the clock, and counts
// latency from when a frame was due, so that a generator that was held up does not hide it.
//
// It must not know what is inside the forwarder: it speaks frames, and reads the node's admin API. It needs Linux, as
// the batched system calls and the clocks of other processes do.
package bench

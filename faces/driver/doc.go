// Package driver owns the links whose framing is a plugin's: it has the sockets, serial ports and timers, and a [Codec], which
// runtime/plugin makes of a driver, turns their bytes into frames and frames into bytes.
//
// [Lines] are those of a node. A [Line] is one configured face: a client on tcp, unix, udp or a serial port, whose other end is a
// face from the start and which connects again when it was cut; or a listener on tcp, unix or udp, whose peers become faces on
// their first valid frame (P-11). Every connection has a goroutine that reads and one that writes, a line one for what its
// driver's timer asks for; Close ends them all and waits.
//
// It must not know what is in a frame, nor what bytes mean: it offers bytes until the driver has consumed them, keeps at most
// [MaxPending] of them for each connection, and hands over to the forwarder what the driver calls a frame. It makes no MAC and
// checks none. What a driver declares of its medium it keeps: half duplex and duty cycle are waited for here, where nobody else waits.
//
// # Locks
//
// Line.coding (the driver runs) is taken alone. The node's mutexes, then Line.mu or outlet.mu: Send and Close of a link are called under
// the node's and take these at most, and nobody calls the node under them.
package driver

// Package udp owns the links over UDP: one datagram is one frame, nothing around it (protocol page, part 1).
//
// A [Transport] holds all UDP sockets of a node, what belongs to all of them: which address is which face. A [Socket] has a
// goroutine that reads bursts of up to [Burst] datagrams, hands them to its forward.Ingress with one clock reading, and
// sends what the node answers, by recvmmsg and sendmmsg on Linux and one datagram a call elsewhere. Peers of a socket with
// a forward.Listener become faces on their first valid frame (P-11); configured remotes are faces from the start, and a
// datagram from a remote's address is that face on whichever socket it arrives (P-24).
//
// It must not know what is in a frame: it looks at lengths and addresses only, and everything that can be wrong with a
// frame is the Ingress's to count. Frames get their time from Config.Clock alone. It reads no configuration file and logs nothing;
// what goes wrong is an error of [Transport.Listen] or [Transport.Connect], or a number in [Counters].
//
// # Locks
//
// Transport.life, then the node's and its workers' mutexes, then Transport.mu. Send and Close of a link are called under the
// node's mutexes and take Transport.mu at most; a reader never calls the node while it holds it.
package udp

package udp

import (
	"net"
	"syscall"

	"github.com/zmesh/zmesh/core/wire"
)

// Burst is how many datagrams are read or sent with one system call at most.
const Burst = 64

// room is the space for one datagram that is read: one byte more than a frame may have, so that a datagram that is too long is
// seen to be so and counted (P-23), not cut off and taken for a frame.
const room = wire.MaxFrame + 1

// burst is what one read gave: datagram raw[i] came from from[i]. It holds until the reader asks for the next.
type burst struct {
	raw  [][]byte
	from []address
}

// engine is the system calls of one socket: the place for segmentation offload, where one message holds many datagrams.
type engine interface {
	// serve calls take with each burst that comes in until stop is called (then err is nil) or a read fails, after
	// which it may be called again. It belongs to one goroutine.
	serve(take func(*burst)) (err error)
	// stop makes serve return. It may be called from any goroutine, once.
	stop()
	// send hands frames to the kernel, all for one address, and tells how many it took: the first n. It does not
	// wait for room. Any number of goroutines may send.
	send(to *address, frames [][]byte) (n int, err error)
}

// conn is what every engine is made of.
type conn struct {
	udp   *net.UDPConn
	raw   syscall.RawConn
	v6    bool // an AF_INET6 socket: it wants its addresses so
	count *counters
}

func newConn(udp *net.UDPConn, v6 bool, count *counters) (*conn, error) {
	raw, err := udp.SyscallConn()
	return &conn{udp: udp, raw: raw, v6: v6, count: count}, err
}

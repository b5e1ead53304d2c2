package udp

import (
	"net"
	"sync/atomic"
	"time"

	"github.com/zmesh/zmesh/core/wire"
)

// Burst is how many messages are read or sent with one system call at most. A message is one datagram, or with segmentation
// offload up to maxSegments of one peer.
const Burst = 64

// maxSegments is how many datagrams one message may hold that is sent (UDP_SEGMENT): the oldest kernels that know it take 64.
const maxSegments = 64

// piece is how many datagrams are handed to the node at a time: with offload a read may give thousands, and nobody else gets the
// worker meanwhile. What the node keeps of 128 stays in the cache nearest to the processor.
const piece = 128

// room is the space for one datagram that is read: one byte more than a frame may have, so that a datagram that is too long is
// seen to be so and counted (P-23), not cut off and taken for a frame.
const room = wire.MaxFrame + 1

// burst is what one read gave: datagram raw[i] came from from[i]. It holds until the reader asks for the next.
type burst struct {
	raw  [][]byte
	from []address
}

// parcel is frames for one address, and what became of them.
type parcel struct {
	to     *address
	frames [][]byte
	sent   int // the first so many were taken
	err    error
}

// engine is the system calls of one socket.
type engine interface {
	// serve calls take with each burst that comes in until stop is called (then err is nil) or a read fails, after
	// which it may be called again. It belongs to one goroutine.
	serve(take func(*burst)) (err error)
	// stop makes serve return. It may be called from any goroutine, once.
	stop()
	// send hands parcels to the kernel and notes in each how many of its frames were taken. It does not wait for room.
	// Any number of goroutines may send.
	send(list []parcel)
}

// conn is what every engine is made of: the socket.
type conn struct {
	udp   *net.UDPConn // nil if the engine has taken the socket over
	v6    bool         // an AF_INET6 socket: it wants its addresses so
	count *counters
	clock func() time.Duration // times one read in so many; nil: none

	napping *atomic.Int32 // readers of the transport that nap now

	control func(func(fd uintptr)) error // runs a function while the socket cannot be closed
	close   func() error
}

func newConn(udp *net.UDPConn, v6 bool, count *counters) (*conn, error) {
	raw, err := udp.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &conn{udp: udp, v6: v6, count: count, napping: new(atomic.Int32), control: raw.Control, close: udp.Close}, nil
}

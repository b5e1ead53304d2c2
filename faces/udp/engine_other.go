//go:build !linux

package udp

import (
	"errors"
	"net"
	"syscall"
)

// spreads tells that several sockets can have one port, each with its own peers.
const spreads = false

func listenUDP(network string, at *net.UDPAddr, _ bool) (*net.UDPConn, error) {
	return net.ListenUDP(network, at)
}

// newEngine is the best engine of this system.
func newEngine(c *conn) (engine, error) { return newPortable(c) }

// full tells whether a send ended because there was no room.
func full(err error) bool { return errors.Is(err, syscall.ENOBUFS) || timedOut(err) }

// buffers cannot be read here: 0 is unknown.
func (c *conn) buffers() (receive, send int) { return 0, 0 }

// overflow cannot be read here.
func (c *conn) overflow() uint64 { return 0 }

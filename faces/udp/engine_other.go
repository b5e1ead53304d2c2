//go:build !linux

package udp

import (
	"errors"
	"syscall"
)

// newEngine is the best engine of this system.
func newEngine(c *conn) (engine, error) { return newPortable(c) }

// full tells whether a send ended because there was no room.
func full(err error) bool { return errors.Is(err, syscall.ENOBUFS) || timedOut(err) }

// buffers cannot be read here: 0 is unknown.
func (c *conn) buffers() (receive, send int) { return 0, 0 }

// overflow cannot be read here.
func (c *conn) overflow() uint64 { return 0 }

package udp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// descriptor is a socket that the runtime's poller does not know: a reader of its own waits in the system call.
type descriptor struct {
	mu     sync.RWMutex // held for writing to close
	fd     int
	closed bool
}

func (d *descriptor) control(fn func(fd uintptr)) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.closed {
		return net.ErrClosed
	}
	fn(uintptr(d.fd))
	return nil
}

func (d *descriptor) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return net.ErrClosed
	}
	d.closed = true
	return unix.Close(d.fd)
}

// takeOver takes the socket out of the runtime's poller, so that its reader waits in the read itself. A goroutine that the poller wakes
// costs an epoll_wait and a turn of the scheduler for each burst, and the poller would go on being woken for every datagram.
func (c *conn) takeOver() error {
	var own int
	var err error
	if e := c.control(func(fd uintptr) { own, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); e != nil {
		return e
	}
	if err == nil {
		err = unix.SetNonblock(own, false)
	}
	if err != nil {
		return fmt.Errorf("take over the socket: %w", err)
	}
	closed := c.close()
	d := &descriptor{fd: own}
	c.udp, c.control, c.close = nil, d.control, d.close
	return closed
}

// spreads tells that several sockets can have one port, each with its own peers.
const spreads = true

// listenUDP binds a socket; one that shares its port with others that were bound so, by this user, if shared is set (SO_REUSEPORT).
func listenUDP(network string, at *net.UDPAddr, shared bool) (*net.UDPConn, error) {
	var option error
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		if !shared {
			return nil
		}
		err := raw.Control(func(fd uintptr) { option = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
		return errors.Join(err, option)
	}}
	host := ""
	if at.IP != nil {
		host = at.IP.String()
		if at.Zone != "" {
			host += "%" + at.Zone
		}
	}
	c, err := lc.ListenPacket(context.Background(), network, net.JoinHostPort(host, strconv.Itoa(at.Port)))
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil
}

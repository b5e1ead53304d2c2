package udp

import (
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// newEngine is the best engine of this system: recvmmsg and sendmmsg, called directly, because x/net's ReadBatch allocates
// an address for each message.
func newEngine(c *conn) engine { return newMmsg(c) }

// mmsghdr is struct mmsghdr of recvmmsg(2): a message and how many bytes of it were received or sent.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

// sockaddr has room for a sockaddr_in or a sockaddr_in6.
type sockaddr = unix.RawSockaddrInet6

// mmsg reads and sends up to Burst datagrams with each system call. All arrays that the kernel fills are made once.
type mmsg struct {
	*conn
	stopped atomic.Bool
	take    func(*burst)
	err     error
	ready   func(fd uintptr) bool // m.readAll, as a value made once

	in    [Burst]mmsghdr
	iov   [Burst]unix.Iovec
	names [Burst]sockaddr
	buf   []byte // Burst times room
	burst burst

	out sync.Pool // of *outgoing
}

func newMmsg(c *conn) *mmsg {
	m := &mmsg{conn: c, buf: make([]byte, Burst*room)}
	m.burst = burst{raw: make([][]byte, Burst), from: make([]address, Burst)}
	m.ready = m.readAll
	m.out.New = func() any { return newOutgoing(m.conn) }
	for i := range m.in {
		m.iov[i].Base = &m.buf[i*room]
		m.iov[i].SetLen(room)
		h := &m.in[i].hdr
		h.Name, h.Iov = (*byte)(unsafe.Pointer(&m.names[i])), &m.iov[i]
		h.SetIovlen(1)
	}
	return m
}

func (m *mmsg) serve(take func(*burst)) error {
	m.take, m.err = take, nil
	err := m.raw.Read(m.ready)
	switch {
	case m.stopped.Load():
		return nil
	case m.err != nil:
		return m.err
	}
	return err
}

func (m *mmsg) stop() {
	m.stopped.Store(true)
	_ = m.udp.SetReadDeadline(time.Unix(1, 0)) // long past: the wait for the next datagram ends
}

// readAll reads and processes bursts until there is nothing left; false asks the runtime to wait for more. A burst that is
// not full has emptied the queue, so there is no second call to learn that: the poller is edge-triggered and keeps what has
// come in since, and at moderate rates this is half of the system calls.
func (m *mmsg) readAll(fd uintptr) (done bool) {
	for !m.stopped.Load() {
		n, errno := m.receive(fd)
		switch errno {
		case 0:
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false
		default:
			m.err = errno
			return true
		}
		m.take(m.received(n))
		if n < Burst {
			return false
		}
	}
	return true
}

func (m *mmsg) receive(fd uintptr) (int, unix.Errno) {
	for i := range m.in { // the kernel writes the length that it used
		m.in[i].hdr.Namelen = uint32(unsafe.Sizeof(m.names[i]))
	}
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&m.in[0])), Burst, unix.MSG_DONTWAIT, 0, 0)
	m.count.readCalls.Add(1)
	return int(n), errno
}

// received is the first n messages. What was cut off has all of room, one byte more than a frame: it is seen as too long.
func (m *mmsg) received(n int) *burst {
	m.burst.raw, m.burst.from = m.burst.raw[:n], m.burst.from[:n]
	for i := range n {
		start := i * room
		m.burst.raw[i] = m.buf[start : start+int(m.in[i].n) : start+room]
		m.burst.from[i] = parseSockaddr(&m.names[i])
	}
	return &m.burst
}

func (m *mmsg) send(to *address, frames [][]byte) (int, error) {
	o := m.out.Get().(*outgoing)
	o.address(to)
	o.frames, o.sent, o.errno = frames, 0, 0
	err := m.raw.Control(o.run) // not Write, which lets one sender in at a time
	sent, errno := o.sent, o.errno
	o.frames = nil
	m.out.Put(o)
	if errno != 0 {
		err = errno
	}
	return sent, err
}

// outgoing is what one send needs. Two workers may send on one socket at the same time, so each takes its own. The pointers
// to frames stay until it is used again; they keep no more than a worker's outbox from being freed.
type outgoing struct {
	conn    *conn
	frames  [][]byte
	sent    int
	errno   unix.Errno
	run     func(fd uintptr) // o.sendAll, as a value made once
	name    sockaddr
	nameLen uint32
	msgs    [Burst]mmsghdr
	iov     [Burst]unix.Iovec
}

func newOutgoing(c *conn) *outgoing {
	o := &outgoing{conn: c}
	o.run = o.sendAll
	for i := range o.msgs {
		h := &o.msgs[i].hdr
		h.Name, h.Iov = (*byte)(unsafe.Pointer(&o.name)), &o.iov[i]
		h.SetIovlen(1)
	}
	return o
}

func (o *outgoing) address(to *address) { o.nameLen = putSockaddr(&o.name, to, o.conn.v6) }

// sendAll sends until the kernel takes no more. After a part of the messages the next call tells why it was a part.
func (o *outgoing) sendAll(fd uintptr) {
	for o.sent < len(o.frames) {
		n := o.fill(o.frames[o.sent:])
		sent, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&o.msgs[0])), uintptr(n), unix.MSG_DONTWAIT, 0, 0)
		o.conn.count.sendCalls.Add(1)
		switch errno {
		case 0:
			o.sent += int(sent)
		case unix.EINTR:
		default:
			o.errno = errno
			return
		}
	}
}

func (o *outgoing) fill(frames [][]byte) (n int) {
	n = min(len(frames), Burst)
	for i, raw := range frames[:n] {
		o.iov[i].Base = unsafe.SliceData(raw)
		o.iov[i].SetLen(len(raw))
		o.msgs[i].hdr.Namelen = o.nameLen
	}
	return n
}

// parseSockaddr reads what recvmmsg wrote: sockaddr_in (family 2, port 2, IP 4) or sockaddr_in6 (family 2, port 2, flow 4,
// IP 16, scope 4). Port and IP are big-endian.
func parseSockaddr(sa *sockaddr) (a address) {
	a.port = uint32(binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&sa.Port))[:]))
	if sa.Family == unix.AF_INET {
		a.ip[10], a.ip[11] = 0xFF, 0xFF
		*(*[4]byte)(a.ip[12:]) = (*unix.RawSockaddrInet4)(unsafe.Pointer(sa)).Addr
		return a
	}
	a.ip = sa.Addr
	if linkLocal(&a.ip) {
		a.scope = sa.Scope_id
	}
	return a
}

// linkLocal tells fe80::/10.
func linkLocal(ip *[16]byte) bool { return ip[0] == 0xFE && ip[1]&0xC0 == 0x80 }

// putSockaddr writes an address as a socket of that family wants it, and gives its length in bytes.
func putSockaddr(sa *sockaddr, a *address, v6 bool) uint32 {
	*sa = sockaddr{Family: unix.AF_INET6, Addr: a.ip, Scope_id: a.scope}
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&sa.Port))[:], uint16(a.port))
	if v6 {
		return uint32(unsafe.Sizeof(*sa))
	}
	sa4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
	sa4.Family, sa4.Addr = unix.AF_INET, [4]byte(a.ip[12:])
	return uint32(unsafe.Sizeof(*sa4))
}

// full tells whether a send ended because there was no room.
func full(err error) bool {
	return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENOBUFS) || timedOut(err)
}

// buffers reads the sizes of the socket's buffers as they were granted, in bytes. Linux gives twice of it, since it counts
// its own bookkeeping (socket(7)).
func (c *conn) buffers() (receive, send int) {
	_ = c.raw.Control(func(fd uintptr) {
		receive, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
		send, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF)
	})
	return receive / 2, send / 2
}

// overflow reads how many datagrams the kernel dropped because the receive buffer was full: SK_MEMINFO_DROPS, the last of
// the nine words of SO_MEMINFO (linux/sock_diag.h).
func (c *conn) overflow() uint64 {
	var words [9]uint32
	size := uint32(unsafe.Sizeof(words))
	_ = c.raw.Control(func(fd uintptr) {
		_, _, _ = unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&words[0])), uintptr(unsafe.Pointer(&size)), 0)
	})
	return uint64(words[8])
}

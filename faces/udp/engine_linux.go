package udp

import (
	"errors"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// newEngine is the best engine of this system: recvmmsg and sendmmsg, called directly, because x/net's ReadBatch allocates
// an address for each message.
func newEngine(c *conn) (engine, error) { return newMmsg(c, true) }

// mmsghdr is struct mmsghdr of recvmmsg(2): a message and how many bytes of it were received or sent.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

// sockaddr has room for a sockaddr_in or a sockaddr_in6.
type sockaddr = unix.RawSockaddrInet6

// coalesced is the space for a message that the kernel has put together of many datagrams of one peer (UDP_GRO). It is a bit more
// than the longest, so that the first lines of the messages do not all fall into one set of the cache; pages that no
// message reaches are never touched.
const coalesced = 1<<16 + 320

// mmsg reads and sends up to Burst messages with each system call. All arrays that the kernel fills are made once.
type mmsg struct {
	*conn
	stopped atomic.Bool
	take    func(*burst)
	err     error
	ready   func(fd uintptr) // m.readAll, as a value made once

	in     [Burst]mmsghdr
	iov    [Burst]unix.Iovec
	names  [Burst]sockaddr
	ctl    [Burst]groControl
	gather gather
	slot   int    // bytes of buf for a message
	buf    []byte // Burst times slot
	burst  burst

	offload atomic.Bool // runs of frames leave as one message each
	out     outgoings
}

// groControl is the control message with the length of the datagrams in a message: struct cmsghdr, an int, padding.
type groControl struct {
	hdr  unix.Cmsghdr
	size int32
	_    [4]byte
}

// newMmsg makes the engine, with segmentation offload if that is wanted and the kernel has it (Linux 4.18 to send, 5.0 to receive).
func newMmsg(c *conn, offload bool) (*mmsg, error) {
	if err := c.takeOver(); err != nil {
		return nil, err
	}
	m := &mmsg{conn: c, slot: room}
	_ = c.control(func(fd uintptr) {
		if offload && unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_GRO, 1) == nil {
			m.slot = coalesced
		}
		_, err := unix.GetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT)
		m.offload.Store(offload && err == nil)
	})
	if !m.offload.Load() {
		c.count.noOffload.Store(1)
	}
	m.buf = make([]byte, Burst*m.slot)
	m.ready = m.readAll
	m.out.New = func() any { return newOutgoing(m) }
	for i := range m.in {
		m.iov[i].Base = &m.buf[i*m.slot]
		m.iov[i].SetLen(m.slot)
		h := &m.in[i].hdr
		h.Name, h.Iov = (*byte)(unsafe.Pointer(&m.names[i])), &m.iov[i]
		h.SetIovlen(1)
	}
	return m, nil
}

func (m *mmsg) serve(take func(*burst)) error {
	m.take, m.err = take, nil
	err := m.control(m.ready)
	switch {
	case m.stopped.Load():
		return nil
	case m.err != nil:
		return m.err
	}
	return err
}

// stop ends the wait for the next datagram. The socket is not connected, so the call says that it cannot be shut down, and wakes
// the reader nevertheless.
func (m *mmsg) stop() {
	m.stopped.Store(true)
	_ = m.control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RD) })
}

// sampleEvery is which reads are timed: one in so many.
const sampleEvery = 64

// readAll reads and processes bursts until the socket is stopped. A read that finds nothing waits in the kernel.
func (m *mmsg) readAll(fd uintptr) {
	for turn := 1; ; turn++ {
		n, errno := 0, unix.EAGAIN
		napped := m.gather.sleeps()
		if napped {
			m.nap()
		}
		switch {
		case turn%sampleEvery == 0 && m.clock != nil:
			n, errno = m.receiveTimed(fd)
		case napped || m.gather.busy:
			n, errno = m.receive(fd)
		}
		if errno == unix.EAGAIN {
			n, errno = m.wait(fd)
		}
		switch {
		case m.stopped.Load():
			return
		case errno == unix.EINTR:
		case errno != 0:
			m.err = errno
			return
		default:
			if frames := m.received(n); m.clock != nil {
				m.gather.took(frames, m.clock)
			}
		}
	}
}

// yieldEvery is after how many naps others have a turn on the reader's processor of Go's.
const yieldEvery = 16

// nap sleeps without a word to Go's scheduler, which else has another thread take the processor over and wakes a third one when it is given
// back: with that a nap costs more than it saves. What else is to run mostly has another of Go's processors; where all of them nap, it has a
// turn before. To offer one before each nap costs as much as not to nap at all: the other processor's thread is woken to take the goroutine
// over, and this one put to sleep.
func (m *mmsg) nap() {
	naps := m.count.naps.Add(1)
	if int(m.napping.Add(1)) >= runtime.GOMAXPROCS(0) || naps%yieldEvery == 0 {
		runtime.Gosched()
	}
	defer m.napping.Add(-1)
	ts := unix.NsecToTimespec(m.gather.nap.Nanoseconds())
	_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0) // if it is interrupted, it was shorter
}

// receiveTimed reads what is there, and times it: a read that waits has no time of its own.
func (m *mmsg) receiveTimed(fd uintptr) (int, unix.Errno) {
	start := m.clock()
	n, errno := m.receive(fd)
	if errno == 0 {
		m.count.timed.Add(uint64(m.clock() - start))
		for i := range n {
			size := max(int(m.in[i].n), 1)
			m.count.timedOf.Add(uint64((size-1)/max(m.segment(i, size), 1) + 1))
		}
	}
	return n, errno
}

// receive reads what is there. As it does not wait, Go's scheduler is not told of it: else it takes the processor away from who reads a full burst, which lasts
// longer than the 20 µs that it grants to a system call.
func (m *mmsg) receive(fd uintptr) (int, unix.Errno) {
	m.offer()
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&m.in[0])), Burst, unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

// wait waits for the next datagram and reads what is there then.
func (m *mmsg) wait(fd uintptr) (int, unix.Errno) {
	m.offer()
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&m.in[0])), Burst, unix.MSG_WAITFORONE, 0, 0)
	return int(n), errno
}

// offer says how much room there is, where the kernel has written how much it used.
func (m *mmsg) offer() {
	for i := range m.in {
		h := &m.in[i].hdr
		h.Namelen = uint32(unsafe.Sizeof(m.names[i]))
		if m.slot == coalesced {
			h.Control = (*byte)(unsafe.Pointer(&m.ctl[i]))
			h.SetControllen(int(unsafe.Sizeof(m.ctl[i])))
		}
	}
	m.count.readCalls.Add(1)
}

// received hands on the datagrams in the first n messages. What was cut off has all of room, one byte more than a frame: it is seen
// as too long.
func (m *mmsg) received(n int) (frames int) {
	b := &m.burst
	b.raw, b.from = b.raw[:0], b.from[:0]
	for i := range n {
		from := parseSockaddr(&m.names[i])
		start, size := i*m.slot, int(m.in[i].n)
		segment := m.segment(i, size)
		if segment < size {
			m.count.joined.Add(1)
		}
		for at := 0; ; {
			end := min(at+segment, size)
			b.raw, b.from = append(b.raw, m.buf[start+at:start+end:start+m.slot]), append(b.from, from)
			frames++
			if len(b.raw) == piece {
				m.take(b)
				b.raw, b.from = b.raw[:0], b.from[:0]
			}
			if at = end; at == size {
				break
			}
		}
	}
	if len(b.raw) > 0 {
		m.take(b)
	}
	return frames
}

// segment is how long the datagrams in message i are, the last of which may be shorter; size if it is one datagram.
func (m *mmsg) segment(i, size int) int {
	h, c := &m.in[i].hdr, &m.ctl[i]
	if m.slot != coalesced || int(h.Controllen) < int(unsafe.Offsetof(c.size))+4 || c.hdr.Level != unix.SOL_UDP || c.hdr.Type != unix.UDP_GRO || c.size <= 0 {
		return size
	}
	return int(c.size)
}

// full tells whether a send ended because there was no room.
func full(err error) bool {
	return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENOBUFS) || timedOut(err)
}

// buffers reads the sizes of the socket's buffers as they were granted, in bytes. Linux gives twice of it, since it counts
// its own bookkeeping (socket(7)).
func (c *conn) buffers() (receive, send int) {
	_ = c.control(func(fd uintptr) {
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
	_ = c.control(func(fd uintptr) {
		_, _, _ = unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&words[0])), uintptr(unsafe.Pointer(&size)), 0)
	})
	return uint64(words[8])
}

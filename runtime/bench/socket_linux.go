package bench

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	batch       = 64   // messages in one system call
	several     = 4    // datagrams, after which the next read probably need not wait
	maxSegments = 64   // datagrams in one message; the oldest kernels with UDP_SEGMENT take no more
	maxIovecs   = 1024 // of one system call of ours
	maxMessage  = 65000
	plainSlot   = 2048
	offloadSlot = 1 << 16
	slack       = 2048 // beyond the last slot: a raw answer may be longer than what it answers
)

// sockaddr has room for an address of either family, as the kernel wrote it.
type sockaddr struct {
	raw  unix.RawSockaddrInet6
	size uint32
	from string // control message with an address of this machine to send from; empty: the socket's own
}

// datagram is one that was received. It is good until the next receive.
type datagram struct {
	b    []byte
	from *sockaddr
}

type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

// socket is a UDP socket for batched calls, with or without segmentation offload. It belongs to one goroutine.
type socket struct {
	fd int
	offload
	local netip.AddrPort

	in     [batch]mmsghdr
	inIov  [batch]unix.Iovec
	from   [batch]sockaddr
	inCtl  [batch][32]byte
	slot   int
	buf    []byte
	frames []datagram

	out    [batch]mmsghdr
	outIov [maxIovecs]unix.Iovec
	outCtl [batch][64]byte
	to     [batch]*sockaddr
	seg    [batch]int // size of the datagrams of a message
	total  [batch]int
	msgs   int
	iovs   int
	calls  uint64
	full   uint64 // datagrams that the kernel had no room for
}

// openSocket binds a UDP socket.
func openSocket(at netip.AddrPort, with offload) (*socket, error) {
	family, sa := sockaddrOf(at)
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	s := &socket{fd: fd, offload: with, slot: plainSlot}
	for _, option := range []int{unix.SO_RCVBUF, unix.SO_SNDBUF, unix.SO_RCVBUFFORCE, unix.SO_SNDBUFFORCE} {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, 8<<20) // as much as is granted; to who may administer the network all of it
	}
	if err := unix.Bind(fd, sa); err != nil {
		s.close()
		return nil, fmt.Errorf("bind %s: %w", at, err)
	}
	if with.receives {
		s.slot = offloadSlot
		if err := unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_GRO, 1); err != nil {
			s.close()
			return nil, fmt.Errorf("this kernel has no UDP_GRO: run without --gso (%w)", err)
		}
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		s.close()
		return nil, err
	}
	s.local = addrPortOf(bound)
	s.prepare()
	return s, nil
}

func (s *socket) prepare() {
	s.buf = make([]byte, batch*s.slot+slack)
	s.frames = make([]datagram, 0, batch*maxSegments)
	for i := range s.in {
		s.inIov[i].Base = &s.buf[i*s.slot]
		s.inIov[i].SetLen(s.slot)
		h := &s.in[i].hdr
		h.Name, h.Iov = (*byte)(unsafe.Pointer(&s.from[i].raw)), &s.inIov[i]
		h.SetIovlen(1)
	}
}

func (s *socket) close() { _ = unix.Close(s.fd) }

// connect makes a peer the only one: what others send is not seen, and sending needs no address.
func (s *socket) connect(to netip.AddrPort) error {
	_, sa := sockaddrOf(to)
	if err := unix.Connect(s.fd, sa); err != nil {
		return fmt.Errorf("connect to %s: %w", to, err)
	}
	return nil
}

// receive reads up to a batch of messages and gives the datagrams in them, none if wait is false and there are none. Who waits looks first
// without waiting where the last read found several.
func (s *socket) receive(wait bool) ([]datagram, error) {
	for i := range s.in {
		h := &s.in[i].hdr
		h.Namelen = uint32(unsafe.Sizeof(s.from[i].raw))
		if s.receives {
			h.Control = &s.inCtl[i][0]
			h.SetControllen(len(s.inCtl[i]))
		}
	}
	n, errno := uintptr(0), unix.EAGAIN
	if !wait || len(s.frames) >= several { // without a word to Go's scheduler, whose monitor looks every 20 µs after who is in a system call
		n, _, errno = unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.in[0])), batch, unix.MSG_DONTWAIT, 0, 0)
	}
	if wait && errno == unix.EAGAIN {
		n, _, errno = unix.Syscall6(unix.SYS_RECVMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.in[0])), batch, unix.MSG_WAITFORONE, 0, 0)
	}
	s.calls++
	switch errno {
	case 0:
	case unix.EAGAIN, unix.EINTR, unix.ECONNREFUSED: // of an earlier datagram: it will be missed as such
		return nil, nil
	default:
		return nil, fmt.Errorf("receive: %w", errno)
	}
	s.frames = s.frames[:0]
	for i := range int(n) {
		s.split(i)
	}
	return s.frames, nil
}

// split takes a message apart into the datagrams that the kernel has put together (UDP_GRO).
func (s *socket) split(i int) {
	s.from[i].size = s.in[i].hdr.Namelen
	size := int(s.in[i].n)
	start, segment := i*s.slot, size
	if s.receives {
		if n := segmentSize(s.inCtl[i][:s.in[i].hdr.Controllen]); n > 0 {
			segment = n
		}
	}
	for at := 0; at < size; at += segment {
		end := min(at+segment, size)
		s.frames = append(s.frames, datagram{s.buf[start+at : start+end : len(s.buf)], &s.from[i]})
	}
}

// segmentSize reads the control message that says how long the datagrams in a message are; 0 if there is none.
func segmentSize(control []byte) int {
	if len(control) < unix.CmsgLen(4) {
		return 0
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
	if h.Level != unix.SOL_UDP || h.Type != unix.UDP_GRO {
		return 0
	}
	return int(binary.NativeEndian.Uint32(control[unix.CmsgLen(0):]))
}

// queue adds a datagram to what the next flush sends; to is nil on a connected socket. b and to must stay until then.
func (s *socket) queue(to *sockaddr, b []byte) {
	if s.iovs == maxIovecs {
		s.flush()
	}
	last := s.msgs - 1
	if s.sends && last >= 0 && s.to[last] == to && s.seg[last] == len(b) &&
		s.out[last].hdr.Iovlen < maxSegments && s.total[last]+len(b) <= maxMessage {
		s.out[last].hdr.Iovlen++
	} else {
		if s.msgs == batch {
			s.flush()
		}
		last = s.msgs
		s.msgs++
		s.begin(last, to, len(b))
	}
	s.total[last] += len(b)
	v := &s.outIov[s.iovs]
	v.Base = unsafe.SliceData(b)
	v.SetLen(len(b))
	s.iovs++
}

func (s *socket) begin(i int, to *sockaddr, size int) {
	s.to[i], s.seg[i], s.total[i] = to, size, 0
	h := &s.out[i].hdr
	*h = unix.Msghdr{Iov: &s.outIov[s.iovs]}
	h.SetIovlen(1)
	if to != nil {
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(&to.raw)), to.size
	}
}

// flush sends what is queued. What the kernel has no room for is counted as full and lost, as a link would lose it.
func (s *socket) flush() {
	for i := range s.msgs {
		s.control(i)
	}
	for at := 0; at < s.msgs; {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.out[at])), uintptr(s.msgs-at), unix.MSG_DONTWAIT, 0, 0)
		s.calls++
		switch errno {
		case 0:
			at += int(n)
		case unix.EINTR:
		default:
			s.full += uint64(s.out[at].hdr.Iovlen)
			at++
		}
	}
	s.msgs, s.iovs = 0, 0
}

// control says from where a message is sent, and how it is to be cut up.
func (s *socket) control(i int) {
	h, c, n := &s.out[i].hdr, &s.outCtl[i], 0
	if to := s.to[i]; to != nil {
		n = copy(c[:], to.from)
	}
	if h.Iovlen > 1 {
		m := (*unix.Cmsghdr)(unsafe.Pointer(&c[n]))
		m.Level, m.Type = unix.SOL_UDP, unix.UDP_SEGMENT
		m.SetLen(unix.CmsgLen(2))
		binary.NativeEndian.PutUint16(c[n+unix.CmsgLen(0):], uint16(s.seg[i]))
		n += unix.CmsgSpace(2)
	}
	if n > 0 {
		h.Control = &c[0]
		h.SetControllen(n)
	}
}

// overflow is how many datagrams the kernel dropped because nobody read in time: SK_MEMINFO_DROPS (linux/sock_diag.h).
func (s *socket) overflow() uint64 {
	var words [9]uint32
	size := uint32(unsafe.Sizeof(words))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(s.fd), unix.SOL_SOCKET, unix.SO_MEMINFO, uintptr(unsafe.Pointer(&words[0])), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0
	}
	return uint64(words[8])
}

// rawFrom is an IPv4 address to send to with another IPv4 address of this machine as the source.
func rawFrom(source netip.Addr, to netip.AddrPort) *sockaddr {
	s := rawSockaddr(to)
	s.from = string(unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: source.As4()}))
	return s
}

// plainReceive and plainSend are the calls of one datagram each.
func (s *socket) plainReceive() ([]datagram, error) {
	s.from[0].size = uint32(unsafe.Sizeof(s.from[0].raw))
	n, _, errno := unix.Syscall6(unix.SYS_RECVFROM, uintptr(s.fd), uintptr(unsafe.Pointer(&s.buf[0])), uintptr(s.slot), 0,
		uintptr(unsafe.Pointer(&s.from[0].raw)), uintptr(unsafe.Pointer(&s.from[0].size)))
	s.calls++
	if errno != 0 {
		return nil, errno
	}
	s.frames = append(s.frames[:0], datagram{s.buf[:n], &s.from[0]})
	return s.frames, nil
}

func (s *socket) plainSend(to *sockaddr, b []byte) {
	_, _, errno := unix.Syscall6(unix.SYS_SENDTO, uintptr(s.fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
		unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&to.raw)), uintptr(to.size))
	s.calls++
	if errno != 0 {
		s.full++
	}
}

// await waits until one of the sockets has something, or for d.
func await(sockets []*socket, d time.Duration) {
	var fds [4]unix.PollFd
	for i, s := range sockets {
		fds[i] = unix.PollFd{Fd: int32(s.fd), Events: unix.POLLIN}
	}
	ts := unix.NsecToTimespec(max(d, 0).Nanoseconds())
	_, _ = unix.Ppoll(fds[:len(sockets)], &ts, nil) // interrupted or not: the caller looks
}

func sockaddrOf(a netip.AddrPort) (family int, sa unix.Sockaddr) {
	if ip := a.Addr().Unmap(); ip.Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(a.Port()), Addr: ip.As4()}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

func addrPortOf(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// rawSockaddr is an IPv4 address as the kernel writes it.
func rawSockaddr(a netip.AddrPort) *sockaddr {
	s := &sockaddr{size: unix.SizeofSockaddrInet4}
	sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(&s.raw))
	sa.Family, sa.Addr = unix.AF_INET, a.Addr().Unmap().As4()
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&sa.Port))[:], a.Port())
	return s
}

package udp

import (
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// outgoings keeps what sends need.
type outgoings struct{ sync.Pool } // of *outgoing

func (m *mmsg) send(list []parcel) {
	o := m.out.Get().(*outgoing)
	o.list, o.at, o.done = list, 0, 0
	err := m.control(o.run)
	o.list = nil
	m.out.Put(o)
	if err != nil { // closed
		for i := range list {
			list[i].err = err
		}
	}
}

// outgoing is what one send needs. Two workers may send on one socket at the same time, so each takes its own. The pointers
// to frames stay until it is used again; they keep no more than a worker's outbox from being freed.
type outgoing struct {
	m    *mmsg
	run  func(fd uintptr) // o.sendAll, as a value made once
	list []parcel
	at   int // the parcel at hand
	done int // frames of it that are behind us, taken or not

	msgs  [Burst]mmsghdr
	names [Burst]sockaddr
	ctl   [Burst]segmentControl
	of    [Burst]int // parcel of a message
	count [Burst]int // frames in it
	iov   [sendIovecs]unix.Iovec
}

// sendIovecs is how many frames one system call sends: with offload a message has one for each of its datagrams that does not lie right behind the
// one before it, as those of an outbox mostly do. For each the kernel begins to copy anew.
const sendIovecs = 1024

// maxMessage is how many bytes of datagrams one message may hold: an IPv4 packet less its headers, and a bit.
const maxMessage = 65_000

// segmentControl is the control message with the length of the datagrams that a message is to be cut into: struct cmsghdr, a
// 16-bit number, padding.
type segmentControl struct {
	hdr  unix.Cmsghdr
	size uint16
	_    [6]byte
}

func newOutgoing(m *mmsg) *outgoing {
	o := &outgoing{m: m}
	o.run = o.sendAll
	for i := range o.msgs {
		o.msgs[i].hdr.Name = (*byte)(unsafe.Pointer(&o.names[i]))
		c := &o.ctl[i]
		c.hdr.Level, c.hdr.Type = unix.SOL_UDP, unix.UDP_SEGMENT
		c.hdr.SetLen(int(unsafe.Offsetof(c.size)) + 2)
	}
	return o
}

// sendAll sends until all is taken or the kernel takes no more. An error ends its parcel, as the next frame to that address would fare no
// better; no room ends all.
func (o *outgoing) sendAll(fd uintptr) {
	for {
		offload := o.m.offload.Load()
		n := o.fill(offload)
		if n == 0 {
			return
		}
		sent, errno := o.call(fd, n)
		o.taken(int(sent))
		switch {
		case errno == 0 || errno == unix.EINTR:
		case offload && o.count[0] > 1 && (errno == unix.EIO || errno == unix.EINVAL || errno == unix.EMSGSIZE):
			if !o.plainly(fd) {
				return
			}
		case !o.failed(errno):
			return
		}
	}
}

// call sends the first n messages. After a part of them the next call tells why it was a part. It does not wait, see receive.
func (o *outgoing) call(fd uintptr, n int) (sent uintptr, errno unix.Errno) {
	sent, _, errno = unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&o.msgs[0])), uintptr(n), unix.MSG_DONTWAIT, 0, 0)
	o.m.count.sendCalls.Add(1)
	if errno != 0 {
		sent = 0
	}
	return sent, errno
}

// plainly sends what is next as single datagrams, after the kernel refused it as one message. If it takes them so, then what it
// cannot do is the offload (EIO: a device without checksums; EINVAL, since Linux 6.14 EMSGSIZE: frames beyond the MTU of the way), and it is not asked
// again. If it refuses these too, it is the address; then the offload stays.
func (o *outgoing) plainly(fd uintptr) (goOn bool) {
	n := o.fill(false)
	sent, errno := o.call(fd, n)
	if errno != 0 {
		return o.failed(errno)
	}
	o.m.offload.Store(false)
	o.m.count.noOffload.Store(1)
	o.taken(int(sent))
	return true
}

// failed notes an error of what is next and passes over the rest of its parcel.
func (o *outgoing) failed(errno unix.Errno) (goOn bool) {
	if errno == unix.EINTR {
		return true
	}
	at := o.of[0]
	o.list[at].err = errno
	o.at, o.done = at+1, 0
	if full(errno) {
		for i := at + 1; i < len(o.list); i++ {
			o.list[i].err = errno
		}
		return false
	}
	return true
}

// taken notes that the kernel has taken the first n messages.
func (o *outgoing) taken(n int) {
	for i := range n {
		frames := o.count[i]
		o.list[o.of[i]].sent += frames
		if frames > 1 {
			o.m.count.segments.Add(uint64(frames))
		}
		if o.of[i] != o.at {
			o.at, o.done = o.of[i], 0
		}
		o.done += frames
	}
}

// fill makes messages of what is left, and gives how many. What stands behind a parcel that is done is the next one.
func (o *outgoing) fill(offload bool) (n int) {
	iovs := 0
	for at, from := o.at, o.done; at < len(o.list); at, from = at+1, 0 {
		p := &o.list[at]
		for from < len(p.frames) {
			if n == Burst || iovs == sendIovecs {
				return n
			}
			count := 1
			if offload {
				count = min(run(p.frames[from:]), sendIovecs-iovs)
			}
			iovs += o.message(n, at, p.frames[from:from+count], iovs)
			n, from = n+1, from+count
		}
	}
	return n
}

// message makes message i of frames of a parcel, and gives how many pieces they lie in.
func (o *outgoing) message(i, at int, frames [][]byte, iovs int) (pieces int) {
	o.of[i], o.count[i] = at, len(frames)
	h := &o.msgs[i].hdr
	h.Namelen = putSockaddr(&o.names[i], o.list[at].to, o.m.v6)
	h.Iov = &o.iov[iovs]
	var v *unix.Iovec
	end := uintptr(0) // of the piece at hand
	for _, raw := range frames {
		base := unsafe.SliceData(raw)
		if start := uintptr(unsafe.Pointer(base)); v == nil || start != end {
			v, end = &o.iov[iovs+pieces], start
			v.Base, v.Len = base, 0
			pieces++
		}
		v.SetLen(int(v.Len) + len(raw))
		end += uintptr(len(raw))
	}
	h.SetIovlen(pieces)
	if len(frames) == 1 {
		h.Control = nil
		h.SetControllen(0)
		return pieces
	}
	c := &o.ctl[i]
	c.size = uint16(len(frames[0]))
	h.Control = (*byte)(unsafe.Pointer(c))
	h.SetControllen(int(unsafe.Sizeof(*c)))
	return pieces
}

// run is how many of the first frames can leave as one message: all of one length, and then perhaps one that is shorter, which
// ends it, because the receiver finds the frames by that length.
func run(frames [][]byte) (n int) {
	size := len(frames[0])
	total := size
	for n = 1; n < len(frames) && n < maxSegments; n++ {
		l := len(frames[n])
		if l > size || l == 0 || total+l > maxMessage {
			return n
		}
		total += l
		if l < size {
			return n + 1
		}
	}
	return n
}

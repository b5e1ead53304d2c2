package udp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/zmesh/zmesh/core/forward"
)

// Socket is one place where datagrams come in and leave: a listening address, or a port that the system chose.
type Socket struct {
	t        *Transport
	id       uint32 // tells its on-demand peers from those of other sockets
	name     string // of the face in the configuration
	listens  bool   // not only there to send to remotes
	local    netip.AddrPort
	dual     bool // an IPv6 socket that takes IPv4 too
	listener *forward.Listener
	peers    map[address]*link // guarded by Transport.mu
	closed   bool              // guarded by Transport.life

	conn    *conn
	eng     engine
	count   counters
	last    atomic.Pointer[error] // of the latest failed read or send
	parcels sync.Pool             // of *[]parcel: several workers may send
	quit    chan struct{}         // closed: the reader is to end
	done    chan struct{}         // closed: it has

	// The reader's own.
	in    *forward.Ingress
	links []*link
	from  address             // of the stranger whose frame is being looked at
	made  *link               // the link made for it, if it became a face; the latest of the burst
	link  func() forward.Link // s.makeLink, as a value made once
}

// open binds a socket and starts its reader.
func (t *Transport) open(b binding) (*Socket, error) {
	at := &net.UDPAddr{Port: int(b.port)}
	if b.ip.IsValid() {
		at = net.UDPAddrFromAddrPort(netip.AddrPortFrom(b.ip, b.port))
	}
	udp, err := net.ListenUDP(b.network, at)
	if err != nil {
		return nil, bindError(err)
	}
	s, err := t.newSocket(udp, b)
	if err != nil {
		_ = udp.Close() // what went wrong is said already
		return nil, err
	}
	t.enlist(s)
	go s.read()
	return s, nil
}

func (t *Transport) newSocket(udp *net.UDPConn, b binding) (s *Socket, err error) {
	s = &Socket{
		t: t, name: b.name, listens: b.listens, listener: b.listener, in: t.cfg.Node.Ingress(),
		quit: make(chan struct{}), done: make(chan struct{}),
	}
	s.link = s.makeLink
	s.local = udp.LocalAddr().(*net.UDPAddr).AddrPort()
	s.dual = s.local.Addr().Is6() && b.network == "udp"
	// The kernel grants what it may and says nothing; Buffers tells how much that was.
	_, _ = udp.SetReadBuffer(t.cfg.Buffer), udp.SetWriteBuffer(t.cfg.Buffer)
	if s.conn, err = newConn(udp, s.local.Addr().Is6(), &s.count); err != nil {
		return nil, err
	}
	if s.eng, err = t.engine(s.conn); err != nil {
		return nil, err
	}
	s.parcels.New = func() any { return new([]parcel) }
	return s, nil
}

// bindError says what to do about the usual reasons.
func bindError(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("the port is in use: stop the program that has it, or another zmesh, or choose another port (%w)", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("no interface of this machine has that address (%w)", err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("no permission for this port: ports below 1024 need a privilege (%w)", err)
	}
	return err
}

// Addr is the local address and port.
func (s *Socket) Addr() netip.AddrPort { return s.local }

// Name is the face's in the configuration, or empty for a socket that was opened only to send to remotes.
func (s *Socket) Name() string { return s.name }

// Counters reads the socket's counters. Overflow is 0 once it is closed.
func (s *Socket) Counters() Counters {
	c := s.count.read()
	c.Overflow = s.conn.overflow()
	return c
}

// Buffers are the sizes in bytes of the kernel's buffers as granted, often less than asked for; 0 if the system does not tell.
func (s *Socket) Buffers() (receive, send int) { return s.conn.buffers() }

// LastError is the latest error of a read or a send; nil if there was none.
func (s *Socket) LastError() error {
	if p := s.last.Load(); p != nil {
		return *p
	}
	return nil
}

// Peers is how many addresses are known on this socket: its on-demand faces and all configured remotes.
func (s *Socket) Peers() int {
	s.t.mu.RLock()
	defer s.t.mu.RUnlock()
	return len(s.peers)
}

// reaches tells whether datagrams to an address can leave by this socket: its family, and not from loopback to outside.
func (s *Socket) reaches(a *address) bool {
	local, ip := s.local.Addr(), a.addr()
	switch {
	case ip.Is4() && !local.Is4() && !s.dual, ip.Is6() && local.Is4():
		return false
	case local.IsLoopback():
		return ip.IsLoopback()
	}
	return true
}

// read is the socket's goroutine: it ends when Close has called stop.
func (s *Socket) read() {
	defer close(s.done)
	for {
		err := s.eng.serve(s.take)
		if err == nil {
			return
		}
		s.count.readErrors.Add(1)
		s.failed(err)
		if !s.pause() {
			return
		}
	}
}

// pause keeps a socket whose reads fail at once from taking a whole core; false if the socket is closing.
func (s *Socket) pause() bool {
	select {
	case <-s.quit:
		return false
	case <-time.After(time.Millisecond):
		return true
	}
}

// failed keeps an error for LastError. The same error again, the usual case, allocates nothing.
func (s *Socket) failed(err error) {
	if p := s.last.Load(); p == nil || !errors.Is(err, *p) {
		s.last.Store(&err)
	}
}

// take hands one burst to the node: one clock reading, one look at the addresses, one run.
func (s *Socket) take(b *burst) {
	s.made = nil
	s.lookup(b.from)
	s.in.Begin(s.t.cfg.Clock())
	for i, raw := range b.raw {
		s.add(s.links[i], b.from[i], raw)
	}
	s.in.Run()
	s.count.bursts.Add(1)
	s.count.datagrams.Add(uint64(len(b.raw)))
}

// lookup finds the links of a burst under the lock. Datagrams of one peer often come in a row.
func (s *Socket) lookup(from []address) {
	for len(s.links) < len(from) {
		s.links = append(s.links, nil)
	}
	s.t.mu.RLock()
	for i := range from {
		if i > 0 && from[i] == from[i-1] {
			s.links[i] = s.links[i-1]
			continue
		}
		s.links[i] = s.peers[from[i]]
	}
	s.t.mu.RUnlock()
}

func (s *Socket) add(l *link, from address, raw []byte) {
	if l == nil && s.made != nil && s.made.to == from { // made for the datagram before it, after lookup
		l = s.made
	}
	switch {
	case l == nil && s.listener == nil:
		s.count.strangers.Add(1)
	case l == nil:
		s.stranger(from, raw)
	default:
		if f := l.face.Load(); f != nil {
			s.in.Add(f, raw)
		} else {
			s.count.early.Add(1)
		}
	}
}

// stranger is P-11: the node makes a face of a peer on its first valid frame, or drops the frame.
//
// Source has the socket in it: an on-demand face has the policy of its listener (P-17), so an address that is known on one
// listener must be a stranger to the next, or a forged datagram on a lax one could decide what a device may do on another.
func (s *Socket) stranger(from address, raw []byte) {
	seed := s.t.seed
	s.from, s.made = from, nil
	f := s.in.Unknown(s.listener, forward.Peer{
		Source: from.hash(seed, s.id, true), Address: from.hash(seed, 0, false), Link: s.link,
	}, raw)
	if s.made == nil {
		return
	}
	if f == nil { // the node made the link and then had no slot for the face
		s.made = nil
		return
	}
	s.t.remember(s.made, f)
}

// makeLink is called by Unknown when the node makes the face. It is one function for all peers, since a function made for
// each stranger's datagram would be garbage for the price of sending garbage.
func (s *Socket) makeLink() forward.Link {
	s.made = newLink(s, s.from)
	return s.made
}

// send hands frames of one link to the kernel.
func (s *Socket) send(to *address, frames [][]byte) int {
	list := s.parcels.Get().(*[]parcel)
	*list = append((*list)[:0], parcel{to: to, frames: frames})
	s.post(*list)
	n := (*list)[0].sent
	s.giveBack(list)
	return n
}

// SendAll implements forward.Batch: the frames of several links in as few system calls as may be.
func (s *Socket) SendAll(deliveries []forward.Delivery) {
	list := s.parcels.Get().(*[]parcel)
	*list = (*list)[:0]
	for i := range deliveries {
		*list = append(*list, parcel{to: &deliveries[i].Link.(*link).to, frames: deliveries[i].Frames})
	}
	s.post(*list)
	for i := range deliveries {
		deliveries[i].Sent = (*list)[i].sent
	}
	s.giveBack(list)
}

func (s *Socket) giveBack(list *[]parcel) {
	clear(*list)
	s.parcels.Put(list)
}

// post sends parcels and counts what became of them.
func (s *Socket) post(list []parcel) {
	s.eng.send(list)
	sent := 0
	for i := range list {
		sent += list[i].sent
		switch err := list[i].err; {
		case err == nil:
		case full(err):
			s.count.sendFull.Add(1)
		default:
			s.count.sendErrors.Add(1)
			s.failed(err)
		}
	}
	s.count.sent.Add(uint64(sent))
}

// Close stops reading, waits until the reader has ended, removes the socket's faces from the node and closes it. Remotes
// that only happened to send from here go on from another socket. The caller must not hold a lock that the node's callbacks take.
func (s *Socket) Close() error {
	s.t.life.Lock()
	defer s.t.life.Unlock()
	return s.close()
}

func (s *Socket) close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	s.t.delist(s)
	err := s.t.rehome(s)
	close(s.quit)
	s.eng.stop()
	<-s.done
	s.t.remove(s.t.linksOf(s))
	return errors.Join(err, s.conn.close())
}

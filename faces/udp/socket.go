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

	count   counters
	last    atomic.Pointer[error] // of the latest failed read or send
	parcels sync.Pool             // of *[]parcel: several workers may send
	quit    chan struct{}         // closed: the readers are to end
	readers []*reader             // the first one sends
}

// open binds a socket and starts its readers.
func (t *Transport) open(b binding) (*Socket, error) {
	s := &Socket{t: t, name: b.name, listens: b.listens, listener: b.listener, quit: make(chan struct{})}
	s.parcels.New = func() any { return new([]parcel) }
	if err := s.bind(b); err != nil {
		for _, r := range s.readers {
			_ = r.conn.close() // what went wrong is said already
		}
		return nil, bindError(err)
	}
	t.enlist(s)
	for _, r := range s.readers {
		go r.read()
	}
	return s, nil
}

// bind opens the port: once, or for several readers once for each.
func (s *Socket) bind(b binding) error {
	at := &net.UDPAddr{Port: int(b.port)}
	if b.ip.IsValid() {
		at = net.UDPAddrFromAddrPort(netip.AddrPortFrom(b.ip, b.port))
	}
	n := s.t.readersOf(b)
	if n > 1 { // sockets that share a port take one from each other without a word: so it must be nobody's before
		free, err := net.ListenUDP(b.network, at)
		if err != nil {
			return err
		}
		at = free.LocalAddr().(*net.UDPAddr)
		if !b.ip.IsValid() {
			at = &net.UDPAddr{Port: at.Port}
		}
		if err := free.Close(); err != nil {
			return err
		}
	}
	for range n {
		udp, err := listenUDP(b.network, at, n > 1)
		if err != nil {
			return err
		}
		if err := s.addReader(udp, b.network); err != nil {
			_ = udp.Close()
			return err
		}
	}
	return nil
}

// readersOf is how many readers a socket has: one for each worker where peers knock, and where the kernel spreads them over sockets.
func (t *Transport) readersOf(b binding) int {
	if !b.listens || t.cfg.Portable || !spreads {
		return 1
	}
	return max(t.cfg.Readers, 1)
}

func (s *Socket) addReader(udp *net.UDPConn, network string) (err error) {
	s.local = udp.LocalAddr().(*net.UDPAddr).AddrPort()
	s.dual = s.local.Addr().Is6() && network == "udp"
	// The kernel grants what it may and says nothing; Buffers tells how much that was.
	_, _ = udp.SetReadBuffer(s.t.cfg.Buffer), udp.SetWriteBuffer(s.t.cfg.Buffer)
	r := &reader{s: s, in: s.t.cfg.Node.Ingress(), done: make(chan struct{})}
	r.link = r.makeLink
	if r.conn, err = newConn(udp, s.local.Addr().Is6(), &s.count); err != nil {
		return err
	}
	r.conn.napping = &s.t.napping
	r.conn.clock = func() time.Duration { return s.t.cfg.Clock().Mono }
	if r.eng, err = s.t.engine(r.conn); err != nil {
		return err
	}
	s.readers = append(s.readers, r)
	return nil
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
	for _, r := range s.readers {
		c.Overflow += r.conn.overflow()
	}
	return c
}

// Buffers are the sizes in bytes of the kernel's buffers as granted, often less than asked for; 0 if the system does not tell.
func (s *Socket) Buffers() (receive, send int) { return s.readers[0].conn.buffers() }

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

// failed keeps an error for LastError. The same error again, the usual case, allocates nothing.
func (s *Socket) failed(err error) {
	if p := s.last.Load(); p == nil || !errors.Is(err, *p) {
		s.last.Store(&err)
	}
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
	s.readers[0].eng.send(list)
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
	for _, r := range s.readers {
		r.eng.stop()
	}
	for _, r := range s.readers {
		<-r.done
	}
	s.t.remove(s.t.linksOf(s))
	for _, r := range s.readers {
		err = errors.Join(err, r.conn.close())
	}
	return err
}

// Readers is how many goroutines read its port.
func (s *Socket) Readers() int { return len(s.readers) }

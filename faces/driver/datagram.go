package driver

import (
	"context"
	"errors"
	"hash/maphash"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/zmesh/zmesh/core/drop"
)

// Bounds of datagrams.
const (
	burst        = 64   // that are handed to the driver at once
	datagramSize = 4096 // the longest that is taken: more than twice the longest frame
	maxPeers     = 4096 // of one socket, faces or not yet
	maxStrangers = 256  // addresses that are no faces yet, for which the driver's block is kept; the oldest makes room
)

// inbox is where datagrams wait for the driver while it works: a burst of them, after which the kernel's buffer fills.
type inbox struct {
	mu    sync.Mutex
	in    datagrams
	ready chan struct{} // there is something
	room  chan struct{} // there was no room, and there is
}

// datagrams are some in a row.
type datagrams struct {
	from  []netip.AddrPort
	sizes []int
	bytes []byte
}

func (d *datagrams) reset() { d.from, d.sizes, d.bytes = d.from[:0], d.sizes[:0], d.bytes[:0] }

func newInbox() *inbox {
	return &inbox{ready: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// put copies a datagram; false if there is no room.
func (i *inbox) put(from netip.AddrPort, b []byte) bool {
	i.mu.Lock()
	ok := len(i.in.sizes) < burst
	if ok {
		i.in.from, i.in.sizes, i.in.bytes = append(i.in.from, from), append(i.in.sizes, len(b)), append(i.in.bytes, b...)
	}
	i.mu.Unlock()
	select {
	case i.ready <- struct{}{}:
	default:
	}
	return ok
}

// take exchanges what waits for an empty one.
func (i *inbox) take(d *datagrams) {
	d.reset()
	i.mu.Lock()
	i.in, *d = *d, i.in
	i.mu.Unlock()
	select {
	case i.room <- struct{}{}:
	default:
	}
}

// dialUDP serves a socket that leads to one address.
func (l *Line) dialUDP(p *peer) error {
	ctx, cancel := context.WithTimeout(l.ctx, dialTime)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "udp", l.cfg.Remote)
	if err != nil {
		return &connectError{err}
	}
	c := conn.(*net.UDPConn)
	k := l.socket(c, p.out, func(_ *peer, b []byte) error {
		_, err := c.Write(b)
		return err
	})
	p.cut.Store(&k.cut)
	k.session.handle(Up, p)
	l.setLinked(true)
	l.failed("connected", nil)
	err = k.serve(func(netip.AddrPort) *peer { return p })
	l.setLinked(false)
	k.session.handle(Down, p)
	return err
}

// listenUDP opens a socket whose peers become faces (P-11).
func (l *Line) listenUDP(ctx context.Context) error {
	var lc net.ListenConfig
	conn, err := lc.ListenPacket(ctx, "udp", l.cfg.Listen)
	if err != nil {
		return err
	}
	c := conn.(*net.UDPConn)
	l.address = c.LocalAddr().String()
	k := l.socket(c, newOutlet(), func(p *peer, b []byte) error {
		_, err := c.WriteToUDPAddrPort(b, p.at)
		return err
	})
	l.onClose(func() error { k.cut(); return nil })
	who := &knowing{line: l, out: k.out, known: map[netip.AddrPort]*peer{}}
	l.work.Go(func() {
		if err := k.serve(who.whose); err != nil {
			l.failed("cut", err)
		}
	})
	return nil
}

// socket is a UDP socket at work.
type socket struct {
	*session // of who runs the driver on what comes in
	conn     *net.UDPConn
	out      *outlet
	w        *writer
	in       *inbox
	done     chan struct{}
	cut      func()
}

// socket makes one that is open. write sends a datagram to a peer.
func (l *Line) socket(c *net.UDPConn, out *outlet, write func(*peer, []byte) error) *socket {
	k := &socket{session: l.session(), conn: c, out: out, in: newInbox(), done: make(chan struct{})}
	k.cut = sync.OnceFunc(func() { close(k.done); _ = c.Close() })
	k.w = l.writer(out, func(p *peer, b []byte) error {
		if err := c.SetWriteDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		if err := write(p, b); err != nil && !passing(err) {
			return err
		}
		return nil
	})
	k.w.single = true
	l.count.connects.Add(1)
	out.open()
	return k
}

// serve works until the socket fails or the line ends.
func (k *socket) serve(whose func(netip.AddrPort) *peer) error {
	l := k.line
	if l.ctx.Err() != nil { // Close has not seen it
		k.cut()
	}
	var both sync.WaitGroup
	both.Go(func() { k.receive(whose) })
	both.Go(func() {
		_ = k.w.loop()
		k.cut()
		k.w.giveUp()
	})
	err := k.fill()
	k.cut()
	k.out.close()
	both.Wait()
	return err
}

// fill reads datagrams until the socket is closed.
func (k *socket) fill() error {
	buf := make([]byte, datagramSize+1)
	for {
		n, from, err := k.conn.ReadFromUDPAddrPort(buf)
		switch {
		case k.line.ctx.Err() != nil:
			return nil
		case err != nil && !passing(err):
			return err
		case err != nil:
			select { // a peer's port is closed: whoever sent there is told
			case <-k.done:
				return nil
			case <-time.After(time.Millisecond):
			}
			continue
		}
		k.line.count.reads.Add(1)
		k.line.count.readBytes.Add(uint64(n))
		for !k.in.put(from, buf[:n]) {
			select {
			case <-k.done:
				return nil
			case <-k.in.room:
			}
		}
	}
}

// receive runs the driver on what comes in.
func (k *socket) receive(whose func(netip.AddrPort) *peer) {
	var d datagrams
	for {
		select {
		case <-k.done:
			return
		case <-k.in.ready:
		}
		k.in.take(&d)
		k.begin()
		for i, b := 0, d.bytes; i < len(d.sizes); i++ {
			k.datagram(whose(d.from[i]), b[:d.sizes[i]])
			b = b[d.sizes[i]:]
		}
		if len(k.items) > 0 {
			k.w.pace.hear()
			k.decode()
		}
	}
}

// datagram adds one to the burst.
func (k *socket) datagram(p *peer, b []byte) {
	switch {
	case p == nil:
		k.line.cfg.Listener.Drop(drop.FacesFull, 1)
	case len(b) > datagramSize: // cut off
		p.drop(drop.Long, 1)
	default:
		k.add(Received, p, 0, b)
	}
}

// decode hands a burst of datagrams to the driver. What it leaves of one is lost, since nothing follows it.
func (s *session) decode() {
	for len(s.items) > 0 {
		s.run()
		s.settle()
		left := 0
		for k := range s.res.Outcomes {
			o, item, p := &s.res.Outcomes[k], s.items[k], s.peers[k]
			item.Data = item.Data[o.Consumed:]
			switch {
			case o.Why != drop.None || len(item.Data) == 0:
			case o.More:
				s.items[left], s.peers[left] = item, p
				left++
			default:
				p.drop(drop.Framing, 1)
			}
		}
		s.items, s.peers = s.items[:left], s.peers[:left]
	}
}

// passing tells an error of a datagram that could not be delivered from one of the socket.
func passing(err error) bool {
	var no syscall.Errno
	return errors.As(err, &no) && slices.Contains(undelivered, no)
}

var undelivered = []syscall.Errno{
	syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EMSGSIZE, syscall.ENOBUFS, syscall.EPERM,
}

// knowing is which address of a listening socket is which peer. Those that are no faces yet are at most maxStrangers: whoever floods the
// socket from forged addresses throws out others like it, and no face.
type knowing struct {
	line *Line
	out  *outlet

	mu        sync.Mutex // taken under the node's mutexes
	known     map[netip.AddrPort]*peer
	strangers [maxStrangers]*peer
	next      int
}

// whose finds or makes the peer of an address; nil: there are too many.
func (k *knowing) whose(at netip.AddrPort) *peer {
	at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	k.mu.Lock()
	defer k.mu.Unlock()
	if p := k.known[at]; p != nil {
		return p
	}
	if old := k.strangers[k.next]; old != nil && old.face.Load() == nil {
		k.remove(old)
	}
	if len(k.known) >= maxPeers {
		return nil
	}
	p := k.line.newPeer(k.line.number(), k.out)
	p.at, p.among = at, k
	p.source = max(maphash.Comparable(k.line.seed, at), 1)
	p.address = max(maphash.Comparable(k.line.seed, at.Addr()), 1)
	k.strangers[k.next] = p
	k.next = (k.next + 1) % maxStrangers
	k.known[at] = p
	return p
}

// forget takes a peer out whose face is closed.
func (k *knowing) forget(p *peer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.remove(p)
}

func (k *knowing) remove(p *peer) {
	if k.known[p.at] == p {
		delete(k.known, p.at)
	}
	k.line.forget(p)
}

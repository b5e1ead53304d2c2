package driver

import (
	"context"
	"errors"
	"hash/maphash"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
)

// stream is a connection: a net.Conn, or a serial port.
type stream interface {
	io.ReadWriteCloser
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// Bounds of what a connection holds.
const (
	MaxPending = MaxData / 2 // bytes that wait for the end of a frame: more than twice what one has at most, escaped
	readSize   = MaxData - MaxPending
)

// Bounds of a listener's connections, as P-11 has them for addresses.
const (
	maxConnections = 256
	maxPerAddress  = 64
	knockTime      = 30 * time.Second // in which a connection must have brought a valid frame
)

// Pauses between attempts to connect.
const (
	firstPause = 250 * time.Millisecond
	lastPause  = 30 * time.Second
	dialTime   = 10 * time.Second // for one attempt
)

// redial connects again and again until the line ends. once gives when the connection was cut, or why there was none. A connection that
// has lasted makes the next attempt a first one.
func (l *Line) redial(once func() error) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		begun := time.Now()
		err := once()
		if l.ctx.Err() != nil {
			return
		}
		if time.Since(begun) >= lastPause {
			pause = firstPause
		}
		what := "cut"
		var not *connectError
		if errors.As(err, &not) {
			what, err = "cannot connect", not.error
		}
		l.failed(what, err)
		select {
		case <-l.ctx.Done():
			return
		case <-time.After(pause/2 + rand.N(pause/2)): // not all at once after a power cut
		}
	}
}

// connectError is why there was no connection at all.
type connectError struct{ error }

// dialStream connects once and serves the connection until it is cut.
func (l *Line) dialStream(p *peer) error {
	ctx, cancel := context.WithTimeout(l.ctx, dialTime)
	defer cancel()
	c, err := l.via(ctx)
	if err != nil {
		return &connectError{err}
	}
	return l.serve(p, c)
}

func (l *Line) dial(ctx context.Context) (stream, error) {
	if l.cfg.Transport == Serial {
		return openSerial(l.cfg.Remote, l.cfg.Serial)
	}
	var d net.Dialer
	return d.DialContext(ctx, string(l.cfg.Transport), l.cfg.Remote)
}

// listen accepts connections, each of which is a peer.
func (l *Line) listen(ctx context.Context) error {
	ln, err := listenOn(ctx, string(l.cfg.Transport), l.cfg.Listen)
	if err != nil {
		return err
	}
	l.address = ln.Addr().String()
	l.onClose(ln.Close)
	l.work.Go(func() { l.accept(ln) })
	return nil
}

// listenOn opens a listener. A unix socket that nobody listens on any more, as a process leaves it that was killed, makes room.
func listenOn(ctx context.Context, network, address string) (net.Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, network, address)
	if network != "unix" || !errors.Is(err, syscall.EADDRINUSE) {
		return ln, err
	}
	if st, e := os.Lstat(address); e != nil || st.Mode().Type() != fs.ModeSocket {
		return nil, err
	}
	if c, e := net.Dial(network, address); e == nil {
		return nil, errors.Join(err, c.Close())
	}
	if e := os.Remove(address); e != nil {
		return nil, errors.Join(err, e)
	}
	return lc.Listen(ctx, network, address)
}

// accept takes connections until the listener is closed.
func (l *Line) accept(ln net.Listener) {
	from := map[netip.Addr]int{}
	gone := make(chan netip.Addr, maxConnections)
	for {
		c, err := ln.Accept()
		if l.ctx.Err() != nil {
			if err == nil {
				_ = c.Close()
			}
			return
		}
		for len(gone) > 0 {
			a := <-gone
			if from[a]--; from[a] == 0 {
				delete(from, a)
			}
		}
		if err != nil {
			l.failed("cannot accept", err)
			select { // such as no file descriptor left
			case <-l.ctx.Done():
			case <-time.After(firstPause):
			}
			continue
		}
		a := addressOf(c)
		if l.Peers() >= maxConnections || a.IsValid() && from[a] >= maxPerAddress {
			l.count.refused.Add(1)
			l.cfg.Listener.Drop(drop.FacesFull, 1)
			_ = c.Close()
			continue
		}
		from[a]++
		p := l.newPeer(l.number(), newOutlet())
		p.source, p.address = l.sourceOf(p.ID, a)
		l.work.Go(func() {
			_ = l.serve(p, c)
			p.removeFace()
			l.forget(p)
			gone <- a // has room for all that there can be
		})
	}
}

// number gives the next peer's.
func (l *Line) number() uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if l.nextID++; l.nextID != 0 && l.peers[l.nextID] == nil {
			return l.nextID
		}
	}
}

// addressOf is a connection's far end without its port; invalid on unix sockets, which have none.
func addressOf(c net.Conn) netip.Addr {
	a, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}

// sourceOf makes the keyed hashes by which the node tells on-demand peers apart. A connection is one for itself, and where it has no address
// so is that.
func (l *Line) sourceOf(id uint32, a netip.Addr) (source, address uint64) {
	type end struct {
		face string
		id   uint32
		addr netip.Addr
	}
	source = max(maphash.Comparable(l.seed, end{l.cfg.Face.Name, id, a}), 1)
	if !a.IsValid() {
		return source, source
	}
	return source, max(maphash.Comparable(l.seed, end{addr: a}), 1)
}

// serve runs a connection until it is cut, and says why it was.
func (l *Line) serve(p *peer, c stream) error {
	cut := func() { _ = c.Close() }
	p.cut.Store(&cut)
	if l.ctx.Err() != nil { // Close has not seen it
		cut()
		return l.ctx.Err()
	}
	l.count.connects.Add(1)
	s := l.session()
	p.out.open()
	s.handle(Up, p)
	w := l.writer(p.out, func(_ *peer, b []byte) error { return writeAll(c, b) })
	written := make(chan error, 1)
	l.work.Go(func() {
		err := w.loop()
		cut()
		w.giveUp()
		written <- err
	})
	l.setLinked(true)
	if l.face != nil {
		l.failed("connected", nil)
	}
	err := s.read(p, c, w.pace)
	l.setLinked(false)
	p.out.close()
	cut()
	if e := <-written; e != nil {
		err = e
	}
	s.handle(Down, p)
	return err
}

func writeAll(c stream, b []byte) error {
	if err := c.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := c.Write(b)
	return err
}

// read takes what comes in until the connection is cut.
func (s *session) read(p *peer, c stream, pace *pace) error {
	buf, have := make([]byte, MaxData), 0
	if p.source != 0 {
		_ = c.SetReadDeadline(time.Now().Add(knockTime))
	}
	knocking := p.source != 0
	for {
		n, err := c.Read(buf[have : have+readSize])
		if n > 0 {
			pace.hear()
			s.line.count.reads.Add(1)
			s.line.count.readBytes.Add(uint64(n))
			have = s.received(p, buf[:have+n], have)
			if knocking && p.face.Load() != nil {
				knocking = false
				_ = c.SetReadDeadline(time.Time{})
			}
		}
		if err != nil {
			if have > 0 {
				p.drop(drop.Framing, 1)
			}
			return err
		}
	}
}

// received offers bytes to the driver, of which seen were offered before, and gives how many are left: they stand at the beginning of
// buf.
func (s *session) received(p *peer, buf []byte, seen int) (left int) {
	b := buf
	for again := true; again && len(b) > 0; {
		s.begin()
		s.add(Received, p, seen, b)
		s.run()
		o := s.res.Outcomes[0]
		s.settle()
		if o.Why != drop.None { // what is not parsed never becomes a frame
			return 0
		}
		b, seen, again = b[o.Consumed:], 0, o.More
	}
	if len(b) > MaxPending { // no frame is that long
		p.drop(drop.Framing, 1)
		return 0
	}
	return copy(buf, b)
}

var (
	_ forward.Link    = (*peer)(nil)
	_ forward.Refuser = (*peer)(nil)
)

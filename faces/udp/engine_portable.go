package udp

import (
	"errors"
	"net/netip"
	"sync/atomic"
	"time"
)

// patience is how long the portable engine lets the writes of one send wait. Where it is used the kernel takes a datagram or refuses
// it (BSD: ENOBUFS) without waiting, so this only bounds what a system that does wait may do to a worker that holds its
// mutex. It is longer than a machine leaves a goroutine standing: a deadline that has passed ends a write untried.
const patience = 50 * time.Millisecond

// portable reads and sends one datagram with each system call, by the standard library alone.
type portable struct {
	*conn
	stopped atomic.Bool
	buf     []byte // of the largest datagram there is: Windows makes a read that is too small an error
	zones   scopes
	one     burst
}

func newPortable(c *conn) (engine, error) {
	c.count.noOffload.Store(1)
	return &portable{
		conn: c, buf: make([]byte, 1<<16), zones: scopes{},
		one: burst{raw: make([][]byte, 1), from: make([]address, 1)},
	}, nil
}

func (p *portable) serve(take func(*burst)) error {
	for !p.stopped.Load() {
		n, from, err := p.udp.ReadFromUDPAddrPort(p.buf)
		p.count.readCalls.Add(1)
		switch {
		case err != nil && p.stopped.Load():
			return nil
		case err != nil:
			return err
		}
		p.one.raw[0], p.one.from[0] = p.buf[:n], p.key(from)
		take(&p.one)
	}
	return nil
}

func (p *portable) key(from netip.AddrPort) address {
	return makeAddress(from.Addr(), from.Port(), p.zones.of(from.Addr().Zone()))
}

func (p *portable) stop() {
	p.stopped.Store(true)
	_ = p.udp.SetReadDeadline(time.Unix(1, 0)) // long past: a read that waits returns
}

func (p *portable) send(list []parcel) {
	for i := range list {
		c := &list[i]
		if c.err = p.renew(); c.err == nil {
			p.sendOne(c)
		}
	}
}

func (p *portable) sendOne(c *parcel) {
	dest := c.to.addrPort()
	for _, raw := range c.frames {
		c.err = p.write(raw, dest)
		if timedOut(c.err) && p.renew() == nil { // it may have come to nothing because the deadline passed before it was tried
			c.err = p.write(raw, dest)
		}
		if c.err != nil {
			return
		}
		c.sent++
	}
}

func (p *portable) renew() error { return p.udp.SetWriteDeadline(time.Now().Add(patience)) }

func (p *portable) write(raw []byte, to netip.AddrPort) error {
	_, err := p.udp.WriteToUDPAddrPort(raw, to)
	p.count.sendCalls.Add(1)
	return err
}

// timedOut tells whether a write ended because there was no room in time.
func timedOut(err error) bool {
	if err == nil {
		return false // before t, which is allocated
	}
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

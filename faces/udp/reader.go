package udp

import (
	"time"

	"github.com/zmesh/zmesh/core/forward"
)

// reader is a goroutine that reads a socket's port. A socket has several if the node has several workers: the kernel gives each peer to one
// of them, always the same, so that its frames keep their order. What is known of peers is the socket's.
type reader struct {
	s    *Socket
	conn *conn
	eng  engine
	done chan struct{} // closed: it has ended

	in    *forward.Ingress
	links []*link
	from  address             // of the stranger whose frame is being looked at
	made  *link               // the link made for it, if it became a face; the latest of the burst
	link  func() forward.Link // r.makeLink, as a value made once
}

// read is the reader's goroutine: it ends when Close has called stop.
func (r *reader) read() {
	defer close(r.done)
	for {
		err := r.eng.serve(r.take)
		if err == nil {
			return
		}
		r.s.count.readErrors.Add(1)
		r.s.failed(err)
		if !r.pause() {
			return
		}
	}
}

// pause keeps a socket whose reads fail at once from taking a whole core; false if the socket is closing.
func (r *reader) pause() bool {
	select {
	case <-r.s.quit:
		return false
	case <-time.After(time.Millisecond):
		return true
	}
}

// take hands one burst to the node: one clock reading, one look at the addresses, one run.
func (r *reader) take(b *burst) {
	r.made = nil
	r.lookup(b.from)
	r.in.Begin(r.s.t.cfg.Clock())
	for i, raw := range b.raw {
		r.add(r.links[i], b.from[i], raw)
	}
	r.in.Run()
	r.s.count.bursts.Add(1)
	r.s.count.datagrams.Add(uint64(len(b.raw)))
}

// lookup finds the links of a burst under the lock. Datagrams of one peer often come in a row.
func (r *reader) lookup(from []address) {
	for len(r.links) < len(from) {
		r.links = append(r.links, nil)
	}
	r.s.t.mu.RLock()
	for i := range from {
		if i > 0 && from[i] == from[i-1] {
			r.links[i] = r.links[i-1]
			continue
		}
		r.links[i] = r.s.peers[from[i]]
	}
	r.s.t.mu.RUnlock()
}

func (r *reader) add(l *link, from address, raw []byte) {
	if l == nil && r.made != nil && r.made.to == from { // made for the datagram before it, after lookup
		l = r.made
	}
	switch {
	case l == nil && r.s.listener == nil:
		r.s.count.strangers.Add(1)
	case l == nil:
		r.stranger(from, raw)
	default:
		if f := l.face.Load(); f != nil {
			r.in.Add(f, raw)
		} else {
			r.s.count.early.Add(1)
		}
	}
}

// stranger is P-11: the node makes a face of a peer on its first valid frame, or drops the frame.
//
// Source has the socket in it: an on-demand face has the policy of its listener (P-17), so an address that is known on one
// listener must be a stranger to the next, or a forged datagram on a lax one could decide what a device may do on another.
func (r *reader) stranger(from address, raw []byte) {
	seed := r.s.t.seed
	r.from, r.made = from, nil
	f := r.in.Unknown(r.s.listener, forward.Peer{
		Source: from.hash(seed, r.s.id, true), Address: from.hash(seed, 0, false), Link: r.link,
	}, raw)
	if r.made == nil {
		return
	}
	if f == nil { // the node made the link and then had no slot for the face
		r.made = nil
		return
	}
	r.s.t.remember(r.made, f)
}

// makeLink is called by Unknown when the node makes the face. It is one function for all peers, since a function made for
// each stranger's datagram would be garbage for the price of sending garbage.
func (r *reader) makeLink() forward.Link {
	r.made = newLink(r.s, r.from)
	return r.made
}

package udp

import (
	"sync/atomic"

	"github.com/zmesh/zmesh/core/forward"
)

// link is the sending half of a face: an address, and the socket that it is reached by. It implements forward.Link.
type link struct {
	t      *Transport
	to     address
	remote bool // configured (P-24): known on every socket; else on the one where the peer knocked
	pinned bool // the configuration says by which socket
	sock   atomic.Pointer[Socket]
	face   atomic.Pointer[forward.Face] // nil until the node has made it
	closed bool                         // guarded by Transport.mu
}

func newLink(s *Socket, to address) *link {
	l := &link{t: s.t, to: to}
	l.sock.Store(s)
	return l
}

// Send implements forward.Link: frames that the kernel has no room for are not taken.
func (l *link) Send(frames [][]byte) int { return l.sock.Load().send(&l.to, frames) }

// Batch implements forward.Batcher: links of one socket send in one go.
func (l *link) Batch() forward.Batch { return l.sock.Load() }

// Close implements forward.Link: from now on the address is a stranger's.
func (l *link) Close() { l.t.forget(l) }

// reserve makes a remote's address known on all sockets before it is a face, so that nothing which arrives in between makes
// an on-demand face. It gives the on-demand links that had the address.
func (t *Transport) reserve(l *link) (displaced []*link, taken *link) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if other := t.remotes[l.to]; other != nil {
		return nil, other
	}
	t.remotes[l.to] = l
	for _, s := range t.sockets {
		if was := s.peers[l.to]; was != nil {
			displaced = append(displaced, was)
		}
		s.peers[l.to] = l
	}
	return displaced, nil
}

// remember makes the address of a new on-demand face known on its socket, unless the node has closed the face already or
// the address has become a remote's.
func (t *Transport) remember(l *link, f *forward.Face) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l.face.Store(f)
	if s := l.sock.Load(); !l.closed && s.peers[l.to] == nil {
		s.peers[l.to] = l
	}
}

// forget removes a link's address wherever it is known.
func (t *Transport) forget(l *link) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l.closed = true
	if !l.remote {
		l.forgetOn(l.sock.Load())
		return
	}
	if t.remotes[l.to] == l {
		delete(t.remotes, l.to)
	}
	for _, s := range t.sockets {
		l.forgetOn(s)
	}
}

func (l *link) forgetOn(s *Socket) {
	if s.peers[l.to] == l {
		delete(s.peers, l.to)
	}
}

// remove takes links' faces out of the node, which closes the links.
func (t *Transport) remove(links []*link) {
	for _, l := range links {
		if f := l.face.Load(); f != nil {
			t.cfg.Node.RemoveFace(t.cfg.Clock(), f.ID())
		}
	}
}

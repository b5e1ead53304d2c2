package driver

import (
	"net/netip"
	"sync/atomic"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
)

// peer is who is at the other end: of a client, of a connection, or of the datagrams of an address. It implements forward.Link.
type peer struct {
	Peer
	line *Line
	out  *outlet
	face atomic.Pointer[forward.Face] // nil until it is one
	cut  atomic.Pointer[func()]       // ends its connection; nil: there is none

	source, address uint64         // of an on-demand face (P-11)
	at              netip.AddrPort // of datagrams on a socket that listens
	among           *knowing       // who is known there
}

// newPeer makes one that the driver can send to.
func (l *Line) newPeer(id uint32, out *outlet) *peer {
	p := &peer{Peer: Peer{ID: id}, line: l, out: out}
	l.mu.Lock()
	l.peers[id] = p
	l.mu.Unlock()
	return p
}

func (l *Line) peerOf(id uint32) *peer {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.peers[id]
}

// forget takes a peer out.
func (l *Line) forget(p *peer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.peers[p.ID] == p {
		delete(l.peers, p.ID)
	}
}

// Send implements forward.Link: there is a queue, and what it has no room for is not taken.
func (p *peer) Send(frames [][]byte) int { return p.out.send(p, frames) }

// Queued implements forward.Queuer: what waits for the medium, also to other peers on it.
func (p *peer) Queued() int { return int(p.out.unsent.Load()) }

// Refusal implements forward.Refuser.
func (p *peer) Refusal() drop.Reason { return p.out.refusal() }

// Close implements forward.Link: the node has closed the face, so its connection ends.
func (p *peer) Close() {
	p.disconnect()
	if p.among != nil {
		p.among.forget(p)
	}
}

func (p *peer) disconnect() {
	if cut := p.cut.Load(); cut != nil {
		(*cut)()
	}
}

// removeFace takes its face out of the node.
func (p *peer) removeFace() {
	if f := p.face.Load(); f != nil {
		p.line.Lines.cfg.Node.RemoveFace(p.line.Lines.cfg.Clock(), f.ID())
	}
}

// drop counts where it belongs: at the face, or at the listener of those that are none.
func (p *peer) drop(why drop.Reason, n int) {
	if n == 0 {
		return
	}
	if f := p.face.Load(); f != nil {
		f.Drop(why, n)
	} else if l := p.line.cfg.Listener; l != nil {
		l.Drop(why, n)
	}
}

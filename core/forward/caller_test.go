package forward_test

import (
	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/mesh"
	"github.com/zmesh/zmesh/core/wire"
)

// caller is a peer that is not configured: it talks to a listener and becomes an on-demand face (P-11). Its frames arrive at once.
type caller struct {
	k    *kit
	n    *mesh.Node
	in   *forward.Ingress
	l    *forward.Listener
	peer forward.Peer
	face *forward.Face
	got  []wire.Frame
}

// call makes a caller with an address and a port.
func (k *kit) call(n *mesh.Node, l *forward.Listener, address, port uint64) *caller {
	c := &caller{k: k, n: n, l: l, in: n.Node.Ingress()}
	c.peer = forward.Peer{Source: address<<16 | port, Address: address, Link: func() forward.Link { return c }}
	return c
}

// Send implements forward.Link.
func (c *caller) Send(frames [][]byte) int {
	for _, raw := range frames {
		c.got = append(c.got, c.k.parse(append([]byte(nil), raw...)))
	}
	return len(frames)
}

// Close implements forward.Link.
func (c *caller) Close() { c.face = nil }

func (c *caller) send(raw []byte) {
	c.in.Begin(c.k.m.Now())
	if c.face == nil {
		c.face = c.in.Unknown(c.l, c.peer, raw)
	} else {
		c.in.Add(c.face, raw)
	}
	c.in.Run()
	c.n.Do(func(*forward.Node) {})
	c.k.step()
}

func (c *caller) take() (out []wire.Frame) {
	out = visible(c.got)
	c.got = nil
	return out
}

// refused fails if the caller became a face, or if its frame was not counted under this reason at the listener.
func (c *caller) refused(why drop.Reason) {
	c.k.Helper()
	if c.face != nil || len(c.got) != 0 {
		c.k.Errorf("a face was made, or %d frames answered", len(c.got))
	}
	if c.l.Drops()[why] != 1 {
		c.k.Errorf("not counted as %s: %v", why, c.l.Drops())
	}
}

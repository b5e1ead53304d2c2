//go:build !race

package driver

import "testing"

// Nothing is allocated for a frame, in or out, once the buffers have their size.
func TestAllocFrames(t *testing.T) {
	n := newNode(t)
	c := newCodec()
	l := n.open(LineConfig{Codec: c, Transport: TCP, Listen: "127.0.0.1:0"})
	p := l.newPeer(1, newOutlet())
	bad := n.content(1, "x")
	bad[len(bad)-1] ^= 1
	wire := framed(bad, bad, bad)
	buf, s := make([]byte, MaxData), l.session()
	p.source, p.address = 1, 1
	if k := testing.AllocsPerRun(100, func() { s.received(p, buf[:copy(buf, wire)], 0) }); k != 0 {
		t.Errorf("%v allocations for a burst that came in", k)
	}
	w := l.writer(p.out, func(*peer, []byte) error { return nil })
	c.quiet = true
	frames := [][]byte{bad, bad, bad}
	if k := testing.AllocsPerRun(100, func() {
		p.Send(frames)
		w.out.take(&w.queue)
		w.drain()
	}); k != 0 {
		t.Errorf("%v allocations for a burst that leaves", k)
	}
}

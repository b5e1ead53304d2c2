package udp

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// Four workers have four readers on one port. Each peer is one face, is answered from that port, and hears what it subscribed to in
// order; a remote is its face whichever reader hears it.
func TestSeveralReaders(t *testing.T) {
	k := newKit(t, false)
	k.readers = 4
	n := k.node(1, 4)
	s := n.listen("127.0.0.1:0", open())
	if len(s.readers) != 4 {
		t.Fatalf("%d readers", len(s.readers))
	}
	remote := k.device(s)
	up := n.connect(remote.addr(), forward.FaceConfig{Name: "up", Publish: name.NewPrefixSet(prefix("01"))})
	const peers = 40
	var devices []*device
	for i := range peers {
		d := k.device(s)
		asked := wire.MakeAsked(k.now().Wall+int64(i), 60)
		d.send(k.frame(wire.Header{Name: nm(temp), Seq: wire.SeqSubscribe, Type: wire.Interest, TTL: 7}, asked[:]))
		devices = append(devices, d)
	}
	k.processed(s, peers)
	const contents = 100
	for seq := uint32(1); seq <= contents; seq++ {
		remote.send(k.content(temp, seq, "21.5"))
	}
	for _, d := range devices {
		for seq := uint32(1); seq <= contents; seq++ {
			f, from := d.get()
			if f.Seq != seq || from != s.Addr() {
				t.Fatalf("got #%d from %s, want #%d from %s", f.Seq, from, seq, s.Addr())
			}
		}
	}
	if got := len(n.faces()); got != peers+1 {
		t.Errorf("%d faces for %d peers and a remote", got, peers)
	}
	if c := up.Counters(); c.InFrames != contents {
		t.Errorf("the remote's face has %d frames", c.InFrames)
	}
	if err := s.Close(); err != nil { // the readers have ended
		t.Error(err)
	}
	busy := 0
	for _, r := range s.readers {
		if len(r.links) > 0 { // it has looked up a peer
			busy++
		}
	}
	if busy < 2 {
		t.Errorf("%d peers came to %d reader", peers, busy)
	}
}

// A port that others share is in use nevertheless.
func TestSharedPortIsInUse(t *testing.T) {
	k := newKit(t, false)
	k.readers = 2
	s := k.node(1, 2).listen("127.0.0.1:0", open())
	for _, readers := range []int{1, 2} {
		k.readers = readers
		n := k.node(2, 2)
		_, err := n.Transport.Listen(t.Context(), ListenConfig{Name: "lan", Address: s.Addr().String(), Listener: open()})
		if !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%d readers: %v", readers, err)
		}
	}
	for _, at := range []string{":0", "[::1]:0", "0.0.0.0:0"} {
		if got := k.node(3, 2).listen(at, open()); len(got.readers) != 2 || got.Addr().Port() == 0 || at == ":0" && !got.dual {
			t.Errorf("%s: %d readers at %s", at, len(got.readers), netip.AddrPort(got.Addr()))
		}
	}
}

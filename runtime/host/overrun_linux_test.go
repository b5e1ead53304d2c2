package host_test

import (
	"encoding/hex"
	"net"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
	"github.com/zmesh/zmesh/runtime/admin"
)

// What comes in while a worker is busy for longer than the socket's buffer lasts is dropped by the system, and counted at the listener like any other
// drop: each frame that was sent is one that came in or one that was lost.
func TestReceiveBufferIsADropReason(t *testing.T) {
	w := newWorld(t, nodeText(inMemory, lanFace))
	publish(t, w.device(), "a", 1, 1)
	lan := func() admin.Face {
		for _, f := range w.host.Faces() {
			if f.Name == "lan" && f.Listener {
				return f
			}
		}
		t.Fatal("no listener")
		return admin.Face{}
	}
	from, err := net.Dial("udp", w.address("lan"))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	raw, answer := interestFor(t, "a"), make([]byte, 1500)
	if _, err := from.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := from.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := from.Read(answer); err != nil { // it has a face now: to make one takes all workers
		t.Fatal(err)
	}
	before, sent := lan(), uint64(0)
	w.host.HoldWorkers(func() { // the reader waits for the worker with the first of them
		for lan().Drops["receive_buffer"] == 0 && sent < 1<<18 {
			for range 256 {
				if _, err := from.Write(raw); err != nil {
					t.Fatal(err)
				}
				sent++
			}
		}
	})
	waitFor(t, "some frames neither came in nor are counted as lost", func() bool {
		f := lan()
		return f.InFrames-before.InFrames+f.Drops["receive_buffer"] == sent
	})
	f := lan()
	if f.Drops["receive_buffer"] == 0 || w.host.Status().Drops["receive_buffer"] != f.Drops["receive_buffer"] {
		t.Errorf("of %d frames %d came in; lost at the listener %d, at the node %d", sent, f.InFrames-before.InFrames, f.Drops["receive_buffer"], w.host.Status().Drops["receive_buffer"])
	}
}

// interestFor is an Interest for content 1 of a name, without a payload: its answer is in the store.
func interestFor(t *testing.T, uri string) []byte {
	key, err := hex.DecodeString(keyText)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := wire.NewKeyring(wire.Network{Keys: [wire.NetworkKeys]*[wire.KeySize]byte{(*[wire.KeySize]byte)(key)}})
	if err != nil {
		t.Fatal(err)
	}
	raw := (&wire.Header{Name: name.Hash(uri), Seq: 1, Type: wire.Interest, TTL: 7}).Append(nil, nil)
	if err := ring.Verifier().Sign(0, raw); err != nil {
		t.Fatal(err)
	}
	return raw
}

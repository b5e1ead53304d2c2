package guest

import (
	"errors"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// Heard is a frame that a driver made of bytes.
type Heard struct {
	Frame  []byte
	Signal int8 // dBm; 0: not known
}

// Outgoing is what a driver wants to be sent to a peer.
type Outgoing struct {
	Peer uint32
	Data []byte
}

// DriverAnswer is what a driver gave for one event.
type DriverAnswer struct {
	Frames  []Heard
	Bytes   []Outgoing
	Damaged int
	Timer   uint32 // ms; 0: as it was
	Failed  bool   // it had no answer
}

// NativeLink is a link with a driver on it, for native tests: events pass through the same bytes as in wasm, and what a driver does not
// consume is kept and offered again as a host does it.
type NativeLink struct {
	plugin     *driverPlugin
	linkBlock  []byte
	peerSize   int
	peerBlocks map[uint32][]byte
	pending    map[uint32][]byte
	now        uint64
}

// maxPending is how many bytes of a peer wait for their frame's end; more cannot be one.
const maxPending = abi.MaxReceived / 2

// RunDriver configures a driver and gives a link on it, with blocks of these sizes.
func RunDriver(d Driver, config Values, linkBlock, peerBlock int) (*NativeLink, error) {
	if linkBlock > abi.MaxLinkBlock || peerBlock > abi.MaxPeerBlock {
		return nil, errors.New("a link's block has at most 8192 bytes, and a peer's 256")
	}
	l := &NativeLink{
		plugin: newDriverPlugin(d), linkBlock: make([]byte, linkBlock), peerSize: peerBlock,
		peerBlocks: map[uint32][]byte{}, pending: map[uint32][]byte{},
	}
	return l, l.plugin.configure(config)
}

// Pass lets ns pass.
func (l *NativeLink) Pass(ns uint64) { l.now += ns }

// Received hands bytes over that came from a peer of a stream, in as many items as a host would.
func (l *NativeLink) Received(peer uint32, b []byte) (a DriverAnswer) {
	for first := true; first || len(b) > 0; first = false {
		n := min(len(b), abi.MaxReceived/2)
		l.received(peer, b[:n], &a)
		b = b[n:]
		if len(l.pending[peer]) > maxPending { // nothing of that is a frame
			delete(l.pending, peer)
			delete(l.peerBlocks, peer)
			a.Damaged++
		}
	}
	return a
}

// Datagram hands over a datagram: what is left of it is none's beginning.
func (l *NativeLink) Datagram(peer uint32, b []byte) (a DriverAnswer) {
	l.received(peer, b, &a)
	if len(l.pending[peer]) > 0 {
		a.Damaged++
	}
	delete(l.pending, peer)
	return a
}

func (l *NativeLink) received(peer uint32, b []byte, a *DriverAnswer) {
	in, seen := append(l.pending[peer], b...), len(l.pending[peer])
	for {
		consumed, more := l.call(abi.Received, peer, seen, in, a)
		in, seen = in[consumed:], 0
		if !more || len(in) == 0 {
			break
		}
	}
	l.pending[peer] = append([]byte(nil), in...)
}

// Send has a frame turned into bytes.
func (l *NativeLink) Send(peer uint32, frame []byte) (a DriverAnswer) {
	l.call(abi.Send, peer, 0, frame, &a)
	return a
}

// Timer says that the time the driver asked for is over.
func (l *NativeLink) Timer() (a DriverAnswer) {
	l.call(abi.Timer, 0, 0, nil, &a)
	return a
}

// Event says that the link to a peer works from now on, or does not any more: what was not consumed of its bytes is gone.
func (l *NativeLink) Event(peer uint32, up bool) (a DriverAnswer) {
	kind := abi.LinkDown
	if up {
		kind = abi.LinkUp
	}
	delete(l.pending, peer)
	l.call(kind, peer, 0, nil, &a)
	return a
}

// call runs one item.
func (l *NativeLink) call(kind int, peer uint32, seen int, data []byte, a *DriverAnswer) (consumed int, more bool) {
	state, block := l.plugin.state(), l.peerBlocks[peer]
	if block == nil {
		block = make([]byte, l.peerSize)
		l.peerBlocks[peer] = block
	}
	copy(state, l.linkBlock)
	copy(state[len(l.linkBlock):], block)
	item := abi.DriverItem{
		Kind: uint16(kind), Time: l.now, Peer: peer, PeerBlock: uint32(len(l.linkBlock)),
		LinkSize: uint16(len(l.linkBlock)), PeerSize: uint16(l.peerSize), Seen: uint32(seen), Data: data,
	}
	in, out := l.plugin.regions()
	item.Put(in)
	l.plugin.process(1)
	copy(l.linkBlock, state)
	copy(block, state[len(l.linkBlock):])
	return a.read(out)
}

// read adds what stands in an output item.
func (a *DriverAnswer) read(out []byte) (consumed int, more bool) {
	status, n := get16(out, abi.OutStatus), get16(out, abi.OutCount)
	a.Failed = a.Failed || status == abi.StatusFailed
	a.Damaged += int(get32(out, abi.DriverDamaged))
	if t := get32(out, abi.DriverTimer); t != 0 {
		a.Timer = t
	}
	for b := out[abi.OutHead:]; n > 0; n-- {
		r, rest, _ := abi.NextDriverRecord(b)
		data := append([]byte(nil), r.Data...)
		if r.Tag == abi.TagFrame {
			a.Frames = append(a.Frames, Heard{data, r.Signal})
		} else {
			a.Bytes = append(a.Bytes, Outgoing{r.Peer, data})
		}
		b = rest
	}
	return int(get32(out, abi.DriverConsumed)), status == abi.StatusMore
}

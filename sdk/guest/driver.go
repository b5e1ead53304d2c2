package guest

import (
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// Driver turns the bytes of a link into frames and frames into bytes. It has no memory of its own: an instance may be replaced
// between two calls, so what must last stands in the blocks of the [Link], and the beginning of a frame whose end has not come
// stays with the host, which offers it again. Nothing may be kept of what a method is given.
type Driver interface {
	Configure(Values) error
	// Received takes bytes that came in and gives how many of them are done with. The others come again with what follows
	// them. Of a datagram nothing follows: what is left of it is dropped.
	Received(l *Link, in []byte) (consumed int)
	// Send turns one frame into bytes. A frame for which it makes none is dropped and counted.
	Send(l *Link, frame []byte)
	// Timer is called when the time of [Link.After] is over.
	Timer(l *Link)
	// Event is called when the link, or the connection of a peer, begins to work or ceases to.
	Event(l *Link, up bool)
}

// BlockMigrator is a Driver that can read what a version with another schema has kept. from is abi.SchemaID of its state, block what it
// has kept, followed by the rest of the state region: what stands at the beginning afterwards is kept. peer tells whether the block is a
// peer's; size is how long it was. false: it cannot, and the block is zeroed.
type BlockMigrator interface {
	MigrateBlock(from uint64, peer bool, block []byte, size int) bool
}

// ServeDriver registers the module's driver. Call it from init.
func ServeDriver(d Driver) { served = newDriverPlugin(d) }

// Link is what a driver sees of its link during one call, and where its answers go.
type Link struct {
	now     int64
	peer    uint32
	seen    int
	link    []byte
	own     []byte // the peer's block
	out     []byte // the output region from the first record on
	at, n   int
	damaged uint32
	timer   uint32
	full    bool
}

// Now is the time since the node started, in ns.
func (l *Link) Now() int64 { return l.now }

// Peer is the host's number for who sent, or is to get, what the call is about; 0 on a link with one peer.
func (l *Link) Peer() uint32 { return l.peer }

// Seen is how many of the received bytes were offered before: whoever scans for an end may begin there.
func (l *Link) Seen() int { return l.seen }

// Block is what the host keeps for the link, of the size link_block in plugin.toml: zeros at first and after a trap.
func (l *Link) Block() []byte { return l.link }

// PeerBlock is what the host keeps for the peer, of the size peer_block.
func (l *Link) PeerBlock() []byte { return l.own }

// Room gives an empty slice with room for at least n bytes where the next [Link.Frame] or [Link.Bytes] will stand, so that these copy nothing
// of what is appended to it. nil: the output is full, see [Link.Full].
func (l *Link) Room(n int) []byte {
	at := l.at + abi.OutFixed
	if n < 0 || l.n >= abi.MaxDriverRecords || at+abi.Align(n) > len(l.out) {
		l.full = true
		return nil
	}
	return l.out[at : at : len(l.out)&^7]
}

// Full tells whether something had no room. A driver that stops consuming there is called again at once with the rest.
func (l *Link) Full() bool { return l.full }

// Frame gives a frame to the host, whole and as it was made: signal is the strength with which it was heard in dBm, 0 if that is not
// known. It gives false if there is no room.
func (l *Link) Frame(frame []byte, signal int8) bool {
	return l.add(abi.TagFrame|uint64(uint8(signal))<<8, 0, frame)
}

// Bytes sends bytes to the peer of this call, without delay and in this order. It gives false if there is no room.
func (l *Link) Bytes(b []byte) bool { return l.add(abi.TagBytes, l.peer, b) }

// BytesTo sends bytes to any peer.
func (l *Link) BytesTo(peer uint32, b []byte) bool { return l.add(abi.TagBytes, peer, b) }

func (l *Link) add(tag uint64, peer uint32, data []byte) bool {
	room := l.Room(len(data))
	if room == nil {
		return false
	}
	copy(room[:len(data)], data)
	size := abi.OutFixed + abi.Align(len(data))
	put64(l.out, l.at, uint64(size)|tag<<32)
	put64(l.out, l.at+abi.OutPeer, uint64(peer)|uint64(len(data))<<32)
	l.at, l.n = l.at+size, l.n+1
	return true
}

// Damaged counts frames that were consumed and of which nothing can be made.
func (l *Link) Damaged(n int) { l.damaged += uint32(n) }

// After asks for a call of Timer in so many ms, at least 1. There is one timer: it replaces what was asked for before.
func (l *Link) After(ms uint32) { l.timer = max(ms, 1) }

// The regions of a driver.
const driverState = abi.MaxLinkBlock + abi.DriverItems*abi.MaxPeerBlock

// driverPlugin is a driver with its regions.
type driverPlugin struct {
	driver   Driver
	migrator BlockMigrator // nil: it cannot
	link     Link
	in       [abi.DriverInput / 8]uint64
	out      [abi.DriverOutput / 8]uint64
	blocks   [driverState / 8]uint64
}

func newDriverPlugin(d Driver) *driverPlugin {
	p := &driverPlugin{driver: d}
	p.migrator, _ = d.(BlockMigrator)
	return p
}

// features are those of the host that the plugin relies on.
func (p *driverPlugin) features() uint64 {
	if p.migrator != nil {
		return abi.FeatureMigrate
	}
	return 0
}

func (p *driverPlugin) regions() (input, output []byte) { return bytesOf(p.in[:]), bytesOf(p.out[:]) }

func (p *driverPlugin) state() []byte { return bytesOf(p.blocks[:]) }

func (p *driverPlugin) configure(v Values) error { return p.driver.Configure(v) }

func (p *driverPlugin) process(n uint32) uint32 {
	in, out := p.regions()
	for i := range n {
		progressWord[0] = uint64(i)
		item := itemAt(in)
		if item == nil || len(out) < abi.OutHead {
			return i
		}
		in, out = in[len(item):], out[p.item(item, out):]
	}
	return n
}

// item works on one item. It gives the size of what it wrote.
func (p *driverPlugin) item(in, out []byte) int {
	if get16(in, abi.ItemKind) == abi.MigrateState {
		return p.migrate(in, out)
	}
	data, ok := p.read(in, out)
	if !ok {
		head(out, abi.OutHead, abi.StatusFailed, 0)
		return abi.OutHead
	}
	l, consumed, status := &p.link, 0, abi.StatusOK
	switch get16(in, abi.ItemKind) {
	case abi.Received:
		consumed = p.driver.Received(l, data)
		if l.full {
			status = abi.StatusMore
		}
	case abi.Send:
		p.driver.Send(l, data)
	case abi.Timer:
		p.driver.Timer(l)
	case abi.LinkUp:
		p.driver.Event(l, true)
	case abi.LinkDown:
		p.driver.Event(l, false)
	default:
		status = abi.StatusFailed
	}
	if l.full && (status == abi.StatusOK || consumed == 0) { // half of an answer is none
		l.at, l.n, status = 0, 0, abi.StatusFailed
	}
	head(out, abi.OutHead+l.at, status, l.n)
	put64(out, abi.DriverConsumed, uint64(uint32(consumed))|uint64(l.damaged)<<32)
	put32(out, abi.DriverTimer, l.timer)
	return abi.OutHead + l.at
}

// migrate converts a block of another schema.
func (p *driverPlugin) migrate(in, out []byte) int {
	status, state := abi.StatusFailed, p.state()
	if p.migrator != nil && len(in) >= abi.MigrateSize && int(get32(in, abi.MigrateOld)) <= len(state) &&
		p.migrator.MigrateBlock(get64(in, abi.MigrateFrom), get32(in, abi.MigrateWhich) == 1, state, int(get32(in, abi.MigrateOld))) {
		status = abi.StatusOK
	}
	head(out, abi.OutHead, status, 0)
	return abi.OutHead
}

// read takes an item apart.
func (p *driverPlugin) read(in, out []byte) (data []byte, ok bool) {
	if len(in) < abi.DriverFixed {
		return nil, false
	}
	fixed, size := uint64(get16(in, abi.ItemFixed)), uint64(get32(in, abi.DriverSize))
	link, own := uint64(get16(in, abi.DriverLinkSize)), uint64(get16(in, abi.DriverPeerSize))
	at, state := uint64(get32(in, abi.DriverPeerBlock)), p.state()
	seen := uint64(get32(in, abi.DriverSeen))
	if fixed < abi.DriverFixed || fixed+size > uint64(len(in)) || link > uint64(len(state)) || at+own > uint64(len(state)) || seen > size {
		return nil, false
	}
	p.link = Link{
		now: int64(get64(in, abi.DriverTime)), peer: get32(in, abi.DriverPeer), seen: int(seen),
		link: state[:link:link], own: state[at : at+own : at+own], out: out[abi.OutHead:],
	}
	return in[fixed : fixed+size : fixed+size], true
}

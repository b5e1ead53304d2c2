package script

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// driver is the form of a driver's events.
//
//	link      transport=stream|datagram link_block=N peer_block=N
//	received  peer=N hex=HEX, or text="…"
//	send      peer=N hex=HEX, or text="…"
//	timer
//	up|down   peer=N
//	migrate   from=SCHEMA link=HEX, or peer=HEX
//
// All but link and migrate take at=TIME and show=link,peer, which adds the blocks to the answer as hex, without the zeros at the end. link is no event: it
// says what the links are like from there on, as [driver] in plugin.toml does: a stream, and blocks of no size, if nothing is said. The peer is 0
// unless something else is said.
//
// The script is the host: it keeps the blocks, and of a stream the bytes that were not consumed, which the driver is offered again with
// what comes next. After a trap all of that is gone. timer moves the time to when the driver's timer is due; without one the
// answer is "no timer". migrate asks for the block of another schema to be converted, of which all bytes are given, and is answered with what it
// is then; it changes nothing of what is kept.
//
// The answer: frame HEX signal=DBM, bytes HEX peer=N (where it is another one than the event's), damaged N, timer TIME, and need more N: so
// many bytes wait for more.
type driver struct {
	now       time.Duration
	timer     time.Duration // when it is due; 0: none is set
	datagram  bool
	linkSize  int
	peerSize  int
	linkBlock []byte
	peers     map[uint32]*peer
}

// peer is what a node keeps for a peer.
type peer struct {
	block   []byte
	waiting []byte // received and not consumed
}

// maxWaiting is how many bytes of a peer wait for their frame's end; more cannot be one.
const maxWaiting = abi.MaxReceived / 2

var driverEvents = []Word{
	{"received", abi.Received},
	{"send", abi.Send},
	{"timer", abi.Timer},
	{"up", abi.LinkUp},
	{"down", abi.LinkDown},
	{"migrate", abi.MigrateState},
}

const (
	showLink = 1 << iota
	showPeer
)

func (d *driver) setup(l *Line) error {
	d.datagram = l.Code("transport", 0, []Word{{"stream", 0}, {"datagram", 1}}) == 1
	d.linkSize = int(l.Uint("link_block", 0, abi.MaxLinkBlock))
	d.peerSize = int(l.Uint("peer_block", 0, abi.MaxPeerBlock))
	if d.linkSize%8 != 0 || d.peerSize%8 != 0 {
		l.fail("sizes of blocks are multiples of 8")
	}
	d.lose()
	return l.done()
}

// CheckLinks tells whether the links of a driver's script are those that its manifest declares: with other blocks it would be
// tested as it never runs.
func (f *File) CheckLinks(linkBlock, peerBlock int) error {
	have, at := driver{}, 1
	for i := range f.Cases {
		c := &f.Cases[i]
		if c.Link != nil {
			if err := have.setup(c.Link); err != nil {
				return err
			}
			at = c.Link.At
		}
		if have.linkSize != linkBlock || have.peerSize != peerBlock {
			return &Mistake{f.Name, at, fmt.Sprintf("plugin.toml declares other blocks: write link link_block=%d peer_block=%d", linkBlock, peerBlock)}
		}
	}
	return nil
}

// lose forgets everything that was kept for the link.
func (d *driver) lose() { d.linkBlock, d.peers = make([]byte, d.linkSize), map[uint32]*peer{} }

func (d *driver) peer(id uint32) *peer {
	if d.peers[id] == nil {
		d.peers[id] = &peer{block: make([]byte, d.peerSize)}
	}
	return d.peers[id]
}

func (d *driver) event(e *Event) (ask, error) {
	kind, ok := code(driverEvents, e.Verb)
	switch {
	case !ok:
		return nil, fmt.Errorf("%s is no event of a driver: want one of %s", e.Verb, join(driverEvents))
	case len(e.Details) > 0:
		return nil, &lineError{e.Details[0].At, e.Details[0].Verb + ": nothing belongs to an event of a driver but its line"}
	}
	if kind == abi.MigrateState {
		return d.migrate(e)
	}
	d.now = e.Time(d.now)
	show := e.Bits("show", []Word{{"link", showLink}, {"peer", showPeer}})
	var id uint32
	var data []byte
	if kind != abi.Timer {
		id = uint32(e.Uint("peer", 0, math.MaxUint32))
	}
	if kind == abi.Received || kind == abi.Send {
		data = e.Hex("hex", -1)
		data = append(data, e.Text("text", "")...)
		if e.Has("hex") == e.Has("text") {
			e.fail(`%s wants its bytes: hex=0102, or text="…"`, e.Verb)
		}
		if limit := maxWaiting; len(data) > limit {
			e.fail("an event has at most %d bytes", limit)
		}
	}
	said := e.Has("at")
	return func(m Machine) ([]string, error) {
		if kind == abi.Timer && !d.due(said) {
			return []string{noTimer}, nil
		}
		c := conversation{driver: d, machine: m, kind: uint16(kind), id: id}
		err := c.hold(data)
		switch {
		case err == errFailed: // it says so: nothing is lost but this
			return nil, err
		case err != nil:
			d.lose()
			return nil, err
		}
		return c.lines(show), nil
	}, e.done()
}

// due takes the timer, and moves the time to it unless the script says when it is.
func (d *driver) due(said bool) bool {
	if d.timer == 0 {
		return false
	}
	if !said {
		d.now = max(d.now, d.timer)
	}
	d.timer = 0
	return true
}

// conversation is what is said about one event: as many items as a host would make of it.
type conversation struct {
	driver  *driver
	machine Machine
	kind    uint16
	id      uint32

	said    []string
	damaged int
	timer   time.Duration // 0: as it was
}

// hold puts an event to the driver.
func (c *conversation) hold(data []byte) error {
	p := c.driver.peer(c.id)
	if c.kind != abi.Received {
		if c.kind != abi.Send {
			p.waiting = nil
		}
		_, _, err := c.item(p, data, 0)
		return err
	}
	seen := len(p.waiting)
	data = append(p.waiting, data...)
	for {
		consumed, more, err := c.item(p, data, seen)
		if err != nil {
			return err
		}
		data, seen = data[consumed:], 0
		if !more || len(data) == 0 {
			break
		}
	}
	p.waiting = nil
	switch {
	case len(data) == 0:
	case c.driver.datagram: // nothing follows
		c.damaged++
	case len(data) > maxWaiting: // and nothing of that is a frame
		c.damaged++
		clear(p.block)
	default:
		p.waiting = append(p.waiting, data...)
	}
	return nil
}

// item is one call.
func (c *conversation) item(p *peer, data []byte, seen int) (consumed int, more bool, err error) {
	d, state := c.driver, c.machine.State()
	if len(state) < d.linkSize+d.peerSize {
		return 0, false, fmt.Errorf("its state region has %d bytes, and the blocks take %d", len(state), d.linkSize+d.peerSize)
	}
	copy(state, d.linkBlock)
	copy(state[d.linkSize:], p.block)
	in := abi.DriverItem{
		Kind: c.kind, Time: uint64(d.now), Peer: c.id, PeerBlock: uint32(d.linkSize), LinkSize: uint16(d.linkSize), PeerSize: uint16(d.peerSize),
		Seen: uint32(seen), Data: data,
	}
	item := make([]byte, in.Size())
	in.Put(item)
	a, err := call(c.machine, item)
	if err != nil {
		return 0, false, err
	}
	if consumed, more, err = c.read(&a, len(data)); err != nil {
		return 0, false, err
	}
	state = c.machine.State()
	copy(d.linkBlock, state)
	copy(p.block, state[d.linkSize:])
	return consumed, more, nil
}

// read takes an answer apart.
func (c *conversation) read(a *answer, size int) (consumed int, more bool, err error) {
	consumed, more = int(le32(a.head[abi.DriverConsumed:])), a.status == abi.StatusMore
	if a.status > abi.StatusMore || c.kind == abi.Received && consumed > size || more && (consumed == 0 || c.kind != abi.Received) || a.n > abi.MaxDriverRecords {
		return 0, false, errOutput
	}
	for b, n := a.list, a.n; n > 0; n-- {
		r, rest, ok := abi.NextDriverRecord(b)
		if !ok {
			return 0, false, errOutput
		}
		c.said = append(c.said, c.record(&r))
		b = rest
	}
	c.damaged += int(le32(a.head[abi.DriverDamaged:]))
	if ms := le32(a.head[abi.DriverTimer:]); ms > 0 {
		c.timer = time.Duration(ms) * time.Millisecond
		c.driver.timer = c.driver.now + c.timer
	}
	return consumed, more, nil
}

// record writes a frame, or bytes that are to be sent.
func (c *conversation) record(r *abi.DriverRecord) string {
	what, more := "frame ", ""
	switch {
	case r.Tag == abi.TagBytes && r.Peer != c.id:
		what, more = "bytes ", fmt.Sprintf(" peer=%d", r.Peer)
	case r.Tag == abi.TagBytes:
		what = "bytes "
	case r.Signal != 0:
		more = fmt.Sprintf(" signal=%d", r.Signal)
	}
	return strings.TrimRight(what+hex.EncodeToString(r.Data), " ") + more
}

// lines is the whole answer.
func (c *conversation) lines(show uint64) []string {
	lines, p := c.said, c.driver.peer(c.id)
	if c.damaged > 0 {
		lines = append(lines, fmt.Sprintf("damaged %d", c.damaged))
	}
	if c.timer > 0 {
		lines = append(lines, "timer "+c.timer.String())
	}
	if len(p.waiting) > 0 && c.kind == abi.Received {
		lines = append(lines, fmt.Sprintf("need more %d", len(p.waiting)))
	}
	if show&showLink != 0 {
		lines = append(lines, block("link", c.driver.linkBlock))
	}
	if show&showPeer != 0 {
		lines = append(lines, block("peer", p.block))
	}
	return lines
}

// migrate is the block of another schema that the driver is to convert.
func (d *driver) migrate(e *Event) (ask, error) {
	which, what, size := uint32(0), "link", d.linkSize
	if e.Has("peer") {
		which, what, size = 1, "peer", d.peerSize
	}
	if !e.Has("from") || e.Has("link") == e.Has("peer") {
		e.fail(`migrate wants the schema and one block: migrate from="mine.1" link=0102`)
	}
	old, from := e.Hex(what, -1), e.Text("from", "")
	if len(old) > abi.MaxLinkBlock {
		e.fail("a block has at most %d bytes, this has %d", abi.MaxLinkBlock, len(old))
	}
	return func(m Machine) ([]string, error) {
		state := m.State()
		if m.Features()&abi.FeatureMigrate == 0 || len(state) < max(size, len(old)) {
			return []string{notAsked}, nil
		}
		clear(state[:max(size, len(old))])
		copy(state, old)
		item := migration(from, which)
		binary.LittleEndian.PutUint32(item[abi.MigrateOld:], uint32(len(old)))
		if _, err := call(m, item); err != nil {
			return nil, err
		}
		return []string{block(what, m.State()[:size])}, nil
	}, e.done()
}

package plugin

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/faces/driver"
	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// block is what the host keeps for a line or a peer, typed by the schema of the version that wrote it.
type block struct {
	version *version // that has seen it last
	schema  uint64   // 0: nobody has written to it
	bytes   []byte
}

// clear makes it zeros, as it was at first.
func (b *block) clear() { clear(b.bytes) }

// burst is items on their way through an instance.
type burst struct {
	version  *version
	schema   uint64
	instance *engine.Instance
	link     *block
	owners   [abi.DriverItems]*block // of the slots in the state region
	slots    int
}

// run hands as many items over as fit, and appends an outcome for each of them. It gives how many those were, at least one. On an error,
// which is a *engine.Trap, the last of them is the one that is lost by it.
func (c *burst) run(now time.Duration, items []driver.Item, r *driver.Result) (n int, err error) {
	n, size, err := c.prepare(now, items)
	if err == nil && n == 0 { // longer than any input
		r.Outcomes = append(r.Outcomes, driver.Outcome{Why: drop.DriverFailed})
		return 1, nil
	}
	var out []byte
	if err == nil {
		out, err = c.instance.CallWith(n, size)
	}
	whole := n
	if err != nil {
		whole = before(err)
	}
	begun := len(r.Outcomes)
	done, damaged := c.read(out, items[:whole], r)
	if damaged != nil {
		err = c.instance.Fail(done, n, damaged)
	}
	if err == nil {
		c.keep()
		return n, nil
	}
	c.lose()
	r.Outcomes = append(r.Outcomes[:begun+done], driver.Outcome{Why: drop.DriverTrap})
	return done + 1, err
}

// before is how many items were done before the one that it trapped on. If nobody knows which that was, it is taken to be the first.
func before(err error) int {
	var trap *engine.Trap
	if errors.As(err, &trap) {
		return max(trap.Item, 0)
	}
	return 0
}

// adopt makes a block one of this version: of the size that it declares, and of its schema. A version with another one converts it, or it
// is zeroed.
func (c *burst) adopt(b *block, which uint32, size int) error {
	if b.version == c.version {
		return nil
	}
	from := b.schema
	b.version, b.schema = c.version, c.schema
	if from == c.schema && len(b.bytes) == size {
		return nil
	}
	old := b.bytes
	b.bytes = make([]byte, size)
	if from == 0 || from == c.schema || c.instance.Features()&abi.FeatureMigrate == 0 || len(old) > len(c.instance.State()) {
		return nil
	}
	le, in := binary.LittleEndian, c.instance.Input()
	clear(in[:abi.MigrateSize])
	le.PutUint32(in[abi.ItemSize:], abi.MigrateSize)
	le.PutUint16(in[abi.ItemKind:], abi.MigrateState)
	le.PutUint16(in[abi.ItemFixed:], abi.MigrateSize)
	le.PutUint64(in[abi.MigrateFrom:], from)
	le.PutUint32(in[abi.MigrateWhich:], which)
	le.PutUint32(in[abi.MigrateOld:], uint32(len(old)))
	clear(c.instance.State()[:max(size, len(old))])
	copy(c.instance.State(), old)
	out, err := c.instance.CallWith(1, len(old))
	if err != nil {
		return err
	}
	item, _, ok := engine.NextItem(out)
	if !ok {
		return c.instance.Fail(0, 1, errOutput)
	}
	if le.Uint16(item[abi.OutStatus:]) == abi.StatusOK {
		copy(b.bytes, c.instance.State())
	}
	return nil
}

// prepare writes items to the input region, and the blocks to the state region. It gives how many had room, and their bytes.
func (c *burst) prepare(now time.Duration, items []driver.Item) (n, size int, err error) {
	d := c.version.module.Manifest.Driver
	if err := c.adopt(c.link, 0, d.LinkBlock); err != nil {
		return 0, 0, err
	}
	room := len(c.instance.Input())
	var slots [abi.DriverItems]int
	var seen [abi.DriverItems]uint32
	for n < min(len(items), abi.DriverItems) {
		it := &items[n]
		if room -= abi.Align(abi.DriverFixed + len(it.Data)); room < 0 || len(it.Data) > abi.MaxReceived {
			break
		}
		if slots[n], seen[n], err = c.slot(it, d.PeerBlock); err != nil {
			return 0, 0, err
		}
		n, size = n+1, size+len(it.Data)
	}
	in, state := c.instance.Input(), c.instance.State()
	copy(state, c.link.bytes)
	for k, b := range c.owners[:c.slots] {
		copy(state[d.LinkBlock+k*d.PeerBlock:], b.bytes)
	}
	for k := range items[:n] {
		it := &items[k]
		item := abi.DriverItem{
			Kind: kinds[it.Kind], Time: uint64(now), Peer: it.Peer.ID, PeerBlock: uint32(d.LinkBlock + slots[k]*d.PeerBlock),
			LinkSize: uint16(d.LinkBlock), PeerSize: uint16(d.PeerBlock), Seen: seen[k], Data: it.Data,
		}
		in = in[item.Put(in):]
	}
	return n, size, nil
}

var kinds = [...]uint16{driver.Received: abi.Received, driver.Send: abi.Send, driver.Timer: abi.Timer, driver.Up: abi.LinkUp, driver.Down: abi.LinkDown}

// slot finds the place of a peer's block, and how much of an item's bytes this version has seen.
func (c *burst) slot(it *driver.Item, size int) (slot int, seen uint32, err error) {
	b, _ := it.Peer.Kept.(*block)
	if b == nil {
		b = &block{}
		it.Peer.Kept = b
	}
	if b.version == c.version {
		seen = uint32(it.Seen)
	} else if err := c.adopt(b, 1, size); err != nil {
		return 0, 0, err
	}
	for k, o := range c.owners[:c.slots] {
		if o == b {
			return k, seen, nil
		}
	}
	c.owners[c.slots] = b
	c.slots++
	return c.slots - 1, seen, nil
}

// keep takes the blocks back after a call that went well.
func (c *burst) keep() {
	d, state := c.version.module.Manifest.Driver, c.instance.State()
	copy(c.link.bytes, state)
	for k, b := range c.owners[:c.slots] {
		copy(b.bytes, state[d.LinkBlock+k*d.PeerBlock:])
	}
}

// lose empties the blocks of a call in which the driver trapped: nobody knows what it was about to write to them.
func (c *burst) lose() {
	c.link.clear()
	for _, b := range c.owners[:c.slots] {
		b.clear()
	}
}

// What a driver's output can be wrong in.
var (
	errConsumed = errors.New("its output has consumed more than there was, or wants to go on with nothing consumed")
	errRecords  = errors.New("its output has more than 1024 records, or one that cannot be")
)

// read takes the output of items apart. It gives how many were in order, and what is wrong with the next one.
func (c *burst) read(out []byte, items []driver.Item, r *driver.Result) (done int, wrong error) {
	for k := range items {
		item, rest, ok := engine.NextItem(out)
		if !ok {
			return k, errOutput
		}
		if wrong := readOutcome(item, &items[k], c.instance.MaxOutput(), r); wrong != nil {
			return k, wrong
		}
		out = rest
	}
	return len(items), nil
}

// readOutcome takes the output of one item apart.
func readOutcome(item []byte, in *driver.Item, most int, r *driver.Result) error {
	le := binary.LittleEndian
	status, n := le.Uint16(item[abi.OutStatus:]), int(le.Uint16(item[abi.OutCount:]))
	consumed, damaged := le.Uint32(item[abi.DriverConsumed:]), le.Uint32(item[abi.DriverDamaged:])
	o := driver.Outcome{Consumed: int(consumed), Damaged: int(min(damaged, abi.MaxReceived)), More: status == abi.StatusMore}
	frames, outgoing := len(r.Frames), len(r.Outgoing)
	switch {
	case status == abi.StatusFailed:
		r.Outcomes = append(r.Outcomes, driver.Outcome{Why: drop.DriverFailed})
		return nil
	case status > abi.StatusMore:
		return errOutput
	case in.Kind == driver.Received && consumed > uint32(len(in.Data)), o.More && (consumed == 0 || in.Kind != driver.Received):
		return errConsumed
	case n > most:
		return engine.ErrOutput
	}
	for b := item[abi.OutHead:]; n > 0; n-- {
		rec, rest, ok := abi.NextDriverRecord(b)
		if !ok {
			r.Frames, r.Outgoing = r.Frames[:frames], r.Outgoing[:outgoing]
			return errRecords
		}
		if !acceptRecord(&rec, in.Kind, r) {
			o.Refused++
		}
		b = rest
	}
	o.Frames, o.Outgoing = len(r.Frames)-frames, len(r.Outgoing)-outgoing
	if ms := le.Uint32(item[abi.DriverTimer:]); ms > 0 {
		r.Timer = min(time.Duration(ms)*time.Millisecond, maxDriverTimer)
	}
	r.Outcomes = append(r.Outcomes, o)
	return nil
}

// acceptRecord adds a record of the driver to the result; false if it cannot be: nothing, too much, or a frame made of one that is to be sent.
// Whether a frame is whole and what it says is the forwarder's to find out.
func acceptRecord(rec *abi.DriverRecord, kind driver.Kind, r *driver.Result) bool {
	switch {
	case len(rec.Data) == 0 || len(rec.Data) > abi.MaxReceived:
		return false
	case rec.Tag == abi.TagBytes:
		r.Outgoing = append(r.Outgoing, driver.Outgoing{Peer: rec.Peer, Data: r.Keep(rec.Data)})
		return true
	case kind == driver.Received || kind == driver.Timer:
		r.Frames = append(r.Frames, driver.Frame{Data: r.Keep(rec.Data), Signal: rec.Signal})
		return true
	}
	return false
}

// maxDriverTimer is the longest that a driver can ask for.
const maxDriverTimer = time.Hour

// noDriver is the outcome of items for which there is no instance.
func noDriver(items []driver.Item, r *driver.Result) {
	for range items {
		r.Outcomes = append(r.Outcomes, driver.Outcome{Why: drop.NoDriver})
	}
}

package script

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// where says which blocks and which timer belong to an event.
type where struct {
	route   string // noRoute: none
	pending pendingKey
	last    bool // the pending Interest ends with this event
}

// noRoute is the name of a route that is not there.
const noRoute = "-"

// pendingKey is a pending Interest; the zero value is none.
type pendingKey struct {
	name [nameSize]byte
	seq  uint32
}

// pending is what a node keeps with an Interest.
type pending struct {
	block [abi.ScratchPending]byte
	timer time.Duration // when it is due; 0: none is set
}

// blocks are what a node keeps for a strategy.
type blocks struct {
	routes  map[string]*[abi.ScratchRoute]byte
	waiting map[pendingKey]*pending
}

func (b *blocks) route(at where) *[abi.ScratchRoute]byte {
	if at.route == noRoute {
		return nil
	}
	if b.routes == nil {
		b.routes = map[string]*[abi.ScratchRoute]byte{}
	}
	if b.routes[at.route] == nil {
		b.routes[at.route] = &[abi.ScratchRoute]byte{}
	}
	return b.routes[at.route]
}

// entry is the pending Interest of an event; nil where there is none. A Content makes none.
func (b *blocks) entry(at where) *pending {
	if at.pending == (pendingKey{}) {
		return nil
	}
	if b.waiting == nil {
		b.waiting = map[pendingKey]*pending{}
	}
	if b.waiting[at.pending] == nil && !at.last {
		b.waiting[at.pending] = &pending{}
	}
	return b.waiting[at.pending]
}

func (b *blocks) end(at where) { delete(b.waiting, at.pending) }

// set sets the timer of a pending Interest.
func (b *blocks) set(at where, when time.Duration) {
	if p := b.entry(at); p != nil {
		p.timer = when
	}
}

// due takes the timer of a pending Interest, and moves the time to it unless the script says when it is. It gives false if none is set.
func (b *blocks) due(at where, now *time.Duration, said bool) bool {
	p := b.waiting[at.pending]
	if p == nil || p.timer == 0 {
		return false
	}
	if !said {
		*now = max(*now, p.timer)
	}
	p.timer = 0
	return true
}

// write writes the blocks of an event into the state region, zeros where there is none, and gives what there is. A plugin that does not
// ask for any has no region.
func (b *blocks) write(state []byte, at where) (facts byte) {
	p := b.entry(at)
	if state == nil {
		return 0
	}
	clear(state[:abi.ScratchSize])
	if r := b.route(at); r != nil {
		facts |= abi.FactRoute
		copy(state, r[:])
	}
	if p != nil {
		facts |= abi.FactPending
		copy(state[abi.ScratchRoute:], p.block[:])
	}
	return facts
}

// keep takes over what the plugin has written to its blocks, and gives a line for each that is to be shown.
func (b *blocks) keep(state []byte, facts byte, at where, show uint64) (lines []string) {
	if facts&abi.FactRoute != 0 {
		*b.route(at) = [abi.ScratchRoute]byte(state)
		if show&abi.FactRoute != 0 {
			lines = append(lines, block("route", state[:abi.ScratchRoute]))
		}
	}
	if facts&abi.FactPending != 0 {
		if p := b.waiting[at.pending]; p != nil {
			p.block = [abi.ScratchPending]byte(state[abi.ScratchRoute:])
		}
		if show&abi.FactPending != 0 {
			lines = append(lines, block("pending", state[abi.ScratchRoute:abi.ScratchSize]))
		}
	}
	return lines
}

// block writes a block as hex, without the zeros at its end.
func block(what string, b []byte) string {
	text := hex.EncodeToString([]byte(strings.TrimRight(string(b), "\x00")))
	if text == "" {
		text = "00"
	}
	return what + " " + text
}

// migrate is the block of another schema that the plugin is to convert.
func (s *strategy) migrate(e *Event) (ask, error) {
	which, what, size := 0, "route", abi.ScratchRoute
	if e.Has("pending") {
		which, what, size = 1, "pending", abi.ScratchPending
	}
	if !e.Has("from") || e.Has("route") == e.Has("pending") {
		e.fail(`migrate wants the schema and one block: migrate from="mine.1" route=0102`)
	}
	b, from := e.Hex(what, -1), e.Text("from", "")
	if len(b) > size {
		e.fail("%s has %d bytes, this has %d", what, size, len(b))
	}
	if len(e.Details) > 0 {
		e.fail("nothing belongs to migrate but its line")
	}
	s.now = e.Time(s.now)
	return func(m Machine) ([]string, error) {
		state := m.State()
		if m.Features()&abi.FeatureMigrate == 0 || len(state) < abi.ScratchSize {
			return []string{notAsked}, nil
		}
		item := migration(from, uint32(which))
		at := which * abi.ScratchRoute
		clear(state[:abi.ScratchSize])
		copy(state[at:], b)
		if _, err := call(m, item); err != nil {
			return nil, err
		}
		return []string{block(what, m.State()[at:at+size])}, nil
	}, e.done()
}

// migration is the item that asks for a block of another schema to be converted.
func migration(from string, which uint32) []byte {
	le, item := binary.LittleEndian, make([]byte, abi.MigrateSize)
	le.PutUint32(item[abi.ItemSize:], abi.MigrateSize)
	le.PutUint16(item[abi.ItemKind:], abi.MigrateState)
	le.PutUint16(item[abi.ItemFixed:], abi.MigrateSize)
	le.PutUint64(item[abi.MigrateFrom:], abi.SchemaID(from))
	le.PutUint32(item[abi.MigrateWhich:], which)
	return item
}

func le32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }

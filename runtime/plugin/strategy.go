package plugin

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// strategyMemory is far above the 2.4 MiB of a Go guest; to touch it for the first time, which no fuel counts, takes some
// 10 ms of a worker's time.
const strategyMemory = 16 << 20

// strategyTrade is the kind strategy.
type strategyTrade struct{}

func (strategyTrade) options(o *engine.Options) {
	o.MinInput, o.MinOutput = abi.StrategyInput, abi.StrategyOutput
	o.MaxMemory, o.MaxOutput = strategyMemory, abi.MaxCommands
}

// validate makes sure that a strategy can decide at all, on an event of two next hops.
func (strategyTrade) validate(v *version, i *engine.Instance) error {
	ev := forward.Event{Seq: 1, InFace: 1, TTL: 7, Hops: []forward.NextHop{{Face: 2, Cost: 1}, {Face: 3, Cost: 2}}}
	if _, err := consult(i, &ev, nil); err != nil {
		return fmt.Errorf("it fails the first event: %w", err)
	}
	v.took(i.Spent())
	return nil
}

// strategyCrew is the instances of a strategy, one for each worker.
type strategyCrew struct {
	*seats
	holders []*StrategyHolder
}

func (strategyTrade) crew(ctx context.Context, p *loaded, v *version, first *engine.Instance) (crew, error) {
	c := &strategyCrew{holders: p.manager.strategies(p.name)}
	places := make([]*place, len(c.holders))
	for k, h := range c.holders {
		places[k] = &h.place
	}
	var err error
	c.seats, err = newSeats(ctx, p, v, places, first)
	return c, err
}

func (c *strategyCrew) tell(s *Status) {
	c.seats.tell(s)
	for _, h := range c.holders {
		s.Degraded += h.degraded.Load()
		s.Reused += h.reused.Load()
	}
}

// strategies gives the holders of a name, one for each worker, which stay the same as long as the Manager lives.
func (m *Manager) strategies(name string) []*StrategyHolder {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.holders[name] == nil {
		list := make([]*StrategyHolder, m.opt.Workers)
		for k := range list {
			list[k] = &StrategyHolder{owner: uint32(len(m.holders)) + 1}
		}
		m.holders[name] = list
	}
	return m.holders[name]
}

// Strategy gives a worker's strategy, for forward.Config.Strategy. It stays the same over swaps. "best-route" is the core's own
// unless a plugin of that name is loaded.
func (m *Manager) Strategy(name string, worker int) (forward.Strategy, error) {
	if worker < 0 || worker >= m.opt.Workers {
		return nil, fmt.Errorf("strategy %q for worker %d: there are %d workers", name, worker, m.opt.Workers)
	}
	p, err := m.find(name)
	switch {
	case err != nil && name == BestRoute:
		return forward.BestRoute{}, nil
	case err != nil:
		return nil, fmt.Errorf("strategy: %w", err)
	}
	l := p.live.Load()
	if l == nil || l.kind != KindStrategy {
		return nil, fmt.Errorf("strategy %q: it is %s: %w", name, l.what(), ErrKind)
	}
	return m.strategies(name)[worker], nil
}

// StrategyHolder is the strategy of one worker. It stays the same over swaps, traps and even Unload: without an instance it
// decides as best-route. Decide is called under the worker's mutex, never blocks and does not allocate unless the plugin traps.
type StrategyHolder struct {
	place
	owner    uint32 // of the blocks that the node keeps for it, over all versions
	degraded atomic.Uint64
	reused   atomic.Uint64 // Interests that were decided as the one before
}

// Needs implements [forward.Strategy]: what the version at work has asked for when it was initialised.
func (h *StrategyHolder) Needs(name.Name) forward.Needs {
	s := h.current.Load()
	if s == nil {
		return forward.Needs{}
	}
	return forward.Needs{Owner: h.owner, Wants: forward.Wants(s.features) & strategyWants, Version: s.number, Reused: &h.reused}
}

// strategyWants are the feature bits that are the worker's too; the values are the same.
const strategyWants = forward.WantContent | forward.WantRoutes | forward.WantFaces | forward.WantMeasures | forward.WantScratch | forward.WantTogether

// Decide implements [forward.Strategy].
func (h *StrategyHolder) Decide(ev *forward.Event, out []forward.Command) []forward.Command {
	return h.decide(h.sit(), ev, out)
}

// decide decides in a seat that was entered, if there is one.
func (h *StrategyHolder) decide(s *seat, ev *forward.Event, out []forward.Command) []forward.Command {
	if s != nil {
		if list := s.crew.version.killers.any(); list != nil {
			if _, ok := list[inputKey(ev)]; ok {
				h.skipped.Add(1)
				h.rise(s)
				s = nil
			}
		}
	}
	if s == nil {
		h.degraded.Add(1)
		return forward.BestRoute{}.Decide(ev, out)
	}
	decided, err := s.decide(ev, out)
	if err != nil {
		h.degraded.Add(1)
		if s.instance.Dead() { // else another input would be blamed for what ends it later
			s.input = inputKey(ev)
			h.failed(s, err)
		}
		decided = forward.BestRoute{}.Decide(ev, out)
	}
	h.rise(s)
	return decided
}

// inputKey is what a frame is known by that has killed an instance: the parts of an event that are the frame's, not the node's.
func inputKey(ev *forward.Event) uint64 {
	b := [24]byte{byte(ev.Kind), ev.TTL, byte(ev.Reason)}
	binary.LittleEndian.PutUint32(b[4:], ev.Seq)
	binary.LittleEndian.PutUint32(b[8:], uint32(ev.InFace))
	copy(b[16:], ev.Name[:])
	return keyOf(b[:])
}

// decide hands an event to the instance. Blocks that another schema has written are converted first, or cleared. What the plugin writes
// to them counts only if it has an answer.
func (s *seat) decide(ev *forward.Event, out []forward.Command) ([]forward.Command, error) {
	if err := s.prepare(ev); err != nil {
		return out, err
	}
	return consult(s.instance, ev, out)
}

// prepare makes the blocks of an event this version's.
func (s *seat) prepare(ev *forward.Event) error {
	if s.features&abi.FeatureScratch == 0 {
		return nil
	}
	if r := ev.Route; r != nil && r.Schema != s.schema {
		if err := s.adopt(0, r.Schema, r.Bytes[:]); err != nil {
			return err
		}
		r.Schema = s.schema
	}
	if p := ev.Pending; p != nil && p.Schema != s.schema {
		if err := s.adopt(1, p.Schema, p.Bytes[:]); err != nil {
			return err
		}
		p.Schema = s.schema
	}
	return nil
}

// adopt makes a block of another schema one of this version's: the plugin converts it, or it is cleared. 0 is the schema of a block that
// nobody has written to. After a trap the block is as before.
func (s *seat) adopt(which uint32, from uint64, block []byte) error {
	if from == 0 {
		return nil
	}
	if s.features&abi.FeatureMigrate == 0 {
		clear(block)
		return nil
	}
	le, in, at := binary.LittleEndian, s.instance.Input(), which*abi.ScratchRoute
	clear(in[:abi.MigrateSize])
	le.PutUint32(in[abi.ItemSize:], abi.MigrateSize)
	le.PutUint16(in[abi.ItemKind:], abi.MigrateState)
	le.PutUint16(in[abi.ItemFixed:], abi.MigrateSize)
	le.PutUint64(in[abi.MigrateFrom:], from)
	le.PutUint32(in[abi.MigrateWhich:], which)
	copy(s.instance.State()[at:], block)
	b, err := s.instance.Call(1)
	if err != nil {
		return err
	}
	item, _, ok := engine.NextItem(b)
	if !ok {
		return s.instance.Fail(0, 1, errOutput)
	}
	if le.Uint16(item[abi.OutStatus:]) != abi.StatusOK {
		clear(block)
		return nil
	}
	copy(block, s.instance.State()[at:])
	return nil
}

// What a strategy's output can be wrong in.
var (
	errCommand = errors.New("its output has a command that cannot be")
	errFailed  = errors.New("the strategy has no answer")
)

// consult hands one event to an instance and appends its commands to out. The blocks of the event are changed only if it has an answer.
func consult(i *engine.Instance, ev *forward.Event, out []forward.Command) ([]forward.Command, error) {
	state := i.State()
	writeEvent(i.Input(), ev, facts(ev, state, false))
	b, err := i.Call(1)
	if err != nil {
		return out, err
	}
	if out, _, err = readAnswer(b, i.MaxOutput(), ev, out); err != nil {
		return out, blame(i, 0, 1, err)
	}
	if len(state) >= abi.ScratchSize {
		keep(ev, i.State(), false)
	}
	return out, nil
}

// blame ends an instance for what is wrong with its answer to item k of n. That there is none is not wrong.
func blame(i *engine.Instance, k, n int, err error) error {
	if errors.Is(err, errFailed) {
		return err
	}
	return i.Fail(k, n, err)
}

// readAnswer takes the answer to ev apart that b begins with, of at most so many commands, and gives what follows it.
func readAnswer(b []byte, most int, ev *forward.Event, out []forward.Command) (_ []forward.Command, rest []byte, _ error) {
	item, rest, ok := engine.NextItem(b)
	if !ok {
		return out, nil, errOutput
	}
	status, count := binary.LittleEndian.Uint16(item[abi.OutStatus:]), int(binary.LittleEndian.Uint16(item[abi.OutCount:]))
	switch {
	case status == abi.StatusFailed:
		return out, rest, errFailed
	case status != abi.StatusOK:
		return out, rest, errOutput
	case count > most:
		return out, rest, engine.ErrOutput
	case count > 0:
		if out, ok = readCommands(item[abi.OutHead:], count, out); !ok {
			return out, rest, errCommand
		}
	}
	reuse := binary.LittleEndian.Uint32(item[abi.OutReuse:])
	ev.Reuse = forward.Reuse{Interests: uint16(reuse), For: time.Duration(reuse>>16) * time.Millisecond}
	return out, rest, nil
}

// keep takes over what the plugin has written to an event's blocks. shared: another event has the route's.
func keep(ev *forward.Event, state []byte, shared bool) {
	if ev.Route != nil && !shared {
		ev.Route.Bytes = [abi.ScratchRoute]byte(state)
	}
	if ev.Pending != nil {
		ev.Pending.Bytes = [abi.ScratchPending]byte(state[abi.ScratchRoute:])
	}
}

// writeEvent writes an item of a strategy's batch, see abi.EventFixed, and gives its size. is are its facts, and in the bits above them the item
// that it shares the route's block with. The region has room: the engine has checked it. Words are put together here, because each store costs.
func writeEvent(in []byte, ev *forward.Event, is uint64) int {
	le := binary.LittleEndian
	hops := ev.Hops[:min(len(ev.Hops), abi.MaxHops)]
	size := abi.EventFixed + abi.HopSize*len(hops)
	in = in[:size]
	le.PutUint64(in[abi.ItemSize:], uint64(size)|uint64(ev.Kind)<<32|abi.EventFixed<<48)
	le.PutUint64(in[abi.EventTime:], uint64(ev.Now))
	le.PutUint64(in[abi.EventName:], bits.ReverseBytes64(ev.Name.Uint48()<<16)|uint64(ev.TTL)<<48|uint64(ev.Reason)<<56)
	le.PutUint64(in[abi.EventSeq:], uint64(ev.Seq)|uint64(ev.InFace)<<32)
	le.PutUint64(in[abi.EventHopSize:], abi.HopSize|uint64(len(hops))<<16|uint64(uint32(ev.More+len(ev.Hops)-len(hops)))<<32)
	le.PutUint64(in[abi.EventExpiry:], uint64(ev.Expiry))
	le.PutUint64(in[abi.EventLength:], uint64(ev.Length)|uint64(ev.Type)<<16|uint64(ev.FHDR)<<24|uint64(ev.KeyID)<<32|uint64(ev.InKind)<<40|uint64(uint16(ev.Signal))<<48)
	le.PutUint64(in[abi.EventFace:], uint64(ev.Face)|uint64(ev.Random)<<32)
	le.PutUint64(in[abi.EventPrefix:], uint64(ev.Prefix)|is<<8)
	for k := range hops {
		h, b := &hops[k], in[abi.EventFixed+k*abi.HopSize:][:abi.HopSize]
		le.PutUint64(b, uint64(h.Face)|uint64(h.Cost)<<32|uint64(h.State)<<48)
		le.PutUint64(b[abi.HopRTT:], uint64(h.RTT)|uint64(h.Var)<<32)
		le.PutUint64(b[abi.HopSilent:], uint64(h.Silent)|uint64(h.Loss)<<32|uint64(h.Queue)<<48)
	}
	return size
}

// facts writes the blocks of an event into its place in the state region, zeros where there is none, and says what there is. shared: the route's is
// another event's, and stands there.
func facts(ev *forward.Event, state []byte, shared bool) (is uint64) {
	if ev.Up {
		is = abi.FactUp
	}
	if len(state) < abi.ScratchSize {
		return is
	}
	state = state[:abi.ScratchSize]
	switch {
	case shared:
		is |= abi.FactRoute
	case ev.Route != nil:
		is |= abi.FactRoute
		copy(state, ev.Route.Bytes[:])
	default:
		clear(state[:abi.ScratchRoute])
	}
	if ev.Pending != nil {
		is |= abi.FactPending
		copy(state[abi.ScratchRoute:], ev.Pending.Bytes[:])
	} else {
		clear(state[abi.ScratchRoute:])
	}
	return is
}

// readCommands takes n commands apart. A command's size is what the item has for each.
func readCommands(b []byte, n int, out []forward.Command) ([]forward.Command, bool) {
	size := len(b) / n
	if size < abi.CommandSize || size*n != len(b) {
		return out, false
	}
	for ; n > 0; n, b = n-1, b[size:] {
		c := forward.Command{
			Op: forward.Op(b[abi.CommandOp]), N: b[abi.CommandN], Reason: wire.ReturnReason(b[abi.CommandReason]),
			Face:  forward.FaceID(binary.LittleEndian.Uint32(b[abi.CommandFace:])),
			Delay: time.Duration(binary.LittleEndian.Uint64(b[abi.CommandDelay:])),
		}
		switch {
		case c.Op > forward.SetTimer,
			c.Op < forward.Repeat && c.Delay != 0, c.Delay < 0,
			c.Op == forward.SendFirst && c.N == 0,
			c.Op == forward.SendReturn && (c.Reason < wire.ReturnNoRoute || c.Reason > wire.ReturnTTL):
			return out, false
		}
		out = append(out, c)
	}
	return out, true
}

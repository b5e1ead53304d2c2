package plugin

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/zmesh/zmesh/core/forward"
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
	o.MaxMemory = strategyMemory
}

// validate makes sure that a strategy can decide at all, on an event of two next hops.
func (strategyTrade) validate(_ *version, i *engine.Instance) error {
	ev := forward.Event{Seq: 1, InFace: 1, TTL: 7, Hops: []forward.NextHop{{Face: 2, Cost: 1}, {Face: 3, Cost: 2}}}
	if _, err := ask(i, &ev, nil); err != nil {
		return fmt.Errorf("it fails the first event: %w", err)
	}
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
	}
}

// strategies gives the holders of a name, one for each worker, which stay the same as long as the Manager lives.
func (m *Manager) strategies(name string) []*StrategyHolder {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.holders[name] == nil {
		list := make([]*StrategyHolder, m.opt.Workers)
		for k := range list {
			list[k] = &StrategyHolder{}
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
	degraded atomic.Uint64
}

// Decide implements [forward.Strategy].
func (h *StrategyHolder) Decide(ev *forward.Event, out []forward.Command) []forward.Command {
	s := h.sit()
	if s == nil {
		h.degraded.Add(1)
		return forward.BestRoute{}.Decide(ev, out)
	}
	decided, err := ask(s.instance, ev, out)
	if err != nil {
		h.degraded.Add(1)
		h.failed(s, err)
		decided = forward.BestRoute{}.Decide(ev, out)
	}
	s.leave()
	return decided
}

// What a strategy's output can be wrong in.
var (
	errCommands = errors.New("its output has more than 4 commands")
	errCommand  = errors.New("its output has a command that cannot be")
	errFailed   = errors.New("the strategy has no answer")
)

// ask hands one event to an instance and appends its commands to out.
func ask(i *engine.Instance, ev *forward.Event, out []forward.Command) ([]forward.Command, error) {
	writeEvent(i.Input(), ev)
	b, err := i.Call(1)
	if err != nil {
		return out, err
	}
	item, _, ok := engine.NextItem(b)
	if !ok {
		return out, i.Fail(0, 1, errOutput)
	}
	status, n := binary.LittleEndian.Uint16(item[abi.OutStatus:]), int(binary.LittleEndian.Uint16(item[abi.OutCount:]))
	switch {
	case status == abi.StatusFailed:
		return out, errFailed
	case status != abi.StatusOK:
		return out, i.Fail(0, 1, errOutput)
	case n > abi.MaxCommands:
		return out, i.Fail(0, 1, errCommands)
	case n == 0:
		return out, nil
	}
	decided, ok := readCommands(item[abi.OutHead:], n, out)
	if !ok {
		return out, i.Fail(0, 1, errCommand)
	}
	return decided, nil
}

// writeEvent writes the one item of a strategy's batch; see abi.EventFixed. The region has room: the engine has checked it.
func writeEvent(in []byte, ev *forward.Event) {
	le := binary.LittleEndian
	hops := ev.Hops[:min(len(ev.Hops), abi.MaxHops)]
	size := abi.EventFixed + abi.HopSize*len(hops)
	in = in[:size]
	le.PutUint32(in[abi.ItemSize:], uint32(size))
	le.PutUint16(in[abi.ItemKind:], uint16(ev.Kind))
	le.PutUint16(in[abi.ItemFixed:], abi.EventFixed)
	le.PutUint64(in[abi.EventTime:], uint64(ev.Now))
	copy(in[abi.EventName:abi.EventTTL], ev.Name[:])
	in[abi.EventTTL], in[abi.EventReason] = ev.TTL, byte(ev.Reason)
	le.PutUint32(in[abi.EventSeq:], ev.Seq)
	le.PutUint32(in[abi.EventInFace:], uint32(ev.InFace))
	le.PutUint16(in[abi.EventHopSize:], abi.HopSize)
	le.PutUint16(in[abi.EventHopCount:], uint16(len(hops)))
	le.PutUint32(in[abi.EventMore:], uint32(ev.More+len(ev.Hops)-len(hops)))
	for k := range hops {
		h := &hops[k]
		le.PutUint64(in[abi.EventFixed+k*abi.HopSize:], uint64(h.Face)|uint64(h.Cost)<<32|uint64(h.State)<<48)
	}
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
			Face: forward.FaceID(binary.LittleEndian.Uint32(b[abi.CommandFace:])),
		}
		switch {
		case c.Op > forward.DropRequest,
			c.Op == forward.SendFirst && c.N == 0,
			c.Op == forward.SendReturn && (c.Reason < wire.ReturnNoRoute || c.Reason > wire.ReturnTTL):
			return out, false
		}
		out = append(out, c)
	}
	return out, true
}

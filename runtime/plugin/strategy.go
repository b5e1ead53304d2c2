package plugin

import (
	"encoding/binary"
	"errors"
	"sync/atomic"
	"time"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/wire"
	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

func unixMilli(ms int64) (t time.Time) {
	if ms != 0 {
		t = time.UnixMilli(ms)
	}
	return t
}

// seat is an instance that a worker decides with. The worker enters and leaves it for each event; whoever has taken it out of
// the holder retires it, which waits for at most the event at hand.
type seat struct {
	version  *version
	instance *engine.Instance
	state    atomic.Int32
	left     chan struct{} // closed by the worker when it leaves a seat that was retired under it
}

// States of a seat.
const (
	seatIdle int32 = iota
	seatBusy
	seatRetired
	seatBusyRetired
)

func newSeat(v *version, i *engine.Instance) *seat {
	return &seat{version: v, instance: i, left: make(chan struct{})}
}

func (s *seat) enter() bool { return s.state.CompareAndSwap(seatIdle, seatBusy) }

func (s *seat) leave() {
	if !s.state.CompareAndSwap(seatBusy, seatIdle) {
		s.state.Store(seatRetired)
		close(s.left)
	}
}

// retire waits until the worker is out and closes the instance. The seat must no longer be in its holder.
func (s *seat) retire() {
	for !s.state.CompareAndSwap(seatIdle, seatRetired) {
		if s.state.CompareAndSwap(seatBusy, seatBusyRetired) {
			<-s.left
			break
		}
	}
	s.instance.Close()
}

// StrategyHolder is the strategy of one worker. It stays the same over swaps, traps and even Unload: without an instance it
// decides as best-route. Decide is called under the worker's mutex, never blocks and does not allocate unless the plugin traps.
type StrategyHolder struct {
	current atomic.Pointer[seat]
	broken  atomic.Pointer[accident]
	wake    func() // asks the manager to look after broken; must not block

	calls, traps, degraded atomic.Uint64
}

// accident is a seat that trapped, on its way to be replaced.
type accident struct {
	seat *seat
	trap error
}

// Decide implements [forward.Strategy].
func (h *StrategyHolder) Decide(ev *forward.Event, out []forward.Command) []forward.Command {
	s := h.current.Load()
	for s != nil && !s.enter() {
		s = h.current.Load() // it was swapped in between: retired only after the next one was there
	}
	if s == nil {
		h.degraded.Add(1)
		return forward.BestRoute{}.Decide(ev, out)
	}
	h.calls.Add(1)
	decided, err := ask(s.instance, ev, out)
	if err != nil {
		h.failed(s, err)
		decided = forward.BestRoute{}.Decide(ev, out)
	}
	s.leave()
	return decided
}

// failed counts an event that the plugin had no answer to. After a trap the seat is taken out and the manager replaces it.
func (h *StrategyHolder) failed(s *seat, err error) {
	h.degraded.Add(1)
	if !s.instance.Dead() {
		return
	}
	h.traps.Add(1)
	if h.current.CompareAndSwap(s, nil) {
		h.broken.Store(&accident{s, err})
		h.wake()
	}
}

// set puts a seat in and gives the seat that was there.
func (h *StrategyHolder) set(s *seat) (before *seat) { return h.current.Swap(s) }

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

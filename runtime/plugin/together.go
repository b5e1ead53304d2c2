package plugin

import (
	"errors"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// togetherFuel is how many items' fuel a call for several events has. It bounds how long a runaway keeps a worker, so it does not grow with
// their number: there are as many as should take half of it.
const togetherFuel = 2

// took notes what an event has taken.
func (v *version) took(units int64) {
	if units > v.each.Load() {
		v.each.Store(units)
	}
}

// most is how many events an instance is handed at once.
func (s *seat) most() int {
	if s.features&abi.FeatureBatch == 0 {
		return 1
	}
	return int(min(s.instance.ItemFuel()/max(s.crew.version.each.Load(), 1), abi.StrategyBatch))
}

// DecideAll implements [forward.Gatherer].
func (h *StrategyHolder) DecideAll(events []forward.Event, out [][]forward.Command) {
	for len(events) > 0 {
		n := h.decideSome(events, out)
		events, out = events[n:], out[n:]
	}
}

// decideSome decides on as many events as one call takes, and gives how many. What goes wrong leaves no trace but the end of the instance: all are
// decided again one by one, as if they had come so, without the one that it was at.
func (h *StrategyHolder) decideSome(events []forward.Event, out [][]forward.Command) int {
	s := h.enter()
	n := 1
	if s != nil && s.crew.version.killers.any() == nil {
		n = max(min(s.most(), len(events)), 1)
	}
	if n == 1 {
		if s != nil {
			s.leave()
		}
		out[0] = h.Decide(&events[0], out[0])
		return 1
	}
	events, out = events[:n], out[:n]
	h.count(s, n)
	at, err := s.decideAll(events, out)
	if err == nil {
		s.crew.version.took(s.instance.Spent() / int64(n))
		h.rise(s)
		return n
	}
	switch {
	case !s.instance.Dead(): // it has no answer to one of them
		at = -1
	case errors.Is(err, engine.ErrFuel): // alone it might have had enough
		at = -1
		s.crew.version.took(s.instance.ItemFuel()) // no more of them at once
		h.failed(s, err)
	default:
		s.input = inputKey(&events[at])
		h.failed(s, err)
	}
	h.rise(s)
	for k := range events {
		events[k].Reuse = forward.Reuse{}
		if out[k] = out[k][:0]; k == at {
			h.degraded.Add(1)
			out[k] = forward.BestRoute{}.Decide(&events[k], out[k])
			continue
		}
		out[k] = h.decide(h.enter(), &events[k], out[k]) // it is counted already
	}
	return n
}

// decideAll hands events to the instance in one call. What the plugin writes to their blocks counts only if it has an answer to all of them. On an error
// at is the event that it was at.
func (s *seat) decideAll(events []forward.Event, out [][]forward.Command) (at int, err error) {
	for k := range events {
		if err := s.prepare(&events[k]); err != nil {
			return k, err
		}
	}
	i, n := s.instance, len(events)
	var first [abi.StrategyBatch]uint8 // the item that has the route's block
	in, state := i.Input(), s.blocks()
	for k := range events {
		ev := &events[k]
		first[k] = uint8(k)
		for j := k - 1; j >= 0 && ev.Route != nil; j-- { // as a rule the one before
			if events[j].Route == ev.Route {
				first[k] = first[j]
				break
			}
		}
		is := facts(ev, blocksOf(state, k), int(first[k]) != k)
		in = in[writeEvent(in, ev, is|uint64(first[k])<<8):]
	}
	b, err := i.CallFor(n, togetherFuel*i.ItemFuel())
	if err != nil {
		return before(err), err
	}
	for k := range out {
		if out[k], b, err = readAnswer(b, i.MaxOutput(), &events[k], out[k]); err != nil {
			return k, blame(i, k, n, err)
		}
	}
	if state = s.blocks(); len(state) > 0 {
		for k := range events {
			keep(&events[k], blocksOf(state, k), int(first[k]) != k)
		}
	}
	return 0, nil
}

// blocks is the state region, where the guest has it for blocks: then it has room for a batch.
func (s *seat) blocks() []byte {
	if s.features&abi.FeatureScratch == 0 {
		return nil
	}
	return s.instance.State()
}

// blocksOf is where the blocks of item k stand in a state region; nil without one.
func blocksOf(state []byte, k int) []byte {
	if len(state) == 0 {
		return nil
	}
	return state[k*abi.ScratchSize:][:abi.ScratchSize]
}

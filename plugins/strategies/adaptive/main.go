// Command adaptive is the strategy that sends an Interest to the next hop from which the answer should come first, by the round-trip times
// and losses that the node has measured. What does not answer within its timeout (RFC 6298) is asked for at the next one, and
// is left alone until a probe shows that it answers again.
//
// It owns what it keeps by route: which next hop it uses, and when it probed which. It measures nothing itself and needs no event for
// a Content.
package main

import (
	"github.com/zmesh/zmesh/sdk/guest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

func init() { guest.ServeStrategy(&adaptive{}) }

func main() {}

// adaptive keeps its one setting.
type adaptive struct {
	interval int64 // between two probes of a route, ns
	soon     int64 // the same for next hops that were never asked
}

// The route's block, schema adaptive/1.
const (
	probedAt   = 0  // int64: when the last probe left, ns
	usedFace   = 8  // uint32: the next hop in use
	probedFace = 12 // uint32: the one that was probed last
)

const (
	second       = 1_000_000 // µs
	firstTimeout = second    // of a next hop of which nothing is known (RFC 6298, 2.1)
	leastSpread  = 10_000    // µs that a timeout has above the round-trip time at least
	silent       = 1 << 40   // beyond any time: what does not answer comes after all that do
	never        = 1 << 62   // beyond that
	fresh        = 100       // next hops that were never asked are probed so many times as often as the others
	reuseCount   = 64        // Interests that a decision between next hops is good for
	reuseTime    = 10        // ms, the same
	milli        = 1_000_000 // ns
	lossOfAll    = 65_536    // one more than the highest loss: it is divided by what is left of it
)

// Configure reads the setting probe_interval.
func (a *adaptive) Configure(v guest.Values) error {
	a.interval = v.Duration("probe_interval", 10*second*1000)
	a.soon = a.interval / fresh
	return nil
}

// Needs asks for measurements and for a block by route.
func (*adaptive) Needs() guest.Needs { return abi.FeatureMeasures | abi.FeatureScratch }

// Decide sends to the next hop with the shortest expected time, of those that were not tried, and sets a timer for when it should have answered: then
// the next best is asked. Expected is the round-trip time and what asking again after a loss takes; what is silent for longer than its
// timeout comes after all others. The one in use keeps its place unless another is a fifth better, so that two equal ways do not take
// turns.
//
// It is one loop without calls, because a call costs more in wasm than all that it does.
func (a *adaptive) Decide(ev *guest.Event, do *guest.Commands) {
	if ev.Kind > abi.Renew && ev.Kind != abi.TimerDue {
		return
	}
	if len(ev.Hops) == 1 { // there is nothing to weigh, and nothing to keep
		if ev.Hops[0].State&(abi.HopInFace|abi.HopTried) == 0 {
			do.SendTo(ev.Hops[0].Face)
			do.Reuse(abi.MaxReuse, abi.MaxReuseTime)
		} else if ev.Kind == abi.RetryIn {
			again(ev, do)
		}
		return
	}
	used := uint32(0)
	if ev.Route != nil {
		used = ev.Route.Uint32(usedFace)
	}
	var best *guest.Hop
	least, rest := int64(never), -1
	hops := ev.Hops
	for i := range hops {
		h := &hops[i]
		if h.State&(abi.HopInFace|abi.HopTried) != 0 {
			continue
		}
		rest++
		rtt := int64(h.RTT)
		if rtt >= least && h.Face != used {
			continue // it cannot be better, and to divide takes as long as all the rest
		}
		wait := rtt + max(4*int64(h.Var), leastSpread)
		if rtt == 0 {
			rtt, wait = firstTimeout, firstTimeout
		}
		time := rtt
		if h.Loss != 0 {
			time += wait * int64(h.Loss) / (lossOfAll - int64(h.Loss))
		}
		if int64(h.Silent)*1000 > wait {
			time = silent + rtt
		}
		if h.Face == used {
			time -= time / 5
		}
		if time < least {
			best, least = h, time
		}
	}
	if best == nil {
		if ev.Kind == abi.RetryIn {
			again(ev, do)
		}
		return
	}
	do.SendTo(best.Face)
	if ev.Kind == abi.Renew {
		return
	}
	if ev.Kind == abi.InterestIn && ev.Route != nil && rest > 0 {
		if best.Face != used {
			ev.Route.PutUint32(usedFace, best.Face)
		}
		since := ev.Now - ev.Route.Int64(probedAt)
		if since >= a.soon && a.probe(ev, do, best, since) {
			rest--
		} else if least < silent/2 {
			a.reuse(do, since)
		}
	}
	if rest > 0 {
		do.Timer(timeout(best) * 1000)
	}
}

// reuse has the next Interests go the same way without being asked: until the next probe, and not so many or so long that it matters if what is measured
// changes. When the way falls silent, the timer of the first Interest that is not answered comes before all that.
func (a *adaptive) reuse(do *guest.Commands, since int64) {
	left := a.soon - since
	if left <= 0 {
		left = a.interval - since
	}
	if left >= reuseTime*milli {
		do.Reuse(reuseCount, reuseTime)
	} else if left > 0 {
		do.Reuse(reuseCount, uint16(left/milli))
	}
}

// again is for a retry when all were tried: the first that is not silent, or else the first.
func again(ev *guest.Event, do *guest.Commands) {
	var first *guest.Hop
	for i := range ev.Hops {
		h := &ev.Hops[i]
		if h.State&abi.HopInFace != 0 {
			continue
		}
		if h.Silent == 0 {
			do.SendTo(h.Face)
			return
		}
		if first == nil {
			first = h
		}
	}
	if first != nil {
		do.SendTo(first.Face)
	}
}

// timeout is RFC 6298's, in µs.
func timeout(h *guest.Hop) int64 {
	if h.RTT == 0 {
		return firstTimeout
	}
	return int64(h.RTT) + max(4*int64(h.Var), leastSpread)
}

// probe sends to a second next hop too, if it is time for that: the next in turn after the one before; what was never asked comes
// first and sooner.
func (a *adaptive) probe(ev *guest.Event, do *guest.Commands, best *guest.Hop, since int64) bool {
	probe := next(ev, best, true)
	if probe == nil && (since >= a.interval || ev.Route.Int64(probedAt) == 0) {
		probe = next(ev, best, false)
	}
	if probe == nil {
		return false
	}
	ev.Route.PutInt64(probedAt, max(ev.Now, 1))
	ev.Route.PutUint32(probedFace, probe.Face)
	do.SendTo(probe.Face)
	return true
}

// next is the next hop after the one that was probed last, of those that were never asked or of all.
func next(ev *guest.Event, best *guest.Hop, never bool) (found *guest.Hop) {
	last, passed := ev.Route.Uint32(probedFace), false
	for i := range ev.Hops {
		h := &ev.Hops[i]
		asked := h.State&abi.HopMeasured != 0 || h.Silent != 0 || h.Loss != 0
		if h != best && h.State&(abi.HopInFace|abi.HopTried) == 0 && !(never && asked) && (found == nil || passed) {
			found = h
			if passed {
				return found
			}
		}
		passed = passed || h.Face == last
	}
	return found
}

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
}

// The route's block, schema adaptive/1.
const (
	probedAt   = 0  // int64: when the last probe left, ns
	usedFace   = 8  // uint32: the next hop in use
	probedFace = 12 // uint32: the one that was probed last
)

const (
	second       = 1_000_000    // µs
	firstTimeout = second       // of a next hop of which nothing is known (RFC 6298, 2.1)
	leastSpread  = 10_000       // µs that a timeout has above the round-trip time at least
	silent       = 1 << 40      // beyond any time: what does not answer comes after all that do
	fresh        = 100          // next hops that were never asked are probed so many times as often as the others
	lossOfAll    = 65_535 + 1.0 // a loss of everything must not be divided by
)

// Configure reads the setting probe_interval.
func (a *adaptive) Configure(v guest.Values) error {
	a.interval = v.Duration("probe_interval", 10*second*1000)
	return nil
}

// Needs asks for measurements and for a block by route.
func (*adaptive) Needs() guest.Needs { return abi.FeatureMeasures | abi.FeatureScratch }

// Decide sends an Interest to the best next hop and sets a timer for when it should have answered; then the next best is asked.
func (a *adaptive) Decide(ev *guest.Event, do *guest.Commands) {
	switch ev.Kind {
	case abi.InterestIn, abi.RetryIn:
		a.ask(ev, do)
	case abi.TimerDue, abi.ReturnIn:
		again(ev, do)
	case abi.Renew:
		if best := choose(ev, abi.HopInFace|abi.HopReturned); best != nil {
			do.SendTo(best.Face)
		}
	}
}

// ask sends to the best that was not tried; a retry for which none is left goes to the best of all.
func (a *adaptive) ask(ev *guest.Event, do *guest.Commands) {
	best := choose(ev, abi.HopInFace|abi.HopTried)
	if best == nil && ev.Kind == abi.RetryIn {
		best = choose(ev, abi.HopInFace)
	}
	if best == nil {
		return
	}
	do.SendTo(best.Face)
	rest := others(ev, best)
	if rest == 0 {
		return
	}
	if ev.Route != nil && ev.Kind == abi.InterestIn {
		ev.Route.PutUint32(usedFace, best.Face)
		if probe := a.probe(ev, best); probe != nil {
			do.SendTo(probe.Face)
			rest--
		}
	}
	if rest > 0 {
		do.Timer(timeout(best) * 1000)
	}
}

// again asks the next best, as long as there is one.
func again(ev *guest.Event, do *guest.Commands) {
	best := choose(ev, abi.HopInFace|abi.HopTried)
	if best == nil {
		return
	}
	do.SendTo(best.Face)
	if others(ev, best) > 0 {
		do.Timer(timeout(best) * 1000)
	}
}

// others is how many next hops besides one could still be asked.
func others(ev *guest.Event, but *guest.Hop) (n int) {
	for i := range ev.Hops {
		if h := &ev.Hops[i]; h != but && h.State&(abi.HopInFace|abi.HopTried) == 0 {
			n++
		}
	}
	return n
}

// choose finds the next hop with the shortest expected time, among those that are in none of the states. The one in use keeps its place
// unless another is a fifth better, so that two equal ways do not take turns.
func choose(ev *guest.Event, not uint16) (best *guest.Hop) {
	used := uint32(0)
	if ev.Route != nil {
		used = ev.Route.Uint32(usedFace)
	}
	least := int64(0)
	for i := range ev.Hops {
		h := &ev.Hops[i]
		if h.State&not != 0 {
			continue
		}
		time := expected(h)
		if h.Face == used {
			time -= time / 5
		}
		if best == nil || time < least {
			best, least = h, time
		}
	}
	return best
}

// expected is how long an answer should take, in µs, retries after losses included; more than any time if the next hop is silent for longer
// than its timeout.
func expected(h *guest.Hop) int64 {
	t := timeout(h)
	if int64(h.Silent)*1000 > t {
		return silent + int64(h.RTT)
	}
	if h.RTT == 0 {
		return t
	}
	loss := float64(h.Loss) / lossOfAll
	return int64(h.RTT) + int64(float64(t)*loss/(1-loss))
}

// timeout is RFC 6298's, in µs.
func timeout(h *guest.Hop) int64 {
	if h.RTT == 0 {
		return firstTimeout
	}
	return int64(h.RTT) + max(4*int64(h.Var), leastSpread)
}

// probe chooses a next hop that gets this Interest too, if it is time for one: the next in turn after the one before; what was
// never asked comes first and sooner.
func (a *adaptive) probe(ev *guest.Event, best *guest.Hop) *guest.Hop {
	since := ev.Now - ev.Route.Int64(probedAt)
	if ev.Route.Int64(probedAt) == 0 {
		since = a.interval // the first Interest of the route
	}
	if since < a.interval/fresh {
		return nil
	}
	probe := next(ev, best, true)
	if probe == nil && since >= a.interval {
		probe = next(ev, best, false)
	}
	if probe != nil {
		ev.Route.PutInt64(probedAt, max(ev.Now, 1))
		ev.Route.PutUint32(probedFace, probe.Face)
	}
	return probe
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

// Command best-route is the strategy that sends an Interest to the cheapest next hop, and to the next one when that fails:
// the same decisions as the core's built-in fallback, as a plugin. It is the smallest complete strategy, to copy from.
//
// It owns no state: what was tried and what came back stands in the event. It knows nothing of faces beyond their cost.
package main

import (
	"github.com/zmesh/zmesh/sdk/guest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

func init() { guest.ServeStrategy(bestRoute{}) }

func main() {}

type bestRoute struct{}

// Configure implements [guest.Strategy]. There is nothing to set.
func (bestRoute) Configure(guest.Values) error { return nil }

// Decide takes the cheapest next hop that was not tried. When all were, only a retry goes to the cheapest again: after a
// Return there is nowhere left to ask.
func (bestRoute) Decide(ev *guest.Event, do *guest.Commands) {
	if h := first(ev.Hops, abi.HopTried|abi.HopInFace); h != nil {
		do.SendTo(h.Face)
		do.Reuse(abi.MaxReuse, abi.MaxReuseTime) // it hangs on the next hops alone
		return
	}
	if ev.Kind != abi.RetryIn {
		return
	}
	if h := first(ev.Hops, abi.HopInFace); h != nil {
		do.SendTo(h.Face)
	}
}

// first finds the cheapest next hop that is in none of the states.
func first(hops []guest.Hop, not uint16) *guest.Hop {
	for i := range hops {
		if hops[i].State&not == 0 {
			return &hops[i]
		}
	}
	return nil
}

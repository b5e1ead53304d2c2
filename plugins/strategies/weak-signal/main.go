// Command weak-signal is the strategy of a relay on a radio channel that all its neighbours share. It repeats only what it has heard
// weakly, since who hears a station well is near it and would reach few others; after a random pause, and not if another
// node was first. An Interest that has a next hop elsewhere goes there instead.
//
// It owns no state: the node holds the frames and listens whether they are heard again.
package main

import (
	"github.com/zmesh/zmesh/sdk/guest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

func init() { guest.ServeStrategy(&relay{}) }

func main() {}

// relay keeps its settings.
type relay struct {
	threshold int16 // dBm; what is heard more weakly is repeated
	delay     int64 // ns, of each repeat
	jitter    int64 // ns, of which each adds a random part
}

// Configure reads the settings.
func (r *relay) Configure(v guest.Values) error {
	r.threshold = int16(v.Int("threshold", -90))
	r.delay, r.jitter = v.Duration("delay", 10_000_000), v.Duration("jitter", 200_000_000)
	return nil
}

// Needs asks for Contents: those that it has relayed the Interest of, and those that are published on the channel.
func (*relay) Needs() guest.Needs { return abi.FeatureContent }

// Decide repeats what was heard weakly, unless there is another way.
func (r *relay) Decide(ev *guest.Event, do *guest.Commands) {
	if ev.Kind != abi.ContentIn {
		if h := untried(ev); h != nil {
			do.SendTo(h.Face)
			return
		}
		if ev.Kind == abi.Renew {
			return
		}
	}
	if ev.InKind == abi.FaceBroadcast && ev.Signal != abi.SignalUnknown && ev.Signal < r.threshold {
		do.Repeat(r.pause(ev.Random))
	}
}

// untried is the cheapest next hop that was not asked.
func untried(ev *guest.Event) *guest.Hop {
	for i := range ev.Hops {
		if h := &ev.Hops[i]; h.State&(abi.HopTried|abi.HopInFace) == 0 {
			return h
		}
	}
	return nil
}

// pause is the delay and a random part of the jitter.
func (r *relay) pause(random uint32) int64 {
	return r.delay + r.jitter/1000*int64(random>>8)/(1<<24)*1000
}

// Command multicast is the strategy that sends an Interest to every next hop at once. The first answer wins; the others meet
// an entry that is already satisfied. It costs as many frames as there are ways, and survives the loss of all ways but one
// without waiting.
//
// It owns no state, and knows nothing of which way was good before.
package main

import (
	"github.com/zmesh/zmesh/sdk/guest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

func init() { guest.ServeStrategy(&multicast{}) }

func main() {}

// multicast keeps its one setting.
type multicast struct {
	faces uint8 // at most so many next hops; 0: all
}

// Configure reads the setting faces, which the host has checked to be 0 … 255.
func (m *multicast) Configure(v guest.Values) error {
	m.faces = uint8(v.Int("faces", 0))
	return nil
}

// Decide asks all next hops, again on a retry. After a Return the others are still at work: only a next hop that has come
// up since is asked.
func (m *multicast) Decide(ev *guest.Event, do *guest.Commands) {
	if ev.Kind == abi.ReturnIn {
		m.late(ev, do)
		return
	}
	do.Reuse(abi.MaxReuse, abi.MaxReuseTime) // it hangs on nothing
	if m.faces > 0 {
		do.SendFirst(m.faces)
		return
	}
	do.SendAll()
}

// late asks next hops that were not asked yet, unless the setting leaves them out.
func (m *multicast) late(ev *guest.Event, do *guest.Commands) {
	asked := 0
	for _, h := range ev.Hops {
		if h.State&abi.HopTried != 0 && h.State&abi.HopReturned == 0 {
			asked++
		}
	}
	for _, h := range ev.Hops {
		if m.faces > 0 && asked >= int(m.faces) {
			return
		}
		if h.State&(abi.HopTried|abi.HopInFace) == 0 {
			do.SendTo(h.Face)
			asked++
		}
	}
}

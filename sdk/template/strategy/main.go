// Command my-strategy is a Z-Mesh strategy: it decides where an Interest goes. It asks the cheapest next hops, and another one when
// one of them returns the Interest.
//
// It keeps nothing: what was tried, and what came back, stands in the event.
package main

import (
	"github.com/zmesh/zmesh/sdk/guest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

func init() { guest.ServeStrategy(&strategy{}) }

func main() {}

type strategy struct {
	faces int // how many next hops are asked at once
}

// Configure reads the settings of plugin.toml. The host has checked them.
func (s *strategy) Configure(v guest.Values) error {
	s.faces = int(v.Int("faces", 1))
	return nil
}

// Decide is called for each event. It must not keep the event or the commands, and should not allocate.
func (s *strategy) Decide(ev *guest.Event, do *guest.Commands) {
	want := s.faces
	if ev.Kind == abi.ReturnIn {
		want = 1 // one for the one that failed
	}
	for _, h := range ev.Hops { // cheapest first
		if do.Len() < want && h.State&(abi.HopTried|abi.HopInFace) == 0 {
			do.SendTo(h.Face)
		}
	}
	if do.Len() == 0 && ev.Kind == abi.RetryIn { // all were asked, and somebody asks again
		do.SendFirst(uint8(s.faces))
	}
}

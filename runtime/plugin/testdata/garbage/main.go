// Command garbage is a strategy that makes some hundred bytes of garbage with each decision, counts, and keeps a value: for a test of what
// that does to memory.
package main

import "github.com/zmesh/zmesh/sdk/guest"

func init() { guest.ServeStrategy(&garbage{}) }

func main() {}

type garbage struct {
	recent  [][]byte
	made    int
	metrics guest.Metrics
	state   guest.State
}

// Configure implements [guest.Strategy].
func (*garbage) Configure(guest.Values) error { return nil }

// Decide implements [guest.Strategy].
func (g *garbage) Decide(ev *guest.Event, do *guest.Commands) {
	g.made++
	b := make([]byte, 128)
	b[0] = byte(g.made)
	if g.recent = append(g.recent, b); len(g.recent) > 64 {
		g.recent = nil
	}
	g.metrics.Count("decisions", 1)
	if !g.state.Set("last", b[:8]) || g.state.Get("last", b) != 8 {
		panic("the state is lost")
	}
	if len(ev.Hops) > 0 {
		do.SendTo(ev.Hops[0].Face)
	}
}

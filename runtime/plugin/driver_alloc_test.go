//go:build !race

package plugin

import (
	"testing"

	"github.com/zmesh/zmesh/faces/driver"
)

// Frames pass through slip in wasm without an allocation, out and in.
func TestAllocDriver(t *testing.T) {
	m, _ := manager(t, Options{})
	load(t, m, "slip", builtin(t, "slip"))
	d := line(t, m, "slip")
	items, wire := frames(t, d, 100)
	in := []driver.Item{{Kind: driver.Received, Peer: &driver.Peer{}, Data: wire}}
	var r driver.Result
	settle(m)
	for what, burst := range map[string][]driver.Item{"out": items, "in": in} {
		if n := testing.AllocsPerRun(200, func() { d.Run(0, burst, &r) }); n != 0 {
			t.Errorf("%v allocations for a burst %s", n, what)
		}
	}
}

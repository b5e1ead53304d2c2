package engine_test

import (
	"strings"
	"testing"

	"github.com/zmesh/zmesh/runtime/engine"
)

// driverManifest is a driver's manifest with one declaration changed.
func driverManifest(change func(*engine.Driver)) *engine.Manifest {
	d := &engine.Driver{MTU: 1280, Transports: []string{"stream"}}
	change(d)
	return &engine.Manifest{Format: 1, Kind: "driver", Name: "d", Version: "1.0.0", ABI: engine.Range{Min: "0.1"}, Driver: d}
}

func TestDriverDeclaration(t *testing.T) {
	for _, change := range []func(*engine.Driver){
		func(*engine.Driver) {},
		func(d *engine.Driver) { d.Transports = []string{"datagram", "stream"} },
		func(d *engine.Driver) { d.DutyCycle, d.BitRate, d.HalfDuplex, d.Turnaround = 0.01, 50_000, true, 10 },
		func(d *engine.Driver) { d.LinkBlock, d.PeerBlock, d.Broadcast = 8192, 256, true },
	} {
		if err := driverManifest(change).Check(); err != nil {
			t.Error(err)
		}
	}
	for want, change := range map[string]func(*engine.Driver){
		"mtu 22":          func(d *engine.Driver) { d.MTU = 22 },
		"mtu 1281":        func(d *engine.Driver) { d.MTU = 1281 },
		"is empty":        func(d *engine.Driver) { d.Transports = nil },
		`"tcp"`:           func(d *engine.Driver) { d.Transports = []string{"tcp"} },
		`"stream"`:        func(d *engine.Driver) { d.Transports = []string{"stream", "stream"} },
		"link_block 8200": func(d *engine.Driver) { d.LinkBlock = 8200 },
		"peer_block 12":   func(d *engine.Driver) { d.PeerBlock = 12 },
		"peer_block -8":   func(d *engine.Driver) { d.PeerBlock = -8 },
		"turnaround 5":    func(d *engine.Driver) { d.Turnaround = 5 },
		"duty_cycle 1.5":  func(d *engine.Driver) { d.DutyCycle = 1.5 },
		"bit_rate 0":      func(d *engine.Driver) { d.DutyCycle = 0.1 },
	} {
		if err := driverManifest(change).Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
	m := driverManifest(func(*engine.Driver) {})
	if m.Driver = nil; m.Check() == nil {
		t.Error("a driver without a declaration")
	}
	m = driverManifest(func(*engine.Driver) {})
	if m.Kind = "decoder"; m.Check() == nil {
		t.Error("a decoder with a driver's declaration")
	}
}

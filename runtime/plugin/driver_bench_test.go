package plugin

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/zmesh/zmesh/faces/driver"
)

// driverBurst is what a busy line hands over at once.
const driverBurst = 32

// frames gives items to send, of random bytes, and what a driver makes of them.
func frames(b testing.TB, d *DriverLink, size int) (items []driver.Item, wire []byte) {
	p := &driver.Peer{}
	for k := range driverBurst {
		var data []byte
		for len(data) < size {
			sum := sha256.Sum256(fmt.Append(nil, k, len(data)))
			data = append(data, sum[:]...)
		}
		items = append(items, driver.Item{Kind: driver.Send, Peer: p, Data: data[:size]})
	}
	var r driver.Result
	d.Run(0, items, &r)
	for _, o := range r.Outgoing {
		wire = append(wire, o.Data...)
	}
	if len(r.Outgoing) != driverBurst {
		b.Fatalf("%+v", r.Outcomes)
	}
	return items, wire
}

// What a frame of 100 bytes costs through slip and cobs in wasm, in bursts, out and in.
func BenchmarkDriver(b *testing.B) {
	for _, name := range []string{"slip", "cobs"} {
		m, _ := manager(b, Options{})
		load(b, m, name, builtin(b, name))
		d := line(b, m, name)
		items, wire := frames(b, d, 100)
		in := []driver.Item{{Kind: driver.Received, Peer: &driver.Peer{}, Data: wire}}
		var r driver.Result
		perFrame := func(b *testing.B) {
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/driverBurst, "ns/frame")
		}
		b.Run(name+"/out", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				d.Run(0, items, &r)
			}
			perFrame(b)
		})
		b.Run(name+"/in", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				d.Run(0, in, &r)
			}
			if len(r.Frames) != driverBurst {
				b.Fatalf("%d frames", len(r.Frames))
			}
			perFrame(b)
		})
	}
}
